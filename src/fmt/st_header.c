/* The header of one safetensors file. Contract and source: safetensors.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fmt/st_table.h"

static const struct dtype {
    const char *name;
    uint32_t bits;
    int id; /* ph_dtype, -1: none */
} dtypes[] = {
    {"F32", 32, PH_DTYPE_F32},
    {"F16", 16, PH_DTYPE_F16},
    {"BF16", 16, PH_DTYPE_BF16},
    {"F64", 64, PH_DTYPE_F64},
    {"I8", 8, PH_DTYPE_I8},
    {"I16", 16, PH_DTYPE_I16},
    {"I32", 32, PH_DTYPE_I32},
    {"I64", 64, PH_DTYPE_I64},
    {"BOOL", 8, -1},
    {"U8", 8, -1},
    {"U16", 16, -1},
    {"U32", 32, -1},
    {"U64", 64, -1},
    {"C64", 64, -1},
    {"F8_E4M3", 8, -1},
    {"F8_E5M2", 8, -1},
    {"F8_E8M0", 8, -1},
    {"F6_E2M3", 6, -1},
    {"F6_E3M2", 6, -1},
    {"F4", 4, -1},
};

static const struct dtype *find_dtype(ph_str name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (ph_str_eq_c(name, dtypes[i].name))
            return &dtypes[i];
    }
    return NULL;
}

uint32_t ph_st_dtype_bytes(ph_str dtype)
{
    const struct dtype *d = find_dtype(dtype);
    return d && d->bits % 8 == 0 ? d->bits / 8 : 0;
}

static phial_status bad(phial_error *err, const char *what)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s", what);
}

static bool natural(const ph_json *v, uint64_t *out)
{
    int64_t i;
    if (!ph_json_int(v, &i) || i < 0)
        return false;
    *out = (uint64_t)i;
    return true;
}

static phial_status read_shape(ph_st_tensor *t, const ph_json *shape, phial_error *err)
{
    if (!ph_json_is_array(shape))
        return bad(err, "'shape' is not an array");
    size_t n = ph_json_count(shape);
    if (n > PH_ST_MAX_DIMS)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%zu dimensions; the limit is %d", n,
                          PH_ST_MAX_DIMS);
    t->n_dims = (uint32_t)n;
    t->n_elements = 1;
    for (size_t d = 0; d < PH_ST_MAX_DIMS; d++) {
        t->shape[d] = 1;
        if (d < n && !natural(ph_json_at(shape, d), &t->shape[d]))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "shape[%zu] is not a whole number", d);
    }
    for (size_t d = 0; d < n; d++) {
        if (!ph_mul_u64(&t->n_elements, t->n_elements, t->shape[d]))
            return bad(err, "the product of its dimensions overflows");
    }
    return PHIAL_OK;
}

static phial_status read_dtype(ph_st_tensor *t, const ph_json *v, phial_error *err)
{
    ph_str name;
    if (!ph_json_str(v, &name))
        return bad(err, "'dtype' is not a string");
    const struct dtype *d = find_dtype(name);
    if (!d)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "unknown dtype '%.*s'", PH_STR_ARG(name));
    t->dtype = d->name;
    t->type = d->id >= 0 ? ph_dtype_find((uint32_t)d->id) : NULL;
    uint64_t bits;
    if (!ph_mul_u64(&bits, t->n_elements, d->bits))
        return bad(err, "its size in bytes overflows");
    if (bits % 8 != 0)
        return bad(err, "its size is not a whole number of bytes");
    t->data_bytes = bits / 8;
    return PHIAL_OK;
}

/* offset is relative to the data until place() has seen the whole file. */
static phial_status read_offsets(ph_st_tensor *t, const ph_json *v, uint64_t room, phial_error *err)
{
    uint64_t begin, end;
    if (ph_json_count(v) != 2 || !natural(ph_json_at(v, 0), &begin) ||
        !natural(ph_json_at(v, 1), &end))
        return bad(err, "'data_offsets' is not a pair of whole numbers");
    if (begin > end || end > room)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "data_offsets [%llu, %llu] exceed the file, which has %llu bytes of data",
                          (unsigned long long)begin, (unsigned long long)end,
                          (unsigned long long)room);
    if (end - begin != t->data_bytes)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "data_offsets span %llu bytes, but dtype %s and its shape need %llu",
                          (unsigned long long)(end - begin), t->dtype,
                          (unsigned long long)t->data_bytes);
    t->offset = begin;
    return PHIAL_OK;
}

static phial_status read_tensor(ph_st_tensor *t, const ph_json *v, uint64_t room, phial_error *err)
{
    const char *fault = ph_name_fault(t->name, PH_ST_MAX_NAME);
    if (fault)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the name %s", fault);
    if (!ph_json_is_object(v))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "described by %s instead of an object",
                          ph_json_type_name(v));
    phial_status st = read_shape(t, ph_json_get(v, "shape"), err);
    if (st == PHIAL_OK)
        st = read_dtype(t, ph_json_get(v, "dtype"), err);
    if (st == PHIAL_OK)
        st = read_offsets(t, ph_json_get(v, "data_offsets"), room, err);
    return st;
}

