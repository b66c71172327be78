/* Words of one region to lines. Contract: layout_parts.h.
 *
 * Words are taken by the height of their middle; each joins the line among the last few that it
 * shares most height with, if it shares half of the smaller height: so superscripts, subscripts and
 * larger words stay in their line, and lines that are set tightly stay apart. Only the last few
 * lines are looked at, so that a hostile page costs no more than sorting it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rag/layout_parts.h"

#define OPEN_LINES 8
#define CELL_GAP   1.6f  /* of the font's size: more is the space between two cells */
#define SPACE_GAP  0.13f /* more is a space */
#define LOOSE_GAP  0.35f /* as SPACE_GAP, where the parser saw no space */
#define OVERLAP    -0.2f /* less: one word printed over another */

const ph_lay_word *ph_lay_word_at(const ph_lay_work *w, uint32_t i)
{
    return &w->page->words[w->order[i]];
}

ph_str ph_lay_word_text(const ph_lay_work *w, uint32_t i)
{
    const ph_lay_word *word = ph_lay_word_at(w, i);
    return (ph_str){w->page->text.data + word->start, word->bytes};
}

static int compare(float a, float b)
{
    return (a > b) - (a < b);
}

typedef struct key {
    float v;
    uint32_t order, word, line;
} key;

static int by_value(const void *a, const void *b)
{
    const key *p = a, *q = b;
    int by = compare(p->v, q->v);
    return by ? by : (p->order > q->order) - (p->order < q->order);
}

/* Most words come in the order in which they are read. */
static void sort_keys(key *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (by_value(&keys[i - 1], &keys[i]) > 0) {
            qsort(keys, n, sizeof *keys, by_value);
            return;
        }
    }
}

/* Which of the lines [first, w->n_lines) a word belongs to; w->n_lines: none. */
static size_t find_line(const ph_lay_work *w, size_t first, const ph_lay_word *word)
{
    size_t best = w->n_lines;
    float best_share = 0.5f;
    size_t from = w->n_lines - first > OPEN_LINES ? w->n_lines - OPEN_LINES : first;
    for (size_t i = from; i < w->n_lines; i++) {
        const ph_lay_line *line = &w->lines[i];
        float top = ph_lay_max(line->y0, word->y0), bottom = ph_lay_min(line->y1, word->y1);
        float smaller = ph_lay_min(line->y1 - line->y0, word->y1 - word->y0);
        float share = smaller > 0 ? (bottom - top) / smaller : bottom >= top ? 1.0f : 0.0f;
        if (share >= best_share) {
            best_share = share;
            best = i;
        }
    }
    return best;
}

/* In a line that is read from left to right, words of the other direction run the other way, and
 * the same in a mirrored frame: puts them right. Numbers run from left to right in both. */
static void turn_runs(ph_lay_work *w, ph_lay_line *line)
{
    bool mirrored = w->page->rtl[ph_lay_word_at(w, line->first)->frame];
    uint32_t end = line->first + line->n;
    for (uint32_t i = line->first; i < end;) {
        uint32_t last = i, j = i;
        for (; j < end; j++) {
            ph_lay_kind kind = (ph_lay_kind)ph_lay_word_at(w, j)->kind;
            bool against =
                mirrored ? kind == PH_LAY_LTR || kind == PH_LAY_DIGITS : kind == PH_LAY_RTL;
            if (against)
                last = j + 1;
            else if (kind != PH_LAY_OTHER && !(kind == PH_LAY_DIGITS && !mirrored))
                break;
            else if (last == i)
                break;
        }
        for (uint32_t a = i, b = last; a + 1 < b; a++) {
            uint32_t swap = w->order[a];
            w->order[a] = w->order[--b];
            w->order[b] = swap;
        }
        i = last > i ? last : i + 1;
    }
}

/* Counts what is in a line, once its words are in order. */
void ph_lay_measure(const ph_lay_work *w, ph_lay_line *line)
{
    uint64_t bold = 0, mono = 0, kinds[PH_LAY_CJK + 1] = {0};
    float best_size = 0;
    uint32_t best_chars = 0, run = 0;
    const ph_lay_word *before = NULL;
    line->n_chars = 0;
    line->upper = true;
    for (uint32_t i = line->first; i < line->first + line->n; i++) {
        const ph_lay_word *word = ph_lay_word_at(w, i);
        ph_str text = ph_lay_word_text(w, i);
        line->n_chars += word->n_chars;
        kinds[word->kind] += word->n_chars;
        bold += word->flags & PH_WORD_BOLD ? word->n_chars : 0;
        mono += word->flags & PH_WORD_MONO ? word->n_chars : 0;
        line->x0 = before ? ph_lay_min(line->x0, word->x0) : word->x0;
        line->x1 = before ? ph_lay_max(line->x1, word->x1) : word->x1;
        line->upper = line->upper && ph_lay_all_caps(text, 0);
        run =
            before && fabsf(before->size - word->size) < 0.3f ? run + word->n_chars : word->n_chars;
        if (run > best_chars) {
            best_chars = run;
            best_size = word->size;
        }
        before = word;
    }
    line->size = best_size;
    line->bold = bold * 10 >= (uint64_t)line->n_chars * 9;
    line->mono = mono * 10 >= (uint64_t)line->n_chars * 9;
    line->kind = PH_LAY_OTHER;
    for (unsigned k = PH_LAY_DIGITS; k <= PH_LAY_CJK; k++) {
        if (kinds[k] > kinds[line->kind] || (line->kind == PH_LAY_OTHER && kinds[k] > 0))
            line->kind = (uint8_t)k;
    }
    uint16_t cells = 1;
    for (uint32_t i = line->first; i + 1 < line->first + line->n; i++)
        cells += cells < UINT16_MAX && ph_lay_between(w, line, i) == '\t';
    line->n_cells = cells;
}

