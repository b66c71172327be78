/* Contract in extract_pages.h. */
#include "rag/extract_pages.h"

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

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    ph_extract_pages *p = user;
    p->any_text = p->any_text || has_text(page->text);
    return p->sink.page ? told(p, p->sink.page(p->sink.user, page, err)) : PHIAL_OK;
}

phial_status ph_extract_pages_begin(ph_extract_pages *pages, const ph_format *format,
                                    const ph_extract_sink *sink, phial_error *err)
{
    *pages = (ph_extract_pages){.sink = *sink, .format = format};
    return on_info(pages, ph_str_from("format"), ph_str_from(format->name), err);
}

ph_doc_events ph_extract_pages_events(ph_extract_pages *pages)
{
    return (ph_doc_events){.user = pages, .info = on_info, .note = on_note, .page = on_page};
}

phial_status ph_extract_pages_end(ph_extract_pages *pages, phial_error *err)
{
    if (!pages->any_text)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "there is no text in it");
    return PHIAL_OK;
}

void ph_extract_pages_free(ph_extract_pages *pages)
{
    (void)pages;
}
