/* Presets and prompts: how a conversation is written down for a base model, and where its answer
 * ends.
 *
 * A preset is one JSON file (or one that is built in; the same text). All fields may be left out:
 *
 *   "description"       text   one line for lists
 *   "extends"           text   name of another preset whose fields hold where this one is silent
 *   "system"            text   what stands before everything, unless the caller has another
 *   "system_suffix"     text   behind it, if it is not empty
 *   "user_prefix"       text   before and
 *   "user_suffix"       text   behind what the user says
 *   "assistant_prefix"  text   before and
 *   "assistant_suffix"  text   behind an answer; a prompt ends with assistant_prefix
 *   "assistant_lead"    text   put before an earlier answer that does not begin with a blank
 *   "stop"              texts  stop strings
 *   "stop_tokens"       texts  special tokens that end an answer
 *   "clean"             text   "none", or "code": see phial_code_cleaner_new()
 *   "sampling"          object numbers (and "samplers", a text) by the names of
 *                              phial_sampler_options
 *
 * Unknown fields are refused. "stop", "stop_tokens" and "sampling" of an extending preset replace
 * the lists (and single numbers) of the extended one; stop lists are not joined.
 *
 * Special tokens (like <|im_end|>) are recognized in the preset's own texts, never in what a user
 * or a model said: phial_prompt_split().
 *
 * Threads: a preset and a prompt are immutable; any thread may use them.
 */
#ifndef PHIAL_PROMPT_H
#define PHIAL_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"
#include "phial/text.h"
#include "phial/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Limits. */
#define PHIAL_PRESET_FILE_MAX  (1u << 20) /* bytes of a file */
#define PHIAL_PRESET_NAME_MAX  64         /* letters, digits, '-', '_', '.'; no '.' in front */
#define PHIAL_PRESET_DEPTH_MAX 8          /* presets extending each other */
#define PHIAL_PRESET_STOPS_MAX 256
#define PHIAL_PROMPT_BYTES_MAX ((size_t)1 << 30)

typedef struct phial_preset phial_preset;

/* The folder where a user's presets are kept, $XDG_CONFIG_HOME/phial/presets or
 * $HOME/.config/phial/presets, to out (with a NUL). IO: neither variable holds an absolute path;
 * LIMIT: longer than out_bytes. */
PHIAL_API phial_status phial_preset_folder(char *out, size_t out_bytes, phial_error *err);

/* name: of a preset (folder/name.json first, then the built-in one), or a path (contains '/').
 * folder: NULL: the user's folder, if there is one; "": none. A file that extends its own name
 * means the built-in one. *out is owned. Errors: ARGUMENT: no such preset (near misses and names
 * are told); BAD_INPUT: file, key and fault; IO; LIMIT; NO_MEMORY. */
PHIAL_API phial_status phial_preset_open(phial_preset **out, const char *name, const char *folder,
                                         phial_error *err);
/* From JSON text; `name` is used in messages. */
PHIAL_API phial_status phial_preset_parse(phial_preset **out, const char *name, const char *json,
                                          size_t n, const char *folder, phial_error *err);
PHIAL_API void phial_preset_free(phial_preset *preset);

/* Names of the built-in presets; NULL behind the last. */
PHIAL_API const char *phial_preset_builtin(size_t i);

/* Answers are handed on as they are, or cleaned by a phial_code_cleaner. */
typedef enum phial_clean { PHIAL_CLEAN_NONE = 0, PHIAL_CLEAN_CODE = 1 } phial_clean;

/* All of it; texts are borrowed from the preset, have a NUL behind and are never NULL. */
typedef struct phial_preset_info {
    size_t size; /* sizeof(phial_preset_info), set by the caller */
    const char *name;
    phial_text description;
    phial_text system, system_suffix;
    phial_text user_prefix, user_suffix;
    phial_text assistant_prefix, assistant_suffix, assistant_lead;
    const phial_text *stop;
    size_t n_stop;
    const phial_text *stop_tokens;
    size_t n_stop_tokens;
    phial_clean clean;
    const char *json; /* the whole preset, what it extends included, as a file to keep or share */
} phial_preset_info;

PHIAL_API phial_status phial_preset_get_info(const phial_preset *preset, phial_preset_info *info,
                                             phial_error *err);

/* The sampling suggestions one by one; NULL behind the last. For "samplers" *text is the list, for
 * all others NULL. */
PHIAL_API const char *phial_preset_sampling(const phial_preset *preset, size_t i, double *value,
                                            const char **text);

/* --- prompts ---------------------------------------------------------------------------------- */

typedef enum phial_role { PHIAL_ROLE_USER = 0, PHIAL_ROLE_ASSISTANT = 1 } phial_role;

typedef struct phial_turn {
    phial_role role;
    phial_text text;
} phial_turn;

