/* phial inspect: what a model file holds, without computing anything.
 *
 * GGUF files, safetensors files, and Hugging Face folders. Shapes are row-major, outermost first,
 * as numpy and safetensors write them: a Linear weight is [out, in] (GGUF's own order is the other
 * way round). Nothing is cut in silence: a value too long for the document is an object that says
 * how long it is and shows its beginning.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "fmt/gguf.h"
#include "fmt/gguf_codec.h"
#include "fmt/hfconfig.h"
#include "fmt/safetensors.h"

#define JSON_ARRAY_MAX  1024        /* elements shown whole */
#define JSON_ARRAY_HEAD 16          /* of a longer one */
#define JSON_STR_MAX    (64u << 10) /* bytes shown whole */
#define JSON_STR_HEAD   256
#define TABLE_VALUE_MAX 72

typedef struct row {
    ph_str name;
    const char *type;
    uint32_t n_dims;
    uint64_t shape[PH_ST_MAX_DIMS]; /* outermost first */
    uint64_t n_elements, bytes, offset;
    const char *file; /* NULL where there is only one */
} row;

typedef struct subject {
    const char *path;
    const char *format;
    ph_gguf *gguf;      /* owned */
    ph_safetensors *st; /* owned */
    ph_json *config;    /* owned: config.json of a folder */
    row *rows;          /* owned */
    size_t n_rows;
    uint64_t n_params, n_bytes;
    ph_str arch; /* p NULL: unknown */
} subject;

static ph_json *string_value(ph_str s)
{
    if (s.n <= JSON_STR_MAX)
        return ph_json_str_new(s);
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "type", ph_json_str_new(ph_str_from("string")));
    ph_json_set(o, "bytes", ph_json_int_new((int64_t)s.n));
    ph_json_set(o, "head", ph_json_str_new((ph_str){s.p, JSON_STR_HEAD}));
    return o;
}

static ph_json *gguf_value(ph_gguf_cursor *c, ph_gguf_type type);

/* The cursor is behind the array afterwards, also where not all of it is shown. */
static ph_json *gguf_array(ph_gguf_cursor *c, ph_gguf_type elem, uint64_t count)
{
    bool whole = count <= JSON_ARRAY_MAX;
    uint64_t n_shown = whole ? count : JSON_ARRAY_HEAD;
    ph_json *list = ph_json_array_new();
    for (uint64_t i = 0; i < count; i++) {
        ph_json *v = gguf_value(c, elem);
        if (i < n_shown)
            ph_json_push(list, v);
        else
            ph_json_free(v);
    }
    if (whole)
        return list;
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "type", ph_json_str_new(ph_str_from(ph_gguf_type_name(elem))));
    ph_json_set(o, "count", ph_json_int_new((int64_t)count));
    ph_json_set(o, "head", list);
    return o;
}

/* Any value of a file that was checked on opening; nesting is limited there. */
static ph_json *gguf_value(ph_gguf_cursor *c, ph_gguf_type type)
{
    ph_gguf_kv kv = {0};
    uint64_t u;
    int64_t i;
    double d;
    bool b;
    ph_str s;
    if (ph_gguf_take_value(c, type, &kv, NULL) != PHIAL_OK)
        return NULL;
    if (type == PH_GGUF_ARRAY) {
        ph_gguf_cursor inner = {kv.raw, kv.raw_bytes, 0};
        return gguf_array(&inner, kv.elem_type, kv.count);
    }
    if (ph_gguf_i64(&kv, &i))
        return ph_json_int_new(i);
    if (ph_gguf_u64(&kv, &u))
        return ph_json_f64_new((double)u);
    if (ph_gguf_bool(&kv, &b))
        return ph_json_bool_new(b);
    if (ph_gguf_f64(&kv, &d))
        return ph_json_f64_new(type == PH_GGUF_F32 ? ph_f32_decimal((float)d) : d);
    return ph_gguf_str(&kv, &s) ? string_value(s) : NULL;
}

static ph_json *kv_value(const ph_gguf_kv *kv)
{
    ph_gguf_cursor c = {kv->raw, kv->raw_bytes, 0};
    return kv->type == PH_GGUF_ARRAY ? gguf_array(&c, kv->elem_type, kv->count)
                                     : gguf_value(&c, kv->type);
}

