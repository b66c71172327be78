/* Images of the vector index: any bytes as they are; and with their checksums made right, so that
 * what lies behind them is reached. Whatever opens can be searched without a fault. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "rag/vindex_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIM_MAX   64
#define INPUT_MAX ((size_t)1 << 20)

static void mend_hash(uint8_t *at, const uint8_t *bytes, size_t n)
{
    uint64_t hash = ph_hash64(bytes, n, PH_VIMAGE_SEED);
    memcpy(at, &hash, sizeof hash);
}

/* Checksums of whatever the header says there is. */
static void mend(uint8_t *bytes, size_t size)
{
    ph_vheader h;
    char kind[17] = {0};
    memcpy(&h, bytes, sizeof h);
    memcpy(kind, h.kind, 16);
    ph_vlayout l = {.kind = ph_vindex_kind_find(kind),
                    .has_rows = h.has_rows != 0,
                    .dim = h.dim,
                    .segment_rows = h.segment_rows,
                    .n_rows = h.n_rows};
    if (l.kind != NULL && ph_vlayout_set(&l) && l.file_bytes == size) {
        for (uint64_t s = 0; s < l.n_segments; s++) {
            uint64_t at[PH_VPARTS + 1];
            ph_vlayout_parts(&l, s, at);
            for (uint64_t i = 0; i < PH_VPARTS; i++) {
                mend_hash(bytes + l.hashes_at + (s * PH_VPARTS + i) * 8, bytes + at[i],
                          (size_t)(at[i + 1] - at[i]));
            }
        }
        h.hashes_hash =
            ph_hash64(bytes + l.hashes_at, (size_t)(size - l.hashes_at), PH_VIMAGE_SEED);
        h.centre_hash = ph_hash64(bytes + PH_VIMAGE_PAGE, (size_t)(l.segments_at - PH_VIMAGE_PAGE),
                                  PH_VIMAGE_SEED);
        memcpy(bytes, &h, sizeof h);
    }
    mend_hash(bytes + PH_VIMAGE_PAGE - 8, bytes, PH_VIMAGE_PAGE - 8);
}

static phial_status fetch(void *user, const int64_t *ids, size_t n, float *rows, phial_error *err)
{
    (void)ids;
    (void)err;
    memset(rows, 0, n * *(size_t *)user * sizeof *rows);
    return PHIAL_OK;
}

static void search(const ph_vindex *index)
{
    ph_vindex_info info = ph_vindex_describe(index);
    size_t dim = info.dim;
    float query[2 * DIM_MAX], scores[2 * 5];
    int64_t ids[2 * 5];
    size_t found[2];
    ph_vsearch_options o = {.fetch = fetch, .fetch_user = &dim};
    ph_vsearcher *s = NULL;
    if (dim > DIM_MAX)
        return;
    for (size_t d = 0; d < 2 * dim; d++)
        query[d] = (float)d - 7;
    if (ph_vsearcher_new(&s, index, &o, NULL) != PHIAL_OK)
        abort();
    for (int recall = 0; recall < 2; recall++) {
        ph_vsearch v = {query, 2, 5, recall, NULL};
        if (ph_vsearcher_run(s, &v, ids, scores, found, NULL) != PHIAL_OK)
            abort();
        for (size_t i = 0; i < 2; i++) {
            if (found[i] > 5 || found[i] > info.n_rows)
                abort();
        }
    }
    ph_vsearcher_free(s);
}

static void try_bytes(const uint8_t *bytes, size_t size)
{
    char path[64];
    ph_vindex *index = NULL;
    ph_vindex_state state;
    phial_error err = {0};
    int fd = memfd_create("image", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    phial_status st = ph_vindex_open(&index, path, NULL, &state, &err);
    if ((st == PHIAL_OK) != (state == PH_VINDEX_FRESH) ||
        (st != PHIAL_OK && err.message[0] == '\0') || state == PH_VINDEX_MISSING ||
        state == PH_VINDEX_STALE || state == PH_VINDEX_UNKNOWN)
        abort();
    if (st == PHIAL_OK)
        search(index);
    ph_vindex_close(index);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    try_bytes(data, size);
    if (size >= PH_VIMAGE_PAGE) {
        uint8_t *copy = malloc(size);
        if (copy == NULL)
            return 0;
        memcpy(copy, data, size);
        mend(copy, size);
        try_bytes(copy, size);
        free(copy);
    }
    return 0;
}
