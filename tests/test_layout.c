/* rag/layout: pages made of words with boxes, for each rule of the reading order; properties that
 * hold for any page; failing allocations.
 * wrap: calloc realloc aligned_alloc
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "rag/layout.h"
#include "torture.h"

enum { WORDS_MAX = 60000, TEXT_MAX = 1 << 20 };

/* A page under construction. Letters are half as wide as the size, a blank a quarter. */
typedef struct sheet {
    ph_doc_word words[WORDS_MAX];
    char text[TEXT_MAX];
    size_t n, bytes;
    uint32_t number;
    float width, height;
} sheet;

static sheet *s;

static void blank(uint32_t number)
{
    s->n = s->bytes = 0;
    s->number = number;
    s->width = 600;
    s->height = 800;
}

static size_t letters(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((uint8_t)p[i] & 0xc0) != 0x80;
    return count;
}

static ph_doc_word *word(float x, float y, float size, uint8_t flags, const char *p, size_t n)
{
    ph_doc_word *w = &s->words[s->n++];
    *w = (ph_doc_word){.x0 = x,
                       .x1 = x + (float)letters(p, n) * size / 2,
                       .y0 = y - 0.8f * size,
                       .y1 = y + 0.2f * size,
                       .size = size,
                       .flags = flags,
                       .start = (uint32_t)s->bytes,
                       .bytes = (uint32_t)n};
    memcpy(s->text + s->bytes, p, n);
    s->bytes += n;
    return w;
}

/* Words apart by single blanks on a baseline; "|" moves to the next multiple of 120 points. */
static void put(float x, float y, float size, uint8_t flags, const char *line)
{
    while (*line) {
        size_t n = strcspn(line, " ");
        if (n == 1 && *line == '|') {
            x = (floorf(x / 120) + 1) * 120;
        } else {
            ph_doc_word *w = word(x, y, size, flags, line, n);
            w->flags |= line[n] ? PH_WORD_SPACE : PH_WORD_LINE;
            x = w->x1 + 0.25f * size;
        }
        line += n + (line[n] == ' ');
    }
}

static ph_buf result; /* "<kind level>text" of all blocks, separators shown as they are */
static size_t n_pages;

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    (void)user;
    (void)err;
    size_t at = 0;
    assert_true(ph_utf8_valid((const uint8_t *)page->text.p, page->text.n));
    n_pages++;
    assert_int_equal(page->number, n_pages);
    for (size_t i = 0; i < page->n_blocks; i++) {
        const ph_doc_block *b = &page->blocks[i];
        assert_int_equal(b->start, at);
        assert_true(b->end > b->start);
        at = b->end;
        ph_buf_addf(&result, "<%u %u>", b->kind, b->level);
        ph_buf_add(&result, page->text.p + b->start, b->end - b->start);
    }
    assert_int_equal(at, page->text.n);
    return PHIAL_OK;
}

static ph_layout *layout;

static void begin(void)
{
    ph_buf_clear(&result);
    n_pages = 0;
    assert_int_equal(ph_layout_new(&layout, on_page, NULL, NULL), PHIAL_OK);
}

static phial_status add(phial_error *err)
{
    const ph_doc_words page = {.number = s->number,
                               .width = s->width,
                               .height = s->height,
                               .text = {s->text, s->bytes},
                               .words = s->words,
                               .n_words = s->n};
    return ph_layout_add(layout, &page, err);
}

static const char *finish(void)
{
    phial_error err = {0};
    assert_int_equal(ph_layout_finish(layout, &err), PHIAL_OK);
    ph_layout_free(layout);
    return result.data ? result.data : "";
}

/* One page. */
static const char *laid_out(void)
{
    begin();
    assert_int_equal(add(NULL), PHIAL_OK);
    return finish();
}

#define EXPECT(expected) assert_string_equal(laid_out(), expected)

