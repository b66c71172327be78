/* What all helper programs share: the way in (limits, sandbox, document) and the way out (stream,
 * exit code).
 *
 * A helper is started by proc/spawn.c as
 *     phial-NAME FORMAT ENDING MAX_TEXT MAX_PAGES
 * with the document on descriptor 3 (read-only, seekable, at its beginning), passwords on
 * descriptor 0 (each ended by a NUL), and the result going to descriptor 1 (fmt/doc_stream.h).
 */
#ifndef PH_HELPER_HELPER_H
#define PH_HELPER_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "fmt/doc_stream.h"
#include "proc/sandbox.h"

#define PH_HELPER_PASSWORDS_MAX 64

typedef struct ph_helper {
    int doc;            /* the document */
    const char *format; /* row of rag/extract.def */
    const char *ending; /* of the file's name, lower case, without the dot; may be "" */
    const char *passwords[PH_HELPER_PASSWORDS_MAX];
    size_t n_passwords;
    bool files_readable; /* what the sandbox's view lists can be opened */
    ph_doc_writer out;   /* limits are set */
} ph_helper;

typedef struct ph_helper_program {
    const char *name;              /* for messages */
    const char *const *read_paths; /* beside ph_sandbox_library_paths; NULL: none */
    void (*prepare)(void);         /* before the sandbox is entered; may be NULL */
    phial_status (*run)(ph_helper *helper, phial_error *err);
} ph_helper_program;

/* The whole of a helper's main(). Does not return: ends the process without running exit handlers
 * (there is nothing they could still do in the sandbox). Exit codes: 0 the stream ends in END, or
 * in FAILED with a sentence; 1 otherwise. */
_Noreturn void ph_helper_main(int argc, char **argv, const ph_helper_program *program);

#endif
