/* fmt/doc_stream: the reader, with pages of blocks and of words, in pieces of the size that the
 * first byte says. */
#include <stdlib.h>

#include "base/utf8.h"
#include "fmt/doc_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static phial_status on_info(void *user, ph_str key, ph_str value, phial_error *err)
{
    (void)user;
    (void)err;
    if (key.p[key.n] != '\0' || !ph_utf8_valid((const uint8_t *)value.p, value.n))
        abort();
    return PHIAL_OK;
}

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    uint32_t *last = user;
    size_t at = 0;
    (void)err;
    for (size_t i = 0; i < page->n_blocks; i++) {
        if (page->blocks[i].start != at || page->blocks[i].kind >= PH_BLOCK_N)
            abort();
        at = page->blocks[i].end;
    }
    if (at != page->text.n || page->number <= *last ||
        !ph_utf8_valid((const uint8_t *)page->text.p, page->text.n))
        abort();
    *last = page->number;
    return PHIAL_OK;
}

static phial_status on_words(void *user, const ph_doc_words *page, phial_error *err)
{
    uint32_t *last = user;
    (void)err;
    for (size_t i = 0; i < page->n_words; i++) {
        const ph_doc_word *w = &page->words[i];
        if (!(w->x0 <= w->x1 && w->y0 <= w->y1 && w->size >= 0) || w->turn > 3 ||
            w->start + (size_t)w->bytes > page->text.n)
            abort();
    }
    if (page->number <= *last)
        abort();
    *last = page->number;
    return PHIAL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t last = 0;
    const ph_doc_events events = {&last, on_info, NULL, on_page, on_words};
    ph_doc_reader *r = NULL;
    phial_error err = {0};
    if (size == 0 || ph_doc_reader_new(&r, &events, 1 << 20, 0, &err) != PHIAL_OK)
        return 0;
    size_t piece = data[0] ? data[0] : size;
    phial_status status = PHIAL_OK;
    for (size_t at = 1; at < size && status == PHIAL_OK; at += piece)
        status = ph_doc_reader_feed(r, data + at, size - at < piece ? size - at : piece, &err);
    if (status != PHIAL_OK && err.message[0] == '\0')
        abort();
    ph_doc_reader_free(r);
    return 0;
}
