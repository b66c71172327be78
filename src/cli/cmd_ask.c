/* phial ask: answers from the documents of a collection. */
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/answer_signal.h"
#include "cli/answer_view.h"
#include "cli/ask_view.h"
#include "cli/chat_input.h"
#include "cli/conversation.h"
#include "cli/engine_opts.h"
#include "cli/vector_opts.h"

static const char *const MODES[] = {"hybrid", "lexical", "dense", NULL};

typedef struct job {
    const ph_args *args;
    ph_gen gen;
    ph_gen_config config;
    phial_preset *preset;
    phial_prompt_options prompt;
    phial_collection *collection;
    phial_embedder *embedder; /* NULL: words alone are searched */
    phial_asker *asker;
    phial_session *session;
    phial_text *stops;
    phial_generation_options generation;
    ph_answer_view view;
    bool json, streams; /* a person is watching the answer grow */
    uint64_t n_asked;
} job;

static void job_close(job *j)
{
    phial_asker_free(j->asker);
    phial_embedder_close(j->embedder);
    phial_collection_close(j->collection);
    phial_session_free(j->session);
    ph_free(j->stops);
    phial_preset_free(j->preset);
    ph_gen_close(&j->gen);
    ph_gen_config_free(&j->config);
}

static phial_status open_asker(job *j, phial_error *err)
{
    const ph_args *args = j->args;
    phial_ask_options o;
    phial_ask_options_default(&o);
    o.search.k = (uint32_t)ph_args_int(args, "k");
    if (ph_args_has(args, "mode"))
        o.search.mode = (phial_search_mode)ph_args_choice(args, "mode");
    const char *filter = ph_args_str(args, "filter");
    if (filter && strncmp(filter, "doc=", 4) != 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "option --filter: it can be doc=GLOB");
    o.search.doc_glob = filter ? filter + 4 : NULL;
    o.search.diversity = ph_args_double(args, "diversity");
    phial_status st =
        ph_vectors_open_asker(&j->embedder, j->collection, ph_args_str(args, "embedder"),
                              o.search.mode, ph_args_given(args, "mode"), err);
    if (st != PHIAL_OK)
        return st;
    o.search.embedder = j->embedder;
    o.passage_tokens = (uint32_t)ph_args_int(args, "passage-tokens");
    if (ph_args_has(args, "min-about"))
        o.min_about = ph_args_double(args, "min-about");
    if (ph_args_has(args, "max-not-told"))
        o.max_not_told = ph_args_double(args, "max-not-told");
    if (ph_args_has(args, "min-support"))
        o.min_support = ph_args_double(args, "min-support");
    phial_prompt_options_default(&j->prompt);
    j->prompt.system = j->config.system.p ? &j->config.system : NULL;
    j->prompt.user_prefix = j->config.in_prefix.p ? &j->config.in_prefix : NULL;
    j->prompt.user_suffix = j->config.in_suffix.p ? &j->config.in_suffix : NULL;
    o.preset = j->preset;
    o.prompt = &j->prompt;
    return phial_asker_new(&j->asker, j->collection, &o, err);
}

static phial_status open_all(job *j, phial_error *err)
{
    const char *model = ph_args_str(j->args, "model");
    phial_status st = ph_gen_config_read(&j->config, j->args, err);
    ph_gen_config_plain(&j->config);
    if (st == PHIAL_OK)
        st = phial_collection_open(&j->collection, ph_args_positional(j->args, 0),
                                   PHIAL_COLLECTION_READ, err);
    if (st == PHIAL_OK)
        st = phial_preset_open(&j->preset, ph_args_str(j->args, "preset"), NULL, err);
    if (st == PHIAL_OK)
        st = ph_gen_open(&j->gen, model, j->args, &j->config, err);
    if (st == PHIAL_OK)
        st = ph_gen_stops_check(&j->gen, &j->config, j->preset, err);
    if (st == PHIAL_OK)
        st = ph_gen_session_new(&j->session, &j->gen, &j->config, 0, true, err);
    phial_generation_options_default(&j->generation);
    if (st == PHIAL_OK)
        st = ph_gen_options_fill(&j->generation, &j->stops, &j->gen, &j->config, j->preset, err);
    return st == PHIAL_OK ? open_asker(j, err) : st;
}

static bool look_up(void *user, const char *text, size_t n)
{
    (void)user;
    (void)text;
    (void)n;
    return !ph_answer_interrupted();
}