static void test_paragraphs(void **state)
{
    (void)state;
    blank(1);
    put(50, 100, 10, 0, "One paragraph goes on and on until");
    put(50, 112, 10, 0, "it is full, and then goes on here.");
    put(62, 124, 10, 0, "An indent begins another one that");
    put(50, 136, 10, 0, "has a second line with some words.");
    put(50, 160, 10, 0, "Space begins a third one with text");
    put(50, 172, 10, 0, "that ends early.");
    put(50, 184, 10, 0, "A fourth follows without an indent.");
    EXPECT("<0 0>One paragraph goes on and on until it is full, and then goes on here.\n\n"
           "<0 0>An indent begins another one that has a second line with some words.\n\n"
           "<0 0>Space begins a third one with text that ends early.\n\n"
           "<0 0>A fourth follows without an indent.\n");
}

static void test_hyphens(void **state)
{
    (void)state;
    blank(1);
    put(50, 100, 10, 0, "The topology of things, and of exam-");
    put(50, 112, 10, 0, "ples that are long-term ones, a long-");
    put(50, 124, 10, 0, "term plan, the well known and well-");
    put(50, 136, 10, 0, "known things, and a Jordan-Bruns-");
    put(50, 148, 10, 0, "Kurve with soft\xc2\xad hyphens at a soft\xc2\xad");
    put(50, 160, 10, 0, "ening line, from pages 1990-");
    put(50, 172, 10, 0, "1995 on, as the exa-");
    put(50, 184, 10, 0, "mples and topo-");
    put(50, 196, 10, 0, "logy show.");
    EXPECT("<0 0>The topology of things, and of examples that are long-term ones, a long-term "
           "plan, the well known and well-known things, and a Jordan-Bruns-Kurve with soft\xc2\xad "
           "hyphens at a softening line, from pages 1990-1995 on, as the examples and topology "
           "show.\n");
}

static void test_characters(void **state)
{
    (void)state;
    blank(1);
    put(50, 100, 10, 0,
        "o\xef\xac\x83"
        "ce \xef\xac\x81nd \xef\xac\x82oor a\x01\x02 \xef\xbb\xbf \xff \xe2\x80\xab");
    EXPECT("<0 0>office find floor a \xef\xbf\xbd\n");
}

/* Two columns whose lines are not level, a title across both, a figure's caption in between, a
 * footnote below the left one. */
static void two_columns(float shift)
{
    put(150, 60, 16, 0, "A title that stands across both columns");
    for (int i = 0; i < 12; i++) {
        char line[64];
        snprintf(line, sizeof line, "left line %c of the text is here now", 'a' + i);
        put(50, 100 + 12 * (float)i, 10, 0, line);
        snprintf(line, sizeof line, "right line %c of the text is here no", 'a' + i);
        put(310, 100 + shift + 12 * (float)i, 10, 0, line);
    }
}

static void test_columns(void **state)
{
    (void)state;
    for (float shift = 0; shift < 12; shift += 5) {
        blank(1);
        two_columns(shift);
        const char *text = laid_out(), *at = text;
        assert_non_null(strstr(text, "<1 1>A title that stands across both columns\n\n<0 0>left"));
        for (int i = 0; i < 24; i++) {
            char line[32];
            snprintf(line, sizeof line, "%s line %c", i < 12 ? "left" : "right", 'a' + i % 12);
            at = strstr(at, line);
            assert_non_null(at);
        }
    }
}

/* A paragraph that the end of the column interrupts is one block. */
static void test_column_break(void **state)
{
    (void)state;
    blank(1);
    for (int i = 0; i < 8; i++) {
        put(50, 100 + 12 * (float)i, 10, 0,
            i < 7 ? "Some words that fill the left column"
                  : "and the last one is cut here in a sen-");
        put(310, 100 + 12 * (float)i, 10, 0,
            i > 0 ? "and words that fill the right column" : "tence that goes on in the other one");
    }
    const char *text = laid_out();
    assert_non_null(strstr(text, "cut here in a sentence that goes on in the other one and words"));
    assert_null(strchr(text + 1, '<'));
}

