/* Running heads, running feet and page numbers: what repeats at the edge of pages. Contract:
 * layout_parts.h.
 *
 * Of each page the outermost lines at the top and at the bottom are kept as a hash of their text
 * (numbers left out), a hash of their place (height on the page and size) and the number in them.
 * A line is furniture when its text stands on several pages; when it is a page number that counts
 * along with the pages; or when many pages have a line at that place, apart from the text, with
 * such a number in it (heads that name the section). A line farther in is furniture only if those
 * outside it are, and a page is never furniture alone, page numbers excepted.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "rag/layout_parts.h"

#define ZONE       0.18f /* of the page's height */
#define APART      0.8f  /* of the font's size: space that sets a line apart from the text */
#define VALUE_MAX  99999
#define ZONE_WORDS 4096u /* a page with more words in a zone has no furniture there */

static int32_t roman_value(ph_str s)
{
    static const char letters[] = "ivxlcdm";
    static const int32_t values[] = {1, 5, 10, 50, 100, 500, 1000};
    int32_t total = 0, before = 0;
    if (s.n == 0 || s.n > 9)
        return 0;
    for (size_t i = s.n; i-- > 0;) {
        const char *at = strchr(letters, s.p[i] | 0x20);
        if (!at || !*at)
            return 0;
        int32_t v = values[at - letters];
        total += v < before ? -v : v;
        before = v > before ? v : before;
    }
    return total > 0 ? total : 0;
}

/* "- 12 -", "[12]": what is between. */
static ph_str trim_marks(ph_str s)
{
    static const char marks[] = "-|()[].,:/ ";
    while (s.n && strchr(marks, s.p[0]))
        s.p++, s.n--;
    while (s.n && strchr(marks, s.p[s.n - 1]))
        s.n--;
    return s;
}

static int32_t digits_value(ph_str s)
{
    uint64_t v;
    s = trim_marks(s);
    if (s.n == 0 || s.n > 5 || !ph_str_parse_u64(s, &v) || v > VALUE_MAX)
        return 0;
    return (int32_t)v;
}

static bool is_page_word(ph_str s)
{
    static const uint64_t none = 0;
    static const char *const words[] = {"page",   "p",      "seite", "s",
                                        "of",     "von",    "/",     "p\xc3\xa1gina",
                                        "pagina", "strona", "sida",  "side"};
    uint64_t hash = ph_lay_word_hash(s);
    if (hash == none)
        return true; /* marks alone */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (hash == ph_lay_word_hash(ph_str_from(words[i])))
            return true;
    }
    return false;
}

static void read_line(const ph_lay_work *w, const ph_lay_line *line, ph_lay_margin *m)
{
    bool others = false;
    int32_t first = 0, ends = 0, roman = 0;
    uint64_t hash = 0;
    for (uint32_t i = line->first; i < line->first + line->n; i++) {
        ph_str text = ph_lay_word_text(w, i);
        int32_t value = digits_value(text);
        uint64_t h = value || ph_lay_word_at(w, i)->n_digits ? 1 : ph_lay_word_hash(text);
        hash = hash * 0x9e3779b97f4a7c15u + h;
        if (value && !first)
            first = value;
        if (value && (i == line->first || i + 1 == line->first + line->n))
            ends = value;
        if (!value && roman_value(trim_marks(text)) && !roman)
            roman = roman_value(trim_marks(text));
        else if (!value && !is_page_word(text))
            others = true;
    }
    m->text = hash | 1;
    m->only_number = !others && (first || roman);
    m->value = m->only_number ? (first ? first : roman) : ends;
}

static float height_of(const ph_lay_line *line)
{
    return (line->y0 + line->y1) / 2;
}

/* The space between a line and what follows it towards the middle of the page. */
static float space_behind(const ph_lay_work *w, const ph_lay_line *line, bool bottom)
{
    const ph_lay_page *page = w->page;
    float space = 1e6f, middle = height_of(line);
    for (size_t i = 0; i < page->n_words && page->words[i].frame == 0; i++) {
        const ph_lay_word *word = &page->words[i];
        float y = (word->y0 + word->y1) / 2;
        if (bottom ? y < line->y0 && y < middle : y > line->y1 && y > middle)
            space = ph_lay_min(space, bottom ? line->y0 - word->y1 : word->y0 - line->y1);
    }
    return space;
}

static phial_status find_side(ph_lay_work *w, bool bottom, phial_error *err)
{
    ph_lay_page *page = w->page;
    float height = page->height[0];
    size_t n = 0;
    w->n_lines = 0;
    for (size_t i = 0; i < page->n_words && page->words[i].frame == 0; i++) {
        float y = (page->words[i].y0 + page->words[i].y1) / 2;
        if (bottom ? y > height * (1 - ZONE) : y < height * ZONE)
            w->order[n++] = (uint32_t)i;
    }
    if (n == 0 || n > ZONE_WORDS)
        return PHIAL_OK;
    phial_status status = ph_lay_lines(w, 0, n, err);
    if (status != PHIAL_OK)
        return status;
    for (size_t k = 0; k < PH_LAY_MARGINS && k < w->n_lines; k++) {
        const ph_lay_line *line = &w->lines[bottom ? w->n_lines - 1 - k : k];
        ph_lay_margin *m = &page->margins[page->n_margins++];
        *m = (ph_lay_margin){.bottom = bottom};
        read_line(w, line, m);
        float y = bottom ? height - height_of(line) : height_of(line);
        int32_t place[3] = {bottom, (int32_t)(y / 4), (int32_t)(line->size * 2)};
        m->place = ph_hash64(place, sizeof place, 1) | 1;
        m->apart = space_behind(w, line, bottom) > APART * line->size;
        for (uint32_t i = line->first; i < line->first + line->n; i++)
            page->words[w->order[i]].margin = (uint8_t)page->n_margins;
    }
    return PHIAL_OK;
}

