/* Contract: synth.h.
 *
 * The numbers of a tensor come in chunks of CHUNK, each from its own stream of the generator, so
 * any thread may make any chunk. A number is an entry of a table of LEVELS normal quantiles, picked
 * by 12 random bits: one generator step gives five weights, and for the floating formats the table
 * holds them ready-encoded. Two groups of chunks take turns: while thread 0 writes one, the others
 * fill the next. */
#include "model/synth.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "kern/quant.h"
#include "model/phi_gguf.h"
#include "model/phi_names.h"

#define CHUNK       (256u << 10) /* elements: a multiple of every block */
#define GROUP       24           /* chunks */
#define LEVEL_BITS  12
#define LEVELS      (1u << LEVEL_BITS)
#define PER_DRAW    (64 / LEVEL_BITS)
#define WEIGHT_STD  0.02f
#define NORM_SPREAD 0.1f

static const struct shape {
    const char *name;
    ph_hparams hp;
} shapes[] = {
#define SHAPE(label, vocab, hidden, inner, layers, heads, positions, rotary)                       \
    {                                                                                              \
        label,                                                                                     \
        {                                                                                          \
            .n_vocab = vocab, .n_embd = hidden, .n_ff = inner, .n_layer = layers, .n_head = heads, \
            .n_head_kv = heads, .head_dim = (hidden) / (heads), .n_ctx_max = positions,            \
            .n_rot = rotary, .rope_theta = 10000, .rope_factor = 1, .norm_eps = 1e-5f              \
        }                                                                                          \
    }
    SHAPE("phi-2", 51200, 2560, 10240, 32, 32, 2048, 32),
    SHAPE("phi-1.5", 51200, 2048, 8192, 24, 32, 2048, 32),
    SHAPE("phi-1", 51200, 2048, 8192, 24, 32, 2048, 32),
    SHAPE("small", 512, 256, 512, 2, 4, 256, 32), /* wide enough for blocks of 256 */
    SHAPE("tiny", 512, 64, 256, 2, 4, 256, 8),
#undef SHAPE
};

typedef struct group {
    uint8_t *bytes; /* owned: GROUP x chunk_bytes */
    size_t n_bytes; /* to be written; 0: nothing */
} group;

typedef struct job {
    const ph_synth_options *options;
    const ph_hparams *hp;
    ph_phi_shape shape;
    const ph_quant *quant;
    ph_gguf_writer *writer; /* owned */
    ph_pool *pool;          /* owned */
    float *levels;          /* owned: standard normal quantiles */
    float *scaled;          /* owned: levels x WEIGHT_STD */
    uint8_t *encoded;       /* owned: scaled, in the matrices' type (not for block formats) */
    float *scratch;         /* owned: a chunk for each thread (block formats only) */
    size_t chunk_bytes;
    group groups[2];
    uint64_t tensor, total_bytes, done_bytes;
    uint64_t first_chunk, n_elements; /* of the group being filled */
    size_t n_chunks;
    ph_ticket ticket;
    int filling; /* index into groups; the other one is being written */
    phial_status write_status;
    phial_error *err;
} job;

const char *ph_synth_name(size_t i)
{
    return i < sizeof shapes / sizeof shapes[0] ? shapes[i].name : NULL;
}

/* The normal distribution's quantile, 0 < p < 1: Acklam's rational approximation, good to 1e-9. */
static double normal_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,
                               -2.759285104469687e+02, 1.383577518672690e+02,
                               -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02,
                               -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01,
                               -2.400758277161838e+00, -2.549732539343734e+00,
                               4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00};
    double tail = p < 0.5 ? p : 1 - p;
    if (tail < 0.02425) {
        double q = sqrt(-2 * log(tail));
        double x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
                   ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
        return p < 0.5 ? x : -x;
    }
    double q = p - 0.5, r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

static phial_status make_tables(job *j, phial_error *err)
{
    size_t width = j->quant->type == PH_DTYPE_F32 ? 4 : 2;
    j->levels = ph_alloc(LEVELS, sizeof(float), err);
    j->scaled = j->levels ? ph_alloc(LEVELS, sizeof(float), err) : NULL;
    j->encoded = j->scaled ? ph_alloc(LEVELS, width, err) : NULL;
    if (!j->encoded)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < LEVELS; i++) {
        j->levels[i] = (float)normal_quantile(((double)i + 0.5) / LEVELS);
        j->scaled[i] = j->levels[i] * WEIGHT_STD;
    }
    if (ph_dtype_find(j->quant->type)->block == 1)
        j->quant->quantize(j->encoded, j->scaled, LEVELS);
    return PHIAL_OK;
}

