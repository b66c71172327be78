/* Sentence boundaries: Unicode's rules against Perl's on random strings, the tailoring on sentences
 * with abbreviations, and properties on random bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "rag/sentence.h"

#define TAILORED (PH_SENTENCE_WRAPPED | PH_SENTENCE_ABBREVIATIONS)

/* The text with '|' where sentences end inside it. */
static void cut(ph_buf *out, ph_str text, unsigned flags)
{
    ph_buf_clear(out);
    for (size_t from = 0; from < text.n;) {
        size_t end = ph_sentence_end(text, from, flags);
        assert_in_range(end, from + 1, text.n);
        if (from > 0)
            ph_buf_add_byte(out, '|');
        ph_buf_add(out, text.p + from, end - from);
        from = end;
    }
    ph_buf_add(out, "", 0);
}

/* Code points in hexadecimal; '/' becomes '|' in marked and nothing in plain. */
static void read_line(const char *line, ph_buf *plain, ph_buf *marked)
{
    ph_buf_clear(plain);
    ph_buf_clear(marked);
    for (const char *p = line; *p && *p != '\n';) {
        uint8_t bytes[4];
        char *end;
        if (*p == '/') {
            ph_buf_add_byte(marked, '|');
            p++;
            continue;
        }
        unsigned long cp = strtoul(p, &end, 16);
        if (end == p) {
            p++;
            continue;
        }
        size_t n = ph_utf8_encode((uint32_t)cp, bytes);
        ph_buf_add(plain, bytes, n);
        ph_buf_add(marked, bytes, n);
        p = end;
    }
}

static void test_unicode_rules(void **state)
{
    (void)state;
    ph_buf file, plain, marked, got;
    ph_buf_init(&file, 0);
    ph_buf_init(&plain, 0);
    ph_buf_init(&marked, 0);
    ph_buf_init(&got, 0);
    assert_int_equal(
        ph_file_read(&file, PHIAL_SOURCE_DIR "/tests/data/sentences.txt", 1u << 20, NULL),
        PHIAL_OK);
    int n = 0, n_cuts = 0;
    for (const char *line = file.data; *line; n++) {
        read_line(line, &plain, &marked);
        cut(&got, (ph_str){plain.data, plain.len}, 0);
        if (got.len != marked.len || memcmp(got.data, marked.data, got.len) != 0)
            fail_msg("line %d: %.*s", n + 1, (int)strcspn(line, "\n"), line);
        n_cuts += got.len > plain.len;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    assert_true(n >= 500 && n_cuts >= 300);
    ph_buf_free(&file);
    ph_buf_free(&plain);
    ph_buf_free(&marked);
    ph_buf_free(&got);
}

/* '|' where a reader ends a sentence. */
static const char *const readings[] = {
    "Dr. Smith met Mrs. Jones at St. Mary's. |They spoke.",
    "Prof. Ada King, Ph.D., left. |Nobody saw it.",
    "J. R. R. Tolkien wrote it. |C. S. Lewis read it.",
    "It was J.R.R. Tolkien. |Who else?",
    "He moved to the U.S. |The journey was long.",
    "See Fig. 3 and Sec. 4. |The rest is in Vol. II of the series.",
    "See p. 12 and pp. 14-16 for more. |No. 5 is alive.",
    "On Jan. 5, 1871, it opened. |On Dec. 24 it closed.",
    "Some fruit, e.g. Apples, cf. Pears, i.e. Fruit. |Good.",
    "Roe v. Wade was decided. |Kramer vs. Kramer was filmed.",
    "Approx. 5 people came. |It was 10 a.m. when they left.",
    "Apples, pears, etc. are fruit. |Cheese, ham, etc. |They ate it all.",
    "1. Introduction\n2. Methods",
    "3.14 is pi. |2.71 is e.",
    "\"Stop!\" he said. |\"Why?\" |She went on.",
    "Das ist z.B. Wasser. |Vgl. Abb. 3 und Nr. 7. |Herr Dr. Meier kam.",
    "M. Dupont et Mme. Curie sont ici. |Ils parlent.",
    "The lines of a paragraph\nend where the paper did. |They\r\ngo on.",
    "A heading without a stop\n\n|Then a paragraph. |And more.",
    "Wait... |What? |Yes! |No?! |Well.",
    "Version 2.0 is out. |It costs $3.50 at Inc. Magazine.",
    "\xE6\x88\x91\xE6\x9D\xA5\xE4\xBA\x86\xE3\x80\x82|\xE4\xBD\xA0\xE5\x91\xA2\xEF\xBC\x9F|"
    "\xE5\xA5\xBD\xE3\x80\x82",
    "Lt. Col. Brown and Gen. Lee met Sen. Warren. |Rev. Green prayed.",
    "The file is a.txt. |Open it with cat.",
    "This is vitamin C. |The other is D.",
    "So did I. |Then we left.",
    "It weighs 10 mm. |The next is 12 mm. |Done.",
    "The result (p < 0.05) was clear. |(See below.) |It held.",
    "Smith et al. (2010) say so. |Others do not.",
    "Mt. Everest is high. |Ms. Bly climbed it.",
};

enum { N_READINGS = sizeof readings / sizeof readings[0] };

/* How many boundaries differ from the reader's: ones too many and ones missed. */
static size_t n_wrong(const char *marked, unsigned flags, bool tell)
{
    ph_buf plain, got;
    ph_buf_init(&plain, 0);
    ph_buf_init(&got, 0);
    for (const char *p = marked; *p; p++) {
        if (*p != '|')
            ph_buf_add_byte(&plain, (uint8_t)*p);
    }
    cut(&got, (ph_str){plain.data, plain.len}, flags);
    size_t wrong = 0, i = 0, j = 0;
    while (i < got.len || marked[j]) {
        bool a = i < got.len && got.data[i] == '|', b = marked[j] == '|';
        wrong += a != b;
        i += a || (!a && !b);
        j += b || (!a && !b);
    }
    if (wrong > 0 && tell)
        print_message("%s\n", got.data);
    ph_buf_free(&plain);
    ph_buf_free(&got);
    return wrong;
}

static void test_tailoring(void **state)
{
    (void)state;
    size_t plain = 0, tailored = 0, both = 0;
    for (size_t i = 0; i < N_READINGS; i++) {
        plain += n_wrong(readings[i], 0, false);
        tailored += n_wrong(readings[i], TAILORED, true);
        both += n_wrong(readings[i], PH_SENTENCE_WRAPPED, false);
    }
    print_message(
        "boundaries wrong: %zu by Unicode's rules alone, %zu with wrapped lines, %zu with "
        "abbreviations too\n",
        plain, both, tailored);
    assert_true(tailored <= 2);
    assert_true(plain >= 30 && both > tailored);
}

/* Every word of the lists is found: they are sorted. */
static void test_lists_are_sorted(void **state)
{
    (void)state;
    static const char *const words[] = {
#define PH_ABBREVIATION(w) #w " Then",
#include "rag/sentence_words.def"
#undef PH_ABBREVIATION
#define PH_REFERENCE(w) #w " 7",
#include "rag/sentence_words.def"
#undef PH_REFERENCE
    };
    static const char *const titles[] = {
#define PH_TITLE(w) #w,
#include "rag/sentence_words.def"
#undef PH_TITLE
    };
    static const char *const starters[] = {
#define PH_STARTER(w) #w,
#include "rag/sentence_words.def"
#undef PH_STARTER
    };
    char text[128];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strcspn(words[i], " ");
        int len = snprintf(text, sizeof text, "Look at %.*s.%s", (int)n, words[i], words[i] + n);
        assert_int_equal(ph_sentence_end((ph_str){text, (size_t)len}, 0, TAILORED), len);
    }
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        int len =
            snprintf(text, sizeof text, "Look at %c%s. Brown", titles[i][0] - 32, titles[i] + 1);
        assert_int_equal(ph_sentence_end((ph_str){text, (size_t)len}, 0, TAILORED), len);
        len = snprintf(text, sizeof text, "look at %s. Brown", titles[i]);
        assert_int_equal(ph_sentence_end((ph_str){text, (size_t)len}, 0, TAILORED), len - 5);
    }
    for (size_t i = 0; i < sizeof starters / sizeof starters[0]; i++) {
        int len = snprintf(text, sizeof text, "In the U.S. %c%s rest", starters[i][0] - 32,
                           starters[i] + 1);
        assert_int_equal(ph_sentence_end((ph_str){text, (size_t)len}, 0, TAILORED), 12);
    }
}

