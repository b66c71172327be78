/* The optimizer: norm of the gradients, clipping, AdamW. Contract: trainee.h.
 *
 * Parameters are cut into chunks that do not depend on the number of threads; sums of squares are
 * taken chunk by chunk in double and added in order.
 */
#include <math.h>
#include <string.h>

#include "train/trainee_struct.h"

typedef struct update_run {
    ph_ticket ticket;
    ph_trainee *t;
    float scale; /* of gradients */
    float beta2, eps, one_minus_beta1, one_minus_beta2;
    float keep; /* 1 - lr x weight decay */
    float step_size, root_correction;
} update_run;

void ph_adamw_default(ph_adamw *options)
{
    *options = (ph_adamw){.lr = 1e-3,
                          .beta1 = 0.9,
                          .beta2 = 0.95,
                          .eps = 1e-8,
                          .weight_decay = 0.1,
                          .clip_norm = 1,
                          .divisor = 1};
}

/* Eight sums side by side. */
static double sum_of_squares(const float *x, size_t n)
{
    double lanes[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t l = 0; l < 8; l++) {
            lanes[l] += (double)x[i + l] * (double)x[i + l];
        }
    }
    for (; i < n; i++) {
        lanes[0] += (double)x[i] * (double)x[i];
    }
    return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
           ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

static void measure(void *arg, int thread, int n_threads)
{
    update_run *run = arg;
    ph_trainee *t = run->t;
    (void)thread;
    (void)n_threads;
    for (size_t c; (c = ph_ticket_take(&run->ticket)) < t->n_chunks;) {
        t->chunk_sums[c] = sum_of_squares(t->grad + t->chunks[c].first, t->chunks[c].n);
    }
}

#define GROUP 16

typedef struct group {
    float p[GROUP], g[GROUP], m[GROUP], v[GROUP];
} group;

/* In the order of PyTorch's operations. The number of them is known, so that compilers use vectors.
 */
static inline void update_group(const update_run *run, group *x, float keep)
{
    for (size_t i = 0; i < GROUP; i++) {
        float d = x->g[i] * run->scale;
        x->m[i] += (d - x->m[i]) * run->one_minus_beta1;
        x->v[i] = x->v[i] * run->beta2 + d * d * run->one_minus_beta2;
        float root = sqrtf(x->v[i]) / run->root_correction + run->eps;
        x->p[i] = x->p[i] * keep - run->step_size * (x->m[i] / root);
    }
}

/* n numbers from `at` on, at most GROUP. */
static inline void update_at(const update_run *run, size_t at, size_t n, float keep)
{
    const ph_trainee *t = run->t;
    group x = {{0}, {0}, {0}, {0}};
    memcpy(x.p, t->value + at, n * sizeof(float));
    memcpy(x.g, t->grad + at, n * sizeof(float));
    memcpy(x.m, t->m + at, n * sizeof(float));
    memcpy(x.v, t->v + at, n * sizeof(float));
    update_group(run, &x, keep);
    memcpy(t->value + at, x.p, n * sizeof(float));
    memcpy(t->m + at, x.m, n * sizeof(float));
    memcpy(t->v + at, x.v, n * sizeof(float));
    memset(t->grad + at, 0, n * sizeof(float));
}

static void update_chunk(const update_run *run, size_t first, size_t n, float keep)
{
    size_t i = 0;
    for (; i + GROUP <= n; i += GROUP) {
        update_at(run, first + i, GROUP, keep);
    }
    if (i < n) {
        update_at(run, first + i, n - i, keep);
    }
}

static void update(void *arg, int thread, int n_threads)
{
    update_run *run = arg;
    ph_trainee *t = run->t;
    (void)thread;
    (void)n_threads;
    for (size_t c; (c = ph_ticket_take(&run->ticket)) < t->n_chunks;) {
        bool decays = t->slots[t->chunk_slot[c]].cols != 0;
        update_chunk(run, t->chunks[c].first, t->chunks[c].n, decays ? run->keep : 1.0f);
    }
}

/* The name of the first parameter whose gradient is no number. */
static const char *first_bad(const ph_trainee *t)
{
    for (size_t c = 0; c < t->n_chunks; c++) {
        if (!isfinite(t->chunk_sums[c])) {
            return t->slots[t->chunk_slot[c]].name;
        }
    }
    return "all parameters together";
}

static phial_status check_options(const ph_adamw *o, phial_error *err)
{
    bool ok = isfinite(o->lr) && o->lr >= 0 && o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 &&
              o->beta2 < 1 && isfinite(o->eps) && o->eps > 0 && isfinite(o->weight_decay) &&
              o->weight_decay >= 0 && o->lr * o->weight_decay <= 1 && isfinite(o->clip_norm) &&
              o->clip_norm >= 0 && isfinite(o->divisor) && o->divisor > 0;
    return ok ? PHIAL_OK
              : ph_err_set(err, PHIAL_ERR_ARGUMENT,
                           "AdamW with learning rate %g, betas %g and %g, eps %g, weight decay %g, "
                           "clipping at %g and divisor %g is impossible",
                           o->lr, o->beta1, o->beta2, o->eps, o->weight_decay, o->clip_norm,
                           o->divisor);
}

phial_status ph_trainee_update(ph_trainee *t, const ph_adamw *o, double *grad_norm,
                               phial_error *err)
{
    phial_status status = check_options(o, err);
    if (status != PHIAL_OK) {
        return status;
    }
    update_run run = {.t = t};
    ph_pool_run(t->pool, measure, &run);
    double squares = 0;
    for (size_t c = 0; c < t->n_chunks; c++) {
        squares += t->chunk_sums[c];
    }
    double norm = sqrt(squares) / o->divisor;
    if (grad_norm != NULL) {
        *grad_norm = norm;
    }
    if (!isfinite(norm)) {
        return ph_err_set(err, PHIAL_ERR_NUMERIC,
                          "step %llu: the gradient of '%s' is not a finite number",
                          (unsigned long long)t->step + 1, first_bad(t));
    }
    double clip = o->clip_norm > 0 && norm > o->clip_norm ? o->clip_norm / (norm + 1e-6) : 1;
    double steps = (double)++t->step;
    run.scale = (float)(clip / o->divisor);
    run.beta2 = (float)o->beta2;
    run.one_minus_beta1 = (float)(1 - o->beta1);
    run.one_minus_beta2 = (float)(1 - o->beta2);
    run.eps = (float)o->eps;
    run.keep = (float)(1 - o->lr * o->weight_decay);
    run.step_size = (float)(o->lr / (1 - pow(o->beta1, steps)));
    run.root_correction = (float)sqrt(1 - pow(o->beta2, steps));
    atomic_store(&run.ticket.next, 0);
    ph_pool_run(t->pool, update, &run);
    return PHIAL_OK;
}

static void zero(void *arg, int thread, int n_threads)
{
    ph_trainee *t = arg;
    size_t begin, end;
    ph_pool_split(t->block, PH_CACHE_LINE, thread, n_threads, &begin, &end);
    memset(t->grad + begin, 0, (end - begin) * sizeof *t->grad);
}

void ph_trainee_zero(ph_trainee *t)
{
    ph_pool_run(t->pool, zero, t);
}