/* What was not taken for an answer. */
static void tell_said(const phial_answer *answer)
{
    ph_buf line;
    ph_buf_init(&line, 0);
    if (ph_str_escape(&line, (ph_str){answer->said.p, answer->said.n}, false))
        ph_say("%s; the model wrote: %s", phial_abstention_name(answer->abstained), line.data);
    ph_buf_free(&line);
}

static phial_status ask(job *j, phial_text question, phial_error *err)
{
    phial_sampler *sampler = NULL;
    const phial_answer *answer = NULL;
    phial_generation_options g = j->generation;
    phial_status st = ph_gen_sampler_new(&sampler, &j->gen, &j->config, j->preset,
                                         (j->config.seed + j->n_asked++) & INT64_MAX, err);
    if (st != PHIAL_OK)
        return st;
    ph_answer_view_init(&j->view, true);
    g.session = j->session;
    g.sampler = sampler;
    g.on_text = j->streams ? ph_answer_view_add : look_up;
    g.user = &j->view;
    ph_answer_begin(!j->streams);
    ph_answer_add(j->session);
    st = phial_asker_ask(j->asker, &answer, question, &g, err);
    ph_answer_remove(j->session);
    ph_answer_end();
    bool shown = j->view.shown;
    ph_answer_view_end(&j->view, false);
    if (st == PHIAL_OK && ph_answer_interrupted())
        st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    if (st == PHIAL_OK && j->json)
        st = ph_out_json(ph_ask_json(answer), err);
    else if (st == PHIAL_OK)
        ph_ask_show(answer, shown);
    if (st == PHIAL_OK && j->config.verbose)
        ph_say("%s; prompt %zu tokens, %zu reused; %zu written; search %.1f ms, first token %.1f "
               "ms; about %.2f, not told %.3f",
               answer->follows_up ? "goes on from the last question" : "a question by itself",
               answer->prompt.n, answer->n_reused, answer->n_generated, answer->search_ms,
               answer->first_ms, answer->about, answer->not_told);
    if (st == PHIAL_OK && j->config.verbose && answer->abstained && answer->said.n > 0)
        tell_said(answer);
    phial_sampler_free(sampler);
    return st;
}

/* --- the console --- */

static phial_status command(job *j, ph_str line, bool *leave, phial_error *err)
{
    if (ph_str_eq_c(line, "/bye") || ph_str_eq_c(line, "/exit") || ph_str_eq_c(line, "/quit")) {
        *leave = true;
    } else if (ph_str_eq_c(line, "/clear")) {
        phial_asker_clear(j->asker);
        ph_tell("(the next question stands for itself)");
    } else if (ph_str_eq_c(line, "/help")) {
        ph_tell("What you type is asked; a question that goes on from the last one (\"And when?\") "
                "is\nunderstood so. Ctrl-C stops an answer, Ctrl-D leaves.\n\n"
                "  /clear  forget the questions so far\n"
                "  /help   show this\n"
                "  /bye    leave");
    } else {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "unknown command %.*s; there are /clear, /help and /bye (a question that "
                          "begins with / begins with //)",
                          PH_STR_ARG(line));
    }
    return PHIAL_OK;
}

static phial_status converse(job *j, bool on_terminal, phial_error *err)
{
    ph_chat_input *input = NULL;
    ph_buf message;
    bool leave = false;
    ph_buf_init(&message, PH_MESSAGE_BYTES);
    phial_status st =
        ph_chat_input_open(&input, on_terminal, !ph_args_flag(j->args, "no-history"), err);
    while (st == PHIAL_OK && !leave) {
        ph_message_kind kind;
        st = ph_chat_input_next(input, &message, &kind, err);
        if (st != PHIAL_OK || kind == PH_MESSAGE_END)
            break;
        if (kind == PH_MESSAGE_COMMAND)
            st = command(j, (ph_str){message.data, message.len}, &leave, err);
        else
            st = ask(j, (phial_text){message.data, message.len}, err);
        if (st != PHIAL_OK && on_terminal && st != PHIAL_ERR_FILE_CHANGED) {
            ph_tell("phial: %s", err->message);
            *err = (phial_error){0};
            st = PHIAL_OK;
        }
        if (!ph_out_flush())
            break;
    }
    ph_chat_input_close(input);
    ph_buf_free(&message);
    return st;
}

