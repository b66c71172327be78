/* rag/lex_block: blocks of postings and tables of chunks, with the checksum set right so that what
 * is behind it is reached. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "rag/lex_block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_block(ph_str bytes)
{
    ph_lex_reader r;
    ph_lex_entry e;
    bool more = true;
    if (ph_lex_reader_init(&r, bytes, NULL) != PHIAL_OK)
        abort();
    while (ph_lex_reader_next(&r, &e, &more, NULL) == PHIAL_OK && more) {
        ph_lex_cursor c;
        ph_lex_posting p;
        uint64_t n = 0;
        uint32_t last = 0;
        ph_lex_cursor_init(&c, &e, 1000);
        while (ph_lex_cursor_next(&c, &p) > 0) {
            if (p.chunk >= 1000 || (n > 0 && p.chunk <= last) || p.body + p.head == 0)
                abort();
            last = p.chunk;
            n++;
        }
        if (n > e.n_postings || e.term.n > PH_LEX_TERM_MAX)
            abort();
    }
}

static void read_chunks(ph_str bytes)
{
    ph_lex_chunk *list;
    uint32_t n;
    if (ph_lex_chunks_read(&list, &n, bytes, NULL) != PHIAL_OK)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].id < 1 || (i > 0 && list[i].id <= list[i - 1].id))
            abort();
    }
    ph_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = ph_alloc(size + 8, 1, NULL);
    uint64_t hash = ph_hash64(data, size, 0);
    if (!copy)
        return 0;
    for (int i = 0; i < 8; i++)
        copy[i] = (uint8_t)(hash >> (8 * i));
    if (size > 0)
        memcpy(copy + 8, data, size);
    read_block((ph_str){(const char *)copy, size + 8});
    read_chunks((ph_str){(const char *)copy, size + 8});
    ph_free(copy);
    return 0;
}
