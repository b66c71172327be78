/* Finds many strings at once in a stream of bytes (Aho and Corasick, 1975): one step a byte, in
 * amortized constant time.
 *
 * Immutable once made; the caller keeps the state (0 in the beginning). A state stands for the
 * longest end of the stream that is a beginning of a string.
 */
#ifndef PH_RT_MATCHER_H
#define PH_RT_MATCHER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "phial/text.h"

typedef struct ph_matcher ph_matcher;

/* what: a noun for messages ("stop string"). ARGUMENT: an empty string; LIMIT: more than max_n
 * strings or max_bytes of them together (at most 2^30). Strings are copied. */
phial_status ph_matcher_new(ph_matcher **out, const phial_text *strings, size_t n, const char *what,
                            size_t max_n, size_t max_bytes, phial_error *err);
void ph_matcher_free(ph_matcher *m);

uint32_t ph_matcher_step(const ph_matcher *m, uint32_t state, uint8_t byte);
/* Bytes of the end of the stream that may still become a string, or have. */
size_t ph_matcher_depth(const ph_matcher *m, uint32_t state);
/* Length of the longest string that ends here, 0: none; its number to *which (of equal strings the
 * first). */
size_t ph_matcher_found(const ph_matcher *m, uint32_t state, size_t *which);
/* Length of the longest string. */
size_t ph_matcher_longest(const ph_matcher *m);

#endif
