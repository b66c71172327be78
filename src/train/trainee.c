/* Making a trainee: parameters, their order in memory, work space, first values. Contract:
 * trainee.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "model/model_struct.h"
#include "model/phi_gguf.h"
#include "model/phi_weights.h"
#include "model/rope.h"
#include "train/trainee_struct.h"

#define INIT_STD      0.02
#define LOGIT_BYTES   ((size_t)16 << 20) /* about what logits may take */
#define HEAD_ROWS_MAX 1024
#define ALIGN         16 /* numbers; parameters that are used as one matrix stand closer */

void ph_trainee_options_default(ph_trainee_options *options)
{
    *options = (ph_trainee_options){.math = PH_TRAIN_F32, .max_tokens = 4096};
}

static phial_status check(const ph_hparams *hp, const ph_trainee_options *o, phial_error *err)
{
    phial_status status = ph_hparams_check(hp, err);
    if (status != PHIAL_OK) {
        return status;
    }
    if (hp->qk_norm || hp->tied_head) {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "a model with %s cannot be trained",
                          hp->qk_norm ? "LayerNorm on queries and keys"
                                      : "a head tied to its embedding");
    }
    if (o->max_tokens < 1 || o->max_tokens > PH_TRAIN_TOKENS_MAX) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "batches of up to %zu tokens: must be between 1 and %zu", o->max_tokens,
                          PH_TRAIN_TOKENS_MAX);
    }
    return PHIAL_OK;
}

/* --- parameters ------------------------------------------------------------------------------- */

/* Transformers' order; what lies together in memory is placed by place_layer(). */
static const ph_phi_tensor block_tensors[] = {PH_PHI_ATTN_NORM, PH_PHI_ATTN_Q,      PH_PHI_ATTN_K,
                                              PH_PHI_ATTN_V,    PH_PHI_ATTN_OUTPUT, PH_PHI_FFN_UP,
                                              PH_PHI_FFN_DOWN};
#define N_BLOCK_TENSORS (sizeof block_tensors / sizeof *block_tensors)

static ph_train_slot *add_slot(ph_trainee *t, ph_phi_ref ref)
{
    ph_train_slot *slot = &t->slots[t->n_slots++];
    ph_phi_shape shape = ph_phi_shape_of(&t->hp);
    slot->ref = ref;
    ph_phi_name(slot->name, PH_PHI_LAYOUT_HF, ref, t->hp.n_layer);
    ph_phi_dims(&shape, ref, &slot->rows, &slot->cols);
    slot->n = slot->rows * (slot->cols != 0 ? slot->cols : 1);
    t->n_weights += slot->n;
    return slot;
}

static size_t place(ph_trainee *t, ph_train_slot *slot, bool close)
{
    if (!close) {
        t->block = ph_align_up(t->block, ALIGN);
    }
    slot->at = t->block;
    t->block += slot->n;
    return slot->at;
}

/* slots: of the layer, weight and bias of each of block_tensors. */
static void place_layer(ph_trainee *t, ph_train_slot *slots, ph_train_layer *layer)
{
    enum { NORM, Q, K, V, DENSE, UP, DOWN };
    static const int cat[] = {Q, K, V, UP};
    for (int part = 0; part < 2; part++) {
        size_t at[N_BLOCK_TENSORS];
        at[NORM] = place(t, &slots[2 * NORM + part], false);
        for (size_t i = 0; i < sizeof cat / sizeof *cat; i++) {
            at[cat[i]] = place(t, &slots[2 * cat[i] + part], i > 0);
        }
        at[DENSE] = place(t, &slots[2 * DENSE + part], false);
        at[DOWN] = place(t, &slots[2 * DOWN + part], false);
        *(part == 0 ? &layer->norm : &layer->norm_bias) = at[NORM];
        *(part == 0 ? &layer->cat : &layer->cat_bias) = at[Q];
        *(part == 0 ? &layer->dense : &layer->dense_bias) = at[DENSE];
        *(part == 0 ? &layer->down : &layer->down_bias) = at[DOWN];
    }
}

static size_t add_model_slot(ph_trainee *t, ph_phi_tensor tensor, ph_phi_part part)
{
    return place(t, add_slot(t, (ph_phi_ref){tensor, part, 0}), false);
}

