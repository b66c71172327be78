/* How embeddings are to be made; contract in embed_hints.h. */
#include "rt/embed_hints.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/model_struct.h"

#define HINT_FILE_BYTES (1u << 20)

typedef struct named_model {
    const char *name;
    phial_pooling pooling;
    phial_normalize normalize;
    const char *query, *passage;
} named_model;

static const named_model models[] = {
#define PH_EMBED_MODEL(name, pooling, normalize, query, passage)                                   \
    {name, PHIAL_POOL_##pooling, PHIAL_NORMALIZE_##normalize, query, passage},
#include "rt/embed_models.def"
#undef PH_EMBED_MODEL
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(ph_str name, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= name.n; i++) {
        size_t j = 0;
        while (j < n && lower(name.p[i + j]) == part[j]) {
            j++;
        }
        if (j == n) {
            return true;
        }
    }
    return false;
}

static void by_name(ph_embed_hints *h, ph_str name)
{
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        if (contains(name, models[i].name)) {
            h->pooling = models[i].pooling;
            h->normalize = models[i].normalize;
            snprintf(h->query, sizeof h->query, "%s", models[i].query);
            snprintf(h->passage, sizeof h->passage, "%s", models[i].passage);
            return;
        }
    }
}

static phial_status set_prefix(char out[PH_EMBED_PREFIX_BYTES], ph_str text, phial_error *err)
{
    if (text.n >= PH_EMBED_PREFIX_BYTES || memchr(text.p, '\0', text.n) != NULL) {
        return ph_err_set(err, PHIAL_ERR_LIMIT,
                          "a prompt of %zu bytes; less than %d, and no NUL, are supported", text.n,
                          PH_EMBED_PREFIX_BYTES);
    }
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
    return PHIAL_OK;
}

/* A JSON file below the folder; *out NULL if it is not there. */
static phial_status read_json(ph_json **out, const char *dir, const char *name, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    *out = NULL;
    char *path = ph_path_join(dir, name, err);
    phial_status status = path == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    if (status == PHIAL_OK && ph_file_kind_of(path) == PH_FILE_REGULAR) {
        status = ph_file_read_regular(&text, path, HINT_FILE_BYTES, err);
        if (status == PHIAL_OK) {
            *out = ph_json_parse(text.data != NULL ? text.data : "", text.len, err);
            if (*out == NULL) {
                status = ph_err_context(err, PHIAL_ERR_BAD_INPUT, "%s", path);
            }
        }
    }
    ph_buf_free(&text);
    ph_free(path);
    return status;
}

/* 1_Pooling/config.json: one flag for each way, of which one is true. */
static phial_status see_pooling(ph_embed_hints *h, const ph_json *o, phial_error *err)
{
    static const struct {
        const char *key;
        phial_pooling pooling;
    } ways[] = {{"pooling_mode_cls_token", PHIAL_POOL_CLS},
                {"pooling_mode_mean_tokens", PHIAL_POOL_MEAN},
                {"pooling_mode_weightedmean_tokens", PHIAL_POOL_WEIGHTED},
                {"pooling_mode_lasttoken", PHIAL_POOL_LAST},
                {"pooling_mode_max_tokens", PHIAL_POOL_AUTO},
                {"pooling_mode_mean_sqrt_len_tokens", PHIAL_POOL_AUTO}};
    phial_pooling found = PHIAL_POOL_AUTO;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        bool on = false;
        ph_json_bool(ph_json_get(o, ways[i].key), &on);
        if (!on) {
            continue;
        }
        if (ways[i].pooling == PHIAL_POOL_AUTO || found != PHIAL_POOL_AUTO) {
            return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                              "1_Pooling/config.json: '%s' is not supported%s; name a pooling",
                              ways[i].key, found != PHIAL_POOL_AUTO ? " beside another way" : "");
        }
        found = ways[i].pooling;
    }
    ph_str mode;
    if (found == PHIAL_POOL_AUTO && ph_json_str(ph_json_get(o, "pooling_mode"), &mode)) {
        found = ph_str_eq_c(mode, "cls")            ? PHIAL_POOL_CLS
                : ph_str_eq_c(mode, "mean")         ? PHIAL_POOL_MEAN
                : ph_str_eq_c(mode, "weightedmean") ? PHIAL_POOL_WEIGHTED
                : ph_str_eq_c(mode, "lasttoken")    ? PHIAL_POOL_LAST
                                                    : PHIAL_POOL_AUTO;
        if (found == PHIAL_POOL_AUTO) {
            return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                              "1_Pooling/config.json: pooling '%.*s' is not supported; name one",
                              PH_STR_ARG(mode));
        }
    }
    h->pooling = found != PHIAL_POOL_AUTO ? found : h->pooling;
    return PHIAL_OK;
}

