/* Contract: layout.h. The steps are in layout_parts.h; here are the window of pages, what is known
 * of the whole document, and the way of one page through the steps. */
#include "rag/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rag/layout_parts.h"

#define SCREENPLAY_SCENES 2    /* headings of scenes that make a document a screenplay */
#define MONO_BODY         0.6f /* more of the text in fixed pitch: it is no sign of code */

phial_status ph_layout_new(ph_layout **out, ph_layout_page_fn emit, void *user, phial_error *err)
{
    *out = NULL;
    ph_layout *layout = ph_alloc(1, sizeof *layout, err);
    if (!layout)
        return PHIAL_ERR_NO_MEMORY;
    layout->emit = emit;
    layout->user = user;
    layout->action_x = -1;
    layout->pages = ph_alloc(PH_LAYOUT_WINDOW, sizeof *layout->pages, err);
    layout->work = ph_alloc(1, sizeof *layout->work, err);
    if (!layout->pages || !layout->work) {
        ph_layout_free(layout);
        return PHIAL_ERR_NO_MEMORY;
    }
    layout->work->layout = layout;
    *out = layout;
    return PHIAL_OK;
}

void ph_layout_free(ph_layout *layout)
{
    if (!layout)
        return;
    for (size_t i = 0; layout->pages && i < PH_LAYOUT_WINDOW; i++)
        ph_lay_page_free(&layout->pages[i]);
    ph_free(layout->pages);
    if (layout->work) {
        ph_free(layout->work->order);
        ph_free(layout->work->spare);
        ph_free(layout->work->lines);
        ph_free(layout->work->regions);
        ph_free(layout->work->emitted);
        ph_buf_free(&layout->work->out);
    }
    ph_free(layout->work);
    ph_free(layout->vocab.slots);
    ph_free(layout->margin_texts.slots);
    ph_free(layout->margin_places.slots);
    ph_free(layout);
}

/* --- the document --- */

static void decide_body(ph_layout *layout)
{
    size_t best = 0;
    for (size_t i = 1; i < PH_LAY_SIZES; i++) {
        if (layout->size_chars[i] > layout->size_chars[best])
            best = i;
    }
    layout->body_size = (float)best / 4 + 0.125f;
    layout->mono_body = (double)layout->n_mono_chars > MONO_BODY * (double)layout->n_chars;
    layout->screenplay = layout->n_scenes >= SCREENPLAY_SCENES &&
                         (layout->mono_body || layout->n_scenes * 2 >= layout->n_pages_seen);
}

/* Levels by size; of the same size, bold ones first. */
static unsigned level_of(const ph_layout *layout, unsigned look)
{
    const ph_lay_look *own = &layout->looks[look];
    unsigned level = 1;
    for (size_t i = 0; i < layout->n_looks; i++) {
        const ph_lay_look *other = &layout->looks[i];
        bool same = fabsf(other->size - own->size) <= 0.04f * own->size;
        if (i != look && (same ? other->bold && !own->bold : other->size > own->size))
            level++;
    }
    return level > 6 ? 6 : level;
}

/* --- a page --- */

static phial_status make_room(ph_lay_work *w, ph_lay_page *page, phial_error *err)
{
    w->page = page;
    w->n_lines = w->n_regions = 0;
    if (page->n_words > w->cap_order) {
        ph_free(w->order);
        ph_free(w->spare);
        w->cap_order = 0;
        w->order = ph_alloc(page->n_words, sizeof *w->order, err);
        w->spare = ph_alloc(page->n_words, sizeof *w->spare, err);
        if (!w->order || !w->spare)
            return PHIAL_ERR_NO_MEMORY;
        w->cap_order = page->n_words;
    }
    return PHIAL_OK;
}

/* Running heads (or feet): each of their lines is a block. */
static phial_status write_furniture(ph_lay_work *w, bool bottom, size_t *at, phial_error *err)
{
    const ph_lay_page *page = w->page;
    phial_status status = PHIAL_OK;
    size_t first = *at, from = w->n_lines;
    for (size_t i = 0; i < page->n_words; i++) {
        unsigned margin = page->words[i].margin;
        if (margin && page->margins[margin - 1].marked &&
            page->margins[margin - 1].bottom == bottom)
            w->order[(*at)++] = (uint32_t)i;
    }
    status = ph_lay_lines(w, first, *at - first, err);
    w->region++;
    for (size_t i = from; i < w->n_lines && status == PHIAL_OK; i++)
        status = ph_lay_write(w, i, 1, PH_LAY_ROW, (ph_lay_block){.kind = PH_BLOCK_FURNITURE}, err);
    return status;
}

