/* Attention without a mask; contract in attn_full.h.
 *
 * One thread does a head of a text: keys and values are packed once, then a tile of queries at a
 * time is multiplied with all keys, weighed, and multiplied with all values. Scores are written in
 * the panels in which the second product reads them. */
#include "kern/attn_full.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kern/sgemm.h"

typedef struct full_run {
    ph_ticket ticket;
    const ph_kern *kern;
    const ph_attn_full *a;
    float *room;
    size_t stride;
} full_run;

/* A thread's room, by the text. */
typedef struct full_room {
    float *k;   /* panels of gemm_n keys: [d][gemm_n] */
    float *v;   /* panels of gemm_n columns: [padded][gemm_n] */
    float *s;   /* panels of gemm_n keys: [gemm_m][gemm_n] */
    float *out; /* [gemm_m][wide] */
    size_t padded, wide;
} full_room;

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Whole cache lines. */
static size_t lines(size_t n)
{
    return ph_align_up(n, PH_CACHE_LINE / sizeof(float));
}

static float *take(float **at, size_t n)
{
    float *p = *at;
    *at += lines(n);
    return p;
}

/* Lays it out for n keys. */
static full_room lay_out(float *at, const ph_kern *kern, size_t n, size_t d)
{
    full_room r = {.padded = round_up(n, kern->gemm_n), .wide = round_up(d, kern->gemm_n)};
    r.k = take(&at, r.padded * d);
    r.v = take(&at, r.padded * r.wide);
    r.s = take(&at, r.padded * kern->gemm_m);
    r.out = take(&at, r.wide * kern->gemm_m);
    return r;
}

size_t ph_attn_full_floats(const ph_kern *kern, size_t n_longest, size_t head_dim)
{
    if (head_dim > PH_HEAD_MAX || n_longest > SIZE_MAX / 64 / (2 * PH_HEAD_MAX)) {
        return 0;
    }
    size_t padded = round_up(n_longest, kern->gemm_n), wide = round_up(head_dim, kern->gemm_n);
    return lines(padded * head_dim) + lines(padded * wide) + lines(padded * kern->gemm_m) +
           lines(wide * kern->gemm_m);
}

static void pack_head(const full_run *run, const full_room *r, size_t row, size_t n, size_t head)
{
    const ph_attn_full *a = run->a;
    size_t d = a->head_dim, w = run->kern->gemm_n;
    const float *v = a->v + row * a->ld + head * d;
    ph_pack_rows(r->k, a->k + row * a->ld + head * d, a->ld, n, d, w);
    for (size_t j = 0; j < d; j += w) {
        float *panel = r->v + j * r->padded;
        ph_pack_cols(panel, v + j, a->ld, d - j < w ? d - j : w, n, w);
        memset(panel + n * w, 0, (r->padded - n) * w * sizeof *panel);
    }
}

/* m queries from row `row` on, of a text with n keys. */
static void attend(const full_run *run, const full_room *r, size_t row, size_t m, size_t n,
                   size_t head)
{
    const ph_attn_full *a = run->a;
    const ph_kern *kern = run->kern;
    size_t d = a->head_dim, w = kern->gemm_n, tall = kern->gemm_m;
    ph_gemm_tile t = {
        .a = a->q + row * a->ld + head * d, .panel = a->ld, .ldc = w, .m = tall, .n = w, .k = d};
    for (size_t j = 0; j < r->padded; j += w) {
        t.c = r->s + j * tall;
        t.b = r->k + j * d;
        kern->gemm_rows(&t);
    }
    float sums[PH_GEMM_M_MAX];
    for (size_t i = 0; i < m; i++) {
        float max = -INFINITY;
        sums[i] = 0;
        ph_score_row scores = {.s = r->s + i * w,
                               .max = &max,
                               .sum = &sums[i],
                               .panel = tall * w,
                               .n = n,
                               .n_padded = r->padded,
                               .scale = a->scale};
        kern->attn_probs(&scores);
    }
    ph_gemm_tile o = {
        .a = r->s, .ldc = r->wide, .panel = tall * w, .m = tall, .n = w, .k = r->padded};
    for (size_t j = 0; j < d; j += w) {
        o.c = r->out + j;
        o.b = r->v + j * r->padded;
        kern->gemm_panels(&o);
    }
    for (size_t i = 0; i < m; i++) {
        kern->divide(a->out + (row + i) * a->ld_out + head * d, r->out + i * r->wide, sums[i], d);
    }
}

static void full(void *arg, int thread, int n_threads)
{
    full_run *run = arg;
    const ph_attn_full *a = run->a;
    size_t tall = run->kern->gemm_m;
    (void)n_threads;
    for (size_t u; (u = ph_ticket_take(&run->ticket)) < a->n_texts * a->n_head;) {
        size_t row = a->starts[u / a->n_head], n = a->starts[u / a->n_head + 1] - row;
        size_t head = u % a->n_head, wanted = a->first_only ? 1 : n;
        full_room room =
            lay_out(run->room + (size_t)thread * run->stride, run->kern, n, a->head_dim);
        pack_head(run, &room, row, n, head);
        for (size_t i = 0; i < wanted; i += tall) {
            attend(run, &room, row + i, wanted - i < tall ? wanted - i : tall, n, head);
        }
    }
}

void ph_attn_full_run(const ph_kern *kern, ph_pool *pool, float *room, size_t stride,
                      const ph_attn_full *a)
{
    full_run run = {.kern = kern, .a = a, .room = room, .stride = stride};
    ph_pool_run_tickets(pool, full, &run);
}
