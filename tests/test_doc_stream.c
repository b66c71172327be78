/* fmt/doc_stream: what is written is read again, however the bytes are split; what is not such a
 * stream ends in a sentence; limits hold; memory may run out anywhere.
 * wrap: calloc realloc aligned_alloc
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fmt/doc_stream.h"
#include "torture.h"

#define S(literal) ((ph_str){literal, sizeof literal - 1})

/* --- a stream in memory --- */

/* The bytes of the stream so far. */
static void taken(ph_doc_writer *w, FILE *f, ph_buf *out)
{
    char buf[4096];
    size_t n;
    assert_int_equal(ph_doc_writer_flush(w, NULL), PHIAL_OK);
    rewind(f);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        assert_true(ph_buf_add(out, buf, n));
}

static const ph_doc_word two_words[] = {
    {1, 2, 30, 12, 10, 1, PH_WORD_BOLD | PH_WORD_SPACE, 0, 0, 5},
    {40, 2, 60, 12, 10, 2, PH_WORD_LINE, 1, 5, 3},
};

static void write_sample(ph_buf *out)
{
    ph_doc_writer w;
    FILE *f = tmpfile();
    assert_non_null(f);
    const ph_doc_words words = {7, 595, 842, 1, S("vii"), S("Hello\xc3\xa9.\n"), two_words, 2};
    assert_int_equal(ph_doc_writer_init(&w, fileno(f), NULL), PHIAL_OK);
    ph_doc_write_info(&w, "title", S("A title"), NULL);
    ph_doc_write_page(&w, 1, S("one"), NULL);
    ph_doc_write_block(&w, PH_BLOCK_HEADING, 1, S("Head\n\n"), NULL);
    ph_doc_write_block(&w, PH_BLOCK_PARAGRAPH, 0, S(""), NULL);
    ph_doc_write_block(&w, PH_BLOCK_PARAGRAPH, 0, S("Body \xff.\n"), NULL);
    ph_doc_write_label(&w, S("first"), NULL);
    ph_doc_write_page_end(&w, NULL);
    ph_doc_write_note(&w, S("a note"), NULL);
    ph_doc_write_words(&w, &words, NULL);
    assert_int_equal(ph_doc_write_end(&w, NULL), PHIAL_OK);
    taken(&w, f, out);
    ph_doc_writer_free(&w);
    fclose(f);
}

/* --- what is read, as one text --- */

static phial_status on_info(void *user, ph_str key, ph_str value, phial_error *err)
{
    (void)err;
    ph_buf_addf(user, "[%.*s=%.*s]", (int)key.n, key.p, (int)value.n, value.p);
    return PHIAL_OK;
}

static phial_status on_note(void *user, ph_str sentence, phial_error *err)
{
    return on_info(user, S("note"), sentence, err);
}

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    (void)err;
    ph_buf_addf(user, "[page %u %.*s]", page->number, (int)page->label.n, page->label.p);
    for (size_t i = 0; i < page->n_blocks; i++) {
        const ph_doc_block *b = &page->blocks[i];
        ph_buf_addf(user, "(%u %u)", b->kind, b->level);
        ph_buf_add(user, page->text.p + b->start, b->end - b->start);
    }
    return PHIAL_OK;
}

static phial_status on_words(void *user, const ph_doc_words *page, phial_error *err)
{
    (void)err;
    ph_buf_addf(user, "[words %u %.*s %g %g %u]", page->number, (int)page->label.n, page->label.p,
                page->width, page->height, page->turn);
    for (size_t i = 0; i < page->n_words; i++) {
        const ph_doc_word *w = &page->words[i];
        ph_buf_addf(user, "(%g %g %g %g %g %u %u %u)%.*s", w->x0, w->y0, w->x1, w->y1, w->size,
                    w->font, w->flags, w->turn, (int)w->bytes, page->text.p + w->start);
    }
    return PHIAL_OK;
}

static phial_status read_pieces(const ph_buf *stream, size_t piece, ph_buf *out, uint64_t max_text,
                                uint32_t max_pages, bool *complete, phial_error *err)
{
    const ph_doc_events events = {out, on_info, on_note, on_page, on_words};
    ph_doc_reader *r = NULL;
    *complete = false;
    phial_status status = ph_doc_reader_new(&r, &events, max_text, max_pages, err);
    for (size_t at = 0; at < stream->len && status == PHIAL_OK; at += piece) {
        size_t n = stream->len - at < piece ? stream->len - at : piece;
        /* A block of its own, so that a read past its end is seen. */
        void *copy = malloc(n);
        memcpy(copy, stream->data + at, n);
        status = ph_doc_reader_feed(r, copy, n, err);
        free(copy);
    }
    *complete = r && ph_doc_reader_complete(r);
    ph_doc_reader_free(r);
    return status;
}

