/* The k best (key, row) so far: larger keys first, then smaller rows. A heap, worst at the root. */
#ifndef PH_RAG_VINDEX_TOP_H
#define PH_RAG_VINDEX_TOP_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ph_vplace {
    float key;
    uint32_t row;
} ph_vplace;

typedef struct ph_vtop {
    ph_vplace *at; /* [k], borrowed */
    size_t n, k;
} ph_vtop;

static inline bool ph_vplace_better(ph_vplace a, ph_vplace b)
{
    return a.key > b.key || (a.key == b.key && a.row < b.row);
}

/* The key to reach; equal to it a row may still get in, by its id. */
static inline float ph_vtop_key(const ph_vtop *top)
{
    return top->n < top->k ? -INFINITY : top->at[0].key;
}

void ph_vtop_add(ph_vtop *top, ph_vplace place);
/* Best first; it is no heap any more. */
void ph_vtop_sort(ph_vtop *top);

#endif
