/* Causal attention within examples, forwards and backwards, without a matrix of all scores.
 *
 * Blocks of BLOCK queries by BLOCK keys: forwards an online softmax that leaves each row's
 * log-sum-exp, backwards the probabilities again from it (Dao et al., "FlashAttention", 2022; Dao,
 * "FlashAttention-2", 2023). A tile of scores is written in the panels in which the next product
 * reads it, so that nothing but q, k, v and their gradients is ever packed; for that dK and dV are
 * computed transposed. Scores stay f32. One thread does an example's key head from end to end: one
 * writer, one order.
 */
#include <math.h>
#include <string.h>

#include "train/trainee_struct.h"

#define BLOCK 96 /* a multiple of every gemm_m and gemm_n */

/* Room of a thread, by example of up to `padded` tokens. */
typedef struct attn_room {
    float *q, *k, *v, *d_o; /* [padded][d], zero behind the end */
    /* Packed, block by block: as A by rows and by columns, as B by rows and by columns. */
    float *q_rows, *q_cols, *o_rows, *o_cols, *k_rows, *k_cols, *v_rows, *v_cols;
    float *dq;        /* [padded][wide] */
    float *dk, *dv;   /* [tall][BLOCK] */
    float *s, *ds;    /* panels [BLOCK / gemm_n][BLOCK][gemm_n] */
    float *max, *sum; /* [padded] */
} attn_room;

typedef struct attn_run {
    ph_ticket ticket;
    ph_trainee *t;
    const ph_train_kept *kept;
    bool grad;
    size_t d, wide, tall, padded; /* wide, tall: d rounded up to gemm_n, gemm_m */
} attn_run;

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static float *take(float **at, size_t n)
{
    float *p = *at;
    *at += round_up(n, PH_CACHE_LINE / sizeof(float));
    return p;
}

/* Lays the room out; returns its end. */
static float *lay_out(attn_room *r, float *at, size_t d, size_t wide, size_t tall, size_t padded)
{
    float **plain[] = {&r->q, &r->k, &r->v, &r->d_o};
    float **packed[] = {&r->q_rows, &r->q_cols, &r->o_rows, &r->o_cols,
                        &r->k_rows, &r->k_cols, &r->v_rows, &r->v_cols};
    size_t most = wide > tall ? wide : tall;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        *plain[i] = take(&at, padded * d);
    }
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        *packed[i] = take(&at, padded * most);
    }
    r->dq = take(&at, padded * wide);
    r->dk = take(&at, tall * BLOCK);
    r->dv = take(&at, tall * BLOCK);
    r->s = take(&at, (size_t)BLOCK * BLOCK);
    r->ds = take(&at, (size_t)BLOCK * BLOCK);
    r->max = take(&at, padded);
    r->sum = take(&at, padded);
    return at;
}

