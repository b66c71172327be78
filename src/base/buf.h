/* A growable byte buffer with a limit. Always NUL-terminated one byte past `len` once it holds
 * memory, so that text in it can be used as a C string.
 * Errors are sticky: after a failed append the buffer keeps what it had, `failed` is set, and later
 * appends do nothing; callers may append many times and check once.
 */
#ifndef PH_BASE_BUF_H
#define PH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct ph_buf {
    char *data; /* owned; NULL while empty */
    size_t len;
    size_t cap;
    size_t limit; /* len never exceeds it; 0: no limit */
    bool failed;
    bool starved; /* it failed because memory was short, not because of the limit */
} ph_buf;

void ph_buf_init(ph_buf *buf, size_t limit);
void ph_buf_free(ph_buf *buf);
void ph_buf_clear(ph_buf *buf); /* len = 0, and nothing has failed; memory is kept */

bool ph_buf_reserve(ph_buf *buf, size_t more);
bool ph_buf_add(ph_buf *buf, const void *bytes, size_t n);
bool ph_buf_add_str(ph_buf *buf, const char *s);
bool ph_buf_add_byte(ph_buf *buf, uint8_t byte);
bool ph_buf_add_zeros(ph_buf *buf, size_t n);
bool ph_buf_addf(ph_buf *buf, const char *fmt, ...) PH_PRINTF(2, 3);
/* Little-endian. */
bool ph_buf_add_u32(ph_buf *buf, uint32_t v);
bool ph_buf_add_u64(ph_buf *buf, uint64_t v);

/* PHIAL_OK, or the reason why appends failed: LIMIT or NO_MEMORY. */
phial_status ph_buf_status(const ph_buf *buf, phial_error *err);

#endif
