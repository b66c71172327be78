/* phial-pdf: the words of a PDF, with where they stand, as a stream (fmt/doc_stream.h).
 *
 * This program is free software: it is linked with poppler, which is under the GNU General Public
 * License, version 2 or 3; so this program as a whole is distributed under the terms of the GNU
 * General Public License, version 2 or (at your option) version 3, as published by the Free
 * Software Foundation, WITHOUT ANY WARRANTY. It is a program of its own that Phial starts for each
 * document, packaged apart; nothing else of Phial contains it, links with it or needs it. Our own
 * code in this file may also be used under Phial's licence.
 *
 * Poppler's words are taken, and of its order only what helps to turn them into lines
 * (rag/layout.h does the rest in the parent, away from poppler). Values of form fields, which are
 * not part of a page's contents, become words too.
 */
#include <math.h>
#include <poppler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "helper/helper.h"
#include "helper/pdf_font.h"

#define WORD_BYTES 2048 /* longer ones become several */

#define FONTS_KEPT 128

#define RIGHT_TO_LEFT "\xe2\x80\xab" /* U+202B, which poppler puts before such words */

typedef struct font_entry {
    char name[64];
    uint8_t flags;
} font_entry;

typedef struct font_cache {
    font_entry entries[FONTS_KEPT];
} font_cache;

typedef struct page_words {
    font_cache fonts;
    ph_buf text;
    ph_doc_word *words; /* owned */
    size_t n, cap;
    bool full;
} page_words;

/* What poppler tells about a page's characters. */
typedef struct page_chars {
    char *text;              /* owned by who asked; what follows is owned */
    PopplerRectangle *boxes; /* one for each character, blank and end of line */
    guint n_boxes;
    GList *attributes;
    const GList *at;   /* attributes of the character that is looked at */
    font_cache *fonts; /* borrowed */
    uint8_t flags;
    float size;
} page_chars;

/* --- words --- */

static ph_doc_word *new_word(page_words *p, phial_error *err)
{
    if (p->n == PH_DOC_WORDS_LIMIT) {
        p->full = true;
        return NULL;
    }
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 1024;
        ph_doc_word *words = ph_realloc(p->words, cap, sizeof *words, err);
        if (!words)
            return NULL;
        p->words = words;
        p->cap = cap;
    }
    ph_doc_word *w = &p->words[p->n++];
    *w = (ph_doc_word){.start = (uint32_t)p->text.len};
    return w;
}

/* What is compared here is finite or does not matter; fminf() and its like are calls. */
static float lesser(float a, float b)
{
    return a < b ? a : b;
}

static float greater(float a, float b)
{
    return a > b ? a : b;
}

static void add_box(ph_doc_word *w, const PopplerRectangle *r, bool first)
{
    float x0 = lesser((float)r->x1, (float)r->x2), x1 = greater((float)r->x1, (float)r->x2);
    float y0 = lesser((float)r->y1, (float)r->y2), y1 = greater((float)r->y1, (float)r->y2);
    w->x0 = first ? x0 : lesser(w->x0, x0);
    w->x1 = first ? x1 : greater(w->x1, x1);
    w->y0 = first ? y0 : lesser(w->y0, y0);
    w->y1 = first ? y1 : greater(w->y1, y1);
}

enum { TURN_UNKNOWN = 255 };

/* The way from the first to the last character. */
static uint8_t turn_of(const PopplerRectangle *a, const PopplerRectangle *b)
{
    double dx = b->x1 + b->x2 - a->x1 - a->x2, dy = b->y1 + b->y2 - a->y1 - a->y2;
    if (fabs(dx) < 0.01 && fabs(dy) < 0.01)
        return TURN_UNKNOWN;
    if (fabs(dx) >= fabs(dy))
        return dx > 0 ? 0 : 2;
    return dy > 0 ? 1 : 3;
}