static const char sample_text[] =
    "[title=A title][page 1 first](1 1)Head\n\n(0 0)Body \xef\xbf\xbd.\n[note=a note]"
    "[words 7 vii 595 842 1](1 2 30 12 10 1 17 0)Hello(40 2 60 12 10 2 32 1)\xc3\xa9.";

static void test_round_trip(void **state)
{
    (void)state;
    ph_buf stream, got;
    ph_buf_init(&stream, 0);
    ph_buf_init(&got, 0);
    write_sample(&stream);
    for (size_t piece = 1; piece <= stream.len; piece++) {
        bool complete;
        phial_error err = {0};
        ph_buf_clear(&got);
        assert_int_equal(read_pieces(&stream, piece, &got, 0, 0, &complete, &err), PHIAL_OK);
        assert_true(complete);
        assert_string_equal(got.data, sample_text);
    }
    ph_buf_free(&stream);
    ph_buf_free(&got);
}

/* Every beginning is either not complete or refused; nothing behind the end is taken. */
static void test_cut_off(void **state)
{
    (void)state;
    ph_buf stream, got;
    ph_buf_init(&stream, 0);
    ph_buf_init(&got, 0);
    write_sample(&stream);
    size_t whole = stream.len;
    bool complete;
    for (stream.len = 0; stream.len < whole; stream.len++) {
        assert_int_equal(read_pieces(&stream, 4096, &got, 0, 0, &complete, NULL), PHIAL_OK);
        assert_false(complete);
    }
    ph_buf_add_byte(&stream, 0);
    phial_error err = {0};
    assert_int_equal(read_pieces(&stream, 4096, &got, 0, 0, &complete, &err), PHIAL_ERR_BAD_INPUT);
    assert_string_equal(err.message, "the helper's stream: more behind its end");
    ph_buf_free(&stream);
    ph_buf_free(&got);
}

/* --- streams that are none --- */

typedef struct record {
    uint8_t type;
    const char *payload;
    size_t n;
} record;

#define HELLO                                                                                      \
    {                                                                                              \
        1, "\1\0\0\0", 4                                                                           \
    }
#define PAGE_1                                                                                     \
    {                                                                                              \
        4, "\1\0\0\0", 4                                                                           \
    }

static void add_record(ph_buf *out, record r)
{
    ph_buf_add_byte(out, r.type);
    ph_buf_add_u32(out, (uint32_t)r.n);
    ph_buf_add(out, r.payload, r.n);
}

static void test_refused(void **state)
{
    (void)state;
    static const char nan_word[] = "\0\0\xc0\x7f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0x";
    static const char flat_page[] = "\1\0\0\0\0\0\x80\x3f\0\0\x80\x3f\0\0";
    static const struct {
        record records[4];
        const char *named;
    } cases[] = {
        {{{13, "", 0}}, "it has no beginning"},
        {{{1, "\2\0\0\0", 4}}, "version 2 of the stream, not 1"},
        {{{1, "\1", 1}}, "a second beginning"},
        {{HELLO, HELLO}, "a second beginning"},
        {{HELLO, {13, "", 0}}, "a record of unknown type"},
        {{HELLO, {2, "key", 3}}, "an info record that is none"},
        {{HELLO, {2, "\0value", 6}}, "an info record that is none"},
        {{HELLO, {2, "\xff\0value", 7}}, "an info record that is none"},
        {{HELLO, {4, "\1\0\0", 3}}, "a page without a number"},
        {{HELLO, {4, "\0\0\0\0", 4}}, "pages that do not rise"},
        {{HELLO, PAGE_1, PAGE_1}, "a page inside another"},
        {{HELLO, PAGE_1, {8, "", 0}, PAGE_1}, "pages that do not rise"},
        {{HELLO, {4, "\xff\xff\xff\xff", 4}}, "pages that do not rise"},
        {{HELLO, {6, "\0\0x", 3}}, "a block that is none, or has no page"},
        {{HELLO, PAGE_1, {6, "\0\0", 2}}, "a block that is none, or has no page"},
        {{HELLO, PAGE_1, {6, "\x0b\0x", 3}}, "a block that is none, or has no page"},
        {{HELLO, PAGE_1, {7, "x", 1}}, "more of a block that is not there"},
        {{HELLO, {5, "x", 1}}, "a label without a page"},
        {{HELLO, {8, "", 0}}, "the end of a page that did not begin"},
        {{HELLO, PAGE_1, {12, "", 0}}, "its end inside a page"},
        {{HELLO, {10, nan_word, 27}}, "words without a page"},
        {{HELLO, {9, flat_page, 13}}, "a page of words that is none"},
        {{HELLO, {9, "\1\0\0\0\0\0\xc0\x7f\0\0\0\0\0\0", 14}}, "a page of impossible size"},
        {{HELLO, {9, flat_page, 14}, {10, nan_word, 27}}, "a word in an impossible place"},
        {{HELLO, {9, flat_page, 14}, {10, nan_word + 1, 26}}, "a word that is none"},
        {{HELLO, {9, flat_page, 14}, {10, nan_word, 20}}, "a word that is none"},
        {{HELLO, {11, "\x1e\0\0", 3}}, "a failure without a reason"},
        {{HELLO, {11, "\x1e\0\0\0", 4}}, "a failure without a reason"},
        {{HELLO, {11, "\x1e\0\0\0why \x1b", 9}}, "why \\x1b"},
        {{HELLO, {11, "\0\0\0\0zero", 8}}, "zero"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_buf stream, got;
        bool complete;
        phial_error err = {0};
        ph_buf_init(&stream, 0);
        ph_buf_init(&got, 0);
        for (size_t k = 0; k < 4 && cases[i].records[k].type; k++)
            add_record(&stream, cases[i].records[k]);
        phial_status status = read_pieces(&stream, 3, &got, 0, 0, &complete, &err);
        if (status != PHIAL_ERR_BAD_INPUT || !strstr(err.message, cases[i].named))
            fail_msg("case %zu: %d '%s', wanted '%s'", i, (int)status, err.message, cases[i].named);
        assert_false(complete);
        ph_buf_free(&stream);
        ph_buf_free(&got);
    }
}

static void test_record_too_long(void **state)
{
    (void)state;
    ph_buf stream, got;
    bool complete;
    phial_error err = {0};
    ph_buf_init(&stream, 0);
    ph_buf_init(&got, 0);
    add_record(&stream, (record)HELLO);
    ph_buf_add_byte(&stream, 3);
    ph_buf_add_u32(&stream, PH_DOC_RECORD_LIMIT + 1);
    assert_int_equal(read_pieces(&stream, 99, &got, 0, 0, &complete, &err), PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "a record that is too long"));
    ph_buf_free(&stream);
    ph_buf_free(&got);
}

