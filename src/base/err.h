/* Building error sentences. Contract of the object: include/phial/error.h.
 *
 * The place that finds the fault calls ph_err_set(); callers on the way up add what they know with
 * ph_err_context(), which puts "context: " in front. All accept a NULL object.
 * Threads: none of its own; an object belongs to one thread.
 */
#ifndef PH_BASE_ERR_H
#define PH_BASE_ERR_H

#include "phial/error.h"

#if defined(__GNUC__)
#define PH_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#else
#define PH_PRINTF(fmt_index, first_arg)
#endif

/* Writes status and sentence; control characters and invalid UTF-8 in the result are escaped as
 * \xNN. A sentence that is too long is cut at a character and ends in "...". Returns status. */
phial_status ph_err_set(phial_error *err, phial_status status, const char *fmt, ...)
    PH_PRINTF(3, 4);

/* Puts "<text>: " in front of the message. Returns the status the object holds (or, for a NULL
 * object, `status`, so that `return ph_err_context(err, status, ...)` works). */
phial_status ph_err_context(phial_error *err, phial_status status, const char *fmt, ...)
    PH_PRINTF(3, 4);

/* As ph_err_set(), with ": " and the system's text for errno value `code` behind. ENOMEM becomes
 * PHIAL_ERR_NO_MEMORY, everything else PHIAL_ERR_IO. */
phial_status ph_err_errno(phial_error *err, int code, const char *fmt, ...) PH_PRINTF(3, 4);

#endif
