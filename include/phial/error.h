/* Errors: a status for programs, one sentence for people.
 *
 * Every function of the library that can fail takes a `phial_error *` last and returns a
 * `phial_status`. The error object is the caller's (usually on the stack) and may be NULL. It is
 * written only on failure. The message is one line of UTF-8 without a final newline: what went
 * wrong, with the file and the place first ("phi-2.gguf: tensor 12 'x': ..."). Bytes that come from
 * a file are escaped in it, so that it can be printed on a terminal.
 *
 * Threads: an error object belongs to one thread at a time.
 */
#ifndef PHIAL_ERROR_H
#define PHIAL_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PHIAL_API __attribute__((visibility("default")))
#else
#define PHIAL_API
#endif

/* The numbers are part of the ABI; gaps leave room. */
typedef enum phial_status {
    PHIAL_OK = 0,
    PHIAL_ERR_IO = 10,           /* the operating system refused: no such file, disk full, ... */
    PHIAL_ERR_BUSY = 11,         /* another program has it, and waiting did not help */
    PHIAL_ERR_ARGUMENT = 20,     /* the caller asked for something impossible */
    PHIAL_ERR_BAD_INPUT = 30,    /* a file or a text is malformed */
    PHIAL_ERR_UNSUPPORTED = 31,  /* well-formed, but of a kind Phial cannot handle */
    PHIAL_ERR_LOCKED = 32,       /* encrypted, and no password that was given fits */
    PHIAL_ERR_NO_MEMORY = 40,    /* an allocation failed */
    PHIAL_ERR_LIMIT = 41,        /* a named limit was exceeded */
    PHIAL_ERR_CONTEXT_FULL = 42, /* more tokens than the context holds */
    PHIAL_ERR_CANCELLED = 50,    /* phial_session_cancel() was called */
    PHIAL_ERR_FILE_CHANGED = 60, /* a mapped file shrank while it was in use */
    PHIAL_ERR_NUMERIC = 61       /* NaN or infinity where a number is needed */
} phial_status;

#define PHIAL_ERROR_MESSAGE_BYTES 1024

typedef struct phial_error {
    phial_status status;
    char message[PHIAL_ERROR_MESSAGE_BYTES]; /* always NUL-terminated */
} phial_error;

/* A short constant English name of a status ("bad input"); never NULL. */
PHIAL_API const char *phial_status_name(phial_status status);

#ifdef __cplusplus
}
#endif

#endif
