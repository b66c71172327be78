/* The GGUF reader. Contract: gguf.h. Format: ggml/docs/gguf.md.
 *
 * One pass over the header with a cursor that can never leave the bytes. A count is compared with
 * what the remaining bytes could hold at the least before anything is allocated for it, so a short
 * file that claims 2^40 keys fails at once. Offsets and sizes are checked last, when the alignment
 * and the start of the data are known.
 */
#include "fmt/gguf.h"

#include <stdlib.h>

#include "base/mem.h"
#include "fmt/gguf_codec.h"
#include "fmt/name_index.h"

struct ph_gguf {
    ph_map *map; /* owned; NULL when parsed from memory */
    uint32_t version;
    uint64_t alignment;
    size_t data_start;
    size_t n_kv;
    ph_gguf_kv *kv;
    ph_name_index kv_index;
    size_t n_tensors;
    ph_gguf_tensor *tensors;
    ph_name_index tensor_index;
};

/* Smallest encodings: key length, one byte of key, type, one byte of value; name length, one byte
 * of name, n_dims, type, offset. */
#define MIN_KV_BYTES     (8 + 1 + 4 + 1)
#define MIN_TENSOR_BYTES (8 + 1 + 4 + 4 + 8)

static phial_status bad(phial_error *err, const char *what)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s", what);
}

static phial_status read_preamble(ph_gguf *g, ph_gguf_cursor *c, phial_error *err)
{
    const uint8_t *magic = ph_gguf_take(c, 4);
    if (!magic)
        return bad(err, "too short for a GGUF file");
    if (memcmp(magic, "GGUF", 4) != 0)
        return bad(err, "not a GGUF file (the first four bytes are not \"GGUF\")");
    uint64_t n_tensors, n_kv;
    if (!ph_gguf_take_u32(c, &g->version))
        return bad(err, "ends inside the header");
    /* Versions are small numbers: an empty low half means the bytes are the other way round. */
    if (g->version != 0 && (g->version & 0xffff) == 0)
        return bad(err, "a big-endian GGUF file; only little-endian ones can be read");
    if (g->version == 1)
        return bad(err,
                   "GGUF version 1, an early format that is not read; convert the model again");
    if (g->version != 2 && g->version != 3)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "unknown GGUF version %u (2 and 3 are read)",
                          g->version);
    if (!ph_gguf_take_u64(c, &n_tensors) || !ph_gguf_take_u64(c, &n_kv))
        return bad(err, "ends inside the header");
    uint64_t left = c->n - c->pos;
    if (n_kv > PH_GGUF_MAX_KEYS || n_kv > left / MIN_KV_BYTES)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "header: claims %llu metadata keys; the file has room for %llu and the "
                          "limit is %d",
                          (unsigned long long)n_kv, (unsigned long long)(left / MIN_KV_BYTES),
                          PH_GGUF_MAX_KEYS);
    if (n_tensors > PH_GGUF_MAX_TENSORS || n_tensors > left / MIN_TENSOR_BYTES)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "header: claims %llu tensors; the file has room for %llu and the limit "
                          "is %d",
                          (unsigned long long)n_tensors,
                          (unsigned long long)(left / MIN_TENSOR_BYTES), PH_GGUF_MAX_TENSORS);
    g->n_kv = (size_t)n_kv;
    g->n_tensors = (size_t)n_tensors;
    return PHIAL_OK;
}

static phial_status read_kv(ph_gguf *g, ph_gguf_cursor *c, size_t i, phial_error *err)
{
    ph_gguf_kv *kv = &g->kv[i];
    phial_status st = ph_gguf_take_str(c, &kv->key, PH_GGUF_MAX_NAME, err);
    if (st != PHIAL_OK)
        return ph_err_context(err, st, "key %zu of %zu: name", i, g->n_kv);
    const char *fault = ph_name_fault(kv->key, PH_GGUF_MAX_NAME);
    if (fault)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "key %zu of %zu: name '%.*s' %s", i, g->n_kv,
                          PH_STR_ARG(kv->key), fault);
    uint32_t type;
    if (!ph_gguf_take_u32(c, &type))
        st = bad(err, "the file ends before its type");
    else if (type > PH_GGUF_F64)
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "unknown value type %u", type);
    else
        st = ph_gguf_take_value(c, (ph_gguf_type)type, kv, err);
    if (st != PHIAL_OK)
        return ph_err_context(err, st, "key %zu '%.*s'", i, PH_STR_ARG(kv->key));
    uint32_t other = (uint32_t)i;
    if (!ph_name_index_add(&g->kv_index, kv->key, &other))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "key %zu '%.*s': the same name as key %u", i,
                          PH_STR_ARG(kv->key), other);
    return PHIAL_OK;
}