static phial_status check_metadata(const ph_json *v, phial_error *err)
{
    if (!ph_json_is_object(v))
        return bad(err, "__metadata__: not an object");
    for (void *it = ph_json_first(v); it; it = ph_json_next(v, it)) {
        ph_str key = ph_json_key(it);
        if (!ph_json_is_string(ph_json_value(it)))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "__metadata__: '%.*s' is %s instead of a string", PH_STR_ARG(key),
                              ph_json_type_name(ph_json_value(it)));
    }
    return PHIAL_OK;
}

static int by_offset(const void *a, const void *b)
{
    const ph_st_tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    /* An empty tensor goes in front of the one that begins at the same byte. */
    if (x->data_bytes != y->data_bytes)
        return x->data_bytes < y->data_bytes ? -1 : 1;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = memcmp(x->name.p, y->name.p, n);
    return order != 0 ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

/* Sorts by offset; the tensors must cover the data from its first byte to its last. */
static phial_status place(ph_st_tensor *tensors, size_t n, const uint8_t *bytes, uint64_t start,
                          uint64_t room, phial_error *err)
{
    uint64_t at = 0;
    if (n > 0)
        qsort(tensors, n, sizeof *tensors, by_offset);
    for (size_t i = 0; i < n; i++) {
        ph_st_tensor *t = &tensors[i];
        if (t->offset != at)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "tensor '%.*s': begins at byte %llu of the data, %s byte %llu",
                              PH_STR_ARG(t->name), (unsigned long long)t->offset,
                              t->offset < at ? "overlapping what reaches to"
                                             : "leaving a hole after",
                              (unsigned long long)at);
        at += t->data_bytes;
        t->offset += start;
        t->data = bytes + t->offset;
    }
    if (at != room)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%llu bytes behind the last tensor belong to none",
                          (unsigned long long)(room - at));
    return PHIAL_OK;
}

static phial_status grow(ph_safetensors *st, size_t more, phial_error *err)
{
    if (st->n_tensors + more > PH_ST_MAX_TENSORS)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%zu tensors; the limit is %d",
                          st->n_tensors + more, PH_ST_MAX_TENSORS);
    size_t cap = st->n_tensors + more;
    cap += cap == 0; /* of nothing there would be no pointer to sort and count from */
    if (cap <= st->cap_tensors)
        return PHIAL_OK;
    ph_st_tensor *p = ph_realloc(st->tensors, cap, sizeof *p, err);
    if (!p)
        return PHIAL_ERR_NO_MEMORY;
    st->tensors = p;
    st->cap_tensors = cap;
    return PHIAL_OK;
}

static phial_status read_entries(ph_safetensors *st, size_t file, const uint8_t *bytes,
                                 uint64_t start, uint64_t room, phial_error *err)
{
    const ph_json *header = st->files[file].header;
    size_t first = st->n_tensors;
    phial_status status = grow(st, ph_json_count(header), err);
    if (status != PHIAL_OK)
        return status;
    for (void *it = ph_json_first(header); it; it = ph_json_next(header, it)) {
        ph_str name = ph_json_key(it);
        if (ph_str_eq_c(name, "__metadata__")) {
            status = check_metadata(ph_json_value(it), err);
            if (status != PHIAL_OK)
                return status;
            st->files[file].metadata = ph_json_value(it);
            continue;
        }
        ph_st_tensor *t = &st->tensors[st->n_tensors];
        *t = (ph_st_tensor){.name = name, .file = (uint32_t)file};
        status = read_tensor(t, ph_json_value(it), room, err);
        if (status != PHIAL_OK)
            return ph_err_context(err, status, "tensor '%.*s'", PH_STR_ARG(name));
        st->n_tensors++;
    }
    return place(st->tensors + first, st->n_tensors - first, bytes, start, room, err);
}

phial_status ph_st_read_header(ph_safetensors *st, size_t file, const uint8_t *bytes, size_t n,
                               phial_error *err)
{
    if (n < 8)
        return bad(err, "too short for a safetensors file");
    uint64_t header_bytes = 0;
    for (int i = 0; i < 8; i++)
        header_bytes |= (uint64_t)bytes[i] << (8 * i);
    if (header_bytes > n - 8)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "header: its length of %llu bytes exceeds the file, which has %zu left",
                          (unsigned long long)header_bytes, n - 8);
    if (header_bytes > PH_ST_MAX_HEADER)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "header: %llu bytes; the limit is %u",
                          (unsigned long long)header_bytes, PH_ST_MAX_HEADER);
    if (header_bytes < 2 || bytes[8] != '{')
        return bad(err, "header: does not begin with '{'");
    ph_json *root = ph_json_parse((const char *)bytes + 8, (size_t)header_bytes, err);
    if (!root)
        return ph_err_context(err, PHIAL_ERR_BAD_INPUT, "header");
    st->files[file].header = root;
    if (!ph_json_is_object(root))
        return bad(err, "header: not a JSON object");
    return read_entries(st, file, bytes, 8 + header_bytes, n - 8 - header_bytes, err);
}