static void test_table(void **state)
{
    (void)state;
    blank(1);
    put(50, 80, 10, 0, "Here is a table of some countries of the world, row by row.");
    put(50, 110, 10, 0, "Country | Capital | Population | Area");
    put(50, 122, 10, 0, "Austria | Vienna | 8.9 | 83,879");
    put(50, 134, 10, 0, "Belgium | Brussels | 11.5 | 30,689");
    put(50, 146, 10, 0, "Denmark | Copenhagen | 5.8 | 42,951");
    EXPECT("<0 0>Here is a table of some countries of the world, row by row.\n\n"
           "<4 0>Country\tCapital\tPopulation\tArea\n<4 0>Austria\tVienna\t8.9\t83,879\n"
           "<4 0>Belgium\tBrussels\t11.5\t30,689\n<4 0>Denmark\tCopenhagen\t5.8\t42,951\n");
}

static void test_lists_and_captions(void **state)
{
    (void)state;
    blank(1);
    put(50, 100, 10, 0, "These are the points of the matter:");
    put(60, 112, 10, 0, "\xe2\x80\xa2 the first point, which goes on");
    put(67, 124, 10, 0, "in its second line,");
    put(60, 136, 10, 0, "\xe2\x80\xa2 the second one.");
    put(60, 148, 10, 0, "1. One.");
    put(60, 160, 10, 0, "2. Two.");
    put(50, 190, 10, 0, "Figure 3: What a caption looks like.");
    EXPECT("<0 0>These are the points of the matter:\n\n"
           "<2 1>\xe2\x80\xa2 the first point, which goes on in its second line,\n"
           "<2 1>\xe2\x80\xa2 the second one.\n<2 1>1. One.\n<2 1>2. Two.\n\n"
           "<6 0>Figure 3: What a caption looks like.\n");
}

static void test_headings(void **state)
{
    (void)state;
    begin();
    for (uint32_t page = 1; page <= 3; page++) {
        blank(page);
        if (page == 1)
            put(50, 200, 24, PH_WORD_BOLD, "The Book");
        put(50, 250, 16, PH_WORD_BOLD, "A chapter");
        put(50, 280, 10, PH_WORD_BOLD, "A section");
        for (int i = 0; i < 5; i++)
            put(50, 300 + 12 * (float)i, 10, 0, "words of the body that are of no interest at all");
        assert_int_equal(add(NULL), PHIAL_OK);
    }
    const char *text = finish();
    assert_non_null(strstr(text, "<1 1>The Book"));
    const char *at = text;
    for (int page = 0; page < 3; page++) {
        at = strstr(at, "<1 2>A chapter\n\n<1 3>A section\n\n<0 0>words");
        assert_non_null(at);
        at++;
    }
}

static void test_furniture(void **state)
{
    (void)state;
    begin();
    for (uint32_t page = 1; page <= 300; page++) { /* more than a window */
        char foot[32], head[64];
        blank(page);
        snprintf(head, sizeof head, "Chapter %u | %u", page / 7 + 1, page + 10);
        snprintf(foot, sizeof foot, "Confidential page %u", page);
        put(50, 40, 9, 0, head);
        for (int i = 0; i < 4; i++) {
            char body[64];
            unsigned at = page * 4 + (unsigned)i;
            snprintf(body, sizeof body, "Words of a body such as %c%c%c that go on", 'a' + at % 26,
                     'a' + at / 26 % 26, 'a' + at / 676 % 26);
            put(50, 100 + 12 * (float)i, 10, 0, body);
        }
        put(50, 770, 9, 0, foot);
        assert_int_equal(add(NULL), PHIAL_OK);
    }
    const char *text = finish();
    assert_int_equal(n_pages, 300);
    size_t marked = 0;
    for (const char *at = text; (at = strstr(at, "<10 0>")) != NULL; at++)
        marked++;
    assert_int_equal(marked, 600);
    assert_non_null(strstr(text, "<10 0>Chapter 43\t310\n\n<0 0>Words"));
    /* A lone line that repeats is a page's text, and not furniture. */
    begin();
    for (uint32_t page = 1; page <= 5; page++) {
        blank(page);
        put(50, 40, 10, 0, "Potato");
        assert_int_equal(add(NULL), PHIAL_OK);
    }
    assert_null(strstr(finish(), "<10 0>"));
}

