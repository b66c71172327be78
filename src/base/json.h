/* JSON, read and written. The only user of jansson, which stays hidden behind an opaque node.
 *
 * Parsing is strict (RFC 8259): no duplicate keys, depth at most PH_JSON_DEPTH_MAX, valid UTF-8,
 * nothing behind the value. Strings may hold U+0000. Numbers outside int64 or double are errors.
 * Ownership: ph_json_parse() and ph_json_*_new() return an owned root, freed with ph_json_free();
 * everything reached from it is borrowed until then. ph_json_set() and ph_json_push() consume the
 * value, also when they fail.
 * All readers accept NULL and the wrong type, and say so by their result.
 */
#ifndef PH_BASE_JSON_H
#define PH_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define PH_JSON_DEPTH_MAX 256

typedef struct json_t ph_json;

/* On failure NULL; the message names line and column. PHIAL_ERR_BAD_INPUT or NO_MEMORY. */
ph_json *ph_json_parse(const char *text, size_t n, phial_error *err);
void ph_json_free(ph_json *root);

bool ph_json_is_object(const ph_json *v);
bool ph_json_is_array(const ph_json *v);
bool ph_json_is_string(const ph_json *v);
bool ph_json_is_int(const ph_json *v);
bool ph_json_is_number(const ph_json *v);        /* integer or real */
bool ph_json_is_null(const ph_json *v);          /* JSON null; false for a NULL pointer */
const char *ph_json_type_name(const ph_json *v); /* "object", ..., "nothing" for NULL */

const ph_json *ph_json_get(const ph_json *object, const char *key); /* NULL if absent */
size_t ph_json_count(const ph_json *array_or_object);
const ph_json *ph_json_at(const ph_json *array, size_t i);

bool ph_json_str(const ph_json *v, ph_str *out);
bool ph_json_int(const ph_json *v, int64_t *out);
bool ph_json_f64(const ph_json *v, double *out); /* integers too */
bool ph_json_bool(const ph_json *v, bool *out);

/* Objects in file order: for (it = ph_json_first(o); it; it = ph_json_next(o, it)). */
void *ph_json_first(const ph_json *object);
void *ph_json_next(const ph_json *object, void *it);
ph_str ph_json_key(void *it);
const ph_json *ph_json_value(void *it);

/* Builders: NULL when memory is short; set/push then fail too, so that a whole document can be
 * built and checked once at the end by ph_json_write(). */
ph_json *ph_json_object_new(void);
ph_json *ph_json_array_new(void);
ph_json *ph_json_str_new(ph_str s); /* invalid UTF-8 is replaced by U+FFFD */
ph_json *ph_json_int_new(int64_t v);
ph_json *ph_json_f64_new(double v); /* NaN and infinity become null */
ph_json *ph_json_bool_new(bool v);
ph_json *ph_json_null_new(void);
bool ph_json_set(ph_json *object, const char *key, ph_json *value);
bool ph_json_push(ph_json *array, ph_json *value);

/* Compact (indent 0) or indented; keys in insertion order; no final newline. */
phial_status ph_json_write(ph_buf *out, const ph_json *v, int indent, phial_error *err);

#endif
