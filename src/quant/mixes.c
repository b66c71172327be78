/* Contract: quant/mixes.h. Source of the choices: llama.cpp, src/llama-quant.cpp. */
#include "quant/mixes.h"

static const ph_mix mixes[] = {
#define PH_MIX(name, base, file_type) {PH_MIX_##name, #name, PH_DTYPE_##base, file_type},
#include "quant/mixes.def"
};

typedef enum when {
    ALWAYS,
    FIRST_2,
    FIRST_4,
    FIRST_PART_8,
    FIRST_PART_16,
    FIRST_PART_8_BLIND,  /* without importance */
    FIRST_PART_8_SEEING, /* with it */
    MORE_BITS,
    GQA_4
} when;

typedef struct rule {
    ph_mix_id mix;
    ph_mix_where where;
    when when;
    ph_dtype type;
} rule;

static const rule rules[] = {
#define PH_MIX_RULE(mix, where, when, type) {PH_MIX_##mix, PH_MIX_##where, when, PH_DTYPE_##type},
#include "quant/mixes.def"
};

const ph_mix *ph_mix_at(size_t i)
{
    return i < PH_N_MIXES ? &mixes[i] : NULL;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Capital letters, cut at the room there is: no name is nearly that long. */
static ph_str in_capitals(char room[32], ph_str name)
{
    size_t n = name.n < 32 ? name.n : 32;
    for (size_t i = 0; i < n; i++)
        room[i] = upper(name.p[i]);
    return (ph_str){room, n};
}

const ph_mix *ph_mix_by_name(ph_str name)
{
    char room[32];
    ph_str capitals = in_capitals(room, name);
    for (size_t i = 0; i < PH_N_MIXES; i++) {
        if (ph_str_eq_c(capitals, mixes[i].name))
            return &mixes[i];
    }
    return NULL;
}

const ph_mix *ph_mix_nearest(ph_str name)
{
    char room[32];
    ph_nearest nearest = {.name = in_capitals(room, name)};
    for (size_t i = 0; i < PH_N_MIXES; i++)
        ph_nearest_try(&nearest, mixes[i].name);
    return nearest.best ? ph_mix_by_name(ph_str_from(nearest.best)) : NULL;
}

ph_mix_where ph_mix_where_of(ph_str name)
{
    if (ph_str_eq_c(name, "token_embd.weight"))
        return PH_MIX_TOKEN_EMBD;
    if (ph_str_eq_c(name, "output.weight"))
        return PH_MIX_HEAD;
    if (ph_str_ends_with(name, ".attn_v.weight") || ph_str_ends_with(name, ".attn_qkv.weight"))
        return PH_MIX_ATTN_V;
    if (ph_str_ends_with(name, ".attn_output.weight"))
        return PH_MIX_ATTN_OUTPUT;
    if (ph_str_ends_with(name, ".ffn_down.weight"))
        return PH_MIX_FFN_DOWN;
    return PH_MIX_OTHER;
}

static bool holds(when condition, const ph_mix_place *p)
{
    size_t i = p->index, n = p->count;
    switch (condition) {
    case ALWAYS:
        return true;
    case FIRST_2:
        return i < 2;
    case FIRST_4:
        return i < 4;
    case FIRST_PART_8:
        return i < n / 8;
    case FIRST_PART_16:
        return i < n / 16;
    case FIRST_PART_8_BLIND:
        return i < n / 8 && !p->has_importance;
    case FIRST_PART_8_SEEING:
        return i < n / 8 && p->has_importance;
    case MORE_BITS:
        return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    case GQA_4:
        return p->heads_by_kv >= 4;
    }
    return false;
}

ph_dtype ph_mix_choose(const ph_mix *mix, const ph_mix_place *place)
{
    if (ph_dtype_find(mix->base)->block == 1)
        return mix->base;
    if (place->where == PH_MIX_HEAD || (place->where == PH_MIX_TOKEN_EMBD && place->tied_head))
        return mix->base == PH_DTYPE_Q8_0 ? PH_DTYPE_Q8_0 : PH_DTYPE_Q6_K;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].mix == mix->id && rules[i].where == place->where &&
            holds(rules[i].when, place))
            return rules[i].type;
    }
    return mix->base;
}

ph_dtype ph_mix_fallback(ph_dtype type, uint64_t n_cols)
{
    static const struct {
        ph_dtype from, to;
    } shorter[] = {
        {PH_DTYPE_Q2_K, PH_DTYPE_IQ4_NL},   {PH_DTYPE_Q3_K, PH_DTYPE_IQ4_NL},
        {PH_DTYPE_IQ4_XS, PH_DTYPE_IQ4_NL}, {PH_DTYPE_Q4_K, PH_DTYPE_Q5_0},
        {PH_DTYPE_Q5_K, PH_DTYPE_Q5_1},     {PH_DTYPE_Q6_K, PH_DTYPE_Q8_0},
    };
    if (n_cols % ph_dtype_find(type)->block == 0)
        return type;
    for (size_t i = 0; i < sizeof shorter / sizeof shorter[0]; i++) {
        if (shorter[i].from == type && n_cols % ph_dtype_find(shorter[i].to)->block == 0)
            return shorter[i].to;
    }
    return PH_DTYPE_F16;
}
