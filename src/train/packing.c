/* Batches of examples; contract in packing.h. */
#include "train/packing.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/rng.h"

/* The random stream of an epoch's order; others of the same seed are the weights'. */
#define ORDER_STREAM ((uint64_t)1 << 63)
#define NO_EPOCH     UINT64_MAX
#define DESCRIBE_MAX 4

/* Fisher and Yates. */
static void make_order(ph_packer *p)
{
    size_t n = p->examples->n;
    ph_rng rng;
    for (size_t i = 0; i < n; i++)
        p->order[i] = (uint32_t)i;
    p->ordered_epoch = p->epoch;
    ph_rng_seed(&rng, p->seed, ORDER_STREAM + p->epoch);
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)ph_rng_below(&rng, i);
        uint32_t other = p->order[k];
        p->order[k] = p->order[i - 1];
        p->order[i - 1] = other;
    }
}

/* The example that comes next. */
static const ph_example *peek(ph_packer *p)
{
    if (p->index == p->examples->n) {
        p->epoch++;
        p->index = 0;
    }
    if (p->ordered_epoch != p->epoch)
        make_order(p);
    return &p->examples->list[p->order[p->index]];
}

static void copy_example(const ph_packer *p, const ph_example *e, size_t at)
{
    const uint32_t *tokens = p->corpus->tokens + e->at;
    for (uint32_t i = 0; i < e->n; i++) {
        uint32_t t = tokens[i];
        p->ids[at + i] = t & PH_TOKEN_ID;
        p->targets[at + i] = t & PH_TOKEN_NEXT  ? tokens[i + 1] & PH_TOKEN_ID
                             : t & PH_TOKEN_END ? p->corpus->end
                                                : PH_TRAIN_NO_TARGET;
    }
}

static void advance(ph_packer *p, ph_train_batch *batch)
{
    size_t n = 0;
    p->n_members = 0;
    for (;;) {
        const ph_example *e = peek(p);
        if (n + e->n > p->max_tokens)
            break;
        if (batch) {
            copy_example(p, e, n);
            p->starts[p->n_members] = (uint32_t)n;
            p->members[p->n_members] = p->order[p->index];
        }
        p->n_members++;
        n += e->n;
        p->index++;
        if (p->once && p->index == p->examples->n)
            break;
    }
    if (batch)
        *batch = (ph_train_batch){p->ids, p->targets, n, p->starts, p->n_members};
}

void ph_packer_next(ph_packer *p, ph_train_batch *batch)
{
    advance(p, batch);
}

void ph_packer_skip(ph_packer *p)
{
    advance(p, NULL);
}

void ph_packer_seek(ph_packer *p, uint64_t epoch, size_t index)
{
    p->epoch = epoch;
    p->index = index;
}

phial_status ph_packer_init(ph_packer *p, const ph_corpus *corpus, const ph_examples *examples,
                            uint64_t seed, bool once, size_t max_tokens, phial_error *err)
{
    *p = (ph_packer){.corpus = corpus,
                     .examples = examples,
                     .seed = seed,
                     .once = once,
                     .max_tokens = max_tokens,
                     .ordered_epoch = NO_EPOCH};
    if (examples->n == 0 || examples->n >= UINT32_MAX - 1)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%zu examples", examples->n);
    for (size_t i = 0; i < examples->n; i++) {
        if (examples->list[i].n > max_tokens)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "an example of %u tokens does not fit a batch of %zu",
                              examples->list[i].n, max_tokens);
    }
    p->order = ph_alloc(examples->n, sizeof *p->order, err);
    p->ids = p->order ? ph_alloc(max_tokens, sizeof *p->ids, err) : NULL;
    p->targets = p->ids ? ph_alloc(max_tokens, sizeof *p->targets, err) : NULL;
    p->starts = p->targets ? ph_alloc(max_tokens, sizeof *p->starts, err) : NULL;
    p->members = p->starts ? ph_alloc(max_tokens, sizeof *p->members, err) : NULL;
    if (p->members)
        return PHIAL_OK;
    ph_packer_free(p);
    return PHIAL_ERR_NO_MEMORY;
}

void ph_packer_free(ph_packer *p)
{
    ph_free(p->order);
    ph_free(p->ids);
    ph_free(p->targets);
    ph_free(p->starts);
    ph_free(p->members);
    *p = (ph_packer){0};
}

void ph_packer_describe(const ph_packer *p, char *out, size_t out_bytes)
{
    size_t n = 0;
    char name[200];
    out[0] = 0;
    for (size_t i = 0; i < p->n_members && i < DESCRIBE_MAX && n < out_bytes; i++) {
        ph_corpus_name(p->corpus, &p->examples->list[p->members[i]], name, sizeof name);
        int more = snprintf(out + n, out_bytes - n, "%s%s", i > 0 ? ", " : "", name);
        n += more > 0 ? (size_t)more : 0;
    }
    if (p->n_members > DESCRIBE_MAX && n < out_bytes)
        snprintf(out + n, out_bytes - n, ", ... (%zu examples)", p->n_members);
}
