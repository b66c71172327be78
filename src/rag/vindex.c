/* Images: their layout, opening one, what may be asked of it. Contract: vindex.h, layout:
 * vindex_kind.h. */
#include "rag/vindex.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "rag/vindex_cells.h"

#define LARGEST_ROOT 200 /* 7.5 sqrt(512) and more */

const char ph_vimage_magic[8] = "PHVINDEX";

static const ph_vindex_kind *const kinds[] = {
#define PH_VINDEX(name) &ph_vindex_kind_##name,
#include "rag/vindex.def"
#undef PH_VINDEX
};

#define N_KINDS (sizeof kinds / sizeof kinds[0])

const char *ph_vindex_kind_name(size_t i)
{
    return i < N_KINDS ? kinds[i]->name : NULL;
}

const char *ph_vindex_kind_about(size_t i)
{
    return i < N_KINDS ? kinds[i]->about : NULL;
}

const ph_vindex_kind *ph_vindex_kind_find(const char *name)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

const char *ph_vindex_metric_name(ph_vindex_metric metric)
{
    static const char *const names[] = {"l2", "ip", "cosine"};
    return (unsigned)metric < PH_VINDEX_N_METRICS ? names[metric] : "unknown";
}

void ph_vindex_scan_coded(ph_vscan_fn fn, const ph_vquery *queries, size_t n, const ph_vstretch *s)
{
    for (size_t j = 0; j < n; j += PH_VSCAN_TOGETHER) {
        size_t some = n - j < PH_VSCAN_TOGETHER ? n - j : PH_VSCAN_TOGETHER;
        ph_vscan_query q[PH_VSCAN_TOGETHER];
        for (size_t i = 0; i < some; i++) {
            q[i] = queries[j + i].scan;
            q[i].score += s->before * PH_VSCAN_ROWS;
            q[i].best += s->before;
        }
        fn(q, some, s->scan, s->n_blocks, s->p);
    }
}

/* --- layout --- */