size_t ph_train_attn_floats(const ph_kern *kern, const ph_hparams *hp, size_t n)
{
    /* n <= PH_TRAIN_TOKENS_MAX and d <= PH_HEAD_MAX: far from any overflow of 64 bits. */
    size_t d = hp->head_dim;
    size_t wide = round_up(d, kern->gemm_n), tall = round_up(d, kern->gemm_m);
    size_t padded = round_up(n, BLOCK);
    return padded * (4 * d + 9 * (wide + tall) + 2) + 2 * tall * BLOCK + 2 * BLOCK * BLOCK + 1024;
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* Rows of one head, back to back, zeros up to a whole block; rotated if cos is given. */
static void gather(const attn_run *run, float *dst, const float *src, size_t ld, size_t n,
                   bool rotate)
{
    const ph_trainee *t = run->t;
    size_t d = run->d, half = t->hp.n_rot / 2;
    for (size_t i = 0; i < n; i++) {
        memcpy(dst + i * d, src + i * ld, d * sizeof *dst);
        if (rotate) {
            t->kern.rope(dst + i * d, t->rope_cos + i * half, t->rope_sin + i * half, half);
        }
    }
    memset(dst + n * d, 0, (round_up(n, BLOCK) - n) * d * sizeof *dst);
}

/* A block of scores, of which n queries are real. On the diagonal, tiles that
 * the mask would empty are left out: what they would hold is neither made nor read. */
typedef struct block {
    size_t n;
    bool diagonal;
} block;

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Keys that the tile of queries from i on may see, in whole panels. */
static size_t seen_by(const ph_kern *kern, block b, size_t i)
{
    return b.diagonal ? least(BLOCK, round_up(i + kern->gemm_m, kern->gemm_n)) : BLOCK;
}

/* s = a b^T, both [BLOCK][d] packed by rows, into panels. */
static void scores(const attn_run *run, float *s, const float *a, const float *b, block at)
{
    const ph_kern *kern = &run->t->kern;
    size_t w = kern->gemm_n;
    ph_gemm_tile t = {.ldc = w, .m = kern->gemm_m, .n = w, .k = run->d};
    for (size_t j = 0; j < BLOCK; j += w) {
        for (size_t i = 0; i < at.n; i += kern->gemm_m) {
            if (seen_by(kern, at, i) > j) {
                t.c = s + j * BLOCK + i * w;
                t.a = a + i * run->d;
                t.b = b + j * run->d;
                kern->gemm(&t);
            }
        }
    }
}

/* c [BLOCK][wide] (+)= s b, s in panels, b [BLOCK][d] packed by columns. */
static void times_rows(const attn_run *run, float *c, const float *s, const float *b, block at,
                       bool add)
{
    const ph_kern *kern = &run->t->kern;
    size_t w = kern->gemm_n;
    ph_gemm_tile t = {
        .ldc = run->wide, .ld_from = run->wide, .panel = BLOCK * w, .m = kern->gemm_m, .n = w};
    for (size_t j = 0; j < run->wide; j += w) {
        for (size_t i = 0; i < at.n; i += kern->gemm_m) {
            t.c = c + i * run->wide + j;
            t.from = add ? t.c : NULL;
            t.a = s + i * w;
            t.b = b + j * BLOCK;
            t.k = seen_by(kern, at, i);
            kern->gemm_panels(&t);
        }
    }
}

/* c [tall][BLOCK] (+)= a^T s, a [BLOCK][d] packed by columns, s in panels. */
static void times_cols(const attn_run *run, float *c, const float *a, const float *s, block at,
                       bool add)
{
    const ph_kern *kern = &run->t->kern;
    size_t w = kern->gemm_n;
    ph_gemm_tile t = {.ldc = BLOCK, .ld_from = BLOCK, .m = kern->gemm_m, .n = w};
    for (size_t j = 0; j < BLOCK; j += w) {
        /* Queries before the panel's first key see none of it. */
        size_t first = at.diagonal ? j : 0;
        for (size_t i = 0; i < run->tall && first < at.n; i += kern->gemm_m) {
            t.c = c + i * BLOCK + j;
            t.from = add ? t.c : NULL;
            t.a = a + i * BLOCK + first * kern->gemm_m;
            t.b = s + j * BLOCK + first * w;
            t.k = at.n - first;
            kern->gemm(&t);
        }
    }
}

/* Blocks of n rows: as the first operand (gemm_m wide panels) or the second, by rows or columns. */
static void pack_rows(const attn_run *run, float *dst, const float *src, size_t n, size_t w)
{
    for (size_t i = 0; i < n; i += BLOCK) {
        ph_pack_rows(dst + i * run->d, src + i * run->d, run->d, BLOCK, run->d, w);
    }
}

static void pack_cols(const attn_run *run, float *dst, const float *src, size_t n, size_t w)
{
    size_t width = round_up(run->d, w);
    for (size_t i = 0; i < n; i += BLOCK) {
        ph_pack_cols(dst + i * width, src + i * run->d, run->d, run->d, BLOCK, w);
    }
}

/* --- forwards --------------------------------------------------------------------------------- */

static void probs_block(const attn_run *run, attn_room *r, size_t first, block at)
{
    const ph_kern *kern = &run->t->kern;
    float scale = 1.0f / sqrtf((float)run->d);
    for (size_t i = 0; i < at.n; i++) {
        ph_score_row row = {
            .s = r->s + i * kern->gemm_n,
            .max = r->max + first + i,
            .sum = r->sum + first + i,
            .panel = BLOCK * kern->gemm_n,
            .n = at.diagonal ? i + 1 : BLOCK,
            .n_padded = seen_by(kern, at, i / kern->gemm_m * kern->gemm_m),
            .scale = scale,
        };
        float factor = kern->attn_probs(&row);
        float *out = r->dq + i * run->wide;
        for (size_t c = 0; factor != 1.0f && c < run->wide; c += 8) {
            for (size_t l = 0; l < 8; l++) {
                out[c + l] *= factor;
            }
        }
    }
}

/* One head: q, k and v are packed; r->dq holds a block of outputs. */
static void forward_head(const attn_run *run, attn_room *r, ph_train_span e, size_t head)
{
    const ph_trainee *t = run->t;
    size_t d = run->d, wide = run->wide;
    for (size_t i0 = 0; i0 < e.n; i0 += BLOCK) {
        size_t n = e.n - i0 < BLOCK ? e.n - i0 : BLOCK;
        memset(r->dq, 0, BLOCK * wide * sizeof *r->dq);
        for (size_t i = i0; i < i0 + n; i++) {
            r->max[i] = -INFINITY;
            r->sum[i] = 0;
        }
        for (size_t j0 = 0; j0 <= i0; j0 += BLOCK) {
            block at = {n, j0 == i0};
            scores(run, r->s, r->q_rows + i0 * d, r->k_rows + j0 * d, at);
            probs_block(run, r, i0, at);
            times_rows(run, r->dq, r->s, r->v_cols + j0 * wide, at, true);
        }
        for (size_t i = 0; i < n; i++) {
            float *out = run->kept->o + (e.first + i0 + i) * t->n_q + head * d;
            float inverse = 1.0f / r->sum[i0 + i];
            for (size_t c = 0; c < d; c++) {
                out[c] = r->dq[i * wide + c] * inverse;
            }
            run->kept->lse[head * t->options.max_tokens + e.first + i0 + i] =
                r->max[i0 + i] + logf(r->sum[i0 + i]);
        }
    }
}

/* --- backwards -------------------------------------------------------------------------------- */

/* delta = o . do for every row, from the gathered do. */
static void deltas(const attn_run *run, attn_room *r, ph_train_span e, size_t head)
{
    const ph_trainee *t = run->t;
    for (size_t i = 0; i < e.n; i++) {
        const float *o = run->kept->o + (e.first + i) * t->n_q + head * run->d;
        const float *d_o = r->d_o + i * run->d;
        float lanes[PH_DOT_LANES] = {0}, sum = 0;
        size_t c = 0;
        for (; c + PH_DOT_LANES <= run->d; c += PH_DOT_LANES) {
            for (size_t l = 0; l < PH_DOT_LANES; l++) {
                lanes[l] += o[c + l] * d_o[c + l];
            }
        }
        for (size_t l = 0; c + l < run->d; l++) {
            lanes[l] += o[c + l] * d_o[c + l];
        }
        for (size_t l = 0; l < PH_DOT_LANES; l++) {
            sum += lanes[l];
        }
        r->sum[i] = sum;
        r->max[i] = run->kept->lse[head * t->options.max_tokens + e.first + i];
    }
}

/* Rows behind the end that share a tile with real ones are emptied. */
static void grad_block(const attn_run *run, attn_room *r, size_t first, block at)
{
    const ph_kern *kern = &run->t->kern;
    float scale = 1.0f / sqrtf((float)run->d);
    for (size_t i = 0; i < round_up(at.n, kern->gemm_m); i++) {
        ph_score_row row = {
            .s = r->s + i * kern->gemm_n,
            .ds = r->ds + i * kern->gemm_n,
            .max = r->max + first + i,
            .sum = r->sum + first + i,
            .panel = BLOCK * kern->gemm_n,
            .n = i >= at.n     ? 0
                 : at.diagonal ? i + 1
                               : BLOCK,
            .n_padded = seen_by(kern, at, i / kern->gemm_m * kern->gemm_m),
            .scale = scale,
        };
        kern->attn_grad(&row);
    }
}

static void backward_head(const attn_run *run, attn_room *r, ph_train_span e, size_t head,
                          size_t kv_head, bool add)
{
    ph_trainee *t = run->t;
    size_t d = run->d, wide = run->wide, tall = run->tall, ld = t->n_cat;
    float *dz = t->dz + e.first * ld;
    for (size_t j0 = 0; j0 < e.n; j0 += BLOCK) {
        for (size_t i0 = j0; i0 < e.n; i0 += BLOCK) {
            size_t n = e.n - i0 < BLOCK ? e.n - i0 : BLOCK;
            block at = {n, i0 == j0};
            scores(run, r->s, r->q_rows + i0 * d, r->k_rows + j0 * d, at);
            scores(run, r->ds, r->o_rows + i0 * d, r->v_rows + j0 * d, at);
            grad_block(run, r, i0, at);
            times_cols(run, r->dv, r->o_cols + i0 * tall, r->s, at, i0 > j0);
            times_cols(run, r->dk, r->q_cols + i0 * tall, r->ds, at, i0 > j0);
            times_rows(run, r->dq + i0 * wide, r->ds, r->k_cols + j0 * wide, at, j0 > 0);
        }
        size_t n = e.n - j0 < BLOCK ? e.n - j0 : BLOCK;
        float *dk = dz + j0 * ld + t->n_q + kv_head * d;
        ph_scatter_cols(dk, ld, r->dk, BLOCK, n, d, add);
        ph_scatter_cols(dk + t->n_kv, ld, r->dv, BLOCK, n, d, add);
    }
    size_t half = t->hp.n_rot / 2;
    for (size_t i = 0; i < e.n; i++) {
        float *dq = dz + i * ld + head * d;
        memcpy(dq, r->dq + i * wide, d * sizeof *dq);
        t->kern.rope(dq, t->rope_cos + i * half, t->rope_sin_minus + i * half, half);
    }
}

/* --- one key head of one example -------------------------------------------------------------- */

static void head_of_keys(const attn_run *run, attn_room *r, ph_train_span e, size_t kv_head)
{
    ph_trainee *t = run->t;
    const ph_kern *kern = &t->kern;
    size_t d = run->d, ld = t->n_cat, group = t->hp.n_head / t->hp.n_head_kv;
    const float *z = run->kept->z + e.first * ld, *k = z + t->n_q + kv_head * d;
    gather(run, r->k, k, ld, e.n, true);
    gather(run, r->v, k + t->n_kv, ld, e.n, false);
    pack_rows(run, r->k_rows, r->k, e.n, kern->gemm_n);
    if (run->grad) {
        pack_cols(run, r->k_cols, r->k, e.n, kern->gemm_n);
        pack_rows(run, r->v_rows, r->v, e.n, kern->gemm_n);
    } else {
        pack_cols(run, r->v_cols, r->v, e.n, kern->gemm_n);
    }
    for (size_t i = 0; i < group; i++) {
        size_t head = kv_head * group + i;
        gather(run, r->q, z + head * d, ld, e.n, true);
        pack_rows(run, r->q_rows, r->q, e.n, kern->gemm_m);
        if (!run->grad) {
            forward_head(run, r, e, head);
            continue;
        }
        gather(run, r->d_o, t->d_o + e.first * t->n_q + head * d, t->n_q, e.n, false);
        pack_cols(run, r->q_cols, r->q, e.n, kern->gemm_m);
        pack_rows(run, r->o_rows, r->d_o, e.n, kern->gemm_m);
        pack_cols(run, r->o_cols, r->d_o, e.n, kern->gemm_m);
        deltas(run, r, e, head);
        backward_head(run, r, e, head, kv_head, i > 0);
    }
    size_t half = t->hp.n_rot / 2;
    for (size_t i = 0; run->grad && i < e.n; i++) {
        float *dk = t->dz + (e.first + i) * ld + t->n_q + kv_head * d;
        kern->rope(dk, t->rope_cos + i * half, t->rope_sin_minus + i * half, half);
    }
}

static void attend(void *arg, int thread, int n_threads)
{
    attn_run *run = arg;
    ph_trainee *t = run->t;
    attn_room room;
    (void)n_threads;
    lay_out(&room, t->attn_room + (size_t)thread * t->attn_floats, run->d, run->wide, run->tall,
            run->padded);
    size_t n_heads = t->hp.n_head_kv, n_units = t->n_examples * n_heads;
    for (size_t u; (u = ph_ticket_take(&run->ticket)) < n_units;) {
        head_of_keys(run, &room, t->examples[u / n_heads], u % n_heads);
    }
}

static void run_all(ph_trainee *t, const ph_train_kept *kept, bool grad)
{
    size_t longest = 0;
    for (size_t i = 0; i < t->n_examples; i++) {
        longest = t->examples[i].n > longest ? t->examples[i].n : longest;
    }
    attn_run run = {.t = t,
                    .kept = kept,
                    .grad = grad,
                    .d = t->hp.head_dim,
                    .wide = round_up(t->hp.head_dim, t->kern.gemm_n),
                    .tall = round_up(t->hp.head_dim, t->kern.gemm_m),
                    .padded = round_up(longest, BLOCK)};
    ph_pool_run(t->pool, attend, &run);
}

void ph_train_attn(ph_trainee *t, const ph_train_kept *kept)
{
    run_all(t, kept, false);
}

void ph_train_attn_grad(ph_trainee *t, const ph_train_kept *kept)
{
    run_all(t, kept, true);
}
