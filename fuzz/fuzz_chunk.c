/* The chunker on any bytes, with blocks cut by the bytes themselves: chunks cover the page in
 * order, within the limit, and on boundaries of characters if the text has any.
 *
 * The first byte gives the size of a chunk, the second the overlap; 0xFE ends a block and 0xFF
 * begins one of the kind that the next byte tells, both are left out of the text.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "rag/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOCKS_MAX 1000

typedef struct seen {
    const ph_doc_page *page;
    uint32_t n_tokens;
    size_t start, done, n;
    bool utf8;
} seen;

static bool on_character(ph_str text, size_t at)
{
    return at == text.n || ((uint8_t)text.p[at] & 0xC0) != 0x80;
}

static phial_status take(void *user, const ph_chunk *c, phial_error *err)
{
    seen *s = user;
    (void)err;
    if (c->start > s->done || c->end <= s->done || c->end > s->page->text.n ||
        (s->n > 0 && c->start <= s->start) || c->n_tokens > s->n_tokens)
        abort();
    if (s->utf8 && (!on_character(s->page->text, c->start) || !on_character(s->page->text, c->end)))
        abort();
    if (!ph_utf8_valid((const uint8_t *)c->context.p, c->context.n) && s->utf8)
        abort();
    s->start = c->start;
    s->done = c->end;
    s->n++;
    return PHIAL_OK;
}

/* Text and blocks from the input. */
static size_t make_blocks(ph_doc_block *blocks, char *text, size_t *n_text, const uint8_t *data,
                          size_t size)
{
    size_t n = 1;
    blocks[0] = (ph_doc_block){0};
    *n_text = 0;
    for (size_t i = 0; i < size; i++) {
        if (data[i] < 0xFE) {
            text[(*n_text)++] = (char)data[i];
            continue;
        }
        uint8_t kind = 0;
        if (data[i] == 0xFF && i + 1 < size)
            kind = data[++i];
        if (n == BLOCKS_MAX)
            continue;
        blocks[n - 1].end = *n_text;
        blocks[n++] = (ph_doc_block){*n_text, *n_text, kind % PH_BLOCK_N, kind / PH_BLOCK_N % 8};
    }
    blocks[n - 1].end = *n_text;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ph_doc_block blocks[BLOCKS_MAX];
    if (size < 2 || size > (1u << 20))
        return 0;
    ph_chunk_options o = {.n_tokens = 8u + data[0], .n_overlap = data[1] % (5u + data[0] / 2)};
    ph_chunker *c = NULL;
    phial_error err = {0};
    char *text = malloc(size);
    ph_doc_page page = {.number = 1, .blocks = blocks};
    if (!text || ph_chunker_new(&c, &o, &err) != PHIAL_OK)
        abort();
    page.n_blocks = make_blocks(blocks, text, &page.text.n, data + 2, size - 2);
    page.text.p = text;
    seen s = {.page = &page,
              .n_tokens = o.n_tokens,
              .utf8 = ph_utf8_valid((const uint8_t *)text, page.text.n)};
    phial_status st = ph_chunker_page(c, &page, take, &s, &err);
    if (st == PHIAL_OK ? s.done != page.text.n : st != PHIAL_ERR_ARGUMENT)
        abort();
    ph_chunker_free(c);
    free(text);
    return 0;
}
