/* phial run: the chat. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/chat_commands.h"
#include "cli/chat_input.h"
#include "cli/cli_io.h"
#include "cli/conversation.h"
#include "cli/nano.h"

/* What the command line says: a model, and a message to be answered at once. */
typedef struct wish {
    const char *model;
    ph_buf message; /* empty: chat */
} wish;

static bool looks_like_model(const char *word)
{
    ph_str s = ph_str_from(word);
    if (ph_str_ends_with(s, ".gguf") || ph_file_kind_of(word) != PH_FILE_MISSING)
        return true;
    return strchr(word, '/') && !strchr(word, ' ');
}

static phial_status read_wish(wish *w, const ph_args *args, phial_error *err)
{
    size_t i = 0;
    const char *first = ph_args_positional(args, 0);
    w->model = ph_args_str(args, "model");
    if (first && !ph_args_given(args, "model") && looks_like_model(first)) {
        w->model = first;
        i = 1;
    }
    if (!w->model)
        w->model = ph_nano_model();
    if (!w->model && first)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "no model: '%s' is no file or folder; name one as the first argument, by "
                          "--model or in the environment variable PHIAL_MODEL",
                          first);
    if (!w->model)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "no model; name a .gguf file or a Hugging Face folder as the first "
                          "argument, by --model or in the environment variable PHIAL_MODEL");
    for (const char *word; (word = ph_args_positional(args, i)) != NULL; i++) {
        if (w->message.len > 0)
            ph_buf_add_byte(&w->message, ' ');
        ph_buf_add_str(&w->message, word);
    }
    return ph_buf_status(&w->message, err);
}

static void greet(const ph_chat *chat)
{
    ph_buf name;
    ph_buf_init(&name, 0);
    ph_str_escape(&name, ph_str_from(ph_path_base(chat->model_path)), false);
    ph_tell("%s, %s, %.3g million parameters. /help helps, Ctrl-D leaves.",
            name.data ? name.data : "model", chat->gen.info.weight_type,
            (double)chat->gen.info.n_params / 1e6);
    ph_buf_free(&name);
}

/* What a person does wrong, or a full context, is told, and the chat goes on; a pipe ends with it.
 */
static phial_status recover(const ph_chat *chat, phial_status st, phial_error *err)
{
    if (st == PHIAL_OK || !chat->on_terminal || st == PHIAL_ERR_FILE_CHANGED)
        return st;
    if (st != PHIAL_ERR_CANCELLED)
        ph_tell("phial: %s", err->message);
    *err = (phial_error){0};
    return PHIAL_OK;
}

static phial_status converse(ph_chat *chat, bool with_history, phial_error *err)
{
    ph_chat_input *input = NULL;
    ph_buf message;
    ph_buf_init(&message, PH_MESSAGE_BYTES);
    bool leave = false;
    phial_status st = ph_chat_input_open(&input, chat->on_terminal, with_history, err);
    while (st == PHIAL_OK && !leave) {
        ph_message_kind kind;
        st = ph_chat_input_next(input, &message, &kind, err);
        if (st != PHIAL_OK || kind == PH_MESSAGE_END)
            break;
        if (kind == PH_MESSAGE_COMMAND)
            st = ph_chat_command(chat, (ph_str){message.data, message.len}, &leave, err);
        else
            st = ph_chat_say(chat, (phial_text){message.data, message.len}, err);
        st = recover(chat, st, err);
        if (!ph_out_flush())
            break;
    }
    ph_chat_input_close(input);
    ph_buf_free(&message);
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    wish w = {0};
    ph_chat chat = {0};
    ph_buf_init(&w.message, PH_MESSAGE_BYTES);
    phial_status st = read_wish(&w, args, err);
    if (st == PHIAL_OK)
        st = ph_chat_open(&chat, args, w.model, ph_args_str(args, "preset"), err);
    if (st == PHIAL_OK && w.message.len > 0) {
        st = ph_chat_say(&chat, (phial_text){w.message.data, w.message.len}, err);
    } else if (st == PHIAL_OK) {
        chat.on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        if (chat.on_terminal)
            greet(&chat);
        st = converse(&chat, !ph_args_flag(args, "no-history"), err);
    }
    ph_chat_close(&chat);
    ph_buf_free(&w.message);
    return st;
}

static const char *const OVERFLOW[] = {"stop", "shift", NULL};

static const ph_opt opts[] = {
    {.name = "model",
     .letter = 'm',
     .kind = PH_OPT_STRING,
     .arg = "MODEL",
     .help = "a .gguf file or a Hugging Face folder; without it nano, where it is installed",
     .env = "PHIAL_MODEL"},
    {.name = "preset",
     .kind = PH_OPT_STRING,
     .arg = "NAME",
     .help = "form of the conversation: chat, instruct, code, qa, plain, or a file of one's own",
     .fallback = "chat"},
    {.name = "overflow",
     .kind = PH_OPT_CHOICE,
     .arg = "WHAT",
     .help = "when the conversation outgrows the context, take the message back, or leave out "
             "oldest turns",
     .fallback = "stop",
     .choices = OVERFLOW},
    {.name = "no-history", .kind = PH_OPT_FLAG, .help = "keep no history of what is typed"},
#include "cli/gen_opts.def"
    {0},
};

static const ph_positional positionals[] = {
    {.name = "MODEL",
     .help = "the model, unless --model or PHIAL_MODEL names it",
     .optional = true},
    {.name = "PROMPT",
     .help = "one message to be answered; without it, a chat",
     .optional = true,
     .many = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial run phi-2.gguf 'Write a haiku about pandas' -n 16", "one answer"},
    {"printf 'Hello!\\nAnd now?\\n' | phial run -m phi-2.gguf -n 8 --overflow shift",
     "a conversation from a pipe: a line in, an answer out"},
    {0},
};

const ph_cmd ph_cmd_run = {
    .details =
        "On a terminal, lines are edited and remembered, /help lists the commands inside the chat, "
        "Ctrl-C stops an answer, and Ctrl-D leaves. In a pipe each line is a message and each "
        "answer ends with a newline; nothing else is written to standard output.\n"
        "The conversation is kept in the model's context and only what is new of it is read. When "
        "it no longer fits, --overflow decides; nothing is left out in silence.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
