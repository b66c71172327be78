/* Collections: indexing, search, hostile files, damage, interruption, two writers, full disks.
 * labels: slow
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli_run.h"
#include "phial/collection.h"

static char folder[] = "/tmp/phial-collection-XXXXXX";
static phial_error err;

static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

/* Records 0 .. n-1 about different things, in words that repeat. */
static void put_records(const char *name, int from, int n, const char *extra)
{
    static const char *const words[] = {"panda",  "river",   "engine", "copper",
                                        "violin", "harbour", "glacier"};
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    for (int i = from; i < from + n; i++)
        fprintf(f,
                "{\"_id\":\"d%d\",\"title\":\"About the %s\",\"text\":\"Running %ss were seen near "
                "number%d. %s\",\"year\":%d}\n",
                i, words[i % 7], words[i % 5], i, extra, 1900 + i % 100);
    fclose(f);
}

static phial_collection *open_as(const char *name, phial_collection_access access)
{
    phial_collection *c = NULL;
    phial_status st = phial_collection_open(&c, in_folder(name), access, &err);
    if (st != PHIAL_OK)
        fail_msg("%s", err.message);
    return c;
}

static phial_index_result index_jsonl(const char *collection, const char *jsonl, bool prune,
                                      int jobs)
{
    phial_index_options o;
    phial_index_result r = {.size = sizeof r};
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_CREATE);
    phial_index_options_default(&o);
    o.jsonl = in_folder(jsonl);
    o.prune = prune;
    o.n_jobs = jobs;
    phial_status st = phial_collection_index(c, &o, &r, &err);
    if (st != PHIAL_OK)
        fail_msg("%s", err.message);
    phial_collection_close(c);
    return r;
}

static void first_hit(phial_collection *c, const char *query, const char *glob, char doc[64])
{
    phial_hits *hits = NULL;
    phial_search_options o;
    phial_search_options_default(&o);
    o.doc_glob = glob;
    assert_int_equal(
        phial_collection_search(c, &hits, (phial_text){query, strlen(query)}, &o, &err), PHIAL_OK);
    doc[0] = 0;
    if (phial_hits_count(hits) > 0) {
        const phial_hit *h = phial_hits_at(hits, 0);
        snprintf(doc, 64, "%.*s", (int)h->doc.n, h->doc.p);
    }
    phial_hits_free(hits);
}

static void count_event(void *user, const phial_index_event *e)
{
    if (e->path.n > 0)
        snprintf(user, 200, "%.*s", (int)e->path.n, e->path.p);
}

/* Damaged documents; name gets one of them. */
static phial_check_result check(const char *collection, char name[200])
{
    phial_check_result r = {.size = sizeof r};
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_READ);
    name[0] = 0;
    phial_status st = phial_collection_check(c, false, count_event, name, &r, &err);
    if (st != PHIAL_OK)
        fail_msg("%s", err.message);
    phial_collection_close(c);
    return r;
}

static bool alone(const char *collection)
{
    char path[300];
    struct stat st;
    static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", in_folder(collection), suffixes[i]);
        if (stat(path, &st) == 0)
            return false;
    }
    return true;
}

/* --- indexing and search --- */

