/* `phial run` under a pseudo-terminal: a person chats, edits, pastes, interrupts, leaves.
 * The model is the tiny Phi of this repository, and the same with a context of 65,536 so that an
 * answer takes long enough to be interrupted. What it says is noise; what is looked at is around
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pty_console.h"

static char folder[] = "/tmp/phial-chat-XXXXXX";

static void shell(const char *line)
{
    const cli_result *r = cli_run(line);
    if (r->code != 0)
        fail_msg("%s: exit %d\n%s", line, r->code, r->err);
}

static int make_folder(void **state)
{
    (void)state;
    return console_folder(folder);
}

static void begin(pty_program *p, const char *model, const char *options, int columns)
{
    char line[1024];
    setenv("PHIAL", PH_CLI_PROGRAM, 1);
    snprintf(line, sizeof line, "exec $PHIAL run %s %s", model, options);
    assert_true(pty_start(p, line, columns));
    ready(p);
}

static void test_memory(void **state)
{
    (void)state;
    pty_program p;
    begin(&p, TINY, "-n 8 --seed 1 -v", 80);
    say(&p, "first thing");
    say(&p, "second thing");
    size_t from = p.mark;
    say(&p, "/show prompt");
    const char *first = strstr(p.out + from, "Alice: first thing");
    const char *second = strstr(p.out + from, "Alice: second thing");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second && strstr(first, "Bob:") < second);
    pty_send(&p, "/stats\r");
    wait_for(&p, "answers: 2");
    wait_for(&p, "prompt tokens: ");
    unsigned n_read = 0, n_reused = 0;
    wait_for(&p, "reused");
    const char *line = strstr(p.out + p.mark - 40, "tokens: ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "tokens: %u read, %u reused", &n_read, &n_reused), 2);
    assert_true(n_read > 0 && n_reused > 0);
    ready(&p);
    /* The statistics of --verbose came with each answer. */
    assert_non_null(strstr(p.out, " reused; length; seed 1]"));
    leave(&p);
}

static void test_interrupted_answer(void **state)
{
    (void)state;
    char model[128];
    snprintf(model, sizeof model, "%s/long", folder);
    pty_program p;
    begin(&p, model, "-n 60000 --ignore-eos --seed 1 --stop 'none of this'", 80);
    pty_send(&p, "go on and on\r");
    wait_for(&p, "go on and on");
    assert_true(pty_expect_bytes(&p, 2000));
    pty_send(&p, "\003");
    wait_for(&p, "(stopped)");
    ready(&p);
    /* The program lives, and both the question and the part of an answer are remembered. */
    say(&p, "/set n 4");
    size_t from = p.mark;
    say(&p, "and what then");
    assert_null(strstr(p.out + from, "(stopped)"));
    from = p.mark;
    say(&p, "/show prompt");
    assert_non_null(strstr(p.out + from, "Alice: go on and on"));
    assert_non_null(strstr(p.out + from, "Alice: and what then"));
    leave(&p);
}

static void test_overflow(void **state)
{
    (void)state;
    pty_program p;
    begin(&p, TINY, "-n 20 --seed 1 --ctx 128", 80);
    pty_send(&p, "a message that has quite a number of tokens in this tokenizer\r");
    ready(&p);
    for (int i = 0; i < 8 && !strstr(p.out, "phial: the conversation has"); i++)
        say(&p, "and one more that has quite a number of tokens in this tokenizer");
    assert_non_null(strstr(p.out, "and the context holds 128"));
    assert_non_null(strstr(p.out, "/set overflow shift leaves out oldest turns"));
    say(&p, "/set overflow shift");
    pty_send(&p, "goes on\r");
    wait_for(&p, "turns are left out from here on");
    ready(&p);
    size_t from = p.mark;
    say(&p, "/show prompt");
    assert_null(strstr(p.out + from, "a message that has"));
    assert_non_null(strstr(p.out + from, "Alice: goes on"));
    leave(&p);
}

