/* How well models predict a text: log-likelihood, perplexity, and the divergence between two
 * models.
 *
 * The text is cut into windows of n_ctx tokens; in each, the tokens of the second half are
 * predicted from everything before them in the window (llama-perplexity's way, so that figures can
 * be compared). All figures are over the predicted tokens, natural logarithms, summed in double.
 */
#ifndef PH_RT_SCORE_H
#define PH_RT_SCORE_H

#include <stdbool.h>

#include "phial/session.h"

typedef struct ph_score_options {
    uint32_t n_ctx; /* 0: 512, or what the models take, or the text, if that is less */
    int n_threads;
    /* May be NULL; false cancels (PHIAL_ERR_CANCELLED). */
    bool (*progress)(void *user, uint64_t done_tokens, uint64_t n_tokens);
    void *progress_user;
} ph_score_options;

typedef struct ph_comparison {
    uint64_t n_tokens;                    /* predicted */
    double perplexity_source, perplexity; /* of the two models */
    double perplexity_ratio;              /* second over first */
    double kl_mean, kl_p99;               /* KL(first || second) of the next token's distribution */
    double same_top;                      /* share of positions with the same likeliest token */
} ph_comparison;

/* Both models must have the same vocabulary. At least 2 tokens. PHIAL_ERR_NUMERIC: logits that are
 * not finite. */
phial_status ph_score_compare(ph_comparison *out, const phial_model *first,
                              const phial_model *second, const uint32_t *ids, size_t n_ids,
                              const ph_score_options *options, phial_error *err);

/* exp of minus the mean log-likelihood. */
phial_status ph_score_perplexity(double *out, uint64_t *n_tokens, const phial_model *model,
                                 const uint32_t *ids, size_t n_ids, const ph_score_options *options,
                                 phial_error *err);

/* Log of the probability of token id, and (if not NULL) of the sum of exponentials. */
double ph_score_log_prob(const float *logits, size_t n, uint32_t id, double *log_sum);

#endif
