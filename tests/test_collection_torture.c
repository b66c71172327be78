/* Memory runs out while documents are read, indexed, searched, checked, copied and asked: the n-th
 * allocation and all behind it fail, for n = 1, 2, 3, ... until everything passes. Each time there
 * is a status and a sentence, and the collection is whole: what was committed is there, and the
 * next run completes it. What SQLite and the helper programs allocate is theirs.
 *
 * labels: slow
 * wrap: calloc realloc aligned_alloc
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "phial/answer.h"
#include "phial/collection.h"
#include "phial/model.h"
#include "rag/extract.h"
#include "torture.h"

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"
enum { DOCS = 6, MOST = 20000 };

static char folder[] = "/tmp/phial-torture-XXXXXX";

/* Holds for the next seven calls. */
static const char *in_folder(const char *name)
{
    static char paths[8][256];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static char records[256], documents[256], ready[256]; /* kept paths in it */

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void remove_collection(const char *name)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 4; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s%s", in_folder(name), suffixes[i]);
        remove(path);
    }
}

static void expect_no_memory(phial_status status, const phial_error *err)
{
    if (status == PHIAL_OK)
        return;
    if (status != PHIAL_ERR_NO_MEMORY || err->message[0] == '\0')
        fail_msg("status %d, '%s'", (int)status, err->message);
    assert_int_equal(err->status, PHIAL_ERR_NO_MEMORY);
}