static phial_status read_alignment(ph_gguf *g, phial_error *err)
{
    const ph_gguf_kv *kv = ph_gguf_find(g, "general.alignment");
    g->alignment = PH_GGUF_DEFAULT_ALIGNMENT;
    if (!kv)
        return PHIAL_OK;
    if (kv->type != PH_GGUF_U32 || !ph_gguf_u64(kv, &g->alignment))
        return bad(err, "key 'general.alignment': not a number of type u32");
    uint64_t a = g->alignment;
    if (a < 8 || a > PH_GGUF_MAX_ALIGNMENT || (a & (a - 1)) != 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "key 'general.alignment': %llu is not a power of two from 8 to %d",
                          (unsigned long long)a, PH_GGUF_MAX_ALIGNMENT);
    return PHIAL_OK;
}

/* Shape and type of a tensor into sizes; every product is checked. */
static phial_status measure(ph_gguf_tensor *t, uint32_t type, phial_error *err)
{
    t->n_elements = 1;
    for (uint32_t d = 0; d < t->n_dims; d++) {
        if (t->dims[d] == 0)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "dimension %u is 0", d);
        if (!ph_mul_u64(&t->n_elements, t->n_elements, t->dims[d]) || t->n_elements > INT64_MAX)
            return bad(err, "the product of its dimensions overflows");
    }
    t->type = ph_dtype_find(type);
    if (!t->type)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "unknown or withdrawn tensor type %u", type);
    if (t->dims[0] % t->type->block != 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "rows of %llu elements are no multiple of %s's block of %u",
                          (unsigned long long)t->dims[0], t->type->name, t->type->block);
    if (!ph_mul_u64(&t->data_bytes, t->n_elements / t->type->block, t->type->bytes))
        return bad(err, "its size in bytes overflows");
    return PHIAL_OK;
}

static phial_status read_tensor_body(ph_gguf_cursor *c, ph_gguf_tensor *t, phial_error *err)
{
    uint32_t type;
    if (!ph_gguf_take_u32(c, &t->n_dims))
        return bad(err, "the file ends inside its description");
    if (t->n_dims > PH_GGUF_MAX_DIMS)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%u dimensions; at most %d are possible",
                          t->n_dims, PH_GGUF_MAX_DIMS);
    for (uint32_t d = 0; d < PH_GGUF_MAX_DIMS; d++) {
        t->dims[d] = 1;
        if (d < t->n_dims && !ph_gguf_take_u64(c, &t->dims[d]))
            return bad(err, "the file ends inside its description");
    }
    /* The offset is still relative to the data; place_tensors() makes it absolute. */
    if (!ph_gguf_take_u32(c, &type) || !ph_gguf_take_u64(c, &t->offset))
        return bad(err, "the file ends inside its description");
    return measure(t, type, err);
}

static phial_status read_tensor(ph_gguf *g, ph_gguf_cursor *c, size_t i, phial_error *err)
{
    ph_gguf_tensor *t = &g->tensors[i];
    phial_status st = ph_gguf_take_str(c, &t->name, PH_GGUF_MAX_NAME, err);
    if (st != PHIAL_OK)
        return ph_err_context(err, st, "tensor %zu of %zu: name", i, g->n_tensors);
    const char *fault = ph_name_fault(t->name, PH_GGUF_MAX_NAME);
    if (fault)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tensor %zu of %zu: name '%.*s' %s", i,
                          g->n_tensors, PH_STR_ARG(t->name), fault);
    st = read_tensor_body(c, t, err);
    if (st != PHIAL_OK)
        return ph_err_context(err, st, "tensor %zu '%.*s'", i, PH_STR_ARG(t->name));
    uint32_t other = (uint32_t)i;
    if (!ph_name_index_add(&g->tensor_index, t->name, &other))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tensor %zu '%.*s': the same name as tensor %u",
                          i, PH_STR_ARG(t->name), other);
    return PHIAL_OK;
}

static int by_offset(const void *a, const void *b)
{
    const ph_gguf_tensor *x = *(const ph_gguf_tensor *const *)a;
    const ph_gguf_tensor *y = *(const ph_gguf_tensor *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x < y ? -1 : x > y;
}

static phial_status check_overlaps(const ph_gguf *g, phial_error *err)
{
    const ph_gguf_tensor **order = ph_alloc(g->n_tensors, sizeof *order, err);
    if (!order)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < g->n_tensors; i++)
        order[i] = &g->tensors[i];
    qsort(order, g->n_tensors, sizeof *order, by_offset);
    phial_status st = PHIAL_OK;
    for (size_t i = 1; i < g->n_tensors && st == PHIAL_OK; i++) {
        const ph_gguf_tensor *a = order[i - 1], *b = order[i];
        if (b->offset - a->offset < a->data_bytes)
            st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tensor %zu '%.*s': its data overlaps '%.*s'",
                            (size_t)(b - g->tensors), PH_STR_ARG(b->name), PH_STR_ARG(a->name));
    }
    ph_free(order);
    return st;
}