static phial_status make_slots(ph_trainee *t, phial_error *err)
{
    size_t n_layer = t->hp.n_layer;
    t->slots = ph_alloc(n_layer * N_BLOCK_TENSORS * 2 + 5, sizeof *t->slots, err);
    t->layers = t->slots == NULL ? NULL : ph_alloc(n_layer, sizeof *t->layers, err);
    if (t->layers == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    t->embed = add_model_slot(t, PH_PHI_TOKEN_EMBD, PH_PHI_WEIGHT);
    for (uint32_t i = 0; i < n_layer; i++) {
        ph_train_slot *first = t->slots + t->n_slots;
        for (size_t k = 0; k < 2 * N_BLOCK_TENSORS; k++) {
            add_slot(t, (ph_phi_ref){block_tensors[k / 2], (ph_phi_part)(k % 2), i});
        }
        place_layer(t, first, &t->layers[i]);
    }
    t->final_norm = add_model_slot(t, PH_PHI_OUTPUT_NORM, PH_PHI_WEIGHT);
    t->final_norm_bias = add_model_slot(t, PH_PHI_OUTPUT_NORM, PH_PHI_BIAS);
    t->head = add_model_slot(t, PH_PHI_OUTPUT, PH_PHI_WEIGHT);
    t->head_bias = add_model_slot(t, PH_PHI_OUTPUT, PH_PHI_BIAS);
    return PHIAL_OK;
}

/* Sizes that hparams allow can exceed memory, but not 64 bits: the sum is checked in double first.
 */
static phial_status check_size(const ph_trainee *t, phial_error *err)
{
    const ph_hparams *hp = &t->hp;
    double embed = (double)hp->n_vocab * hp->n_embd * 2;
    double layer = (double)hp->n_embd * ((double)hp->n_embd * 4 + 2.0 * hp->n_ff + 16);
    double n = embed + layer * hp->n_layer;
    if (n * 16 > (double)(SIZE_MAX / 4)) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "a model of %.3g parameters", n);
    }
    return PHIAL_OK;
}

static phial_status make_chunks(ph_trainee *t, phial_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_slots; i++) {
        n += (t->slots[i].n + PH_TRAIN_CHUNK - 1) / PH_TRAIN_CHUNK;
    }
    t->chunks = ph_alloc(n, sizeof *t->chunks, err);
    t->chunk_slot = t->chunks == NULL ? NULL : ph_alloc(n, sizeof *t->chunk_slot, err);
    t->chunk_sums = t->chunk_slot == NULL ? NULL : ph_alloc(n, sizeof *t->chunk_sums, err);
    if (t->chunk_sums == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < t->n_slots; i++) {
        const ph_train_slot *slot = &t->slots[i];
        for (size_t at = 0; at < slot->n; at += PH_TRAIN_CHUNK) {
            size_t left = slot->n - at;
            t->chunk_slot[t->n_chunks] = i;
            t->chunks[t->n_chunks++] =
                (ph_train_span){slot->at + at, left < PH_TRAIN_CHUNK ? left : PH_TRAIN_CHUNK};
        }
    }
    return PHIAL_OK;
}

/* --- memory ----------------------------------------------------------------------------------- */

static phial_status take(ph_trainee *t, float **out, size_t n, size_t each, bool zeroed,
                         phial_error *err)
{
    size_t floats, bytes;
    if (!ph_mul_size(&floats, n, each) || !ph_mul_size(&bytes, floats, sizeof(float))) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "work space of %zu x %zu numbers", n, each);
    }
    *out = ph_alloc_large(floats, sizeof **out, err);
    if (*out == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    if (zeroed) {
        memset(*out, 0, bytes);
    }
    t->bytes += bytes;
    return PHIAL_OK;
}

static phial_status make_kept(ph_trainee *t, phial_error *err)
{
    size_t n = t->options.max_tokens, copies = t->options.recompute ? 1 : t->hp.n_layer;
    size_t z = t->n_cat * n, o = t->n_q * n, lse = t->hp.n_head * n, each = z + o + lse;
    phial_status status = take(t, &t->activations, each, copies, false, err);
    if (status != PHIAL_OK) {
        return status;
    }
    t->kept = ph_alloc(t->hp.n_layer, sizeof *t->kept, err);
    if (t->kept == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < t->hp.n_layer; i++) {
        float *at = t->activations + (t->options.recompute ? 0 : i * each);
        t->kept[i] = (ph_train_kept){.z = at, .o = at + z, .lse = at + z + o};
    }
    return PHIAL_OK;
}