static void set_member(ph_json *object, ph_str name, ph_json *value)
{
    char key[PH_GGUF_MAX_NAME + 1];
    if (name.n > PH_GGUF_MAX_NAME)
        name.n = PH_GGUF_MAX_NAME;
    memcpy(key, name.p, name.n);
    key[name.n] = '\0';
    ph_json_set(object, key, value);
}

static phial_status add_rows(subject *s, size_t n, phial_error *err)
{
    s->rows = ph_alloc(n, sizeof *s->rows, err);
    s->n_rows = n;
    return s->rows ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

static phial_status open_gguf(subject *s, phial_error *err)
{
    s->format = "gguf";
    phial_status status = ph_gguf_open(&s->gguf, s->path, err);
    if (status == PHIAL_OK)
        status = add_rows(s, ph_gguf_n_tensors(s->gguf), err);
    if (status != PHIAL_OK)
        return status;
    ph_gguf_str(ph_gguf_find(s->gguf, "general.architecture"), &s->arch);
    for (size_t i = 0; i < s->n_rows; i++) {
        const ph_gguf_tensor *t = ph_gguf_tensor_at(s->gguf, i);
        row *r = &s->rows[i];
        *r = (row){.name = t->name,
                   .type = t->type->name,
                   .n_dims = t->n_dims,
                   .n_elements = t->n_elements,
                   .bytes = t->data_bytes,
                   .offset = t->offset};
        for (uint32_t d = 0; d < t->n_dims; d++)
            r->shape[d] = t->dims[t->n_dims - 1 - d];
    }
    return PHIAL_OK;
}

static phial_status read_config(subject *s, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = PHIAL_OK;
    char *path = ph_path_join(s->path, "config.json", err);
    if (!path)
        return PHIAL_ERR_NO_MEMORY;
    if (ph_file_kind_of(path) == PH_FILE_REGULAR) {
        status = ph_file_read_regular(&text, path, PH_HF_MAX_FILE, err);
        if (status == PHIAL_OK) {
            s->config = ph_json_parse(text.data ? text.data : "", text.len, err);
            if (!s->config)
                status = ph_err_context(err, PHIAL_ERR_BAD_INPUT, "%s", path);
        }
        ph_json_str(ph_json_get(s->config, "model_type"), &s->arch);
    }
    ph_buf_free(&text);
    ph_free(path);
    return status;
}

static phial_status open_safetensors(subject *s, phial_error *err)
{
    phial_status status = PHIAL_OK;
    s->format = "safetensors";
    if (ph_file_kind_of(s->path) == PH_FILE_DIRECTORY)
        status = read_config(s, err);
    if (status == PHIAL_OK)
        status = ph_safetensors_open(&s->st, s->path, err);
    if (status == PHIAL_OK)
        status = add_rows(s, ph_safetensors_n_tensors(s->st), err);
    bool many = status == PHIAL_OK && ph_safetensors_n_files(s->st) > 1;
    for (size_t i = 0; i < s->n_rows && status == PHIAL_OK; i++) {
        const ph_st_tensor *t = ph_safetensors_tensor_at(s->st, i);
        const ph_map *map = ph_safetensors_map(s->st, t->file);
        s->rows[i] = (row){.name = t->name,
                           .type = t->dtype,
                           .n_dims = t->n_dims,
                           .n_elements = t->n_elements,
                           .bytes = t->data_bytes,
                           .offset = t->offset,
                           .file = many ? ph_path_base(ph_map_path(map)) : NULL};
        memcpy(s->rows[i].shape, t->shape, sizeof t->shape);
    }
    return status;
}

/* By content, so that a file's name does not matter. */
static phial_status subject_open(subject *s, phial_error *err)
{
    phial_status status;
    bool is_gguf = false;
    if (ph_file_kind_of(s->path) != PH_FILE_DIRECTORY) {
        ph_map *map;
        status = ph_map_open(&map, s->path, err);
        if (status != PHIAL_OK)
            return status;
        const uint8_t *p = ph_map_data(map);
        is_gguf = ph_map_size(map) >= 4 && memcmp(p, "GGUF", 4) == 0;
        ph_map_close(map);
        is_gguf = is_gguf || ph_str_ends_with(ph_str_from(s->path), ".gguf");
    }
    status = is_gguf ? open_gguf(s, err) : open_safetensors(s, err);
    for (size_t i = 0; i < s->n_rows && status == PHIAL_OK; i++) {
        s->n_params += s->rows[i].n_elements;
        s->n_bytes += s->rows[i].bytes;
    }
    return status;
}

static void subject_close(subject *s)
{
    ph_free(s->rows);
    ph_json_free(s->config);
    ph_safetensors_close(s->st);
    ph_gguf_close(s->gguf);
}

static double bits_per_weight(const subject *s)
{
    return s->n_params ? 8.0 * (double)s->n_bytes / (double)s->n_params : 0;
}

/* Whole, by writing and reading again: config.json's node belongs to the subject. */
static phial_status add_config(ph_json *metadata, const ph_json *config, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = PHIAL_OK;
    for (void *it = ph_json_first(config); it && status == PHIAL_OK;
         it = ph_json_next(config, it)) {
        ph_buf_clear(&text);
        status = ph_json_write(&text, ph_json_value(it), 0, err);
        ph_json *copy = NULL;
        if (status == PHIAL_OK) {
            copy = ph_json_parse(text.data, text.len, err);
            status = copy ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
        }
        set_member(metadata, ph_json_key(it), copy);
    }
    ph_buf_free(&text);
    return status;
}

static ph_json *make_metadata(const subject *s, phial_error *err)
{
    ph_json *metadata = ph_json_object_new();
    for (size_t i = 0; s->gguf && i < ph_gguf_n_kv(s->gguf); i++) {
        const ph_gguf_kv *kv = ph_gguf_kv_at(s->gguf, i);
        set_member(metadata, kv->key, kv_value(kv));
    }
    const ph_json *meta = s->st ? ph_safetensors_metadata(s->st, 0) : NULL;
    for (void *it = ph_json_first(meta); it; it = ph_json_next(meta, it)) {
        ph_str value = {"", 0};
        ph_json_str(ph_json_value(it), &value);
        set_member(metadata, ph_json_key(it), string_value(value));
    }
    if (s->config && add_config(metadata, s->config, err) != PHIAL_OK) {
        ph_json_free(metadata);
        return NULL;
    }
    return metadata;
}

static ph_json *make_row(const row *r)
{
    ph_json *o = ph_json_object_new(), *shape = ph_json_array_new();
    for (uint32_t d = 0; d < r->n_dims; d++)
        ph_json_push(shape, ph_json_int_new((int64_t)r->shape[d]));
    ph_json_set(o, "name", ph_json_str_new(r->name));
    ph_json_set(o, "type", ph_json_str_new(ph_str_from(r->type)));
    ph_json_set(o, "shape", shape);
    ph_json_set(o, "bytes", ph_json_int_new((int64_t)r->bytes));
    ph_json_set(o, "offset", ph_json_int_new((int64_t)r->offset));
    if (r->file)
        ph_json_set(o, "file", ph_json_str_new(ph_str_from(r->file)));
    return o;
}

static phial_status show_json(const subject *s, phial_error *err)
{
    ph_json *root = ph_json_object_new(), *tensors = ph_json_array_new();
    ph_json_set(root, "format", ph_json_str_new(ph_str_from(s->format)));
    ph_json_set(root, "arch", s->arch.p ? ph_json_str_new(s->arch) : ph_json_null_new());
    ph_json_set(root, "n_params", ph_json_int_new((int64_t)s->n_params));
    ph_json_set(root, "bits_per_weight", ph_json_f64_new(bits_per_weight(s)));
    ph_json *metadata = make_metadata(s, err);
    if (!metadata) {
        ph_json_free(tensors);
        ph_json_free(root);
        return ph_err_context(err, PHIAL_ERR_NO_MEMORY, "%s", s->path);
    }
    ph_json_set(root, "metadata", metadata);
    for (size_t i = 0; i < s->n_rows; i++)
        ph_json_push(tensors, make_row(&s->rows[i]));
    ph_json_set(root, "tensors", tensors);
    return ph_out_json(root, err);
}

/* One line, at most TABLE_VALUE_MAX bytes of it, and then how long it is. */
static void show_value(ph_str value)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    bool cut = value.n > TABLE_VALUE_MAX;
    ph_str head = {value.p, cut ? TABLE_VALUE_MAX : value.n};
    ph_str_escape(&text, head, false);
    ph_outf("%s", text.data ? text.data : "");
    if (cut)
        ph_outf("... (%zu bytes)", value.n);
    ph_buf_free(&text);
}