/* Single characters turn as their line does, or as most of the page. */
static void settle_turns(page_words *p)
{
    size_t count[4] = {0}, most = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->words[i].turn != TURN_UNKNOWN)
            count[p->words[i].turn & 3] += p->words[i].bytes;
    }
    for (size_t t = 1; t < 4; t++)
        most = count[t] > count[most] ? t : most;
    for (size_t i = 0; i < p->n; i++) {
        if (p->words[i].turn != TURN_UNKNOWN)
            continue;
        size_t last = i;
        /* What stands before it in its line is settled. */
        bool begins = i == 0 || (p->words[i - 1].flags & PH_WORD_LINE);
        uint8_t turn = begins ? (uint8_t)TURN_UNKNOWN : p->words[i - 1].turn;
        while (turn == TURN_UNKNOWN && !(p->words[last].flags & PH_WORD_LINE) && last + 1 < p->n)
            turn = p->words[++last].turn;
        p->words[i].turn = turn == TURN_UNKNOWN ? (uint8_t)most : turn;
    }
}

/* --- a page's text --- */

/* Poppler's lines may hold words of different columns with nothing between them. */
static bool apart(const PopplerRectangle *a, const PopplerRectangle *b, double size)
{
    double far = 0.6 * (size > 1 ? size : 1);
    return b->x1 - a->x2 > far || a->x1 - b->x2 > far || b->y1 - a->y2 > far || a->y1 - b->y2 > far;
}

static bool is_direction_mark(uint32_t cp)
{
    return cp >= 0x202a && cp <= 0x202e;
}

/* As ph_pdf_font_flags(), for the few names that a document has over and over. */
static uint8_t flags_of(font_cache *cache, const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *p = name ? name : ""; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    font_entry *e = &cache->entries[hash % FONTS_KEPT];
    if (!name || strlen(name) >= sizeof e->name)
        return ph_pdf_font_flags(name);
    if (strcmp(e->name, name) != 0) {
        snprintf(e->name, sizeof e->name, "%s", name);
        e->flags = ph_pdf_font_flags(name);
    }
    return e->flags;
}

/* Font of character i; i rises from call to call. */
static void look_up(page_chars *c, guint i)
{
    while (c->at && ((const PopplerTextAttributes *)c->at->data)->end_index < (gint)i)
        c->at = c->at->next;
    if (!c->at)
        return;
    const PopplerTextAttributes *a = c->at->data;
    if ((gint)i != a->start_index)
        return;
    c->flags = flags_of(c->fonts, a->font_name);
    c->size = (float)a->font_size;
}

/* How the text, which may hold marks of direction that have no box, and the boxes fit. */
static bool marks_have_boxes(const page_chars *c)
{
    size_t n = strlen(c->text), len, chars = 0;
    for (size_t i = 0; i < n; i += len) {
        ph_utf8_decode((const uint8_t *)c->text + i, n - i, &len);
        chars++;
    }
    return chars == c->n_boxes;
}

static void end_word(page_words *p, ph_doc_word **word, const page_chars *c, guint first,
                     guint last, uint8_t flags)
{
    if (*word) {
        (*word)->flags |= flags;
        (*word)->turn = turn_of(&c->boxes[first], &c->boxes[last]);
        (*word)->bytes = (uint32_t)(p->text.len - (*word)->start);
    }
    *word = NULL;
}