static phial_status make_work(ph_trainee *t, phial_error *err)
{
    const ph_hparams *hp = &t->hp;
    size_t n = t->options.max_tokens, width = hp->n_embd;
    size_t longest = n < hp->n_ctx_max ? n : hp->n_ctx_max;
    size_t rows = LOGIT_BYTES / sizeof(float) / hp->n_vocab / PH_GEMM_DEPTH * PH_GEMM_DEPTH;
    rows = rows < PH_GEMM_DEPTH ? PH_GEMM_DEPTH : rows > HEAD_ROWS_MAX ? HEAD_ROWS_MAX : rows;
    t->head_rows = rows;
    t->attn_floats = ph_train_attn_floats(&t->kern, hp, longest);
    size_t norm_blocks = (n + PH_TRAIN_NORM_ROWS - 1) / PH_TRAIN_NORM_ROWS;
    const struct {
        float **out;
        size_t n, each;
    } rooms[] = {
        {&t->x, n * (hp->n_layer + 1), width},
        {&t->ln, n, width},
        {&t->dx, n, width},
        {&t->dln, n, width},
        {&t->dz, n, t->n_cat},
        {&t->d_o, n, t->n_q},
        {&t->last_ln, n, width},
        {&t->last_o, n, t->n_q},
        {&t->last_d_o, n, t->n_q},
        {&t->logits, rows < n ? rows : n, hp->n_vocab},
        {&t->norm_sums, norm_blocks * 2, width},
        {&t->attn_room, t->attn_floats, (size_t)ph_pool_threads(t->pool)},
    };
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms && status == PHIAL_OK; i++) {
        status = take(t, rooms[i].out, rooms[i].n, rooms[i].each, false, err);
    }
    if (status != PHIAL_OK) {
        return status;
    }
    t->row_loss = ph_alloc(n, sizeof *t->row_loss, err);
    t->target_rows = t->row_loss == NULL ? NULL : ph_alloc(n, sizeof *t->target_rows, err);
    t->examples = t->target_rows == NULL ? NULL : ph_alloc(n, sizeof *t->examples, err);
    return t->examples == NULL ? PHIAL_ERR_NO_MEMORY : make_kept(t, err);
}

static phial_status make_tables(ph_trainee *t, phial_error *err)
{
    phial_status status = ph_rope_tables(&t->rope_cos, &t->rope_sin, &t->arena, &t->hp, err);
    if (status != PHIAL_OK) {
        return status;
    }
    size_t n = (size_t)t->hp.n_ctx_max * (t->hp.n_rot / 2);
    float *minus = ph_arena_alloc(&t->arena, n, sizeof *minus, err);
    if (minus == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        minus[i] = -t->rope_sin[i];
    }
    t->rope_sin_minus = minus;
    return PHIAL_OK;
}

static phial_status make_threads(ph_trainee *t, phial_error *err)
{
    phial_status status = ph_kern_init(&t->kern, NULL, err);
    if (status == PHIAL_OK) {
        status = ph_pool_new(&t->pool, t->options.n_threads, err);
    }
    if (status == PHIAL_OK) {
        status = ph_work_open(&t->work, &t->kern, t->pool, err);
    }
    if (status == PHIAL_OK) {
        status = ph_gemm_room_open(&t->room, &t->kern, t->pool, t->options.math == PH_TRAIN_BF16,
                                   t->n_cat, err);
    }
    return status;
}

/* Everything but the first values, which are zeros. */
static phial_status make(ph_trainee **out, const ph_hparams *hp, const ph_trainee_options *options,
                         phial_error *err)
{
    phial_status status = check(hp, options, err);
    if (status != PHIAL_OK) {
        return status;
    }
    ph_trainee *t = ph_alloc_aligned(1, sizeof *t, PH_CACHE_LINE, err);
    if (t == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    *t = (ph_trainee){.hp = *hp, .options = *options};
    ph_arena_init(&t->arena, 0);
    t->n_q = (size_t)hp->n_head * hp->head_dim;
    t->n_kv = (size_t)hp->n_head_kv * hp->head_dim;
    t->n_cat = t->n_q + 2 * t->n_kv + hp->n_ff;
    status = check_size(t, err);
    if (status == PHIAL_OK) {
        status = make_threads(t, err);
    }
    if (status == PHIAL_OK) {
        status = make_slots(t, err);
    }
    if (status == PHIAL_OK) {
        status = make_chunks(t, err);
    }
    float **const blocks[] = {&t->value, &t->grad, &t->m, &t->v};
    for (size_t i = 0; i < 4 && status == PHIAL_OK; i++) {
        status = take(t, blocks[i], t->block, 1, true, err);
    }
    if (status == PHIAL_OK) {
        status = make_tables(t, err);
    }
    if (status == PHIAL_OK) {
        status = make_work(t, err);
    }
    if (status != PHIAL_OK) {
        ph_trainee_free(t);
        return status;
    }
    *out = t;
    return PHIAL_OK;
}

void ph_trainee_free(ph_trainee *t)
{
    if (t == NULL) {
        return;
    }
    void *const owned[] = {t->slots,    t->layers,      t->value,      t->grad,       t->m,
                           t->v,        t->chunks,      t->chunk_slot, t->chunk_sums, t->x,
                           t->kept,     t->activations, t->ln,         t->dx,         t->dln,
                           t->dz,       t->d_o,         t->logits,     t->norm_sums,  t->attn_room,
                           t->row_loss, t->target_rows, t->examples,   t->last_ln,    t->last_o,
                           t->last_d_o};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        ph_free(owned[i]);
    }
    ph_gemm_room_close(&t->room);
    ph_work_close(&t->work);
    ph_pool_free(t->pool);
    ph_arena_free(&t->arena);
    ph_free(t);
}