/* Everything in it is what its checksums say. */
static void expect_whole(const char *name, uint64_t n_documents)
{
    phial_error err = {0};
    phial_check_result r = {.size = sizeof r};
    phial_collection *c = NULL;
    if (phial_collection_open(&c, in_folder(name), PHIAL_COLLECTION_READ, &err) != PHIAL_OK ||
        phial_collection_check(c, false, NULL, NULL, &r, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(r.n_damaged, 0);
    assert_true(r.index_fine);
    if (n_documents)
        assert_int_equal(r.n_documents, n_documents);
    phial_collection_close(c);
}

/* --- indexing --- */

typedef struct source {
    const char *jsonl, *path; /* one of them */
} source;

static phial_status index_source(const source *s, const char *name, phial_index_result *r,
                                 phial_error *err)
{
    phial_index_options o;
    phial_collection *c = NULL;
    *r = (phial_index_result){.size = sizeof *r};
    phial_index_options_default(&o);
    o.jsonl = s->jsonl;
    o.paths = &s->path;
    o.n_paths = s->path != NULL;
    o.n_jobs = 1;
    o.helper_dir = PHIAL_BUILD_DIR;
    phial_status status = phial_collection_open(&c, in_folder(name), PHIAL_COLLECTION_CREATE, err);
    if (status == PHIAL_OK)
        status = phial_collection_index(c, &o, r, err);
    phial_collection_close(c);
    return status;
}

static bool index_once(void *arg)
{
    static unsigned turn;
    phial_error err = {0};
    phial_index_result r;
    remove_collection("t.phial");
    phial_status status = index_source(arg, "t.phial", &r, &err);
    atomic_store(&torture_left, -1);
    expect_no_memory(status, &err);
    /* Memory that is short is no fault of a document. */
    assert_int_equal(r.n_failed, 0);
    if (status == PHIAL_OK || turn++ % 16 == 0) {
        phial_status again = index_source(arg, "t.phial", &r, &err);
        if (again != PHIAL_OK)
            fail_msg("%s", err.message);
        expect_whole("t.phial", DOCS);
    }
    return status == PHIAL_OK;
}

static void put_documents(void)
{
    static const char line[] = "{\"_id\":\"d%d\",\"title\":\"About %d\",\"text\":\"Panda number%d "
                               "crossed the river. It was cold and dark.\",\"year\":%d}\n";
    FILE *f = fopen(in_folder("a.jsonl"), "wb");
    assert_non_null(f);
    for (int i = 0; i < DOCS; i++)
        fprintf(f, line, i, i, i, 1900 + i);
    fclose(f);
    assert_int_equal(mkdir(in_folder("docs"), 0700), 0);
    assert_int_equal(mkdir(in_folder("docs/deep"), 0700), 0);
    put("docs/a.md", "# Rivers\n\nThe Nile is long.\n\n- one\n- two\n\n## Lakes\n\nBaikal.\n");
    put("docs/b.txt", "A plain text.\n\nWith two paragraphs about copper.\n");
    put("docs/c.html",
        "<html><head><title>T</title></head><body><h1>H</h1><p>Glass.</body></html>");
    put("docs/deep/d.c", "int main(void)\n{\n    return 0;\n}\n");
    put("docs/deep/e.fountain", "INT. HOUSE - DAY\n\nANNA\nHello.\n");
    put("docs/deep/f.txt", "Steamship Ilse left the harbour in 1911.\n");
}

static void test_index(void **state)
{
    (void)state;
    source s = {.jsonl = records};
    assert_in_range(torture_run(index_once, &s, MOST), 100, MOST);
}

static void test_index_files(void **state)
{
    (void)state;
    source s = {.path = documents};
    assert_in_range(torture_run(index_once, &s, MOST), 100, MOST);
}

/* --- search and looking --- */

static bool take_document(void *user, const phial_document *d)
{
    *(uint64_t *)user += d->n_chunks;
    return true;
}

static bool search_once(void *arg)
{
    phial_error err = {0};
    phial_collection *c = NULL;
    phial_hits *hits = NULL, *same = NULL;
    phial_search_options o;
    phial_collection_info info = {.size = sizeof info};
    uint64_t chunks = 0;
    char *text = NULL;
    size_t n = 0;
    phial_search_options_default(&o);
    o.by_doc = true;
    o.doc_glob = "d*";
    phial_status st = phial_collection_open(&c, arg, PHIAL_COLLECTION_READ, &err);
    if (st == PHIAL_OK)
        st = phial_collection_search(c, &hits, (phial_text){"number3 river", 13}, &o, &err);
    if (st == PHIAL_OK) {
        assert_int_equal(phial_hits_count(hits), 3);
        st = phial_collection_chunks(c, &same, &phial_hits_at(hits, 0)->chunk, 1, &err);
    }
    if (st == PHIAL_OK)
        st = phial_collection_page(c, (phial_text){"d3", 2}, 1, &text, &n, &err);
    if (st == PHIAL_OK)
        st = phial_collection_documents(c, "d[0-9]", take_document, &chunks, &err);
    if (st == PHIAL_OK)
        st = phial_collection_get_info(c, &info, &err);
    expect_no_memory(st, &err);
    if (st == PHIAL_OK) {
        assert_non_null(strstr(text, "number3"));
        assert_int_equal(chunks, info.n_chunks);
    }
    phial_text_free(text);
    phial_hits_free(hits);
    phial_hits_free(same);
    phial_collection_close(c);
    return st == PHIAL_OK;
}

static bool check_once(void *arg)
{
    phial_error err = {0};
    phial_collection *c = NULL;
    phial_check_result r = {.size = sizeof r};
    phial_status st = phial_collection_open(&c, arg, PHIAL_COLLECTION_WRITE, &err);
    if (st == PHIAL_OK)
        st = phial_collection_check(c, true, NULL, NULL, &r, &err);
    expect_no_memory(st, &err);
    assert_int_equal(r.n_damaged, 0);
    assert_true(st != PHIAL_OK || (r.index_fine && r.index_rebuilt));
    phial_collection_close(c);
    return st == PHIAL_OK;
}

static bool export_once(void *arg)
{
    phial_error err = {0};
    phial_collection *c = NULL;
    phial_status st = phial_collection_open(&c, arg, PHIAL_COLLECTION_READ, &err);
    if (st == PHIAL_OK)
        st = phial_collection_export(c, in_folder("copy.phial"), &err);
    expect_no_memory(st, &err);
    assert_int_equal(access(in_folder("copy.phial"), F_OK), st == PHIAL_OK ? 0 : -1);
    phial_collection_close(c);
    return st == PHIAL_OK;
}

static bool remove_once(void *arg)
{
    phial_error err = {0};
    phial_collection *c = NULL;
    phial_status st = phial_collection_open(&c, arg, PHIAL_COLLECTION_WRITE, &err);
    if (st == PHIAL_OK)
        st = phial_collection_remove(c, (phial_text){"d1", 2}, &err);
    expect_no_memory(st, &err);
    phial_collection_close(c);
    return st == PHIAL_OK;
}

static void test_collection(void **state)
{
    (void)state;
    source s = {.jsonl = records};
    phial_error err = {0};
    phial_index_result r;
    if (index_source(&s, "s.phial", &r, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    assert_in_range(torture_run(search_once, ready, MOST), 20, MOST);
    assert_in_range(torture_run(check_once, ready, MOST), 20, MOST);
    expect_whole("s.phial", DOCS);
    assert_in_range(torture_run(export_once, ready, MOST), 2, MOST);
    expect_whole("copy.phial", DOCS);
    assert_in_range(torture_run(remove_once, ready, MOST), 2, MOST);
    expect_whole("s.phial", DOCS - 1);
}

/* --- extraction --- */

static phial_status on_info(void *user, const char *key, ph_str value, phial_error *err)
{
    (void)user;
    (void)key;
    (void)value;
    (void)err;
    return PHIAL_OK;
}

static phial_status on_note(void *user, ph_str sentence, phial_error *err)
{
    (void)user;
    (void)sentence;
    (void)err;
    return PHIAL_OK;
}

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    (void)err;
    *(size_t *)user += page->text.n;
    return PHIAL_OK;
}

static bool extract_once(void *arg)
{
    phial_error err = {0};
    size_t bytes = 0;
    ph_extract_options o;
    const ph_extract_sink sink = {&bytes, on_info, on_page, on_note};
    int fd = open(arg, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ph_extract_options_default(&o);
    o.helper_dir = PHIAL_BUILD_DIR;
    phial_status st = ph_extract(fd, arg, &o, &sink, &err);
    close(fd);
    expect_no_memory(st, &err);
    if (st == PHIAL_OK)
        assert_true(bytes > 0);
    return st == PHIAL_OK;
}

static void test_extraction(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("docs/a.md"));
    assert_in_range(torture_run(extract_once, path, MOST), 3, MOST);
    if (access(PHIAL_BUILD_DIR "/phial-pdf", X_OK) != 0)
        skip();
    static char report[] = PHIAL_SOURCE_DIR "/tests/data/docs/report.pdf";
    assert_in_range(torture_run(extract_once, report, MOST), 20, MOST);
}

/* --- answers --- */

typedef struct asking {
    const char *path;
    phial_preset *preset;
    phial_generation_options g;
} asking;

static phial_status ask_twice(phial_asker *a, const asking *s, phial_error *err)
{
    const phial_answer *answer = NULL;
    phial_status st =
        phial_asker_ask(a, &answer, (phial_text){"Which panda crossed the river?", 30}, &s->g, err);
    if (st == PHIAL_OK) {
        assert_true(answer->n_passages > 0);
        st = phial_asker_ask(a, &answer, (phial_text){"And why?", 8}, &s->g, err);
    }
    if (st == PHIAL_OK) {
        const char *said = "Panda number3 crossed the river. It was a Tuesday.";
        phial_passage p = answer->passages[0];
        p.text = (phial_text){"Panda number3 crossed the river.", 32};
        p.start = 0;
        p.end = 32;
        st = phial_asker_check(a, &answer, (phial_text){"Who crossed?", 12}, &p, 1,
                               (phial_text){said, strlen(said)}, err);
    }
    return st;
}

static bool ask_once(void *arg)
{
    const asking *s = arg;
    phial_error err = {0};
    phial_collection *c = NULL;
    phial_asker *a = NULL;
    phial_ask_options o;
    phial_ask_options_default(&o);
    o.preset = s->preset;
    o.min_about = 0;
    phial_status st = phial_collection_open(&c, s->path, PHIAL_COLLECTION_READ, &err);
    if (st == PHIAL_OK)
        st = phial_asker_new(&a, c, &o, &err);
    if (st == PHIAL_OK)
        st = ask_twice(a, s, &err);
    expect_no_memory(st, &err);
    phial_asker_free(a);
    phial_collection_close(c);
    return st == PHIAL_OK;
}

static void test_answers(void **state)
{
    (void)state;
    phial_error err = {0};
    phial_model *model = NULL;
    phial_tokenizer *tokenizer = NULL;
    phial_engine *engine = NULL;
    phial_session *session = NULL;
    phial_sampler *sampler = NULL;
    asking s = {.path = ready};
    source from = {.jsonl = records};
    phial_index_result r;
    phial_sampler_options so;
    phial_sampler_options_default(&so);
    so.temperature = 0;
    if (index_source(&from, "s.phial", &r, &err) != PHIAL_OK ||
        phial_model_open(&model, TINY, NULL, &err) != PHIAL_OK ||
        phial_tokenizer_open(&tokenizer, TINY, &err) != PHIAL_OK ||
        phial_engine_new(&engine, model, NULL, &err) != PHIAL_OK ||
        phial_session_new(&session, engine, 0, &err) != PHIAL_OK ||
        phial_sampler_new(&sampler, 320, &so, &err) != PHIAL_OK ||
        phial_preset_open(&s.preset, "instruct", "", &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    phial_generation_options_default(&s.g);
    s.g.session = session;
    s.g.sampler = sampler;
    s.g.tokenizer = tokenizer;
    s.g.n_new = 8;
    assert_in_range(torture_run(ask_once, &s, MOST), 50, MOST);
    phial_preset_free(s.preset);
    phial_sampler_free(sampler);
    phial_session_free(session);
    phial_engine_free(engine);
    phial_tokenizer_close(tokenizer);
    phial_model_close(model);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(records, sizeof records, "%s/a.jsonl", folder);
    snprintf(documents, sizeof documents, "%s/docs", folder);
    snprintf(ready, sizeof ready, "%s/s.phial", folder);
    put_documents();
    return 0;
}

static int remove_folder(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),      cmocka_unit_test(test_index_files),
        cmocka_unit_test(test_collection), cmocka_unit_test(test_extraction),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
