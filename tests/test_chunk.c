/* Chunks: every byte of a page in a chunk, on boundaries of characters, in order, none longer than
 * asked for, the same each time; structure where there is one; time linear in the page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "rag/chunk.h"
#include "rag/chunk_atoms.h"
#include "tok_util.h"

#define CHUNKS_MAX 20000

typedef struct got {
    const ph_doc_page *page;
    ph_chunk chunks[CHUNKS_MAX];
    char contexts[64][256]; /* of the first chunks */
    size_t n;
} got;

static got result;

static phial_status take(void *user, const ph_chunk *chunk, phial_error *err)
{
    got *g = user;
    (void)err;
    assert_true(g->n < CHUNKS_MAX);
    if (g->n < 64)
        snprintf(g->contexts[g->n], sizeof g->contexts[0], "%.*s", (int)chunk->context.n,
                 chunk->context.p);
    g->chunks[g->n++] = *chunk;
    return PHIAL_OK;
}

static ph_chunker *new_chunker(const phial_tokenizer *t, uint32_t n_tokens, uint32_t n_overlap)
{
    ph_chunk_options o;
    phial_error err = {0};
    ph_chunker *c = NULL;
    ph_chunk_options_default(&o);
    o.tokenizer = t;
    o.n_tokens = n_tokens;
    o.n_overlap = n_overlap;
    if (ph_chunker_new(&c, &o, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    return c;
}

static const got *cut_page(ph_chunker *c, const ph_doc_page *page)
{
    phial_error err = {0};
    result.n = 0;
    result.page = page;
    if (ph_chunker_page(c, page, take, &result, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    return &result;
}

static bool on_character(ph_str text, size_t at)
{
    return at == text.n || ((uint8_t)text.p[at] & 0xC0) != 0x80;
}

/* What holds for any page whose text is UTF-8. */
static void check(const got *g, const phial_tokenizer *t, uint32_t n_tokens)
{
    ph_str text = g->page->text;
    size_t done = 0;
    phial_encoder *e = NULL;
    if (t)
        assert_int_equal(phial_encoder_new(&e, t, NULL), PHIAL_OK);
    for (size_t i = 0; i < g->n; i++) {
        const ph_chunk *c = &g->chunks[i];
        assert_true(c->start <= done && c->end > done && c->end <= text.n);
        assert_true(i == 0 || c->start > g->chunks[i - 1].start);
        assert_true(on_character(text, c->start) && on_character(text, c->end));
        assert_int_equal(c->page, g->page->number);
        assert_true(c->n_tokens <= n_tokens);
        if (e) {
            size_t n;
            assert_int_equal(phial_encoder_run(e, text.p + c->start, c->end - c->start, 0, NULL),
                             PHIAL_OK);
            phial_encoder_ids(e, &n);
            assert_int_equal(n, c->n_tokens);
        }
        done = c->end;
    }
    assert_int_equal(done, text.n);
    phial_encoder_free(e);
}

/* --- pages made of blocks --- */

typedef struct maker {
    ph_buf text;
    ph_doc_block blocks[4096];
    size_t n;
} maker;

static maker made;

static void add(ph_block_kind kind, unsigned level, const char *text)
{
    size_t start = made.text.len;
    assert_true(made.n < 4096 && ph_buf_add_str(&made.text, text));
    made.blocks[made.n++] = (ph_doc_block){start, made.text.len, (uint8_t)kind, (uint8_t)level};
}

static ph_doc_page finish(uint32_t number)
{
    return (ph_doc_page){.number = number,
                         .text = {made.text.data ? made.text.data : "", made.text.len},
                         .blocks = made.blocks,
                         .n_blocks = made.n};
}

static void begin(void)
{
    ph_buf_clear(&made.text);
    made.n = 0;
}

static void text_of(char *out, size_t room, const got *g, size_t i)
{
    assert_true(i < g->n);
    snprintf(out, room, "%.*s", (int)(g->chunks[i].end - g->chunks[i].start),
             g->page->text.p + g->chunks[i].start);
}

#define SENTENCE "The quick brown fox jumps over the lazy dog by the river. "

static void test_sections(void **state)
{
    (void)state;
    char text[4096];
    ph_chunker *c = new_chunker(NULL, 64, 16);
    begin();
    add(PH_BLOCK_HEADING, 1, "The Book\n");
    add(PH_BLOCK_HEADING, 2, "First chapter\n");
    add(PH_BLOCK_PARAGRAPH, 0, SENTENCE SENTENCE SENTENCE "\n");
    add(PH_BLOCK_HEADING, 2, "Second\n  chapter\n");
    add(PH_BLOCK_PARAGRAPH, 0, SENTENCE SENTENCE SENTENCE SENTENCE "\n");
    add(PH_BLOCK_PARAGRAPH, 0, SENTENCE SENTENCE SENTENCE "\n");
    ph_doc_page page = finish(7);
    const got *g = cut_page(c, &page);
    check(g, NULL, 64);
    assert_int_equal(g->n, 3);
    assert_string_equal(g->contexts[0], "");
    assert_string_equal(g->contexts[1], "The Book");
    assert_string_equal(g->contexts[2], "The Book > Second chapter");
    text_of(text, sizeof text, g, 1);
    assert_memory_equal(text, "Second\n", 7);
    /* Whole sentences are repeated, at most 16 tokens. */
    assert_true(g->chunks[2].start < g->chunks[1].end);
    text_of(text, sizeof text, g, 2);
    assert_memory_equal(text, SENTENCE, strlen(SENTENCE));

    /* The path goes on over pages, until the next document. */
    begin();
    add(PH_BLOCK_PARAGRAPH, 0, SENTENCE);
    add(PH_BLOCK_HEADING, 1, "Another book\n");
    add(PH_BLOCK_PARAGRAPH, 0, SENTENCE SENTENCE SENTENCE SENTENCE);
    page = finish(8);
    g = cut_page(c, &page);
    check(g, NULL, 64);
    assert_string_equal(g->contexts[0], "The Book > Second chapter");
    ph_chunker_reset(c);
    g = cut_page(c, &page);
    assert_string_equal(g->contexts[0], "");
    g = cut_page(c, &page);
    assert_string_equal(g->contexts[0], "Another book");
    ph_chunker_free(c);
}

static void test_screenplay(void **state)
{
    (void)state;
    char text[4096];
    ph_chunker *c = new_chunker(NULL, 64, 16);
    begin();
    add(PH_BLOCK_FURNITURE, 0, "12.\n");
    for (int i = 0; i < 6; i++) {
        add(PH_BLOCK_SCENE, 0, i % 2 ? "INT. KITCHEN - NIGHT\n\n" : "EXT. ROAD - DAY\n\n");
        add(PH_BLOCK_PARAGRAPH, 0, SENTENCE "\n");
        add(PH_BLOCK_SPEAKER, 0, "ANNA\n");
        add(PH_BLOCK_SPEECH, 0,
            i == 3 ? SENTENCE SENTENCE SENTENCE SENTENCE SENTENCE SENTENCE "\n" : SENTENCE "\n");
    }
    add(PH_BLOCK_FURNITURE, 0, "CONTINUED\n");
    ph_doc_page page = finish(1);
    const got *g = cut_page(c, &page);
    check(g, NULL, 64);
    size_t n_scenes = 0;
    for (size_t i = 0; i < g->n; i++) {
        text_of(text, sizeof text, g, i);
        n_scenes += strncmp(text, "INT.", 4) == 0 || strncmp(text, "EXT.", 4) == 0;
        /* A scene heading or a speaker is never a chunk's end, furniture never a chunk. */
        size_t n = strlen(text);
        assert_false(n > 5 && strcmp(text + n - 5, "ANNA\n") == 0);
        assert_non_null(strstr(text, "fox"));
        if (strncmp(text, SENTENCE, 10) == 0)
            assert_string_equal(g->contexts[i], "INT. KITCHEN - NIGHT > ANNA");
    }
    assert_true(n_scenes >= 4 && g->n > 6);
    ph_chunker_free(c);
}

static void test_code(void **state)
{
    (void)state;
    char text[4096];
    ph_chunker *c = new_chunker(NULL, 48, 8);
    begin();
    add(PH_BLOCK_CODE, 0,
        "int first(int a)\n{\n    int b = a + 1;\n\n    return b * 2;\n}\n\n"
        "int second(int a)\n{\n    return a - 1;\n}\n\n"
        "int third(int a)\n{\n    return a * a;\n}\n");
    ph_doc_page page = finish(1);
    const got *g = cut_page(c, &page);
    check(g, NULL, 48);
    assert_true(g->n >= 2);
    for (size_t i = 0; i < g->n; i++) {
        text_of(text, sizeof text, g, i);
        assert_memory_equal(text, "int ", 4);
        assert_int_equal(g->chunks[i].kind, PH_BLOCK_CODE);
    }
    ph_chunker_free(c);
}

/* Running heads stay with the text beside them; alone on a page they are all there is. */
static void test_furniture(void **state)
{
    (void)state;
    char text[4096];
    ph_chunker *c = new_chunker(NULL, 32, 0);
    for (int n = 1; n < 12; n++) {
        begin();
        add(PH_BLOCK_FURNITURE, 0, "Annual Report 2019\n");
        add(PH_BLOCK_PARAGRAPH, 0, "");
        for (int i = 0; i < n; i++)
            ph_buf_add_str(&made.text, n % 2 ? SENTENCE : "word ");
        made.blocks[1].end = made.text.len;
        add(PH_BLOCK_FURNITURE, 0, "- 17 -\n");
        ph_doc_page page = finish(17);
        const got *g = cut_page(c, &page);
        check(g, NULL, 32);
        for (size_t i = 0; i < g->n; i++) {
            text_of(text, sizeof text, g, i);
            assert_true(strstr(text, "fox") || strstr(text, "word") || strstr(text, "dog"));
            assert_int_equal(g->chunks[i].kind, PH_BLOCK_PARAGRAPH);
        }
    }
    begin();
    add(PH_BLOCK_FURNITURE, 0, "Annual Report 2019\n");
    ph_doc_page page = finish(18);
    const got *g = cut_page(c, &page);
    assert_int_equal(g->n, 1);
    assert_int_equal(g->chunks[0].kind, PH_BLOCK_FURNITURE);
    begin();
    page = finish(19);
    assert_int_equal(cut_page(c, &page)->n, 0);
    ph_chunker_free(c);
}

static void test_no_structure(void **state)
{
    (void)state;
    static const char *const units[] = {
        "x",                                    /* one giant word */
        "word ",                                /* no sentence */
        "clause, ",                             /* commas */
        "\xE6\x97\xA5",                         /* no spaces, wide letters */
        "\xE6\x97\xA5\xE6\x9C\xAC\xE3\x80\x82", /* Chinese sentences */
        "e\xCC\x81",                            /* marks above letters */
        " ",
        "\n",
        "\xF0\x9F\x98\x80",
        "1234567890",
        "A. ",
        "\xCC\x81", /* marks above nothing, which make no tokens */
        " \n\t",
    };
    phial_tokenizer *t = NULL;
    assert_int_equal(tiny_tokenizer(&t, NULL), PHIAL_OK);
    for (size_t u = 0; u < 2 * (sizeof units / sizeof units[0]); u++) {
        const phial_tokenizer *with = u % 2 ? t : NULL;
        ph_chunker *c = new_chunker(with, 32, 8);
        begin();
        for (int i = 0; i < 12000; i++)
            ph_buf_add_str(&made.text, units[u / 2]);
        ph_doc_page page = finish(1);
        const got *g = cut_page(c, &page);
        check(g, with, 32);
        for (size_t i = 0; i < g->n; i++)
            assert_true(g->chunks[i].end - g->chunks[i].start <= 33 * PH_TOKEN_BYTES);
        /* Letters keep their marks. */
        for (size_t i = 0; i < g->n && u / 2 == 5; i++)
            assert_int_equal(page.text.p[g->chunks[i].start], 'e');
        /* Commas and sentences are found. */
        for (size_t i = 1; i < g->n && u / 2 == 2; i++)
            assert_int_equal(page.text.p[g->chunks[i].start], 'c');
        for (size_t i = 1; i < g->n && u / 2 == 4; i++)
            assert_memory_equal(page.text.p + g->chunks[i].start, "\xE6\x97\xA5", 3);
        ph_chunker_free(c);
    }
    phial_tokenizer_close(t);
}

static void random_page(ph_rng *rng)
{
    static const char *const pieces[] = {"the ",
                                         "House. ",
                                         "a",
                                         "\n",
                                         "\n\n",
                                         "!",
                                         ", ",
                                         "12",
                                         "\xC3\xA9",
                                         "\xE6\x97\xA5",
                                         "\xE3\x80\x82",
                                         "\t",
                                         "aaaa",
                                         "\xF0\x9F\x98\x80",
                                         "Dr. ",
                                         "\xCC\x81",
                                         "{",
                                         "   x = 1;\n"};
    begin();
    for (uint64_t blocks = ph_rng_below(rng, 24); blocks > 0; blocks--) {
        add((ph_block_kind)ph_rng_below(rng, PH_BLOCK_N), (unsigned)ph_rng_below(rng, 8), "");
        for (uint64_t n = ph_rng_below(rng, ph_rng_below(rng, 8) == 0 ? 400 : 40); n > 0; n--)
            ph_buf_add_str(&made.text, pieces[ph_rng_below(rng, sizeof pieces / sizeof pieces[0])]);
        made.blocks[made.n - 1].end = made.text.len;
    }
}

static void test_random_pages(void **state)
{
    (void)state;
    phial_tokenizer *t = NULL;
    assert_int_equal(tiny_tokenizer(&t, NULL), PHIAL_OK);
    ph_rng rng;
    ph_rng_seed(&rng, 11, 0);
    size_t n_chunks = 0;
    for (int round = 0; round < 1500; round++) {
        uint32_t n_tokens = 8 + (uint32_t)ph_rng_below(&rng, 120);
        uint32_t n_overlap = (uint32_t)ph_rng_below(&rng, n_tokens / 2 + 1);
        const phial_tokenizer *with = round % 2 ? t : NULL;
        ph_chunker *c = new_chunker(with, n_tokens, n_overlap);
        random_page(&rng);
        ph_doc_page page = finish((uint32_t)round + 1);
        const got *g = cut_page(c, &page);
        check(g, with, n_tokens);
        n_chunks += g->n;
        /* The same again, from a copy in a block of exactly its size. */
        static ph_chunk first[CHUNKS_MAX];
        size_t n = g->n;
        memcpy(first, g->chunks, n * sizeof *first);
        char *copy = malloc(page.text.n + 1);
        memcpy(copy, page.text.p, page.text.n);
        page.text.p = copy;
        ph_chunker_reset(c);
        g = cut_page(c, &page);
        assert_int_equal(g->n, n);
        for (size_t i = 0; i < n; i++)
            assert_true(first[i].start == g->chunks[i].start && first[i].end == g->chunks[i].end &&
                        first[i].n_tokens == g->chunks[i].n_tokens &&
                        first[i].kind == g->chunks[i].kind);
        free(copy);
        ph_chunker_free(c);
    }
    assert_true(n_chunks > 5000);
    phial_tokenizer_close(t);
}

static phial_status count_only(void *user, const ph_chunk *chunk, phial_error *err)
{
    (void)chunk;
    (void)err;
    ++*(size_t *)user;
    return PHIAL_OK;
}

/* A page of a megabyte in less than a second, whatever it is made of. */
static void test_linear(void **state)
{
    (void)state;
    static const char *const units[] = {SENTENCE,       "x",    "word ", "\n", ". ",
                                        "\xE6\x97\xA5", "a\n\n"};
    phial_tokenizer *t = NULL;
    assert_int_equal(tiny_tokenizer(&t, NULL), PHIAL_OK);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        ph_chunker *c = new_chunker(t, 256, 32);
        begin();
        while (made.text.len < (1u << 20))
            ph_buf_add_str(&made.text, units[u]);
        ph_doc_page page = finish(1);
        size_t n = 0;
        uint64_t before = ph_clock_ns();
        assert_int_equal(ph_chunker_page(c, &page, count_only, &n, NULL), PHIAL_OK);
        double seconds = (double)(ph_clock_ns() - before) * 1e-9;
        print_message("1 MiB of '%.8s': %zu chunks, %.0f ms\n", units[u], n, seconds * 1e3);
        assert_true(n > 0 && seconds < 10); /* sanitizers and neighbours included */
        ph_chunker_free(c);
    }
    phial_tokenizer_close(t);
}

static phial_status refuse(void *user, const ph_chunk *chunk, phial_error *err)
{
    (void)user;
    (void)chunk;
    return ph_err_set(err, PHIAL_ERR_IO, "no room");
}

static void test_errors(void **state)
{
    (void)state;
    phial_error err = {0};
    ph_chunk_options o;
    ph_chunker *c = NULL;
    ph_chunk_options_default(&o);
    o.n_tokens = 4;
    assert_int_equal(ph_chunker_new(&c, &o, &err), PHIAL_ERR_ARGUMENT);
    o.n_tokens = 100;
    o.n_overlap = 51;
    assert_int_equal(ph_chunker_new(&c, &o, &err), PHIAL_ERR_ARGUMENT);
    assert_null(c);
    o.n_overlap = 50;
    assert_int_equal(ph_chunker_new(&c, &o, &err), PHIAL_OK);
    ph_doc_block bad[][2] = {
        {{0, 4, 0, 0}, {5, 10, 0, 0}},  /* a gap */
        {{0, 6, 0, 0}, {5, 10, 0, 0}},  /* an overlap */
        {{0, 5, 0, 0}, {5, 11, 0, 0}},  /* beyond the text */
        {{0, 5, 0, 0}, {5, 9, 0, 0}},   /* short of it */
        {{0, 5, 0, 0}, {5, 10, 99, 0}}, /* no such kind */
        {{0, 2, 0, 0}, {2, 10, 0, 0}},  /* inside a character */
    };
    ph_doc_page page = {.number = 3, .text = ph_str_from("\xE6\x97\xA5 345678"), .n_blocks = 2};
    assert_int_equal(page.text.n, 10);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        page.blocks = bad[i];
        assert_int_equal(ph_chunker_page(c, &page, take, &result, &err), PHIAL_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "page 3"));
    }
    page.n_blocks = 0;
    assert_int_equal(ph_chunker_page(c, &page, refuse, NULL, &err), PHIAL_ERR_IO);
    assert_string_equal(err.message, "no room");
    ph_chunker_free(c);
    ph_chunker_free(NULL);
}

static int free_made(void **state)
{
    (void)state;
    ph_buf_free(&made.text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),     cmocka_unit_test(test_screenplay),
        cmocka_unit_test(test_code),         cmocka_unit_test(test_furniture),
        cmocka_unit_test(test_no_structure), cmocka_unit_test(test_random_pages),
        cmocka_unit_test(test_linear),       cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, free_made);
}
