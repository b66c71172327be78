/* A preset's fields: from a JSON object, and back; contract in preset.h. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "tok/preset.h"

typedef enum field_kind { TEXT, TEXTS, CLEAN, SAMPLING, EXTENDS } field_kind;

typedef struct field {
    const char *key;
    field_kind kind;
    size_t offset; /* in phial_preset_info */
    size_t count;  /* offset of the number of texts */
} field;

#define INFO(member) offsetof(phial_preset_info, member)

static const field FIELDS[] = {
    {"description", TEXT, INFO(description), 0},
    {"extends", EXTENDS, 0, 0},
    {"system", TEXT, INFO(system), 0},
    {"system_suffix", TEXT, INFO(system_suffix), 0},
    {"user_prefix", TEXT, INFO(user_prefix), 0},
    {"user_suffix", TEXT, INFO(user_suffix), 0},
    {"assistant_prefix", TEXT, INFO(assistant_prefix), 0},
    {"assistant_suffix", TEXT, INFO(assistant_suffix), 0},
    {"assistant_lead", TEXT, INFO(assistant_lead), 0},
    {"stop", TEXTS, INFO(stop), INFO(n_stop)},
    {"stop_tokens", TEXTS, INFO(stop_tokens), INFO(n_stop_tokens)},
    {"clean", CLEAN, 0, 0},
    {"sampling", SAMPLING, 0, 0},
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

typedef struct sampling_field {
    const char *key;
    bool whole;
} sampling_field;

static const sampling_field SAMPLING_FIELDS[PH_N_SAMPLING] = {
#define PH_SAMPLING_F64(name) {#name, false},
#define PH_SAMPLING_I32(name) {#name, true},
#include "tok/sampling.def"
#undef PH_SAMPLING_F64
#undef PH_SAMPLING_I32
};

static const char *const CLEANS[] = {"none", "code"};

typedef struct reader {
    phial_preset *preset;
    const char *label;
    phial_error *err;
} reader;

static phial_status wrong_type(const reader *r, const char *key, const ph_json *v,
                               const char *takes)
{
    return ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "%s: \"%s\" is of type %s; it takes %s",
                      r->label, key, ph_json_type_name(v), takes);
}

static phial_status take_text(const reader *r, const char *key, const ph_json *v, phial_text *out)
{
    ph_str s;
    if (!ph_json_str(v, &s)) {
        return wrong_type(r, key, v, "a text");
    }
    char *copy = ph_arena_strndup(&r->preset->arena, s.p, s.n, r->err);
    if (copy == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    *out = (phial_text){copy, s.n};
    return PHIAL_OK;
}

static phial_status take_texts(const reader *r, const field *f, const ph_json *v)
{
    size_t n = ph_json_count(v);
    if (!ph_json_is_array(v)) {
        return wrong_type(r, f->key, v, "a list of texts");
    }
    if (n > PHIAL_PRESET_STOPS_MAX) {
        return ph_err_set(r->err, PHIAL_ERR_LIMIT, "%s: \"%s\" has %zu texts (at most %d)",
                          r->label, f->key, n, PHIAL_PRESET_STOPS_MAX);
    }
    phial_text *texts = ph_arena_alloc(&r->preset->arena, n, sizeof *texts, r->err);
    if (texts == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s[%zu]", f->key, i);
        phial_status status = take_text(r, key, ph_json_at(v, i), &texts[i]);
        if (status != PHIAL_OK) {
            return status;
        }
        if (texts[i].n == 0) {
            return ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "%s: \"%s\" is empty", r->label, key);
        }
    }
    char *info = (char *)&r->preset->info;
    const phial_text *list = texts;
    memcpy(info + f->offset, &list, sizeof list);
    memcpy(info + f->count, &n, sizeof n);
    return PHIAL_OK;
}

static phial_status take_clean(const reader *r, const ph_json *v)
{
    ph_str s;
    for (size_t i = 0; i < sizeof CLEANS / sizeof CLEANS[0]; i++) {
        if (ph_json_str(v, &s) && ph_str_eq_c(s, CLEANS[i])) {
            r->preset->info.clean = (phial_clean)i;
            return PHIAL_OK;
        }
    }
    return ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "%s: \"clean\" takes \"none\" or \"code\"",
                      r->label);
}

/* `of` is "" or " of \"sampling\"". */
static phial_status unknown_key(const reader *r, ph_str key, const char *of, const char *best)
{
    char hint[96] = "";
    if (best != NULL) {
        snprintf(hint, sizeof hint, " (did you mean \"%s\"?)", best);
    }
    return ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "%s: no field%s is named \"%.*s\"%s", r->label,
                      of, PH_STR_ARG(key), hint);
}

static phial_status take_number(const reader *r, ph_str key, const ph_json *v)
{
    ph_nearest near = {.name = key};
    for (size_t i = 0; i < PH_N_SAMPLING; i++) {
        const sampling_field *f = &SAMPLING_FIELDS[i];
        if (!ph_str_eq_c(key, f->key)) {
            ph_nearest_try(&near, f->key);
            continue;
        }
        double x;
        if (!ph_json_f64(v, &x)) {
            return wrong_type(r, f->key, v, "a number");
        }
        if (f->whole && (floor(x) != x || fabs(x) > INT32_MAX)) {
            return ph_err_set(r->err, PHIAL_ERR_BAD_INPUT,
                              "%s: \"%s\" is %g; it takes a whole number", r->label, f->key, x);
        }
        r->preset->sampling[i] = x;
        r->preset->has_sampling[i] = true;
        return PHIAL_OK;
    }
    ph_nearest_try(&near, "samplers");
    return unknown_key(r, key, " of \"sampling\"", near.best);
}

