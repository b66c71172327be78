/* The safetensors writer. Contract: safetensors.h. The header is complete before the first byte of
 * data, so the file is written front to back; entries stand in the order of declaration, which is
 * the order of the data. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "fmt/name_index.h"
#include "fmt/safetensors.h"

struct ph_st_writer {
    ph_json *entries;  /* owned */
    ph_json *metadata; /* owned; NULL: none */
    ph_writer *file;   /* owned; NULL before begin */
    uint64_t data_bytes, written;
};

phial_status ph_st_writer_new(ph_st_writer **out, phial_error *err)
{
    ph_st_writer *w = ph_alloc(1, sizeof *w, err);
    *out = NULL;
    if (!w)
        return PHIAL_ERR_NO_MEMORY;
    w->entries = ph_json_object_new();
    if (!w->entries) {
        ph_free(w);
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory");
    }
    *out = w;
    return PHIAL_OK;
}

void ph_st_writer_free(ph_st_writer *w)
{
    if (!w)
        return;
    ph_json_free(w->entries);
    ph_json_free(w->metadata);
    ph_writer_close(w->file);
    ph_free(w);
}

/* Consumes value. Names are checked as a reader would check them. */
static phial_status set_entry(ph_json *object, ph_str name, ph_json *value, phial_error *err)
{
    char key[PH_ST_MAX_NAME + 1];
    const char *fault = ph_name_fault(name, PH_ST_MAX_NAME);
    if (!fault) {
        memcpy(key, name.p, name.n);
        key[name.n] = '\0';
        if (strcmp(key, "__metadata__") == 0)
            fault = "is reserved";
        else if (ph_json_get(object, key))
            fault = "is there already";
    }
    if (fault) {
        ph_json_free(value);
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "name '%.*s' %s", PH_STR_ARG(name), fault);
    }
    if (!ph_json_set(object, key, value))
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory");
    return PHIAL_OK;
}

phial_status ph_st_writer_meta(ph_st_writer *w, ph_str key, ph_str value, phial_error *err)
{
    if (!w->metadata)
        w->metadata = ph_json_object_new();
    if (!w->metadata)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory");
    return set_entry(w->metadata, key, ph_json_str_new(value), err);
}

phial_status ph_st_writer_tensor(ph_st_writer *w, ph_str name, const char *dtype, uint32_t n_dims,
                                 const uint64_t *shape, phial_error *err)
{
    uint64_t bytes = ph_st_dtype_bytes(ph_str_from(dtype));
    bool fits = bytes > 0 && n_dims <= PH_ST_MAX_DIMS;
    uint64_t end;
    for (uint32_t d = 0; d < n_dims && fits; d++)
        fits = shape[d] <= INT64_MAX && ph_mul_u64(&bytes, bytes, shape[d]);
    if (!fits || !ph_add_u64(&end, w->data_bytes, bytes) || end > INT64_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "tensor '%.*s': impossible dtype or shape",
                          PH_STR_ARG(name));
    ph_json *entry = ph_json_object_new();
    ph_json *dims = ph_json_array_new();
    for (uint32_t d = 0; d < n_dims; d++)
        ph_json_push(dims, ph_json_int_new((int64_t)shape[d]));
    ph_json *offsets = ph_json_array_new();
    ph_json_push(offsets, ph_json_int_new((int64_t)w->data_bytes));
    bool complete = ph_json_push(offsets, ph_json_int_new((int64_t)end)) &&
                    ph_json_count(dims) == n_dims && ph_json_count(offsets) == 2;
    complete = ph_json_set(entry, "dtype", ph_json_str_new(ph_str_from(dtype))) && complete;
    complete = ph_json_set(entry, "shape", dims) && complete;
    complete = ph_json_set(entry, "data_offsets", offsets) && complete;
    if (!complete) {
        ph_json_free(entry);
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory");
    }
    phial_status status = set_entry(w->entries, name, entry, err);
    if (status == PHIAL_OK)
        w->data_bytes = end;
    return status;
}

/* {"__metadata__":{...},"name":{...},...}, padded with spaces to a multiple of 8. */
static phial_status build_header(ph_st_writer *w, ph_buf *out, phial_error *err)
{
    phial_status status;
    ph_buf_add_byte(out, '{');
    if (w->metadata) {
        ph_buf_add_str(out, "\"__metadata__\":");
        status = ph_json_write(out, w->metadata, 0, err);
        if (status != PHIAL_OK)
            return status;
        if (ph_json_count(w->entries) > 0)
            ph_buf_add_byte(out, ',');
    }
    ph_buf entries;
    ph_buf_init(&entries, 0);
    status = ph_json_write(&entries, w->entries, 0, err);
    if (status == PHIAL_OK)
        ph_buf_add(out, entries.data + 1, entries.len - 1);
    ph_buf_free(&entries);
    if (status != PHIAL_OK)
        return status;
    while (out->len % 8 != 0 && !out->failed)
        ph_buf_add_byte(out, ' ');
    return ph_buf_status(out, err);
}

phial_status ph_st_writer_begin(ph_st_writer *w, const char *path, phial_error *err)
{
    ph_buf header, length;
    ph_buf_init(&header, 0);
    ph_buf_init(&length, 0);
    phial_status status = build_header(w, &header, err);
    if (status != PHIAL_OK)
        goto done;
    if (header.len > PH_ST_MAX_HEADER) {
        status = ph_err_set(err, PHIAL_ERR_LIMIT, "%s: header of %zu bytes; the limit is %u", path,
                            header.len, PH_ST_MAX_HEADER);
        goto done;
    }
    ph_buf_add_u64(&length, header.len);
    status = ph_buf_status(&length, err);
    if (status == PHIAL_OK)
        status = ph_writer_open(&w->file, path, err);
    if (status == PHIAL_OK)
        status = ph_writer_write(w->file, length.data, length.len, err);
    if (status == PHIAL_OK)
        status = ph_writer_write(w->file, header.data, header.len, err);
done:
    ph_buf_free(&length);
    ph_buf_free(&header);
    return status;
}

phial_status ph_st_writer_data(ph_st_writer *w, const void *bytes, size_t n, phial_error *err)
{
    if (!w->file || n > w->data_bytes - w->written)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "more data than the tensors declared");
    w->written += n;
    return ph_writer_write(w->file, bytes, n, err);
}

phial_status ph_st_writer_commit(ph_st_writer *w, phial_error *err)
{
    if (!w->file || w->written != w->data_bytes)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%llu of %llu bytes of data were written",
                          (unsigned long long)w->written, (unsigned long long)w->data_bytes);
    return ph_writer_commit(w->file, err);
}