static phial_status write_frame(ph_lay_work *w, unsigned frame, size_t *at, phial_error *err)
{
    const ph_lay_page *page = w->page;
    size_t first = *at;
    w->n_regions = 0;
    for (size_t i = 0; i < page->n_words; i++) {
        unsigned margin = page->words[i].margin;
        if (page->words[i].frame == frame && !(margin && page->margins[margin - 1].marked))
            w->order[(*at)++] = (uint32_t)i;
    }
    phial_status status = ph_lay_columns(w, first, *at - first, err);
    for (size_t i = 0; i < w->n_regions && status == PHIAL_OK; i++) {
        size_t from = w->n_lines;
        w->region++;
        status = ph_lay_lines(w, w->regions[i].first, w->regions[i].n, err);
        if (status != PHIAL_OK)
            break;
        status = w->layout->screenplay ? ph_lay_script_blocks(w, from, w->n_lines - from, err)
                                       : ph_lay_blocks(w, from, w->n_lines - from, err);
    }
    return status;
}

static phial_status lay_out(ph_layout *layout, ph_lay_page *page, phial_error *err)
{
    ph_lay_work *w = layout->work;
    size_t at = 0;
    phial_status status = make_room(w, page, err);
    ph_buf_clear(&w->out);
    w->region = w->tail = w->tail_region = 0;
    if (status == PHIAL_OK)
        status = write_furniture(w, false, &at, err);
    for (unsigned frame = 0; frame < PH_LAY_FRAMES && status == PHIAL_OK; frame++)
        status = write_frame(w, frame, &at, err);
    if (status == PHIAL_OK)
        status = write_furniture(w, true, &at, err);
    if (status == PHIAL_OK && w->out.len >= PH_DOC_PAGE_LIMIT)
        status = ph_err_set(err, PHIAL_ERR_LIMIT, "more than %u bytes of text", PH_DOC_PAGE_LIMIT);
    if (status != PHIAL_OK)
        return ph_err_context(err, status, "page %u", page->number);
    if (page->n_blocks > 0) {
        ph_buf_add_byte(&w->out, '\n');
        page->blocks[page->n_blocks - 1].end = w->out.len;
    }
    /* The words' text is not needed any more. */
    ph_buf_clear(&page->text);
    ph_buf_add(&page->text, w->out.data, w->out.len);
    ph_free(page->words);
    page->words = NULL;
    page->n_words = 0;
    status = ph_buf_status(&w->out, err);
    return status == PHIAL_OK ? ph_buf_status(&page->text, err) : status;
}

static phial_status emit_page(ph_layout *layout, ph_lay_page *page, phial_error *err)
{
    ph_lay_work *w = layout->work;
    phial_status status =
        ph_lay_grow(&w->emitted, &w->cap_emitted, page->n_blocks, sizeof *w->emitted, err);
    if (status != PHIAL_OK)
        return status;
    for (size_t i = 0; i < page->n_blocks; i++) {
        const ph_lay_block *b = &page->blocks[i];
        bool heading = b->kind == PH_BLOCK_HEADING;
        unsigned level = heading ? level_of(layout, b->look) : b->level;
        w->emitted[i] = (ph_doc_block){b->start, b->end, b->kind, (uint8_t)level};
    }
    ph_doc_page out = {.number = page->number,
                       .label = {page->label.data, page->label.len},
                       .text = {page->text.data ? page->text.data : "", page->text.len},
                       .blocks = w->emitted,
                       .n_blocks = page->n_blocks};
    return layout->emit(layout->user, &out, err);
}

static phial_status flush(ph_layout *layout, phial_error *err)
{
    phial_status status = PHIAL_OK;
    decide_body(layout);
    if (layout->n_pages > 0)
        status = ph_lay_mark_margins(layout, err);
    for (size_t i = 0; i < layout->n_pages && status == PHIAL_OK; i++)
        status = lay_out(layout, &layout->pages[i], err);
    for (size_t i = 0; i < layout->n_pages && status == PHIAL_OK; i++)
        status = emit_page(layout, &layout->pages[i], err);
    for (size_t i = 0; i < layout->n_pages; i++)
        ph_lay_page_clear(&layout->pages[i]);
    layout->n_pages = layout->held_bytes = 0;
    return status;
}

phial_status ph_layout_add(ph_layout *layout, const ph_doc_words *page, phial_error *err)
{
    ph_lay_page *held = &layout->pages[layout->n_pages];
    phial_status status = ph_lay_intake(layout, held, page, err);
    if (status == PHIAL_OK)
        status = make_room(layout->work, held, err);
    if (status == PHIAL_OK)
        status = ph_lay_find_margins(layout->work, err);
    if (status != PHIAL_OK)
        return ph_err_context(err, status, "page %u", page->number);
    layout->n_pages_seen++;
    layout->n_pages++;
    layout->held_bytes += held->text.len + page->n_words * sizeof *held->words;
    if (layout->n_pages == PH_LAYOUT_WINDOW || layout->held_bytes > PH_LAYOUT_WINDOW_BYTES)
        return flush(layout, err);
    return PHIAL_OK;
}

phial_status ph_layout_finish(ph_layout *layout, phial_error *err)
{
    return flush(layout, err);
}