static phial_status take_sampling(const reader *r, const ph_json *v)
{
    if (!ph_json_is_object(v)) {
        return wrong_type(r, "sampling", v, "an object");
    }
    for (void *it = ph_json_first(v); it != NULL; it = ph_json_next(v, it)) {
        ph_str key = ph_json_key(it);
        phial_status status;
        if (ph_str_eq_c(key, "samplers")) {
            phial_text text = {0};
            status = take_text(r, "samplers", ph_json_value(it), &text);
            if (status == PHIAL_OK && memchr(text.p, '\0', text.n) != NULL) {
                status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT,
                                    "%s: \"samplers\" holds a NUL character", r->label);
            }
            r->preset->samplers = text.p;
        } else {
            status = take_number(r, key, ph_json_value(it));
        }
        if (status != PHIAL_OK) {
            return status;
        }
    }
    return PHIAL_OK;
}

static phial_status take_field(const reader *r, ph_str key, const ph_json *v)
{
    ph_nearest near = {.name = key};
    for (size_t i = 0; i < N_FIELDS; i++) {
        const field *f = &FIELDS[i];
        if (!ph_str_eq_c(key, f->key)) {
            ph_nearest_try(&near, f->key);
            continue;
        }
        switch (f->kind) {
        case TEXT: {
            phial_text text;
            phial_status status = take_text(r, f->key, v, &text);
            if (status == PHIAL_OK) {
                memcpy((char *)&r->preset->info + f->offset, &text, sizeof text);
            }
            return status;
        }
        case TEXTS:
            return take_texts(r, f, v);
        case CLEAN:
            return take_clean(r, v);
        case SAMPLING:
            return take_sampling(r, v);
        case EXTENDS: /* followed before, by whoever collected the documents */
            return PHIAL_OK;
        }
    }
    return unknown_key(r, key, "", near.best);
}

phial_status ph_preset_apply(phial_preset *preset, const ph_preset_source *source, phial_error *err)
{
    reader r = {preset, source->label, err};
    for (void *it = ph_json_first(source->root); it != NULL; it = ph_json_next(source->root, it)) {
        phial_status status = take_field(&r, ph_json_key(it), ph_json_value(it));
        if (status != PHIAL_OK) {
            return status;
        }
    }
    return PHIAL_OK;
}

/* --- back to JSON ----------------------------------------------------------------------------- */

static ph_json *texts_json(const char *info, const field *f)
{
    const phial_text *list;
    size_t n;
    memcpy(&list, info + f->offset, sizeof list);
    memcpy(&n, info + f->count, sizeof n);
    ph_json *array = ph_json_array_new();
    for (size_t i = 0; i < n; i++) {
        ph_json_push(array, ph_json_str_new((ph_str){list[i].p, list[i].n}));
    }
    return array;
}

static ph_json *sampling_json(const phial_preset *preset)
{
    ph_json *object = ph_json_object_new();
    for (size_t i = 0; i < PH_N_SAMPLING; i++) {
        double x = preset->sampling[i];
        if (preset->has_sampling[i]) {
            ph_json_set(object, SAMPLING_FIELDS[i].key,
                        SAMPLING_FIELDS[i].whole ? ph_json_int_new((int64_t)x)
                                                 : ph_json_f64_new(x));
        }
    }
    if (preset->samplers != NULL) {
        ph_json_set(object, "samplers", ph_json_str_new(ph_str_from(preset->samplers)));
    }
    return object;
}

static ph_json *field_json(const phial_preset *preset, const field *f)
{
    const char *info = (const char *)&preset->info;
    phial_text text;
    switch (f->kind) {
    case TEXT:
        memcpy(&text, info + f->offset, sizeof text);
        return ph_json_str_new((ph_str){text.p, text.n});
    case TEXTS:
        return texts_json(info, f);
    case CLEAN:
        return ph_json_str_new(ph_str_from(CLEANS[preset->info.clean]));
    case SAMPLING:
        return sampling_json(preset);
    case EXTENDS:
        break;
    }
    return NULL;
}

phial_status ph_preset_write(phial_preset *preset, phial_error *err)
{
    ph_json *root = ph_json_object_new();
    bool built = root != NULL;
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (FIELDS[i].kind != EXTENDS) {
            built = built && ph_json_set(root, FIELDS[i].key, field_json(preset, &FIELDS[i]));
        }
    }
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status =
        built ? ph_json_write(&text, root, 2, err)
              : ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (writing a preset)");
    if (status == PHIAL_OK) {
        ph_buf_add_str(&text, "\n");
        status = ph_buf_status(&text, err);
    }
    if (status == PHIAL_OK) {
        preset->info.json = ph_arena_strndup(&preset->arena, text.data, text.len, err);
        status = preset->info.json != NULL ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    }
    ph_buf_free(&text);
    ph_json_free(root);
    return status;
}

const char *phial_preset_sampling(const phial_preset *preset, size_t i, double *value,
                                  const char **text)
{
    *text = NULL;
    *value = 0;
    for (size_t k = 0; k < PH_N_SAMPLING; k++) {
        if (preset->has_sampling[k] && i-- == 0) {
            *value = preset->sampling[k];
            return SAMPLING_FIELDS[k].key;
        }
    }
    if (preset->samplers != NULL && i == 0) {
        *text = preset->samplers;
        return "samplers";
    }
    return NULL;
}