phial_status ph_lay_find_margins(ph_lay_work *w, phial_error *err)
{
    phial_status status = find_side(w, false, err);
    if (status == PHIAL_OK)
        status = find_side(w, true, err);
    w->n_lines = 0;
    return status;
}

/* --- over a window --- */

typedef struct tally {
    uint64_t *values; /* sorted */
    size_t n;
} tally;

static int by_u64(const void *a, const void *b)
{
    uint64_t p, q;
    memcpy(&p, a, sizeof p);
    memcpy(&q, b, sizeof q);
    return (p > q) - (p < q);
}

static size_t count_of(const tally *t, uint64_t value)
{
    size_t lo = 0, hi = t->n, n = 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->values[mid] < value)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < t->n && t->values[lo] == value; lo++)
        n++;
    return n;
}

typedef struct tallies {
    tally texts, places, offsets;
    size_t n_pages;
} tallies;

static uint64_t offset_of(const ph_lay_page *page, const ph_lay_margin *m)
{
    return m->value ? (uint64_t)((int64_t)m->value - (int64_t)page->number + (1ll << 40)) : 0;
}

static bool counts_along(const ph_lay_page *page, const ph_lay_margin *m, const tallies *t)
{
    if (m->value == 0)
        return false;
    ph_str label = {page->label.data, page->label.len};
    if ((uint32_t)m->value == page->number || digits_value(label) == m->value ||
        (label.n && roman_value(label) == m->value))
        return true;
    return count_of(&t->offsets, offset_of(page, m)) >= (t->n_pages > 10 ? 3 : 2);
}

static bool is_furniture(const ph_layout *layout, const ph_lay_page *page, const ph_lay_margin *m,
                         const tallies *t)
{
    bool counts = counts_along(page, m, t);
    if (m->only_number)
        return counts && (m->apart || t->n_pages > 2);
    if (ph_lay_set_has(&layout->margin_texts, m->text))
        return true;
    size_t same = count_of(&t->texts, m->text), most = (t->n_pages + 3) / 4;
    if (same >= 3 || (same == 2 && t->n_pages <= 5))
        return true;
    bool usual = count_of(&t->places, m->place) >= (most > 3 ? most : 3) ||
                 ph_lay_set_has(&layout->margin_places, m->place);
    return usual && counts && m->apart;
}

/* True if a word of frame 0 would be left. */
static bool leaves_text(const ph_lay_page *page)
{
    for (size_t i = 0; i < page->n_words && page->words[i].frame == 0; i++) {
        unsigned margin = page->words[i].margin;
        if (!margin || !page->margins[margin - 1].marked)
            return true;
    }
    return false;
}

static phial_status mark_page(ph_layout *layout, ph_lay_page *page, const tallies *t,
                              phial_error *err)
{
    bool outside = true;
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < page->n_margins; i++) {
        ph_lay_margin *m = &page->margins[i];
        if (i > 0 && m->bottom != page->margins[i - 1].bottom)
            outside = true;
        outside = m->marked = outside && is_furniture(layout, page, m, t);
    }
    if (!leaves_text(page)) {
        for (size_t i = 0; i < page->n_margins; i++)
            page->margins[i].marked = page->margins[i].marked && page->margins[i].only_number;
    }
    for (size_t i = 0; i < page->n_margins && status == PHIAL_OK; i++) {
        const ph_lay_margin *m = &page->margins[i];
        if (!m->marked || m->only_number)
            continue;
        status = ph_lay_set_add(&layout->margin_texts, m->text, err);
        if (status == PHIAL_OK && m->value)
            status = ph_lay_set_add(&layout->margin_places, m->place, err);
    }
    return status;
}

phial_status ph_lay_mark_margins(ph_layout *layout, phial_error *err)
{
    size_t most = layout->n_pages * 2 * PH_LAY_MARGINS;
    uint64_t *values = ph_alloc(3 * most, sizeof *values, err);
    if (!values)
        return PHIAL_ERR_NO_MEMORY;
    tallies t = {.texts = {values, 0},
                 .places = {values + most, 0},
                 .offsets = {values + 2 * most, 0},
                 .n_pages = layout->n_pages};
    for (size_t p = 0; p < layout->n_pages; p++) {
        const ph_lay_page *page = &layout->pages[p];
        for (size_t i = 0; i < page->n_margins; i++) {
            const ph_lay_margin *m = &page->margins[i];
            t.texts.values[t.texts.n++] = m->only_number ? 0 : m->text;
            t.places.values[t.places.n++] = m->place;
            t.offsets.values[t.offsets.n++] = offset_of(page, m);
        }
    }
    qsort(t.texts.values, t.texts.n, sizeof *values, by_u64);
    qsort(t.places.values, t.places.n, sizeof *values, by_u64);
    qsort(t.offsets.values, t.offsets.n, sizeof *values, by_u64);
    phial_status status = PHIAL_OK;
    for (size_t p = 0; p < layout->n_pages && status == PHIAL_OK; p++)
        status = mark_page(layout, &layout->pages[p], &t, err);
    ph_free(values);
    return status;
}
