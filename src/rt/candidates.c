/* Candidates for the next token; contract in candidates.h.
 *
 * Selection is a bounded heap inside the array: for the few dozen that top-k or top-p need, one
 * comparison for nearly every logit; for all of them it is a heap sort. No memory is needed and no
 * input makes it quadratic.
 */
#include "rt/candidates.h"

#include <math.h>

static bool before(const ph_candidate *a, const ph_candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static void swap(ph_candidate *a, ph_candidate *b)
{
    ph_candidate t = *a;
    *a = *b;
    *b = t;
}

/* Only ids with +inf remain, as equals. */
static void keep_infinite(ph_candidates *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->at[i].logit == INFINITY) {
            c->at[n++] = (ph_candidate){0.0, c->at[i].id};
        }
    }
    c->n = n;
}

phial_status ph_candidates_load(ph_candidates *c, const float *logits, uint32_t n_vocab,
                                const uint8_t *masked, const float *bias, phial_error *err)
{
    size_t n = 0;
    bool infinite = false;
    for (uint32_t i = 0; i < n_vocab; i++) {
        double x = (double)logits[i];
        if (x != x) {
            return ph_err_set(err, PHIAL_ERR_NUMERIC,
                              "the logit of id %u is not a number: the model's weights or its "
                              "arithmetic are broken",
                              (unsigned)i);
        }
        if (bias != NULL && bias[i] != 0) {
            x = isinf(bias[i]) ? (double)bias[i] : x + (double)bias[i];
        }
        if (x == -INFINITY || (masked != NULL && masked[i] != 0)) {
            continue;
        }
        infinite |= x == INFINITY;
        c->at[n++] = (ph_candidate){x, i};
    }
    c->n = n;
    c->n_sorted = 0;
    if (n == 0) {
        return ph_err_set(err, PHIAL_ERR_NUMERIC,
                          "no token can come next: all %u logits are -inf, masked or biased away",
                          (unsigned)n_vocab);
    }
    if (infinite) {
        keep_infinite(c);
    }
    return PHIAL_OK;
}

/* A heap with the last in order at its root: restores it below i. */
static void sift(ph_candidate *heap, size_t n, size_t i)
{
    ph_candidate x = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && before(&heap[child], &heap[child + 1])) {
            child++;
        }
        if (!before(&x, &heap[child])) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
}

static bool in_order(const ph_candidates *c)
{
    size_t i = 1;
    while (i < c->n && before(&c->at[i - 1], &c->at[i])) {
        i++;
    }
    return i >= c->n;
}

void ph_candidates_top(ph_candidates *c, size_t n)
{
    n = n < c->n ? n : c->n;
    if (n <= c->n_sorted) {
        return;
    }
    if (n == c->n && in_order(c)) { /* equal logits as they were loaded */
        c->n_sorted = n;
        return;
    }
    for (size_t i = n / 2; i-- > 0;) {
        sift(c->at, n, i);
    }
    for (size_t i = n; i < c->n; i++) {
        if (before(&c->at[i], &c->at[0])) {
            swap(&c->at[i], &c->at[0]);
            sift(c->at, n, 0);
        }
    }
    for (size_t last = n - 1; last > 0; last--) {
        swap(&c->at[0], &c->at[last]);
        sift(c->at, last, 0);
    }
    c->n_sorted = n;
}

void ph_candidates_truncate(ph_candidates *c, size_t n)
{
    ph_candidates_top(c, n);
    if (n < c->n) {
        c->n = n;
        c->n_sorted = n;
    }
}

double ph_candidates_max(const ph_candidates *c)
{
    double max = c->at[0].logit;
    for (size_t i = 1; i < c->n && c->n_sorted == 0; i++) {
        max = c->at[i].logit > max ? c->at[i].logit : max;
    }
    return max;
}

double ph_candidates_total(const ph_candidates *c, double max)
{
    double total = 0;
    for (size_t i = 0; i < c->n; i++) {
        total += exp(c->at[i].logit - max);
    }
    return total;
}

void ph_candidates_softmax(ph_candidates *c)
{
    double max = ph_candidates_max(c);
    double total = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->p[i] = exp(c->at[i].logit - max);
        total += c->p[i];
    }
    for (size_t i = 0; i < c->n; i++) {
        c->p[i] /= total;
    }
}

