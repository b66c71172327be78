/* Sets of safetensors files: one file, or shards with their index. Contract: safetensors.h. */
#include "fmt/safetensors.h"

#include <string.h>

#include "base/mem.h"
#include "fmt/st_table.h"

static const char SINGLE[] = "model.safetensors";
static const char INDEX[] = "model.safetensors.index.json";

static phial_status set_new(ph_safetensors **out, size_t n_files, phial_error *err)
{
    *out = NULL;
    ph_safetensors *st = ph_alloc(1, sizeof *st, err);
    if (!st)
        return PHIAL_ERR_NO_MEMORY;
    st->files = ph_alloc(n_files, sizeof *st->files, err);
    if (!st->files) {
        ph_free(st);
        return PHIAL_ERR_NO_MEMORY;
    }
    st->n_files = n_files;
    *out = st;
    return PHIAL_OK;
}

void ph_safetensors_close(ph_safetensors *st)
{
    if (!st)
        return;
    for (size_t i = 0; i < st->n_files; i++) {
        ph_json_free(st->files[i].header);
        ph_map_close(st->files[i].map);
    }
    ph_name_index_free(&st->names);
    ph_free(st->files);
    ph_free(st->tensors);
    ph_free(st);
}

static const char *file_name(const ph_safetensors *st, size_t file)
{
    const ph_map *map = st->files[file].map;
    return map ? ph_path_base(ph_map_path(map)) : "memory";
}

/* JSON refuses a name twice in one file; this finds it in two. */
static phial_status index_names(ph_safetensors *st, phial_error *err)
{
    phial_status status = ph_name_index_init(&st->names, st->n_tensors, err);
    for (size_t i = 0; i < st->n_tensors && status == PHIAL_OK; i++) {
        const ph_st_tensor *t = &st->tensors[i];
        uint32_t other = (uint32_t)i;
        if (!ph_name_index_add(&st->names, t->name, &other))
            status = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                                "tensor '%.*s': in '%s' and again in '%s'", PH_STR_ARG(t->name),
                                file_name(st, st->tensors[other].file), file_name(st, t->file));
    }
    return status;
}

phial_status ph_safetensors_parse(ph_safetensors **out, const uint8_t *bytes, size_t n,
                                  phial_error *err)
{
    ph_safetensors *st;
    phial_status status = set_new(&st, 1, err);
    if (status == PHIAL_OK)
        status = ph_st_read_header(st, 0, bytes, n, err);
    if (status == PHIAL_OK)
        status = index_names(st, err);
    if (status != PHIAL_OK) {
        ph_safetensors_close(st);
        st = NULL;
    }
    *out = st;
    return status;
}

static phial_status open_file(ph_safetensors *st, size_t file, const char *path, phial_error *err)
{
    ph_map *map;
    phial_status status = ph_map_open(&map, path, err);
    if (status != PHIAL_OK)
        return status;
    st->files[file].map = map;
    status = ph_st_read_header(st, file, ph_map_data(map), ph_map_size(map), err);
    if (status != PHIAL_OK)
        return ph_err_context(err, status, "%s", path);
    return ph_map_check(map, err);
}

static phial_status open_single(ph_safetensors **out, const char *path, phial_error *err)
{
    ph_safetensors *st;
    phial_status status = set_new(&st, 1, err);
    if (status == PHIAL_OK)
        status = open_file(st, 0, path, err);
    if (status == PHIAL_OK)
        status = index_names(st, err);
    if (status != PHIAL_OK) {
        ph_safetensors_close(st);
        st = NULL;
    }
    *out = st;
    return status;
}

/* weight_map, checked, with its shards numbered in order of first mention. */
typedef struct shard_index {
    ph_json *root;             /* owned */
    const ph_json *weight_map; /* borrowed from root */
    ph_name_index shards;
    size_t n_shards;
    ph_str names[PH_ST_MAX_SHARDS]; /* borrowed from root */
} shard_index;

static void index_free(shard_index *index)
{
    ph_name_index_free(&index->shards);
    ph_json_free(index->root);
}

