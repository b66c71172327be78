/* The candidates for the next token: ids with their logits, in no particular order but for a
 * sorted beginning.
 *
 * "Order" is descending logit, equal ones by ascending id. Logits are finite on loading; a step may
 * make them -inf only if it removes them. All functions keep n >= 1.
 */
#ifndef PH_RT_CANDIDATES_H
#define PH_RT_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

typedef struct ph_candidate {
    double logit;
    uint32_t id;
} ph_candidate;

typedef struct ph_candidates {
    ph_candidate *at; /* [n] */
    double *p; /* [n] after ph_candidates_softmax(), until the next change; room for n_vocab, else
                * free for steps to use */
    size_t n;
    size_t n_sorted; /* at[0..n_sorted) are in order, and no other comes before them */
} ph_candidates;

/* What is not masked and not -inf after adding the bias ([n_vocab] or NULL; so is masked). If there
 * are logits +inf, only those remain, as equals. at has room for n_vocab. NUMERIC: a NaN, or
 * nothing left. */
phial_status ph_candidates_load(ph_candidates *c, const float *logits, uint32_t n_vocab,
                                const uint8_t *masked, const float *bias, phial_error *err);

/* Brings the first min(n, c->n) in order to the front. Worst case c->n log n. */
void ph_candidates_top(ph_candidates *c, size_t n);

/* Drops all behind the first n in order. */
void ph_candidates_truncate(ph_candidates *c, size_t n);

double ph_candidates_max(const ph_candidates *c);

/* Sum of exp(logit - max). */
double ph_candidates_total(const ph_candidates *c, double max);

/* Fills p. */
void ph_candidates_softmax(ph_candidates *c);

/* Keeps those with logit >= least, or the first if there is none; their order stays. */
void ph_candidates_keep(ph_candidates *c, double least);

/* Keeps the shortest beginning in order whose weights (weight[id] >= 0) sum up to at least `wanted`
 * (`beyond`: to more), all if none does, and at least the first. The last in order of them is then
 * at[n - 1]; before it they are in no order unless n_sorted says so. Linear but for ties. */
void ph_candidates_cut(ph_candidates *c, const double *weight, double wanted, bool beyond);

/* Index drawn with probabilities p; uses one random number. */
size_t ph_candidates_draw(const ph_candidates *c, ph_rng *rng);

/* Entropy in nats of probabilities exp(logit - max) / total. */
double ph_candidates_entropy(const ph_candidates *c, double max, double total);

#endif
