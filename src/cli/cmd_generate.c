/* phial generate: a prompt in, a text out; or many of them as one batch. */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/answer_signal.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "cli/gen_batch.h"
#include "cli/gen_setup.h"

#define PROMPT_FILE_BYTES ((size_t)256 << 20)

/* What is open while the command runs. */
typedef struct job {
    const ph_args *args;
    ph_gen gen;
    ph_gen_config config;
    phial_preset *preset;
    uint32_t *ids; /* owned, [n_ids]: the prompt */
    size_t n_ids;
    ph_buf input, text; /* what was given; the prompt as text */
    phial_session *session;
    phial_sampler *sampler;
    phial_generation *generation;
    bool newline; /* the text written last ended in one */
} job;

static void job_close(job *j)
{
    phial_generation_free(j->generation);
    phial_sampler_free(j->sampler);
    phial_session_free(j->session);
    ph_free(j->ids);
    ph_buf_free(&j->input);
    ph_buf_free(&j->text);
    phial_preset_free(j->preset);
    ph_gen_close(&j->gen);
    ph_gen_config_free(&j->config);
}

static phial_status check_args(const ph_args *args, phial_error *err)
{
    int n = ph_args_given(args, "prompt") + ph_args_given(args, "file") +
            ph_args_given(args, "ids") + ph_args_given(args, "prompts");
    if (n > 1)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "give the prompt by one of --prompt, --file, --ids and --prompts");
    if (ph_args_given(args, "batch") && !ph_args_given(args, "prompts"))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--batch is for the prompts of --prompts");
    if (n == 0 && isatty(STDIN_FILENO))
        ph_say("reading the prompt from the terminal; end it with Ctrl-D at the start of a line");
    return PHIAL_OK;
}

static phial_status read_input(job *j, phial_error *err)
{
    const char *path = ph_args_str(j->args, "file"), *text = ph_args_str(j->args, "prompt");
    if (ph_args_given(j->args, "ids") || ph_args_given(j->args, "prompts"))
        return PHIAL_OK;
    phial_status st = PHIAL_OK;
    if (text)
        ph_buf_add_str(&j->input, text);
    else
        st = ph_file_read(&j->input, path ? path : "-", PROMPT_FILE_BYTES, err);
    if (st == PHIAL_OK)
        st = ph_buf_status(&j->input, err);
    if (st == PHIAL_OK && j->input.len == 0)
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                        "the prompt is empty; give a text by --prompt, --file or standard input, "
                        "or token ids by --ids");
    return st;
}

static phial_status make_prompt(job *j, phial_error *err)
{
    size_t n;
    const int64_t *list = ph_args_list(j->args, "ids", &n);
    if (!list) {
        phial_turn turn = {PHIAL_ROLE_USER, {j->input.data, j->input.len}};
        return ph_gen_encode(&j->ids, &j->n_ids, &j->text, &j->gen, &j->config, j->preset, &turn, 1,
                             err);
    }
    j->ids = ph_alloc(n, sizeof *j->ids, err);
    if (!j->ids)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        phial_status st = ph_gen_check_id(&j->gen, list[i], err);
        if (st != PHIAL_OK)
            return ph_err_context(err, st, "option --ids");
        j->ids[i] = (uint32_t)list[i];
    }
    j->n_ids = n;
    return PHIAL_OK;
}

static bool show_text(void *user, const char *text, size_t n)
{
    job *j = user;
    j->newline = text[n - 1] == '\n';
    return ph_out_foreign((ph_str){text, n}, true) && ph_out_flush() && !ph_answer_interrupted();
}

static bool look_up(void *user, const char *text, size_t n)
{
    (void)user;
    (void)text;
    (void)n;
    return !ph_answer_interrupted();
}

static phial_status prepare(job *j, phial_error *err)
{
    phial_text *stops = NULL;
    phial_generation_options o;
    phial_generation_options_default(&o);
    phial_status st = ph_gen_session_new(&j->session, &j->gen, &j->config, j->n_ids, false, err);
    if (st == PHIAL_OK)
        st = ph_gen_options_fill(&o, &stops, &j->gen, &j->config, j->preset, err);
    if (st == PHIAL_OK) {
        o.session = j->session;
        o.sampler = j->sampler;
        o.prompt = (phial_tokens){j->ids, j->n_ids};
        o.clean_after = (phial_text){j->text.data, j->text.len};
        o.on_text = ph_args_flag(j->args, "json") ? look_up : show_text;
        o.user = j;
        st = phial_generation_new(&j->generation, &o, err);
    }
    ph_free(stops);
    return st;
}