static phial_status read_question(ph_buf *out, const ph_args *args, phial_error *err)
{
    const char *word;
    for (size_t i = 1; (word = ph_args_positional(args, i)) != NULL; i++) {
        if (out->len > 0)
            ph_buf_add_byte(out, ' ');
        ph_buf_add_str(out, word);
    }
    phial_status st = ph_buf_status(out, err);
    /* An empty variable of a script must not open a console. */
    if (st == PHIAL_OK && ph_args_positional(args, 1) &&
        strspn(out->len ? out->data : "", " \t\r\n") == out->len)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT,
                        "the question is empty (without one, phial ask is a console)");
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    job j = {.args = args, .json = ph_args_flag(args, "json")};
    ph_buf question;
    ph_buf_init(&question, PH_MESSAGE_BYTES);
    j.streams = !j.json && isatty(STDOUT_FILENO);
    phial_status st = read_question(&question, args, err);
    if (st == PHIAL_OK)
        st = open_all(&j, err);
    if (st == PHIAL_OK && question.len > 0) {
        st = ask(&j, (phial_text){question.data, question.len}, err);
    } else if (st == PHIAL_OK) {
        bool on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        if (on_terminal)
            ph_tell("Ask about %s. /help helps, Ctrl-D leaves.",
                    ph_path_base(ph_args_positional(args, 0)));
        st = converse(&j, on_terminal, err);
    }
    job_close(&j);
    ph_buf_free(&question);
    return st;
}

static const ph_opt opts[] = {
    PH_OPT_ROW_MODEL,
    {.name = "k",
     .letter = 'k',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "passages at most",
     .fallback = "4",
     .min_int = 1,
     .max_int = PHIAL_ANSWER_PASSAGES_MAX},
    {.name = "mode",
     .kind = PH_OPT_CHOICE,
     .arg = "MODE",
     .help = "how passages are found; without it hybrid, which is lexical without vectors",
     .choices = MODES},
    {.name = "diversity",
     .kind = PH_OPT_DOUBLE,
     .arg = "D",
     .fallback = "0",
     .max_double = 1,
     .help = "how much a passage loses for being like one before it; needs vectors"},
    PH_OPT_ROW_EMBEDDER(" of this collection, if it is no longer where it was"),
    {.name = "filter",
     .kind = PH_OPT_STRING,
     .arg = "doc=GLOB",
     .help = "only documents whose name matches"},
    {.name = "passage-tokens",
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "cut longer passages to the part that is most about the question; 0 is an even share "
             "of the context",
     .fallback = "0",
     .max_int = INT32_MAX},
    {.name = "min-about",
     .kind = PH_OPT_DOUBLE,
     .arg = "P",
     .help = "share of the question's words that the passages must have",
     .max_double = 1},
    {.name = "max-not-told",
     .kind = PH_OPT_DOUBLE,
     .arg = "P",
     .help = "do not answer when the model finds it more probable than that to say that the "
             "passages do not tell; 1 does not look at it",
     .max_double = 1},
    {.name = "min-support",
     .kind = PH_OPT_DOUBLE,
     .arg = "P",
     .help = "support that a sentence needs to be cited",
     .max_double = 1},
    {.name = "preset",
     .kind = PH_OPT_STRING,
     .arg = "NAME",
     .help = "form of the prompt: instruct, chat, qa, or a file of one's own",
     .fallback = "instruct"},
    {.name = "no-history", .kind = PH_OPT_FLAG, .help = "keep no history of what is typed"},
#include "cli/gen_opts.def"
    {.name = "json",
     .kind = PH_OPT_FLAG,
     .help = "print answer, sentences with citations, passages and times as one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a collection made by phial index"},
    {.name = "QUESTION",
     .help = "one question to be answered; without it, a console",
     .optional = true,
     .many = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial ask notes.phial -m phi-2.gguf 'What do the notes say?' -n 8", "one answer"},
    {"printf 'What is there?\\nAnd what else?\\n' | phial ask notes.phial -m phi-2.gguf -n 8",
     "a thread of questions from a pipe"},
    {0},
};

const ph_cmd ph_cmd_ask = {
    .details =
        "Finds passages, lets the model answer from them, and holds every sentence of the answer "
        "against the passages: what stands there is cited with document, page and quote, what does "
        "not is marked. When the documents do not say, neither does the answer, and the nearest "
        "passages are shown.\n"
        "Without a question it is a console; a question that goes on from the one before keeps its "
        "thread. Answers are greedy unless sampling is asked for.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