static uint64_t align64(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static void part_sizes(const ph_vlayout *l, uint64_t n, uint64_t bytes[PH_VPARTS])
{
    uint64_t blocks = l->kind->arrange != NULL ? ph_vcell_scan_blocks((size_t)n)
                                               : (n + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
    bytes[PH_VPART_IDS] = align64(n * sizeof(int64_t), 64);
    bytes[PH_VPART_ROWS] = l->has_rows ? align64(n * l->dim * sizeof(float), 64) : 0;
    bytes[PH_VPART_SCAN] = align64(blocks * l->kind->block_bytes(l->p), 64);
    bytes[PH_VPART_SIFT] =
        l->kind->sift_bytes != NULL ? align64(blocks * l->kind->sift_bytes(l->p), 64) : 0;
    bytes[PH_VPART_CODES] = l->kind->coded ? align64(n * ph_vcode_row_bytes(l->p), 64) : 0;
    bytes[PH_VPART_CELLS] =
        l->kind->arrange != NULL ? align64(ph_vcell_part_bytes((size_t)n, l->p), 64) : 0;
}

/* With dim at most 2^16 and 2^31 rows a file has less than 2^51 bytes: nothing overflows. */
bool ph_vlayout_set(ph_vlayout *l)
{
    if (l->dim == 0 || l->dim > ph_vindex_kind_dims(l->kind) || l->n_rows > PH_VINDEX_MAX_ROWS ||
        l->segment_rows < 256 || (l->segment_rows & (l->segment_rows - 1)) != 0) {
        return false;
    }
    l->p = (uint32_t)ph_vspace_padded(l->dim);
    l->n_segments = (l->n_rows + l->segment_rows - 1) / l->segment_rows;
    part_sizes(l, l->segment_rows, l->part_bytes);
    l->segment_bytes = 0;
    for (int i = 0; i < PH_VPARTS; i++) {
        l->segment_bytes += l->part_bytes[i];
    }
    l->segment_bytes = align64(l->segment_bytes, PH_VIMAGE_PAGE);
    l->segments_at = PH_VIMAGE_PAGE + align64(l->dim * sizeof(float), PH_VIMAGE_PAGE);
    uint64_t end[PH_VPARTS + 1] = {0};
    end[PH_VPARTS] = l->segments_at;
    if (l->n_segments > 0) {
        ph_vlayout_parts(l, l->n_segments - 1, end);
    }
    l->hashes_at = end[PH_VPARTS];
    l->file_bytes = l->hashes_at + l->n_segments * PH_VPARTS * sizeof(uint64_t);
    return true;
}

uint64_t ph_vlayout_rows_of(const ph_vlayout *l, uint64_t segment)
{
    uint64_t left = l->n_rows - segment * l->segment_rows;
    return left < l->segment_rows ? left : l->segment_rows;
}

void ph_vlayout_parts(const ph_vlayout *l, uint64_t segment, uint64_t at[PH_VPARTS + 1])
{
    uint64_t bytes[PH_VPARTS];
    part_sizes(l, ph_vlayout_rows_of(l, segment), bytes);
    at[0] = l->segments_at + segment * l->segment_bytes;
    for (int i = 0; i < PH_VPARTS; i++) {
        at[i + 1] = at[i] + bytes[i];
    }
    at[PH_VPARTS] = align64(at[PH_VPARTS], PH_VIMAGE_PAGE);
}

const unsigned char *ph_vindex_part(const ph_vindex *index, uint64_t segment, int part)
{
    uint64_t at[PH_VPARTS + 1];
    if (segment + 1 < index->layout.n_segments) {
        uint64_t offset = index->layout.segments_at + segment * index->layout.segment_bytes;
        for (int i = 0; i < part; i++) {
            offset += index->layout.part_bytes[i];
        }
        return index->data + offset;
    }
    ph_vlayout_parts(&index->layout, segment, at);
    return index->data + at[part];
}

/* --- opening --- */

static phial_status fail(ph_vindex_state *state, ph_vindex_state is, phial_error *err,
                         phial_status status, const char *what)
{
    *state = is;
    return ph_err_set(err, status, "%s", what);
}

static phial_status damaged(ph_vindex_state *state, phial_error *err, const char *what)
{
    return fail(state, PH_VINDEX_DAMAGED, err, PHIAL_ERR_BAD_INPUT, what);
}

/* The header, if it is one and whole. */
static phial_status read_header(ph_vheader *h, const ph_map *map, ph_vindex_state *state,
                                phial_error *err)
{
    const unsigned char *data = ph_map_data(map);
    size_t size = ph_map_size(map);
    uint64_t want;
    if (size < sizeof *h || memcmp(data, ph_vimage_magic, sizeof ph_vimage_magic) != 0) {
        return fail(state, PH_VINDEX_FOREIGN, err, PHIAL_ERR_BAD_INPUT, "not a vector index");
    }
    memcpy(h, data, sizeof *h);
    if (h->version != PH_VIMAGE_VERSION || h->header_bytes != PH_VIMAGE_PAGE) {
        *state = PH_VINDEX_FOREIGN;
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "a vector index of version %u; this program knows %d", h->version,
                          PH_VIMAGE_VERSION);
    }
    if (size < PH_VIMAGE_PAGE) {
        return damaged(state, err, "the header is cut off");
    }
    memcpy(&want, data + PH_VIMAGE_PAGE - sizeof want, sizeof want);
    if (want != ph_hash64(data, PH_VIMAGE_PAGE - sizeof want, PH_VIMAGE_SEED)) {
        return damaged(state, err, "the header's checksum is wrong");
    }
    return PHIAL_OK;
}

static phial_status read_layout(ph_vindex *x, const ph_vheader *h, ph_vindex_state *state,
                                phial_error *err)
{
    char name[sizeof h->kind + 1] = {0};
    memcpy(name, h->kind, sizeof h->kind);
    x->layout = (ph_vlayout){.kind = ph_vindex_kind_find(name),
                             .has_rows = h->has_rows != 0,
                             .dim = h->dim,
                             .segment_rows = h->segment_rows,
                             .n_rows = h->n_rows};
    if (x->layout.kind == NULL) {
        *state = PH_VINDEX_FOREIGN;
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "a vector index of the unknown kind '%s'",
                          name);
    }
    if (h->metric >= PH_VINDEX_N_METRICS || !ph_vlayout_set(&x->layout) ||
        (x->layout.kind->always_rows && !x->layout.has_rows) ||
        !(h->largest_root >= 0 && h->largest_root <= LARGEST_ROOT)) {
        return damaged(state, err, "the header's numbers are impossible");
    }
    if (x->layout.file_bytes != ph_map_size(x->map)) {
        *state = PH_VINDEX_DAMAGED;
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%llu bytes long, but %llu rows need %llu",
                          (unsigned long long)ph_map_size(x->map), (unsigned long long)h->n_rows,
                          (unsigned long long)x->layout.file_bytes);
    }
    x->source = (ph_hash128){h->source_lo, h->source_hi};
    x->largest_root = h->largest_root;
    return PHIAL_OK;
}

