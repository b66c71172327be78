/* Collecting activations for --dump; contract in activation_dump.h. */
#include "cli/activation_dump.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "fmt/safetensors.h"

#define N_WHAT (PHIAL_ACT_GELU + 1)

typedef struct entry {
    float *data; /* [n_tokens][n_cols], rows as they came; NULL: never seen */
    size_t n_cols;
    size_t n_heads; /* how many pieces of a row belong to different heads; 1: rows are whole */
} entry;

struct ph_dump {
    size_t n_tokens;
    uint32_t n_layer, n_head, n_head_kv;
    entry *entries; /* [n_layer + 1][N_WHAT]; the last group is of no layer */
    phial_error failed;
};

phial_status ph_dump_new(ph_dump **out, const phial_model *model, size_t n_tokens, phial_error *err)
{
    phial_model_info info = {.size = sizeof info};
    phial_status status = phial_model_get_info(model, &info, err);
    if (status != PHIAL_OK) {
        return status;
    }
    ph_dump *d = ph_alloc(1, sizeof *d, err);
    if (d == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    d->n_tokens = n_tokens;
    d->n_layer = info.n_layer;
    d->n_head = info.n_head;
    d->n_head_kv = info.n_head_kv;
    d->entries = ph_alloc(((size_t)info.n_layer + 1) * N_WHAT, sizeof *d->entries, err);
    if (d->entries == NULL) {
        ph_free(d);
        return PHIAL_ERR_NO_MEMORY;
    }
    *out = d;
    return PHIAL_OK;
}

void ph_dump_free(ph_dump *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t i = 0; i < ((size_t)d->n_layer + 1) * N_WHAT; i++) {
        ph_free(d->entries[i].data);
    }
    ph_free(d->entries);
    ph_free(d);
}

static entry *entry_of(const ph_dump *d, int layer, phial_activation what)
{
    size_t group = layer < 0 ? d->n_layer : (size_t)layer;
    return &d->entries[group * N_WHAT + (size_t)what];
}

static size_t heads_of(const ph_dump *d, phial_activation what)
{
    switch (what) {
    case PHIAL_ACT_ATTN_PROBS:
        return d->n_head;
    case PHIAL_ACT_K_CACHE:
    case PHIAL_ACT_V_CACHE:
        return d->n_head_kv;
    default:
        return 1;
    }
}

void ph_dump_see(void *user, const phial_activation_event *e)
{
    ph_dump *d = user;
    entry *x = entry_of(d, e->layer, e->what);
    if (d->failed.status != PHIAL_OK) {
        return;
    }
    size_t from = e->n_cols; /* of a row as it comes; probabilities grow to all the keys */
    if (x->data == NULL) {
        x->n_heads = heads_of(d, e->what);
        x->n_cols = e->what == PHIAL_ACT_ATTN_PROBS ? d->n_head * d->n_tokens : e->n_cols;
        size_t floats;
        if (ph_mul_size(&floats, d->n_tokens, x->n_cols)) {
            x->data = ph_alloc(floats, sizeof *x->data, &d->failed);
        } else {
            ph_err_set(&d->failed, PHIAL_ERR_NO_MEMORY, "out of memory");
        }
        if (x->data == NULL) {
            return;
        }
    }
    size_t piece = from / x->n_heads, wide = x->n_cols / x->n_heads;
    for (size_t i = 0; i < e->n; i++) {
        for (size_t h = 0; h < x->n_heads; h++) {
            memcpy(x->data + (e->position + i) * x->n_cols + h * wide,
                   e->data + i * from + h * piece, piece * sizeof *x->data);
        }
    }
}

static void name_of(const ph_dump *d, size_t group, size_t what, char out[96])
{
    const char *name = phial_activation_name((phial_activation)what);
    if (group == d->n_layer) {
        snprintf(out, 96, "debug.seq%zu.%s", d->n_tokens, name);
    } else {
        snprintf(out, 96, "debug.seq%zu.layer%zu.%s", d->n_tokens, group, name);
    }
}

static phial_status declare(const ph_dump *d, size_t group, size_t what, ph_st_writer *w,
                            phial_error *err)
{
    const entry *x = &d->entries[group * N_WHAT + what];
    char name[96];
    name_of(d, group, what, name);
    const uint64_t whole[] = {d->n_tokens, x->n_cols};
    const uint64_t by_head[] = {x->n_heads, d->n_tokens, x->n_cols / x->n_heads};
    bool heads = heads_of(d, (phial_activation)what) > 1 || what == PHIAL_ACT_ATTN_PROBS ||
                 what == PHIAL_ACT_K_CACHE || what == PHIAL_ACT_V_CACHE;
    return ph_st_writer_tensor(w, ph_str_from(name), "F32", heads ? 3 : 2, heads ? by_head : whole,
                               err);
}

static phial_status write_entry(const ph_dump *d, const entry *x, ph_st_writer *w, phial_error *err)
{
    phial_status status = PHIAL_OK;
    size_t wide = x->n_cols / x->n_heads;
    for (size_t h = 0; h < x->n_heads; h++) {
        for (size_t i = 0; i < d->n_tokens && status == PHIAL_OK; i++) {
            status = ph_st_writer_data(w, x->data + i * x->n_cols + h * wide,
                                       wide * sizeof *x->data, err);
        }
    }
    return status;
}

phial_status ph_dump_write(const ph_dump *d, const char *path, phial_error *err)
{
    if (d->failed.status != PHIAL_OK) {
        return ph_err_set(err, d->failed.status, "%s: %s", path, d->failed.message);
    }
    ph_st_writer *w = NULL;
    phial_status status = ph_st_writer_new(&w, err);
    size_t n = ((size_t)d->n_layer + 1) * N_WHAT;
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        if (d->entries[i].data != NULL) {
            status = declare(d, i / N_WHAT, i % N_WHAT, w, err);
        }
    }
    if (status == PHIAL_OK) {
        status = ph_st_writer_begin(w, path, err);
    }
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        if (d->entries[i].data != NULL) {
            status = write_entry(d, &d->entries[i], w, err);
        }
    }
    if (status == PHIAL_OK) {
        status = ph_st_writer_commit(w, err);
    }
    ph_st_writer_free(w);
    return status;
}
