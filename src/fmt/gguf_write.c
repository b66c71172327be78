/* Contract: gguf_write.h. Format: ggml/docs/gguf.md. */
#include "fmt/gguf_write.h"

#include "base/mem.h"

#define VERSION    3
#define HEAD_BYTES 24 /* magic, version, two counts: what is in front of the metadata */

struct ph_gguf_writer {
    ph_buf kv, tensors;
    uint64_t n_kv;
    size_t n_tensors, cap_tensors;
    uint64_t *sizes;     /* owned: bytes of each tensor */
    uint64_t data_bytes; /* of all tensors, padded */
    ph_writer *file;     /* owned; NULL before begin */
    size_t current;      /* the tensor whose data is being written */
    uint64_t written;    /* bytes of it */
};

phial_status ph_gguf_writer_new(ph_gguf_writer **out, phial_error *err)
{
    ph_gguf_writer *w = ph_alloc(1, sizeof *w, err);
    *out = w;
    if (!w)
        return PHIAL_ERR_NO_MEMORY;
    ph_buf_init(&w->kv, 0);
    ph_buf_init(&w->tensors, 0);
    return PHIAL_OK;
}

void ph_gguf_writer_free(ph_gguf_writer *w)
{
    if (!w)
        return;
    ph_buf_free(&w->kv);
    ph_buf_free(&w->tensors);
    ph_free(w->sizes);
    ph_writer_close(w->file);
    ph_free(w);
}

static void put_str(ph_buf *buf, ph_str s)
{
    ph_buf_add_u64(buf, s.n);
    ph_buf_add(buf, s.p, s.n);
}

static void put_head(ph_gguf_writer *w, ph_str key, ph_gguf_type type)
{
    put_str(&w->kv, key);
    ph_buf_add_u32(&w->kv, type);
    w->n_kv++;
}

void ph_gguf_put_u32(ph_gguf_writer *w, const char *key, uint32_t v)
{
    put_head(w, ph_str_from(key), PH_GGUF_U32);
    ph_buf_add_u32(&w->kv, v);
}

void ph_gguf_put_u64(ph_gguf_writer *w, const char *key, uint64_t v)
{
    put_head(w, ph_str_from(key), PH_GGUF_U64);
    ph_buf_add_u64(&w->kv, v);
}

void ph_gguf_put_f32(ph_gguf_writer *w, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_head(w, ph_str_from(key), PH_GGUF_F32);
    ph_buf_add_u32(&w->kv, bits);
}

void ph_gguf_put_f64(ph_gguf_writer *w, const char *key, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_head(w, ph_str_from(key), PH_GGUF_F64);
    ph_buf_add_u64(&w->kv, bits);
}

void ph_gguf_put_bool(ph_gguf_writer *w, const char *key, bool v)
{
    put_head(w, ph_str_from(key), PH_GGUF_BOOL);
    ph_buf_add_byte(&w->kv, v);
}

void ph_gguf_put_str(ph_gguf_writer *w, const char *key, ph_str v)
{
    put_head(w, ph_str_from(key), PH_GGUF_STRING);
    put_str(&w->kv, v);
}

void ph_gguf_put_kv(ph_gguf_writer *w, const ph_gguf_kv *kv)
{
    put_head(w, kv->key, kv->type);
    if (kv->type == PH_GGUF_ARRAY) {
        ph_buf_add_u32(&w->kv, kv->elem_type);
        ph_buf_add_u64(&w->kv, kv->count);
    }
    ph_buf_add(&w->kv, kv->raw, kv->raw_bytes);
}

void ph_gguf_put_array(ph_gguf_writer *w, const char *key, ph_gguf_type elem, uint64_t count)
{
    put_head(w, ph_str_from(key), PH_GGUF_ARRAY);
    ph_buf_add_u32(&w->kv, elem);
    ph_buf_add_u64(&w->kv, count);
}

void ph_gguf_put_elem_str(ph_gguf_writer *w, ph_str v)
{
    put_str(&w->kv, v);
}

void ph_gguf_put_elem_i32(ph_gguf_writer *w, int32_t v)
{
    ph_buf_add_u32(&w->kv, (uint32_t)v);
}

static phial_status grow(ph_gguf_writer *w, phial_error *err)
{
    if (w->n_tensors < w->cap_tensors)
        return PHIAL_OK;
    size_t cap = w->cap_tensors ? 2 * w->cap_tensors : 64;
    uint64_t *p = ph_realloc(w->sizes, cap, sizeof *p, err);
    if (!p)
        return PHIAL_ERR_NO_MEMORY;
    w->sizes = p;
    w->cap_tensors = cap;
    return PHIAL_OK;
}

