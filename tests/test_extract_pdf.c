/* phial-pdf and the way from a PDF to pages: our own document (tests/data/docs/report.pdf, made by
 * tests/golden/make_pdf.py) becomes exactly the blocks that it should; other people's keep their
 * text in reading order; encrypted, scanned and broken ones end in a sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "extract_dump.h"
#include "testdata.h"

#define REPORT PHIAL_SOURCE_DIR "/tests/data/docs/report.pdf"

static void need_helper(void)
{
    if (access(PHIAL_BUILD_DIR "/phial-pdf", X_OK) != 0) {
        print_message("skipped: phial-pdf was not built (no poppler-glib)\n");
        skip();
    }
}

static void test_report(void **state)
{
    (void)state;
    extract_dump d;
    need_helper();
    extract_dump_file(&d, REPORT, NULL);
    assert_string_equal(d.err.message, "");
    assert_null(d.broken);
    assert_string_equal(
        d.lines.data,
        "format: pdf\ntitle: A Report on Pages\nauthor: Phial\nversion: PDF-1.5\n"
        "page 1 '1'\n"
        "furniture 0: A Report on Pages\\x09page 1\\x0a\\x0a\n"
        "heading 1: How Pages Are Read\\x0a\\x0a\n"
        "paragraph 0: Small models know little, but with the right page before them they know "
        "enough. This report has two columns, and the left one is to be read to its end before the "
        "right one begins. A word is cut here, in the finest print; and the topology of pages "
        "stays what it was: a long-term matter of offices. The topology of pages, and a well-known "
        "long-term plan, are named again so that a reader can tell which of the hyphens belong to "
        "a word. All lines of this side stand a bit lower than those of the other side, as in most "
        "printed papers of two columns.\\x0a\n"
        "page 2 '2'\n"
        "furniture 0: A Report on Pages\\x09page 2\\x0a\\x0a\n"
        "heading 2: A Table\\x0a\\x0a\n"
        "row 0: Country\\x09Capital\\x09Population\\x0a\nrow 0: Austria\\x09Vienna\\x098.9\\x0a\n"
        "row 0: Belgium\\x09Brussels\\x0911.5\\x0a\n"
        "row 0: Denmark\\x09Copenhagen\\x095.8\\x0a\\x0a\n"
        "caption 0: Table 1: Three countries and how many live there.\\x0a\n"
        "page 3 '3'\n"
        "furniture 0: A Report on Pages\\x09page 3\\x0a\\x0a\n"
        "paragraph 0: Name of the reader: Ada Lovelace\\x0a\n"
        "page 4 'i'\n"
        "note: no text on page 4\n");
    extract_dump_free(&d);
}

/* Cut short at any place, or with a byte changed: a sentence or some text, and never more. */
static void test_damaged(void **state)
{
    (void)state;
    ph_buf bytes;
    need_helper();
    ph_buf_init(&bytes, 0);
    assert_int_equal(ph_file_read(&bytes, REPORT, 1 << 20, NULL), PHIAL_OK);
    for (size_t i = 0; i < 12; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/test_extract_pdf_damaged.pdf", PHIAL_BUILD_DIR);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        size_t cut = i % 2 ? bytes.len : 10 + i * bytes.len / 13;
        char kept = bytes.data[200 + 250 * i];
        bytes.data[200 + 250 * i] ^= 0x11;
        assert_int_equal(fwrite(bytes.data, 1, cut, f), cut);
        assert_int_equal(fclose(f), 0);
        bytes.data[200 + 250 * i] = kept;
        extract_dump d;
        extract_dump_file(&d, path, NULL);
        assert_null(d.broken);
        if (d.status != PHIAL_OK) {
            assert_int_equal(d.status, PHIAL_ERR_BAD_INPUT);
            assert_non_null(strstr(d.err.message, "damaged.pdf: "));
        }
        extract_dump_free(&d);
        unlink(path);
    }
    ph_buf_free(&bytes);
}

/* A field of a form with one line of very many words: the time goes with their number. */
static void test_long_field(void **state)
{
    (void)state;
    enum { WORDS = 400000 };
    char path[4096];
    extract_dump d;
    ph_extract_options o;
    need_helper();
    snprintf(path, sizeof path, "%s/test_extract_pdf_field.pdf", PHIAL_BUILD_DIR);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("%PDF-1.4\n"
          "1 0 obj<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/DA(/F 0 Tf)>>>>endobj\n"
          "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
          "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Annots[4 0 R]>>endobj\n"
          "4 0 obj<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/Rect[50 50 550 700]/V(",
          f);
    for (int i = 0; i < WORDS; i++)
        fputs("a ", f);
    fputs(")>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n", f);
    assert_int_equal(fclose(f), 0);
    ph_extract_options_default(&o);
    o.max_seconds = 20;
    extract_dump_file(&d, path, &o);
    unlink(path);
    assert_string_equal(d.err.message, "");
    size_t n = 0;
    for (size_t i = 0; i < d.text.len; i++)
        n += d.text.data[i] == 'a';
    assert_int_equal(n, WORDS);
    extract_dump_free(&d);
}

