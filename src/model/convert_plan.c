/* Contract: convert_plan.h.
 *
 * Types change through f32, with kern's conversions (one rounding, to nearest even). Tensors of one
 * dimension are widened to F32 and narrowed again when they come back, and that must restore every
 * bit: f16 and bf16 are exact in f32, but hardware makes signalling NaN quiet, so NaN is carried
 * over as bits here. */
#include "model/convert_plan.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kern/quant.h"

/* Elements at a time: a multiple of every block size. */
#define STEP 65536

const char *const ph_convert_side_files[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "vocab.txt",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    NULL,
};

phial_status ph_convert_plan_add(ph_convert_plan *plan, const ph_convert_item *item,
                                 phial_error *err)
{
    if (plan->n_items == plan->cap_items) {
        size_t cap = plan->cap_items ? 2 * plan->cap_items : 64;
        ph_convert_item *p = ph_realloc(plan->items, cap, sizeof *p, err);
        if (!p)
            return PHIAL_ERR_NO_MEMORY;
        plan->items = p;
        plan->cap_items = cap;
    }
    plan->items[plan->n_items++] = *item;
    plan->total_bytes += item->data_bytes;
    return PHIAL_OK;
}

void ph_convert_plan_free(ph_convert_plan *plan)
{
    ph_free(plan->items);
    *plan = (ph_convert_plan){0};
}

uint64_t ph_convert_n_elements(const ph_convert_item *item)
{
    return item->rows * (item->cols ? item->cols : 1);
}

bool ph_convert_is_float(ph_dtype type)
{
    return type == PH_DTYPE_F32 || type == PH_DTYPE_F16 || type == PH_DTYPE_BF16;
}

/* One number of a narrow type as the bits of an f32. */
static uint32_t widen(ph_dtype type, uint16_t h)
{
    uint32_t bits;
    if (type == PH_DTYPE_BF16)
        return (uint32_t)h << 16;
    if ((h & 0x7fff) > 0x7c00)
        return (uint32_t)(h & 0x8000) << 16 | 0x7f800000u | (uint32_t)(h & 0x3ff) << 13;
    float f = ph_f16_to_f32(h);
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static uint16_t narrow(ph_dtype type, uint32_t bits)
{
    bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    if (is_nan && type == PH_DTYPE_BF16 && (bits & 0x7f0000u) != 0)
        return (uint16_t)(bits >> 16);
    if (is_nan && type == PH_DTYPE_F16 && (bits & 0x7fe000u) != 0)
        return (uint16_t)((bits >> 16 & 0x8000u) | 0x7c00u | (bits >> 13 & 0x3ffu));
    float f;
    memcpy(&f, &bits, sizeof f);
    return type == PH_DTYPE_BF16 ? ph_bf16_from_f32(f) : ph_f16_from_f32(f);
}

bool ph_convert_is_exact(const uint8_t *f32, uint64_t n, ph_dtype type)
{
    for (uint64_t i = 0; i < n && type != PH_DTYPE_F32; i++) {
        uint32_t bits;
        memcpy(&bits, f32 + 4 * i, sizeof bits);
        if (widen(type, narrow(type, bits)) != bits)
            return false;
    }
    return true;
}

static void convert_bits(uint8_t *dst, ph_dtype to, const uint8_t *src, ph_dtype from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t wide;
        uint16_t half;
        if (from == PH_DTYPE_F32) {
            memcpy(&wide, src + 4 * i, sizeof wide);
        } else {
            memcpy(&half, src + 2 * i, sizeof half);
            wide = widen(from, half);
        }
        if (to == PH_DTYPE_F32) {
            memcpy(dst + 4 * i, &wide, sizeof wide);
        } else {
            half = narrow(to, wide);
            memcpy(dst + 2 * i, &half, sizeof half);
        }
    }
}

typedef struct work {
    float *values;  /* STEP */
    uint8_t *bytes; /* STEP of the widest type */
} work;

/* A number that F16 cannot hold is refused rather than written as infinity. */
static phial_status check_range(const ph_convert_item *item, const float *values, size_t n,
                                phial_error *err)
{
    for (size_t i = 0; item->to == PH_DTYPE_F16 && i < n; i++)
        if (fabsf(values[i]) >= 65520.0f && isfinite(values[i]))
            return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                              "tensor '%s' holds %g, more than F16 can; take f32 or bf16",
                              item->name, (double)values[i]);
    return PHIAL_OK;
}

static phial_status copy_item(ph_convert_plan *plan, const ph_convert_item *item, work *space,
                              const ph_convert_options *options, ph_convert_sink write, void *sink,
                              phial_error *err)
{
    const ph_quant *from = ph_quant_find(item->from), *to = ph_quant_find(item->to);
    if (item->from != item->to && (!from || !to))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "tensor '%s': %s cannot be turned into %s yet", item->name,
                          ph_dtype_name(item->from), ph_dtype_name(item->to));
    uint64_t n = ph_convert_n_elements(item);
    const uint8_t *src = item->data;
    for (uint64_t at = 0; at < n; at += STEP) {
        size_t step = n - at < STEP ? (size_t)(n - at) : STEP;
        size_t src_bytes = ph_dtype_row_bytes(item->from, step);
        size_t dst_bytes = ph_dtype_row_bytes(item->to, step);
        const void *bytes = space->bytes;
        phial_status status = PHIAL_OK;
        if (item->from == item->to) {
            bytes = src;
        } else if (item->cols == 0 && ph_convert_is_float(item->from)) {
            convert_bits(space->bytes, item->to, src, item->from, step);
        } else {
            from->dequantize(space->values, src, step);
            status = check_range(item, space->values, step, err);
            to->quantize(space->bytes, space->values, step);
        }
        if (status == PHIAL_OK)
            status = write(sink, bytes, dst_bytes, err);
        if (status != PHIAL_OK)
            return status;
        src += src_bytes;
        plan->done_bytes += src_bytes;
        if (options->progress &&
            !options->progress(options->progress_user, plan->done_bytes, plan->total_bytes))
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    if (!item->map)
        return PHIAL_OK;
    ph_map_advise(item->map, (size_t)(item->data - ph_map_data(item->map)),
                  (size_t)item->data_bytes, PH_MAP_RELEASE);
    return ph_map_check(item->map, err);
}

phial_status ph_convert_plan_run(ph_convert_plan *plan, const ph_convert_options *options,
                                 ph_convert_sink write, void *sink, phial_error *err)
{
    phial_status status = PHIAL_ERR_NO_MEMORY;
    work space = {ph_alloc(STEP, sizeof(float), err), NULL};
    if (space.values)
        space.bytes = ph_alloc(STEP, sizeof(float), err);
    if (space.bytes)
        status = PHIAL_OK;
    for (size_t i = 0; i < plan->n_items && status == PHIAL_OK; i++)
        status = copy_item(plan, &plan->items[i], &space, options, write, sink, err);
    ph_free(space.bytes);
    ph_free(space.values);
    return status;
}
