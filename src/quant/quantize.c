/* Contract: quant/quantize.h.
 *
 * A tensor is cut into chunks of whole rows, at least CHUNK numbers each. Chunks are encoded into
 * one of two groups of slots by all threads, while thread 0 first writes the other group; pages of
 * the source are released behind each tensor. */
#include "quant/quantize.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/pool.h"
#include "kern/kern.h"
#include "kern/search.h"
#include "quant/quant_plan.h"

#define CHUNK     65536 /* numbers, at least */
#define GROUP     (32 * CHUNK)
#define MAX_SLOTS 32
#define F16_MAX   65504.0f
#define NO_BAD    UINT64_MAX

typedef struct group {
    uint8_t *bytes; /* owned: n_slots x slot_bytes */
    size_t n_bytes; /* to be written; chunks lie back to back */
} group;

typedef struct job {
    const ph_quantize_options *options;
    ph_quant_source *source; /* owned */
    ph_quant_plan plan;      /* owned */
    ph_gguf_writer *writer;  /* owned */
    ph_pool *pool;           /* owned */
    ph_kern kern;
    const ph_search *search;
    float *scratch;   /* owned: chunk_cap numbers for each thread */
    size_t chunk_cap; /* numbers of the largest chunk */
    size_t n_slots;
    group groups[2];
    int filling;
    uint64_t bad[MAX_SLOTS]; /* of each chunk, the first number that is not finite */
    const ph_quant_item *item;
    uint64_t first_row, chunk_rows; /* of the group being filled; rows of a chunk */
    size_t n_chunks;
    ph_ticket ticket;
    uint64_t done_bytes; /* of the source */
    phial_status write_status;
    phial_error *err;
} job;

static uint64_t rows_by_chunk(uint64_t n_cols)
{
    return n_cols < CHUNK ? (CHUNK + n_cols - 1) / n_cols : 1;
}

static uint64_t rows_of(const job *j, size_t chunk)
{
    uint64_t begin = j->first_row + chunk * j->chunk_rows;
    uint64_t left = j->item->tensor->n_rows - begin;
    return left < j->chunk_rows ? left : j->chunk_rows;
}

/* Position of the first NaN or infinity, NO_BAD if there is none. */
static uint64_t find_bad(const float *x, size_t n)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        any |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    for (size_t i = 0; i < n && any; i++) {
        if (!isfinite(x[i]))
            return i;
    }
    return NO_BAD;
}

static void make_finite(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            x[i] = isnan(x[i]) ? 0.0f : copysignf(F16_MAX, x[i]);
    }
}

static void encode(job *j, size_t chunk, int thread)
{
    const ph_quant_item *item = j->item;
    const ph_quant_tensor *t = item->tensor;
    const ph_quant *from = ph_quant_find(t->type), *to = ph_quant_find(item->to);
    size_t n_cols = (size_t)t->dims[0], n_rows = (size_t)rows_of(j, chunk), n = n_rows * n_cols;
    size_t src_row = ph_dtype_row_bytes(t->type, n_cols);
    size_t dst_row = ph_dtype_row_bytes(item->to, n_cols);
    const uint8_t *src = t->data + (j->first_row + chunk * j->chunk_rows) * src_row;
    uint8_t *dst = j->groups[j->filling].bytes + chunk * j->chunk_rows * dst_row;
    j->bad[chunk] = NO_BAD;
    if (item->to == t->type) {
        memcpy(dst, src, n_rows * src_row);
        return;
    }
    float *x = j->scratch + (size_t)thread * j->chunk_cap;
    j->kern.dequantize[from->index](x, src, n);
    if (ph_dtype_find(item->to)->block > 1) {
        j->bad[chunk] = find_bad(x, n);
        if (j->bad[chunk] != NO_BAD && j->options->allow_nonfinite) {
            make_finite(x, n);
            j->bad[chunk] = NO_BAD;
        }
    }
    for (size_t r = 0; r < n_rows; r++) {
        if (to->quantize_best)
            to->quantize_best(dst + r * dst_row, x + r * n_cols, item->importance, n_cols,
                              j->search);
        else
            j->kern.quantize[to->index](dst + r * dst_row, x + r * n_cols, n_cols);
    }
}

static void write_other_group(job *j)
{
    group *g = &j->groups[1 - j->filling];
    if (g->n_bytes > 0 && j->write_status == PHIAL_OK)
        j->write_status = ph_gguf_writer_data(j->writer, g->bytes, g->n_bytes, j->err);
    g->n_bytes = 0;
}