/* --- first values ----------------------------------------------------------------------------- */

/* Pairs of normal numbers by Box and Muller. */
static void fill_normal(float *x, size_t n, ph_rng *rng)
{
    const double two_pi = 6.283185307179586;
    for (size_t i = 0; i < n; i += 2) {
        double radius = INIT_STD * sqrt(-2 * log(1 - ph_rng_f64(rng)));
        double angle = two_pi * ph_rng_f64(rng);
        x[i] = (float)(radius * cos(angle));
        if (i + 1 < n) {
            x[i + 1] = (float)(radius * sin(angle));
        }
    }
}

static bool is_norm(ph_phi_ref ref)
{
    return ref.tensor == PH_PHI_ATTN_NORM || ref.tensor == PH_PHI_OUTPUT_NORM;
}

phial_status ph_trainee_new(ph_trainee **out, const ph_hparams *hp, uint64_t seed,
                            const ph_trainee_options *options, phial_error *err)
{
    ph_trainee *t;
    phial_status status = make(&t, hp, options, err);
    if (status != PHIAL_OK) {
        return status;
    }
    for (size_t i = 0; i < t->n_slots; i++) {
        const ph_train_slot *slot = &t->slots[i];
        if (slot->cols != 0) {
            ph_rng rng;
            ph_rng_seed(&rng, seed, (uint64_t)slot->ref.tensor << 32 | slot->ref.block);
            fill_normal(t->value + slot->at, slot->n, &rng);
        } else if (is_norm(slot->ref) && slot->ref.part == PH_PHI_WEIGHT) {
            for (size_t k = 0; k < slot->n; k++) {
                t->value[slot->at + k] = 1;
            }
        }
    }
    *out = t;
    return PHIAL_OK;
}

phial_status ph_trainee_from_model(ph_trainee **out, const phial_model *model,
                                   const ph_trainee_options *options, phial_error *err)
{
    ph_trainee *t;
    phial_status status = make(&t, ph_model_hparams(model), options, err);
    if (status != PHIAL_OK) {
        return ph_err_context(err, status, "%s", model->path);
    }
    for (size_t i = 0; i < t->n_slots && status == PHIAL_OK; i++) {
        status = ph_phi_weight_read(model, t->slots[i].ref, t->value + t->slots[i].at, err);
    }
    if (status == PHIAL_OK) {
        status = ph_source_check(model->source, err);
    }
    if (status != PHIAL_OK) {
        ph_trainee_free(t);
        return status;
    }
    *out = t;
    return PHIAL_OK;
}

/* --- looking at it ---------------------------------------------------------------------------- */

const ph_hparams *ph_trainee_hparams(const ph_trainee *t)
{
    return &t->hp;
}

uint64_t ph_trainee_bytes(const ph_trainee *t)
{
    uint64_t packed = t->room.b_floats + t->room.a_floats * (size_t)ph_pool_threads(t->pool);
    return t->bytes + packed * sizeof(float);
}

size_t ph_trainee_n_params(const ph_trainee *t)
{
    return t->n_slots;
}

ph_train_param ph_trainee_param(const ph_trainee *t, size_t i)
{
    const ph_train_slot *slot = &t->slots[i];
    return (ph_train_param){
        .name = slot->name,
        .n_dims = slot->cols != 0 ? 2 : 1,
        .shape = {slot->rows, slot->cols != 0 ? slot->cols : 1},
        .n = slot->n,
        .value = t->value + slot->at,
        .grad = t->grad + slot->at,
        .m = t->m + slot->at,
        .v = t->v + slot->at,
        .decays = slot->cols != 0,
    };
}

uint64_t ph_trainee_n_weights(const ph_trainee *t)
{
    return t->n_weights;
}

uint64_t ph_trainee_step(const ph_trainee *t)
{
    return t->step;
}

void ph_trainee_set_step(ph_trainee *t, uint64_t step)
{
    t->step = step;
}