static phial_status cut_words(page_words *p, page_chars *c, phial_error *err)
{
    size_t n = strlen(c->text), len;
    bool boxed_marks = marks_have_boxes(c);
    ph_doc_word *word = NULL;
    guint box = 0, first = 0;
    for (size_t i = 0; i < n && box < c->n_boxes; i += len) {
        uint32_t cp = ph_utf8_decode((const uint8_t *)c->text + i, n - i, &len);
        if (is_direction_mark(cp)) {
            box += boxed_marks;
            continue;
        }
        look_up(c, box);
        if (cp == ' ' || cp == '\n') {
            if (!word && p->n > 0 && cp == '\n')
                p->words[p->n - 1].flags |= PH_WORD_LINE;
            end_word(p, &word, c, first, box ? box - 1 : 0,
                     cp == ' ' ? PH_WORD_SPACE : PH_WORD_LINE);
            box++;
            continue;
        }
        if (word && (fabsf(word->size - c->size) > 0.05f || word->flags != c->flags ||
                     p->text.len - word->start > WORD_BYTES))
            end_word(p, &word, c, first, box - 1, 0);
        if (word && apart(&c->boxes[box - 1], &c->boxes[box], c->size))
            end_word(p, &word, c, first, box - 1, PH_WORD_LINE);
        if (!word) {
            word = new_word(p, err);
            if (!word)
                return p->full ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
            word->flags = c->flags;
            word->size = c->size;
            first = box;
        }
        add_box(word, &c->boxes[box], box == first);
        ph_buf_add(&p->text, c->text + i, len);
        box++;
    }
    end_word(p, &word, c, first, box ? box - 1 : 0, PH_WORD_LINE);
    return ph_buf_status(&p->text, err);
}

/* The words of a selection. *text: what poppler takes for their text, owned; may be NULL. */
static phial_status read_selection(page_words *p, PopplerPage *page, PopplerRectangle *area,
                                   char **text, phial_error *err)
{
    page_chars c = {.fonts = &p->fonts};
    phial_status status = PHIAL_OK;
    *text = c.text = poppler_page_get_selected_text(page, POPPLER_SELECTION_GLYPH, area);
    if (c.text && c.text[0] &&
        poppler_page_get_text_layout_for_area(page, area, &c.boxes, &c.n_boxes) && c.n_boxes > 0) {
        c.attributes = poppler_page_get_text_attributes_for_area(page, area);
        c.at = c.attributes;
        status = cut_words(p, &c, err);
    }
    poppler_page_free_text_attributes(c.attributes);
    g_free(c.boxes);
    return status;
}

/* What a word is and where it stands. */
static uint64_t key_of(const page_words *p, const ph_doc_word *w)
{
    const float box[] = {w->x0, w->y0, w->x1, w->y1};
    return ph_hash64(p->text.data + w->start, w->bytes, ph_hash64(box, sizeof box, 0));
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Takes out of the words from n_first on those that are among the words before. */
static phial_status drop_known(page_words *p, size_t n_first, phial_error *err)
{
    size_t kept = n_first;
    uint64_t *keys = ph_alloc(n_first, sizeof *keys, err);
    if (!keys)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n_first; i++)
        keys[i] = key_of(p, &p->words[i]);
    qsort(keys, n_first, sizeof *keys, by_key);
    for (size_t i = n_first; i < p->n; i++) {
        uint64_t key = key_of(p, &p->words[i]);
        if (!bsearch(&key, keys, n_first, sizeof *keys, by_key))
            p->words[kept++] = p->words[i];
    }
    p->n = kept;
    ph_free(keys);
    return PHIAL_OK;
}

/* True if a word stands in the middle of the box. */
static bool is_taken(const page_words *p, const PopplerRectangle *r, double height)
{
    double x = (r->x1 + r->x2) / 2, y = height - (r->y1 + r->y2) / 2;
    for (size_t i = 0; i < p->n; i++) {
        const ph_doc_word *w = &p->words[i];
        if (x >= w->x0 && x <= w->x1 && y >= w->y0 && y <= w->y1)
            return true;
    }
    return false;
}

/* The places of a word that no selection had: as large and as turned as the page's other words. */
static phial_status add_places(page_words *p, PopplerPage *page, const char *text, double height,
                               phial_error *err)
{
    phial_status status = PHIAL_OK;
    ph_str s = ph_str_from(text);
    GList *places = poppler_page_find_text_with_options(
        page, text, POPPLER_FIND_CASE_SENSITIVE | POPPLER_FIND_WHOLE_WORDS_ONLY);
    for (const GList *l = places; l && status == PHIAL_OK && !p->full; l = l->next) {
        const PopplerRectangle *r = l->data;
        if (is_taken(p, r, height))
            continue;
        ph_doc_word *w = new_word(p, err);
        if (!w) {
            status = p->full ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
            break;
        }
        PopplerRectangle box = {r->x1, height - r->y2, r->x2, height - r->y1};
        add_box(w, &box, true);
        w->size = w->y1 - w->y0;
        w->turn = TURN_UNKNOWN;
        w->flags = PH_WORD_LINE;
        ph_buf_add(&p->text, s.p, s.n);
        w->bytes = (uint32_t)s.n;
        status = ph_buf_status(&p->text, err);
    }
    g_list_free_full(places, (GDestroyNotify)poppler_rectangle_free);
    return status;
}