/* Box corners in any order, sizes below zero: made good. */
static void test_word_boxes(void **state)
{
    (void)state;
    static const ph_doc_word odd = {9, 8, 1, 2, -3, 1, 0, 7, 0, 1};
    const ph_doc_words page = {1, 10, 10, 6, S(""), S("x"), &odd, 1};
    ph_doc_writer w;
    ph_buf stream, got;
    bool complete;
    FILE *f = tmpfile();
    ph_buf_init(&stream, 0);
    ph_buf_init(&got, 0);
    ph_doc_writer_init(&w, fileno(f), NULL);
    ph_doc_write_words(&w, &page, NULL);
    ph_doc_write_end(&w, NULL);
    taken(&w, f, &stream);
    assert_int_equal(read_pieces(&stream, 9, &got, 0, 0, &complete, NULL), PHIAL_OK);
    assert_string_equal(got.data, "[words 1  10 10 2](1 2 9 8 0 1 0 3)x");
    ph_doc_writer_free(&w);
    fclose(f);
    ph_buf_free(&stream);
    ph_buf_free(&got);
}

/* --- limits --- */

static void test_reader_limits(void **state)
{
    (void)state;
    ph_buf stream, got;
    bool complete;
    phial_error err = {0};
    ph_buf_init(&stream, 0);
    ph_buf_init(&got, 0);
    write_sample(&stream);
    assert_int_equal(read_pieces(&stream, 9, &got, 10, 0, &complete, &err), PHIAL_ERR_LIMIT);
    assert_string_equal(err.message, "more than 10 bytes of text");
    assert_int_equal(read_pieces(&stream, 9, &got, 0, 1, &complete, &err), PHIAL_ERR_LIMIT);
    assert_string_equal(err.message, "more than 1 pages");
    stream.len = 0;
    add_record(&stream, (record)HELLO);
    for (int i = 0; i <= PH_DOC_INFOS_LIMIT; i++)
        add_record(&stream, (record){3, "note", 4});
    assert_int_equal(read_pieces(&stream, 99, &got, 0, 0, &complete, &err), PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "too many info records and notes"));
    ph_buf_free(&stream);
    ph_buf_free(&got);
}