static void test_round(void **state)
{
    (void)state;
    char doc[64], name[200];
    put_records("a.jsonl", 0, 120, "");
    phial_index_result r = index_jsonl("a.phial", "a.jsonl", false, 2);
    assert_int_equal(r.n_indexed, 120);
    assert_int_equal(r.n_failed, 0);
    assert_true(alone("a.phial"));
    phial_collection *c = open_as("a.phial", PHIAL_COLLECTION_READ);
    first_hit(c, "number77", NULL, doc);
    assert_string_equal(doc, "d77");
    first_hit(c, "the NUMBER78 r\xc3\xbcns", NULL, doc);
    assert_string_equal(doc, "d78");
    first_hit(c, "panda", "d7[0-9]", doc);
    assert_int_equal(strlen(doc), 3);
    assert_int_equal(doc[1], '7');
    first_hit(c, "nothingatall", NULL, doc);
    assert_string_equal(doc, "");
    phial_collection_close(c);
    r = index_jsonl("a.phial", "a.jsonl", false, 2);
    assert_int_equal(r.n_skipped, 120);
    assert_int_equal(r.n_indexed + r.n_replaced, 0);
    put_records("a.jsonl", 60, 120, "Changed.");
    r = index_jsonl("a.phial", "a.jsonl", true, 2);
    assert_int_equal(r.n_indexed, 60);
    assert_int_equal(r.n_replaced, 60);
    assert_int_equal(r.n_pruned, 60);
    phial_check_result k = check("a.phial", name);
    assert_int_equal(k.n_documents, 120);
    assert_int_equal(k.n_damaged, 0);
    assert_true(k.index_fine);
    c = open_as("a.phial", PHIAL_COLLECTION_READ);
    first_hit(c, "number17", NULL, doc);
    assert_string_equal(doc, "");
    first_hit(c, "number177", NULL, doc);
    assert_string_equal(doc, "d177");
    phial_collection_close(c);
}

/* A filter gives the same ranking with others left out; scores are those of the whole. */
static void test_filter_exact(void **state)
{
    (void)state;
    phial_hits *all = NULL, *some = NULL;
    phial_search_options o;
    put_records("f.jsonl", 0, 200, "");
    index_jsonl("f.phial", "f.jsonl", false, 1);
    phial_collection *c = open_as("f.phial", PHIAL_COLLECTION_READ);
    phial_search_options_default(&o);
    o.k = 1000;
    phial_text q = {"running pandas near the river", 29};
    assert_int_equal(phial_collection_search(c, &all, q, &o, &err), PHIAL_OK);
    o.doc_glob = "d*3";
    assert_int_equal(phial_collection_search(c, &some, q, &o, &err), PHIAL_OK);
    size_t k = 0;
    for (size_t i = 0; i < phial_hits_count(all); i++) {
        const phial_hit *h = phial_hits_at(all, i);
        if (h->doc.p[h->doc.n - 1] != '3')
            continue;
        const phial_hit *s = phial_hits_at(some, k++);
        assert_non_null(s);
        assert_int_equal(s->chunk, h->chunk);
        assert_true(s->score == h->score);
    }
    assert_int_equal(k, phial_hits_count(some));
    assert_int_equal(k, 20);
    phial_hits_free(all);
    phial_hits_free(some);
    phial_collection_close(c);
}

/* The same results whatever the number of readers, and however the collection grew. */
static void test_same_ranking(void **state)
{
    (void)state;
    put_records("s.jsonl", 0, 150, "");
    put_records("s1.jsonl", 0, 150, "Other words at first.");
    index_jsonl("s1.phial", "s.jsonl", false, 1);
    index_jsonl("s2.phial", "s.jsonl", false, 4);
    index_jsonl("s3.phial", "s1.jsonl", false, 2);
    index_jsonl("s3.phial", "s.jsonl", false, 2);
    phial_hits *hits[3];
    phial_search_options o;
    phial_search_options_default(&o);
    o.k = 50;
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "s%d.phial", i + 1);
        phial_collection *c = open_as(name, PHIAL_COLLECTION_READ);
        phial_text q = {"glaciers and violins near number9", 33};
        assert_int_equal(phial_collection_search(c, &hits[i], q, &o, &err), PHIAL_OK);
        phial_collection_close(c);
    }
    assert_true(phial_hits_count(hits[0]) > 10);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(phial_hits_count(hits[0]), phial_hits_count(hits[i]));
        for (size_t k = 0; k < phial_hits_count(hits[0]); k++) {
            const phial_hit *a = phial_hits_at(hits[0], k), *b = phial_hits_at(hits[i], k);
            assert_true(a->score == b->score);
            assert_int_equal(a->doc.n, b->doc.n);
            assert_memory_equal(a->doc.p, b->doc.p, a->doc.n);
        }
    }
    for (int i = 0; i < 3; i++)
        phial_hits_free(hits[i]);
}