/* Picks n table entries of the given width. */
#define FILL(name, type)                                                                           \
    static void name(type *dst, const type *table, size_t n, ph_rng *rng)                          \
    {                                                                                              \
        size_t i = 0;                                                                              \
        for (; i + PER_DRAW <= n; i += PER_DRAW) {                                                 \
            uint64_t bits = ph_rng_u64(rng);                                                       \
            for (int k = 0; k < PER_DRAW; k++)                                                     \
                dst[i + (size_t)k] = table[bits >> (LEVEL_BITS * k) & (LEVELS - 1)];               \
        }                                                                                          \
        uint64_t bits = ph_rng_u64(rng);                                                           \
        for (; i < n; i++, bits >>= LEVEL_BITS)                                                    \
            dst[i] = table[bits & (LEVELS - 1)];                                                   \
    }
FILL(fill_f32, float)
FILL(fill_u16, uint16_t)
FILL(fill_u32, uint32_t)

static void make_chunk(job *j, size_t i, int thread)
{
    uint64_t number = j->first_chunk + i;
    uint64_t left = j->n_elements - number * CHUNK;
    size_t n = left < CHUNK ? (size_t)left : CHUNK;
    uint8_t *dst = j->groups[j->filling].bytes + i * j->chunk_bytes;
    ph_rng rng;
    ph_rng_seed(&rng, j->options->seed, j->tensor << 32 | number);
    switch (j->quant->type) {
    case PH_DTYPE_F16:
    case PH_DTYPE_BF16:
        fill_u16((void *)dst, (const void *)j->encoded, n, &rng);
        break;
    case PH_DTYPE_F32:
        fill_u32((void *)dst, (const void *)j->encoded, n, &rng);
        break;
    default: {
        float *values = j->scratch + (size_t)thread * CHUNK;
        fill_f32(values, j->scaled, n, &rng);
        j->quant->quantize(dst, values, n);
    }
    }
}

static void write_other_group(job *j)
{
    group *g = &j->groups[1 - j->filling];
    if (g->n_bytes > 0 && j->write_status == PHIAL_OK)
        j->write_status = ph_gguf_writer_data(j->writer, g->bytes, g->n_bytes, j->err);
    j->done_bytes += g->n_bytes;
    g->n_bytes = 0;
}

static void run_thread(void *arg, int thread, int n_threads)
{
    job *j = arg;
    (void)n_threads;
    if (thread == 0)
        write_other_group(j);
    for (size_t i; (i = ph_ticket_take(&j->ticket)) < j->n_chunks;)
        make_chunk(j, i, thread);
}

/* Fills one group while the one before it is written. */
static phial_status turn(job *j)
{
    atomic_store(&j->ticket.next, 0);
    ph_pool_run(j->pool, run_thread, j);
    j->filling = 1 - j->filling;
    const ph_synth_options *o = j->options;
    if (j->write_status == PHIAL_OK && o->progress &&
        !o->progress(o->progress_user, j->done_bytes, j->total_bytes))
        j->write_status = ph_err_set(j->err, PHIAL_ERR_CANCELLED, "interrupted");
    return j->write_status;
}

static phial_status make_matrix(job *j, uint64_t n)
{
    uint64_t n_chunks = (n + CHUNK - 1) / CHUNK;
    phial_status status = PHIAL_OK;
    j->n_elements = n;
    for (j->first_chunk = 0; j->first_chunk < n_chunks && status == PHIAL_OK;
         j->first_chunk += GROUP) {
        uint64_t left = n_chunks - j->first_chunk;
        j->n_chunks = left < GROUP ? (size_t)left : GROUP;
        uint64_t end = (j->first_chunk + j->n_chunks) * CHUNK;
        uint64_t elements = (end < n ? end : n) - j->first_chunk * CHUNK;
        j->groups[j->filling].n_bytes = ph_dtype_row_bytes(j->quant->type, elements);
        status = turn(j);
    }
    return status;
}

/* Vectors are F32 and small: made here and written at once, behind what is still to be written. */
static phial_status make_vector(job *j, ph_phi_ref ref, uint64_t n, phial_error *err)
{
    bool is_norm = ref.part == PH_PHI_WEIGHT;
    ph_rng rng;
    write_other_group(j);
    if (j->write_status != PHIAL_OK)
        return j->write_status;
    float *values = ph_alloc((size_t)n, sizeof *values, err);
    if (!values)
        return PHIAL_ERR_NO_MEMORY;
    ph_rng_seed(&rng, j->options->seed, j->tensor << 32);
    fill_f32(values, is_norm ? j->levels : j->scaled, (size_t)n, &rng);
    for (uint64_t i = 0; i < n && is_norm; i++)
        values[i] = 1 + NORM_SPREAD * values[i];
    phial_status status = ph_gguf_writer_data(j->writer, values, (size_t)n * sizeof *values, err);
    j->done_bytes += n * sizeof *values;
    ph_free(values);
    return status;
}

typedef phial_status (*tensor_fn)(job *j, ph_phi_ref ref, uint64_t rows, uint64_t cols,
                                  phial_error *err);

