/* rag/extract and phial-extract: formats are recognised, our own documents become exactly the
 * blocks that they should (tests/data/docs, made by tests/golden/make_docs.py and by hand), other
 * people's documents keep their text, hostile ones end in a sentence.
 */
#include <errno.h>
#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "extract_dump.h"
#include "fmt/doc_stream.h"
#include "helper/docx_styles.h"
#include "rag/extract_format.h"
#include "testdata.h"

#define OWN(name) PHIAL_SOURCE_DIR "/tests/data/docs/" name

/* A file of our own with these bytes; removed by the caller. */
static const char *written(const char *name, const void *bytes, size_t n)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/test_extract_%s", PHIAL_BUILD_DIR, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void assert_fails(const char *path, const ph_extract_options *options, phial_status status,
                         const char *named)
{
    extract_dump d;
    extract_dump_file(&d, path, options);
    if (d.status != status || !strstr(d.err.message, named))
        fail_msg("%s: status %d, '%s', wanted '%s'", path, (int)d.status, d.err.message, named);
    extract_dump_free(&d);
}

/* --- recognition --- */

static void test_recognition(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        size_t n;
        const char *name, *format;
    } cases[] = {
#define C(bytes, name, format) {bytes, sizeof bytes - 1, name, format}
        C("plain", "a", "text"),
        C("plain", "a.txt", "text"),
        C("plain", "dir.md/README", "text"),
        C("# x", "a.MD", "markdown"),
        C("int x;", "a.c", "code"),
        C("a = 1", "/x/y.toml", "code"),
        C("INT. A", "a.fountain", "fountain"),
        C("<!DOCTYPE HTML><p>", "a", "html"),
        C("  <!-- c --> <html>", "a.txt", "html"),
        C("<htmlx>", "a", "text"),
        C("<!doctype html>", "a.py", "code"),
        C("<?xml version='1.0'?><html>", "a", "xhtml"),
        C("<?xml version='1.0'?><html>", "a.htm", "xhtml"),
        C("<html>", "a.xhtml", "html"),
        C("<?xml version='1.0'?><svg>", "a.svg", "code"),
        C("PK\3\4..........................word/document.xml", "a", "docx"),
        C("PK\3\4..........................META-INF/container.xml", "a.zip", "epub"),
        C("PK\3\4..........................other", "a.docx", "docx"),
        C("PK\3\4..........................other", "a.zip", NULL),
        C("\x7f"
          "ELF\2\1\1\0\0\0",
          "a.txt", NULL),
        C("\0\1\2\3\0\0\0\0", "a", NULL),
        C("\xff\xfe"
          "a\0b\0",
          "a", "text"),
        C("a\0b\0c\0d\0", "a.md", "markdown"),
        C("\x89PNG\r\n\x1a\n\0", "a.png", NULL),
#undef C
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = ph_extract_format(cases[i].head, cases[i].n, cases[i].name);
        if ((got == NULL) != (cases[i].format == NULL) || (got && strcmp(got, cases[i].format)))
            fail_msg("case %zu (%s): %s", i, cases[i].name, got ? got : "unknown");
    }
    assert_string_equal(ph_format_describe("\x89PNG....", 8), "a PNG image");
    char ending[16];
    ph_format_ending(ending, "a.b/c");
    assert_string_equal(ending, "");
    ph_format_ending(ending, ".hidden");
    assert_string_equal(ending, "");
    ph_format_ending(ending, "x.averylongendingindeed");
    assert_string_equal(ending, "");
}

/* --- our own documents, block by block --- */

