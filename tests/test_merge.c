/* Merging the full-text index: memory and sizes of segments are bounded, a ranking does not depend
 * on the bound, and what is dead goes.
 * wrap: calloc realloc aligned_alloc free
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rag/collection_lex.h"
#include "rag/collection_rank.h"
#include "rag/lex_build.h"

#define PART 48 /* chunks of a segment at first: sections of 16 */

/* Bytes that base/mem has handed out. */
static size_t held, peak;

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
void __real_free(void *p);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
void __wrap_free(void *p);

static void *took(void *p)
{
    held += malloc_usable_size(p);
    peak = held > peak ? held : peak;
    return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return took(__real_calloc(n, size));
}

/* The new block may lie beside the old one while that is copied. */
void *__wrap_realloc(void *p, size_t bytes)
{
    size_t before = malloc_usable_size(p);
    void *q = took(__real_realloc(p, bytes));
    held -= q ? before : 0;
    return q;
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    return took(__real_aligned_alloc(align, bytes));
}

void __wrap_free(void *p)
{
    held -= malloc_usable_size(p);
    __real_free(p);
}

static char folder[] = "/tmp/phial-merge-XXXXXX";
static phial_error err;

static void ok(phial_status st)
{
    if (st != PHIAL_OK)
        fail_msg("%s", err.message);
}

static int64_t ask(phial_collection *c, const char *sql)
{
    int64_t v = -1;
    ok(ph_sql_pragma(c, sql, &v, &err));
    return v;
}

static void put_part(phial_collection *c, ph_lex_builder *b, int64_t first)
{
    static const char *const words[] = {"panda", "river", "engine", "copper", "violin"};
    ph_lex_chunk chunks[PART];
    ph_buf blocks;
    ph_buf_init(&blocks, 0);
    for (int64_t i = first; i < first + PART; i++) {
        char text[160];
        int n = snprintf(text, sizeof text, "each %s saw %s and %s near number%lld", words[i % 5],
                         words[i % 3], i % 7 == 0 ? "a rare ship" : "it", (long long)i);
        ok(ph_lex_builder_add(b, (ph_str){text, (size_t)n}, (ph_str){"", 0}, &chunks[i - first],
                              &err));
    }
    ok(ph_lex_builder_end(b, ph_lex_part_emit, &blocks, &err));
    ok(ph_lex_segment_put(c, first, chunks, PART, (ph_str){blocks.data, blocks.len}, &err));
    ph_buf_free(&blocks);
}

static void finish(phial_collection *c)
{
    bool changed = false;
    ok(ph_lex_merge_due(c, true, &changed, &err));
    ok(ph_lex_changed(c, &err));
}

/* A collection of n chunks, inside a transaction; *most gets the bytes that merging needed. */
static phial_collection *build(const char *name, int64_t n, uint32_t segment_chunks, size_t *most)
{
    char path[256];
    phial_collection *c = NULL;
    ph_lex_builder *b = NULL;
    bool changed = false;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ok(phial_collection_open(&c, path, PHIAL_COLLECTION_CREATE, &err));
    c->segment_chunks = segment_chunks;
    ok(ph_collection_begin_writing(c, &err));
    ok(ph_tx_begin(c, true, &err));
    ok(ph_lex_builder_new(&b, &err));
    *most = 0;
    for (int64_t first = 1; first < n; first += PART) {
        put_part(c, b, first);
        size_t before = peak = held;
        ok(ph_lex_merge_due(c, false, &changed, &err));
        *most = peak - before > *most ? peak - before : *most;
    }
    assert_true(changed);
    ph_lex_builder_free(b);
    size_t before = peak = held;
    finish(c);
    *most = peak - before > *most ? peak - before : *most;
    return c;
}

static void same_ranking(phial_collection *a, phial_collection *b)
{
    static const char *const queries[] = {"a rare violin", "each panda near number77", "ship"};
    const ph_chunk_ranges all = {.all = true};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        ph_lex_query q;
        ph_scored *x, *y;
        size_t n_x, n_y;
        ph_lex_query_make(&q, ph_str_from(queries[i]));
        ok(ph_lex_search(a, &q, &all, 500, &x, &n_x, &err));
        ok(ph_lex_search(b, &q, &all, 500, &y, &n_y, &err));
        assert_int_equal(n_x, 500);
        assert_int_equal(n_y, 500);
        for (size_t k = 0; k < n_x; k++) {
            assert_int_equal(x[k].chunk, y[k].chunk);
            assert_memory_equal(&x[k].score, &y[k].score, sizeof x[k].score);
        }
        ph_free(x);
        ph_free(y);
    }
}

static void test_bounded(void **state)
{
    (void)state;
    size_t some, many, unbounded;
    phial_collection *a = build("some", 6000, 1000, &some);
    phial_collection *b = build("many", 48000, 1000, &many);
    phial_collection *c = build("whole", 48000, 1u << 30, &unbounded);
    printf("bytes for merging: %zu and, of eight times as many chunks, %zu; unbounded %zu\n", some,
           many, unbounded);
    assert_true(many < some + some / 4);
    assert_true(unbounded > 10 * many);
    assert_true(ask(b, "SELECT max(n_chunks) FROM segments") <= 1000);
    assert_true(ask(b, "SELECT count(*) FROM segments WHERE n_chunks <= 500") <= 6);
    assert_int_equal(ask(b, "SELECT sum(n_chunks) FROM segments"), 48000);
    assert_true(ask(c, "SELECT max(n_chunks) FROM segments") > 24000);
    same_ranking(b, c);
    phial_collection_close(a);
    phial_collection_close(b);
    phial_collection_close(c);
}

static void test_dead(void **state)
{
    (void)state;
    size_t most, whole;
    phial_collection *a = build("dead", 9600, 1000, &most);
    phial_collection *b = build("dead-whole", 9600, 1u << 30, &whole);
    phial_collection *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        /* Whole sections, as documents are. Less than a fifth: they stay, and the tombstone. */
        ok(ph_sql_do(both[i], PH_SQL_TOMBSTONE_INSERT, 481, 1488, &err));
        finish(both[i]);
        assert_int_equal(ask(both[i], "SELECT sum(n_chunks) FROM segments"), 9600);
        assert_int_equal(ask(both[i], "SELECT count(*) FROM tombstones"), 1);
    }
    same_ranking(a, b);
    for (int i = 0; i < 2; i++) {
        ok(ph_sql_do(both[i], PH_SQL_TOMBSTONE_INSERT, 8001, 704, &err));
        peak = held;
        size_t before = held;
        finish(both[i]);
        assert_true(i == 1 || peak - before < most + most / 4);
        assert_int_equal(ask(both[i], "SELECT sum(n_chunks) FROM segments"), 9600 - 1488 - 704);
        assert_int_equal(ask(both[i], "SELECT count(*) FROM tombstones"), 0);
    }
    assert_true(ask(a, "SELECT max(n_chunks) FROM segments") <= 1000);
    same_ranking(a, b);
    /* Nothing is due any more. */
    bool changed = false;
    ok(ph_lex_merge_due(a, true, &changed, &err));
    assert_false(changed);
    phial_collection_close(a);
    phial_collection_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_dead),
    };
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char line[64];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return system(line) == 0 ? failed : 1;
}
