/* Contract: name_index.h. */
#include "fmt/name_index.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"

phial_status ph_name_index_init(ph_name_index *index, size_t n, phial_error *err)
{
    size_t n_slots = 8;
    while (n_slots < 2 * n)
        n_slots *= 2;
    index->slots = ph_alloc(n_slots, sizeof(ph_name_slot), err);
    if (!index->slots)
        return PHIAL_ERR_NO_MEMORY;
    index->n_slots = n_slots;
    return PHIAL_OK;
}

void ph_name_index_free(ph_name_index *index)
{
    ph_free(index->slots);
    index->slots = NULL;
    index->n_slots = 0;
}

static uint32_t hash_of(ph_str name)
{
    return (uint32_t)ph_hash64(name.p, name.n, 0);
}

/* The slot that holds the name, or the empty one where it belongs. */
static ph_name_slot *slot_of(const ph_name_index *index, ph_str name, uint32_t hash)
{
    size_t i = hash & (index->n_slots - 1);
    while (index->slots[i].value_plus_1 != 0) {
        if (index->slots[i].hash == hash && ph_str_eq(index->slots[i].name, name))
            break;
        i = (i + 1) & (index->n_slots - 1);
    }
    return &index->slots[i];
}

bool ph_name_index_add(ph_name_index *index, ph_str name, uint32_t *value)
{
    uint32_t hash = hash_of(name);
    ph_name_slot *slot = slot_of(index, name, hash);
    if (slot->value_plus_1 != 0) {
        *value = slot->value_plus_1 - 1;
        return false;
    }
    *slot = (ph_name_slot){name, hash, *value + 1};
    return true;
}

bool ph_name_index_find(const ph_name_index *index, ph_str name, uint32_t *value)
{
    if (index->n_slots == 0)
        return false;
    const ph_name_slot *slot = slot_of(index, name, hash_of(name));
    if (slot->value_plus_1 == 0)
        return false;
    *value = slot->value_plus_1 - 1;
    return true;
}

const char *ph_name_fault(ph_str name, size_t max)
{
    if (name.n == 0)
        return "is empty";
    if (name.n > max)
        return "is too long";
    size_t len;
    for (size_t i = 0; i < name.n; i += len) {
        uint32_t c = ph_utf8_decode((const uint8_t *)name.p + i, name.n - i, &len);
        if (c == 0)
            return "holds a NUL byte";
        if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
            return "holds a control character";
        if (c == PH_UTF8_INVALID)
            return "is not valid UTF-8";
    }
    return NULL;
}