static bool same_name(void *user, const phial_document *d)
{
    phial_text *t = user;
    t->n = d->name.n == t->n && memcmp(d->name.p, t->p, t->n) == 0 ? 0 : t->n;
    return t->n != 0;
}

static void test_files(void **state)
{
    (void)state;
    char line[1000];
    phial_text odd = {"tree/b\xff\n.txt", 12};
    snprintf(line, sizeof line,
             "cd %s && mkdir -p tree/sub/.hidden && echo 'A first text about otters.' "
             ">tree/a.txt && echo 'Badgers dig.' >\"$(printf 'tree/b\\377\\n.txt')\" && echo 'Deep "
             "text about newts.' >tree/sub/c.txt && echo no >tree/sub/.hidden/x.txt && ln -sfn .. "
             "tree/sub/up && $PHIAL index t.phial tree --json",
             folder);
    const cli_result *r = cli_run(line);
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "\"indexed\":3,"));
    phial_collection *c = open_as("t.phial", PHIAL_COLLECTION_READ);
    assert_int_equal(phial_collection_documents(c, NULL, same_name, &odd, &err), PHIAL_OK);
    assert_int_equal(odd.n, 0);
    phial_collection_close(c);
    snprintf(
        line, sizeof line,
        "cd %s && $PHIAL collection show t.phial tree/a.txt --page 1 --text | cmp - tree/a.txt "
        "&& $PHIAL search t.phial otter -k 1 --json && rm tree/a.txt && $PHIAL index t.phial "
        "tree --prune --json",
        folder);
    r = cli_run(line);
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "\"doc\":\"tree/a.txt\""));
    assert_non_null(strstr(r->out, "\"skipped\":2,\"replaced\":0,\"pruned\":1"));
}

/* --- what is no collection --- */

static phial_status open_status(const char *name, phial_collection_access access)
{
    phial_collection *c = NULL;
    memset(&err, 0, sizeof err);
    phial_status st = phial_collection_open(&c, in_folder(name), access, &err);
    assert_true((c != NULL) == (st == PHIAL_OK));
    phial_collection_close(c);
    return st;
}

static void sql(const char *name, const char *text)
{
    char line[1000];
    snprintf(line, sizeof line, "sqlite3 %s \"%s\"", in_folder(name), text);
    const cli_result *r = cli_run(line);
    if (r->code != 0)
        fail_msg("%s: %s", line, r->err);
}

static void copy_file(const char *from, const char *to)
{
    char line[600];
    snprintf(line, sizeof line, "cp %s %s", in_folder(from), in_folder(to));
    assert_int_equal(cli_run(line)->code, 0);
}

