/* `phial index` as a person uses it: stopped in the middle, asked for passwords, on names of any
 * bytes and links that go round in circles, on disks that are full or cannot be written to, on all
 * of the test data.
 * labels: slow
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli_run.h"
#include "pty_run.h"
#include "testdata.h"

enum { RECORDS = 4000 };

static char folder[] = "/tmp/phial-index-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    setenv("D", folder, 1);
    setenv("PHIAL", PH_CLI_PROGRAM, 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return cli_run("rm -r $D")->code;
}

static void start(pty_program *p, const char *line)
{
    assert_true(pty_start(p, line, 100));
}

static uint64_t number_of(const char *json, const char *key)
{
    char name[64];
    unsigned long long n = 0;
    snprintf(name, sizeof name, "\"%s\":", key);
    const char *at = strstr(json, name);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(name), "%llu", &n), 1);
    return n;
}

/* --- Ctrl-C --- */

static void put_records(void)
{
    char path[300];
    snprintf(path, sizeof path, "%s/many.jsonl", folder);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < RECORDS; i++)
        fprintf(f, "{\"_id\":\"d%d\",\"text\":\"Record number %d tells of rivers.\"}\n", i, i);
    fclose(f);
}

static void test_interrupted(void **state)
{
    (void)state;
    pty_program p;
    put_records();
    start(&p, "exec $PHIAL index $D/many.phial --jsonl $D/many.jsonl");
    /* The bar's second state: some of it is done. */
    assert_true(pty_expect(&p, "indexing"));
    assert_true(pty_expect(&p, "indexing"));
    pty_send(&p, "\x03");
    assert_int_equal(pty_end(&p), 130);
    const cli_result *r = cli_run("ls $D/many.phial-* 2>/dev/null | wc -l");
    assert_string_equal(r->out, "0\n");
    r = cli_run("$PHIAL collection check $D/many.phial --json");
    assert_int_equal(r->code, 0);
    uint64_t kept = number_of(r->out, "documents");
    assert_in_range(kept, 1, RECORDS - 1);
    r = cli_run("$PHIAL index $D/many.phial --jsonl $D/many.jsonl --json");
    assert_int_equal(r->code, 0);
    assert_int_equal(number_of(r->out, "skipped"), kept);
    assert_int_equal(number_of(r->out, "indexed"), RECORDS - kept);
    assert_int_equal(cli_run("$PHIAL collection check $D/many.phial")->code, 0);
}

/* A helper is reading when it comes: it goes with its parent, and nothing of it stays. */
static void test_interrupted_helper(void **state)
{
    (void)state;
    pty_program p;
    assert_int_equal(
        cli_run("mkdir $D/books && cd $D/books && yes 'A line about rivers and ships.' | head -c "
                "3000000 >a.md && for i in 1 2 3 4 5 6 7 8; do cp a.md b$i.md; echo $i >>b$i.md; "
                "done")
            ->code,
        0);
    start(&p, "exec $PHIAL index $D/books.phial $D/books");
    assert_true(pty_expect(&p, "indexing"));
    pty_send(&p, "\x03");
    assert_int_equal(pty_end(&p), 130);
    assert_int_equal(cli_run("$PHIAL collection check $D/books.phial")->code, 0);
    const cli_result *r = cli_run("$PHIAL index $D/books.phial $D/books --json");
    assert_int_equal(r->code, 0);
    assert_int_equal(number_of(r->out, "indexed") + number_of(r->out, "skipped"), 9);
}

/* --- passwords --- */

static void need_encrypted(void)
{
    const char *data = ph_testdata("pdf/encrypted_libreoffice_pw_openpassword.pdf");
    if (!data || access(PHIAL_BUILD_DIR "/phial-pdf", X_OK) != 0)
        skip();
    char line[1000];
    snprintf(line, sizeof line,
             "rm -rf $D/locked $D/l.phial && mkdir $D/locked && cp %s $D/locked/a.pdf && cp %s "
             "$D/locked/c.pdf && echo plain >$D/locked/b.txt",
             data, ph_testdata("pdf/encrypted_rc4_128_user_view.pdf"));
    assert_int_equal(cli_run(line)->code, 0);
}

static void test_password_file(void **state)
{
    (void)state;
    need_encrypted();
    const cli_result *r = cli_run("$PHIAL index $D/l.phial $D/locked --json </dev/null");
    assert_int_equal(number_of(r->out, "indexed"), 1);
    assert_non_null(strstr(r->out, "needs a password"));
    r = cli_run("printf 'wrong\\r\\nopenpassword\\r\\n\\r\\nview' >$D/words && $PHIAL index "
                "$D/l.phial $D/locked --password-file $D/words --json");
    assert_int_equal(number_of(r->out, "indexed"), 2);
    assert_non_null(strstr(r->out, "\"failed\":[]"));
    r = cli_run("rm $D/l.phial; $PHIAL index $D/l.phial $D/locked --password-file - --json "
                "<$D/words");
    assert_int_equal(number_of(r->out, "indexed"), 3);
}