static void test_own_documents(void **state)
{
    (void)state;
    static const char *const names[] = {
        "kitchen.md", "garden.html", "harbour.xhtml",   "platform.fountain", "letters.txt",
        "lines.txt",  "sum.py",      "lighthouse.docx", "tides.epub"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512], expected[512];
        extract_dump d;
        ph_buf want;
        snprintf(path, sizeof path, OWN("%s"), names[i]);
        snprintf(expected, sizeof expected, OWN("%s.blocks"), names[i]);
        ph_buf_init(&want, 0);
        extract_dump_file(&d, path, NULL);
        assert_string_equal(d.err.message, "");
        assert_null(d.broken);
        assert_int_equal(ph_file_read(&want, expected, 1 << 20, NULL), PHIAL_OK);
        assert_string_equal(d.lines.data, want.data);
        ph_buf_free(&want);
        extract_dump_free(&d);
    }
}

static void test_exact_text(void **state)
{
    (void)state;
    static const char *const names[] = {"letters.txt", "sum.py"};
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        extract_dump d;
        ph_buf file;
        snprintf(path, sizeof path, OWN("%s"), names[i]);
        ph_buf_init(&file, 0);
        extract_dump_file(&d, path, NULL);
        assert_int_equal(ph_file_read(&file, path, 1 << 20, NULL), PHIAL_OK);
        assert_string_equal(d.text.data, file.data);
        ph_buf_free(&file);
        extract_dump_free(&d);
    }
}

/* --- charsets --- */

static void test_wide_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {"\xef\xbb\xbf"
         "a\r\nb\rc",
         9, "a\nb\nc"},
        {"\xff\xfe"
         "a\0\xe9\0\n\0",
         8, "a\xc3\xa9\n"},
        {"\xfe\xff\0a\0\xe9", 6, "a\xc3\xa9"},
        {"\xff\xfe\0\0a\0\0\0\x0a\xf6\1\0", 12, "a\xf0\x9f\x98\x8a"},
        {"a\0b\0c\0d\0e\0f\0", 12, "abcdef"},
        {"caf\xe9 cr\xe8me br\xfbl\xe9"
         "e",
         17,
         "caf\xc3\xa9 cr\xc3\xa8me br\xc3\xbbl\xc3\xa9"
         "e"},
        {"\xff\xfe"
         "a\0\0\xd8",
         6, "a\xef\xbf\xbd"},
        /* One unit that is no character, and what follows is read all the same. */
        {"\xff\xfe"
         "a\0\0\xdcz\0\0\xd8y\0",
         12, "a\xef\xbf\xbdz\xef\xbf\xbdy"},
        {"\xfe\xff\0a\xdc\0\0z", 8, "a\xef\xbf\xbdz"},
        {"\xff\xfe\0\0a\0\0\0\0\0\x11\0z\0\0\0", 16, "a\xef\xbf\xbdz"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extract_dump d;
        const char *path = written("wide", cases[i].bytes, cases[i].n);
        extract_dump_file(&d, path, NULL);
        remove(path);
        assert_string_equal(d.err.message, "");
        assert_string_equal(d.text.data, cases[i].text);
        extract_dump_free(&d);
    }
}

/* A text that says it is in UTF-16, and is not. */
static void test_false_charset(void **state)
{
    (void)state;
    static const char page[] =
        "<html><meta charset=utf-16><p>A caf\xe9 in winter, a cr\xe8me br\xfbl"
        "\xe9"
        "e, and a t\xeate-\xe0-t\xeate.</p>";
    extract_dump d;
    const char *path = written("false.html", page, sizeof page - 1);
    extract_dump_file(&d, path, NULL);
    remove(path);
    assert_string_equal(d.err.message, "");
    assert_non_null(strstr(d.text.data, "A caf\xc3\xa9 in winter"));
    extract_dump_free(&d);
}

/* A "\r\n" between two pieces of what was converted, with nothing else in the second, and a line
 * that is empty behind it. */