static void test_strangers(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "CREATE TRIGGER t AFTER INSERT ON pages BEGIN DELETE FROM documents; END",
        "CREATE VIEW v AS SELECT * FROM pages",
        "CREATE TABLE more(x)",
        "DROP TABLE chunks",
        "DROP TABLE chunks; CREATE TABLE chunks(id INTEGER PRIMARY KEY, page, start, end)",
        "DROP TABLE chunks; CREATE VIEW chunks AS SELECT 1 AS id",
        "PRAGMA application_id=7",
    };
    put_file("text", "This is no database, it is a longer text.\n", 42);
    put_file("empty", "", 0);
    assert_int_equal(open_status("text", PHIAL_COLLECTION_READ), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(open_status("text", PHIAL_COLLECTION_CREATE), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(open_status("empty", PHIAL_COLLECTION_READ), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(open_status("none", PHIAL_COLLECTION_WRITE), PHIAL_ERR_IO);
    assert_int_equal(open_status(".", PHIAL_COLLECTION_READ), PHIAL_ERR_BAD_INPUT);
    if (system("command -v sqlite3 >/dev/null") != 0) {
        print_message("skipped: no sqlite3 program\n");
        skip();
    }
    put_records("h.jsonl", 0, 10, "");
    index_jsonl("h.phial", "h.jsonl", false, 1);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        copy_file("h.phial", "h2.phial");
        sql("h2.phial", changes[i]);
        if (open_status("h2.phial", PHIAL_COLLECTION_READ) != PHIAL_ERR_BAD_INPUT)
            fail_msg("accepted: %s", changes[i]);
    }
    copy_file("h.phial", "h2.phial");
    sql("h2.phial", "PRAGMA user_version=2000");
    assert_int_equal(open_status("h2.phial", PHIAL_COLLECTION_READ), PHIAL_ERR_UNSUPPORTED);
    sql("h2.phial", "PRAGMA user_version=1002; CREATE TABLE later(x)");
    assert_int_equal(open_status("h2.phial", PHIAL_COLLECTION_READ), PHIAL_OK);
    assert_int_equal(open_status("h2.phial", PHIAL_COLLECTION_WRITE), PHIAL_ERR_UNSUPPORTED);
}

/* Values that SQLite accepts and we must not believe: an error or a result, nothing else. */
static void test_lies(void **state)
{
    (void)state;
    static const char *const lies[] = {
        "UPDATE chunks SET end = 1000000",
        "UPDATE chunks SET start = -5",
        "UPDATE chunks SET page = 99999999",
        "UPDATE chunks SET page = -1",
        "DELETE FROM chunks",
        "DELETE FROM pages",
        "DELETE FROM documents",
        "UPDATE documents SET first_chunk = -7",
        "UPDATE documents SET n_chunks = 9223372036854775807",
        "UPDATE documents SET checksum = x'00'",
        "UPDATE segments SET n_chunks = 1000000000",
        "UPDATE segments SET chunks = x'0011223344'",
        "UPDATE postings SET block = x'0011223344556677889900'",
        "INSERT INTO tombstones VALUES(-4, 5)",
        "UPDATE pages SET text = cast(x'ff00ff00ff' AS TEXT)",
        "UPDATE settings SET value = -9",
    };
    char name[200];
    if (system("command -v sqlite3 >/dev/null") != 0) {
        print_message("skipped: no sqlite3 program\n");
        skip();
    }
    put_records("l.jsonl", 0, 10, "");
    index_jsonl("l.phial", "l.jsonl", false, 1);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        copy_file("l.phial", "l2.phial");
        sql("l2.phial", lies[i]);
        phial_hits *hits = NULL;
        phial_collection *c = open_as("l2.phial", PHIAL_COLLECTION_READ);
        phial_status st =
            phial_collection_search(c, &hits, (phial_text){"panda river", 11}, NULL, &err);
        assert_true(st == PHIAL_OK || st == PHIAL_ERR_BAD_INPUT || st == PHIAL_ERR_UNSUPPORTED);
        phial_hits_free(hits);
        phial_collection_close(c);
        phial_check_result r = check("l2.phial", name);
        if (r.n_damaged == 0 && r.index_fine && strstr(lies[i], "settings") == NULL &&
            strstr(lies[i], "tombstones") == NULL)
            fail_msg("not noticed: %s", lies[i]);
    }
}

/* One bit: the document is named, or the index is found to be damaged, or SQLite sees it. */
static void test_bit_flips(void **state)
{
    (void)state;
    char name[200];
    put_records("b.jsonl", 0, 60, "Texts long enough to be found in the file.");
    index_jsonl("b.phial", "b.jsonl", false, 1);
    ph_buf bytes;
    ph_buf_init(&bytes, 0);
    assert_int_equal(ph_file_read(&bytes, in_folder("b.phial"), 1u << 26, &err), PHIAL_OK);
    const char *at = memmem(bytes.data, bytes.len, "were seen near number41.", 24);
    assert_non_null(at);
    bytes.data[at - bytes.data + 3] ^= 1;
    put_file("b2.phial", bytes.data, bytes.len);
    phial_check_result r = check("b2.phial", name);
    assert_int_equal(r.n_damaged, 1);
    assert_string_equal(name, "d41");
    bytes.data[at - bytes.data + 3] ^= 1;
    int noticed = 0, tried = 0;
    uint32_t seed = 7;
    for (int i = 0; i < 60; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t where = 100 + seed % (bytes.len - 100);
        bytes.data[where] ^= (char)(1 << (seed >> 29));
        put_file("b3.phial", bytes.data, bytes.len);
        bytes.data[where] ^= (char)(1 << (seed >> 29));
        phial_collection *c = NULL;
        phial_hits *hits = NULL;
        phial_check_result k = {.size = sizeof k};
        tried++;
        if (phial_collection_open(&c, in_folder("b3.phial"), PHIAL_COLLECTION_READ, &err) !=
            PHIAL_OK) {
            noticed++;
            continue;
        }
        phial_collection_search(c, &hits, (phial_text){"panda number5", 13}, NULL, &err);
        phial_hits_free(hits);
        if (phial_collection_check(c, false, NULL, NULL, &k, &err) != PHIAL_OK || k.n_damaged > 0 ||
            !k.index_fine)
            noticed++;
        phial_collection_close(c);
    }
    print_message("%d of %d flipped bits were noticed (much of a small file is unused)\n", noticed,
                  tried);
    assert_true(noticed > 0);
    ph_buf_free(&bytes);
}