/* --- other people's --- */

static const char *sample(const char *name)
{
    char relative[128];
    need_helper();
    snprintf(relative, sizeof relative, "pdf/%s", name);
    const char *path = ph_testdata(relative);
    if (!path) {
        print_message("skipped: no %s in the test data\n", relative);
        skip();
    }
    return path;
}

/* All parts stand in the dump's lines, in this order. */
static void assert_order(const char *path, const char *const *parts)
{
    extract_dump d;
    extract_dump_file(&d, path, NULL);
    if (d.status != PHIAL_OK)
        fail_msg("%s: %s", path, d.err.message);
    assert_null(d.broken);
    const char *at = d.lines.data;
    for (; *parts; parts++) {
        at = strstr(at, *parts);
        if (!at)
            fail_msg("%s: '%s' is missing, or too early", path, *parts);
    }
    extract_dump_free(&d);
}

static void test_two_columns(void **state)
{
    (void)state;
    /* The last line of the left column, then the first one of the right. */
    static const char *const parts[] = {"heading 1: Two-Column Document",
                                        "paragraph 0: Lorem ipsum dolor sit amet",
                                        "paragraph 0: Nam dui ligula",
                                        "furniture 0: 1\\x0a",
                                        "page 2",
                                        "furniture 0: 2\\x0a",
                                        "caption 0: Table 1: EU Countries Information",
                                        "row 0: Austria\\x098.9\\x0983,879\\x09Vienna\\x09German",
                                        "row 0: Finland\\x095.5\\x09338,424\\x09Helsinki",
                                        "furniture 0: 3\\x0a",
                                        NULL};
    assert_order(sample("two_column_latex_multicolumn.pdf"), parts);
}

static void test_screenplay(void **state)
{
    (void)state;
    static const char *const parts[] = {"scene 0: EXT. BRICK'S PATIO - DAY",
                                        "paragraph 0: A gorgeous day.",
                                        "speaker 0: STEEL\\x0a\nspeech 0: Beer's ready!",
                                        "speaker 0: BRICK\\x0a\nspeech 0: Are they cold?",
                                        "speaker 0: STEEL\\x0a\nspeech 0: Screw retirement.",
                                        "speaker 0: BRICK\\x0a\nspeech 0: Screw retirement.",
                                        "paragraph 0: SMASH CUT TO:",
                                        "scene 0: INT. TRAILER HOME - DAY",
                                        "furniture 0: 2.",
                                        "scene 0: EXT. BRICK'S POOL - DAY",
                                        "scene 0: EXT. WOODEN SHACK - DAY",
                                        "speaker 0: COGNITO",
                                        NULL};
    assert_order(sample("screenplay_brick_and_steel.pdf"), parts);
}

static void test_book(void **state)
{
    (void)state;
    static const char *const parts[] = {"page 2 'ii'",
                                        "heading 1: Vorwort",
                                        "furniture 0: iii",
                                        "heading 1: Inhaltsverzeichnis",
                                        "row 0: 1.1 Topologische R\xc3\xa4ume",
                                        "heading 1: 1 Topologische Grundbegriffe",
                                        "heading 3: 1.1 Topologische R\xc3\xa4ume",
                                        "furniture 0: 4\\x091.1. TOPOLOGISCHE R\xc3\x84UME",
                                        NULL};
    assert_order(sample("german_latex_book_geotopo.pdf"), parts);
}

static void test_scripts(void **state)
{
    (void)state;
    static const char *const sjis[] = {
        "\xe3\x81\x82\xe3\x81\x84\xe3\x81\x86\xe3\x81\x88\xe3\x81\x8a", NULL};
    static const char *const vertical[] = {
        "\xe3\x81\x82\xe3\x81\x84\xe3\x81\x86\xe3\x81\x88\xe3\x81\x8a\xe6\x97\xa5\xe6\x9c\xac",
        NULL};
    static const char *const rotated[] = {
        "This is my first page with normal layout. This is the second line", "page 2",
        "This is my second page. It will have a landscape layout. Second line here.", NULL};
    static const char *const ligatures[] = {"ffffiflffifflſt", NULL};
    assert_order(sample("cjk_noembed_sjis.pdf"), sjis);
    assert_order(sample("cjk_vertical.pdf"), vertical);
    assert_order(sample("rotated_pages.pdf"), rotated);
    assert_order(sample("ligatures_copy_paste.pdf"), ligatures);
}