/* modules.json: the steps behind the model; whether one of them normalizes. */
static void see_modules(ph_embed_hints *h, const ph_json *list)
{
    h->normalize = PHIAL_NORMALIZE_NO;
    for (size_t i = 0; i < ph_json_count(list); i++) {
        ph_str type;
        if (ph_json_str(ph_json_get(ph_json_at(list, i), "type"), &type) &&
            ph_str_ends_with(type, "Normalize")) {
            h->normalize = PHIAL_NORMALIZE_YES;
        }
    }
}

static phial_status see_prompts(ph_embed_hints *h, const ph_json *o, phial_error *err)
{
    const ph_json *prompts = ph_json_get(o, "prompts");
    static const char *const passages[] = {"passage", "document"};
    ph_str text;
    phial_status status = PHIAL_OK;
    if (ph_json_str(ph_json_get(prompts, "query"), &text) && text.n > 0) {
        status = set_prefix(h->query, text, err);
    }
    for (size_t i = 0; i < 2 && status == PHIAL_OK; i++) {
        if (ph_json_str(ph_json_get(prompts, passages[i]), &text) && text.n > 0) {
            status = set_prefix(h->passage, text, err);
        }
    }
    return status;
}

static phial_status by_files(ph_embed_hints *h, const char *dir, phial_error *err)
{
    ph_json *pooling = NULL, *modules = NULL, *limits = NULL, *prompts = NULL;
    phial_status status = read_json(&pooling, dir, "1_Pooling/config.json", err);
    if (status == PHIAL_OK) {
        status = read_json(&modules, dir, "modules.json", err);
    }
    if (status == PHIAL_OK) {
        status = read_json(&limits, dir, "sentence_bert_config.json", err);
    }
    if (status == PHIAL_OK) {
        status = read_json(&prompts, dir, "config_sentence_transformers.json", err);
    }
    if (status == PHIAL_OK && pooling != NULL) {
        status = see_pooling(h, pooling, err);
    }
    if (status == PHIAL_OK && modules != NULL) {
        see_modules(h, modules);
    }
    int64_t n;
    if (ph_json_int(ph_json_get(limits, "max_seq_length"), &n) && n >= 3 && n <= PH_MAX_CTX) {
        h->n_ctx = (uint32_t)n;
    }
    if (status == PHIAL_OK) {
        status = see_prompts(h, prompts, err);
    }
    ph_json_free(pooling);
    ph_json_free(modules);
    ph_json_free(limits);
    ph_json_free(prompts);
    return status;
}

static phial_status by_gguf(ph_embed_hints *h, const phial_model *m, phial_error *err)
{
    static const phial_pooling ways[] = {PHIAL_POOL_AUTO, PHIAL_POOL_MEAN, PHIAL_POOL_CLS,
                                         PHIAL_POOL_LAST};
    const ph_gguf *g = ph_source_gguf(m->source);
    char key[96];
    ph_str name;
    uint64_t way;
    if (ph_gguf_str(ph_gguf_find(g, "general.name"), &name)) {
        by_name(h, name);
    }
    bool normalize;
    if (ph_gguf_bool(ph_gguf_find(g, "phial.embed.normalize"), &normalize)) {
        h->normalize = normalize ? PHIAL_NORMALIZE_YES : PHIAL_NORMALIZE_NO;
    }
    snprintf(key, sizeof key, "%.40s.pooling_type", m->arch->name);
    if (ph_gguf_u64(ph_gguf_find(g, key), &way)) {
        if (way >= sizeof ways / sizeof ways[0]) {
            return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                              "metadata key '%s' is %llu; 0 to 3 are "
                              "supported",
                              key, (unsigned long long)way);
        }
        h->pooling = ways[way] != PHIAL_POOL_AUTO ? ways[way] : h->pooling;
    }
    return PHIAL_OK;
}

/* "/models/e5-small/" and "/models/e5-small/model.safetensors": the folder. */
static char *folder_of(const char *path, phial_error *err)
{
    size_t n = strlen(path);
    if (ph_file_kind_of(path) != PH_FILE_DIRECTORY) {
        n = (size_t)(ph_path_base(path) - path);
    }
    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    return n == 0 ? ph_strdup(".", err) : ph_strndup(path, n, err);
}

phial_status ph_embed_hints_read(ph_embed_hints *out, const phial_model *model, phial_error *err)
{
    *out = (ph_embed_hints){0};
    phial_status status;
    by_name(out, ph_str_from(ph_path_base(model->path)));
    if (ph_source_gguf(model->source) != NULL) {
        status = by_gguf(out, model, err);
    } else {
        char *dir = folder_of(model->path, err);
        if (dir == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        by_name(out, ph_str_from(ph_path_base(dir)));
        status = by_files(out, dir, err);
        ph_free(dir);
    }
    return status == PHIAL_OK ? status : ph_err_context(err, status, "%s", model->path);
}