/* Gives each word, by rising height, its line. */
static phial_status cluster(ph_lay_work *w, key *keys, size_t n, phial_error *err)
{
    size_t first = w->n_lines;
    for (size_t i = 0; i < n; i++) {
        const ph_lay_word *word = &w->page->words[keys[i].word];
        size_t at = find_line(w, first, word);
        if (at == w->n_lines) {
            phial_status status =
                ph_lay_grow(&w->lines, &w->cap_lines, w->n_lines + 1, sizeof *w->lines, err);
            if (status != PHIAL_OK)
                return status;
            w->lines[w->n_lines++] =
                (ph_lay_line){.y0 = word->y0, .y1 = word->y1, .size = word->size};
        } else if (word->size > 1.1f * w->lines[at].size &&
                   word->size < (word->n_chars > 1 ? 2.2f : 1.6f) * w->lines[at].size) {
            /* Not what spans several lines, such as a brace. */
            w->lines[at].y0 = word->y0;
            w->lines[at].y1 = word->y1;
            w->lines[at].size = word->size;
        }
        w->lines[at].n++;
        keys[i].line = (uint32_t)at;
        keys[i].v = word->x0;
    }
    return PHIAL_OK;
}

static int lines_by_height(const void *a, const void *b)
{
    const ph_lay_line *p = a, *q = b;
    int by = compare(p->y0 + p->y1, q->y0 + q->y1);
    return by ? by : (p->first > q->first) - (p->first < q->first);
}

phial_status ph_lay_lines(ph_lay_work *w, size_t first, size_t n, phial_error *err)
{
    size_t from = w->n_lines;
    if (n == 0)
        return PHIAL_OK;
    key *keys = ph_alloc(n, 2 * sizeof *keys, err);
    if (!keys)
        return PHIAL_ERR_NO_MEMORY;
    key *sorted = keys + n;
    for (size_t i = 0; i < n; i++) {
        const ph_lay_word *word = &w->page->words[w->order[first + i]];
        keys[i] = (key){(word->y0 + word->y1) / 2, word->order, w->order[first + i], 0};
    }
    sort_keys(keys, n);
    phial_status status = cluster(w, keys, n, err);
    if (status != PHIAL_OK)
        goto done;
    for (size_t i = from, at = 0; i < w->n_lines; at += w->lines[i++].n)
        w->lines[i].first = (uint32_t)at;
    for (size_t i = 0; i < n; i++)
        sorted[w->lines[keys[i].line].first++] = keys[i];
    for (size_t i = from, at = 0; i < w->n_lines; at += w->lines[i++].n) {
        sort_keys(sorted + at, w->lines[i].n);
        w->lines[i].first = (uint32_t)(first + at);
        for (size_t k = at; k < at + w->lines[i].n; k++)
            w->order[first + k] = sorted[k].word;
        turn_runs(w, &w->lines[i]);
        ph_lay_measure(w, &w->lines[i]);
    }
    qsort(w->lines + from, w->n_lines - from, sizeof *w->lines, lines_by_height);
done:
    ph_free(keys);
    return status;
}

char ph_lay_between(const ph_lay_work *w, const ph_lay_line *line, uint32_t i)
{
    const ph_lay_word *a = ph_lay_word_at(w, i), *b = ph_lay_word_at(w, i + 1);
    /* Where a run was turned round, b stands to the left of a. */
    float gap = b->x0 >= a->x0 ? b->x0 - a->x1 : a->x0 - b->x1;
    float size = ph_lay_max(ph_lay_min(a->size, b->size), 0.7f * line->size);
    bool neighbours = b->order == a->order + 1 && !(a->flags & PH_WORD_LINE);
    if (gap > CELL_GAP * size)
        return '\t';
    if (neighbours && a->flags & PH_WORD_SPACE)
        return ' ';
    if (!neighbours && gap < OVERLAP * size)
        return ' ';
    if (a->kind == PH_LAY_CJK && b->kind == PH_LAY_CJK)
        return gap > 0.5f * size ? ' ' : 0;
    return gap > (neighbours ? LOOSE_GAP : SPACE_GAP) * size ? ' ' : 0;
}

phial_status ph_lay_line_text(ph_buf *out, const ph_lay_work *w, const ph_lay_line *line,
                              phial_error *err)
{
    for (uint32_t i = line->first; i < line->first + line->n; i++) {
        ph_str text = ph_lay_word_text(w, i);
        ph_buf_add(out, text.p, text.n);
        char between = i + 1 < line->first + line->n ? ph_lay_between(w, line, i) : 0;
        if (between)
            ph_buf_add_byte(out, (uint8_t)between);
    }
    return ph_buf_status(out, err);
}