/* The same page in all four directions. */
static void test_turned(void **state)
{
    (void)state;
    char upright[8192];
    for (unsigned turn = 0; turn < 4; turn++) {
        blank(1);
        two_columns(3);
        for (size_t i = 0; i < s->n; i++) {
            ph_doc_word *w = &s->words[i], old = *w;
            w->turn = (uint8_t)turn;
            if (turn == 1) /* a page of 800 x 600: downwards, next line to the left */
                *w = (ph_doc_word){800 - old.y1, old.x0, 800 - old.y0, old.x1,   old.size, 0,
                                   old.flags,    1,      old.start,    old.bytes};
            else if (turn == 2)
                *w = (ph_doc_word){600 - old.x1, 800 - old.y1,
                                   600 - old.x0, 800 - old.y0,
                                   old.size,     0,
                                   old.flags,    2,
                                   old.start,    old.bytes};
            else if (turn == 3)
                *w = (ph_doc_word){old.y0, 600 - old.x1, old.y1, 600 - old.x0, old.size,
                                   0,      old.flags,    3,      old.start,    old.bytes};
        }
        s->width = turn & 1 ? 800 : 600;
        s->height = turn & 1 ? 600 : 800;
        const char *text = laid_out();
        if (turn == 0)
            snprintf(upright, sizeof upright, "%s", text);
        assert_string_equal(text, upright);
    }
    /* Text in the margin that runs upwards comes behind the rest. */
    blank(1);
    ph_doc_word *w = word(20, 400, 10, 0, "sideways", 8);
    *w = (ph_doc_word){20, 300, 30, 340, 10, 0, PH_WORD_LINE, 3, w->start, w->bytes};
    put(50, 100, 10, 0, "Text of the page that is read first.");
    EXPECT("<0 0>Text of the page that is read first.\n\n<0 0>sideways\n");
}

static void test_right_to_left(void **state)
{
    (void)state;
    static const char *const words[] = {"\xd8\xa3\xd9\x88\xd9\x84", "\xd8\xab\xd8\xa7\xd9\x86",
                                        "new", "york", "\xef\xba\x8d\xef\xbb\xbb"};
    blank(1);
    /* From the right: first, second, "york" left of "new" would be wrong, last. */
    static const float x[] = {500, 460, 380, 405, 340};
    for (int i = 0; i < 5; i++)
        word(x[i], 100, 10, PH_WORD_LINE, words[i], strlen(words[i]));
    EXPECT("<0 0>\xd8\xa3\xd9\x88\xd9\x84 \xd8\xab\xd8\xa7\xd9\x86 new york "
           "\xd8\xa7\xd9\x84\xd8\xa7\n");
}

static void test_cjk(void **state)
{
    (void)state;
    blank(1);
    /* Letters as wide as the size. */
    for (int line = 0; line < 2; line++) {
        for (int i = 0; i < 5; i++) {
            ph_doc_word *w = word(50 + 10 * (float)i, 100 + 14 * (float)line, 10,
                                  i == 4 ? PH_WORD_LINE : 0, "\xe6\x97\xa5", 3);
            w->x1 = w->x0 + 10;
        }
    }
    EXPECT("<0 0>\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
           "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\n");
}

