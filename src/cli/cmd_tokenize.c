/* phial tokenize: text to token ids. */
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "phial/tokenizer.h"

static phial_status show_json(phial_encoder *encoder, phial_error *err)
{
    size_t n;
    const uint32_t *ids = phial_encoder_ids(encoder, &n);
    const size_t *offsets = phial_encoder_offsets(encoder, err);
    if (!offsets)
        return PHIAL_ERR_NO_MEMORY;
    ph_out_str("{\"ids\":[");
    for (size_t i = 0; i < n; i++)
        ph_outf("%s%u", i ? "," : "", (unsigned)ids[i]);
    ph_out_str("],\"offsets\":[");
    for (size_t i = 0; i < n; i++)
        ph_outf("%s[%zu,%zu]", i ? "," : "", offsets[i], offsets[i + 1]);
    ph_out_str("]}\n");
    return PHIAL_OK;
}

static phial_status show_ids(const phial_encoder *encoder)
{
    size_t n;
    const uint32_t *ids = phial_encoder_ids(encoder, &n);
    for (size_t i = 0; i < n; i++)
        ph_outf("%s%u", i ? " " : "", (unsigned)ids[i]);
    ph_out_str("\n");
    return PHIAL_OK;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_tokenizer *tokenizer = NULL;
    phial_encoder *encoder = NULL;
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status st = phial_tokenizer_open(&tokenizer, ph_args_str(args, "model"), err);
    if (st == PHIAL_OK)
        st = phial_encoder_new(&encoder, tokenizer, err);
    if (st == PHIAL_OK)
        st = ph_in_text(&text, ph_args_positional(args, 0), err);
    if (st == PHIAL_OK)
        st = phial_encoder_run(encoder, text.data, text.len,
                               ph_args_flag(args, "no-special") ? 0 : PHIAL_ENCODE_SPECIAL, err);
    if (st == PHIAL_OK)
        st = ph_args_flag(args, "json") ? show_json(encoder, err) : show_ids(encoder);
    ph_buf_free(&text);
    phial_encoder_free(encoder);
    phial_tokenizer_close(tokenizer);
    return st;
}

static const ph_opt opts[] = {
    PH_OPT_ROW_VOCABULARY,
    {.name = "no-special",
     .kind = PH_OPT_FLAG,
     .help = "special tokens in the text are plain text"},
    {.name = "json",
     .kind = PH_OPT_FLAG,
     .help = "print ids and byte offsets as one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "TEXT", .help = "the text; without it, all of standard input", .optional = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial tokenize -m phi-2.gguf 'Hello, world'", "the ids on one line"},
    {"phial tokenize -m phi-2 --json < notes.txt", "ids and where each token lies in the file"},
    {0},
};

const ph_cmd ph_cmd_tokenize = {
    .details =
        "The text is taken byte for byte, also where it is no valid UTF-8. Nothing is put in "
        "front of it or behind.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
