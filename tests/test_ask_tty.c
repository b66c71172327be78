/* The console of `phial ask` as a person sees it, under a pseudo-terminal: questions that go on
 * from the last one, Ctrl-C, commands. With the small model of the repository, whose words are
 * random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pty_console.h"

static char folder[] = "/tmp/phial-asktty-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    if (console_folder(folder) != 0)
        return -1;
    const cli_result *r =
        cli_run("printf '{\"_id\":\"fox\",\"text\":\"Ann saw a red fox in May.\"}\\n"
                "{\"_id\":\"hat\",\"text\":\"Ben had a red hat in June.\"}\\n' >$D/a.jsonl && "
                "$PHIAL index $D/a.phial --jsonl $D/a.jsonl");
    if (r->code != 0)
        print_error("%s", r->err);
    return r->code;
}

static void begin(pty_program *p, const char *options)
{
    char line[1024];
    snprintf(line, sizeof line, "exec $PHIAL ask $D/a.phial -m $D/long --max-not-told 1 %s",
             options);
    assert_true(pty_start(p, line, 100));
    wait_for(p, "Ask about a.phial. /help helps, Ctrl-D leaves.");
    ready(p);
}

static void test_thread(void **state)
{
    (void)state;
    pty_program p;
    begin(&p, "-n 6 --seed 1 -v");
    type(&p, "Who saw a red fox?");
    wait_for(&p, "a question by itself");
    ready(&p);
    type(&p, "And when?");
    wait_for(&p, "goes on from the last question");
    /* What was read for the first question is used again. */
    unsigned n_prompt = 0, n_reused = 0;
    wait_for(&p, "prompt ");
    wait_for(&p, " reused");
    const char *at = p.out + p.mark - 60;
    at = strstr(at, "prompt ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "prompt %u tokens, %u reused", &n_prompt, &n_reused), 2);
    assert_in_range(n_reused, 20, n_prompt);
    ready(&p);
    type(&p, "/clear");
    wait_for(&p, "stands for itself");
    ready(&p);
    type(&p, "And when?");
    wait_for(&p, "a question by itself");
    ready(&p);
    leave(&p);
}

static void test_interrupted(void **state)
{
    (void)state;
    pty_program p;
    begin(&p, "-n 60000 --ignore-eos --seed 1 --stop 'none of this'");
    type(&p, "Who saw a red fox?");
    wait_for(&p, "red fox?");
    assert_true(pty_expect_bytes(&p, 1500));
    pty_send(&p, "\003");
    wait_for(&p, "interrupted");
    ready(&p);
    /* The console lives. */
    type(&p, "/help");
    wait_for(&p, "/clear  forget the questions so far");
    ready(&p);
    /* Ctrl-C at the prompt throws away what was typed. */
    pty_send(&p, "Who w\003");
    ready(&p);
    type(&p, "/bye");
    assert_int_equal(pty_end(&p), 0);
}

static void test_mistakes(void **state)
{
    (void)state;
    pty_program p;
    begin(&p, "-n 4 --seed 1");
    type(&p, "/frobnicate");
    wait_for(&p, "unknown command /frobnicate; there are /clear, /help and /bye");
    ready(&p);
    type(&p, "Which zebra paints violins?");
    wait_for(&p, "Not found in these documents.");
    ready(&p);
    leave(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, make_folder, console_remove);
}
