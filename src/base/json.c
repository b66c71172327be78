/* JSON by jansson; contract in json.h. */
#include "base/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Depth by counting brackets outside strings; jansson's own limit is far above ours. */
static size_t bracket_depth(const char *text, size_t n)
{
    size_t depth = 0, most = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            depth++;
            most = depth > most ? depth : most;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return most;
}

ph_json *ph_json_parse(const char *text, size_t n, phial_error *err)
{
    /* A NUL is an error anywhere in JSON, but jansson loses one that follows a number. */
    const char *nul = n > 0 ? memchr(text, 0, n) : NULL;
    if (nul != NULL) {
        ph_err_set(err, PHIAL_ERR_BAD_INPUT, "JSON, byte %zu: a NUL byte", (size_t)(nul - text));
        return NULL;
    }
    size_t depth = bracket_depth(text, n);
    if (depth > PH_JSON_DEPTH_MAX) {
        ph_err_set(err, PHIAL_ERR_BAD_INPUT, "JSON nested %zu deep (at most %d)", depth,
                   PH_JSON_DEPTH_MAX);
        return NULL;
    }
    json_error_t why;
    json_t *root =
        json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (root == NULL) {
        /* jansson leaves the text empty in most of the places where memory runs out. */
        bool memory = why.text[0] == '\0' || json_error_code(&why) == json_error_out_of_memory;
        if (memory) {
            snprintf(why.text, sizeof why.text, "out of memory");
        }
        ph_err_set(err, memory ? PHIAL_ERR_NO_MEMORY : PHIAL_ERR_BAD_INPUT,
                   "JSON, line %d, column %d: %s", why.line, why.column, why.text);
    }
    return root;
}

void ph_json_free(ph_json *root)
{
    json_decref(root);
}

bool ph_json_is_object(const ph_json *v)
{
    return json_is_object(v);
}

bool ph_json_is_array(const ph_json *v)
{
    return json_is_array(v);
}

bool ph_json_is_string(const ph_json *v)
{
    return json_is_string(v);
}

bool ph_json_is_int(const ph_json *v)
{
    return json_is_integer(v);
}

bool ph_json_is_number(const ph_json *v)
{
    return json_is_number(v);
}

bool ph_json_is_null(const ph_json *v)
{
    return json_is_null(v);
}

const char *ph_json_type_name(const ph_json *v)
{
    if (v == NULL) {
        return "nothing";
    }
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        return "null";
    }
    return "unknown";
}

const ph_json *ph_json_get(const ph_json *object, const char *key)
{
    return json_object_get(object, key);
}

size_t ph_json_count(const ph_json *v)
{
    return json_is_object(v) ? json_object_size(v) : json_array_size(v);
}

const ph_json *ph_json_at(const ph_json *array, size_t i)
{
    return json_array_get(array, i);
}

bool ph_json_str(const ph_json *v, ph_str *out)
{
    if (!json_is_string(v)) {
        return false;
    }
    *out = (ph_str){json_string_value(v), json_string_length(v)};
    return true;
}

bool ph_json_int(const ph_json *v, int64_t *out)
{
    if (!json_is_integer(v)) {
        return false;
    }
    *out = json_integer_value(v);
    return true;
}

bool ph_json_f64(const ph_json *v, double *out)
{
    if (!json_is_number(v)) {
        return false;
    }
    *out = json_number_value(v);
    return true;
}

bool ph_json_bool(const ph_json *v, bool *out)
{
    if (!json_is_boolean(v)) {
        return false;
    }
    *out = json_is_true(v);
    return true;
}

/* jansson's iterators take a mutable object though they change nothing. */
static json_t *unconst(const ph_json *v)
{
    union {
        const json_t *in;
        json_t *out;
    } u = {v};
    return u.out;
}

void *ph_json_first(const ph_json *object)
{
    return json_object_iter(unconst(object));
}

void *ph_json_next(const ph_json *object, void *it)
{
    return json_object_iter_next(unconst(object), it);
}

ph_str ph_json_key(void *it)
{
    return (ph_str){json_object_iter_key(it), json_object_iter_key_len(it)};
}

const ph_json *ph_json_value(void *it)
{
    return json_object_iter_value(it);
}

ph_json *ph_json_object_new(void)
{
    return json_object();
}

ph_json *ph_json_array_new(void)
{
    return json_array();
}

ph_json *ph_json_str_new(ph_str s)
{
    if (s.n == 0) { /* p may be NULL then */
        return json_stringn_nocheck("", 0);
    }
    if (ph_utf8_valid((const uint8_t *)s.p, s.n)) {
        return json_stringn_nocheck(s.p, s.n);
    }
    ph_buf clean;
    ph_buf_init(&clean, 0);
    for (size_t i = 0; i < s.n;) {
        size_t len;
        bool ok = ph_utf8_decode((const uint8_t *)s.p + i, s.n - i, &len) != PH_UTF8_INVALID;
        ph_buf_add(&clean, ok ? s.p + i : "\xef\xbf\xbd", ok ? len : 3);
        i += len;
    }
    json_t *v = clean.failed ? NULL : json_stringn_nocheck(clean.data, clean.len);
    ph_buf_free(&clean);
    return v;
}

ph_json *ph_json_int_new(int64_t v)
{
    return json_integer(v);
}

ph_json *ph_json_f64_new(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

ph_json *ph_json_bool_new(bool v)
{
    return json_boolean(v);
}

ph_json *ph_json_null_new(void)
{
    return json_null();
}

bool ph_json_set(ph_json *object, const char *key, ph_json *value)
{
    return json_object_set_new_nocheck(object, key, value) == 0;
}

bool ph_json_push(ph_json *array, ph_json *value)
{
    return json_array_append_new(array, value) == 0;
}

static int append_piece(const char *piece, size_t n, void *out)
{
    return ph_buf_add(out, piece, n) ? 0 : -1;
}

phial_status ph_json_write(ph_buf *out, const ph_json *v, int indent, phial_error *err)
{
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) |
                   (indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT);
    if (v == NULL || json_dump_callback(v, append_piece, out, flags) != 0) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (writing JSON)");
    }
    return PHIAL_OK;
}