/* Offsets against the end of the header and of the file. */
static phial_status place_tensors(ph_gguf *g, const ph_gguf_cursor *c, phial_error *err)
{
    if (g->n_tensors == 0)
        return PHIAL_OK; /* a vocabulary-only file need not be padded */
    size_t start = ph_align_up(c->pos, (size_t)g->alignment);
    uint64_t room = start <= c->n ? c->n - start : 0;
    for (size_t i = 0; i < g->n_tensors; i++) {
        ph_gguf_tensor *t = &g->tensors[i];
        if (t->offset % g->alignment != 0)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "tensor %zu '%.*s': offset %llu is no multiple of the alignment %llu",
                              i, PH_STR_ARG(t->name), (unsigned long long)t->offset,
                              (unsigned long long)g->alignment);
        if (t->offset > room || t->data_bytes > room - t->offset)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "tensor %zu '%.*s': %llu bytes at offset %llu exceed the file, which "
                              "has %llu bytes of data",
                              i, PH_STR_ARG(t->name), (unsigned long long)t->data_bytes,
                              (unsigned long long)t->offset, (unsigned long long)room);
        t->offset += start;
        t->data = c->bytes + t->offset;
    }
    return check_overlaps(g, err);
}

static phial_status read_all(ph_gguf *g, ph_gguf_cursor *c, phial_error *err)
{
    phial_status st = read_preamble(g, c, err);
    if (st != PHIAL_OK)
        return st;
    g->kv = ph_alloc(g->n_kv, sizeof *g->kv, err);
    g->tensors = g->kv ? ph_alloc(g->n_tensors, sizeof *g->tensors, err) : NULL;
    if (!g->tensors)
        return PHIAL_ERR_NO_MEMORY;
    st = ph_name_index_init(&g->kv_index, g->n_kv, err);
    if (st == PHIAL_OK)
        st = ph_name_index_init(&g->tensor_index, g->n_tensors, err);
    for (size_t i = 0; i < g->n_kv && st == PHIAL_OK; i++)
        st = read_kv(g, c, i, err);
    if (st == PHIAL_OK)
        st = read_alignment(g, err);
    for (size_t i = 0; i < g->n_tensors && st == PHIAL_OK; i++)
        st = read_tensor(g, c, i, err);
    if (st == PHIAL_OK)
        st = place_tensors(g, c, err);
    return st;
}

phial_status ph_gguf_parse(ph_gguf **out, const uint8_t *bytes, size_t n, phial_error *err)
{
    *out = NULL;
    ph_gguf *g = ph_alloc(1, sizeof *g, err);
    if (!g)
        return PHIAL_ERR_NO_MEMORY;
    ph_gguf_cursor c = {bytes, n, 0};
    phial_status st = read_all(g, &c, err);
    if (st != PHIAL_OK) {
        ph_gguf_close(g);
        return st;
    }
    *out = g;
    return PHIAL_OK;
}

phial_status ph_gguf_open(ph_gguf **out, const char *path, phial_error *err)
{
    *out = NULL;
    ph_map *map = NULL;
    phial_status st = ph_map_open(&map, path, err);
    if (st != PHIAL_OK)
        return st;
    st = ph_gguf_parse(out, ph_map_data(map), ph_map_size(map), err);
    if (st != PHIAL_OK) {
        ph_map_close(map);
        return ph_err_context(err, st, "%s", path);
    }
    (*out)->map = map;
    st = ph_map_check(map, err);
    if (st != PHIAL_OK) {
        ph_gguf_close(*out);
        *out = NULL;
    }
    return st;
}

void ph_gguf_close(ph_gguf *g)
{
    if (!g)
        return;
    ph_name_index_free(&g->kv_index);
    ph_name_index_free(&g->tensor_index);
    ph_free(g->kv);
    ph_free(g->tensors);
    ph_map_close(g->map);
    ph_free(g);
}

const ph_map *ph_gguf_map(const ph_gguf *g)
{
    return g->map;
}

size_t ph_gguf_n_kv(const ph_gguf *g)
{
    return g->n_kv;
}

const ph_gguf_kv *ph_gguf_kv_at(const ph_gguf *g, size_t i)
{
    return i < g->n_kv ? &g->kv[i] : NULL;
}

const ph_gguf_kv *ph_gguf_find(const ph_gguf *g, const char *key)
{
    uint32_t i;
    return ph_name_index_find(&g->kv_index, ph_str_from(key), &i) ? &g->kv[i] : NULL;
}

size_t ph_gguf_n_tensors(const ph_gguf *g)
{
    return g->n_tensors;
}

const ph_gguf_tensor *ph_gguf_tensor_at(const ph_gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const ph_gguf_tensor *ph_gguf_tensor_find(const ph_gguf *g, const char *name)
{
    uint32_t i;
    return ph_name_index_find(&g->tensor_index, ph_str_from(name), &i) ? &g->tensors[i] : NULL;
}