static phial_status compare(const ph_vindex *x, const ph_vheader *h, const ph_vindex_expect *e,
                            ph_vindex_state *state, phial_error *err)
{
    phial_status st = PHIAL_ERR_BAD_INPUT;
    *state = PH_VINDEX_STALE;
    if (e->kind != NULL && strcmp(e->kind, x->layout.kind->name) != 0) {
        return ph_err_set(err, st, "of kind '%s', not '%s'", x->layout.kind->name, e->kind);
    }
    if (e->metric != NULL && (uint32_t)*e->metric != h->metric) {
        return ph_err_set(err, st, "made for the metric %s, not %s",
                          ph_vindex_metric_name((ph_vindex_metric)h->metric),
                          ph_vindex_metric_name(*e->metric));
    }
    if (e->dim != 0 && e->dim != h->dim) {
        return ph_err_set(err, st, "vectors of %u dimensions, not %u", h->dim, e->dim);
    }
    if (e->source != NULL && (e->source->lo != h->source_lo || e->source->hi != h->source_hi)) {
        return ph_err_set(err, st, "made from other vectors than there are now");
    }
    return PHIAL_OK;
}

static phial_status check_body(const ph_vindex *x, const ph_vheader *h, ph_vindex_state *state,
                               phial_error *err)
{
    static const char *const names[PH_VPARTS] = {"ids", "rows", "scan", "sift", "codes", "cells"};
    const ph_vlayout *l = &x->layout;
    const unsigned char *hashes = x->data + l->hashes_at;
    if (h->hashes_hash !=
        ph_hash64(hashes, (size_t)(l->file_bytes - l->hashes_at), PH_VIMAGE_SEED)) {
        return damaged(state, err, "the checksum of the checksums is wrong");
    }
    if (h->centre_hash != ph_hash64(x->data + PH_VIMAGE_PAGE,
                                    (size_t)(l->segments_at - PH_VIMAGE_PAGE), PH_VIMAGE_SEED)) {
        return damaged(state, err, "the centre's checksum is wrong");
    }
    for (uint64_t s = 0; s < l->n_segments; s++) {
        uint64_t at[PH_VPARTS + 1], want;
        ph_vlayout_parts(l, s, at);
        for (int i = 0; i < PH_VPARTS; i++) {
            memcpy(&want, hashes + (s * PH_VPARTS + (uint64_t)i) * sizeof want, sizeof want);
            if (want != ph_hash64(x->data + at[i], (size_t)(at[i + 1] - at[i]), PH_VIMAGE_SEED)) {
                *state = PH_VINDEX_DAMAGED;
                return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                                  "the checksum of the %s from row %llu on is wrong", names[i],
                                  (unsigned long long)(s * l->segment_rows));
            }
            /* What a query seldom touches need not stay. */
            if (i != PH_VPART_SCAN && i != PH_VPART_IDS && i != PH_VPART_CELLS) {
                ph_map_advise(x->map, (size_t)at[i], (size_t)(at[i + 1] - at[i]), PH_MAP_RELEASE);
            }
        }
    }
    return ph_map_check(x->map, err);
}

static phial_status open_checked(ph_vindex *x, const char *path, const ph_vindex_expect *expect,
                                 ph_vindex_state *state, phial_error *err)
{
    ph_vheader h;
    phial_status st = ph_map_open(&x->map, path, err);
    if (st != PHIAL_OK) {
        return st; /* names the file itself */
    }
    x->data = ph_map_data(x->map);
    st = read_header(&h, x->map, state, err);
    if (st == PHIAL_OK) {
        st = read_layout(x, &h, state, err);
    }
    if (st == PHIAL_OK && expect != NULL) {
        st = compare(x, &h, expect, state, err);
    }
    if (st == PHIAL_OK) {
        *state = PH_VINDEX_UNKNOWN;
        st = check_body(x, &h, state, err);
    }
    if (st == PHIAL_OK) {
        st = ph_vspace_init(&x->space, (ph_vindex_metric)h.metric, h.dim, h.seed, err);
    }
    if (st == PHIAL_OK) {
        ph_vspace_set_centre(&x->space, (const float *)(const void *)(x->data + PH_VIMAGE_PAGE));
        return PHIAL_OK;
    }
    return ph_err_context(err, st, "%s", path);
}