static void test_password_asked(void **state)
{
    (void)state;
    pty_program p;
    need_encrypted();
    start(&p, "exec $PHIAL index $D/l.phial $D/locked");
    assert_true(pty_expect(&p, "/locked/a.pdf (Enter leaves it out): "));
    pty_send(&p, "swordfish\n");
    assert_true(pty_expect(&p, "fits none"));
    assert_true(pty_expect(&p, "/locked/a.pdf (Enter leaves it out): "));
    pty_send(&p, "openpassword\n");
    assert_true(pty_expect(&p, "/locked/c.pdf (Enter leaves it out): "));
    pty_send(&p, "\n");
    assert_true(pty_expect(&p, "c.pdf: needs a password"));
    assert_true(pty_expect(&p, "2 indexed, 0 replaced, 0 unchanged, 1 failed"));
    assert_null(strstr(p.out, "swordfish"));
    assert_null(strstr(p.out, "openpassword"));
    assert_int_equal(pty_end(&p), 0);
    /* Ctrl-C instead of an answer leaves a terminal that echoes. */
    start(&p, "trap : INT; $PHIAL index $D/l.phial $D/locked; echo exit $?; stty | tr -s ' ;' "
              "'\\n' | grep "
              "echo$; cat");
    assert_true(pty_expect(&p, "/locked/c.pdf (Enter leaves it out): "));
    pty_send(&p, "vi\x03");
    assert_true(pty_expect(&p, "exit 130"));
    assert_null(strstr(p.out + p.mark, "-echo"));
    pty_send(&p, "seen\n");
    assert_true(pty_expect(&p, "seen\r\nseen"));
    pty_send(&p, "\x04");
    pty_end(&p);
}

/* --- names and links --- */

static void test_names(void **state)
{
    (void)state;
    /* Every byte but NUL and '/' is in a name. */
    const cli_result *r = cli_run(
        "mkdir $D/names && cd $D/names && i=1; while [ $i -lt 256 ]; do if [ $i -ne 47 ]; then "
        "o=$(printf '%03o' $i); echo \"text $i\" >\"x$(printf \"\\\\$o\")y.txt\"; fi; "
        "i=$((i+1)); done; ls | wc -l; cd .. && $PHIAL index n.phial names --json");
    assert_int_equal(r->code, 0);
    assert_int_equal(number_of(r->out, "indexed"), 254);
    r = cli_run("cd $D && $PHIAL index n.phial names --prune --json");
    assert_int_equal(number_of(r->out, "skipped"), 254);
    assert_int_equal(number_of(r->out, "pruned"), 0);
    r = cli_run(
        "cd $D && $PHIAL collection list n.phial --json >list.json && $PHIAL search n.phial "
        "'text 255' -k 1 --json && $PHIAL collection check n.phial");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "x\\\\xffy.txt"));
}

static void test_links(void **state)
{
    (void)state;
    const cli_result *r = cli_run(
        "mkdir -p $D/loop/a/b && cd $D/loop && echo one >a/one.txt && ln -s .. a/b/up && ln -s "
        "self "
        "self && ln -s pong ping && ln -s ping pong && ln -s a/one.txt two.txt && ln -s nowhere "
        "lost && ln -s / root && mkfifo pipe && cd .. && timeout 60 $PHIAL index loop.phial loop "
        "--json");
    assert_int_equal(r->code, 0);
    /* A link to a file is that file under another name. */
    assert_int_equal(number_of(r->out, "indexed"), 2);
    /* What is named itself is followed once. */
    r = cli_run("cd $D && timeout 60 $PHIAL index loop2.phial loop/a/b/up loop/self --json");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "loop/self"));
}

/* A name that is not there must not look like success, nor a run of which nothing came. */
static void test_nothing(void **state)
{
    (void)state;
    const cli_result *r = cli_run("mkdir $D/few && cd $D/few && echo Rivers. >a.txt && : >b.txt && "
                                  "$PHIAL index c.phial a.txt lost --json");
    assert_int_equal(r->code, 3);
    assert_int_equal(number_of(r->out, "indexed"), 1);
    assert_non_null(strstr(r->out, "\"path\":\"lost\",\"reason\":\"no such file\""));
    r = cli_run("cd $D/few && $PHIAL index c.phial b.txt");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "b.txt: is empty"));
    assert_non_null(strstr(r->err, "nothing was indexed"));
    assert_int_equal(cli_run("cd $D/few && $PHIAL index c.phial a.txt b.txt")->code, 0);
    /* An empty name, of a variable that is not set, is not the working folder. */
    assert_int_equal(cli_run("cd $D/few && $PHIAL index d.phial ''")->code, 3);
    assert_int_equal(cli_run("cd $D/few && $PHIAL index d.phial '' --prune")->code, 3);
    /* Pruning: what was there is removed, what never was is a mistake. */
    r = cli_run("cd $D/few && $PHIAL index c.phial lsot --prune --json");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->out, "\"path\":\"lsot\",\"reason\":\"no such file\""));
    r = cli_run("cd $D/few && rm a.txt && $PHIAL index c.phial a.txt --prune --json");
    assert_int_equal(r->code, 0);
    assert_int_equal(number_of(r->out, "pruned"), 1);
}