static void test_line_ends_between_pieces(void **state)
{
    (void)state;
    enum { ACCENTS = 4033, WINDOW = (64 << 10) + 64, REST = 200 };
    ph_buf bytes, want;
    extract_dump d;
    ph_buf_init(&bytes, 0);
    ph_buf_init(&want, 0);
    for (size_t i = 0; i < WINDOW + REST; i++) {
        uint8_t c = i < ACCENTS ? 0xe9 : i % 70 == 0 ? ' ' : 'a';
        c = i == WINDOW - 2 ? '\r' : i == WINDOW - 1 || i == WINDOW ? '\n' : c;
        ph_buf_add_byte(&bytes, c);
        if (c == 0xe9)
            ph_buf_add(&want, "\xc3\xa9", 2);
        else if (c != '\r')
            ph_buf_add_byte(&want, c);
    }
    const char *path = written("pieces.txt", bytes.data, bytes.len);
    extract_dump_file(&d, path, NULL);
    remove(path);
    assert_string_equal(d.err.message, "");
    assert_int_equal(d.text.len, want.len);
    /* Which letters they are is uchardet's to say; all have two bytes. */
    assert_string_equal(d.text.data + 2 * ACCENTS, want.data + 2 * ACCENTS);
    extract_dump_free(&d);
    ph_buf_free(&bytes);
    ph_buf_free(&want);
}

static void convert(ph_buf *out, const char *charset, ph_buf *in)
{
    iconv_t conv = iconv_open("UTF-8", charset);
    assert_true(conv != (iconv_t)-1);
    assert_true(ph_buf_reserve(out, 4 * in->len));
    char *from = in->data, *to = out->data;
    size_t left = in->len, room = 4 * in->len;
    assert_int_equal(iconv(conv, &from, &left, &to, &room), 0);
    out->len = (size_t)(to - out->data);
    *to = '\0';
    iconv_close(conv);
}

static void test_charsets(void **state)
{
    (void)state;
    /* The Czech one is called Latin2, but holds windows-1250. */
    static const char *const files[][2] = {{"Chinese_Mandarin-GB2312", "GB18030"},
                                           {"Czech-Latin2", "CP1250"},
                                           {"German_Deutsch-Latin1", "ISO-8859-1"},
                                           {"Greek_Ellinika-Greek", "ISO-8859-7"},
                                           {"Japanese_Nihongo-SJIS", "CP932"}};
    size_t n_skipped = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "docs/charsets/%s", files[i][0]);
        const char *path = ph_testdata(name);
        if (!path) {
            n_skipped++;
            continue;
        }
        extract_dump d;
        ph_buf raw, want;
        ph_buf_init(&raw, 0);
        ph_buf_init(&want, 0);
        assert_int_equal(ph_file_read(&raw, path, 1 << 20, NULL), PHIAL_OK);
        convert(&want, files[i][1], &raw);
        extract_dump_file(&d, path, NULL);
        assert_string_equal(d.err.message, "");
        assert_string_equal(d.text.data, want.data);
        ph_buf_free(&raw);
        ph_buf_free(&want);
        extract_dump_free(&d);
    }
    if (n_skipped > 0) {
        print_message("skipped: %zu files of docs/charsets are not there\n", n_skipped);
        if (n_skipped == sizeof files / sizeof files[0])
            skip();
    }
}

/* More of them than the stream takes. */
static void test_many_titles(void **state)
{
    (void)state;
    ph_buf b;
    extract_dump d;
    ph_buf_init(&b, 0);
    ph_buf_add_str(&b, "---\n");
    for (int i = 0; i < 2 * PH_DOC_INFOS_LIMIT; i++)
        ph_buf_add_str(&b, "title: The same\n");
    ph_buf_add_str(&b, "---\ntext\n");
    const char *path = written("titles.md", b.data, b.len);
    extract_dump_file(&d, path, NULL);
    remove(path);
    assert_string_equal(d.err.message, "");
    assert_non_null(strstr(d.lines.data, "title: The same\n"));
    assert_string_equal(d.text.data, "text\n");
    extract_dump_free(&d);
    ph_buf_free(&b);
}

/* --- styles --- */

