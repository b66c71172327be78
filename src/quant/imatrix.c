/* Reading importance matrices. Contract: quant/imatrix.h. */
#include "quant/imatrix.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"

#define SUMS   ".in_sum2"
#define COUNTS ".counts"

typedef struct entry {
    ph_str name;   /* of the weight matrix; borrowed from the file */
    float *values; /* owned: [n] */
    size_t n;
} entry;

struct ph_imatrix {
    char *path;  /* owned */
    ph_gguf *g;  /* owned */
    entry *list; /* owned */
    size_t n;
};

static float f32_at(const uint8_t *p, uint64_t i)
{
    float f;
    memcpy(&f, p + 4 * i, sizeof f);
    return f;
}

/* Several matrices under one name (experts) would have a row each; there are none in Phi. */
static phial_status read_entry(entry *e, const ph_gguf *g, const ph_gguf_tensor *sums,
                               phial_error *err)
{
    char name[PH_GGUF_MAX_NAME + 16];
    e->name = (ph_str){sums->name.p, sums->name.n - strlen(SUMS)};
    memcpy(name, e->name.p, e->name.n);
    memcpy(name + e->name.n, COUNTS, sizeof COUNTS);
    const ph_gguf_tensor *counts = ph_gguf_tensor_find(g, name);
    if (sums->type->id != PH_DTYPE_F32 || !counts || counts->type->id != PH_DTYPE_F32 ||
        counts->n_elements != 1 || sums->n_elements != sums->dims[0])
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "tensor '%.*s': not one row of F32 with one count beside it",
                          PH_STR_ARG(sums->name));
    float count = f32_at(counts->data, 0);
    e->n = (size_t)sums->n_elements;
    e->values = ph_alloc(e->n, sizeof *e->values, err);
    if (!e->values)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < e->n; i++) {
        float mean = f32_at(sums->data, i) / count;
        if (!(count > 0) || !(mean >= 0) || !isfinite(mean))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "tensor '%.*s': column %zu: no sum of squares, or count",
                              PH_STR_ARG(sums->name), i);
        e->values[i] = mean;
    }
    return PHIAL_OK;
}

static phial_status read_all(ph_imatrix *m, phial_error *err)
{
    ph_str type;
    if (!ph_gguf_str(ph_gguf_find(m->g, "general.type"), &type) || !ph_str_eq_c(type, "imatrix"))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "general.type is not \"imatrix\"");
    m->list = ph_alloc(ph_gguf_n_tensors(m->g), sizeof *m->list, err);
    if (!m->list)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < ph_gguf_n_tensors(m->g); i++) {
        const ph_gguf_tensor *t = ph_gguf_tensor_at(m->g, i);
        if (!ph_str_ends_with(t->name, SUMS))
            continue;
        phial_status status = read_entry(&m->list[m->n++], m->g, t, err);
        if (status != PHIAL_OK)
            return status;
    }
    if (m->n == 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "no importance of any matrix in it");
    return ph_gguf_map(m->g) ? ph_map_check(ph_gguf_map(m->g), err) : PHIAL_OK;
}

phial_status ph_imatrix_open(ph_imatrix **out, const char *path, phial_error *err)
{
    ph_imatrix *m = ph_alloc(1, sizeof *m, err);
    if (!m)
        return PHIAL_ERR_NO_MEMORY;
    m->path = ph_strdup(path, err);
    phial_status status = m->path ? ph_gguf_open(&m->g, path, err) : PHIAL_ERR_NO_MEMORY;
    if (status == PHIAL_OK) {
        status = read_all(m, err);
        if (status != PHIAL_OK)
            ph_err_context(err, status, "%s", path);
    }
    if (status != PHIAL_OK) {
        ph_imatrix_close(m);
        return status;
    }
    *out = m;
    return PHIAL_OK;
}

void ph_imatrix_close(ph_imatrix *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        ph_free(m->list[i].values);
    ph_free(m->list);
    ph_gguf_close(m->g);
    ph_free(m->path);
    ph_free(m);
}

const float *ph_imatrix_find(const ph_imatrix *m, const char *tensor_name, size_t *n)
{
    for (size_t i = 0; i < m->n; i++) {
        if (ph_str_eq_c(m->list[i].name, tensor_name)) {
            *n = m->list[i].n;
            return m->list[i].values;
        }
    }
    return NULL;
}

void ph_imatrix_put_keys(const ph_imatrix *m, ph_gguf_writer *w)
{
    ph_str dataset = {"", 0};
    uint64_t n_chunks = 0;
    size_t cursor = 0;
    ph_gguf_array_next_str(ph_gguf_find(m->g, "imatrix.datasets"), &cursor, &dataset);
    ph_gguf_u64(ph_gguf_find(m->g, "imatrix.chunk_count"), &n_chunks);
    ph_gguf_put_str(w, "quantize.imatrix.file", ph_str_from(ph_path_base(m->path)));
    ph_gguf_put_str(w, "quantize.imatrix.dataset", dataset);
    ph_gguf_put_u32(w, "quantize.imatrix.entries_count", (uint32_t)m->n);
    ph_gguf_put_u32(w, "quantize.imatrix.chunks_count",
                    n_chunks < UINT32_MAX ? (uint32_t)n_chunks : UINT32_MAX);
}
