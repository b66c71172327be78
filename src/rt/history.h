/* The last tokens of a sequence, as penalties look back on them: a ring, and how often each id
 * occurs in the shorter of its windows. */
#ifndef PH_RT_HISTORY_H
#define PH_RT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "phial/sampler.h"
#include "rt/matcher.h"

/* A token's part in DRY's sequence breakers, which are found in the text, wherever they lie across
 * tokens. */
#define PH_BREAK_ENDS   1u /* a breaker ends in it */
#define PH_BREAK_INSIDE 2u /* a breaker lies wholly in it */

typedef struct ph_history {
    uint32_t *ids;   /* [cap], a ring */
    uint8_t *breaks; /* [cap] */
    size_t cap;      /* 0: nothing is kept */
    uint64_t total;  /* tokens seen */
    uint32_t *count; /* [n_vocab], of the last count_window tokens; NULL if that is 0 */
    size_t count_window;
    uint32_t n_vocab;
    ph_matcher *breakers; /* NULL: none */
    uint32_t state;       /* of the matcher */
    const char *(*token_text)(void *user, uint32_t id, size_t *n);
    void *token_user;
} ph_history;

/* count_window and dry_window: tokens, 0: not needed. Breakers are taken from o if dry_window is
 * not 0. */
phial_status ph_history_init(ph_history *h, const phial_sampler_options *o, uint32_t n_vocab,
                             size_t count_window, size_t dry_window, phial_error *err);
void ph_history_free(ph_history *h);
void ph_history_clear(ph_history *h);
void ph_history_add(ph_history *h, uint32_t id);
/* dst was made with the same options. */
void ph_history_copy(ph_history *dst, const ph_history *src);

/* How many of the last `window` tokens there are. */
size_t ph_history_n(const ph_history *h, size_t window);
/* The i-th token from the end, i < ph_history_n(h, cap); 0 is the last. */
uint32_t ph_history_id(const ph_history *h, size_t i);
uint8_t ph_history_breaks(const ph_history *h, size_t i);

#endif