/* As many as there can be, each based on the next: what a paragraph is takes no walk over all. */
static void test_many_styles(void **state)
{
    (void)state;
    enum { N = 9999, LOOKS = 20000 };
    ph_docx_styles styles;
    ph_buf xml;
    phial_error err = {0};
    ph_docx_styles_init(&styles);
    ph_buf_init(&xml, 0);
    ph_buf_add_str(&xml, "<styles>");
    for (unsigned i = 0; i < N; i++)
        ph_buf_addf(&xml,
                    "<style type='paragraph' styleId='s%u'><name val='%s'/><basedOn val='s%u'/>"
                    "</style>",
                    i, i % 20 == 10 ? "heading 3" : "own", i + 1);
    ph_buf_add_str(&xml,
                   "<style type='paragraph' styleId='s10'><name val='code'/></style></styles>");
    assert_int_equal(ph_docx_styles_read(&styles, (ph_str){xml.data, xml.len}, &err), PHIAL_OK);
    for (unsigned i = 0; i < LOOKS; i++) {
        char id[16];
        unsigned at = i * 7919 % (N - 30), ahead = (30 - at % 20) % 20;
        snprintf(id, sizeof id, "s%u", at);
        ph_docx_look look = ph_docx_look_of(&styles, id);
        assert_int_equal(look.kind, ahead < 16 ? PH_BLOCK_HEADING : PH_BLOCK_PARAGRAPH);
    }
    assert_int_equal(ph_docx_look_of(&styles, "s10").kind, PH_BLOCK_HEADING);
    assert_int_equal(ph_docx_look_of(&styles, "none").kind, PH_BLOCK_PARAGRAPH);
    assert_int_equal(ph_docx_look_of(&styles, NULL).kind, PH_BLOCK_PARAGRAPH);
    assert_int_equal(ph_docx_look_of(&styles, "Heading2").level, 2);
    ph_docx_styles_free(&styles);
    ph_buf_free(&xml);
}

/* --- titles --- */

/* A title is what the document says, else its first heading; a long one is cut at a character. */
static void test_titles(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"---\ntitle: 'Own'\n---\n# Heading\n", "title: Own\n"},
        {"---\ntitle: ''\n---\n# Heading\n", "title: Heading\n"},
        {"---\ntitle:\n---\n# Heading\n", "title: Heading\n"},
        {"---\ntitles: two\n---\n# Heading\n", "title: Heading\n"},
        {"text\n\n# Heading\n\n# Another\n", "title: Heading\n"},
    };
    extract_dump d;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = written("title.md", cases[i][0], strlen(cases[i][0]));
        extract_dump_file(&d, path, NULL);
        remove(path);
        assert_string_equal(d.err.message, "");
        if (!strstr(d.lines.data, cases[i][1]))
            fail_msg("case %zu: %s", i, d.lines.data);
        extract_dump_free(&d);
    }
    static const char *const files[][3] = {
        {"title.md", "# a", "\n\ntext\n"},
        {"title.html", "<html><body><h1>a", "</h1><p>text</p></body></html>"},
        {"title.html", "<html><head><title>a", "</title></head><body><p>text</p></body></html>"}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        ph_buf b, title;
        ph_buf_init(&b, 0);
        ph_buf_init(&title, 0);
        ph_buf_add_str(&b, files[i][1]);
        ph_buf_add_str(&title, "title: a");
        for (size_t k = 0; k < 1000; k++) {
            ph_buf_add_str(&b, "\xc3\xa9");
            if (2 * k + 3 <= PH_DOC_LABEL_LIMIT)
                ph_buf_add_str(&title, "\xc3\xa9");
        }
        ph_buf_add_str(&b, files[i][2]);
        ph_buf_add_str(&title, "\n");
        const char *path = written(files[i][0], b.data, b.len);
        extract_dump_file(&d, path, NULL);
        remove(path);
        assert_string_equal(d.err.message, "");
        if (!strstr(d.lines.data, title.data))
            fail_msg("%s: %s", files[i][0], d.lines.data);
        extract_dump_free(&d);
        ph_buf_free(&b);
        ph_buf_free(&title);
    }
}

