/* Where presets come from: the built-in table, files, the user's folder; contract in preset.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "tok/preset.h"

typedef struct built_in {
    const char *name;
    const char *json;
} built_in;

static const built_in BUILT_IN[] = {
#define PH_PRESET(name, ...) {#name, #__VA_ARGS__},
#include "tok/preset.def"
#undef PH_PRESET
};
enum { N_BUILT_IN = sizeof BUILT_IN / sizeof BUILT_IN[0] };

const char *phial_preset_builtin(size_t i)
{
    return i < N_BUILT_IN ? BUILT_IN[i].name : NULL;
}

phial_status phial_preset_folder(char *out, size_t out_bytes, phial_error *err)
{
    /* A relative path in this variable is to be ignored (XDG base directory specification). */
    const char *base = getenv("XDG_CONFIG_HOME"), *below = "phial/presets";
    if (base == NULL || base[0] != '/') {
        base = getenv("HOME");
        below = ".config/phial/presets";
    }
    if (base == NULL || base[0] != '/') {
        return ph_err_set(err, PHIAL_ERR_IO,
                          "no folder for presets: neither XDG_CONFIG_HOME nor HOME is a path");
    }
    int n = snprintf(out, out_bytes, "%s/%s", base, below);
    if (n < 0 || (size_t)n >= out_bytes) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "the path of the folder for presets is too long");
    }
    return PHIAL_OK;
}

bool ph_preset_name_valid(ph_str name)
{
    static const char FINE[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (name.n == 0 || name.n > PHIAL_PRESET_NAME_MAX || name.p[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        if (memchr(FINE, name.p[i], sizeof FINE - 1) == NULL) {
            return false;
        }
    }
    return true;
}

void ph_preset_source_free(ph_preset_source *source)
{
    ph_free(source->label);
    ph_free(source->name);
    ph_json_free(source->root);
    *source = (ph_preset_source){0};
}

phial_status ph_preset_source_parse(ph_preset_source *source, const char *label, const char *name,
                                    const char *json, size_t n, phial_error *err)
{
    source->label = ph_strdup(label, err);
    source->name = ph_strdup(name, err);
    if (source->label == NULL || source->name == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    if (n > PHIAL_PRESET_FILE_MAX) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%s: %zu bytes (a preset has at most %u)", label, n,
                          PHIAL_PRESET_FILE_MAX);
    }
    phial_error why = {0};
    source->root = ph_json_parse(json, n, &why);
    if (source->root == NULL) {
        return ph_err_set(err, why.status, "%s: %s", label, why.message);
    }
    if (!ph_json_is_object(source->root)) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: a preset is a JSON object, this is of type %s", label,
                          ph_json_type_name(source->root));
    }
    return PHIAL_OK;
}

phial_status ph_preset_source_file(ph_preset_source *source, const char *path, phial_error *err)
{
    ph_str base = ph_str_from(ph_path_base(path));
    if (ph_str_ends_with(base, ".json")) {
        base.n -= strlen(".json");
    }
    ph_buf text;
    ph_buf_init(&text, 0);
    char *name = ph_strndup(base.p, base.n, err);
    phial_status status = PHIAL_ERR_NO_MEMORY;
    if (name != NULL) {
        status = ph_file_read(&text, path, PHIAL_PRESET_FILE_MAX, err);
    }
    if (status == PHIAL_OK) {
        status = ph_preset_source_parse(source, path, name, text.len > 0 ? text.data : "", text.len,
                                        err);
    }
    ph_free(name);
    ph_buf_free(&text);
    return status;
}

static phial_status unknown_preset(const char *name, phial_error *err)
{
    ph_nearest near = {.name = ph_str_from(name)};
    size_t at = 0;
    char names[256] = "", hint[PHIAL_PRESET_NAME_MAX + 32] = "";
    for (size_t i = 0; i < N_BUILT_IN && at < sizeof names; i++) {
        ph_nearest_try(&near, BUILT_IN[i].name);
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i == 0 ? "" : ", ",
                               BUILT_IN[i].name);
    }
    if (near.best != NULL) {
        snprintf(hint, sizeof hint, " (did you mean '%s'?)", near.best);
    }
    return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                      "no preset is named '%s'%s; built in are %s, and there is no such file in "
                      "the folder for presets",
                      name, hint, names);
}

phial_status ph_preset_source_built_in(ph_preset_source *source, const char *name, phial_error *err)
{
    for (size_t i = 0; i < N_BUILT_IN; i++) {
        if (strcmp(BUILT_IN[i].name, name) == 0) {
            source->built_in = true;
            return ph_preset_source_parse(source, name, name, BUILT_IN[i].json,
                                          strlen(BUILT_IN[i].json), err);
        }
    }
    return unknown_preset(name, err);
}

phial_status ph_preset_source_find(ph_preset_source *source, const char *name, const char *folder,
                                   phial_error *err)
{
    if (!ph_preset_name_valid(ph_str_from(name))) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "'%s' cannot be the name of a preset: 1 to %d letters, digits, '-', '_' "
                          "and '.' (a path has a '/')",
                          name, PHIAL_PRESET_NAME_MAX);
    }
    if (folder != NULL && folder[0] != '\0') {
        char file[PHIAL_PRESET_NAME_MAX + 8];
        snprintf(file, sizeof file, "%s.json", name);
        char *path = ph_path_join(folder, file, err);
        if (path == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        bool found = ph_file_kind_of(path) == PH_FILE_REGULAR;
        phial_status status = found ? ph_preset_source_file(source, path, err) : PHIAL_OK;
        ph_free(path);
        if (found) {
            return status;
        }
    }
    return ph_preset_source_built_in(source, name, err);
}

phial_status ph_preset_source_extends(const ph_preset_source *source, const char **name,
                                      phial_error *err)
{
    const ph_json *v = ph_json_get(source->root, "extends");
    ph_str text;
    *name = NULL;
    if (v == NULL) {
        return PHIAL_OK;
    }
    if (!ph_json_str(v, &text) || !ph_preset_name_valid(text)) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: \"extends\" takes the name of a preset, not a path", source->label);
    }
    *name = text.p;
    return PHIAL_OK;
}
