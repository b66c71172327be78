/* Contract: phi_names.h. */
#include "model/phi_names.h"

#include <stdio.h>

enum scope { MODEL, BLOCK };
enum parts { W, WB };

static const struct row {
    enum scope scope;
    enum parts parts;
    const char *names[PH_PHI_N_LAYOUTS];
} rows[PH_PHI_N_TENSORS] = {
#define PH_PHI_TENSOR(id, scope, parts, hf, phi_msft, mixformer, gguf)                             \
    {scope, parts, {hf, phi_msft, mixformer, gguf}},
#include "model/phi_names.def"
#undef PH_PHI_TENSOR
};

static const char *const layout_names[PH_PHI_N_LAYOUTS] = {"hf", "phi-msft", "mixformer", "gguf"};
static const char *const part_suffix[2] = {".weight", ".bias"};

const char *ph_phi_layout_name(ph_phi_layout layout)
{
    return layout_names[layout];
}

bool ph_phi_layout_by_name(ph_str name, ph_phi_layout *out)
{
    for (int i = 0; i < PH_PHI_N_LAYOUTS; i++) {
        if (ph_str_eq_c(name, layout_names[i])) {
            *out = (ph_phi_layout)i;
            return true;
        }
    }
    return false;
}

bool ph_phi_per_block(ph_phi_tensor tensor)
{
    return rows[tensor].scope == BLOCK;
}

bool ph_phi_has_bias(ph_phi_tensor tensor)
{
    return rows[tensor].parts == WB;
}

bool ph_phi_name(char out[PH_PHI_NAME_BYTES], ph_phi_layout layout, ph_phi_ref ref,
                 uint64_t n_blocks)
{
    const char *pattern = rows[ref.tensor].names[layout];
    if (!pattern || (ref.part == PH_PHI_BIAS && rows[ref.tensor].parts == W))
        return false;
    const char *open = strchr(pattern, '{');
    const char *suffix = part_suffix[ref.part];
    if (!open) {
        snprintf(out, PH_PHI_NAME_BYTES, "%s%s", pattern, suffix);
        return true;
    }
    unsigned long long number = open[1] == 'e'   ? n_blocks + 1
                                : open[2] == '+' ? (unsigned long long)ref.block + 1
                                                 : ref.block;
    snprintf(out, PH_PHI_NAME_BYTES, "%.*s%llu%s%s", (int)(open - pattern), pattern, number,
             strchr(open, '}') + 1, suffix);
    return true;
}

/* Splits "a.12.b" around its first number; blocks are the only numbers in these names. */
static bool first_number(ph_str name, uint64_t *number)
{
    size_t begin = 0;
    while (begin < name.n &&
           (name.p[begin] < '0' || name.p[begin] > '9' || (begin > 0 && name.p[begin - 1] != '.')))
        begin++;
    size_t end = begin;
    while (end < name.n && name.p[end] >= '0' && name.p[end] <= '9')
        end++;
    return ph_str_parse_u64((ph_str){name.p + begin, end - begin}, number);
}

bool ph_phi_name_find(ph_phi_ref *out, ph_phi_layout layout, ph_str name, uint64_t n_blocks)
{
    uint64_t number = 0;
    char candidate[PH_PHI_NAME_BYTES];
    bool numbered = first_number(name, &number);
    for (int t = 0; t < PH_PHI_N_TENSORS; t++) {
        const char *pattern = rows[t].names[layout];
        uint64_t block = 0;
        if (pattern && rows[t].scope == BLOCK) {
            uint64_t base = strstr(pattern, "{n+1}") ? 1 : 0;
            if (!numbered || number < base || number - base >= n_blocks)
                continue;
            block = number - base;
        }
        for (int part = 0; part < 2; part++) {
            ph_phi_ref ref = {(ph_phi_tensor)t, (ph_phi_part)part, (uint32_t)block};
            /* Building the name and comparing it refuses "blk.007.": one spelling only. */
            if (ph_phi_name(candidate, layout, ref, n_blocks) && ph_str_eq_c(name, candidate)) {
                *out = ref;
                return true;
            }
        }
    }
    return false;
}

bool ph_phi_layout_of(ph_phi_layout *out, ph_str token_embd_name)
{
    char name[PH_PHI_NAME_BYTES];
    for (int i = 0; i < PH_PHI_N_LAYOUTS; i++) {
        ph_phi_ref ref = {PH_PHI_TOKEN_EMBD, PH_PHI_WEIGHT, 0};
        if (ph_phi_name(name, (ph_phi_layout)i, ref, 0) && ph_str_eq_c(token_embd_name, name)) {
            *out = (ph_phi_layout)i;
            return true;
        }
    }
    return false;
}

void ph_phi_dims(const ph_phi_shape *s, ph_phi_ref ref, uint64_t *n_rows, uint64_t *n_cols)
{
    uint64_t q = s->n_heads * s->head_dim, kv = s->n_kv_heads * s->head_dim;
    uint64_t out = s->n_embd, in = 0;
    switch (ref.tensor) {
    case PH_PHI_TOKEN_EMBD:
    case PH_PHI_OUTPUT:
        out = s->n_vocab, in = s->n_embd;
        break;
    case PH_PHI_ATTN_QKV:
        out = q + 2 * kv, in = s->n_embd;
        break;
    case PH_PHI_ATTN_Q:
        out = q, in = s->n_embd;
        break;
    case PH_PHI_ATTN_K:
    case PH_PHI_ATTN_V:
        out = kv, in = s->n_embd;
        break;
    case PH_PHI_ATTN_Q_NORM:
    case PH_PHI_ATTN_K_NORM:
        out = s->head_dim;
        break;
    case PH_PHI_ATTN_OUTPUT:
        in = q;
        break;
    case PH_PHI_FFN_UP:
        out = s->n_ff, in = s->n_embd;
        break;
    case PH_PHI_FFN_DOWN:
        in = s->n_ff;
        break;
    case PH_PHI_ATTN_NORM:
    case PH_PHI_OUTPUT_NORM:
    case PH_PHI_N_TENSORS:
        break;
    }
    *n_rows = out;
    *n_cols = ref.part == PH_PHI_WEIGHT ? in : 0;
}
