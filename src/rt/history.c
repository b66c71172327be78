/* The last tokens; contract in history.h. */
#include "rt/history.h"

#include <string.h>

#include "base/mem.h"

static phial_status init_breakers(ph_history *h, const phial_sampler_options *o, phial_error *err)
{
    for (size_t i = 0; i < o->n_dry_breakers; i++) {
        if (o->dry_breakers[i].n > PHIAL_SAMPLER_BREAKER_MAX) {
            return ph_err_set(err, PHIAL_ERR_LIMIT,
                              "DRY sequence breaker %zu has %zu bytes (at most %d)", i + 1,
                              o->dry_breakers[i].n, PHIAL_SAMPLER_BREAKER_MAX);
        }
    }
    if (o->token_text == NULL) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "DRY's sequence breakers need the text of tokens (token_text)");
    }
    h->token_text = o->token_text;
    h->token_user = o->token_user;
    return ph_matcher_new(&h->breakers, o->dry_breakers, o->n_dry_breakers, "DRY sequence breaker",
                          PHIAL_SAMPLER_BREAKER_MAX,
                          PHIAL_SAMPLER_BREAKER_MAX * PHIAL_SAMPLER_BREAKER_MAX, err);
}

phial_status ph_history_init(ph_history *h, const phial_sampler_options *o, uint32_t n_vocab,
                             size_t count_window, size_t dry_window, phial_error *err)
{
    *h = (ph_history){.count_window = count_window, .n_vocab = n_vocab};
    h->cap = count_window > dry_window ? count_window : dry_window;
    h->ids = ph_alloc(h->cap, sizeof *h->ids, err);
    h->breaks = h->ids == NULL ? NULL : ph_alloc(h->cap, sizeof *h->breaks, err);
    if (h->breaks == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    if (count_window > 0) {
        h->count = ph_alloc(n_vocab, sizeof *h->count, err);
        if (h->count == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
    }
    return dry_window > 0 && o->n_dry_breakers > 0 ? init_breakers(h, o, err) : PHIAL_OK;
}

void ph_history_free(ph_history *h)
{
    ph_free(h->ids);
    ph_free(h->breaks);
    ph_free(h->count);
    ph_matcher_free(h->breakers);
    *h = (ph_history){0};
}

void ph_history_clear(ph_history *h)
{
    h->total = 0;
    h->state = 0;
    if (h->count != NULL) {
        memset(h->count, 0, h->n_vocab * sizeof *h->count);
    }
}

static uint8_t find_breaks(ph_history *h, uint32_t id)
{
    size_t n = 0, which;
    const char *text = h->token_text(h->token_user, id, &n);
    uint8_t breaks = 0;
    uint32_t own = 0;
    for (size_t i = 0; i < n; i++) {
        h->state = ph_matcher_step(h->breakers, h->state, (uint8_t)text[i]);
        own = ph_matcher_step(h->breakers, own, (uint8_t)text[i]);
        if (ph_matcher_found(h->breakers, h->state, &which) > 0) {
            breaks |= PH_BREAK_ENDS;
        }
        if (ph_matcher_found(h->breakers, own, &which) > 0) {
            breaks |= PH_BREAK_INSIDE;
        }
    }
    return breaks;
}

void ph_history_add(ph_history *h, uint32_t id)
{
    if (h->cap == 0) {
        return;
    }
    size_t slot = (size_t)(h->total % h->cap);
    if (h->count != NULL) {
        if (h->total >= h->count_window) {
            h->count[ph_history_id(h, h->count_window - 1)]--;
        }
        h->count[id]++;
    }
    h->ids[slot] = id;
    h->breaks[slot] = h->breakers != NULL ? find_breaks(h, id) : 0;
    h->total++;
}

void ph_history_copy(ph_history *dst, const ph_history *src)
{
    memcpy(dst->ids, src->ids, src->cap * sizeof *src->ids);
    memcpy(dst->breaks, src->breaks, src->cap * sizeof *src->breaks);
    if (src->count != NULL) {
        memcpy(dst->count, src->count, src->n_vocab * sizeof *src->count);
    }
    dst->total = src->total;
    dst->state = src->state;
}

size_t ph_history_n(const ph_history *h, size_t window)
{
    return h->total < window ? (size_t)h->total : window;
}

uint32_t ph_history_id(const ph_history *h, size_t i)
{
    return h->ids[(h->total - 1 - i) % h->cap];
}

uint8_t ph_history_breaks(const ph_history *h, size_t i)
{
    return h->breaks[(h->total - 1 - i) % h->cap];
}
