/* Contract: quant/quant_source.h. */
#include "quant/quant_source.h"

#include <stdio.h>

#include "base/mem.h"
#include "model/convert_gguf.h"

#define QUANTIZATION_VERSION 2 /* of ggml's block formats */

struct ph_quant_source {
    ph_gguf *gguf;      /* owned; NULL for a folder */
    ph_gguf_plan *plan; /* owned; NULL for a file */
    ph_convert_options options;
    ph_quant_tensor *tensors; /* owned */
    size_t n;
};

static phial_status add(ph_quant_source *s, ph_str name, const ph_quant_tensor *t, phial_error *err)
{
    ph_quant_tensor *to = &s->tensors[s->n];
    *to = *t;
    to->name = ph_strndup(name.p, name.n, err);
    if (!to->name)
        return PHIAL_ERR_NO_MEMORY;
    s->n++;
    to->n_rows = 1;
    for (uint32_t d = 1; d < PH_GGUF_MAX_DIMS; d++)
        to->n_rows *= to->dims[d];
    return PHIAL_OK;
}

static phial_status open_file(ph_quant_source *s, const char *path, phial_error *err)
{
    phial_status status = ph_gguf_open(&s->gguf, path, err);
    if (status != PHIAL_OK)
        return status;
    size_t n = ph_gguf_n_tensors(s->gguf);
    s->tensors = ph_alloc(n, sizeof *s->tensors, err);
    if (!s->tensors)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        const ph_gguf_tensor *t = ph_gguf_tensor_at(s->gguf, i);
        ph_quant_tensor to = {.type = t->type->id,
                              .n_dims = t->n_dims,
                              .data = t->data,
                              .data_bytes = t->data_bytes,
                              .map = ph_gguf_map(s->gguf)};
        memcpy(to.dims, t->dims, sizeof to.dims);
        status = add(s, t->name, &to, err);
    }
    return status;
}

static phial_status open_folder(ph_quant_source *s, const char *path, phial_error *err)
{
    phial_status status = ph_gguf_plan_open(&s->plan, path, &s->options, err);
    if (status != PHIAL_OK)
        return status;
    const ph_convert_plan *plan = ph_gguf_plan_items(s->plan);
    s->tensors = ph_alloc(plan->n_items, sizeof *s->tensors, err);
    if (!s->tensors)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < plan->n_items && status == PHIAL_OK; i++) {
        const ph_convert_item *item = &plan->items[i];
        ph_quant_tensor to = {
            .type = item->from,
            .n_dims = item->cols ? 2 : 1,
            .dims = {item->cols ? item->cols : item->rows, item->cols ? item->rows : 1, 1, 1},
            .data = item->data,
            .data_bytes = item->data_bytes,
            .map = item->map};
        status = add(s, ph_str_from(item->name), &to, err);
    }
    return status;
}

phial_status ph_quant_source_open(ph_quant_source **out, const char *path, const ph_log *log,
                                  phial_error *err)
{
    ph_quant_source *s = ph_alloc(1, sizeof *s, err);
    if (!s)
        return PHIAL_ERR_NO_MEMORY;
    s->options.log = *log;
    phial_status status = ph_file_kind_of(path) == PH_FILE_DIRECTORY ? open_folder(s, path, err)
                                                                     : open_file(s, path, err);
    if (status != PHIAL_OK) {
        ph_quant_source_close(s);
        return status;
    }
    *out = s;
    return PHIAL_OK;
}

void ph_quant_source_close(ph_quant_source *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        ph_free(s->tensors[i].name);
    ph_free(s->tensors);
    ph_gguf_plan_close(s->plan);
    ph_gguf_close(s->gguf);
    ph_free(s);
}

size_t ph_quant_source_n(const ph_quant_source *s)
{
    return s->n;
}

const ph_quant_tensor *ph_quant_source_at(const ph_quant_source *s, size_t i)
{
    return &s->tensors[i];
}

uint64_t ph_quant_source_heads_by_kv(const ph_quant_source *s)
{
    ph_str arch;
    char key[256];
    uint64_t heads = 0, kv_heads = 0;
    if (s->plan) {
        ph_gguf_plan_heads(s->plan, &heads, &kv_heads);
    } else if (ph_gguf_str(ph_gguf_find(s->gguf, "general.architecture"), &arch)) {
        snprintf(key, sizeof key, "%.*s.attention.head_count", PH_STR_ARG(arch));
        ph_gguf_u64(ph_gguf_find(s->gguf, key), &heads);
        snprintf(key, sizeof key, "%.*s.attention.head_count_kv", PH_STR_ARG(arch));
        ph_gguf_u64(ph_gguf_find(s->gguf, key), &kv_heads);
    }
    return kv_heads > 0 ? heads / kv_heads : 1;
}

static bool is_replaced(ph_str key)
{
    return ph_str_eq_c(key, "general.file_type") ||
           ph_str_eq_c(key, "general.quantization_version") ||
           ph_str_eq_c(key, "general.alignment") || ph_str_starts_with(key, "quantize.imatrix.") ||
           ph_str_starts_with(key, "phial.report.");
}

phial_status ph_quant_source_put_keys(const ph_quant_source *s, ph_gguf_writer *w,
                                      uint32_t file_type, phial_error *err)
{
    if (s->plan)
        return ph_gguf_plan_put_keys(s->plan, w, file_type, err);
    for (size_t i = 0; i < ph_gguf_n_kv(s->gguf); i++) {
        const ph_gguf_kv *kv = ph_gguf_kv_at(s->gguf, i);
        if (!is_replaced(kv->key))
            ph_gguf_put_kv(w, kv);
    }
    ph_gguf_put_u32(w, "general.file_type", file_type);
    ph_gguf_put_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    return PHIAL_OK;
}

phial_status ph_quant_source_check(const ph_quant_source *s, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < s->n && status == PHIAL_OK; i++) {
        if (s->tensors[i].map && (i == 0 || s->tensors[i].map != s->tensors[i - 1].map))
            status = ph_map_check(s->tensors[i].map, err);
    }
    return status;
}
