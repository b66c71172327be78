/* Building an image from a stream of rows. A segment's rows are gathered, turned and coded block by
 * block on all threads, and written; of the rows no more than a segment is in memory. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kern/kern.h"
#include "rag/vindex_cells.h"

#define SEGMENT_BYTES ((size_t)64 << 20)
#define SEGMENT_MOST  65536

struct ph_vindex_builder {
    ph_writer *writer; /* owned */
    char *path;        /* owned */
    ph_vlayout layout; /* n_rows: written so far */
    ph_vspace space;   /* owned */
    ph_pool *pool;
    const atomic_bool *cancel;
    const ph_vscan *kernels;
    ph_vheader header;

    size_t n; /* rows waiting, at most segment_rows */
    bool any, failed;
    int64_t last_id;

    unsigned char *parts[PH_VPARTS]; /* owned, of a full segment and what fills up a page */
    float *rows;                     /* and ids: in parts */
    int64_t *ids;
    ph_buf hashes;
    float *room; /* owned: for each thread [32][p] */
    double *roots;
    size_t room_floats;
    ph_ticket ticket;
};

void ph_vindex_options_default(ph_vindex_options *options)
{
    *options = (ph_vindex_options){.kind = "int8", .keep_rows = true, .seed = 1};
}

static phial_status check_options(const ph_vindex_options *o, ph_vlayout *l, phial_error *err)
{
    uint32_t rows = o->segment_rows;
    l->kind = ph_vindex_kind_find(o->kind);
    if (l->kind == NULL) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "no vector index of kind '%s'", o->kind);
    }
    if ((unsigned)o->metric >= PH_VINDEX_N_METRICS) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "no metric of number %d", (int)o->metric);
    }
    if (o->dim == 0 || o->dim > ph_vindex_kind_dims(l->kind)) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "vectors of %u dimensions; 1 to %d are possible",
                          o->dim, (int)ph_vindex_kind_dims(l->kind));
    }
    if (rows == 0) {
        for (rows = 256; rows < SEGMENT_MOST && 2 * rows * sizeof(float) * o->dim <= SEGMENT_BYTES;
             rows *= 2) {
        }
    }
    if (rows < 256 || rows > SEGMENT_MOST || (rows & (rows - 1)) != 0) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "segments of %u rows; a power of 2 from 256 to %d is needed", rows,
                          SEGMENT_MOST);
    }
    l->segment_rows = rows;
    l->dim = o->dim;
    l->has_rows = o->keep_rows || l->kind->always_rows;
    l->n_rows = 0;
    ph_vlayout_set(l);
    return PHIAL_OK;
}

