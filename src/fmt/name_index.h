/* A hash table from names to numbers, for the tables of model files: filled once, then read.
 * Open addressing, linear probing, at most half full. Names are borrowed and must outlive it.
 * A file made to collide costs at most n * n / 2 comparisons of hashes, with n limited by the
 * formats' own limits. Threads: immutable once filled.
 */
#ifndef PH_FMT_NAME_INDEX_H
#define PH_FMT_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef struct ph_name_slot {
    ph_str name;
    uint32_t hash;
    uint32_t value_plus_1; /* 0: empty */
} ph_name_slot;

typedef struct ph_name_index {
    ph_name_slot *slots; /* owned */
    size_t n_slots;      /* a power of two */
} ph_name_index;

/* Room for n names, n < 2^30. */
phial_status ph_name_index_init(ph_name_index *index, size_t n, phial_error *err);
void ph_name_index_free(ph_name_index *index);

/* False if the name is there already; *value then is its number. */
bool ph_name_index_add(ph_name_index *index, ph_str name, uint32_t *value);
bool ph_name_index_find(const ph_name_index *index, ph_str name, uint32_t *value);

/* What a key or a tensor name must be in every format: 1 .. max bytes of valid UTF-8 without
 * control characters. NULL if so, otherwise what is wrong ("is empty"). */
const char *ph_name_fault(ph_str name, size_t max);

#endif
