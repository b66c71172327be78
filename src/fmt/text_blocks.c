/* Contract in text_blocks.h. */
#include "fmt/text_blocks.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* --- paragraphs --- */

enum {
    LONG_PARAGRAPH = 16 << 10, /* is cut at the end of a line */
    HEADING_MAX = 120,
};

/* "Chapter 3", "BOOK IV: ...": a word, then a number in digits or Roman numerals. 0: none. */
static unsigned named_level(ph_str line)
{
    static const struct {
        const char *word;
        unsigned level;
    } words[] = {{"BOOK ", 1},    {"PART ", 1},  {"VOLUME ", 1},   {"ACT ", 1},
                 {"CHAPTER ", 2}, {"SCENE ", 2}, {"APPENDIX ", 2}, {"LETTER ", 2}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i].word);
        if (line.n <= n || strncasecmp(line.p, words[i].word, n) != 0)
            continue;
        size_t end = n;
        while (end < line.n && (strchr("IVXLCDM", line.p[end]) || isdigit((uint8_t)line.p[end])) &&
               line.p[end])
            end++;
        if (end > n && (end == line.n || strchr(" .:-\n", line.p[end])))
            return words[i].level;
    }
    return 0;
}

/* The level of a paragraph that is a line and an underline; 0: it is none. */
static unsigned underlined_level(ph_str text)
{
    static const char marks[] = "=-~^*+#";
    const char *newline = memchr(text.p, '\n', text.n);
    size_t first = newline ? (size_t)(newline - text.p) : 0;
    if (first == 0 || first > HEADING_MAX || first + 4 > text.n)
        return 0;
    const char *mark = memchr(marks, newline[1], sizeof marks - 1);
    size_t n = 0;
    while (first + 1 + n < text.n && newline[1 + n] == newline[1])
        n++;
    ph_str rest = {newline + 1 + n, text.n - first - 1 - n};
    if (!mark || n < 3 || n * 2 < first || !ph_line_blank(rest))
        return 0;
    return (unsigned)(mark - marks) + 1 > 6 ? 6 : (unsigned)(mark - marks) + 1;
}

static void put_paragraph(ph_flow *flow, ph_buf *text, bool whole)
{
    ph_str s = {text->data ? text->data : "", text->len};
    unsigned level = 0;
    size_t end = s.n;
    while (end > 0 && strchr(" \t\n\f\v", s.p[end - 1]) && s.p[end - 1])
        end--;
    size_t begin = 0;
    while (begin < end && strchr(" \t\n\f\v", s.p[begin]) && s.p[begin])
        begin++;
    ph_str core = {s.p + begin, end - begin};
    if (whole && core.n > 0 && core.n < 2 * HEADING_MAX) {
        level = underlined_level(core);
        if (!level && core.n < HEADING_MAX && !memchr(core.p, '\n', core.n))
            level = named_level(core);
    }
    ph_flow_exact(flow, level ? PH_BLOCK_HEADING : PH_BLOCK_PARAGRAPH, level, s);
    ph_buf_clear(text);
}

static phial_status read_paragraphs(ph_flow *flow, ph_line_reader *lines, ph_buf *text,
                                    phial_error *err)
{
    bool gap = false, whole = true; /* the paragraph's end was seen; its beginning was one */
    bool begun = false;             /* what is put next has more than empty lines */
    ph_str line;
    for (;;) {
        phial_status status = ph_lines_next(lines, &line, err);
        if (status != PHIAL_OK || line.n == 0)
            return status;
        bool blank = ph_line_blank(line);
        if (gap && !blank) {
            put_paragraph(flow, text, whole);
            gap = begun = false;
            whole = true;
        } else if (text->len > LONG_PARAGRAPH) {
            put_paragraph(flow, text, false);
            begun = whole = false;
        }
        ph_buf_add(text, line.p, line.n);
        /* Empty lines at the very beginning belong to the first paragraph. */
        gap = blank && (gap || begun);
        begun = begun || !blank;
        if (text->failed)
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a paragraph)");
        if (flow->status != PHIAL_OK)
            return PHIAL_OK;
    }
}

phial_status ph_text_paragraphs(ph_flow *flow, ph_line_reader *lines, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = read_paragraphs(flow, lines, &text, err);
    if (status == PHIAL_OK && text.len > 0)
        put_paragraph(flow, &text, true);
    ph_buf_free(&text);
    return status == PHIAL_OK ? ph_flow_finish(flow, err) : status;
}

/* --- source code --- */

enum { LONG_BLOCK = 4 << 10, LONGEST_BLOCK = 16 << 10 };

static void put_code(ph_flow *flow, ph_buf *text)
{
    ph_flow_exact(flow, PH_BLOCK_CODE, 0, (ph_str){text->data ? text->data : "", text->len});
    ph_buf_clear(text);
}

static phial_status read_blocks(ph_flow *flow, ph_line_reader *lines, ph_buf *text,
                                phial_error *err)
{
    bool gap = false;
    ph_str line;
    for (;;) {
        phial_status status = ph_lines_next(lines, &line, err);
        if (status != PHIAL_OK || line.n == 0)
            return status;
        bool blank = ph_line_blank(line);
        /* A closing bracket at the margin belongs to what it closes. */
        bool outer = !blank && !strchr(" \t)}]", line.p[0]);
        if (text->len > LONGEST_BLOCK ||
            (text->len > 0 && !blank && gap && (outer || text->len > LONG_BLOCK)))
            put_code(flow, text);
        ph_buf_add(text, line.p, line.n);
        gap = blank;
        if (text->failed)
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a block of code)");
        if (flow->status != PHIAL_OK)
            return PHIAL_OK;
    }
}

phial_status ph_text_code(ph_flow *flow, ph_line_reader *lines, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = read_blocks(flow, lines, &text, err);
    if (status == PHIAL_OK)
        put_code(flow, &text);
    ph_buf_free(&text);
    return status == PHIAL_OK ? ph_flow_finish(flow, err) : status;
}