static phial_status make_room(ph_vindex_builder *b, phial_error *err)
{
    const ph_vlayout *l = &b->layout;
    size_t threads = b->pool != NULL ? (size_t)ph_pool_threads(b->pool) : 1, p = l->p;
    b->room_floats = PH_VSCAN_ROWS * p;
    b->room = ph_alloc_aligned(threads, b->room_floats * sizeof(float), PH_CACHE_LINE, err);
    b->roots = ph_alloc(threads, sizeof(double), err);
    if (b->room == NULL || b->roots == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (int i = 0; i < PH_VPARTS; i++) {
        size_t bytes = i == PH_VPART_ROWS ? (size_t)l->segment_rows * l->dim * sizeof(float)
                                          : (size_t)l->part_bytes[i];
        b->parts[i] = ph_alloc_large(1, bytes + PH_VIMAGE_PAGE, err);
        if (b->parts[i] == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
    }
    b->rows = (float *)(void *)b->parts[PH_VPART_ROWS];
    b->ids = (int64_t *)(void *)b->parts[PH_VPART_IDS];
    return PHIAL_OK;
}

phial_status ph_vindex_builder_open(ph_vindex_builder **out, const char *path,
                                    const ph_vindex_options *o, phial_error *err)
{
    ph_vlayout layout = {0};
    phial_status st = check_options(o, &layout, err);
    if (st != PHIAL_OK) {
        return st;
    }
    ph_kern kern;
    st = ph_kern_init(&kern, o->isa, err);
    if (st != PHIAL_OK) {
        return st;
    }
    ph_vindex_builder *b = ph_alloc(1, sizeof *b, err);
    if (b == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_buf_init(&b->hashes, 0);
    b->kernels = ph_vscan_for(kern.isa);
    b->layout = layout;
    b->pool = o->pool;
    b->cancel = o->cancel;
    b->header = (ph_vheader){.version = PH_VIMAGE_VERSION,
                             .header_bytes = PH_VIMAGE_PAGE,
                             .metric = (uint32_t)o->metric,
                             .dim = o->dim,
                             .has_rows = layout.has_rows,
                             .segment_rows = layout.segment_rows,
                             .seed = o->seed,
                             .source_lo = o->source.lo,
                             .source_hi = o->source.hi};
    memcpy(b->header.magic, ph_vimage_magic, sizeof b->header.magic);
    memcpy(b->header.kind, layout.kind->name, strlen(layout.kind->name));
    b->path = ph_strdup(path, err);
    st = b->path == NULL ? PHIAL_ERR_NO_MEMORY
                         : ph_vspace_init(&b->space, o->metric, o->dim, o->seed, err);
    if (st == PHIAL_OK) {
        st = make_room(b, err);
    }
    if (st == PHIAL_OK) {
        st = ph_writer_open(&b->writer, path, err);
    }
    if (st == PHIAL_OK) {
        st = ph_writer_zeros(b->writer, (size_t)layout.segments_at, err);
    }
    if (st != PHIAL_OK) {
        ph_vindex_builder_close(b);
        return st;
    }
    *out = b;
    return PHIAL_OK;
}

/* The mean of what the metric sees of the rows at hand. */
static phial_status set_centre(ph_vindex_builder *b, phial_error *err)
{
    size_t dim = b->layout.dim;
    double *sum = ph_alloc(dim, sizeof *sum, err);
    if (sum == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < b->n; i++) {
        for (size_t d = 0; d < dim; d++) {
            sum[d] += b->rows[i * dim + d];
        }
    }
    for (size_t d = 0; d < dim; d++) {
        b->room[d] = b->n > 0 ? (float)(sum[d] / (double)b->n) : 0;
    }
    ph_vspace_set_centre(&b->space, b->room);
    ph_free(sum);
    return PHIAL_OK;
}

static void encode_block(ph_vindex_builder *b, size_t block, int thread)
{
    const ph_vlayout *l = &b->layout;
    size_t first = block * PH_VSCAN_ROWS, p = l->p;
    size_t n = b->n - first < PH_VSCAN_ROWS ? b->n - first : PH_VSCAN_ROWS;
    float *y = b->room + (size_t)thread * b->room_floats;
    double norms[PH_VSCAN_ROWS];
    for (size_t r = 0; r < n && l->kind->coded; r++) {
        norms[r] = ph_vspace_turn(&b->space, y + r * p, b->rows + (first + r) * l->dim, true);
        ph_vcode_bytes(b->parts[PH_VPART_CODES] + (first + r) * ph_vcode_row_bytes(p), y + r * p,
                       norms[r], p);
    }
    ph_vrows rows = {y, norms, n, p};
    if (l->kind->arrange != NULL) {
        return;
    }
    size_t sift_bytes = l->kind->sift_bytes != NULL ? l->kind->sift_bytes(p) : 0;
    double root = l->kind->encode(b->parts[PH_VPART_SCAN] + block * l->kind->block_bytes(p),
                                  b->parts[PH_VPART_SIFT] + block * sift_bytes, &rows);
    b->roots[thread] = fmax(b->roots[thread], root);
}

static void encode_some(void *arg, int thread, int n_threads)
{
    ph_vindex_builder *b = arg;
    size_t n_blocks = (b->n + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
    (void)n_threads;
    for (size_t i; (i = ph_ticket_take(&b->ticket)) < n_blocks;) {
        encode_block(b, i, thread);
    }
}

static size_t used_bytes(const ph_vindex_builder *b, int part)
{
    const ph_vlayout *l = &b->layout;
    size_t blocks = l->kind->arrange != NULL ? ph_vcell_scan_blocks(b->n)
                                             : (b->n + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
    switch (part) {
    case PH_VPART_IDS:
        return b->n * sizeof(int64_t);
    case PH_VPART_ROWS:
        return l->has_rows ? b->n * l->dim * sizeof(float) : 0;
    case PH_VPART_SCAN:
        return blocks * l->kind->block_bytes(l->p);
    case PH_VPART_SIFT:
        return l->kind->sift_bytes != NULL ? blocks * l->kind->sift_bytes(l->p) : 0;
    case PH_VPART_CODES:
        return l->kind->coded ? b->n * ph_vcode_row_bytes(l->p) : 0;
    default:
        return l->kind->arrange != NULL ? ph_vcell_part_bytes(b->n, l->p) : 0;
    }
}

static phial_status write_segment(ph_vindex_builder *b, phial_error *err)
{
    uint64_t at[PH_VPARTS + 1], segment = b->layout.n_rows / b->layout.segment_rows;
    b->layout.n_rows += b->n;
    ph_vlayout_parts(&b->layout, segment, at);
    for (int i = 0; i < PH_VPARTS; i++) {
        size_t whole = (size_t)(at[i + 1] - at[i]), used = used_bytes(b, i);
        memset(b->parts[i] + used, 0, whole - used);
        ph_buf_add_u64(&b->hashes, ph_hash64(b->parts[i], whole, PH_VIMAGE_SEED));
        phial_status st = ph_writer_write(b->writer, b->parts[i], whole, err);
        if (st != PHIAL_OK) {
            return st;
        }
    }
    return ph_buf_status(&b->hashes, err);
}

static phial_status arrange(ph_vindex_builder *b, phial_error *err)
{
    const ph_vlayout *l = &b->layout;
    ph_vcell_job job = {.kind = l->kind,
                        .space = &b->space,
                        .kernels = b->kernels,
                        .rows = b->rows,
                        .codes = b->parts[PH_VPART_CODES],
                        .n = b->n,
                        .cancel = b->cancel,
                        .scan = b->parts[PH_VPART_SCAN],
                        .part = b->parts[PH_VPART_CELLS]};
    memset(job.part, 0, ph_vcell_part_bytes(b->n, l->p));
    memset(job.scan, 0, ph_vcell_scan_blocks(b->n) * l->kind->block_bytes(l->p));
    phial_status st = l->kind->arrange(&job, err);
    b->roots[0] = fmax(b->roots[0], job.root);
    return st == PHIAL_OK ? st : ph_err_context(err, st, "%s", b->path);
}

static phial_status flush(ph_vindex_builder *b, phial_error *err)
{
    phial_status st = PHIAL_OK;
    if (b->cancel != NULL && atomic_load(b->cancel)) {
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "%s: cancelled", b->path);
    }
    if (b->layout.n_rows == 0) {
        st = set_centre(b, err);
    }
    if (st == PHIAL_OK && b->n > 0) {
        atomic_store(&b->ticket.next, 0);
        if (b->pool != NULL) {
            ph_pool_run_tickets(b->pool, encode_some, b);
        } else {
            encode_some(b, 0, 1);
        }
        if (b->layout.kind->arrange != NULL) {
            st = arrange(b, err);
        }
        st = st == PHIAL_OK ? write_segment(b, err) : st;
    }
    b->n = 0;
    return st;
}

static phial_status check_row(const ph_vindex_builder *b, int64_t id, const float *row,
                              phial_error *err)
{
    size_t bad = ph_vspace_bad_element(row, b->layout.dim);
    if (bad < b->layout.dim) {
        return ph_err_set(err, PHIAL_ERR_NUMERIC,
                          "%s: element %zu of the vector with id %lld is %g; numbers up to %g are "
                          "possible",
                          b->path, bad, (long long)id, (double)row[bad],
                          (double)PH_VINDEX_MAX_VALUE);
    }
    if (b->any && id <= b->last_id) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: id %lld comes behind %lld", b->path,
                          (long long)id, (long long)b->last_id);
    }
    if (b->layout.n_rows + b->n >= PH_VINDEX_MAX_ROWS) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%s: more than %llu rows", b->path,
                          (unsigned long long)PH_VINDEX_MAX_ROWS);
    }
    return PHIAL_OK;
}