typedef struct phial_prompt_options {
    size_t size;              /* set by phial_prompt_options_default() */
    const phial_text *system; /* instead of the preset's; NULL (default): the preset's */
    /* What the user wants around each of their inputs, instead of the preset's; NULL (default):
     * the preset's. Special tokens are recognized in them as in the preset. */
    const phial_text *user_prefix, *user_suffix;
    /* The last turn is an assistant's that shall be gone on with: nothing is put behind it.
     * Default false: behind the last turn assistant_prefix asks for an answer. */
    bool continue_last;
} phial_prompt_options;

PHIAL_API void phial_prompt_options_default(phial_prompt_options *options);

typedef struct phial_prompt phial_prompt;

/* The conversation as one text. n_turns may be 0 (system and assistant_prefix alone). *out is
 * owned and holds copies. */
PHIAL_API phial_status phial_prompt_new(phial_prompt **out, const phial_preset *preset,
                                        const phial_turn *turns, size_t n_turns,
                                        const phial_prompt_options *options, phial_error *err);
PHIAL_API void phial_prompt_free(phial_prompt *prompt);

/* The whole text. */
PHIAL_API phial_text phial_prompt_text(const phial_prompt *prompt);

/* The text as segments that alternate between the preset's words (literal) and other people's. */
typedef struct phial_prompt_segment {
    phial_text text;
    bool literal; /* special tokens in it are meant */
} phial_prompt_segment;

PHIAL_API const phial_prompt_segment *phial_prompt_segments(const phial_prompt *prompt, size_t *n);

/* How to tokenize: the text is cut only at special tokens that stand in literal segments (leftmost
 * first, then longest), because a token may reach from the preset's words into the user's. Each
 * piece between them is encoded with special tokens off. The result is what tokenizing the whole
 * text gives whenever other people's words contain no special token. */
typedef struct phial_special {
    phial_text text;
    uint32_t id;
} phial_special;

typedef struct phial_prompt_piece {
    phial_text text;  /* borrowed from the prompt; of the special token, if it is one */
    uint32_t special; /* its id, or PHIAL_TOKEN_NONE: a text to encode, never empty */
} phial_prompt_piece;

/* Calls fn for each piece in order, until it returns something else than PHIAL_OK, which is
 * returned then. ARGUMENT: an empty special. */
typedef phial_status (*phial_piece_fn)(void *user, const phial_prompt_piece *piece,
                                       phial_error *err);
PHIAL_API phial_status phial_prompt_split(const phial_prompt *prompt, const phial_special *specials,
                                          size_t n_specials, phial_piece_fn fn, void *user,
                                          phial_error *err);

/* --- cleaning code -------------------------------------------------------------------------- */

/* Code without the fence and the chatter around it, as lines come in.
 *
 * - A fence is a line of at most 3 blanks and then 3 or more '`' or '~'; it is closed by a line of
 *   the same characters, at least as many, and nothing else.
 * - When a fence opens before any code was kept, the lines inside are kept, whatever they are, and
 *   its end is the end. When one opens behind code, it is the end.
 * - Lines before the first code are chatter and dropped, unless the answer goes on from the
 *   prompt's last line (it did not end in a newline): the first line is then kept.
 * - From then on lines are kept that are indented, inside brackets or a triple-quoted string (also
 *   ones that the prompt left open), or look like code; the first other line is the end. Blank
 *   lines are kept between kept lines.
 * - A line at the left margin looks like code when it begins with one of "[]){}/<@#" (but not
 *   "##") or three quotes, is a statement of Python, an assignment, a call or the head of a
 *   function, or ends with one of "{};\\". A sentence ("Explanation: ...", "Exercise 2:", "for
 *   example, ...") does not.
 */
typedef struct phial_code_cleaner phial_code_cleaner;

/* prompt: what the answer goes on from, or empty if it stands for itself (behind the
 * assistant_prefix of a preset, say); looked at now, not kept. */
PHIAL_API phial_status phial_code_cleaner_new(phial_code_cleaner **out, phial_text prompt,
                                              phial_error *err);
PHIAL_API void phial_code_cleaner_free(phial_code_cleaner *cleaner);
/* *shown: lines that are settled now; borrowed until the next call. */
PHIAL_API phial_status phial_code_cleaner_push(phial_code_cleaner *cleaner, const void *bytes,
                                               size_t n, phial_text *shown, phial_error *err);
/* The answer is over; the last line counts as complete. */
PHIAL_API phial_status phial_code_cleaner_flush(phial_code_cleaner *cleaner, phial_text *shown,
                                                phial_error *err);
/* The end was found: the answer need not go on. */
PHIAL_API bool phial_code_cleaner_done(const phial_code_cleaner *cleaner);

#ifdef __cplusplus
}
#endif

#endif
