/* Contract in nano.h. */
#include "cli/nano.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli_io.h"

static const char *const PLACES[] = {"../share/phial/nano.gguf", "../../models/nano/nano.gguf"};

const char *ph_nano_model(void)
{
    static char path[PATH_MAX + 64];
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    while (n > 0 && n < (ssize_t)sizeof program && program[n - 1] != '/')
        n--;
    if (n <= 0 || n == (ssize_t)sizeof program)
        return NULL;
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        snprintf(path, sizeof path, "%.*s%s", (int)n, program, PLACES[i]);
        if (ph_file_kind_of(path) == PH_FILE_REGULAR) {
            ph_say("nano, 7M parameters, a demonstration; see README for Phi-2 itself");
            return path;
        }
    }
    return NULL;
}