/* Every tensor of the shape, in the order of the file. */
static phial_status for_each(job *j, tensor_fn fn, phial_error *err)
{
    phial_status status = PHIAL_OK;
    uint32_t n_blocks = j->hp->n_layer;
    for (uint32_t b = 0; b < n_blocks + 2; b++) {
        bool in_block = b > 0 && b <= n_blocks;
        for (int t = 0; t < PH_PHI_N_TENSORS; t++) {
            ph_phi_tensor tensor = (ph_phi_tensor)t;
            bool is_embd = tensor == PH_PHI_TOKEN_EMBD;
            if (tensor == PH_PHI_ATTN_QKV || tensor == PH_PHI_ATTN_Q_NORM ||
                tensor == PH_PHI_ATTN_K_NORM || ph_phi_per_block(tensor) != in_block ||
                (!in_block && is_embd != (b == 0)))
                continue;
            for (int part = 0; part < 1 + ph_phi_has_bias(tensor) && status == PHIAL_OK; part++) {
                ph_phi_ref ref = {tensor, (ph_phi_part)part, in_block ? b - 1 : 0};
                uint64_t rows, cols;
                ph_phi_dims(&j->shape, ref, &rows, &cols);
                status = fn(j, ref, rows, cols, err);
            }
        }
    }
    return status;
}

static phial_status declare(job *j, ph_phi_ref ref, uint64_t rows, uint64_t cols, phial_error *err)
{
    char name[PH_PHI_NAME_BYTES];
    uint64_t dims[2] = {cols ? cols : rows, rows};
    ph_dtype type = cols ? j->quant->type : PH_DTYPE_F32;
    ph_phi_name(name, PH_PHI_LAYOUT_GGUF, ref, j->shape.n_blocks);
    j->total_bytes += ph_dtype_row_bytes(type, cols ? rows * cols : rows);
    return ph_gguf_put_tensor(j->writer, name, type, cols ? 2 : 1, dims, err);
}

static phial_status make(job *j, ph_phi_ref ref, uint64_t rows, uint64_t cols, phial_error *err)
{
    phial_status status = cols ? make_matrix(j, rows * cols) : make_vector(j, ref, rows, err);
    j->tensor++;
    return status;
}

static phial_status prepare(job *j, phial_error *err)
{
    const ph_dtype_info *type = ph_dtype_find(j->quant->type);
    phial_status status = make_tables(j, err);
    if (status == PHIAL_OK)
        status = ph_pool_new(&j->pool, j->options->n_threads, err);
    if (status != PHIAL_OK)
        return status;
    j->chunk_bytes = ph_dtype_row_bytes(type->id, CHUNK);
    for (int i = 0; i < 2; i++) {
        j->groups[i].bytes = ph_alloc(GROUP, j->chunk_bytes, err);
        if (!j->groups[i].bytes)
            return PHIAL_ERR_NO_MEMORY;
    }
    if (type->block > 1) {
        j->scratch = ph_alloc((size_t)ph_pool_threads(j->pool) * CHUNK, sizeof(float), err);
        if (!j->scratch)
            return PHIAL_ERR_NO_MEMORY;
    }
    return ph_gguf_writer_new(&j->writer, err);
}

static phial_status write_model(job *j, const char *dst, phial_error *err)
{
    ph_gguf_writer *w = j->writer;
    ph_phi_gguf_put(w, j->hp, ph_str_from(j->options->like), ph_phi_file_type(j->quant->type));
    ph_gguf_put_str(w, "tokenizer.ggml.model", ph_str_from("none"));
    ph_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
    ph_gguf_put_u64(w, "phial.synth.seed", j->options->seed);
    phial_status status = for_each(j, declare, err);
    if (status == PHIAL_OK)
        status = ph_gguf_writer_begin(w, dst, err);
    if (status == PHIAL_OK)
        status = for_each(j, make, err);
    if (status == PHIAL_OK) {
        write_other_group(j);
        status = j->write_status;
    }
    return status == PHIAL_OK ? ph_gguf_writer_commit(w, err) : status;
}

phial_status ph_synth(const char *dst, const ph_synth_options *options, phial_error *err)
{
    job j = {.options = options, .err = err};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strcmp(shapes[i].name, options->like) == 0)
            j.hp = &shapes[i].hp;
    }
    if (!j.hp)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "'%s': no shape of that name", options->like);
    j.quant = ph_quant_find(options->type);
    if (!j.quant)
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "type %s cannot be written yet",
                          ph_dtype_name(options->type));
    if (!options->overwrite && ph_file_kind_of(dst) != PH_FILE_MISSING)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", dst);
    j.shape = ph_phi_shape_of(j.hp);
    phial_status status = prepare(&j, err);
    if (status == PHIAL_OK)
        status = write_model(&j, dst, err);
    ph_gguf_writer_free(j.writer);
    ph_pool_free(j.pool);
    for (int i = 0; i < 2; i++)
        ph_free(j.groups[i].bytes);
    ph_free(j.scratch);
    ph_free(j.encoded);
    ph_free(j.scaled);
    ph_free(j.levels);
    return status;
}
