/* Lines of one region to blocks. Contract: layout_parts.h.
 *
 * A paragraph ends where the next line looks different (size, weight, pitch), stands farther below
 * than the lines before did, begins with a list's mark, is indented, or could have held its first
 * word on the line before. Lines whose wide gaps stand below each other are rows of a table.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rag/layout_parts.h"

#define HEADING_BYTES 240
#define HEADING_LINES 4
#define CELLS_MAX     64 /* of a row that are compared with the next */

typedef struct shape {
    float left, right; /* of the region's lines */
    float pitch;       /* from line to line within a paragraph; 0: unknown */
} shape;

static float middle(const ph_lay_line *line)
{
    return (line->y0 + line->y1) / 2;
}

static int by_float(const void *a, const void *b)
{
    float p, q;
    memcpy(&p, a, sizeof p);
    memcpy(&q, b, sizeof q);
    return (p > q) - (p < q);
}

static shape shape_of(const ph_lay_work *w, size_t first, size_t n)
{
    float pitches[256];
    size_t k = 0;
    shape s = {w->lines[first].x0, w->lines[first].x1, 0};
    for (size_t i = first; i < first + n; i++) {
        const ph_lay_line *p = &w->lines[i];
        s.left = ph_lay_min(s.left, p->x0);
        s.right = ph_lay_max(s.right, p->x1);
        if (i + 1 == first + n || k == sizeof pitches / sizeof *pitches)
            continue;
        const ph_lay_line *q = p + 1;
        float pitch = middle(q) - middle(p);
        if (fabsf(p->size - q->size) < 0.3f && pitch > 0.5f * p->size && pitch < 3 * p->size)
            pitches[k++] = pitch;
    }
    qsort(pitches, k, sizeof *pitches, by_float);
    if (k > 0)
        s.pitch = pitches[k * 3 / 10];
    return s;
}

/* --- marks of lists --- */

/* Letters, digits or roman numbers of a mark: "12." "(a)" "iv)" "[3]". */
static bool is_counter(ph_str s)
{
    size_t from = s.n && (s.p[0] == '(' || s.p[0] == '['), i = from;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    if (i == from && i < s.n && ((s.p[i] | 0x20) >= 'a' && (s.p[i] | 0x20) <= 'z'))
        i++;
    if (i == from + 1 && i < s.n && strchr("ivx", s.p[i - 1]))
        while (i < s.n && i < from + 5 && strchr("ivx", s.p[i]))
            i++;
    return i > from && i <= from + 3 && i + 1 == s.n && strchr(").]", s.p[i]) &&
           (s.p[i] != ']' || s.p[0] == '[');
}

typedef enum mark { NO_MARK, BULLET, DASH, COUNTER } mark;

static mark mark_of(const ph_lay_work *w, const ph_lay_line *line)
{
    static const uint32_t bullets[] = {0x2022, 0x25e6, 0x25aa, 0x25ab, 0x2023, 0x25cf,
                                       0x25cb, 0x25a0, 0x25a1, 0x27a2, 0x2713, 0x2756,
                                       0xb7,   0x2219, 0x204e, 0x2217};
    if (line->n < 2)
        return NO_MARK;
    ph_str text = ph_lay_word_text(w, line->first);
    size_t len;
    uint32_t cp = ph_lay_first_char(text, &len);
    if (ph_lay_between(w, line, line->first) == 0)
        return NO_MARK;
    if (len == text.n && (cp == '-' || cp == 0x2013 || cp == 0x2014 || cp == '*'))
        return DASH;
    for (size_t i = 0; len == text.n && i < sizeof bullets / sizeof bullets[0]; i++) {
        if (bullets[i] == cp)
            return BULLET;
    }
    return is_counter(text) ? COUNTER : NO_MARK;
}

/* --- tables --- */