static void test_writer_limits(void **state)
{
    (void)state;
    phial_error err = {0};
    ph_doc_writer w;
    FILE *f = tmpfile();
    ph_doc_writer_init(&w, fileno(f), NULL);
    w.max_text = 5;
    w.max_pages = 1;
    assert_int_equal(ph_doc_write_page(&w, 1, S(""), &err), PHIAL_OK);
    assert_int_equal(ph_doc_write_page(&w, 2, S(""), &err), PHIAL_ERR_ARGUMENT);
    ph_doc_writer_free(&w);
    ph_doc_writer_init(&w, fileno(f), NULL);
    w.max_text = 5;
    w.max_pages = 1;
    ph_doc_write_page(&w, 1, S(""), &err);
    assert_int_equal(ph_doc_write_block(&w, PH_BLOCK_CODE, 999, S("12345"), &err), PHIAL_OK);
    assert_int_equal(ph_doc_write_block(&w, PH_BLOCK_CODE, 0, S("6"), &err), PHIAL_ERR_LIMIT);
    assert_string_equal(err.message, "more than 5 bytes of text");
    err.message[0] = '\0';
    assert_int_equal(ph_doc_write_note(&w, S("later"), &err), PHIAL_ERR_LIMIT);
    assert_string_equal(err.message, "more than 5 bytes of text");
    assert_int_equal(ph_doc_write_failed(&w, PHIAL_ERR_LIMIT, err.message), PHIAL_OK);
    ph_doc_writer_free(&w);
    fclose(f);
    /* Nobody reads. */
    ph_doc_writer_init(&w, -1, NULL);
    assert_int_equal(ph_doc_writer_flush(&w, &err), PHIAL_ERR_IO);
    assert_int_equal(ph_doc_write_failed(&w, PHIAL_ERR_LIMIT, "x"), PHIAL_ERR_IO);
    ph_doc_writer_free(&w);
    /* Or it stays in memory. */
    ph_doc_writer_init(&w, PH_DOC_IN_MEMORY, NULL);
    assert_int_equal(ph_doc_writer_flush(&w, &err), PHIAL_OK);
    assert_true(w.pending.len > 0);
    ph_doc_writer_free(&w);
}

/* A block of three records and a label that is cut at a character. */
static void test_long_texts(void **state)
{
    (void)state;
    enum { N = 3 << 19 };
    static char text[N];
    static char label[PH_DOC_LABEL_LIMIT + 1];
    for (size_t i = 0; i + 1 < N; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    memset(label, 'x', sizeof label);
    memcpy(label + PH_DOC_LABEL_LIMIT - 1, "\xc3\xa9", 2);
    ph_buf stream, got;
    bool complete;
    ph_doc_writer w;
    FILE *f = tmpfile();
    ph_buf_init(&stream, 0);
    ph_buf_init(&got, 0);
    ph_doc_writer_init(&w, fileno(f), NULL);
    ph_doc_write_page(&w, 1, (ph_str){label, sizeof label}, NULL);
    ph_doc_write_block(&w, PH_BLOCK_CODE, 0, (ph_str){text, N}, NULL);
    ph_doc_write_page_end(&w, NULL);
    assert_int_equal(ph_doc_write_end(&w, NULL), PHIAL_OK);
    taken(&w, f, &stream);
    assert_int_equal(read_pieces(&stream, 60000, &got, 0, 0, &complete, NULL), PHIAL_OK);
    size_t head = strlen("[page 1 ") + PH_DOC_LABEL_LIMIT - 1 + strlen("](3 0)");
    assert_int_equal(got.len, head + N);
    assert_memory_equal(got.data + head, text, N);
    ph_doc_writer_free(&w);
    fclose(f);
    ph_buf_free(&stream);
    ph_buf_free(&got);
}

/* --- memory --- */

static bool read_sample(void *arg)
{
    ph_buf got;
    bool complete;
    phial_error err = {0};
    ph_buf_init(&got, 0);
    phial_status status = read_pieces(arg, 7, &got, 0, 0, &complete, &err);
    if (status != PHIAL_OK)
        assert_int_equal(status, PHIAL_ERR_NO_MEMORY);
    bool done = status == PHIAL_OK && complete && !got.failed;
    ph_buf_free(&got);
    return done;
}

static bool write_block(void *arg)
{
    ph_doc_writer w;
    phial_error err = {0};
    phial_status status = ph_doc_writer_init(&w, fileno(arg), &err);
    if (status == PHIAL_OK)
        status = ph_doc_write_page(&w, 1, S("label"), &err);
    if (status == PHIAL_OK)
        status = ph_doc_write_block(&w, PH_BLOCK_CODE, 0, S("text"), &err);
    if (status != PHIAL_OK)
        assert_int_equal(status, PHIAL_ERR_NO_MEMORY);
    ph_doc_writer_free(&w);
    return status == PHIAL_OK;
}

static void test_torture(void **state)
{
    (void)state;
    ph_buf stream;
    ph_buf_init(&stream, 0);
    write_sample(&stream);
    assert_true(torture_run(read_sample, &stream, 1000) > 5);
    FILE *f = tmpfile();
    assert_true(torture_run(write_block, f, 1000) > 0);
    fclose(f);
    ph_buf_free(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_record_too_long),
        cmocka_unit_test(test_word_boxes),    cmocka_unit_test(test_reader_limits),
        cmocka_unit_test(test_writer_limits), cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