void ph_candidates_keep(ph_candidates *c, double least)
{
    size_t n = 0, n_sorted = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->at[i].logit >= least) {
            n_sorted += i < c->n_sorted;
            c->at[n++] = c->at[i];
        }
    }
    if (n == 0) {
        ph_candidates_truncate(c, 1);
        return;
    }
    c->n = n;
    c->n_sorted = n_sorted;
}

/* --- cutting by weight ------------------------------------------------------------------------ */

#define BUCKETS 256
#define FEW     128 /* are sorted right away */

/* at[0..kept) are settled with a sum of `sum`; the last one to keep is in [kept..n). */
typedef struct cut {
    ph_candidates *c;
    const double *weight;
    double wanted, sum;
    size_t kept;
    bool beyond;
} cut;

static bool enough(const cut *k, double sum)
{
    return k->beyond ? sum > k->wanted : sum >= k->wanted;
}

/* Moves candidates of bucket `which` to the front of those not settled, and returns the index
 * behind them. */
static size_t gather(const cut *k, size_t from, double hi, double scale, size_t lo_bucket,
                     size_t hi_bucket)
{
    for (size_t i = from; i < k->c->n; i++) {
        size_t b = (size_t)((hi - k->c->at[i].logit) * scale);
        b = b < BUCKETS ? b : BUCKETS - 1;
        if (b >= lo_bucket && b < hi_bucket) {
            swap(&k->c->at[i], &k->c->at[from++]);
        }
    }
    return from;
}

/* Narrows what is not settled to one bucket of its range of logits; false if that is not possible
 * because all are equal. */
static bool narrow(cut *k)
{
    ph_candidates *c = k->c;
    double hi = c->at[k->kept].logit, lo = hi;
    for (size_t i = k->kept; i < c->n; i++) {
        hi = c->at[i].logit > hi ? c->at[i].logit : hi;
        lo = c->at[i].logit < lo ? c->at[i].logit : lo;
    }
    double scale = BUCKETS / (hi - lo);
    if (!isfinite(scale) || scale == 0) {
        return false;
    }
    double sums[BUCKETS] = {0};
    for (size_t i = k->kept; i < c->n; i++) {
        size_t b = (size_t)((hi - c->at[i].logit) * scale);
        sums[b < BUCKETS ? b : BUCKETS - 1] += k->weight[c->at[i].id];
    }
    size_t b = 0;
    while (b < BUCKETS - 1 && !enough(k, k->sum + sums[b])) {
        k->sum += sums[b++];
    }
    k->kept = gather(k, k->kept, hi, scale, 0, b);
    c->n = gather(k, k->kept, hi, scale, b, b + 1);
    return true;
}

void ph_candidates_cut(ph_candidates *c, const double *weight, double wanted, bool beyond)
{
    cut k = {.c = c, .weight = weight, .wanted = wanted, .beyond = beyond};
    while (c->n - k.kept > FEW && narrow(&k)) {
    }
    ph_candidates rest = {.at = c->at + k.kept, .n = c->n - k.kept};
    rest.n_sorted = k.kept == 0 && c->n_sorted >= c->n ? c->n : 0;
    ph_candidates_top(&rest, rest.n);
    size_t n = 0;
    while (n < rest.n && (n == 0 || !enough(&k, k.sum))) {
        k.sum += weight[rest.at[n++].id];
    }
    c->n = k.kept + n;
    c->n_sorted = k.kept == 0 ? n : 0;
}

size_t ph_candidates_draw(const ph_candidates *c, ph_rng *rng)
{
    double u = ph_rng_f64(rng);
    double sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->p[i] > 0) {
            sum += c->p[i];
            last = i;
            if (u < sum) {
                break;
            }
        }
    }
    return last; /* rounding may leave the sum just below u: then the last possible one */
}

double ph_candidates_entropy(const ph_candidates *c, double max, double total)
{
    double log_total = log(total), entropy = 0;
    for (size_t i = 0; i < c->n; i++) {
        double below = c->at[i].logit - max;
        double p = exp(below) / total;
        if (p > 0) {
            entropy += p * (log_total - below);
        }
    }
    return entropy;
}