static void test_save_and_load(void **state)
{
    (void)state;
    char text[256];
    pty_program p;
    begin(&p, TINY, "-n 12 --seed 5 --temp 1.5 --ignore-eos --system 'Be kind.'", 80);
    say(&p, "hello");
    snprintf(text, sizeof text, "/save %s/a.json", folder);
    pty_send(&p, text);
    pty_send(&p, "\r");
    wait_for(&p, "(2 turns saved)");
    ready(&p);
    say(&p, "what next");
    snprintf(text, sizeof text, "/save %s/b.json", folder);
    say(&p, text);
    leave(&p);
    /* Another program, other settings: they come from the file. */
    begin(&p, TINY, "-t 3", 80);
    snprintf(text, sizeof text, "/load %s/a.json", folder);
    pty_send(&p, text);
    pty_send(&p, "\r");
    wait_for(&p, "(2 turns loaded");
    ready(&p);
    say(&p, "what next");
    snprintf(text, sizeof text, "/save %s/c.json", folder);
    say(&p, text);
    size_t from = p.mark;
    say(&p, "/show prompt");
    assert_non_null(strstr(p.out + from, "Be kind."));
    leave(&p);
    snprintf(text, sizeof text, "test $(grep -c '\"role\": \"assistant\"' %s/b.json) = 2", folder);
    shell(text);
    snprintf(text, sizeof text, "cmp %s/b.json %s/c.json", folder, folder);
    shell(text);
}

/* What a conversation of somebody else calls its preset cannot steer the terminal, and what would
 * fail at each answer is refused at once. */
static void test_foreign_conversation(void **state)
{
    (void)state;
    char text[512];
    pty_program p;
    begin(&p, TINY, "-n 2 --seed 5 --stop zz", 80);
    snprintf(text, sizeof text, "/save %s/own.json", folder);
    say(&p, text);
    snprintf(text, sizeof text,
             "cd %s && sed 's/\"preset_name\": \"chat\"/\"preset_name\": \"\\\\u001b[31mred\"/' "
             "own.json >foreign.json && sed 's/\"zz\"/\"\"/' own.json >empty.json && "
             "! cmp -s own.json foreign.json && ! cmp -s own.json empty.json",
             folder);
    shell(text);
    snprintf(text, sizeof text, "/load %s/foreign.json", folder);
    say(&p, text);
    size_t from = p.mark;
    say(&p, "/preset");
    say(&p, "/show");
    assert_non_null(strstr(p.out + from, "preset: \\x1b[31mred;"));
    assert_null(strstr(p.out + from, "\033[31m"));
    from = p.mark;
    snprintf(text, sizeof text, "/load %s/empty.json", folder);
    say(&p, text);
    assert_non_null(strstr(p.out + from, " is empty"));
    leave(&p);
}

static void test_typing(void **state)
{
    (void)state;
    pty_program p;
    begin(&p, TINY, "-n 4 --seed 1", 80);
    /* A paste of two lines is one message; Enter sends it. */
    say(&p, "\033[200~line one\rline two\033[201~");
    pty_send(&p, "\"\"\"quoted one\r");
    wait_for(&p, PASTE_ON ". ");
    pty_send(&p, "\r");
    wait_for(&p, PASTE_ON ". ");
    say(&p, "quoted three\"\"\", behind");
    say(&p, "h\xc3\xa9llo \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x90\xbc");
    /* Ctrl-C throws away what was typed. */
    pty_send(&p, "thrown away\003");
    ready(&p);
    size_t from = p.mark;
    say(&p, "/show prompt");
    assert_non_null(strstr(p.out + from, "Alice: line one\r\nline two\r\n"));
    assert_non_null(strstr(p.out + from, "Alice: quoted one\r\n\r\nquoted three, behind\r\n"));
    assert_non_null(
        strstr(p.out + from, "Alice: h\xc3\xa9llo \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x90\xbc"));
    assert_null(strstr(p.out + from, "Alice: thrown"));
    pty_send(&p, "/stat\r");
    wait_for(&p, "did you mean /stats?");
    ready(&p);
    /* Twice at an empty line leaves. */
    pty_send(&p, "\003");
    wait_for(&p, "Ctrl-C once more");
    pty_send(&p, "\003");
    assert_int_equal(pty_end(&p), 0);
}

