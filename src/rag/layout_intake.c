/* A page of words on its way in: texts cleaned, boxes turned into frames, and what the document is
 * like counted. Contract: layout_parts.h. */
#include <string.h>

#include "rag/layout_parts.h"

phial_status ph_lay_grow(void *array, size_t *cap, size_t n, size_t size, phial_error *err)
{
    void *old;
    if (n <= *cap)
        return PHIAL_OK;
    size_t more = n < 64 ? 64 : n + n / 2;
    memcpy(&old, array, sizeof old);
    void *p = ph_realloc(old, more, size, err);
    if (!p)
        return PHIAL_ERR_NO_MEMORY;
    memcpy(array, &p, sizeof p);
    *cap = more;
    return PHIAL_OK;
}

/* --- the set --- */

static void set_put(uint64_t *slots, size_t cap, uint64_t hash)
{
    size_t at = hash & (cap - 1);
    while (slots[at] != 0 && slots[at] != hash)
        at = (at + 1) & (cap - 1);
    slots[at] = hash;
}

bool ph_lay_set_has(const ph_lay_set *set, uint64_t hash)
{
    for (size_t at = hash & (set->cap - 1); set->cap && set->slots[at] != 0;
         at = (at + 1) & (set->cap - 1)) {
        if (set->slots[at] == hash)
            return true;
    }
    return false;
}

phial_status ph_lay_set_add(ph_lay_set *set, uint64_t hash, phial_error *err)
{
    if (hash == 0 || set->n >= PH_LAY_VOCAB || ph_lay_set_has(set, hash))
        return PHIAL_OK;
    if (set->n + 1 > set->cap / 2) {
        size_t cap = set->cap ? set->cap * 2 : 1024;
        uint64_t *slots = ph_alloc(cap, sizeof *slots, err);
        if (!slots)
            return PHIAL_ERR_NO_MEMORY;
        for (size_t i = 0; i < set->cap; i++) {
            if (set->slots[i] != 0)
                set_put(slots, cap, set->slots[i]);
        }
        ph_free(set->slots);
        set->slots = slots;
        set->cap = cap;
    }
    set_put(set->slots, set->cap, hash);
    set->n++;
    return PHIAL_OK;
}

/* --- frames --- */

/* order[turn]: which frame the words with that turn are; the frame with most text is 0. */
static void rank_turns(const ph_doc_words *source, uint8_t order[PH_LAY_FRAMES])
{
    uint64_t bytes[PH_LAY_FRAMES] = {0};
    for (size_t i = 0; i < source->n_words; i++)
        bytes[source->words[i].turn & 3] += source->words[i].bytes;
    for (unsigned turn = 0; turn < PH_LAY_FRAMES; turn++) {
        order[turn] = 0;
        for (unsigned other = 0; other < PH_LAY_FRAMES; other++)
            order[turn] +=
                bytes[other] > bytes[turn] || (bytes[other] == bytes[turn] && other < turn);
    }
}

static float clamp_coord(float v)
{
    const float limit = 1e6f;
    return v > limit ? limit : v > -limit ? v : -limit; /* NaN too */
}

/* The box of a word, turned so that its letters follow each other along x. */
static void turn_box(ph_lay_word *w, const ph_doc_word *s, float width, float height)
{
    float x0 = clamp_coord(s->x0), x1 = clamp_coord(s->x1);
    float y0 = clamp_coord(s->y0), y1 = clamp_coord(s->y1);
    switch (s->turn & 3) {
    case 0:
        w->x0 = x0, w->x1 = x1, w->y0 = y0, w->y1 = y1;
        break;
    case 1: /* downwards; the next line is to the left */
        w->x0 = y0, w->x1 = y1, w->y0 = width - x1, w->y1 = width - x0;
        break;
    case 2:
        w->x0 = width - x1, w->x1 = width - x0, w->y0 = height - y1, w->y1 = height - y0;
        break;
    default: /* upwards; the next line is to the right */
        w->x0 = height - y1, w->x1 = height - y0, w->y0 = x0, w->y1 = x1;
        break;
    }
    if (w->x1 < w->x0)
        w->x1 = w->x0;
    if (w->y1 < w->y0)
        w->y1 = w->y0;
    float tall = w->y1 - w->y0;
    w->size = clamp_coord(s->size);
    if (!(w->size >= 0.5f))
        w->size = tall >= 0.5f ? tall : 0.5f;
}

static ph_lay_kind kind_of(const ph_lay_count *c)
{
    const uint32_t *n = c->by_kind;
    if (n[PH_LAY_RTL] > n[PH_LAY_LTR])
        return PH_LAY_RTL;
    if (n[PH_LAY_CJK] > n[PH_LAY_LTR] + n[PH_LAY_DIGITS])
        return PH_LAY_CJK;
    if (n[PH_LAY_LTR])
        return PH_LAY_LTR;
    return n[PH_LAY_DIGITS] ? PH_LAY_DIGITS : PH_LAY_OTHER;
}