/* A shard lies beside its index: a plain file name, never a path. */
static phial_status check_shard_name(ph_str name, phial_error *err)
{
    const char *fault = ph_name_fault(name, 255);
    if (!fault && (memchr(name.p, '/', name.n) || memchr(name.p, '\\', name.n)))
        fault = "holds a path separator";
    if (!fault && name.p[0] == '.')
        fault = "begins with a dot";
    if (!fault && !ph_str_ends_with(name, ".safetensors"))
        fault = "does not end in .safetensors";
    if (fault)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "shard name '%.*s' %s", PH_STR_ARG(name),
                          fault);
    return PHIAL_OK;
}

static phial_status add_shard(shard_index *index, ph_str tensor, const ph_json *v, phial_error *err)
{
    ph_str name;
    if (!ph_json_str(v, &name))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "weight_map: '%.*s' is %s instead of a string",
                          PH_STR_ARG(tensor), ph_json_type_name(v));
    phial_status status = check_shard_name(name, err);
    if (status != PHIAL_OK)
        return ph_err_context(err, status, "weight_map: '%.*s'", PH_STR_ARG(tensor));
    uint32_t number = (uint32_t)index->n_shards;
    if (ph_name_index_find(&index->shards, name, &number))
        return PHIAL_OK;
    if (index->n_shards == PH_ST_MAX_SHARDS)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "weight_map: more than %d shards",
                          PH_ST_MAX_SHARDS);
    ph_name_index_add(&index->shards, name, &number);
    index->names[index->n_shards++] = name;
    return PHIAL_OK;
}

static phial_status index_parse(shard_index *index, const char *text, size_t n, phial_error *err)
{
    memset(index, 0, sizeof *index);
    index->root = ph_json_parse(text, n, err);
    if (!index->root)
        return ph_err_context(err, PHIAL_ERR_BAD_INPUT, "index");
    index->weight_map = ph_json_get(index->root, "weight_map");
    if (!ph_json_is_object(index->weight_map))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'weight_map' is %s instead of an object",
                          ph_json_type_name(index->weight_map));
    size_t count = ph_json_count(index->weight_map);
    if (count == 0 || count > PH_ST_MAX_TENSORS)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "weight_map: %zu tensors; 1 to %d are possible",
                          count, PH_ST_MAX_TENSORS);
    phial_status status = ph_name_index_init(&index->shards, PH_ST_MAX_SHARDS, err);
    for (void *it = ph_json_first(index->weight_map); it && status == PHIAL_OK;
         it = ph_json_next(index->weight_map, it))
        status = add_shard(index, ph_json_key(it), ph_json_value(it), err);
    return status;
}

phial_status ph_safetensors_index_check(const char *text, size_t n, phial_error *err)
{
    shard_index index;
    phial_status status = index_parse(&index, text, n, err);
    index_free(&index);
    return status;
}

static phial_status open_shard(ph_safetensors *st, const shard_index *index, size_t i,
                               const char *dir, phial_error *err)
{
    phial_status status = PHIAL_ERR_NO_MEMORY;
    char *name = ph_strndup(index->names[i].p, index->names[i].n, err);
    char *path = name ? ph_path_join(dir, name, err) : NULL;
    if (!path)
        goto done;
    if (ph_file_kind_of(path) == PH_FILE_MISSING)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                            "%s: missing, though the index names it as a shard", path);
    else
        status = open_file(st, i, path, err);
done:
    ph_free(path);
    ph_free(name);
    return status;
}

/* Index and shards must tell the same. */
static phial_status compare(const ph_safetensors *st, const shard_index *index, phial_error *err)
{
    for (void *it = ph_json_first(index->weight_map); it;
         it = ph_json_next(index->weight_map, it)) {
        ph_str name = ph_json_key(it), shard = {NULL, 0};
        uint32_t tensor, file = 0;
        ph_json_str(ph_json_value(it), &shard);
        ph_name_index_find(&index->shards, shard, &file);
        if (!ph_name_index_find(&st->names, name, &tensor))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "tensor '%.*s': not in '%.*s', the shard that weight_map names",
                              PH_STR_ARG(name), PH_STR_ARG(shard));
        if (st->tensors[tensor].file != file)
            return ph_err_set(
                err, PHIAL_ERR_BAD_INPUT, "tensor '%.*s': in '%s', but weight_map names '%.*s'",
                PH_STR_ARG(name), file_name(st, st->tensors[tensor].file), PH_STR_ARG(shard));
    }
    for (size_t i = 0; i < st->n_tensors; i++) {
        const ph_st_tensor *t = &st->tensors[i];
        char name[PH_ST_MAX_NAME + 1];
        memcpy(name, t->name.p, t->name.n);
        name[t->name.n] = '\0';
        if (!ph_json_get(index->weight_map, name))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "tensor '%s': in '%s', but not in weight_map", name,
                              file_name(st, t->file));
    }
    return PHIAL_OK;
}

