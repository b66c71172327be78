/* A console of the program (phial run, phial ask) under a pseudo-terminal, as tests talk to it: the
 * environment, a model whose context is so long that an answer can be interrupted, waiting for the
 * prompt. */
#ifndef PH_TESTS_PTY_CONSOLE_H
#define PH_TESTS_PTY_CONSOLE_H

#include "cli_run.h"
#include "pty_run.h"

#define TINY     PHIAL_SOURCE_DIR "/tests/data/tiny-phi"
/* Bracketed paste is switched on, and then the prompt shown: the program waits for a line. */
#define PASTE_ON "\033[?2004h"

/* Makes the folder and in it `long`, the tiny model with a context of 65,536; $D is the folder.
 * 0: done. */
static inline int console_folder(char *folder)
{
    if (!mkdtemp(folder))
        return -1;
    setenv("D", folder, 1);
    setenv("PHIAL", PH_CLI_PROGRAM, 1);
    setenv("XDG_STATE_HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("PHIAL_MODEL");
    unsetenv("EDITRC");
    const cli_result *r = cli_run(
        "mkdir $D/long && cd $D/long && cp " TINY "/model.safetensors " TINY "/tokenizer.json . && "
        "sed 's/\"max_position_embeddings\": 256/\"max_position_embeddings\": 65536/' " TINY
        "/config.json >config.json && grep -q 65536 config.json");
    if (r->code != 0)
        print_error("%s", r->err);
    return r->code;
}

static inline int console_remove(void **state)
{
    (void)state;
    return cli_run("rm -rf $D")->code;
}

static inline void wait_for(pty_program *p, const char *words)
{
    if (!pty_expect(p, words))
        fail_msg("waited for '%s' in vain; behind the mark is:\n%s\n--- all:\n%s", words,
                 p->out + p->mark, p->out);
}

/* Waits until the program wants a line. */
static inline void ready(pty_program *p)
{
    wait_for(p, PASTE_ON);
    wait_for(p, "> ");
}

static inline void type(pty_program *p, const char *text)
{
    pty_send(p, text);
    pty_send(p, "\r");
}

/* Types a line and waits until the program wants the next one. */
static inline void say(pty_program *p, const char *text)
{
    type(p, text);
    ready(p);
}

static inline void leave(pty_program *p)
{
    pty_send(p, "\004");
    assert_int_equal(pty_end(p), 0);
}

#endif
