/* A conversation with a model: turns, settings, answers; what `phial run` does behind its prompt.
 *
 * The whole conversation is written as one prompt for each answer; the session finds out how much
 * of it it has read already. When it outgrows the context, the user's choice of overflow decides:
 * `stop` takes the message back, `shift` leaves out the oldest turns, a question with its answer at
 * a time, keeping the system prompt. Both are told.
 *
 * The k-th answer (from 0) is drawn with a seed made of the conversation's seed and k, so that a
 * saved conversation goes on as the original would.
 *
 * Answers go to standard output, everything else to standard error.
 */
#ifndef PH_CLI_CONVERSATION_H
#define PH_CLI_CONVERSATION_H

#include "base/mem.h"
#include "cli/gen_setup.h"

/* Turns of one conversation. */
#define PH_CHAT_TURNS_MAX 100000

typedef enum ph_overflow { PH_OVERFLOW_STOP, PH_OVERFLOW_SHIFT } ph_overflow;

typedef struct ph_chat_stats {
    size_t n_answers, n_read, n_reused, n_generated;
    double prefill_ms, decode_ms;
    size_t n_decoded;
} ph_chat_stats;

typedef struct ph_chat {
    const ph_args *args;
    const char *model_path; /* borrowed */
    ph_gen gen;
    ph_gen_config config; /* its texts are borrowed from args or from `words` */
    ph_arena words;
    phial_preset *preset;
    phial_session *session;
    phial_turn *turns; /* owned list, [n_turns] of cap_turns; texts are owned */
    size_t n_turns, cap_turns;
    size_t first;             /* turns before this one are left out of the prompt */
    uint64_t n_drawn;         /* answers drawn from the seed so far */
    const char *alone_preset; /* the last answer was given in this preset, without the earlier
                               * turns; NULL: in the conversation */
    ph_overflow overflow;
    bool on_terminal; /* a person is watching */
    ph_chat_stats stats;
} ph_chat;

phial_status ph_chat_open(ph_chat *chat, const ph_args *args, const char *model_path,
                          const char *preset, phial_error *err);
void ph_chat_close(ph_chat *chat);

/* The user's message and the answer to it, which is streamed to standard output. CANCELLED: the
 * user interrupted it; what was written of it stays (if that is nothing, the message is taken
 * back). On any other error the conversation is as before. */
phial_status ph_chat_say(ph_chat *chat, phial_text message, phial_error *err);
/* The same, but answered in another preset (its name lives as long as the chat; NULL: as by
 * ph_chat_say()) and without the earlier turns. Message and answer become turns. */
phial_status ph_chat_say_in(ph_chat *chat, const char *preset, phial_text message,
                            phial_error *err);
/* The last answer once more, with the next seed. */
phial_status ph_chat_retry(ph_chat *chat, phial_error *err);
void ph_chat_clear(ph_chat *chat);

phial_status ph_chat_set_preset(ph_chat *chat, const char *name, phial_error *err);
/* Consumes the preset, also on failure. The user's own settings stay and are checked against it. */
phial_status ph_chat_use_preset(ph_chat *chat, phial_preset *preset, phial_error *err);
/* Whether the settings make a sampler and the stop strings a stopper. */
phial_status ph_chat_check(const ph_chat *chat, phial_error *err);
/* A copy that lives as long as the chat. */
phial_status ph_chat_keep(ph_chat *chat, phial_text *out, const char *p, size_t n,
                          phial_error *err);
phial_status ph_chat_add_turn(ph_chat *chat, phial_role role, const char *p, size_t n,
                              phial_error *err);

/* The prompt of the next answer as text (without the message to come); tokens to *n. */
phial_status ph_chat_prompt(const ph_chat *chat, ph_buf *text, size_t *n, phial_error *err);

/* Lines for the user, on standard error; texts that are not ours are escaped on a terminal. */
void ph_tell(const char *fmt, ...) PH_PRINTF(1, 2);
void ph_tell_text(phial_text text);

#endif
