/* Regions of a page in reading order. Contract: layout_parts.h.
 *
 * Columns are found by what separates them: a tall empty rectangle between two sides that both look
 * like running text (a gutter). The page's words are painted into a coarse bitmap, words of a line
 * growing together; the tallest rectangles that stay empty from row to row are candidates (Breuel,
 * Two Geometric Algorithms for Layout Analysis, 2002, by a sweep instead of branch and bound). The
 * best one splits its region into what is above it, its left side, its right side, and what is
 * below, and each of these is looked at again: a title or figure across both columns lies above or
 * below by itself, because it interrupts the gutter. Sides that look like cells of a table are not
 * split: a table is read row by row.
 *
 * Time is bounded: bitmap, number of candidates and number of searches on a page have limits.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rag/layout_parts.h"

#define WIDE       512u /* cells of the bitmap */
#define TALL       512u
#define CHUNKS     (WIDE / 64)
#define OPEN_MAX   64 /* rectangles that are followed at a time */
#define TRIED_MAX  6  /* candidates that are looked at closely */
#define FUEL       48 /* searches on a page */
#define DEPTH_MAX  12
#define WORDS_MAX  40000u /* a page with more is read without columns */
#define GROW       0.28f  /* of a word's size: what it grows by at each side */
#define GUTTER_MIN 0.3f   /* of the typical size, between grown words */

typedef struct gap {
    uint16_t lo, hi, top, bottom; /* cells lo .. hi - 1, rows top .. bottom - 1 */
} gap;

typedef struct field {
    uint64_t bits[TALL][CHUNKS];
    float x0, y0, cell_w, cell_h; /* points */
    unsigned rows;
    uint16_t least; /* cells of a gutter */
    gap open[OPEN_MAX], next[OPEN_MAX];
    size_t n_open, n_next;
    gap tried[TRIED_MAX]; /* tallest first */
    size_t n_tried;
} field;

static const ph_lay_word *word_of(const ph_lay_work *w, size_t i)
{
    return &w->page->words[w->order[i]];
}

static int by_float(const void *a, const void *b)
{
    float p, q;
    memcpy(&p, a, sizeof p);
    memcpy(&q, b, sizeof q);
    return (p > q) - (p < q);
}

static float median_size(const ph_lay_work *w, size_t first, size_t n)
{
    float sample[255];
    size_t step = n / 255 + 1, k = 0;
    for (size_t i = 0; i < n && k < 255; i += step)
        sample[k++] = word_of(w, first + i)->size;
    qsort(sample, k, sizeof *sample, by_float);
    return k ? sample[k / 2] : 1;
}

static unsigned cell(float v, float origin, float step, unsigned n)
{
    float c = (v - origin) / step;
    return !(c > 0) ? 0 : c >= (float)n ? n - 1 : (unsigned)c;
}

static void paint_row(uint64_t *row, unsigned lo, unsigned hi)
{
    for (unsigned c = lo / 64; c <= hi / 64; c++) {
        uint64_t bits = UINT64_MAX;
        if (c == lo / 64)
            bits &= UINT64_MAX << (lo % 64);
        if (c == hi / 64)
            bits &= UINT64_MAX >> (63 - hi % 64);
        row[c] |= bits;
    }
}

/* False where there is nothing to look for. */
static bool paint(field *f, const ph_lay_work *w, size_t first, size_t n)
{
    const ph_lay_word *a = word_of(w, first);
    float x0 = a->x0, x1 = a->x1, y0 = a->y0, y1 = a->y1, size = median_size(w, first, n);
    for (size_t i = 1; i < n; i++) {
        const ph_lay_word *b = word_of(w, first + i);
        x0 = ph_lay_min(x0, b->x0);
        x1 = ph_lay_max(x1, b->x1);
        y0 = ph_lay_min(y0, b->y0);
        y1 = ph_lay_max(y1, b->y1);
    }
    if (!(x1 - x0 > 6 * size) || !(y1 - y0 > 2 * size))
        return false;
    f->x0 = x0;
    f->y0 = y0;
    f->cell_w = (x1 - x0) / (float)WIDE;
    f->cell_h = ph_lay_max(0.4f * size, (y1 - y0) / (float)TALL);
    f->rows = cell(y1, y0, f->cell_h, TALL) + 1;
    float least = GUTTER_MIN * size / f->cell_w;
    f->least = (uint16_t)(least < 1 ? 1 : least > 100 ? 100 : least);
    memset(f->bits, 0, f->rows * sizeof f->bits[0]);
    for (size_t i = 0; i < n; i++) {
        const ph_lay_word *b = word_of(w, first + i);
        float grow = GROW * ph_lay_min(b->size, 2 * size), inner = 0.2f * (b->y1 - b->y0);
        unsigned lo = cell(b->x0 - grow, x0, f->cell_w, WIDE);
        unsigned hi = cell(b->x1 + grow, x0, f->cell_w, WIDE);
        unsigned top = cell(b->y0 + inner, y0, f->cell_h, TALL);
        unsigned bottom = cell(b->y1 - inner, y0, f->cell_h, TALL);
        for (unsigned r = top; r <= bottom; r++)
            paint_row(f->bits[r], lo, hi);
    }
    return true;
}