static phial_status take_word(ph_lay_page *page, const ph_doc_words *source, size_t i,
                              unsigned frame, phial_error *err)
{
    const ph_doc_word *s = &source->words[i];
    ph_lay_count count;
    size_t start = page->text.len;
    if (s->start > source->text.n || s->bytes > source->text.n - s->start)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a word's text lies outside its page's");
    phial_status status =
        ph_lay_clean(&page->text, (ph_str){source->text.p + s->start, s->bytes}, &count, err);
    if (status != PHIAL_OK || page->text.len == start)
        return status;
    ph_lay_word *w = &page->words[page->n_words++];
    turn_box(w, s, clamp_coord(source->width), clamp_coord(source->height));
    w->start = (uint32_t)start;
    w->bytes = (uint32_t)(page->text.len - start);
    w->order = (uint32_t)i;
    w->n_chars = (uint16_t)(count.n_chars < UINT16_MAX ? count.n_chars : UINT16_MAX);
    w->n_digits =
        (uint16_t)(count.by_kind[PH_LAY_DIGITS] < UINT16_MAX ? count.by_kind[PH_LAY_DIGITS]
                                                             : UINT16_MAX);
    w->flags = s->flags;
    w->frame = (uint8_t)frame;
    w->kind = (uint8_t)kind_of(&count);
    w->margin = 0;
    return PHIAL_OK;
}

/* Mirrors the frame of a script that runs from right to left. */
static void mirror(ph_lay_page *page, size_t first, unsigned frame)
{
    uint64_t chars[PH_LAY_CJK + 1] = {0};
    for (size_t i = first; i < page->n_words; i++)
        chars[page->words[i].kind] += page->words[i].n_chars;
    page->rtl[frame] = chars[PH_LAY_RTL] > chars[PH_LAY_LTR] + chars[PH_LAY_CJK];
    for (size_t i = first; page->rtl[frame] && i < page->n_words; i++) {
        ph_lay_word *w = &page->words[i];
        float x0 = page->width[frame] - w->x1;
        w->x1 = page->width[frame] - w->x0;
        w->x0 = x0;
    }
}

/* --- what the document is like --- */

static bool begins_scene(ph_str word)
{
    static const char *const names[] = {"INT.",      "EXT.",     "INT",     "EXT", "EST.",
                                        "INT./EXT.", "INT./EXT", "INT/EXT", "I/E", "I/E."};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (ph_str_eq_c(word, names[i]))
            return true;
    }
    return false;
}

/* The word itself and, of a compound, its parts. */
static phial_status learn_word(ph_layout *layout, ph_str word, phial_error *err)
{
    phial_status status = ph_lay_set_add(&layout->vocab, ph_lay_word_hash(word), err);
    size_t from = 0;
    for (size_t i = 1; i + 1 < word.n && status == PHIAL_OK; i++) {
        if (word.p[i] != '-')
            continue;
        ph_str part = {word.p + from, i - from};
        status = ph_lay_set_add(&layout->vocab, ph_lay_word_hash(part), err);
        from = i + 1;
    }
    if (status == PHIAL_OK && from > 0) {
        ph_str part = {word.p + from, word.n - from};
        status = ph_lay_set_add(&layout->vocab, ph_lay_word_hash(part), err);
    }
    return status;
}

static phial_status learn(ph_layout *layout, const ph_lay_page *page, phial_error *err)
{
    bool line_begins = true, rest_of_word = false;
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < page->n_words && status == PHIAL_OK; i++) {
        const ph_lay_word *w = &page->words[i];
        ph_str text = {page->text.data + w->start, w->bytes};
        size_t bin = (size_t)(w->size * 4);
        layout->size_chars[bin < PH_LAY_SIZES ? bin : PH_LAY_SIZES - 1] += w->n_chars;
        layout->n_chars += w->n_chars;
        if (w->flags & PH_WORD_MONO)
            layout->n_mono_chars += w->n_chars;
        layout->n_scenes += line_begins && begins_scene(text);
        bool cut = ph_lay_is_hyphen(ph_lay_last_char(text, NULL));
        if (!cut && !rest_of_word)
            status = learn_word(layout, text, err);
        line_begins = (w->flags & PH_WORD_LINE) != 0;
        rest_of_word = cut && line_begins;
    }
    return status;
}

phial_status ph_lay_intake(ph_layout *layout, ph_lay_page *page, const ph_doc_words *source,
                           phial_error *err)
{
    uint8_t order[PH_LAY_FRAMES];
    size_t n = source->n_words;
    ph_lay_page_clear(page);
    page->number = source->number;
    if (n > PH_DOC_WORDS_LIMIT)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu words on a page (limit %u)", n,
                          PH_DOC_WORDS_LIMIT);
    page->words = ph_alloc(n, sizeof *page->words, err);
    if (!page->words)
        return PHIAL_ERR_NO_MEMORY;
    ph_buf_add(&page->label, source->label.p, source->label.n);
    phial_status status = ph_buf_status(&page->label, err);
    rank_turns(source, order);
    for (unsigned frame = 0; frame < PH_LAY_FRAMES && status == PHIAL_OK; frame++) {
        size_t first = page->n_words;
        for (unsigned turn = 0; turn < PH_LAY_FRAMES; turn++) {
            if (order[turn] != frame)
                continue;
            page->width[frame] = clamp_coord(turn & 1 ? source->height : source->width);
            page->height[frame] = clamp_coord(turn & 1 ? source->width : source->height);
            for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
                if ((source->words[i].turn & 3) == turn)
                    status = take_word(page, source, i, frame, err);
            }
        }
        mirror(page, first, frame);
    }
    return status == PHIAL_OK ? learn(layout, page, err) : status;
}

void ph_lay_page_clear(ph_lay_page *page)
{
    ph_free(page->words);
    page->words = NULL;
    ph_buf_clear(&page->label);
    ph_buf_clear(&page->text);
    page->n_words = page->n_margins = page->n_blocks = 0;
}

void ph_lay_page_free(ph_lay_page *page)
{
    ph_free(page->words);
    ph_free(page->blocks);
    ph_buf_free(&page->label);
    ph_buf_free(&page->text);
    *page = (ph_lay_page){0};
}
