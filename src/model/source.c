/* Weights as named tensors; contract in source.h. */
#include "model/source.h"

#include "base/mem.h"
#include "fmt/safetensors.h"

struct ph_source {
    ph_gguf *gguf;
    ph_safetensors *st;
    ph_hfconfig config; /* of a folder */
};

/* config.json in a folder, or beside a .safetensors file. */
static phial_status open_folder(ph_source *s, const char *path, bool is_file, phial_error *err)
{
    char *dir =
        is_file ? ph_strndup(path, (size_t)(ph_path_base(path) - path), err) : ph_strdup(path, err);
    char *config = dir == NULL ? NULL : ph_path_join(dir, "config.json", err);
    phial_status status = config == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    if (status == PHIAL_OK && ph_file_kind_of(config) == PH_FILE_MISSING) {
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                            "%s: holds no config.json, so it is no model's folder", dir);
    }
    if (status == PHIAL_OK) {
        status = ph_hfconfig_read(&s->config, config, err);
    }
    if (status == PHIAL_OK) {
        status = ph_safetensors_open(&s->st, path, err);
    }
    ph_free(dir);
    ph_free(config);
    return status;
}

phial_status ph_source_open(ph_source **out, const char *path, phial_error *err)
{
    ph_source *s = ph_alloc(1, sizeof *s, err);
    if (s == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    bool folder = ph_file_kind_of(path) == PH_FILE_DIRECTORY;
    bool st_file = !folder && ph_str_ends_with(ph_str_from(path), ".safetensors");
    phial_status status =
        folder || st_file ? open_folder(s, path, st_file, err) : ph_gguf_open(&s->gguf, path, err);
    if (status == PHIAL_OK) {
        *out = s;
    } else {
        ph_source_close(s);
    }
    return status;
}

void ph_source_close(ph_source *s)
{
    if (s == NULL) {
        return;
    }
    ph_gguf_close(s->gguf);
    ph_safetensors_close(s->st);
    ph_free(s);
}

const ph_gguf *ph_source_gguf(const ph_source *s)
{
    return s->gguf;
}

const ph_hfconfig *ph_source_config(const ph_source *s)
{
    return s->st != NULL ? &s->config : NULL;
}

size_t ph_source_n_tensors(const ph_source *s)
{
    return s->gguf != NULL ? ph_gguf_n_tensors(s->gguf) : ph_safetensors_n_tensors(s->st);
}

static ph_tensor_ref from_gguf(const ph_gguf_tensor *t)
{
    ph_tensor_ref ref = {
        .name = t->name,
        .type = t->type,
        .type_name = t->type->name,
        .n_dims = t->n_dims,
        .n_elements = t->n_elements,
        .data = t->data,
        .bytes = t->data_bytes,
    };
    for (uint32_t i = 0; i < PH_GGUF_MAX_DIMS; i++) { /* the file lists the innermost first */
        ref.dims[i] = i < t->n_dims ? t->dims[t->n_dims - 1 - i] : 1;
    }
    return ref;
}

static ph_tensor_ref from_st(const ph_st_tensor *t)
{
    ph_tensor_ref ref = {
        .name = t->name,
        .type = t->type,
        .type_name = t->dtype,
        .n_dims = t->n_dims,
        .n_elements = t->n_elements,
        .data = t->data,
        .bytes = t->data_bytes,
    };
    for (uint32_t i = 0; i < PH_GGUF_MAX_DIMS; i++) {
        ref.dims[i] = t->shape[i];
    }
    return ref;
}

ph_tensor_ref ph_source_tensor_at(const ph_source *s, size_t i)
{
    return s->gguf != NULL ? from_gguf(ph_gguf_tensor_at(s->gguf, i))
                           : from_st(ph_safetensors_tensor_at(s->st, i));
}

bool ph_source_find(const ph_source *s, const char *name, ph_tensor_ref *out)
{
    if (s->gguf != NULL) {
        const ph_gguf_tensor *t = ph_gguf_tensor_find(s->gguf, name);
        if (t != NULL) {
            *out = from_gguf(t);
        }
        return t != NULL;
    }
    const ph_st_tensor *t = ph_safetensors_tensor_find(s->st, name);
    if (t != NULL) {
        *out = from_st(t);
    }
    return t != NULL;
}

static size_t n_maps(const ph_source *s)
{
    return s->gguf != NULL ? 1 : ph_safetensors_n_files(s->st);
}

static const ph_map *map_at(const ph_source *s, size_t i)
{
    return s->gguf != NULL ? ph_gguf_map(s->gguf) : ph_safetensors_map(s->st, i);
}

static void advise_all(const ph_source *s, ph_map_advice advice)
{
    for (size_t i = 0; i < n_maps(s); i++) {
        ph_map_advise(map_at(s, i), 0, SIZE_MAX, advice);
    }
}

void ph_source_vectors_begin(const ph_source *s)
{
    advise_all(s, PH_MAP_RANDOM);
    for (size_t i = 0; i < ph_source_n_tensors(s); i++) {
        ph_tensor_ref t = ph_source_tensor_at(s, i);
        size_t file = s->gguf != NULL ? 0 : ph_safetensors_tensor_at(s->st, i)->file;
        const ph_map *map = map_at(s, file);
        if (t.n_dims == 1 && t.bytes > 0) {
            ph_map_advise(map, (size_t)(t.data - ph_map_data(map)), (size_t)t.bytes,
                          PH_MAP_WILLNEED);
        }
    }
}

void ph_source_vectors_end(const ph_source *s)
{
    advise_all(s, PH_MAP_NORMAL);
}

phial_status ph_source_check(const ph_source *s, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < n_maps(s) && status == PHIAL_OK; i++) {
        status = ph_map_check(map_at(s, i), err);
    }
    return status;
}