/* The first cell from c on that is painted (or not); WIDE: none. */
static unsigned next_cell(const uint64_t *row, unsigned c, bool set)
{
    while (c < WIDE) {
        uint64_t bits = (set ? row[c / 64] : ~row[c / 64]) >> (c % 64);
        if (bits)
            return c + (unsigned)__builtin_ctzll(bits);
        c = (c / 64 + 1) * 64;
    }
    return WIDE;
}

static bool touches_edge(const gap *g)
{
    return g->lo == 0 || g->hi == WIDE;
}

static void keep_tallest(field *f, gap g, unsigned bottom)
{
    g.bottom = (uint16_t)bottom;
    unsigned tall = bottom - g.top;
    if (touches_edge(&g) || tall < 4)
        return;
    size_t at = f->n_tried < TRIED_MAX ? f->n_tried++ : TRIED_MAX;
    for (; at > 0 && (unsigned)(f->tried[at - 1].bottom - f->tried[at - 1].top) < tall; at--) {
        if (at < TRIED_MAX)
            f->tried[at] = f->tried[at - 1];
    }
    if (at < TRIED_MAX)
        f->tried[at] = g;
}

static void add_open(field *f, gap g)
{
    for (size_t i = 0; i < f->n_next; i++) {
        gap *other = &f->next[i];
        if (other->lo == g.lo && other->hi == g.hi) {
            other->top = other->top < g.top ? other->top : g.top;
            return;
        }
        /* Inside a wider one that is as tall: not maximal. */
        if (other->lo <= g.lo && other->hi >= g.hi && other->top <= g.top)
            return;
    }
    if (f->n_next < OPEN_MAX)
        f->next[f->n_next++] = g;
}

static void sweep(field *f)
{
    f->n_open = f->n_tried = 0;
    for (unsigned r = 0; r <= f->rows; r++) {
        bool kept[OPEN_MAX] = {false};
        f->n_next = 0;
        for (unsigned c = 0; r < f->rows && c < WIDE;) {
            unsigned lo = next_cell(f->bits[r], c, false), hi = next_cell(f->bits[r], lo, true);
            c = hi;
            if (lo >= WIDE || hi - lo < f->least)
                continue;
            for (size_t i = 0; i < f->n_open; i++) {
                const gap *g = &f->open[i];
                gap both = {(uint16_t)(g->lo > lo ? g->lo : lo),
                            (uint16_t)(g->hi < hi ? g->hi : hi), g->top, 0};
                if (both.lo + f->least > both.hi)
                    continue;
                kept[i] = kept[i] || (both.lo == g->lo && both.hi == g->hi);
                add_open(f, both);
            }
            add_open(f, (gap){(uint16_t)lo, (uint16_t)hi, (uint16_t)r, 0});
        }
        for (size_t i = 0; i < f->n_open; i++) {
            if (!kept[i])
                keep_tallest(f, f->open[i], r);
        }
        memcpy(f->open, f->next, f->n_next * sizeof *f->next);
        f->n_open = f->n_next;
    }
}

/* --- what is on both sides --- */

typedef struct side {
    size_t n_lines, n_pieces;
    uint64_t chars, digits, words;
    float lines_width, x0, x1;
} side;

/* Looks at order[first .. first + n) as text: lines, pieces of lines, how full they are. */
static phial_status look_at(ph_lay_work *w, size_t first, size_t n, side *s, phial_error *err)
{
    size_t from = w->n_lines;
    *s = (side){0};
    phial_status status = ph_lay_lines(w, first, n, err);
    if (status != PHIAL_OK)
        return status;
    s->n_lines = w->n_lines - from;
    for (size_t i = from; i < w->n_lines; i++) {
        const ph_lay_line *line = &w->lines[i];
        s->n_pieces += line->n_cells;
        s->chars += line->n_chars;
        s->lines_width += line->x1 - line->x0;
        s->x0 = i > from ? ph_lay_min(s->x0, line->x0) : line->x0;
        s->x1 = i > from ? ph_lay_max(s->x1, line->x1) : line->x1;
        for (uint32_t k = line->first; k < line->first + line->n; k++) {
            const ph_lay_word *word = ph_lay_word_at(w, k);
            s->digits += word->n_digits;
            bool ends = k + 1 == line->first + line->n || ph_lay_between(w, line, k) != 0;
            s->words += word->kind == PH_LAY_CJK ? word->n_chars / 2u : ends;
        }
    }
    w->n_lines = from;
    return PHIAL_OK;
}

