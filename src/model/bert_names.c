/* BERT's table of weights; contract in bert_names.h. */
#include "model/bert_names.h"

#include <stdio.h>

typedef enum size_of { NONE, VOCAB, CTX, TYPES, EMBD, FF } size_of;

typedef struct row {
    size_of rows, columns;
    const char *hf, *gguf;
} row;

static const row table[] = {
#define PH_BERT_TENSOR(id, rows, columns, hf, gguf) {rows, columns, hf, gguf},
#include "model/bert_names.def"
#undef PH_BERT_TENSOR
};

const char *const ph_bert_prefixes[] = {"", "bert.", "model.", NULL};

static uint64_t count(const ph_hparams *hp, size_of what)
{
    switch (what) {
    case NONE:
        return 0;
    case VOCAB:
        return hp->n_vocab;
    case CTX:
        return hp->n_ctx_max;
    case TYPES:
        return hp->n_token_types;
    case EMBD:
        return hp->n_embd;
    case FF:
        return hp->n_ff;
    }
    return 0;
}

static bool is_table(ph_bert_tensor tensor)
{
    size_of rows = table[tensor].rows;
    return rows == VOCAB || rows == CTX || rows == TYPES;
}

bool ph_bert_per_layer(ph_bert_tensor tensor)
{
    return strchr(table[tensor].gguf, '%') != NULL;
}

bool ph_bert_has_bias(ph_bert_tensor tensor)
{
    return !is_table(tensor);
}

void ph_bert_dims(const ph_hparams *hp, ph_bert_ref ref, uint64_t *rows, uint64_t *cols)
{
    *rows = count(hp, table[ref.tensor].rows);
    *cols = ref.bias ? 0 : count(hp, table[ref.tensor].columns);
}

/* prefix, pattern with the layer in place of %u, part. */
static void compose(char out[PH_BERT_NAME_BYTES], const char *prefix, const char *pattern,
                    ph_bert_ref ref)
{
    const char *hole = strstr(pattern, "%u");
    const char *part = ref.bias ? "bias" : "weight";
    if (hole == NULL) {
        snprintf(out, PH_BERT_NAME_BYTES, "%s%s.%s", prefix, pattern, part);
        return;
    }
    snprintf(out, PH_BERT_NAME_BYTES, "%s%.*s%u%s.%s", prefix, (int)(hole - pattern), pattern,
             (unsigned)ref.layer, hole + 2, part);
}

void ph_bert_name_hf(char out[PH_BERT_NAME_BYTES], const char *prefix, ph_bert_ref ref)
{
    compose(out, prefix, table[ref.tensor].hf, ref);
}

void ph_bert_name_gguf(char out[PH_BERT_NAME_BYTES], ph_bert_ref ref)
{
    compose(out, "", table[ref.tensor].gguf, ref);
}

/* The number behind "encoder.layer."; 0 for the names of the whole model. */
static uint32_t layer_in(ph_str name, const char *prefix)
{
    char begin[64];
    uint64_t layer = 0;
    int n = snprintf(begin, sizeof begin, "%sencoder.layer.", prefix);
    if (!ph_str_starts_with(name, begin))
        return 0;
    ph_str rest = {name.p + n, name.n - (size_t)n};
    const char *dot = rest.n == 0 ? NULL : memchr(rest.p, '.', rest.n);
    if (dot == NULL || !ph_str_parse_u64((ph_str){rest.p, (size_t)(dot - rest.p)}, &layer))
        return UINT32_MAX;
    return layer < UINT32_MAX ? (uint32_t)layer : UINT32_MAX;
}

bool ph_bert_name_find(ph_bert_ref *out, const char *prefix, ph_str name, uint32_t n_layer)
{
    uint32_t layer = layer_in(name, prefix);
    for (int i = 0; layer < n_layer && i < 2 * PH_BERT_N_TENSORS; i++) {
        char own[PH_BERT_NAME_BYTES];
        *out = (ph_bert_ref){(ph_bert_tensor)(i / 2), i % 2 == 1, layer};
        if (out->bias && !ph_bert_has_bias(out->tensor))
            continue;
        ph_bert_name_hf(own, prefix, *out);
        if (ph_str_eq_c(name, own))
            return true;
    }
    return false;
}
