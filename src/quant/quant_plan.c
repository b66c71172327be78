/* Contract: quant/quant_plan.h. */
#include "quant/quant_plan.h"

#include <fnmatch.h>

#include "base/mem.h"
#include "kern/quant.h"

typedef struct census {
    size_t of[PH_MIX_OTHER + 1];
} census;

/* As llama-quantize: matrices whose name ends in "weight" and that are neither norms nor BERT's
 * positions and types of text. */
static bool is_quantized(const ph_quant_tensor *t)
{
    ph_str name = ph_str_from(t->name);
    return t->n_dims >= 2 && ph_str_ends_with(name, "weight") &&
           !ph_str_ends_with(name, "_norm.weight") && !ph_str_eq_c(name, "position_embd.weight") &&
           !ph_str_eq_c(name, "token_types.weight");
}

static bool is_float(ph_dtype type)
{
    return type == PH_DTYPE_F32 || type == PH_DTYPE_F16 || type == PH_DTYPE_BF16;
}

/* "blk.17.": 17; 0 where there is no such part. */
static uint64_t layer_of(ph_str name)
{
    uint64_t layer = 0;
    if (!ph_str_starts_with(name, "blk."))
        return 0;
    size_t n = 4;
    while (n < name.n && name.p[n] >= '0' && name.p[n] <= '9')
        n++;
    return ph_str_parse_u64((ph_str){name.p + 4, n - 4}, &layer) ? layer : 0;
}

/* How many of its kind stand in lower layers. Files need not be in the order of layers. */
static size_t rank_of(const ph_quant_source *source, const ph_quant_tensor *t, ph_mix_where where)
{
    size_t rank = 0;
    uint64_t layer = layer_of(ph_str_from(t->name));
    for (size_t i = 0; i < ph_quant_source_n(source); i++) {
        ph_str name = ph_str_from(ph_quant_source_at(source, i)->name);
        rank += ph_mix_where_of(name) == where && layer_of(name) < layer;
    }
    return rank;
}

static const ph_quant_override *find_override(const ph_quantize_options *o, const char *name)
{
    for (size_t i = 0; i < o->n_overrides; i++) {
        if (fnmatch(o->overrides[i].pattern, name, 0) == 0)
            return &o->overrides[i];
    }
    return NULL;
}

static phial_status check_overrides(const ph_quant_source *source, const ph_quantize_options *o,
                                    phial_error *err)
{
    for (size_t i = 0; i < o->n_overrides; i++) {
        bool used = false;
        for (size_t t = 0; t < ph_quant_source_n(source) && !used; t++) {
            const ph_quant_tensor *tensor = ph_quant_source_at(source, t);
            used = is_quantized(tensor) && fnmatch(o->overrides[i].pattern, tensor->name, 0) == 0;
        }
        if (!used)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "no matrix is named like '%s'",
                              o->overrides[i].pattern);
    }
    return PHIAL_OK;
}

static ph_dtype wanted_type(const ph_quant_source *source, const ph_quant_tensor *t,
                            const census *counts, const ph_quantize_options *o)
{
    const ph_quant_override *override = find_override(o, t->name);
    if (override)
        return override->type;
    ph_mix_where where = ph_mix_where_of(ph_str_from(t->name));
    ph_mix_place place = {.where = where,
                          .index = rank_of(source, t, where),
                          .count = counts->of[where],
                          .heads_by_kv = ph_quant_source_heads_by_kv(source),
                          .has_importance = o->imatrix != NULL,
                          .tied_head = counts->of[PH_MIX_HEAD] == 0};
    return ph_mix_choose(o->mix, &place);
}

/* Names the format that was wanted where rows are too short for it. */
static ph_dtype fit(const ph_quant_tensor *t, ph_dtype wanted, ph_quant_plan *plan,
                    const ph_quantize_options *o)
{
    ph_dtype to = ph_mix_fallback(wanted, t->dims[0]);
    if (to != wanted) {
        plan->n_fallbacks++;
        ph_log_write(&o->log, PH_LOG_WARN, "%s: %s instead of %s (%u does not divide rows of %llu)",
                     t->name, ph_dtype_name(to), ph_dtype_name(wanted),
                     (unsigned)ph_dtype_find(wanted)->block, (unsigned long long)t->dims[0]);
    }
    return to;
}

static phial_status find_importance(ph_quant_item *item, const ph_quantize_options *o,
                                    phial_error *err)
{
    size_t n;
    const ph_quant *quant = ph_quant_find(item->to);
    if (!o->imatrix || !quant->quantize_best)
        return PHIAL_OK;
    item->importance = ph_imatrix_find(o->imatrix, item->tensor->name, &n);
    if (item->importance && n != item->tensor->dims[0])
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "the importance matrix has %zu columns for '%s', which has %llu", n,
                          item->tensor->name, (unsigned long long)item->tensor->dims[0]);
    ph_mix_where where = ph_mix_where_of(ph_str_from(item->tensor->name));
    if (!item->importance && where != PH_MIX_TOKEN_EMBD)
        ph_log_write(&o->log, PH_LOG_WARN, "%s: not in the importance matrix", item->tensor->name);
    return PHIAL_OK;
}

static phial_status choose(const ph_quant_source *source, ph_quant_item *item, const census *counts,
                           ph_quant_plan *plan, const ph_quantize_options *o, phial_error *err)
{
    const ph_quant_tensor *t = item->tensor;
    item->to = t->type;
    if (!is_quantized(t)) {
        item->to = is_float(t->type) && t->n_dims == 1 ? PH_DTYPE_F32 : t->type;
        return PHIAL_OK;
    }
    item->to = fit(t, wanted_type(source, t, counts, o), plan, o);
    if (item->to == t->type)
        return PHIAL_OK;
    if (!ph_quant_find(t->type))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "tensor '%s': %s cannot be read yet", t->name,
                          ph_dtype_name(t->type));
    if (!is_float(t->type) && !o->requantize)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "tensor '%s' is %s: quantizing again loses twice; --requantize does it",
                          t->name, ph_dtype_name(t->type));
    return find_importance(item, o, err);
}

phial_status ph_quant_plan_make(ph_quant_plan *plan, const ph_quant_source *source,
                                const ph_quantize_options *o, phial_error *err)
{
    census counts = {{0}};
    *plan = (ph_quant_plan){.n = ph_quant_source_n(source)};
    plan->items = ph_alloc(plan->n, sizeof *plan->items, err);
    if (!plan->items)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < plan->n; i++)
        counts.of[ph_mix_where_of(ph_str_from(ph_quant_source_at(source, i)->name))]++;
    phial_status status = check_overrides(source, o, err);
    for (size_t i = 0; i < plan->n && status == PHIAL_OK; i++) {
        ph_quant_item *item = &plan->items[i];
        item->tensor = ph_quant_source_at(source, i);
        status = choose(source, item, &counts, plan, o, err);
        plan->n_params += item->tensor->dims[0] * item->tensor->n_rows;
        plan->source_bytes += item->tensor->data_bytes;
        plan->bytes += ph_dtype_row_bytes(item->to, item->tensor->dims[0]) * item->tensor->n_rows;
    }
    return status;
}

void ph_quant_plan_free(ph_quant_plan *plan)
{
    ph_free(plan->items);
    *plan = (ph_quant_plan){0};
}