phial_status ph_gguf_put_tensor(ph_gguf_writer *w, const char *name, ph_dtype type, uint32_t n_dims,
                                const uint64_t *dims, phial_error *err)
{
    if (n_dims < 1 || n_dims > PH_GGUF_MAX_DIMS)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "tensor '%s': %u dimensions", name, n_dims);
    uint64_t bytes = ph_dtype_row_bytes(type, dims[0]);
    bool fits = bytes > 0;
    for (uint32_t d = 1; d < n_dims && fits; d++)
        fits = dims[d] > 0 && ph_mul_u64(&bytes, bytes, dims[d]);
    uint64_t end;
    if (!fits || !ph_add_u64(&end, w->data_bytes, bytes) || end > INT64_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "tensor '%s': rows of %llu elements cannot be stored as %s", name,
                          (unsigned long long)dims[0], ph_dtype_name(type));
    phial_status status = grow(w, err);
    if (status != PHIAL_OK)
        return status;
    put_str(&w->tensors, ph_str_from(name));
    ph_buf_add_u32(&w->tensors, n_dims);
    for (uint32_t d = 0; d < n_dims; d++)
        ph_buf_add_u64(&w->tensors, dims[d]);
    ph_buf_add_u32(&w->tensors, type);
    ph_buf_add_u64(&w->tensors, w->data_bytes);
    w->sizes[w->n_tensors++] = bytes;
    w->data_bytes = ph_align_up(end, PH_GGUF_DEFAULT_ALIGNMENT);
    return ph_buf_status(&w->tensors, err);
}

static phial_status pad(ph_gguf_writer *w, phial_error *err)
{
    uint64_t at = ph_writer_offset(w->file);
    return ph_writer_zeros(w->file, (size_t)(ph_align_up(at, PH_GGUF_DEFAULT_ALIGNMENT) - at), err);
}

phial_status ph_gguf_writer_begin(ph_gguf_writer *w, const char *path, phial_error *err)
{
    ph_buf head;
    ph_buf_init(&head, 0);
    ph_buf_add(&head, "GGUF", 4);
    ph_buf_add_u32(&head, VERSION);
    ph_buf_add_u64(&head, w->n_tensors);
    ph_buf_add_u64(&head, w->n_kv);
    phial_status status = ph_buf_status(&head, err);
    if (status == PHIAL_OK)
        status = ph_buf_status(&w->kv, err);
    if (status == PHIAL_OK)
        status = ph_buf_status(&w->tensors, err);
    if (status == PHIAL_OK && w->kv.len + w->tensors.len > PH_GGUF_MAX_HEADER)
        status = ph_err_set(err, PHIAL_ERR_LIMIT, "more than %zu bytes", PH_GGUF_MAX_HEADER);
    if (status != PHIAL_OK)
        status = ph_err_context(err, status, "%s: header", path);
    if (status == PHIAL_OK)
        status = ph_writer_open(&w->file, path, err);
    if (status == PHIAL_OK)
        status = ph_writer_write(w->file, head.data, head.len, err);
    if (status == PHIAL_OK)
        status = ph_writer_write(w->file, w->kv.data, w->kv.len, err);
    if (status == PHIAL_OK)
        status = ph_writer_write(w->file, w->tensors.data, w->tensors.len, err);
    if (status == PHIAL_OK)
        status = pad(w, err);
    ph_buf_free(&head);
    return status;
}

phial_status ph_gguf_writer_data(ph_gguf_writer *w, const void *bytes, size_t n, phial_error *err)
{
    if (!w->file || w->current == w->n_tensors || n > w->sizes[w->current] - w->written)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "more data than tensor %zu holds", w->current);
    phial_status status = ph_writer_write(w->file, bytes, n, err);
    w->written += n;
    if (status == PHIAL_OK && w->written == w->sizes[w->current]) {
        w->current++;
        w->written = 0;
        status = pad(w, err);
    }
    return status;
}

static phial_status check_complete(const ph_gguf_writer *w, phial_error *err)
{
    if (!w->file || w->current != w->n_tensors)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "the data of tensor %zu is not complete",
                          w->current);
    return PHIAL_OK;
}

phial_status ph_gguf_writer_look(ph_gguf_writer *w, const char **temp_path, phial_error *err)
{
    phial_status status = check_complete(w, err);
    return status == PHIAL_OK ? ph_writer_flush(w->file, temp_path, err) : status;
}

phial_status ph_gguf_writer_patch_f64(ph_gguf_writer *w, const char *key, double v,
                                      phial_error *err)
{
    phial_status status = check_complete(w, err);
    if (status != PHIAL_OK)
        return status;
    ph_buf head;
    ph_buf_init(&head, 0);
    put_str(&head, ph_str_from(key));
    ph_buf_add_u32(&head, PH_GGUF_F64);
    status = ph_buf_status(&head, err);
    const char *at = status == PHIAL_OK ? memmem(w->kv.data, w->kv.len, head.data, head.len) : NULL;
    if (at)
        status = ph_writer_patch(w->file, HEAD_BYTES + (uint64_t)(at - w->kv.data) + head.len, &v,
                                 sizeof v, err);
    else if (status == PHIAL_OK)
        status = ph_err_set(err, PHIAL_ERR_ARGUMENT, "no number '%s' was put", key);
    ph_buf_free(&head);
    return status;
}

phial_status ph_gguf_writer_commit(ph_gguf_writer *w, phial_error *err)
{
    phial_status status = check_complete(w, err);
    if (status != PHIAL_OK)
        return status;
    return ph_writer_commit(w->file, err);
}