static void test_narrow_and_resized(void **state)
{
    (void)state;
    pty_program p;
    begin(&p, TINY, "-n 4 --seed 1", 5);
    say(&p, "a line wider than the terminal \xe4\xb8\x96\xe7\x95\x8c");
    pty_send(&p, "half a ");
    pty_resize(&p, 40);
    pty_send(&p, "line");
    pty_resize(&p, 1);
    say(&p, " more");
    pty_resize(&p, 80);
    size_t from = p.mark;
    say(&p, "/show history");
    assert_non_null(strstr(p.out + from, "a line wider than the terminal"));
    assert_non_null(strstr(p.out + from, "half a line more"));
    leave(&p);
}

static void test_history(void **state)
{
    (void)state;
    char line[256];
    pty_program p;
    snprintf(line, sizeof line, "rm -rf %s/phial", folder);
    shell(line);
    begin(&p, TINY, "-n 2", 80);
    say(&p, "remember me");
    leave(&p);
    begin(&p, TINY, "-n 2", 80);
    say(&p, "\033[A"); /* up: the line typed in the other program */
    size_t from = p.mark;
    say(&p, "/show history");
    assert_non_null(strstr(p.out + from, "remember me"));
    leave(&p);
    /* Private, and nothing at all with --no-history. */
    snprintf(line, sizeof line, "test $(stat -c %%a %s/phial/history) = 600", folder);
    shell(line);
    snprintf(line, sizeof line, "rm %s/phial/history", folder);
    shell(line);
    begin(&p, TINY, "-n 2 --no-history", 80);
    say(&p, "forget me");
    leave(&p);
    snprintf(line, sizeof line, "test ! -e %s/phial/history", folder);
    shell(line);
}

static void test_unreadable_history(void **state)
{
    (void)state;
    char line[256];
    pty_program p;
    snprintf(line, sizeof line, "mkdir -p %s/phial; rm -f %s/phial/history; mkdir %s/phial/history",
             folder, folder, folder);
    shell(line);
    begin(&p, TINY, "-n 2", 80);
    assert_non_null(strstr(p.out, "is no file; it is left as it is)"));
    say(&p, "hello");
    leave(&p);
    snprintf(line, sizeof line, "rmdir %s/phial/history; printf 'garbage\\n' >%s/phial/history",
             folder, folder);
    shell(line);
    begin(&p, TINY, "-n 2", 80);
    assert_non_null(strstr(p.out, "cannot be read; it is left as it is)"));
    say(&p, "hello");
    leave(&p);
    snprintf(line, sizeof line, "test \"$(cat %s/phial/history)\" = garbage", folder);
    shell(line);
    snprintf(line, sizeof line, "rm %s/phial/history", folder);
    shell(line);
}

/* One message on the command line: an answer, and the shell again. */
static void test_one_shot(void **state)
{
    (void)state;
    char line[512];
    pty_program p;
    setenv("PHIAL", PH_CLI_PROGRAM, 1);
    snprintf(line, sizeof line,
             "PHIAL_MODEL=%s $PHIAL run 'Write a haiku about pandas' -n 6; echo "
             "done $?",
             TINY);
    assert_true(pty_start(&p, line, 80));
    wait_for(&p, "done 0");
    assert_null(strstr(p.out, PASTE_ON));
    assert_int_equal(pty_end(&p), 0);
}

/* Ctrl-C ends `generate` with what it has, and exit code 130. */
static void test_generate_interrupted(void **state)
{
    (void)state;
    char line[512];
    pty_program p;
    setenv("PHIAL", PH_CLI_PROGRAM, 1);
    snprintf(line, sizeof line, "exec $PHIAL generate -m %s/long -p a -n 60000 --ignore-eos -v",
             folder);
    assert_true(pty_start(&p, line, 80));
    assert_true(pty_expect_bytes(&p, 2000));
    pty_send(&p, "\003");
    wait_for(&p, "; cancelled; seed ");
    wait_for(&p, "phial: interrupted");
    assert_int_equal(pty_end(&p), 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_interrupted_answer),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_foreign_conversation),
        cmocka_unit_test(test_typing),
        cmocka_unit_test(test_narrow_and_resized),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_unreadable_history),
        cmocka_unit_test(test_one_shot),
        cmocka_unit_test(test_generate_interrupted),
    };
    return cmocka_run_group_tests(tests, make_folder, console_remove);
}