/* --- other people's documents --- */

static void test_shared_documents(void **state)
{
    (void)state;
    static const struct {
        const char *file, *lines[3];
        size_t n_pages, least_bytes;
    } docs[] = {
        {"docs/alice_se_rezipped.epub",
         {"title: Alice\xe2\x80\x99s Adventures in Wonderland\n",
          "page 5 'I: Down the Rabbit-Hole'\n", "page 18 'Uncopyright'\n"},
         18,
         150000},
        {"docs/d2l_transformer.md",
         {"heading 1: The Transformer Architecture", "code 0: ", "title: The Transformer"},
         1,
         50000},
        {"docs/earnest_act-1.xhtml", {"title: Act I\n", "language: en-GB", "row "}, 1, 40000},
        {"docs/moby_dick_2701-h.htm",
         {"paragraph 0: Call me Ishmael. Some years ago\xe2\x80\x94never mind how long precisely",
          "heading 2: CHAPTER 1. Loomings.", "language: en\n"},
         5,
         1200000},
        {"docs/rust_ch01.docx", {"title: Getting Started\n", "heading 2: ", "code 0: "}, 1, 22000},
        {"docs/rust_ch04-01.md",
         {"heading 2: What Is Ownership?", "quote 1: ", "item 1: "},
         1,
         21000},
        {"docs/rust_ch04.docx",
         {"heading 1: Understanding Ownership", "heading 2: What Is Ownership?",
          "code 0: let s1 = String::from(\"hello\");\\x0alet s2 = s1;\\x0a"},
         1,
         50000},
        {"docs/sicp_1.1.xhtml",
         {"code 0: (+ 137 349)\\x0a486\\x0a", "heading 4: 1.1.1", "item 1: means of combination"},
         1,
         50000},
        {"pdf/screenplay_brick_and_steel.fountain",
         {"scene 0: EXT. BRICK'S PATIO - DAY", "speaker 0: STEEL\\x0a\nspeech 0: Beer's ready!",
          "speech 0: (beer raised)\\x0aTo retirement."},
         1,
         2500},
    };
    size_t n_skipped = 0;
    for (size_t i = 0; i < sizeof docs / sizeof docs[0]; i++) {
        const char *path = ph_testdata(docs[i].file);
        if (!path) {
            n_skipped++;
            continue;
        }
        extract_dump d;
        extract_dump_file(&d, path, NULL);
        assert_string_equal(d.err.message, "");
        assert_null(d.broken);
        assert_int_equal(d.n_pages, docs[i].n_pages);
        assert_true(d.text.len >= docs[i].least_bytes);
        for (size_t k = 0; k < 3; k++) {
            if (!strstr(d.lines.data, docs[i].lines[k]))
                fail_msg("%s: '%s' is missing", docs[i].file, docs[i].lines[k]);
        }
        assert_null(strstr(d.lines.data, "<div"));
        extract_dump_free(&d);
    }
    if (n_skipped > 0) {
        print_message("skipped: %zu documents are not there\n", n_skipped);
        if (n_skipped == sizeof docs / sizeof docs[0])
            skip();
    }
}

/* --- hostile and broken ones --- */

/* A name may hold any bytes; the sentence is one line of UTF-8 all the same. */
static void test_odd_name(void **state)
{
    (void)state;
    assert_fails(written("\xff\n\x1b[31m.txt", "\0\0\0\0", 4), NULL, PHIAL_ERR_BAD_INPUT,
                 "test_extract_\\xff\\x0a\\x1b[31m.txt: ");
    remove(written("\xff\n\x1b[31m.txt", "", 0));
}

