/* Contract: npy.h. */
#include "fmt/npy.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "values are copied as they lie in memory: little-endian machines only"
#endif

static const char MAGIC[] = "\x93NUMPY\x01"; /* with the NUL behind it: version 1.0 */

struct ph_npy_writer {
    ph_writer *file; /* owned */
    uint64_t left;
};

phial_status ph_npy_writer_open(ph_npy_writer **out, const char *path, int n_dims, uint64_t rows,
                                uint64_t cols, phial_error *err)
{
    *out = NULL;
    uint64_t n = rows, bytes;
    if (n_dims < 1 || n_dims > 2 || (n_dims == 2 && !ph_mul_u64(&n, rows, cols)) ||
        !ph_mul_u64(&bytes, n, sizeof(float)))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: impossible shape", path);
    phial_status status = PHIAL_OK;
    ph_buf head, dict;
    ph_buf_init(&head, 0);
    ph_buf_init(&dict, 0);
    ph_npy_writer *w = ph_alloc(1, sizeof *w, err);
    if (!w)
        return PHIAL_ERR_NO_MEMORY;
    w->left = n;
    ph_buf_addf(&dict, "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu,",
                (unsigned long long)rows);
    if (n_dims == 2)
        ph_buf_addf(&dict, " %llu", (unsigned long long)cols);
    ph_buf_add_str(&dict, "), }");
    /* numpy wants the data to begin at a multiple of 64. */
    while ((10 + dict.len + 1) % 64 != 0 && !dict.failed)
        ph_buf_add_byte(&dict, ' ');
    ph_buf_add_byte(&dict, '\n');
    ph_buf_add(&head, MAGIC, 8);
    ph_buf_add_byte(&head, (uint8_t)(dict.len & 255));
    ph_buf_add_byte(&head, (uint8_t)(dict.len >> 8));
    if (!dict.failed)
        ph_buf_add(&head, dict.data, dict.len);
    status = ph_buf_status(dict.failed ? &dict : &head, err);
    if (status == PHIAL_OK)
        status = ph_writer_open(&w->file, path, err);
    if (status == PHIAL_OK)
        status = ph_writer_write(w->file, head.data, head.len, err);
    if (status != PHIAL_OK) {
        ph_npy_writer_close(w);
        w = NULL;
    }
    ph_buf_free(&dict);
    ph_buf_free(&head);
    *out = w;
    return status;
}

phial_status ph_npy_writer_add(ph_npy_writer *w, const float *values, size_t n, phial_error *err)
{
    if (n > w->left)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "more values than the shape holds");
    w->left -= n;
    return ph_writer_write(w->file, values, n * sizeof *values, err);
}

phial_status ph_npy_writer_commit(ph_npy_writer *w, phial_error *err)
{
    if (w->left != 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%llu values of the shape are missing",
                          (unsigned long long)w->left);
    return ph_writer_commit(w->file, err);
}

void ph_npy_writer_close(ph_npy_writer *w)
{
    if (!w)
        return;
    ph_writer_close(w->file);
    ph_free(w);
}

static phial_status bad(phial_error *err, const char *what)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s", what);
}

/* What follows `key` and ": " in the header's dictionary. */
static bool value_of(ph_str dict, const char *key, ph_str *out)
{
    const char *p = memmem(dict.p, dict.n, key, strlen(key));
    if (!p)
        return false;
    p += strlen(key);
    const char *end = dict.p + dict.n;
    while (p < end && (*p == ' ' || *p == ':'))
        p++;
    *out = (ph_str){p, (size_t)(end - p)};
    return true;
}

/* "(3,)" or "(3, 4)". */
static bool parse_shape(ph_str s, ph_npy *out)
{
    uint64_t dims[2] = {1, 1};
    int n = 0;
    size_t i = 1;
    if (s.n == 0 || s.p[0] != '(')
        return false;
    while (i < s.n && s.p[i] != ')') {
        size_t begin = i;
        while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
            i++;
        if (n == 2 || !ph_str_parse_u64((ph_str){s.p + begin, i - begin}, &dims[n]))
            return false;
        n++;
        while (i < s.n && (s.p[i] == ',' || s.p[i] == ' '))
            i++;
    }
    *out = (ph_npy){n, dims[0], dims[1], NULL};
    return i < s.n && n > 0;
}

phial_status ph_npy_parse(ph_npy *out, const uint8_t *bytes, size_t n, phial_error *err)
{
    *out = (ph_npy){0};
    if (n < 10 || memcmp(bytes, MAGIC, 6) != 0)
        return bad(err, "not a .npy file");
    if (bytes[6] != 1 || bytes[7] != 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "format version %u.%u; only 1.0 is read",
                          bytes[6], bytes[7]);
    size_t dict_bytes = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (dict_bytes > n - 10)
        return bad(err, "header: its length exceeds the file");
    ph_str dict = {(const char *)bytes + 10, dict_bytes}, descr, order, shape;
    if (!value_of(dict, "'descr'", &descr) || !value_of(dict, "'fortran_order'", &order) ||
        !value_of(dict, "'shape'", &shape))
        return bad(err, "header: descr, fortran_order or shape is missing");
    if (!ph_str_starts_with(descr, "'<f4'"))
        return bad(err, "header: only '<f4' values are read");
    if (!ph_str_starts_with(order, "False"))
        return bad(err, "header: only C order is read");
    ph_npy npy;
    uint64_t count;
    if (!parse_shape(shape, &npy))
        return bad(err, "header: the shape is not one or two numbers");
    if (!ph_mul_u64(&count, npy.rows, npy.cols) || count > PH_NPY_MAX_ELEMENTS)
        return bad(err, "header: the shape exceeds the limit of 2^28 values");
    if (n - 10 - dict_bytes != count * sizeof(float))
        return bad(err, "the data's size does not agree with the shape");
    npy.data = ph_alloc((size_t)count, sizeof(float), err);
    if (!npy.data)
        return PHIAL_ERR_NO_MEMORY;
    if (count > 0)
        memcpy(npy.data, bytes + 10 + dict_bytes, (size_t)count * sizeof(float));
    *out = npy;
    return PHIAL_OK;
}

phial_status ph_npy_read(ph_npy *out, const char *path, phial_error *err)
{
    ph_map *map;
    *out = (ph_npy){0};
    phial_status status = ph_map_open(&map, path, err);
    if (status != PHIAL_OK)
        return status;
    status = ph_npy_parse(out, ph_map_data(map), ph_map_size(map), err);
    if (status != PHIAL_OK)
        ph_err_context(err, status, "%s", path);
    ph_map_close(map);
    return status;
}

void ph_npy_free(ph_npy *npy)
{
    ph_free(npy->data);
    *npy = (ph_npy){0};
}