static void test_code(void **state)
{
    (void)state;
    blank(1);
    for (int i = 0; i < 4; i++)
        put(50, 80 + 12 * (float)i, 10, 0, "Text of the page that makes up most of it all");
    put(50, 140, 10, PH_WORD_MONO, "int f(void)");
    put(50, 152, 10, PH_WORD_MONO, "{");
    put(70, 164, 10, PH_WORD_MONO, "return 1;");
    put(50, 176, 10, PH_WORD_MONO, "}");
    const char *text = laid_out();
    assert_non_null(strstr(text, "<3 0>int f(void)\n{\n    return 1;\n}\n"));
}

static void test_screenplay(void **state)
{
    (void)state;
    const uint8_t mono = PH_WORD_MONO;
    blank(1);
    put(100, 100, 12, mono, "INT. KITCHEN - DAY");
    put(100, 124, 12, mono, "Two people sit at a table and say");
    put(100, 136, 12, mono, "nothing.");
    put(260, 160, 12, mono, "ANNA");
    put(170, 172, 12, mono, "Is there any coffee left in");
    put(170, 184, 12, mono, "the pot?");
    put(160, 208, 12, mono, "ANNA");
    put(370, 208, 12, mono, "BERT");
    put(110, 220, 12, mono, "There is some");
    put(320, 220, 12, mono, "There is none");
    put(110, 232, 12, mono, "in it.");
    put(320, 232, 12, mono, "in it.");
    put(450, 256, 12, mono, "CUT TO:");
    put(100, 280, 12, mono, "EXT. GARDEN - NIGHT");
    put(100, 304, 12, mono, "Rain.");
    EXPECT("<7 0>INT. KITCHEN - DAY\n\n<0 0>Two people sit at a table and say nothing.\n\n"
           "<8 0>ANNA\n<9 0>Is there any coffee left in the pot?\n\n"
           "<8 0>ANNA\n<9 0>There is some in it.\n\n<8 0>BERT\n<9 0>There is none in it.\n\n"
           "<0 0>CUT TO:\n\n<7 0>EXT. GARDEN - NIGHT\n\n<0 0>Rain.\n");
}

/* --- properties --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t split_words(char *text, char **words, size_t cap)
{
    size_t n = 0;
    for (char *p = text; *p && n < cap;) {
        p += strspn(p, " \t\n");
        size_t len = strcspn(p, " \t\n");
        if (len == 0)
            break;
        words[n++] = p;
        p += len;
        if (*p)
            *p++ = 0;
    }
    return n;
}

/* Words that are never joined: apart from each other, without hyphens. Each stands in the text
 * once. */
static void test_every_word_once(void **state)
{
    (void)state;
    ph_rng rng;
    ph_rng_seed(&rng, 7, 0);
    char **expected = malloc(2 * WORDS_MAX * sizeof *expected), **got = expected + WORDS_MAX;
    assert_non_null(expected);
    for (int round = 0; round < 60; round++) {
        char names[600][24];
        blank(1);
        size_t n = 1 + ph_rng_below(&rng, 500);
        for (size_t i = 0; i < n; i++) {
            snprintf(names[i], sizeof names[i], "w%u", (unsigned)i);
            expected[i] = names[i];
            float x = 200 * (float)ph_rng_below(&rng, 30), y = 20 * (float)ph_rng_below(&rng, 60);
            if (round % 2) /* a grid, on which lines and columns are found */
                x = 30 + 40 * (float)(i % 14), y = 20 + 13 * (float)(i / 14);
            uint64_t sizes = round % 2 ? 10 : round % 3 ? 2 : 30;
            ph_doc_word *w = word(x, y, 5 + (float)ph_rng_below(&rng, sizes), PH_WORD_SPACE,
                                  names[i], strlen(names[i]));
            w->turn = (uint8_t)(round % 5 ? 0 : 2 * ph_rng_below(&rng, 2));
            if (ph_rng_below(&rng, 9) == 0)
                w->flags |= PH_WORD_LINE | PH_WORD_BOLD | PH_WORD_MONO;
        }
        laid_out();
        char *text = ph_strdup(result.data, NULL), *out = text;
        assert_non_null(text);
        for (const char *p = result.data; *p; p++) { /* without the blocks' marks */
            if (*p == '<')
                p = strchr(p, '>');
            else
                *out++ = *p;
        }
        *out = 0;
        size_t m = split_words(text, got, WORDS_MAX);
        assert_int_equal(m, n);
        qsort(expected, n, sizeof *expected, by_text);
        qsort(got, m, sizeof *got, by_text);
        for (size_t i = 0; i < n; i++)
            assert_string_equal(got[i], expected[i]);
        ph_free(text);
    }
    free(expected);
}