/* Any bytes: sentences follow each other to the end, on boundaries of characters, and the same
 * wherever the text lies. */
static void test_random_bytes(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "A",
                                         ".",
                                         "!",
                                         " ",
                                         "\n",
                                         "\r\n",
                                         "\"",
                                         "1",
                                         "Dr",
                                         "\xE2\x80\xA9",
                                         "\xCC\x81",
                                         "\xF0\x9F\x98\x80",
                                         "\xFF",
                                         "\xE3\x80\x82",
                                         "e.g",
                                         "\xC2",
                                         ",",
                                         "U.S",
                                         "No"};
    ph_rng rng;
    ph_rng_seed(&rng, 4, 0);
    ph_buf text;
    ph_buf_init(&text, 0);
    for (int round = 0; round < 3000; round++) {
        ph_buf_clear(&text);
        for (uint64_t n = 1 + ph_rng_below(&rng, 40); n > 0; n--)
            ph_buf_add_str(&text, pieces[ph_rng_below(&rng, sizeof pieces / sizeof pieces[0])]);
        char *block = malloc(text.len);
        memcpy(block, text.data, text.len);
        for (unsigned flags = 0; flags < 4; flags++) {
            size_t from = 0;
            while (from < text.len) {
                size_t end = ph_sentence_end((ph_str){block, text.len}, from, flags);
                assert_in_range(end, from + 1, text.len);
                from = end;
            }
        }
        free(block);
    }
    ph_buf_free(&text);
}

/* A megabyte of what makes rules look far ahead takes as long as one of prose. */
static void test_linear(void **state)
{
    (void)state;
    static const char *const worst[] = {". ", ". 1", "a. , ", ".)",
                                        "\n", "A. ", "U.S.",  "\xCC\x81"};
    for (size_t w = 0; w < sizeof worst / sizeof worst[0]; w++) {
        ph_buf text;
        ph_buf_init(&text, 0);
        while (text.len < (1u << 20))
            ph_buf_add_str(&text, worst[w]);
        uint64_t before = ph_clock_ns();
        size_t from = 0;
        while (from < text.len)
            from = ph_sentence_end((ph_str){text.data, text.len}, from, TAILORED);
        double seconds = (double)(ph_clock_ns() - before) * 1e-9;
        assert_true(seconds < 5);
        ph_buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unicode_rules),    cmocka_unit_test(test_tailoring),
        cmocka_unit_test(test_lists_are_sorted), cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