/* True if a selection's text has the word more often than the page's words so far. */
static bool is_missing(const page_words *p, const char *text, ph_str word)
{
    size_t n = 0, there = 0;
    for (const char *at = text; (at = strstr(at, word.p)) != NULL; at += word.n)
        there++;
    for (size_t i = 0; i < p->n; i++) {
        ph_str own = {p->text.data + p->words[i].start, p->words[i].bytes};
        n += ph_str_eq(own, word);
    }
    return n < there;
}

/* Whole lines hold words that a selection of characters leaves out, but have no boxes: those are
 * found by looking for the words. */
static phial_status read_lines(page_words *p, PopplerPage *page, PopplerRectangle *area,
                               double height, phial_error *err)
{
    enum { LINE_WORDS_MAX = 4096 };
    phial_status status = PHIAL_OK;
    char *text = poppler_page_get_selected_text(page, POPPLER_SELECTION_LINE, area);
    char word[WORD_BYTES + 8];
    size_t n = text ? strlen(text) : 0, len, used = 0, looked = 0;
    for (size_t i = 0; i <= n && status == PHIAL_OK && !p->full; i += len) {
        uint32_t cp = i < n ? ph_utf8_decode((const uint8_t *)text + i, n - i, &len) : '\n';
        if (i == n)
            len = 1;
        if (cp != ' ' && cp != '\n' && !is_direction_mark(cp)) {
            if (used + len < sizeof word) {
                memcpy(word + used, text + i, len);
                used += len;
            }
            continue;
        }
        word[used] = '\0';
        if (used > 0 && looked++ < LINE_WORDS_MAX && g_utf8_validate(word, -1, NULL) &&
            is_missing(p, text, (ph_str){word, used}))
            status = add_places(p, page, word, height, err);
        used = 0;
    }
    g_free(text);
    return status;
}

/* Poppler (22.12) selects from a first to a last place in reading order. On turned pages and with
 * scripts that run from right to left it may take them the wrong way round, and words are left out:
 * such a page is read once more from its right side to its left, and then by whole lines. */
static phial_status read_text(page_words *p, PopplerPage *page, double width, double height,
                              phial_error *err)
{
    PopplerRectangle forth = {0, 0, width, height}, back = {width, 0, 0, height};
    char *text = NULL, *again = NULL;
    phial_status status = read_selection(p, page, &forth, &text, err);
    size_t n_first = p->n;
    bool left_to_right = text && text[0] && !strstr(text, RIGHT_TO_LEFT);
    if (status == PHIAL_OK && !left_to_right && !p->full) {
        status = read_selection(p, page, &back, &again, err);
        if (status == PHIAL_OK)
            status = drop_known(p, n_first, err);
        if (status == PHIAL_OK && !p->full)
            status = read_lines(p, page, &forth, height, err);
    }
    g_free(text);
    g_free(again);
    return status;
}

/* --- fields of forms --- */

static char *field_value(PopplerFormField *field)
{
    switch (poppler_form_field_get_field_type(field)) {
    case POPPLER_FORM_FIELD_TEXT:
        return poppler_form_field_text_get_text_type(field) == POPPLER_FORM_TEXT_FILE_SELECT
                   ? NULL
                   : poppler_form_field_text_get_text(field);
    case POPPLER_FORM_FIELD_CHOICE:
        return poppler_form_field_choice_get_text(field);
    default:
        return NULL;
    }
}