static void run_thread(void *arg, int thread, int n_threads)
{
    job *j = arg;
    (void)n_threads;
    if (thread == 0)
        write_other_group(j);
    for (size_t i; (i = ph_ticket_take(&j->ticket)) < j->n_chunks;)
        encode(j, i, thread);
}

static phial_status check_finite(const job *j)
{
    const ph_quant_tensor *t = j->item->tensor;
    for (size_t c = 0; c < j->n_chunks; c++) {
        if (j->bad[c] == NO_BAD)
            continue;
        uint64_t row = j->first_row + c * j->chunk_rows + j->bad[c] / t->dims[0];
        return ph_err_set(j->err, PHIAL_ERR_BAD_INPUT,
                          "tensor '%s': row %llu, column %llu is NaN or infinite; "
                          "--allow-nonfinite quantizes it nevertheless",
                          t->name, (unsigned long long)row,
                          (unsigned long long)(j->bad[c] % t->dims[0]));
    }
    return PHIAL_OK;
}

/* Fills one group while the one before it is written. */
static phial_status turn(job *j, uint64_t n_rows)
{
    const ph_quantize_options *o = j->options;
    const ph_quant_tensor *t = j->item->tensor;
    j->groups[j->filling].n_bytes = (size_t)n_rows * ph_dtype_row_bytes(j->item->to, t->dims[0]);
    j->n_chunks = (size_t)((n_rows + j->chunk_rows - 1) / j->chunk_rows);
    atomic_store(&j->ticket.next, 0);
    ph_pool_run(j->pool, run_thread, j);
    if (j->write_status != PHIAL_OK)
        return j->write_status;
    phial_status status = check_finite(j);
    if (status != PHIAL_OK)
        return status;
    j->filling = 1 - j->filling;
    j->done_bytes += n_rows * ph_dtype_row_bytes(t->type, t->dims[0]);
    if (o->progress &&
        !o->progress(o->progress_user, "quantizing", j->done_bytes, j->plan.source_bytes))
        return ph_err_set(j->err, PHIAL_ERR_CANCELLED, "interrupted");
    return PHIAL_OK;
}

static phial_status run_tensor(job *j, const ph_quant_item *item)
{
    const ph_quant_tensor *t = item->tensor;
    phial_status status = PHIAL_OK;
    j->item = item;
    j->chunk_rows = rows_by_chunk(t->dims[0]);
    uint64_t group_rows = j->chunk_rows * j->n_slots;
    for (j->first_row = 0; j->first_row < t->n_rows && status == PHIAL_OK;
         j->first_row += group_rows) {
        uint64_t left = t->n_rows - j->first_row;
        status = turn(j, left < group_rows ? left : group_rows);
    }
    if (status == PHIAL_OK && t->map) {
        ph_map_advise(t->map, (size_t)(t->data - ph_map_data(t->map)), (size_t)t->data_bytes,
                      PH_MAP_RELEASE);
        status = ph_map_check(t->map, j->err);
    }
    return status;
}