/* A collection that lies in the folder it is made from is none of its documents. */
static void test_self(void **state)
{
    (void)state;
    const cli_result *r = cli_run("mkdir $D/self && cd $D/self && echo Rivers. >a.txt && $PHIAL "
                                  "index c.phial . && echo Ships. >b.txt && $PHIAL index c.phial "
                                  ". --json");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "\"indexed\":1,\"skipped\":1"));
    assert_non_null(strstr(r->out, "\"failed\":[]"));
}

/* --- disks --- */

static void need_mounts(void)
{
    if (cli_run("unshare -rm mount -t tmpfs -o size=64k none $D 2>/dev/null")->code != 0) {
        print_message("skipped: no file system can be mounted here, not even in a namespace\n");
        skip();
    }
}

/* A disk that can only be read: searching and checking do, writing is one sentence. */
static void test_read_only_disk(void **state)
{
    (void)state;
    need_mounts();
    const cli_result *r = cli_run(
        "mkdir $D/ro && cd $D/ro && echo 'Rivers and ships.' >a.txt && echo Bridges. >$D/b.txt && "
        "$PHIAL index c.phial a.txt && md5sum c.phial >$D/sum && unshare -rm sh -c 'mount --bind "
        "$D/ro $D/ro && mount -o remount,bind,ro $D/ro && cd $D/ro && $PHIAL search c.phial rivers "
        "-k 1 && $PHIAL collection check c.phial && if $PHIAL index c.phial $D/b.txt; then exit 9; "
        "fi; if $PHIAL index new.phial a.txt; then exit 9; fi; true' && ls && md5sum -c $D/sum");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "Rivers and ships."));
    assert_non_null(strstr(r->out, "0 damaged"));
    assert_non_null(strstr(r->out, "a.txt\nc.phial\nc.phial: OK\n"));
    assert_non_null(strstr(r->err, "phial: c.phial: cannot be written to\n"));
    assert_non_null(strstr(r->err, "phial: new.phial: "));
}

/* A disk that is full before the end: what was committed stays, nothing lies about. */
static void test_full_disk(void **state)
{
    (void)state;
    need_mounts();
    put_records();
    const cli_result *r = cli_run(
        "mkdir $D/full && unshare -rm sh -c 'mount -t tmpfs -o size=600k none $D/full && $PHIAL "
        "index $D/full/c.phial --jsonl $D/many.jsonl; [ $? -eq 1 ] && ls $D/full && $PHIAL "
        "collection check $D/full/c.phial --json'");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->err, "the disk is full"));
    assert_int_equal(strncmp(r->out, "c.phial\n{", 9), 0);
    assert_in_range(number_of(r->out, "documents"), 1, RECORDS - 1);
    assert_int_equal(number_of(r->out, "damaged"), 0);
}

/* --- everybody's documents --- */

/* Each file of the test data is indexed or named with a reason. */
static void test_samples(void **state)
{
    (void)state;
    char line[1000];
    const char *pdf = ph_testdata("pdf");
    if (!pdf || access(PHIAL_BUILD_DIR "/phial-pdf", X_OK) != 0)
        skip();
    snprintf(line, sizeof line, "ln -s %s $D/samples-pdf", pdf);
    assert_int_equal(cli_run(line)->code, 0);
    const char *docs = ph_testdata("docs");
    assert_non_null(docs);
    snprintf(line, sizeof line, "ln -s %s $D/samples-docs && find -L $D/samples-* -type f | wc -l",
             docs);
    uint64_t n_files = strtoull(cli_run(line)->out, NULL, 10);
    const cli_result *r =
        cli_run("$PHIAL index $D/samples.phial $D/samples-pdf $D/samples-docs --json");
    uint64_t n_failed = 0;
    for (const char *at = r->out; (at = strstr(at, "\"reason\":\"")) != NULL; at += 10) {
        assert_int_not_equal(at[10], '"');
        n_failed++;
    }
    assert_true(n_files > 30);
    assert_int_equal(number_of(r->out, "indexed") + n_failed, n_files);
    assert_int_equal(cli_run("$PHIAL collection check $D/samples.phial")->code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupted),    cmocka_unit_test(test_interrupted_helper),
        cmocka_unit_test(test_password_file),  cmocka_unit_test(test_password_asked),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_links),
        cmocka_unit_test(test_nothing),        cmocka_unit_test(test_self),
        cmocka_unit_test(test_read_only_disk), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