/* Words of a value in rows of the field's box, each as wide as its share of the characters. */
static phial_status add_value(page_words *p, const char *value, const PopplerRectangle *area,
                              double height, phial_error *err)
{
    size_t n = strlen(value), rows = 1, row = 0;
    for (size_t i = 0; i < n; i++)
        rows += value[i] == '\n';
    float x0 = (float)fmin(area->x1, area->x2), x1 = (float)fmax(area->x1, area->x2);
    float y0 = (float)(height - fmax(area->y1, area->y2));
    float tall = (float)fabs(area->y2 - area->y1) / (float)rows;
    size_t end = strcspn(value, "\n"); /* of the row */
    for (size_t i = 0, from = 0, line = 0; i <= n; i++) {
        bool blank = i == n || strchr(" \t\r\n", value[i]);
        if (blank && i > from) {
            ph_doc_word *w = new_word(p, err);
            if (!w)
                return p->full ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
            float step = (x1 - x0) / (float)(end - line + 1);
            w->size = fminf(0.8f * tall, 12);
            w->x0 = x0 + step * (float)(from - line);
            w->x1 = x0 + step * (float)(i - line);
            w->y0 = y0 + tall * (float)row;
            w->y1 = w->y0 + fminf(tall, 1.2f * w->size);
            w->flags = i < n && value[i] == ' ' ? PH_WORD_SPACE : PH_WORD_LINE;
            ph_buf_add(&p->text, value + from, i - from);
            w->bytes = (uint32_t)(p->text.len - w->start);
        }
        if (blank)
            from = i + 1;
        if (i < n && value[i] == '\n') {
            row++;
            line = i + 1;
            end = line + strcspn(value + line, "\n");
        }
    }
    return ph_buf_status(&p->text, err);
}

static phial_status read_fields(page_words *p, PopplerPage *page, double height, phial_error *err)
{
    phial_status status = PHIAL_OK;
    GList *fields = poppler_page_get_form_field_mapping(page);
    for (const GList *f = fields; f && status == PHIAL_OK && !p->full; f = f->next) {
        const PopplerFormFieldMapping *m = f->data;
        char *value = field_value(m->field);
        if (value && value[0] && g_utf8_validate(value, -1, NULL))
            status = add_value(p, value, &m->area, height, err);
        g_free(value);
    }
    poppler_page_free_form_field_mapping(fields);
    return status;
}

/* --- the document --- */

static phial_status send_page(ph_helper *helper, PopplerPage *page, uint32_t number, page_words *p,
                              phial_error *err)
{
    double width = 0, height = 0;
    p->n = 0;
    p->full = false;
    ph_buf_clear(&p->text);
    poppler_page_get_size(page, &width, &height);
    phial_status status = read_text(p, page, width, height, err);
    if (status == PHIAL_OK)
        settle_turns(p);
    if (status == PHIAL_OK)
        status = read_fields(p, page, height, err);
    if (status != PHIAL_OK)
        return status;
    char *label = poppler_page_get_label(page);
    const ph_doc_words words = {.number = number,
                                .width = (float)width,
                                .height = (float)height,
                                .label = ph_str_from(label ? label : ""),
                                .text = {p->text.data ? p->text.data : "", p->text.len},
                                .words = p->words,
                                .n_words = p->n};
    status = ph_doc_write_words(&helper->out, &words, err);
    g_free(label);
    return status;
}

static phial_status note(ph_helper *helper, uint32_t page, const char *what, phial_error *err)
{
    char sentence[128];
    snprintf(sentence, sizeof sentence, "page %u %s", page, what);
    return ph_doc_write_note(&helper->out, ph_str_from(sentence), err);
}