static phial_status show_metadata(const subject *s, phial_error *err)
{
    ph_json *metadata = make_metadata(s, err);
    if (!metadata)
        return ph_err_context(err, PHIAL_ERR_NO_MEMORY, "%s", s->path);
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = PHIAL_OK;
    for (void *it = ph_json_first(metadata); it && status == PHIAL_OK;
         it = ph_json_next(metadata, it)) {
        const ph_json *v = ph_json_value(it);
        int64_t count;
        ph_str str;
        ph_buf_clear(&text);
        ph_outf("  ");
        show_value(ph_json_key(it));
        ph_outf(" = ");
        if (ph_json_int(ph_json_get(v, "count"), &count))
            ph_outf("[%lld] ", (long long)count);
        if (ph_json_str(v, &str)) {
            show_value(str);
        } else {
            const ph_json *head = ph_json_get(v, "head");
            status = ph_json_write(&text, head ? head : v, 0, err);
            if (status == PHIAL_OK)
                show_value((ph_str){text.data, text.len});
        }
        ph_outf("\n");
    }
    ph_buf_free(&text);
    ph_json_free(metadata);
    return status;
}

static void show_row(const row *r, int name_width)
{
    char shape[24 * PH_ST_MAX_DIMS] = "";
    size_t at = 0;
    ph_buf name;
    ph_buf_init(&name, 0);
    for (uint32_t d = 0; d < r->n_dims; d++)
        at += (size_t)snprintf(shape + at, sizeof shape - at, "%s%" PRIu64, d ? " x " : "",
                               r->shape[d]);
    ph_str_escape(&name, r->name, false);
    ph_outf("  %-*s  %-8s %-18s %12" PRIu64 "%s%s\n", name_width, name.data ? name.data : "",
            r->type, shape, r->bytes, r->file ? "  " : "", r->file ? r->file : "");
    ph_buf_free(&name);
}

