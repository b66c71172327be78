/* The library never prints; it hands lines to the caller's function, if there is one. */
#ifndef PH_BASE_LOG_H
#define PH_BASE_LOG_H

#include "base/err.h"

typedef enum ph_log_level { PH_LOG_DEBUG, PH_LOG_INFO, PH_LOG_WARN } ph_log_level;

typedef void (*ph_log_fn)(void *user, int level, const char *line);

typedef struct ph_log {
    ph_log_fn fn; /* NULL: silence */
    void *user;
} ph_log;

/* Formats at most 1,000 bytes; no final newline. */
void ph_log_write(const ph_log *log, ph_log_level level, const char *fmt, ...) PH_PRINTF(3, 4);

#endif