static phial_status send_pages(ph_helper *helper, PopplerDocument *doc, phial_error *err)
{
    phial_status status = PHIAL_OK;
    page_words p = {0};
    int n = poppler_document_get_n_pages(doc);
    uint32_t n_pages = n > 0 ? (uint32_t)n : 0;
    if (n_pages == 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a PDF without pages");
    for (uint32_t i = 0; i < n_pages && status == PHIAL_OK; i++) {
        PopplerPage *page = poppler_document_get_page(doc, (int)i);
        if (!page) {
            const ph_doc_words empty = {.number = i + 1};
            status = note(helper, i + 1, "cannot be read", err);
            if (status == PHIAL_OK)
                status = ph_doc_write_words(&helper->out, &empty, err);
            continue;
        }
        status = send_page(helper, page, i + 1, &p, err);
        if (status == PHIAL_OK && p.full)
            status = note(helper, i + 1, "has too many words; some are left out", err);
        g_object_unref(page);
    }
    ph_free(p.words);
    ph_buf_free(&p.text);
    return status;
}

static phial_status send_info(ph_helper *helper, PopplerDocument *doc, phial_error *err)
{
    char *title = poppler_document_get_title(doc), *author = poppler_document_get_author(doc);
    char *version = poppler_document_get_pdf_version_string(doc);
    phial_status status = PHIAL_OK;
    const char *const infos[][2] = {{"title", title}, {"author", author}, {"version", version}};
    for (size_t i = 0; i < sizeof infos / sizeof infos[0] && status == PHIAL_OK; i++) {
        if (infos[i][1] && infos[i][1][0])
            status = ph_doc_write_info(&helper->out, infos[i][0], ph_str_from(infos[i][1]), err);
    }
    g_free(title);
    g_free(author);
    g_free(version);
    return status;
}

/* From a mapping where that can be had: poppler reads files in pieces of 256 bytes, each a system
 * call. Not with a password: when it does not fit, poppler (22.12) tries another encoding of it on
 * a stream that it has freed. */
static PopplerDocument *try_open(const ph_helper *helper, const char *password, GError **why)
{
    GMappedFile *map = password ? NULL : g_mapped_file_new_from_fd(helper->doc, FALSE, NULL);
    if (!map) {
        int fd = dup(helper->doc); /* poppler closes it */
        return fd < 0 ? NULL : poppler_document_new_from_fd(fd, password, why);
    }
    GBytes *bytes = g_mapped_file_get_bytes(map);
    PopplerDocument *doc = poppler_document_new_from_bytes(bytes, password, why);
    g_bytes_unref(bytes);
    g_mapped_file_unref(map);
    return doc;
}

/* Without a password, then with each of those given. */
static phial_status open_document(PopplerDocument **out, const ph_helper *helper, phial_error *err)
{
    bool locked = false;
    phial_status status = PHIAL_OK;
    *out = NULL;
    for (size_t i = 0; i <= helper->n_passwords && !*out && status == PHIAL_OK; i++) {
        GError *why = NULL;
        *out = try_open(helper, i ? helper->passwords[i - 1] : NULL, &why);
        if (*out)
            break;
        /* Behind the first try, whatever is wrong with it comes of the password. */
        locked = locked || (why && g_error_matches(why, POPPLER_ERROR, POPPLER_ERROR_ENCRYPTED));
        if (!locked)
            status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a damaged PDF (%s)",
                                why ? why->message : "it cannot be opened");
        g_clear_error(&why);
    }
    if (!*out && locked && status == PHIAL_OK)
        status = helper->n_passwords
                     ? ph_err_set(err, PHIAL_ERR_LOCKED,
                                  "needs a password, and none of the %zu given fits",
                                  helper->n_passwords)
                     : ph_err_set(err, PHIAL_ERR_LOCKED, "needs a password");
    return status;
}

static phial_status run(ph_helper *helper, phial_error *err)
{
    PopplerDocument *doc;
    phial_status status = open_document(&doc, helper, err);
    if (status != PHIAL_OK)
        return status;
    status = send_info(helper, doc, err);
    return status == PHIAL_OK ? send_pages(helper, doc, err) : status;
}

int main(int argc, char **argv)
{
    static const char *const view[] = {"/usr/share/poppler", NULL};
    static const ph_helper_program program = {.name = "phial-pdf", .read_paths = view, .run = run};
    ph_helper_main(argc, argv, &program);
}