/* The wide gaps of a line as pairs of floats; returns how many. */
static size_t gaps_of(const ph_lay_work *w, const ph_lay_line *line, float gaps[2 * CELLS_MAX])
{
    size_t n = 0;
    for (uint32_t i = line->first; i + 1 < line->first + line->n && n < CELLS_MAX; i++) {
        if (ph_lay_between(w, line, i) != '\t')
            continue;
        gaps[2 * n] = ph_lay_word_at(w, i)->x1;
        gaps[2 * n + 1] = ph_lay_word_at(w, i + 1)->x0;
        n++;
    }
    return n;
}

/* Two lines with a gap at the same place. */
static bool aligned(const ph_lay_work *w, const ph_lay_line *a, const ph_lay_line *b)
{
    float p[2 * CELLS_MAX], q[2 * CELLS_MAX];
    size_t n = gaps_of(w, a, p), m = gaps_of(w, b, q);
    float least = 0.8f * ph_lay_min(a->size, b->size);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++) {
            if (ph_lay_min(p[2 * i + 1], q[2 * j + 1]) - ph_lay_max(p[2 * i], q[2 * j]) >= least)
                return true;
        }
    }
    return false;
}

/* "1.2 Name . . . . . 12": a line of a table of contents. */
static bool has_leader(const ph_lay_work *w, const ph_lay_line *line)
{
    unsigned dots = 0, most = 0;
    const ph_lay_word *last = ph_lay_word_at(w, line->first + line->n - 1);
    for (uint32_t i = line->first; i < line->first + line->n; i++) {
        ph_str text = ph_lay_word_text(w, i);
        for (size_t k = 0; k < text.n; k++) {
            dots = text.p[k] == '.' ? dots + 1 : 0;
            most = dots > most ? dots : most;
        }
    }
    return most >= 4 && last->n_digits > 0 && last->n_digits * 2 >= last->n_chars;
}

/* How many lines from i on are rows of one table; 0: none. A line without gaps between two rows
 * (a cell of two lines) is a row too. */
static size_t table_rows(const ph_lay_work *w, size_t i, size_t end)
{
    size_t rows = 0, last = i;
    if (has_leader(w, &w->lines[i]))
        return 1;
    if (w->lines[i].n_cells < 2)
        return 0;
    for (size_t j = i + 1; j < end && j - last <= 2; j++) {
        const ph_lay_line *line = &w->lines[j];
        float space = line->y0 - w->lines[j - 1].y1;
        if (space > 3 * line->size || has_leader(w, line))
            break;
        if (line->n_cells >= 2 && aligned(w, &w->lines[last], line)) {
            rows = j - i + 1;
            last = j;
        } else if (line->n_cells >= 2 && line->n_cells + w->lines[last].n_cells >= 6) {
            rows = j - i + 1; /* many cells, none below another: a form */
            last = j;
        }
    }
    return rows;
}

/* --- paragraphs --- */

static float first_token_width(const ph_lay_work *w, const ph_lay_line *line)
{
    uint32_t i = line->first;
    if (line->kind == PH_LAY_CJK)
        return line->size;
    while (i + 1 < line->first + line->n && ph_lay_between(w, line, i) == 0)
        i++;
    return fabsf(ph_lay_word_at(w, i)->x1 - ph_lay_word_at(w, line->first)->x0);
}

static bool centred(const ph_lay_line *p, const ph_lay_line *q)
{
    float size = ph_lay_max(p->size, q->size);
    return fabsf(p->x0 + p->x1 - q->x0 - q->x1) < 0.8f * size &&
           fabsf(p->x0 - q->x0) > 0.7f * size && fabsf(p->x1 - q->x1) > 0.7f * size;
}

/* The word that begins q would have fitted behind p. */
static bool ends_early(const ph_lay_work *w, size_t first, size_t end, size_t q)
{
    const ph_lay_line *line = &w->lines[q - 1];
    size_t from = q - first > 3 ? q - 3 : first, to = q + 2 < end ? q + 2 : end;
    float right = line->x1, size = line->size;
    for (size_t i = from; i < to; i++) {
        if (fabsf(w->lines[i].size - size) < 0.12f * size)
            right = ph_lay_max(right, w->lines[i].x1);
    }
    ph_str tail = ph_lay_word_text(w, line->first + line->n - 1);
    if (ph_lay_is_hyphen(ph_lay_last_char(tail, NULL)))
        return false;
    return line->x1 + 0.6f * size + first_token_width(w, &w->lines[q]) < right;
}

