/* Contract in extract_pages.h. */
#include "rag/extract_pages.h"

#include <string.h>

#define EMPTY_BYTES 512 /* of the list of pages without text; the rest is counted */

static phial_status told(ph_extract_pages *p, phial_status status)
{
    p->sink_failed = p->sink_failed || status != PHIAL_OK;
    return status;
}

static phial_status on_info(void *user, ph_str key, ph_str value, phial_error *err)
{
    ph_extract_pages *p = user;
    /* Keys are valid UTF-8 without NUL, and a NUL follows them in the record. */
    return p->sink.info ? told(p, p->sink.info(p->sink.user, key.p, value, err)) : PHIAL_OK;
}

static phial_status on_note(void *user, ph_str sentence, phial_error *err)
{
    ph_extract_pages *p = user;
    return p->sink.note ? told(p, p->sink.note(p->sink.user, sentence, err)) : PHIAL_OK;
}

static bool has_text(ph_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > ' ')
            return true;
    }
    return false;
}

/* Closes the open run of pages without text. */
static void end_run(ph_extract_pages *p)
{
    if (p->empty_first && p->empty.len < EMPTY_BYTES) {
        ph_buf_addf(&p->empty, "%s%u", p->empty.len ? ", " : "", p->empty_first);
        if (p->empty_last > p->empty_first)
            ph_buf_addf(&p->empty, "-%u", p->empty_last);
        if (p->empty.len >= EMPTY_BYTES)
            ph_buf_add_str(&p->empty, ", ...");
    }
    p->empty_first = 0;
}

static void note_empty(ph_extract_pages *p, uint32_t number)
{
    if (!p->empty_first)
        p->empty_first = number;
    p->empty_last = number;
}

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    ph_extract_pages *p = user;
    bool text = has_text(page->text);
    p->any_text = p->any_text || text;
    p->n_pages++;
    if (p->layout && !text)
        note_empty(p, page->number);
    else
        end_run(p);
    return p->sink.page ? told(p, p->sink.page(p->sink.user, page, err)) : PHIAL_OK;
}

static phial_status on_words(void *user, const ph_doc_words *page, phial_error *err)
{
    ph_extract_pages *p = user;
    return ph_layout_add(p->layout, page, err);
}

phial_status ph_extract_pages_begin(ph_extract_pages *pages, const ph_format *format,
                                    const ph_extract_sink *sink, phial_error *err)
{
    *pages = (ph_extract_pages){.sink = *sink, .format = format};
    ph_buf_init(&pages->empty, 0);
    if (format->pages == PH_PAGES_WORDS) {
        phial_status status = ph_layout_new(&pages->layout, on_page, pages, err);
        if (status != PHIAL_OK)
            return status;
    }
    return on_info(pages, ph_str_from("format"), ph_str_from(format->name), err);
}

ph_doc_events ph_extract_pages_events(ph_extract_pages *pages)
{
    return (ph_doc_events){.user = pages,
                           .info = on_info,
                           .note = on_note,
                           .page = on_page,
                           .words = pages->layout ? on_words : NULL};
}

/* Which pages had none, where others had some. */
static phial_status tell_empty(ph_extract_pages *p, phial_error *err)
{
    ph_buf sentence;
    if (p->empty.len == 0)
        return ph_buf_status(&p->empty, err);
    ph_buf_init(&sentence, 0);
    bool one = memchr(p->empty.data, '-', p->empty.len) == NULL &&
               memchr(p->empty.data, ',', p->empty.len) == NULL;
    ph_buf_addf(&sentence, "no text on %s %s", one ? "page" : "pages", p->empty.data);
    phial_status status = ph_buf_status(&sentence, err);
    if (status == PHIAL_OK)
        status = on_note(p, (ph_str){sentence.data, sentence.len}, err);
    ph_buf_free(&sentence);
    return status;
}

phial_status ph_extract_pages_end(ph_extract_pages *pages, phial_error *err)
{
    phial_status status = pages->layout ? ph_layout_finish(pages->layout, err) : PHIAL_OK;
    if (status != PHIAL_OK)
        return status;
    end_run(pages);
    if (!pages->any_text && pages->layout && pages->n_pages > 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "no text on %s (scanned? text recognition is needed first)",
                          pages->n_pages == 1 ? "its only page" : "any of its pages");
    if (!pages->any_text)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "there is no text in it");
    return tell_empty(pages, err);
}

void ph_extract_pages_free(ph_extract_pages *pages)
{
    ph_layout_free(pages->layout);
    pages->layout = NULL;
    ph_buf_free(&pages->empty);
}
