/* rag/layout: any words make pages whose blocks cover valid text. The input is a list of words:
 * where (two u16), how large (three u8), flags, turn, length of the text (u8 each), text; a length
 * of 255 begins another page instead. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "rag/layout.h"

enum { HEAD = 10, WORDS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    uint32_t *number = user;
    size_t at = 0;
    (void)err;
    if (page->number != ++*number || !ph_utf8_valid((const uint8_t *)page->text.p, page->text.n))
        abort();
    for (size_t i = 0; i < page->n_blocks; i++) {
        const ph_doc_block *b = &page->blocks[i];
        if (b->start != at || b->end <= b->start || b->kind >= PH_BLOCK_N || b->level > 6)
            abort();
        at = b->end;
    }
    if (at != page->text.n)
        abort();
    return PHIAL_OK;
}

static float number(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return (float)v / 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_doc_word *words = malloc(WORDS_MAX * sizeof *words);
    ph_layout *layout = NULL;
    uint32_t seen = 0, page = 1;
    size_t n = 0, at = 0;
    if (!words || ph_layout_new(&layout, on_page, &seen, NULL) != PHIAL_OK)
        abort();
    while (at <= size) {
        const uint8_t *p = data + at;
        bool more = size - at >= HEAD;
        uint8_t len = more ? p[9] : 255;
        if (len == 255 || n == WORDS_MAX) {
            const ph_doc_words words_page = {.number = page++,
                                             .width = 600,
                                             .height = 800,
                                             .text = {(const char *)data, size},
                                             .words = words,
                                             .n_words = n};
            if (ph_layout_add(layout, &words_page, NULL) != PHIAL_OK)
                abort();
            n = 0;
            at += HEAD;
            if (!more)
                break;
            continue;
        }
        at += HEAD;
        size_t take = size - at < len ? size - at : len;
        float x = number(p), y = number(p + 2);
        words[n++] = (ph_doc_word){.x0 = x,
                                   .y0 = y,
                                   .x1 = x + p[4],
                                   .y1 = y + (float)p[5] / 4,
                                   .size = (float)p[6] / 4,
                                   .flags = p[7],
                                   .turn = p[8],
                                   .start = (uint32_t)at,
                                   .bytes = (uint32_t)take};
        at += take;
    }
    if (ph_layout_finish(layout, NULL) != PHIAL_OK || seen + 1 != page)
        abort();
    ph_layout_free(layout);
    free(words);
    return 0;
}