static void test_bad_documents(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {OWN("bad_zip_bomb.docx"), "unpacks to more than 200 times its size (a ZIP bomb?)"},
        {OWN("bad_entity_bomb.docx"), "it declares entities, which are not expanded"},
        {OWN("bad_entity_bomb.epub"), "OEBPS/text/flood.xhtml: XML, line 1: it declares entities"},
        {OWN("bad_deep.docx"), "nested deeper than 1024"},
        {OWN("bad_malformed.docx"), "XML, line 1: mismatched tag"},
        {OWN("bad_no_document.docx"), "there is no word/document.xml in it"},
        {OWN("bad_no_package.epub"), "its package OEBPS/book.opf is missing"},
        {OWN("bad_encrypted.docx"), "word/document.xml in it is encrypted"},
        {"/bin/sh", "of no kind that can be read (a program or library (ELF))"},
        {"/dev/null", "is empty"},
        {"/", "is a folder"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_fails(files[i][0], NULL, PHIAL_ERR_BAD_INPUT, files[i][1]);
    assert_fails(written("nul.txt", "text\0\0", 6), NULL, PHIAL_ERR_BAD_INPUT, "binary data");
    assert_fails(written("blank.txt", " \n\t\n", 4), NULL, PHIAL_ERR_BAD_INPUT,
                 "there is no text in it");
    assert_fails(written("a.docx", "PK\3\4 nothing", 12), NULL, PHIAL_ERR_BAD_INPUT, "ZIP");
}

/* HTML that nests hundreds of thousands deep is read, at once and with all of its text; unclosed
 * elements that end by themselves, drawings and scripts do not count. */
static void test_deep_html(void **state)
{
    (void)state;
    static const struct {
        const char *before, *again, *behind;
        int n;
        bool whole; /* nothing was too deep: blocks are as they would be */
    } cases[] = {
        {"<p>first</p>", "<div>", "<p>last", 300000, false},
        {"<p>first</p>", "<div class='a>b'><b><!-- <div> -->", "<p>last", 100000, false},
        {"<p>first</p>", "<ul><li>", "last", 100000, false},
        {"<p>first</p>", "<div>", "<script>'<div>'</script><style>div{}</style><p>last", 900,
         false},
        {"<p>first</p>", "<div><span></div>", "<p>last", 5000, true},
        {"<p>first</p>", "<p><a name=x><br>", "<p>last", 5000, true},
        {"<p>first</p><svg>", "<path/>", "</svg><p>last", 5000, true},
        {"<p>first</p><script>", "'<div>'", "</script><p>last", 5000, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extract_dump d;
        ph_buf html;
        ph_buf_init(&html, 0);
        ph_buf_addf(&html, "<!doctype html><html><body>%s", cases[i].before);
        for (int k = 0; k < cases[i].n; k++)
            ph_buf_add_str(&html, cases[i].again);
        ph_buf_add_str(&html, cases[i].behind);
        ph_buf_add_str(&html, "</p></div></div><p>end</p>");
        extract_dump_file(&d, written("deep.html", html.data, html.len), NULL);
        assert_int_equal(d.status, PHIAL_OK);
        const char *first = strstr(d.lines.data, "paragraph 0: first");
        if (!first || !strstr(first, "last") || !strstr(first, "end"))
            fail_msg("case %zu: %.300s", i, d.lines.data);
        if (cases[i].whole && !strstr(first, "paragraph 0: last\\x0a\\x0a\nparagraph 0: end"))
            fail_msg("case %zu: %.300s", i, d.lines.data);
        assert_null(strstr(d.lines.data, "div"));
        extract_dump_free(&d);
        ph_buf_free(&html);
    }
    /* Tags without an end are looked through once. */
    extract_dump d;
    ph_buf html;
    ph_buf_init(&html, 0);
    ph_buf_add_str(&html, "<p>first</p>");
    for (int k = 0; k < 300000; k++)
        ph_buf_add_str(&html, "<a ");
    extract_dump_file(&d, written("deep.html", html.data, html.len), NULL);
    assert_int_equal(d.status, PHIAL_OK);
    assert_non_null(strstr(d.lines.data, "first"));
    extract_dump_free(&d);
    ph_buf_free(&html);
    remove(written("deep.html", "", 0));
}

/* Every beginning of an archive that is cut off: a sentence, or (when only what is not needed is
 * missing) the text. */
static void test_truncated(void **state)
{
    (void)state;
    static const char *const names[] = {"lighthouse.docx", "tides.epub"};
    for (size_t i = 0; i < 2; i++) {
        char path[512], own[64];
        ph_buf file;
        snprintf(path, sizeof path, OWN("%s"), names[i]);
        ph_buf_init(&file, 0);
        assert_int_equal(ph_file_read(&file, path, 1 << 20, NULL), PHIAL_OK);
        snprintf(own, sizeof own, "cut_%s", names[i]);
        size_t n_failed = 0;
        for (size_t n = 1; n < file.len; n += file.len / 16) {
            extract_dump d;
            extract_dump_file(&d, written(own, file.data, n), NULL);
            assert_null(d.broken);
            assert_true(d.status == PHIAL_OK || d.err.message[0]);
            n_failed += d.status == PHIAL_ERR_BAD_INPUT;
            extract_dump_free(&d);
        }
        assert_true(n_failed > 4);
        remove(written(own, "", 0));
        ph_buf_free(&file);
    }
}

static void test_limits(void **state)
{
    (void)state;
    ph_extract_options options;
    ph_extract_options_default(&options);
    options.max_text = 20;
    assert_fails(OWN("letters.txt"), &options, PHIAL_ERR_BAD_INPUT, "more than 20 bytes of text");
    ph_extract_options_default(&options);
    options.max_pages = 1;
    assert_fails(OWN("tides.epub"), &options, PHIAL_ERR_BAD_INPUT, "more than 1 pages");
    ph_extract_options_default(&options);
    options.helper_dir = "/nonexistent";
    assert_fails(OWN("tides.epub"), &options, PHIAL_ERR_IO, "phial-extract");
    atomic_bool cancel;
    atomic_init(&cancel, true);
    ph_extract_options_default(&options);
    options.cancel = &cancel;
    assert_fails(OWN("letters.txt"), &options, PHIAL_ERR_CANCELLED, "cancelled");
}

/* What a sink returns comes back as it is. */
static phial_status refuse(void *user, const ph_doc_page *page, phial_error *err)
{
    (void)user;
    (void)page;
    return ph_err_set(err, PHIAL_ERR_LIMIT, "the sink is full");
}

static void test_sink_fails(void **state)
{
    (void)state;
    phial_error err = {0};
    ph_extract_options options;
    const ph_extract_sink sink = {NULL, NULL, refuse, NULL};
    ph_extract_options_default(&options);
    options.helper_dir = PHIAL_BUILD_DIR;
    int fd = open(OWN("letters.txt"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(ph_extract(fd, "x", &options, &sink, &err), PHIAL_ERR_LIMIT);
    assert_string_equal(err.message, "the sink is full");
    close(fd);
}

/* A small text needs no helper, and is what a helper makes of it: a byte order mark sends it there.
 */
static void test_plain(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"plain.txt", "\n\nLetters\n=======\n\nOne line\nand another.\n\n\nChapter 3\n\nEnd"},
        {"plain.txt", "one \xe2\x80\x9cline\xe2\x80\x9d without an end"},
        {"plain.txt", "\n \n\t\nend"},
        {"plain.py", "def f(x):\n    return x\n\n\ndef g(x):\n    return f(x)\n"},
        {"plain.md", "# No plain text\n\nbut a helper's\n"},
    };
    ph_extract_options options;
    ph_extract_options_default(&options);
    options.helper_dir = "/nonexistent";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extract_dump own, helped;
        char marked[256];
        size_t n = strlen(cases[i].text);
        const char *path = written(cases[i].name, cases[i].text, n);
        extract_dump_file(&own, path, &options);
        snprintf(marked, sizeof marked, "\xef\xbb\xbf%s", cases[i].text);
        path = written(cases[i].name, marked, n + 3);
        extract_dump_file(&helped, path, NULL);
        if (strcmp(cases[i].name, "plain.md") == 0) {
            assert_int_equal(own.status, PHIAL_ERR_IO);
        } else {
            assert_int_equal(own.status, helped.status);
            assert_string_equal(own.err.message, helped.err.message);
            assert_string_equal(own.lines.data, helped.lines.data);
        }
        unlink(path);
        extract_dump_free(&own);
        extract_dump_free(&helped);
    }
}

/* A document that comes through a pipe. */
static void test_pipe(void **state)
{
    (void)state;
    extract_dump d = {.status = PHIAL_OK};
    ph_extract_options options;
    const ph_extract_sink sink = {&d, dump_info, dump_page, dump_note};
    int ends[2];
    ph_buf_init(&d.lines, 0);
    ph_buf_init(&d.text, 0);
    ph_extract_options_default(&options);
    options.helper_dir = PHIAL_BUILD_DIR;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "through a pipe", 14), 14);
    close(ends[1]);
    assert_int_equal(ph_extract(ends[0], "x", &options, &sink, &d.err), PHIAL_OK);
    close(ends[0]);
    assert_string_equal(d.text.data, "through a pipe");
    extract_dump_free(&d);
}