static phial_status open_shards(ph_safetensors **out, const char *dir, const char *index_path,
                                phial_error *err)
{
    ph_safetensors *st = NULL;
    shard_index *index = NULL;
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = ph_file_read_regular(&text, index_path, PH_ST_MAX_INDEX, err);
    if (status != PHIAL_OK)
        goto done;
    index = ph_alloc(1, sizeof *index, err);
    if (!index) {
        status = PHIAL_ERR_NO_MEMORY;
        goto done;
    }
    status = index_parse(index, text.data, text.len, err);
    if (status != PHIAL_OK) {
        status = ph_err_context(err, status, "%s", index_path);
        goto done;
    }
    status = set_new(&st, index->n_shards, err);
    for (size_t i = 0; i < index->n_shards && status == PHIAL_OK; i++)
        status = open_shard(st, index, i, dir, err);
    if (status != PHIAL_OK)
        goto done;
    status = index_names(st, err);
    if (status == PHIAL_OK)
        status = compare(st, index, err);
    if (status != PHIAL_OK)
        status = ph_err_context(err, status, "%s", index_path);
done:
    if (status != PHIAL_OK) {
        ph_safetensors_close(st);
        st = NULL;
    }
    if (index)
        index_free(index);
    ph_free(index);
    ph_buf_free(&text);
    *out = st;
    return status;
}

static phial_status open_directory(ph_safetensors **out, const char *dir, phial_error *err)
{
    phial_status status = PHIAL_ERR_NO_MEMORY;
    char *index = NULL, *pickle = NULL;
    char *single = ph_path_join(dir, SINGLE, err);
    if (!single)
        goto done;
    index = ph_path_join(dir, INDEX, err);
    if (!index)
        goto done;
    pickle = ph_path_join(dir, "pytorch_model.bin", err);
    if (!pickle)
        goto done;
    if (ph_file_kind_of(single) != PH_FILE_MISSING)
        status = open_single(out, single, err);
    else if (ph_file_kind_of(index) != PH_FILE_MISSING)
        status = open_shards(out, dir, index, err);
    else if (ph_file_kind_of(pickle) != PH_FILE_MISSING)
        status = ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                            "%s: weights in PyTorch's pickle format are not read; save them as "
                            "safetensors first",
                            pickle);
    else
        status =
            ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: holds neither %s nor %s", dir, SINGLE, INDEX);
done:
    ph_free(pickle);
    ph_free(index);
    ph_free(single);
    return status;
}

phial_status ph_safetensors_open(ph_safetensors **out, const char *path, phial_error *err)
{
    *out = NULL;
    if (ph_file_kind_of(path) == PH_FILE_DIRECTORY)
        return open_directory(out, path, err);
    if (!ph_str_ends_with(ph_str_from(path), ".index.json"))
        return open_single(out, path, err);
    const char *base = ph_path_base(path);
    size_t n = (size_t)(base - path);
    char *dir = n == 0 ? ph_strdup(".", err) : ph_strndup(path, n, err);
    if (!dir)
        return PHIAL_ERR_NO_MEMORY;
    phial_status status = open_shards(out, dir, path, err);
    ph_free(dir);
    return status;
}

size_t ph_safetensors_n_tensors(const ph_safetensors *st)
{
    return st->n_tensors;
}

const ph_st_tensor *ph_safetensors_tensor_at(const ph_safetensors *st, size_t i)
{
    return i < st->n_tensors ? &st->tensors[i] : NULL;
}

const ph_st_tensor *ph_safetensors_tensor_find(const ph_safetensors *st, const char *name)
{
    uint32_t i;
    return ph_name_index_find(&st->names, ph_str_from(name), &i) ? &st->tensors[i] : NULL;
}

size_t ph_safetensors_n_files(const ph_safetensors *st)
{
    return st->n_files;
}

const ph_map *ph_safetensors_map(const ph_safetensors *st, size_t file)
{
    return file < st->n_files ? st->files[file].map : NULL;
}

const ph_json *ph_safetensors_metadata(const ph_safetensors *st, size_t file)
{
    return file < st->n_files ? st->files[file].metadata : NULL;
}
