/* Growable byte buffer; contract in buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void ph_buf_init(ph_buf *buf, size_t limit)
{
    *buf = (ph_buf){.limit = limit};
}

void ph_buf_free(ph_buf *buf)
{
    ph_free(buf->data);
    ph_buf_init(buf, buf->limit);
}

void ph_buf_clear(ph_buf *buf)
{
    buf->len = 0;
    buf->failed = buf->starved = false;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

bool ph_buf_reserve(ph_buf *buf, size_t more)
{
    size_t need;
    if (buf->failed || !ph_add_size(&need, buf->len, more) || need == SIZE_MAX ||
        (buf->limit != 0 && need > buf->limit)) {
        buf->failed = true;
        return false;
    }
    if (need < buf->cap) {
        return true;
    }
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap <= need) {
        cap = cap > SIZE_MAX / 2 ? need + 1 : cap + cap / 2;
    }
    char *data = ph_realloc(buf->data, cap, 1, NULL);
    if (data == NULL) {
        buf->failed = buf->starved = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

bool ph_buf_add(ph_buf *buf, const void *bytes, size_t n)
{
    if (!ph_buf_reserve(buf, n)) {
        return false;
    }
    if (n > 0) {
        memcpy(buf->data + buf->len, bytes, n);
    }
    buf->len += n;
    buf->data[buf->len] = '\0';
    return true;
}

bool ph_buf_add_str(ph_buf *buf, const char *s)
{
    return ph_buf_add(buf, s, strlen(s));
}

bool ph_buf_add_byte(ph_buf *buf, uint8_t byte)
{
    return ph_buf_add(buf, &byte, 1);
}

bool ph_buf_add_zeros(ph_buf *buf, size_t n)
{
    if (!ph_buf_reserve(buf, n)) {
        return false;
    }
    memset(buf->data + buf->len, 0, n + 1);
    buf->len += n;
    return true;
}

bool ph_buf_addf(ph_buf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    bool ok = n >= 0 && ph_buf_reserve(buf, (size_t)n);
    if (ok) {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    } else {
        buf->failed = true;
    }
    va_end(again);
    return ok;
}

static bool add_le(ph_buf *buf, uint64_t v, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(v >> (8 * i));
    }
    return ph_buf_add(buf, bytes, n);
}

bool ph_buf_add_u32(ph_buf *buf, uint32_t v)
{
    return add_le(buf, v, 4);
}

bool ph_buf_add_u64(ph_buf *buf, uint64_t v)
{
    return add_le(buf, v, 8);
}

phial_status ph_buf_status(const ph_buf *buf, phial_error *err)
{
    if (!buf->failed) {
        return PHIAL_OK;
    }
    if (buf->limit != 0 && !buf->starved) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %zu bytes", buf->limit);
    }
    return ph_err_set(err, PHIAL_ERR_NO_MEMORY,
                      "out of memory (a buffer of %zu bytes could not grow)", buf->len);
}