/* Four pages in four directions, each with the word twice, once beside "habibi". Poppler's usual
 * selection leaves out four of the eight, read back to front as well one; none may be there more
 * often. */
static void test_turned_arabic(void **state)
{
    (void)state;
    const char *word = "\u064a\u0628\u064a\u0628\u064e\u062d";
    extract_dump d;
    size_t n = 0;
    extract_dump_file(&d, sample("arabic_rotated.pdf"), NULL);
    assert_int_equal(d.status, PHIAL_OK);
    assert_null(strstr(d.lines.data, "no text"));
    for (const char *at = d.text.data; (at = strstr(at, word)); at += strlen(word))
        n++;
    assert_int_equal(n, 8);
    n = 0;
    for (const char *at = d.text.data; (at = strstr(at, "habibi")); at += strlen("habibi"))
        n++;
    assert_int_equal(n, 4);
    extract_dump_free(&d);
}

static void test_passwords(void **state)
{
    (void)state;
    static const char *const passwords[] = {"wrong", "openpassword", "view"};
    const char *path = sample("encrypted_libreoffice_pw_openpassword.pdf");
    ph_extract_options options;
    extract_dump d;
    ph_extract_options_default(&options);
    extract_dump_file(&d, path, &options);
    assert_int_equal(d.status, PHIAL_ERR_LOCKED);
    assert_non_null(strstr(d.err.message, "needs a password"));
    extract_dump_free(&d);
    options.passwords = passwords;
    options.n_passwords = 1;
    extract_dump_file(&d, path, &options);
    assert_int_equal(d.status, PHIAL_ERR_LOCKED);
    assert_non_null(strstr(d.err.message, "none of the 1 given fits"));
    extract_dump_free(&d);
    options.n_passwords = 3;
    extract_dump_file(&d, path, &options);
    assert_int_equal(d.status, PHIAL_OK);
    assert_true(d.text.len > 10);
    extract_dump_free(&d);
    extract_dump_file(&d, sample("encrypted_rc4_128_user_view.pdf"), &options);
    assert_int_equal(d.status, PHIAL_OK);
    assert_true(d.text.len > 10);
    extract_dump_free(&d);
}

/* Each ends, in text or in a sentence that names the file. */
static void test_all_samples(void **state)
{
    (void)state;
    static const struct {
        const char *name, *sentence; /* NULL: there is text */
    } samples[] = {
        {"arabic_rotated.pdf", NULL},
        {"bad_xref_command_missing.pdf", NULL},
        {"cjk_cid_cff.pdf", NULL},
        {"fuzz_REDHAT-1531897-0.pdf", "a damaged PDF"},
        {"fuzz_poppler-395-0.pdf", "without pages"},
        {"fuzz_poppler-67295-0.pdf", "without pages"},
        {"qpdf_20-pages.pdf", "needs a password"},
        {"qpdf_bad1.pdf", "a damaged PDF"},
        {"qpdf_bad10.pdf", NULL},
        {"qpdf_bad13.pdf", NULL},
        {"qpdf_bad20.pdf", NULL},
        {"qpdf_bad26.pdf", "no text on"}, /* poppler loses its page */
        {"qpdf_bad33.pdf", NULL},
        {"qpdf_bad37.pdf", NULL},
        {"qpdf_bad5.pdf", NULL},
        {"qpdf_damaged-stream.pdf", NULL},
        {"scan_notext_ccitt.pdf", "no text on"},
        {"skia_google_doc.pdf", NULL},
        {"table_form_irs_f1040.pdf", NULL},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        extract_dump d;
        extract_dump_file(&d, sample(samples[i].name), NULL);
        assert_null(d.broken);
        phial_status failure = samples[i].sentence && strstr(samples[i].sentence, "password")
                                   ? PHIAL_ERR_LOCKED
                                   : PHIAL_ERR_BAD_INPUT;
        bool as_wanted = samples[i].sentence
                             ? d.status == failure && strstr(d.err.message, samples[i].sentence) &&
                                   strstr(d.err.message, samples[i].name)
                             : d.status == PHIAL_OK && d.text.len > 0;
        if (!as_wanted)
            print_error("%s: status %d, '%s'\n", samples[i].name, (int)d.status, d.err.message);
        assert_true(as_wanted);
        extract_dump_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),      cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_long_field),  cmocka_unit_test(test_two_columns),
        cmocka_unit_test(test_screenplay),  cmocka_unit_test(test_book),
        cmocka_unit_test(test_scripts),     cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_all_samples), cmocka_unit_test(test_turned_arabic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
