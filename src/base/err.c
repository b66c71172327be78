/* Error sentences; contract in err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const char *phial_status_name(phial_status status)
{
    switch (status) {
    case PHIAL_OK:
        return "ok";
    case PHIAL_ERR_IO:
        return "input/output error";
    case PHIAL_ERR_BUSY:
        return "in use by another program";
    case PHIAL_ERR_ARGUMENT:
        return "impossible argument";
    case PHIAL_ERR_BAD_INPUT:
        return "bad input";
    case PHIAL_ERR_UNSUPPORTED:
        return "unsupported";
    case PHIAL_ERR_LOCKED:
        return "locked by a password";
    case PHIAL_ERR_NO_MEMORY:
        return "out of memory";
    case PHIAL_ERR_LIMIT:
        return "limit exceeded";
    case PHIAL_ERR_CONTEXT_FULL:
        return "context full";
    case PHIAL_ERR_CANCELLED:
        return "cancelled";
    case PHIAL_ERR_FILE_CHANGED:
        return "file changed while in use";
    case PHIAL_ERR_NUMERIC:
        return "not a number";
    }
    return "unknown status";
}

/* Copies raw to out with everything unprintable as \xNN; false if it did not fit. */
static bool escape_into(char *out, size_t cap, const char *raw, size_t n)
{
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        size_t len = 1;
        uint32_t cp = ph_utf8_decode((const uint8_t *)raw + i, n - i, &len);
        bool plain = cp != PH_UTF8_INVALID && cp >= 0x20 && (cp < 0x7f || cp > 0x9f);
        size_t need = plain ? len : 4 * len;
        if (o + need + 4 > cap) { /* room for "..." and NUL */
            memcpy(out + o, "...", 4);
            return false;
        }
        for (size_t k = 0; k < len; k++) {
            if (plain) {
                out[o++] = raw[i + k];
            } else {
                o += (size_t)snprintf(out + o, cap - o, "\\x%02x", (unsigned)(uint8_t)raw[i + k]);
            }
        }
        i += len;
    }
    out[o] = '\0';
    return true;
}

__attribute__((format(printf, 2, 0))) static void format_into(phial_error *err, const char *fmt,
                                                              va_list args)
{
    char raw[2 * PHIAL_ERROR_MESSAGE_BYTES];
    int n = vsnprintf(raw, sizeof raw, fmt, args);
    if (n < 0) {
        n = 0;
    }
    size_t len = (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;
    escape_into(err->message, sizeof err->message, raw, len);
}

phial_status ph_err_set(phial_error *err, phial_status status, const char *fmt, ...)
{
    if (err == NULL) {
        return status;
    }
    err->status = status;
    va_list args;
    va_start(args, fmt);
    format_into(err, fmt, args);
    va_end(args);
    return status;
}

phial_status ph_err_context(phial_error *err, phial_status status, const char *fmt, ...)
{
    if (err == NULL) {
        return status;
    }
    phial_error context;
    va_list args;
    va_start(args, fmt);
    format_into(&context, fmt, args);
    va_end(args);
    char joined[2 * PHIAL_ERROR_MESSAGE_BYTES + 2];
    int n = snprintf(joined, sizeof joined, "%s: %s", context.message, err->message);
    /* Both halves are escaped already, so only the length can change here. */
    escape_into(err->message, sizeof err->message, joined, (size_t)n);
    return err->status;
}

phial_status ph_err_errno(phial_error *err, int code, const char *fmt, ...)
{
    phial_status status = code == ENOMEM ? PHIAL_ERR_NO_MEMORY : PHIAL_ERR_IO;
    if (err == NULL) {
        return status;
    }
    err->status = status;
    va_list args;
    va_start(args, fmt);
    format_into(err, fmt, args);
    va_end(args);
    char text[128];
    const char *reason = strerror_r(code, text, sizeof text);
    size_t len = strlen(err->message);
    snprintf(err->message + len, sizeof err->message - len, ": %s", reason);
    return status;
}
