/* String views, escaping, number parsing; contract in str.h. */
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"

bool ph_str_starts_with(ph_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

bool ph_str_ends_with(ph_str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.n >= n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

bool ph_str_escape(ph_buf *out, ph_str s, bool keep_layout)
{
    for (size_t i = 0; i < s.n;) {
        size_t len;
        uint32_t cp = ph_utf8_decode((const uint8_t *)s.p + i, s.n - i, &len);
        bool control = cp == PH_UTF8_INVALID || cp < 0x20 || (cp >= 0x7f && cp <= 0x9f);
        if (!control || (keep_layout && (cp == '\n' || cp == '\t'))) {
            ph_buf_add(out, s.p + i, len);
        } else {
            for (size_t k = 0; k < len; k++) {
                ph_buf_addf(out, "\\x%02x", (unsigned)(uint8_t)s.p[i + k]);
            }
        }
        i += len;
    }
    return !out->failed;
}

bool ph_str_parse_u64(ph_str s, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || !ph_mul_u64(&v, v, 10) ||
            !ph_add_u64(&v, v, (uint64_t)(s.p[i] - '0'))) {
            return false;
        }
    }
    *out = v;
    return true;
}

bool ph_str_parse_i64(ph_str s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    if (negative) {
        s.p++;
        s.n--;
    }
    uint64_t v;
    if (!ph_str_parse_u64(s, &v) || v > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool ph_str_parse_f64(ph_str s, double *out)
{
    char text[64];
    if (s.n == 0 || s.n >= sizeof text) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) { /* no blanks, hexadecimal, "nan" or "inf" */
        if (strchr("0123456789+-.eE", s.p[i]) == NULL || s.p[i] == '\0') {
            return false;
        }
        text[i] = s.p[i];
    }
    text[s.n] = '\0';
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (*end != '\0' || !isfinite(v)) {
        return false;
    }
    *out = v;
    return true;
}

double ph_f32_decimal(float f)
{
    char text[32];
    double d = (double)f;
    for (int digits = 1; digits <= 9 && isfinite(f); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        d = strtod(text, NULL);
        if ((float)d == f) {
            break;
        }
    }
    return d;
}

size_t ph_str_distance(ph_str a, ph_str b)
{
    enum { MAX = 64 };
    if (a.n > MAX || b.n > MAX) {
        return SIZE_MAX;
    }
    size_t rows[3][MAX + 1]; /* i modulo 3 */
    for (size_t j = 0; j <= b.n; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                above2[j - 2] + 1 < best) {
                best = above2[j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[a.n % 3][b.n];
}

void ph_nearest_try(ph_nearest *nearest, const char *candidate)
{
    ph_str name = nearest->name, other = ph_str_from(candidate);
    size_t longer = name.n > other.n ? name.n : other.n;
    size_t distance = ph_str_distance(name, other);
    if (name.n >= 2 && name.n < other.n && memcmp(name.p, other.p, name.n) == 0) {
        distance = 1;
    }
    if (distance <= (longer + 1) / 3 && (nearest->best == NULL || distance < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = distance;
    }
}

char *ph_strndup(const char *s, size_t n, phial_error *err)
{
    if (n == SIZE_MAX) {
        ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a string of %zu bytes)", n);
        return NULL;
    }
    char *copy = ph_alloc(n + 1, 1, err);
    if (copy != NULL && n > 0) {
        memcpy(copy, s, n);
    }
    return copy;
}

char *ph_strdup(const char *s, phial_error *err)
{
    return ph_strndup(s, strlen(s), err);
}
