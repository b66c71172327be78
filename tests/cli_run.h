/* Running the program as a user would, through a shell, and looking at what came back. */
#ifndef PH_TESTS_CLI_RUN_H
#define PH_TESTS_CLI_RUN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PH_CLI_PROGRAM PHIAL_BUILD_DIR "/phial"

typedef struct cli_result {
    int code; /* exit code; 128 + n for signal n */
    size_t out_len;
    char out[1 << 16]; /* standard output, cut if longer */
    char err[1 << 14]; /* standard error */
} cli_result;

static inline size_t cli_take(const char *path, char *to, size_t room)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(to, 1, room - 1, f) : 0;
    if (f)
        fclose(f);
    to[n] = 0;
    unlink(path);
    return n;
}

/* Runs a shell line in which $PHIAL is the program. The result is one static object. */
static inline const cli_result *cli_run(const char *line)
{
    static cli_result r;
    char command[8192], out[128], err[128];
    snprintf(out, sizeof out, "/tmp/phial-cli-out-%d", (int)getpid());
    snprintf(err, sizeof err, "/tmp/phial-cli-err-%d", (int)getpid());
    snprintf(command, sizeof command, "{ %s\n} >%s 2>%s </dev/null", line, out, err);
    setenv("PHIAL", PH_CLI_PROGRAM, 1);
    int status = system(command);
    r.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r.out_len = cli_take(out, r.out, sizeof r.out);
    cli_take(err, r.err, sizeof r.err);
    return &r;
}

#endif