static phial_status prepare(job *j, phial_error *err)
{
    size_t row_bytes = 0, most = CHUNK, chunk_bytes = 0, n;
    for (size_t i = 0; i < j->plan.n; i++) {
        const ph_quant_item *item = &j->plan.items[i];
        uint64_t cols = item->tensor->dims[0], chunk = rows_by_chunk(cols) * cols;
        row_bytes = ph_dtype_row_bytes(item->to, cols);
        if (!ph_mul_size(&n, row_bytes, (size_t)rows_by_chunk(cols)))
            return ph_err_set(err, PHIAL_ERR_LIMIT, "tensor '%s': rows of %llu numbers",
                              item->tensor->name, (unsigned long long)cols);
        most = chunk > most ? (size_t)chunk : most;
        chunk_bytes = n > chunk_bytes ? n : chunk_bytes;
    }
    phial_status status = ph_kern_init(&j->kern, NULL, err);
    if (status == PHIAL_OK)
        status = ph_pool_new(&j->pool, j->options->n_threads, err);
    if (status != PHIAL_OK)
        return status;
    size_t n_threads = (size_t)ph_pool_threads(j->pool);
    j->search = ph_search_for(j->kern.isa);
    j->chunk_cap = most;
    j->n_slots = GROUP / most > MAX_SLOTS ? MAX_SLOTS : GROUP / most > 1 ? GROUP / most : 1;
    if (!ph_mul_size(&n, n_threads, most))
        return ph_err_set(err, PHIAL_ERR_LIMIT, "rows of %zu numbers", most);
    j->scratch = ph_alloc(n, sizeof *j->scratch, err);
    for (int i = 0; i < 2 && j->scratch; i++)
        j->groups[i].bytes = ph_alloc(j->n_slots, chunk_bytes, err);
    return j->groups[1].bytes ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

static phial_status put_header(job *j, phial_error *err)
{
    const ph_quantize_options *o = j->options;
    phial_status status = ph_quant_source_put_keys(j->source, j->writer, o->mix->file_type, err);
    if (status == PHIAL_OK && o->imatrix)
        ph_imatrix_put_keys(o->imatrix, j->writer);
    if (status == PHIAL_OK && o->report_text)
        ph_report_put_keys(j->writer, o->report_text);
    for (size_t i = 0; i < j->plan.n && status == PHIAL_OK; i++) {
        const ph_quant_item *item = &j->plan.items[i];
        status = ph_gguf_put_tensor(j->writer, item->tensor->name, item->to, item->tensor->n_dims,
                                    item->tensor->dims, err);
    }
    return status;
}

typedef struct stage {
    const ph_quantize_options *options;
} stage;

static bool comparing(void *user, uint64_t done, uint64_t total)
{
    const ph_quantize_options *o = ((stage *)user)->options;
    return !o->progress || o->progress(o->progress_user, "comparing", done, total);
}

/* The card goes into the file before it gets its name. */
static phial_status add_report(job *j, const char *src, ph_quantize_result *result,
                               phial_error *err)
{
    const char *temp;
    stage s = {j->options};
    ph_report_options options = {.source = src,
                                 .text = j->options->report_text,
                                 .n_threads = j->options->n_threads,
                                 .progress = comparing,
                                 .progress_user = &s};
    phial_status status = ph_gguf_writer_look(j->writer, &temp, err);
    options.result = temp;
    if (status == PHIAL_OK)
        status = ph_report_make(&result->report, &options, err);
    return status == PHIAL_OK ? ph_report_patch(&result->report, j->writer, err) : status;
}

static phial_status write_file(job *j, const char *src, const char *dst, ph_quantize_result *result,
                               phial_error *err)
{
    phial_status status = ph_gguf_writer_new(&j->writer, err);
    if (status == PHIAL_OK)
        status = put_header(j, err);
    if (status == PHIAL_OK)
        status = ph_gguf_writer_begin(j->writer, dst, err);
    for (size_t i = 0; i < j->plan.n && status == PHIAL_OK; i++)
        status = run_tensor(j, &j->plan.items[i]);
    if (status == PHIAL_OK) {
        write_other_group(j);
        status = j->write_status;
    }
    if (status == PHIAL_OK)
        status = ph_quant_source_check(j->source, err);
    if (status == PHIAL_OK && j->options->report_text)
        status = add_report(j, src, result, err);
    return status == PHIAL_OK ? ph_gguf_writer_commit(j->writer, err) : status;
}

static phial_status check_paths(const char *src, const char *dst, bool overwrite, phial_error *err)
{
    struct stat a, b;
    if (stat(dst, &b) != 0)
        return PHIAL_OK;
    if (stat(src, &a) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is the source itself", dst);
    if (!overwrite || !S_ISREG(b.st_mode))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", dst);
    return PHIAL_OK;
}

phial_status ph_quantize(const char *src, const char *dst, const ph_quantize_options *options,
                         ph_quantize_result *result, phial_error *err)
{
    job j = {.options = options, .err = err};
    *result = (ph_quantize_result){0};
    phial_status status = check_paths(src, dst, options->overwrite, err);
    if (status != PHIAL_OK)
        return status;
    status = ph_quant_source_open(&j.source, src, &options->log, err);
    if (status != PHIAL_OK)
        return status;
    status = ph_quant_plan_make(&j.plan, j.source, options, err);
    if (status == PHIAL_OK)
        status = prepare(&j, err);
    if (status == PHIAL_OK)
        status = write_file(&j, src, dst, result, err);
    if (status == PHIAL_ERR_BAD_INPUT || status == PHIAL_ERR_UNSUPPORTED)
        ph_err_context(err, status, "%s", src);
    result->n_params = j.plan.n_params;
    result->source_bytes = j.plan.source_bytes;
    result->bytes = j.plan.bytes;
    result->n_fallbacks = j.plan.n_fallbacks;
    result->bits_per_weight =
        j.plan.n_params ? 8.0 * (double)j.plan.bytes / (double)j.plan.n_params : 0;
    ph_gguf_writer_free(j.writer);
    for (int i = 0; i < 2; i++)
        ph_free(j.groups[i].bytes);
    ph_free(j.scratch);
    ph_pool_free(j.pool);
    ph_quant_plan_free(&j.plan);
    ph_quant_source_close(j.source);
    return status;
}