static void test_hostile(void **state)
{
    (void)state;
    static const float odd[] = {0, -1, 1e30f, -1e30f, NAN, INFINITY, -INFINITY, 1e-30f, 300};
    const size_t n_odd = sizeof odd / sizeof odd[0];
    ph_rng rng;
    ph_rng_seed(&rng, 8, 0);
    for (int round = 0; round < 50; round++) {
        blank(1);
        for (int i = 0; i < 200; i++) {
            ph_doc_word *w = word(0, 0, 1, (uint8_t)ph_rng_u64(&rng), "(x-", 3);
            float *numbers[] = {&w->x0, &w->x1, &w->y0, &w->y1, &w->size};
            for (size_t k = 0; k < 5; k++)
                *numbers[k] = odd[ph_rng_below(&rng, n_odd)];
            w->turn = (uint8_t)ph_rng_u64(&rng);
        }
        s->width = odd[ph_rng_below(&rng, n_odd)];
        s->height = odd[ph_rng_below(&rng, n_odd)];
        laid_out();
    }
    /* Many words in one place, and in one line. */
    for (int round = 0; round < 2; round++) {
        blank(1);
        for (int i = 0; i < 50000; i++)
            word(round ? 3 * (float)i : 100, 100 + (float)(i % 3), 10, 0, "x", 1);
        laid_out();
    }
    /* A text that lies outside. */
    blank(1);
    word(0, 0, 10, 0, "abc", 3)->bytes = 1000;
    begin();
    phial_error err = {0};
    assert_int_equal(add(&err), PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "page 1"));
    ph_layout_free(layout);
    /* Nothing at all. */
    blank(1);
    EXPECT("");
    assert_int_equal(n_pages, 1);
}

static bool scenario(void *arg)
{
    (void)arg;
    phial_error err = {0};
    phial_status status = ph_layout_new(&layout, on_page, NULL, &err);
    n_pages = 0;
    result.failed = true; /* nothing is kept, so that the test itself allocates nothing */
    for (uint32_t page = 1; page <= 3 && status == PHIAL_OK; page++) {
        s->number = page;
        status = add(&err);
    }
    if (status == PHIAL_OK)
        status = ph_layout_finish(layout, &err);
    ph_layout_free(layout);
    if (status != PHIAL_OK)
        assert_int_equal(status, PHIAL_ERR_NO_MEMORY);
    return status == PHIAL_OK;
}

static void test_torture(void **state)
{
    (void)state;
    blank(1);
    two_columns(4);
    put(50, 400, 10, 0, "Country | Capital | Population");
    put(50, 412, 10, 0, "Austria | Vienna | 8.9");
    long failed = torture_run(scenario, NULL, 5000);
    ph_buf_free(&result);
    assert_true(failed > 20);
}

static int set_up(void **state)
{
    (void)state;
    s = malloc(sizeof *s);
    ph_buf_init(&result, 0);
    return s ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ph_buf_free(&result);
    free(s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paragraphs),
        cmocka_unit_test(test_hyphens),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_column_break),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_lists_and_captions),
        cmocka_unit_test(test_headings),
        cmocka_unit_test(test_furniture),
        cmocka_unit_test(test_turned),
        cmocka_unit_test(test_right_to_left),
        cmocka_unit_test(test_cjk),
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_screenplay),
        cmocka_unit_test(test_every_word_once),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
