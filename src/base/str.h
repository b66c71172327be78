/* Strings that are not ours: a pointer and a length, no NUL needed, any bytes inside. */
#ifndef PH_BASE_STR_H
#define PH_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

typedef struct ph_str {
    const char *p; /* borrowed */
    size_t n;
} ph_str;

/* For printf's %.*s, cut to a printable length. */
#define PH_STR_ARG(s) (int)((s).n > 200 ? 200 : (s).n), (s).p

static inline ph_str ph_str_from(const char *s)
{
    return (ph_str){s, strlen(s)};
}

static inline bool ph_str_eq(ph_str a, ph_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool ph_str_eq_c(ph_str a, const char *b)
{
    return ph_str_eq(a, ph_str_from(b));
}

bool ph_str_starts_with(ph_str s, const char *prefix);
bool ph_str_ends_with(ph_str s, const char *suffix);

/* Appends s with control characters (newline and tab too, unless keep_layout) and invalid UTF-8 as
 * \xNN, so that it can go to a terminal or into a one-line message. */
bool ph_str_escape(ph_buf *out, ph_str s, bool keep_layout);

/* Whole-string number parsing: surrounding blanks, signs where unsigned, trailing text, overflow,
 * and for doubles NaN and infinity are refused. */
bool ph_str_parse_u64(ph_str s, uint64_t *out);
bool ph_str_parse_i64(ph_str s, int64_t *out);
bool ph_str_parse_f64(ph_str s, double *out);

/* The double of the shortest decimal that rounds to f: 1e-5f gives 1e-5, not 9.99999974e-06. For
 * showing single-precision numbers to people and in JSON. */
double ph_f32_decimal(float f);

/* Edit distance where neighbours that changed places count once (optimal string alignment), at most
 * 64 bytes a side (longer: SIZE_MAX). */
size_t ph_str_distance(ph_str a, ph_str b);

/* For "did you mean": begin with {.name = what was typed} and try all candidates. What differs in
 * more than a third of its letters is nobody's slip; an unfinished name of two letters or more is
 * one letter away. */
typedef struct ph_nearest {
    ph_str name;
    const char *best; /* borrowed; NULL: none */
    size_t distance;
} ph_nearest;

void ph_nearest_try(ph_nearest *nearest, const char *candidate);

/* Heap copy with a NUL; owned. */
char *ph_strdup(const char *s, phial_error *err);
char *ph_strndup(const char *s, size_t n, phial_error *err);

#endif
