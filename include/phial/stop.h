/* Stop strings: an answer ends before the first of them, and no part of one is ever shown.
 *
 * A stopper takes the bytes of an answer as they come and hands them on as soon as they cannot
 * belong to a stop string any more. Result and text handed on do not depend on how the bytes were
 * cut into pushes: the stop string with the earliest beginning wins; of several with the same
 * beginning the shortest (the shown text is the same, and no further token is needed to know).
 * It works on bytes; keeping UTF-8 characters whole is the business of whoever shows them.
 * Time is linear in the bytes pushed, whatever the strings are (Aho and Corasick, 1975).
 *
 * Threads: a stopper belongs to one thread at a time.
 */
#ifndef PHIAL_STOP_H
#define PHIAL_STOP_H

#include <stdbool.h>
#include <stddef.h>

#include "phial/error.h"
#include "phial/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why an answer ended. */
typedef enum phial_finish {
    PHIAL_FINISH_NONE = 0, /* it has not */
    PHIAL_FINISH_STOP,     /* the model's end-of-text token */
    PHIAL_FINISH_STOP_STRING,
    PHIAL_FINISH_LENGTH,  /* as many tokens as were asked for */
    PHIAL_FINISH_CONTEXT, /* the context is full */
    PHIAL_FINISH_CANCELLED
} phial_finish;

/* "stop", "stop_string", "length", "context", "cancelled"; "none". */
PHIAL_API const char *phial_finish_name(phial_finish finish);

/* Limits. */
#define PHIAL_STOP_STRINGS_MAX 1024
#define PHIAL_STOP_BYTES_MAX   (1u << 20) /* of all strings together */

typedef struct phial_stopper phial_stopper;

/* strings are copied; n may be 0. ARGUMENT: an empty string (number named); LIMIT. */
PHIAL_API phial_status phial_stopper_new(phial_stopper **out, const phial_text *strings, size_t n,
                                         phial_error *err);
PHIAL_API void phial_stopper_free(phial_stopper *stopper);

/* Ready for another answer. */
PHIAL_API void phial_stopper_reset(phial_stopper *stopper);

/* Takes n bytes; *shown are those that may be shown now, borrowed until the next call. Once a stop
 * string is complete nothing more is shown. Pushes of up to 4,096 bytes allocate nothing. */
PHIAL_API phial_status phial_stopper_push(phial_stopper *stopper, const void *bytes, size_t n,
                                          phial_text *shown, phial_error *err);

/* The answer is over: what was held back, if no stop string came of it. */
PHIAL_API void phial_stopper_flush(phial_stopper *stopper, phial_text *shown);

/* Whether a stop string was found; *which (may be NULL) is then its number. */
PHIAL_API bool phial_stopper_stopped(const phial_stopper *stopper, size_t *which);

#ifdef __cplusplus
}
#endif

#endif