static bool looks_other(const ph_lay_line *p, const ph_lay_line *q)
{
    float size = ph_lay_max(p->size, q->size);
    if (fabsf(p->size - q->size) > 0.07f * size + 0.25f && p->n_chars > 2 && q->n_chars > 2)
        return true;
    return p->bold != q->bold && (p->n_chars >= 3 && q->n_chars >= 3);
}

static bool sentence_ends(const ph_lay_work *w, const ph_lay_line *line)
{
    uint32_t cp = ph_lay_last_char(ph_lay_word_text(w, line->first + line->n - 1), NULL);
    return cp == '.' || cp == ':' || cp == ';' || cp == '!' || cp == '?' || cp == 0x3002;
}

typedef struct paragraph {
    size_t first, n;
    mark mark;
} paragraph;

/* True if line q, which follows the paragraph, begins another one. */
static bool breaks(const ph_lay_work *w, const shape *s, size_t first, size_t end,
                   const paragraph *para, size_t q)
{
    const ph_lay_line *a = &w->lines[q - 1], *b = &w->lines[q];
    float size = ph_lay_max(a->size, b->size), pitch = middle(b) - middle(a),
          indent = b->x0 - a->x0;
    if (looks_other(a, b))
        return true;
    float usual = s->pitch > 0 && s->pitch < 1.8f * size ? s->pitch : 1.5f * size;
    if (para->n >= 2)
        usual = ph_lay_min(usual, middle(a) - middle(a - 1));
    if (usual < 0.9f * size)
        usual = 0.9f * size;
    if (pitch > 1.25f * usual + 0.1f * size)
        return true;
    mark m = mark_of(w, b);
    if (m == BULLET || (m != NO_MARK && (para->mark == m || sentence_ends(w, a))))
        return true;
    if (centred(a, b))
        return false;
    if (ends_early(w, first, end, q))
        return true;
    if (indent > 0.7f * size) {
        if (para->n == 1)
            return para->mark == NO_MARK && sentence_ends(w, a) &&
                   (q + 1 == end || w->lines[q + 1].x0 < b->x0 - 0.7f * size);
        return true;
    }
    if (indent < -0.7f * size)
        return para->n > 1 || para->mark != NO_MARK;
    return false;
}

/* --- what a paragraph is --- */

static bool is_caption(ph_str s)
{
    static const char *const names[] = {
        "Figure",  "Fig.",      "Table",       "Abbildung",    "Abb.",        "Tabelle", "Tab.",
        "Listing", "Algorithm", "Algorithmus", "Scheme",       "Plate",       "Tableau", "Figura",
        "Tabla",   "Chart",     "Box",         "\xe5\x9b\xbe", "\xe8\xa1\xa8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (!ph_str_starts_with(s, names[i]))
            continue;
        while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\n'))
            n++;
        size_t from = n;
        while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || (s.p[n] == '.' && n > from)))
            n++;
        return n > from && n < s.n && (s.p[n] == ':' || s.p[n - 1] == '.' || s.p[n] == ' ');
    }
    return false;
}

static bool has_words(ph_str s)
{
    size_t letters = 0, len;
    for (size_t i = 0; i < s.n; i += len) {
        uint32_t cp = ph_lay_first_char((ph_str){s.p + i, s.n - i}, &len);
        letters += ph_lay_is_letter(cp) ? (ph_lay_kind_of(cp) == PH_LAY_CJK ? 2 : 1) : 0;
    }
    return letters >= 2 && letters * 3 >= s.n / 2;
}

static bool is_heading(const ph_lay_work *w, const paragraph *para, ph_str s)
{
    const ph_lay_line *line = &w->lines[para->first];
    float body = w->layout->body_size;
    uint32_t last = ph_lay_last_char(s, NULL);
    if (s.n > HEADING_BYTES || para->n > HEADING_LINES || !has_words(s) || line->n_cells > 2)
        return false;
    if (last == ',' || last == ';')
        return false;
    if (line->size > 1.13f * body + 0.2f)
        return true;
    for (size_t i = para->first; i < para->first + para->n; i++) {
        if (!w->lines[i].bold)
            return false;
    }
    return line->size > 0.96f * body && last != '.' && last != ':' && s.n <= HEADING_BYTES / 2;
}