/* Running text, not cells of a table. */
static bool is_prose(const side *s, bool screenplay)
{
    float width = ph_lay_max(s->x1 - s->x0, 1) * (float)s->n_lines;
    float fill = s->lines_width / width;
    if (s->n_lines < 3 || screenplay || s->chars == 0)
        return false;
    if (s->digits * 3 > s->chars)
        return false;
    bool wordy = s->words * 2 >= s->n_pieces * 5 && s->chars >= s->n_pieces * 14;
    if (s->n_lines < 6)
        return wordy && fill >= 0.6f;
    return wordy || (s->n_lines >= 15 && s->chars >= s->n_pieces * 9 && s->n_pieces <= s->n_lines);
}

/* Orders the region's words into above, left, right, below the gap; part[k] is where the k-th
 * begins, part[4] the end. */
static void divide(ph_lay_work *w, const field *f, const gap *g, size_t first, size_t n,
                   size_t part[5])
{
    float top = f->y0 + (float)g->top * f->cell_h, bottom = f->y0 + (float)g->bottom * f->cell_h;
    float middle = f->x0 + (float)(g->lo + g->hi) / 2 * f->cell_w;
    size_t count[4] = {0}, at[4];
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            const ph_lay_word *b = word_of(w, first + i);
            float y = (b->y0 + b->y1) / 2;
            unsigned of = y < top ? 0 : y >= bottom ? 3 : (b->x0 + b->x1) / 2 < middle ? 1 : 2;
            if (pass == 0)
                count[of]++;
            else
                w->spare[at[of]++] = w->order[first + i];
        }
        part[0] = at[0] = first;
        for (unsigned k = 0; pass == 0 && k < 4; k++) {
            part[k + 1] = part[k] + count[k];
            at[k] = part[k];
        }
    }
    memcpy(w->order + first, w->spare + first, n * sizeof *w->order);
}

/* Tries the candidates, tallest first; *found: part is set. */
static phial_status choose(ph_lay_work *w, field *f, size_t first, size_t n, size_t part[5],
                           bool *found, phial_error *err)
{
    gap tried[TRIED_MAX];
    size_t n_tried = f->n_tried;
    memcpy(tried, f->tried, sizeof tried);
    *found = false;
    for (size_t i = 0; i < n_tried && !*found; i++) {
        side left, right;
        divide(w, f, &tried[i], first, n, part);
        phial_status status = look_at(w, part[1], part[2] - part[1], &left, err);
        if (status == PHIAL_OK)
            status = look_at(w, part[2], part[3] - part[2], &right, err);
        if (status != PHIAL_OK)
            return status;
        *found = is_prose(&left, w->layout->screenplay) && is_prose(&right, w->layout->screenplay);
    }
    return PHIAL_OK;
}

static phial_status split(ph_lay_work *w, field *f, size_t first, size_t n, unsigned depth,
                          phial_error *err)
{
    size_t part[5];
    bool found = false;
    phial_status status = PHIAL_OK;
    if (n == 0)
        return PHIAL_OK;
    if (depth < DEPTH_MAX && w->fuel > 0 && n >= 12 && n <= WORDS_MAX && paint(f, w, first, n)) {
        w->fuel--;
        sweep(f);
        status = choose(w, f, first, n, part, &found, err);
        if (status != PHIAL_OK)
            return status;
    }
    if (found) {
        for (unsigned k = 0; k < 4 && status == PHIAL_OK; k++)
            status = split(w, f, part[k], part[k + 1] - part[k], depth + 1, err);
        return status;
    }
    status = ph_lay_grow(&w->regions, &w->cap_regions, w->n_regions + 1, sizeof *w->regions, err);
    if (status == PHIAL_OK)
        w->regions[w->n_regions++] = (ph_lay_region){first, n};
    return status;
}

phial_status ph_lay_columns(ph_lay_work *w, size_t first, size_t n, phial_error *err)
{
    w->fuel = FUEL;
    if (n == 0)
        return PHIAL_OK;
    field *f = ph_alloc(1, sizeof *f, err);
    if (!f)
        return PHIAL_ERR_NO_MEMORY;
    phial_status status = split(w, f, first, n, 0, err);
    ph_free(f);
    return status;
}
