/* phial train tokenizer: byte-level BPE from text. */
#include <inttypes.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "cli/train_view.h"
#include "phial/train.h"

static phial_status show_json(const phial_tokenizer_train_result *r, phial_error *err)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "n_tokens", ph_json_int_new(r->n_tokens));
    ph_json_set(o, "n_merges", ph_json_int_new(r->n_merges));
    ph_json_set(o, "n_bytes", ph_json_int_new((int64_t)r->n_bytes));
    ph_json_set(o, "n_words", ph_json_int_new((int64_t)r->n_words));
    ph_json_set(o, "n_invalid", ph_json_int_new((int64_t)r->n_invalid));
    ph_json_set(o, "n_dropped", ph_json_int_new((int64_t)r->n_dropped));
    ph_json_set(o, "n_skipped", ph_json_int_new((int64_t)r->n_skipped));
    return ph_out_json(o, err);
}

/* The tokenizer that a model was trained with is gone for good once it is written over. */
static phial_status check_out(const ph_args *args, phial_error *err)
{
    const char *dir = ph_args_str(args, "out");
    ph_buf path;
    ph_buf_init(&path, 0);
    ph_buf_addf(&path, "%s/tokenizer.json", dir);
    phial_status st = ph_buf_status(&path, err);
    if (st == PHIAL_OK && !ph_args_flag(args, "force") &&
        ph_file_kind_of(path.data) != PH_FILE_MISSING)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", path.data);
    ph_buf_free(&path);
    return st;
}

static phial_status train(const ph_args *args, const char **paths, phial_text *specials,
                          phial_error *err)
{
    phial_tokenizer_train_options o;
    phial_tokenizer_train_options_default(&o);
    ph_train_stage stage = {.name = NULL};
    size_t n_paths = 0, n_specials = 0;
    while ((paths[n_paths] = ph_args_positional(args, n_paths)) != NULL)
        n_paths++;
    for (const char *s; (s = ph_args_nth(args, "special", n_specials)) != NULL; n_specials++)
        specials[n_specials] = (phial_text){s, strlen(s)};
    if (n_specials > 0) {
        o.specials = specials;
        o.n_specials = n_specials;
    }
    o.n_vocab = (uint32_t)ph_args_int(args, "vocab");
    o.min_frequency = ph_args_u64(args, "min-frequency");
    o.whole_files = ph_args_flag(args, "whole");
    o.strict = ph_args_flag(args, "strict");
    o.n_threads = (int)ph_args_int(args, "threads");
    o.words_bytes = (uint64_t)ph_args_int(args, "memory") << 20;
    o.progress = ph_train_stage_step;
    o.progress_user = &stage;
    o.log = ph_train_say;
    phial_tokenizer_train_result r;
    ph_interrupt_watch();
    phial_status st = check_out(args, err);
    if (st == PHIAL_OK)
        st = phial_tokenizer_train(ph_args_str(args, "out"), paths, n_paths, &o, &r, err);
    ph_progress_end(&stage.bar);
    if (st != PHIAL_OK)
        return st;
    if (ph_args_flag(args, "json"))
        return show_json(&r, err);
    ph_outf("%" PRIu32 " tokens, %" PRIu32 " merges from %" PRIu64 " different words in %" PRIu64
            " bytes\n",
            r.n_tokens, r.n_merges, r.n_words, r.n_bytes);
    return PHIAL_OK;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    size_t n_specials = 0;
    while (ph_args_nth(args, "special", n_specials))
        n_specials++;
    const char **paths = ph_alloc(args->n_positionals + 1, sizeof *paths, err);
    phial_text *specials = ph_alloc(n_specials, sizeof *specials, err);
    phial_status st = paths && specials ? train(args, paths, specials, err) : PHIAL_ERR_NO_MEMORY;
    ph_free(specials);
    ph_free(paths);
    return st;
}

static const ph_opt opts[] = {
    {.name = "out",
     .letter = 'o',
     .kind = PH_OPT_STRING,
     .arg = "DIR",
     .help = "folder for tokenizer.json and the files around it",
     .required = true},
    {.name = "vocab",
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 257,
     .max_int = 1 << 20,
     .fallback = "4096",
     .help = "tokens in all, special ones included"},
    {.name = "special",
     .kind = PH_OPT_STRINGS,
     .arg = "TOKEN",
     .help = "a token that never comes from text, <|endoftext|> if none is given; the first ends a "
             "text"},
    {.name = "min-frequency",
     .kind = PH_OPT_U64,
     .arg = "N",
     .fallback = "0",
     .help = "pairs that occur less often are not merged"},
    {.name = "whole",
     .kind = PH_OPT_FLAG,
     .help = "a text file is one text; otherwise each of its lines is one, so that no token "
             "reaches over the end of a line"},
    {.name = "strict",
     .kind = PH_OPT_FLAG,
     .help = "refuse lines of JSONL that are empty or malformed, and bytes that are no UTF-8"},
    {.name = "memory",
     .kind = PH_OPT_INT,
     .arg = "MB",
     .min_int = 1,
     .max_int = 1 << 20,
     .fallback = "1024",
     .help = "for the table of words; beyond it the rarest are dropped"},
    PH_OPT_ROW_THREADS_SAME,
    {.name = "force", .kind = PH_OPT_FLAG, .help = "replace the tokenizer that is in DIR"},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "FILE", .help = "text, or JSONL (.jsonl) as phial train takes it", .many = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial train tokenizer notes.txt -o words --vocab 300", "a small one, for a test"},
    {"phial train tokenizer notes.txt talks.jsonl -o words2 --vocab 512 --special '<|endoftext|>' "
     "--special '<|user|>'",
     "from text and examples, with two special tokens"},
    {0},
};

const ph_cmd ph_cmd_train_tokenizer = {
    .details =
        "Byte-level BPE with GPT-2's rule for words, as Phi has it. Merges and ids are those of "
        "the BPE trainer of Hugging Face's tokenizers with the byte alphabet on the same files: "
        "special tokens come first, then the 256 bytes, then the merges.\n\n"
        "Of JSONL, texts, prompts with their completions, and messages are taken.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
