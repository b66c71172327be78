/* Log lines; contract in log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void ph_log_write(const ph_log *log, ph_log_level level, const char *fmt, ...)
{
    if (log == NULL || log->fn == NULL) {
        return;
    }
    char line[1001];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    log->fn(log->user, (int)level, line);
}