/* --- interruption --- */

static long count_documents(const char *collection)
{
    phial_collection_info info = {.size = sizeof info};
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_READ);
    assert_int_equal(phial_collection_get_info(c, &info, &err), PHIAL_OK);
    phial_collection_close(c);
    return (long)info.n_documents;
}

static void index_in_child(const char *collection, const char *jsonl)
{
    phial_index_options o;
    phial_collection *c = NULL;
    phial_index_options_default(&o);
    o.jsonl = in_folder(jsonl);
    o.n_jobs = 2;
    phial_status st =
        phial_collection_open(&c, in_folder(collection), PHIAL_COLLECTION_CREATE, NULL);
    if (st == PHIAL_OK)
        st = phial_collection_index(c, &o, NULL, NULL);
    phial_collection_close(c);
    _exit(st == PHIAL_OK ? 0 : 1);
}

/* PHIAL_KILLS in the environment: how many (200 were run; see docs/RAG.md). */
static void test_kill(void **state)
{
    (void)state;
    const char *asked = getenv("PHIAL_KILLS");
    long kills = asked ? strtol(asked, NULL, 10) : 12, last = 0;
    char name[200];
    put_records("k.jsonl", 0, 400, "");
    uint32_t seed = (uint32_t)getpid();
    for (long i = 0; i < kills; i++) {
        seed = seed * 1664525u + 1013904223u;
        if (last >= 400) {
            unlink(in_folder("k.phial"));
            last = 0;
        }
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            index_in_child("k.phial", "k.jsonl");
        usleep(2000 + (seed >> 8) % 150000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (ph_file_kind_of(in_folder("k.phial")) == PH_FILE_MISSING ||
            ph_file_bytes(in_folder("k.phial")) == 0)
            continue;
        phial_collection *c = NULL;
        if (phial_collection_open(&c, in_folder("k.phial"), PHIAL_COLLECTION_READ, &err) !=
            PHIAL_OK) {
            assert_int_equal(last, 0); /* killed before its tables were made */
            continue;
        }
        phial_collection_close(c);
        phial_check_result k = check("k.phial", name);
        assert_int_equal(k.n_damaged, 0);
        assert_true(k.index_fine);
        if (!alone("k.phial")) {
            cli_run("ls -la /tmp/phial-collection-*/k.phial* >&2");
            fail_msg("a log is left after a reader's visit");
        }
        long now = count_documents("k.phial");
        assert_true(now >= last);
        last = now;
    }
    index_jsonl("k.phial", "k.jsonl", false, 2);
    assert_int_equal(count_documents("k.phial"), 400);
}

static void test_two_writers(void **state)
{
    (void)state;
    char name[200];
    pid_t children[2];
    put_records("w0.jsonl", 0, 80, "");
    put_records("w1.jsonl", 80, 80, "");
    phial_collection_close(open_as("w.phial", PHIAL_COLLECTION_CREATE));
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            index_in_child("w.phial", i ? "w1.jsonl" : "w0.jsonl");
    }
    for (int i = 0; i < 2; i++) {
        int status = 0;
        waitpid(children[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(count_documents("w.phial"), 160);
    phial_check_result k = check("w.phial", name);
    assert_int_equal(k.n_damaged, 0);
    assert_true(k.index_fine);
    assert_true(alone("w.phial"));
}

/* No room: an error that says so, and what was committed is there. */
static void test_full(void **state)
{
    (void)state;
    char name[200];
    put_records("u.jsonl", 0, 400, "A longer text so that the file grows.");
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {200000, 200000};
        setrlimit(RLIMIT_FSIZE, &limit);
        signal(SIGXFSZ, SIG_IGN);
        index_in_child("u.phial", "u.jsonl");
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    phial_check_result k = check("u.phial", name);
    assert_int_equal(k.n_damaged, 0);
    assert_true(k.index_fine);
    long before = count_documents("u.phial");
    assert_true(before > 0 && before < 400);
    phial_index_result r = index_jsonl("u.phial", "u.jsonl", false, 2);
    assert_int_equal(r.n_skipped, before);
    assert_int_equal(r.n_indexed, 400 - before);
}

static bool stop_soon(void *user, const phial_index_progress *p)
{
    (void)user;
    return p->files < 20;
}

static void test_cancel(void **state)
{
    (void)state;
    phial_index_options o;
    phial_index_result r = {.size = sizeof r};
    put_records("c.jsonl", 0, 200, "");
    phial_collection *c = open_as("c.phial", PHIAL_COLLECTION_CREATE);
    phial_index_options_default(&o);
    o.jsonl = in_folder("c.jsonl");
    o.progress = stop_soon;
    assert_int_equal(phial_collection_index(c, &o, &r, &err), PHIAL_ERR_CANCELLED);
    assert_int_equal(r.n_indexed, 20);
    phial_collection_close(c);
    assert_true(alone("c.phial"));
    assert_int_equal(count_documents("c.phial"), 20);
}

/* --- looking after it --- */

static void test_rebuild_export_remove(void **state)
{
    (void)state;
    char name[200], doc[64];
    put_records("r.jsonl", 0, 50, "");
    index_jsonl("r.phial", "r.jsonl", false, 1);
    if (system("command -v sqlite3 >/dev/null") == 0)
        sql("r.phial", "DELETE FROM postings");
    phial_check_result k = {.size = sizeof k};
    phial_collection *c = open_as("r.phial", PHIAL_COLLECTION_WRITE);
    assert_int_equal(phial_collection_check(c, true, NULL, NULL, &k, &err), PHIAL_OK);
    assert_true(k.index_rebuilt);
    assert_int_equal(phial_collection_remove(c, (phial_text){"d7", 2}, &err), PHIAL_OK);
    assert_int_equal(phial_collection_remove(c, (phial_text){"d7", 2}, &err), PHIAL_ERR_ARGUMENT);
    phial_collection_close(c);
    c = open_as("r.phial", PHIAL_COLLECTION_READ);
    first_hit(c, "number7", NULL, doc);
    assert_string_equal(doc, "");
    first_hit(c, "number8", NULL, doc);
    assert_string_equal(doc, "d8");
    assert_int_equal(phial_collection_export(c, in_folder("r2.phial"), &err), PHIAL_OK);
    assert_int_equal(phial_collection_export(c, in_folder("r2.phial"), &err), PHIAL_ERR_ARGUMENT);
    phial_collection_close(c);
    k = check("r2.phial", name);
    assert_int_equal(k.n_documents, 49);
    assert_int_equal(k.n_damaged, 0);
    assert_true(k.index_fine);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char line[64];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return cli_run(line)->code;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),        cmocka_unit_test(test_filter_exact),
        cmocka_unit_test(test_same_ranking), cmocka_unit_test(test_files),
        cmocka_unit_test(test_strangers),    cmocka_unit_test(test_lies),
        cmocka_unit_test(test_bit_flips),    cmocka_unit_test(test_kill),
        cmocka_unit_test(test_two_writers),  cmocka_unit_test(test_full),
        cmocka_unit_test(test_cancel),       cmocka_unit_test(test_rebuild_export_remove),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
