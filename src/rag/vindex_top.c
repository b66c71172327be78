/* The k best; contract in vindex_top.h. */
#include "rag/vindex_top.h"

/* Puts `place` at i or below, so that nothing below it is worse. */
static void sink(ph_vplace *at, size_t n, size_t i, ph_vplace place)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && ph_vplace_better(at[child], at[child + 1])) {
            child++;
        }
        if (!ph_vplace_better(place, at[child])) {
            break;
        }
        at[i] = at[child];
        i = child;
    }
    at[i] = place;
}

void ph_vtop_add(ph_vtop *top, ph_vplace place)
{
    if (top->n == top->k) {
        if (ph_vplace_better(place, top->at[0])) {
            sink(top->at, top->n, 0, place);
        }
        return;
    }
    size_t i = top->n++;
    while (i > 0 && ph_vplace_better(top->at[(i - 1) / 2], place)) {
        top->at[i] = top->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    top->at[i] = place;
}

void ph_vtop_sort(ph_vtop *top)
{
    for (size_t n = top->n; n > 1; n--) {
        ph_vplace worst = top->at[0];
        sink(top->at, n - 1, 0, top->at[n - 1]);
        top->at[n - 1] = worst;
    }
}
