/* phial detokenize: token ids to the exact bytes they stand for. */
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "phial/tokenizer.h"

/* Ids may be pasted from any list. */
static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

/* Adds the ids in text, as uint32_t, to out. */
static phial_status parse_ids(ph_buf *out, ph_str text, phial_error *err)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = 0;
        while (i + n < text.n && !is_separator(text.p[i + n]))
            n++;
        ph_str word = {text.p + i, n};
        i += n + 1;
        if (n == 0)
            continue;
        uint64_t value;
        if (!ph_str_parse_u64(word, &value))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'%.*s' is no token id", PH_STR_ARG(word));
        if (value >= PHIAL_VOCAB_MAX)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "token id %.*s is not below %u",
                              PH_STR_ARG(word), PHIAL_VOCAB_MAX);
        uint32_t id = (uint32_t)value;
        ph_buf_add(out, &id, sizeof id);
    }
    return ph_buf_status(out, err);
}

static phial_status read_ids(ph_buf *ids, const ph_args *args, phial_error *err)
{
    phial_status st = PHIAL_OK;
    if (ph_args_positional(args, 0)) {
        for (size_t i = 0; st == PHIAL_OK && ph_args_positional(args, i); i++)
            st = parse_ids(ids, ph_str_from(ph_args_positional(args, i)), err);
        return st;
    }
    ph_buf text;
    ph_buf_init(&text, 0);
    st = ph_in_text(&text, NULL, err);
    if (st == PHIAL_OK)
        st = parse_ids(ids, (ph_str){text.data, text.len}, err);
    ph_buf_free(&text);
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_tokenizer *tokenizer = NULL;
    ph_buf ids, text;
    ph_buf_init(&ids, 0);
    ph_buf_init(&text, 0);
    phial_status st = phial_tokenizer_open(&tokenizer, ph_args_str(args, "model"), err);
    if (st == PHIAL_OK)
        st = read_ids(&ids, args, err);
    for (size_t i = 0; st == PHIAL_OK && i < ids.len; i += sizeof(uint32_t)) {
        uint32_t id;
        size_t n;
        memcpy(&id, ids.data + i, sizeof id);
        const char *piece = phial_tokenizer_text(tokenizer, id, &n);
        ph_buf_add(&text, piece, n);
    }
    /* In one piece: a character may be spread over tokens, and is judged whole. */
    if (st == PHIAL_OK)
        st = ph_buf_status(&text, err);
    if (st == PHIAL_OK)
        ph_out_foreign((ph_str){text.data, text.len}, true);
    ph_buf_free(&text);
    ph_buf_free(&ids);
    phial_tokenizer_close(tokenizer);
    return st;
}

static const ph_opt opts[] = {
    PH_OPT_ROW_VOCABULARY,
    {0},
};

static const ph_positional positionals[] = {
    {.name = "IDS",
     .help = "token ids, separated by spaces or commas; without them, from standard input",
     .optional = true,
     .many = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial detokenize -m phi-2.gguf 15496 11 995", "Hello, world"},
    {"phial tokenize -m phi-2 < a | phial detokenize -m phi-2 | cmp - a", "nothing is lost"},
    {0},
};

const ph_cmd ph_cmd_detokenize = {
    .details =
        "Writes the exact bytes of the tokens, without a newline behind them; on a terminal, "
        "control "
        "characters and invalid UTF-8 are shown as \\xNN. Ids that stand for no text (the padding "
        "of a vocabulary) give nothing.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