phial_status ph_vindex_open(ph_vindex **out, const char *path, const ph_vindex_expect *expect,
                            ph_vindex_state *state, phial_error *err)
{
    ph_vindex_state unused;
    state = state != NULL ? state : &unused;
    *state = PH_VINDEX_UNKNOWN;
    ph_vindex *x = ph_alloc(1, sizeof *x, err);
    if (x == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    bool missing = ph_file_kind_of(path) == PH_FILE_MISSING;
    phial_status st = open_checked(x, path, expect, state, err);
    if (st != PHIAL_OK) {
        *state = missing ? PH_VINDEX_MISSING : *state;
        ph_vindex_close(x);
        return st;
    }
    *state = PH_VINDEX_FRESH;
    *out = x;
    return PHIAL_OK;
}

void ph_vindex_close(ph_vindex *index)
{
    if (index != NULL) {
        ph_vspace_free(&index->space);
        ph_map_close(index->map);
        ph_free(index);
    }
}

/* --- asking --- */

ph_vindex_info ph_vindex_describe(const ph_vindex *index)
{
    const ph_vlayout *l = &index->layout;
    uint64_t blocks = (l->n_rows + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
    uint64_t scan =
        l->kind->exact ? l->n_rows * l->dim * sizeof(float) : blocks * l->kind->block_bytes(l->p);
    if (l->kind->arrange != NULL) {
        scan = l->n_segments * ph_vcell_mean_blocks(l->segment_rows) * ph_vcell_mean_bytes(l->p);
    }
    return (ph_vindex_info){l->kind->name, index->space.metric, l->dim, l->n_rows,
                            l->has_rows,   l->file_bytes,       scan,   index->source};
}

int64_t ph_vindex_id(const ph_vindex *index, uint64_t row)
{
    int64_t id;
    memcpy(&id,
           ph_vindex_part(index, row / index->layout.segment_rows, PH_VPART_IDS) +
               row % index->layout.segment_rows * sizeof id,
           sizeof id);
    return id;
}

bool ph_vindex_find(const ph_vindex *index, int64_t id, uint64_t *row)
{
    uint64_t low = 0, high = index->layout.n_rows;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (ph_vindex_id(index, mid) < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *row = low;
    return low < index->layout.n_rows && ph_vindex_id(index, low) == id;
}

phial_status ph_vindex_mask_new(ph_vindex_mask **out, const ph_vindex *index, bool all,
                                phial_error *err)
{
    uint64_t n = index->layout.n_rows, words = (n + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
    ph_vindex_mask *m = ph_alloc(1, sizeof *m + (size_t)words * sizeof m->words[0], err);
    if (m == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    m->index = index;
    m->n_allowed = all ? n : 0;
    for (uint64_t w = 0; w < words && all; w++) {
        uint64_t left = n - w * PH_VSCAN_ROWS;
        m->words[w] = left < PH_VSCAN_ROWS ? ((uint32_t)1 << left) - 1 : UINT32_MAX;
    }
    *out = m;
    return PHIAL_OK;
}

void ph_vindex_mask_free(ph_vindex_mask *mask)
{
    ph_free(mask);
}

bool ph_vindex_mask_set(ph_vindex_mask *mask, int64_t id, bool allowed)
{
    uint64_t row;
    if (!ph_vindex_find(mask->index, id, &row)) {
        return false;
    }
    uint32_t bit = (uint32_t)1 << row % PH_VSCAN_ROWS, *word = &mask->words[row / PH_VSCAN_ROWS];
    bool was = (*word & bit) != 0;
    *word = allowed ? *word | bit : *word & ~bit;
    mask->n_allowed = mask->n_allowed + (allowed && !was) - (!allowed && was);
    return true;
}

uint64_t ph_vindex_mask_count(const ph_vindex_mask *mask)
{
    return mask->n_allowed;
}