/* A long text without an empty line, and one without any line: pages and blocks stay within their
 * limits and the text is the same. */
/* Time and memory go with the length: 2 MB of empty lines once took minutes, and a block of code
 * without an end. */
static void test_empty_lines(void **state)
{
    (void)state;
    enum { N = 2 << 20 };
    static const char *const names[] = {"empty_lines.txt", "empty_lines.c"};
    char *bytes = ph_alloc(N, 1, NULL);
    assert_non_null(bytes);
    memset(bytes, '\n', N);
    bytes[N - 2] = 'x';
    for (size_t i = 0; i < 2; i++) {
        ph_extract_options o;
        extract_dump d;
        ph_extract_options_default(&o);
        o.max_seconds = 30;
        const char *path = written(names[i], bytes, N);
        extract_dump_file(&d, path, &o);
        remove(path);
        assert_string_equal(d.err.message, "");
        assert_int_equal(d.text.len, N);
        assert_memory_equal(d.text.data, bytes, N);
        assert_true(d.n_blocks > N / (32 << 10));
        extract_dump_free(&d);
    }
    ph_free(bytes);
}

static void test_long_text(void **state)
{
    (void)state;
    enum { N = 3 << 20 };
    char *text = malloc(N + 1);
    assert_non_null(text);
    for (int form = 0; form < 3; form++) {
        for (size_t i = 0; i < N; i++)
            text[i] = form == 0 && i % 80 == 79 ? '\n' : form == 1 && i % 7 == 6 ? ' ' : 'x';
        text[N] = '\0';
        extract_dump d;
        extract_dump_file(&d, written("long", text, N), NULL);
        assert_string_equal(d.err.message, "");
        assert_null(d.broken);
        assert_string_equal(d.text.data, text);
        assert_true(d.n_pages >= N / PH_DOC_PAGE_MAX && d.n_pages < 2 * (N / PH_DOC_PAGE_MAX));
        extract_dump_free(&d);
    }
    remove(written("long", "", 0));
    free(text);
}

static int clean_up(void **state)
{
    (void)state;
    static const char *const names[] = {"nul.txt", "blank.txt", "a.docx"};
    for (size_t i = 0; i < 3; i++)
        remove(written(names[i], "", 0));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognition),
        cmocka_unit_test(test_own_documents),
        cmocka_unit_test(test_exact_text),
        cmocka_unit_test(test_wide_text),
        cmocka_unit_test(test_false_charset),
        cmocka_unit_test(test_line_ends_between_pieces),
        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_titles),
        cmocka_unit_test(test_many_titles),
        cmocka_unit_test(test_many_styles),
        cmocka_unit_test(test_shared_documents),
        cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_deep_html),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_odd_name),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_sink_fails),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_empty_lines),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_plain),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