static phial_status show_table(const subject *s, phial_error *err)
{
    show_value(ph_str_from(s->path));
    ph_outf("\n  format            %s\n  architecture      ", s->format);
    show_value(s->arch.p ? s->arch : ph_str_from("unknown"));
    ph_outf("\n  parameters        %" PRIu64
            "\n  bits per weight   %.2f\n  tensor bytes      %" PRIu64 "\n\nmetadata\n",
            s->n_params, bits_per_weight(s), s->n_bytes);
    phial_status status = show_metadata(s, err);
    if (status != PHIAL_OK)
        return status;
    int width = 4;
    for (size_t i = 0; i < s->n_rows; i++) {
        if (s->rows[i].name.n > (size_t)width)
            width = s->rows[i].name.n < 60 ? (int)s->rows[i].name.n : 60;
    }
    ph_outf("\ntensors (%zu; shapes outermost first)\n", s->n_rows);
    for (size_t i = 0; i < s->n_rows; i++)
        show_row(&s->rows[i], width);
    return PHIAL_OK;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    subject s = {.path = ph_args_positional(args, 0)};
    phial_status status = subject_open(&s, err);
    if (status == PHIAL_OK)
        status = ph_args_flag(args, "json") ? show_json(&s, err) : show_table(&s, err);
    subject_close(&s);
    return status;
}

static const ph_opt opts[] = {
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "FILE", .help = "a GGUF file, a safetensors file, or a Hugging Face folder"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial inspect phi-2.gguf", "metadata and tensors as a table"},
    {"phial inspect --json phi-2/", "the same for programs"},
    {0},
};

const ph_cmd ph_cmd_inspect = {
    .details =
        "Shapes are row-major, outermost first: a weight matrix is [out, in]. In --json, arrays of "
        "more than 1024 elements are {\"type\",\"count\",\"head\"} with the first 16, and strings "
        "of more than 65536 bytes {\"type\",\"bytes\",\"head\"}; everything else is whole. Offsets "
        "count from the start of the file (of \"file\", where there are shards). Metadata of a "
        "folder is its config.json, with the first shard's __metadata__.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