static uint8_t find_look(ph_layout *layout, const ph_lay_line *line)
{
    size_t i = 0;
    for (; i < layout->n_looks; i++) {
        const ph_lay_look *look = &layout->looks[i];
        if (look->bold == line->bold && fabsf(look->size - line->size) <= 0.04f * line->size)
            break;
    }
    if (i == PH_LAY_CLASSES)
        i = PH_LAY_CLASSES - 1;
    else if (i == layout->n_looks)
        layout->looks[layout->n_looks++] = (ph_lay_look){line->size, line->bold};
    return (uint8_t)i;
}

static phial_status write_paragraph(ph_lay_work *w, const shape *s, const paragraph *para,
                                    phial_error *err)
{
    const ph_lay_line *line = &w->lines[para->first];
    ph_lay_block block = {.kind = PH_BLOCK_PARAGRAPH};
    size_t blocks = w->page->n_blocks;
    if (para->mark != NO_MARK) {
        float depth = (line->x0 - s->left) / (2.5f * line->size);
        block.kind = PH_BLOCK_LIST_ITEM;
        block.level = (uint8_t)(depth < 0 ? 1 : depth > 5 ? 6 : 1 + (int)depth);
    }
    phial_status status = ph_lay_write(w, para->first, para->n, PH_LAY_FLOW, block, err);
    if (status != PHIAL_OK || w->page->n_blocks == blocks)
        return status;
    ph_lay_block *written = &w->page->blocks[blocks];
    ph_str text = {w->out.data + written->start, written->end - written->start};
    if (is_caption(text)) {
        written->kind = PH_BLOCK_CAPTION;
        written->level = 0;
    } else if (para->mark != BULLET && para->mark != DASH && is_heading(w, para, text)) {
        written->kind = PH_BLOCK_HEADING;
        written->look = find_look(w->layout, line);
    }
    return PHIAL_OK;
}

static bool is_code(const ph_lay_work *w, size_t i)
{
    return w->lines[i].mono && !w->layout->mono_body;
}

/* The paragraph, table row or code that begins at line i; *next is the line behind it. */
static phial_status write_next(ph_lay_work *w, const shape *s, size_t first, size_t i, size_t end,
                               size_t *next, phial_error *err)
{
    phial_status status = PHIAL_OK;
    size_t j = i + 1, rows;
    if (is_code(w, i)) {
        while (j < end && is_code(w, j) &&
               w->lines[j].y0 - w->lines[j - 1].y1 < 2 * w->lines[j].size)
            j++;
        *next = j;
        return ph_lay_write(w, i, j - i, PH_LAY_CODE, (ph_lay_block){.kind = PH_BLOCK_CODE}, err);
    }
    if ((rows = table_rows(w, i, end)) > 0) {
        for (j = i; j < i + rows && status == PHIAL_OK; j++)
            status =
                ph_lay_write(w, j, 1, PH_LAY_ROW, (ph_lay_block){.kind = PH_BLOCK_TABLE_ROW}, err);
        *next = j;
        return status;
    }
    paragraph para = {i, 1, mark_of(w, &w->lines[i])};
    while (j < end && !is_code(w, j) && table_rows(w, j, end) == 0 &&
           !breaks(w, s, first, end, &para, j)) {
        para.n++;
        j++;
    }
    *next = j;
    return write_paragraph(w, s, &para, err);
}

phial_status ph_lay_blocks(ph_lay_work *w, size_t first, size_t n, phial_error *err)
{
    phial_status status = PHIAL_OK;
    if (n == 0)
        return PHIAL_OK;
    shape s = shape_of(w, first, n);
    for (size_t i = first; i < first + n && status == PHIAL_OK;)
        status = write_next(w, &s, first, i, first + n, &i, err);
    return status;
}