static phial_status answer(job *j, phial_error *err)
{
    phial_generation_result r = {.size = sizeof r};
    ph_answer_begin(true);
    ph_answer_add(j->session);
    phial_status st = phial_generation_run(j->generation, err);
    ph_answer_remove(j->session);
    ph_answer_end();
    if (st == PHIAL_OK)
        st = phial_generation_get_result(j->generation, &r, err);
    if (st != PHIAL_OK)
        return st;
    if (ph_args_flag(j->args, "json"))
        st = ph_out_json(ph_gen_result_json(&r, j->config.seed, NULL), err);
    else if (isatty(STDOUT_FILENO) && !j->newline)
        ph_out_str("\n");
    ph_out_flush();
    if (j->config.verbose)
        ph_gen_result_say(&r, j->config.seed);
    if (st == PHIAL_OK && ph_answer_interrupted())
        st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    job j = {.args = args};
    phial_status st = check_args(args, err);
    if (st == PHIAL_OK)
        st = ph_gen_config_read(&j.config, args, err);
    if (st == PHIAL_OK)
        st = phial_preset_open(&j.preset, ph_args_str(args, "preset"), NULL, err);
    if (st == PHIAL_OK)
        st = read_input(&j, err);
    const char *prompts = ph_args_str(args, "prompts");
    j.config.ids_only = ph_args_given(args, "ids");
    if (prompts)
        j.config.n_seq = (uint32_t)ph_args_int(args, "batch");
    if (st == PHIAL_OK)
        st = ph_gen_open(&j.gen, ph_args_str(args, "model"), args, &j.config, err);
    /* Also with --prompts: wrong options are a usage error, not one of each line. */
    if (st == PHIAL_OK)
        st = ph_gen_sampler_new(&j.sampler, &j.gen, &j.config, j.preset, j.config.seed, err);
    if (st == PHIAL_OK)
        st = ph_gen_stops_check(&j.gen, &j.config, j.preset, err);
    if (st == PHIAL_OK && prompts) {
        st = ph_gen_batch(&j.gen, &j.config, j.preset, prompts, ph_gen_kv_bytes(&j.gen), err);
    } else if (st == PHIAL_OK) {
        st = make_prompt(&j, err);
        if (st == PHIAL_OK)
            st = prepare(&j, err);
        if (st == PHIAL_OK)
            st = answer(&j, err);
    }
    job_close(&j);
    return st;
}

static const ph_opt opts[] = {
    PH_OPT_ROW_MODEL,
    {.name = "prompt", .letter = 'p', .kind = PH_OPT_STRING, .arg = "TEXT", .help = "the prompt"},
    {.name = "file",
     .letter = 'f',
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "the prompt from a file, byte for byte; - is standard input"},
    {.name = "ids",
     .kind = PH_OPT_LIST,
     .arg = "LIST",
     .help =
         "the prompt as token ids, separated by commas; nothing is put around them, and a model "
         "without a tokenizer will do",
     .max_int = INT32_MAX},
    {.name = "prompts",
     .kind = PH_OPT_STRING,
     .arg = "FILE.jsonl",
     .help = "answer each line of a file as one batch, JSON lines out; - is standard input"},
    {.name = "batch",
     .letter = 'b',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "with --prompts: sequences run together at most",
     .fallback = "32",
     .min_int = 1,
     .max_int = 1024},
    {.name = "preset",
     .kind = PH_OPT_STRING,
     .arg = "NAME",
     .help = "form of the prompt: plain, instruct, chat, code, qa, or a file of one's own",
     .fallback = "plain"},
#include "cli/gen_opts.def"
    {.name = "json",
     .kind = PH_OPT_FLAG,
     .help = "print text, ids, finish reason, seed and times as one JSON document"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial generate -m phi-2.gguf -p 'The panda is' -n 16", "go on with a text"},
    {"phial generate -m phi-2.gguf --preset instruct -p 'Name three bears.' -n 16 --temp 0",
     "answer, always with the most likely words"},
    {"phial generate -m phi-2.gguf -f prompt.txt -n 16 --seed 7 --stop 'The end' --json",
     "the text of a file goes on; all about it as JSON"},
    {"phial generate -m phi-2.gguf --prompts prompts.jsonl -n 8",
     "answer each line of {\"id\":1,\"prompt\":\"...\"} in one batch"},
    {0},
};

const ph_cmd ph_cmd_generate = {
    .details =
        "Writes the text that follows a prompt, and only that. The prompt is what --prompt, --file "
        "or standard input gives, in the form of the preset; special tokens in it are plain "
        "text.\n"
        "The answer ends at the end-of-text token (stop), before a stop string (stop_string), at "
        "--tokens or --max-length (length), or when the context is full (context). A prompt that "
        "is longer than the context is an error (exit code 4: a larger --ctx may help).\n"
        "With --prompts a line is {\"id\", \"prompt\" or \"ids\"} and, where it wants, \"seed\", "
        "\"n\", \"max_length\", \"stop\", \"system\", \"samplers\" and sampling numbers by the "
        "names "
        "of the options. Results come in the order of the lines, each as with --json and its id. "
        "The k-th line (from 0) has --seed plus k unless it names its own; its answer is the one "
        "it would get alone.",
    .opts = opts,
    .examples = examples,
    .run = run,
};
