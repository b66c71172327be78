/* Presets: opening one with all that it extends; contract in phial/prompt.h. */
#include "tok/preset.h"

#include <limits.h>
#include <string.h>

/* The documents from the wanted one down to what is extended last. */
typedef struct chain {
    ph_preset_source at[PHIAL_PRESET_DEPTH_MAX];
    size_t n;
    const char *folder; /* NULL or "": none */
} chain;

static phial_status loop_error(const chain *c, const char *name, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    for (size_t i = 0; i < c->n; i++) {
        ph_buf_addf(&text, "%s extends ", c->at[i].name);
    }
    phial_status status =
        ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: presets extend each other in a loop: %s%s",
                   c->at[0].label, text.len > 0 ? text.data : "", name);
    ph_buf_free(&text);
    return status;
}

/* Finds what the last document extends; *more is false if nothing. */
static phial_status extend(chain *c, bool *more, phial_error *err)
{
    const ph_preset_source *last = &c->at[c->n - 1];
    const char *name;
    phial_status status = ph_preset_source_extends(last, &name, err);
    *more = name != NULL;
    if (status != PHIAL_OK || name == NULL) {
        return status;
    }
    bool own = strcmp(name, last->name) == 0;
    for (size_t i = 0; i < c->n; i++) {
        bool again = strcmp(name, c->at[i].name) == 0;
        if (again && (!own || c->at[i].built_in)) {
            return loop_error(c, name, err);
        }
    }
    if (c->n == PHIAL_PRESET_DEPTH_MAX) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%s: more than %d presets extend each other",
                          c->at[0].label, PHIAL_PRESET_DEPTH_MAX);
    }
    ph_preset_source *next = &c->at[c->n];
    c->n++;
    status = own || last->built_in ? ph_preset_source_built_in(next, name, err)
                                   : ph_preset_source_find(next, name, c->folder, err);
    if (status == PHIAL_ERR_ARGUMENT) { /* the file is at fault, not the caller */
        if (err != NULL) {
            err->status = status = PHIAL_ERR_BAD_INPUT;
        }
        status = PHIAL_ERR_BAD_INPUT;
    }
    return status == PHIAL_OK ? status
                              : ph_err_context(err, status, "%s: \"extends\"", last->label);
}

static phial_status make_preset(phial_preset **out, const chain *c, phial_error *err)
{
    phial_preset *p = ph_alloc(1, sizeof *p, err);
    if (p == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_arena_init(&p->arena, 0);
    phial_text none = {"", 0};
    p->info = (phial_preset_info){
        .size = sizeof p->info,
        .description = none,
        .system = none,
        .system_suffix = none,
        .user_prefix = none,
        .user_suffix = none,
        .assistant_prefix = none,
        .assistant_suffix = none,
        .assistant_lead = none,
    };
    phial_status status = PHIAL_OK;
    p->info.name = ph_arena_strndup(&p->arena, c->at[0].name, strlen(c->at[0].name), err);
    if (p->info.name == NULL) {
        status = PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = c->n; i-- > 0 && status == PHIAL_OK;) {
        status = ph_preset_apply(p, &c->at[i], err);
    }
    if (status == PHIAL_OK) {
        status = ph_preset_write(p, err);
    }
    if (status == PHIAL_OK) {
        *out = p;
    } else {
        phial_preset_free(p);
    }
    return status;
}

/* Completes a chain of one document, and ends it. */
static phial_status finish(phial_preset **out, chain *c, phial_status status, phial_error *err)
{
    bool more = true;
    while (status == PHIAL_OK && more) {
        status = extend(c, &more, err);
    }
    if (status == PHIAL_OK) {
        status = make_preset(out, c, err);
    }
    for (size_t i = 0; i < c->n; i++) {
        ph_preset_source_free(&c->at[i]);
    }
    return status;
}

/* NULL means the user's folder; none if there is no telling where that is. */
static const char *choose_folder(const char *folder, char *own, size_t own_bytes)
{
    if (folder != NULL) {
        return folder;
    }
    return phial_preset_folder(own, own_bytes, NULL) == PHIAL_OK ? own : "";
}

phial_status phial_preset_open(phial_preset **out, const char *name, const char *folder,
                               phial_error *err)
{
    char own[PATH_MAX];
    chain c = {.n = 1, .folder = choose_folder(folder, own, sizeof own)};
    phial_status status = strchr(name, '/') != NULL
                              ? ph_preset_source_file(&c.at[0], name, err)
                              : ph_preset_source_find(&c.at[0], name, c.folder, err);
    return finish(out, &c, status, err);
}

phial_status phial_preset_parse(phial_preset **out, const char *name, const char *json, size_t n,
                                const char *folder, phial_error *err)
{
    char own[PATH_MAX];
    chain c = {.n = 1, .folder = choose_folder(folder, own, sizeof own)};
    phial_status status = ph_preset_source_parse(&c.at[0], name, name, json, n, err);
    return finish(out, &c, status, err);
}

void phial_preset_free(phial_preset *preset)
{
    if (preset != NULL) {
        ph_arena_free(&preset->arena);
        ph_free(preset);
    }
}

phial_status phial_preset_get_info(const phial_preset *preset, phial_preset_info *info,
                                   phial_error *err)
{
    if (info->size != sizeof *info) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "phial_preset_info.size is not set");
    }
    *info = preset->info;
    return PHIAL_OK;
}