phial_status ph_vindex_builder_add(ph_vindex_builder *b, const int64_t *ids, const float *rows,
                                   size_t n, phial_error *err)
{
    size_t dim = b->layout.dim;
    for (size_t i = 0; i < n; i++) {
        phial_status st = b->failed ? ph_err_set(err, PHIAL_ERR_ARGUMENT,
                                                 "%s: building it failed before", b->path)
                                    : check_row(b, ids[i], rows + i * dim, err);
        if (st != PHIAL_OK) {
            return st;
        }
        ph_vspace_direct(&b->space, b->rows + b->n * dim, rows + i * dim);
        b->ids[b->n++] = b->last_id = ids[i];
        b->any = true;
        if (b->n == b->layout.segment_rows) {
            st = flush(b, err);
            if (st != PHIAL_OK) {
                b->failed = true;
                return st;
            }
        }
    }
    return PHIAL_OK;
}

static phial_status finish(ph_vindex_builder *b, phial_error *err)
{
    size_t centre_bytes = (size_t)b->layout.segments_at - PH_VIMAGE_PAGE;
    size_t threads = b->pool != NULL ? (size_t)ph_pool_threads(b->pool) : 1;
    unsigned char *page = ph_alloc(1, PH_VIMAGE_PAGE + centre_bytes, err);
    if (page == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    memcpy(page + PH_VIMAGE_PAGE, b->space.centre, b->layout.dim * sizeof(float));
    b->header.n_rows = b->layout.n_rows;
    b->header.hashes_hash = ph_hash64(b->hashes.data, b->hashes.len, PH_VIMAGE_SEED);
    b->header.centre_hash = ph_hash64(page + PH_VIMAGE_PAGE, centre_bytes, PH_VIMAGE_SEED);
    for (size_t i = 0; i < threads; i++) {
        b->header.largest_root = fmax(b->header.largest_root, b->roots[i]);
    }
    memcpy(page, &b->header, sizeof b->header);
    uint64_t hash = ph_hash64(page, PH_VIMAGE_PAGE - sizeof hash, PH_VIMAGE_SEED);
    memcpy(page + PH_VIMAGE_PAGE - sizeof hash, &hash, sizeof hash);
    phial_status st = ph_writer_write(b->writer, b->hashes.data, b->hashes.len, err);
    if (st == PHIAL_OK) {
        st = ph_writer_patch(b->writer, 0, page, PH_VIMAGE_PAGE + centre_bytes, err);
    }
    if (st == PHIAL_OK) {
        st = ph_writer_commit(b->writer, err);
    }
    ph_free(page);
    return st;
}

phial_status ph_vindex_builder_commit(ph_vindex_builder *b, phial_error *err)
{
    phial_status st = PHIAL_OK;
    if (b->failed) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: building it failed before", b->path);
    }
    if (b->n > 0 || b->layout.n_rows == 0) {
        st = flush(b, err);
    }
    if (st == PHIAL_OK) {
        st = finish(b, err);
    }
    b->failed = true;
    return st;
}

void ph_vindex_builder_close(ph_vindex_builder *b)
{
    if (b == NULL) {
        return;
    }
    ph_writer_close(b->writer);
    for (int i = 0; i < PH_VPARTS; i++) {
        ph_free(b->parts[i]);
    }
    ph_vspace_free(&b->space);
    ph_buf_free(&b->hashes);
    ph_free(b->room);
    ph_free(b->roots);
    ph_free(b->path);
    ph_free(b);
}
