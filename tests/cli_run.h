/* Running the program as a user would, through a shell, and looking at what came back. */
#ifndef PH_TESTS_CLI_RUN_H
#define PH_TESTS_CLI_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PH_CLI_PROGRAM PHIAL_BUILD_DIR "/phial"

/* A line that runs a copy of the program, beside which there is no model. */
#define CLI_WITHOUT_NANO(arguments)                                                                \
    "d=$(mktemp -d); cp $PHIAL $d/phial; env -u PHIAL_MODEL $d/phial " arguments                   \
    "; code=$?; rm -rf $d; exit $code"

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

/* The same in a folder. */
static inline const cli_result *cli_run_in(const char *folder, const char *line)
{
    static char command[7000];
    snprintf(command, sizeof command, "cd %s && { %s\n}", folder, line);
    return cli_run(command);
}

/* Fails the test unless the line ends with this code and these are in what it says. */
static inline const cli_result *cli_check(const cli_result *r, const char *line, int code,
                                          const char *in_out, const char *in_err)
{
    if (r->code != code || !strstr(r->out, in_out) || !strstr(r->err, in_err))
        fail_msg("%s: exit %d, not %d\n--- out:\n%s--- err:\n%s", line, r->code, code, r->out,
                 r->err);
    return r;
}

static inline const cli_result *cli_expect(const char *line, int code, const char *in_out,
                                           const char *in_err)
{
    return cli_check(cli_run(line), line, code, in_out, in_err);
}

static inline const cli_result *cli_expect_in(const char *folder, const char *line, int code,
                                              const char *in_out, const char *in_err)
{
    return cli_check(cli_run_in(folder, line), line, code, in_out, in_err);
}

#endif
