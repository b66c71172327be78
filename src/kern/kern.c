/* Choosing an instruction set, and the work space. Contract: kern/kern.h. */
#include "kern/kern.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct isa {
    const char *name;
    bool (*has)(void);
    void (*fill)(ph_kern *kern);
} isa;

static const isa isas[] = {
#define PH_ISA(name) {#name, ph_cpu_has_##name, ph_kern_fill_##name},
#include "kern/isa.def"
#undef PH_ISA
};

#define N_ISAS (sizeof isas / sizeof isas[0])

const char *ph_kern_isa(size_t i)
{
    return i < N_ISAS ? isas[i].name : NULL;
}

/* "ref, avx2 or avx512" */
static void list_choices(char *out, size_t out_bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N_ISAS; i++) {
        const char *sep = i == 0 ? "" : i + 1 == N_ISAS ? " or " : ", ";
        size_t need = strlen(sep) + strlen(isas[i].name);
        if (used + need >= out_bytes) {
            return;
        }
        memcpy(out + used, sep, strlen(sep));
        memcpy(out + used + strlen(sep), isas[i].name, strlen(isas[i].name) + 1);
        used += need;
    }
}

phial_status ph_kern_init(ph_kern *kern, const char *name, phial_error *err)
{
    const char *from = "instruction set";
    size_t top = 0;
    if (name == NULL) {
        from = "PHIAL_CPU";
        name = getenv("PHIAL_CPU");
    }
    if (name == NULL || name[0] == '\0') {
        for (size_t i = 0; i < N_ISAS; i++) {
            if (isas[i].has()) {
                top = i;
            }
        }
    } else {
        while (top < N_ISAS && strcmp(isas[top].name, name) != 0) {
            top++;
        }
        if (top == N_ISAS) {
            char choices[128];
            list_choices(choices, sizeof choices);
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: unknown value '%.40s'; choose %s", from,
                              name, choices);
        }
        if (!isas[top].has()) {
            return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                              "%s: this CPU or operating system does not support %s", from, name);
        }
    }
    memset(kern, 0, sizeof *kern);
    for (size_t i = 0; i <= top; i++) {
        if (isas[i].has()) {
            isas[i].fill(kern);
        }
    }
    return PHIAL_OK;
}

phial_status ph_work_open(ph_work *work, const ph_kern *kern, ph_pool *pool, phial_error *err)
{
    *work = (ph_work){.kern = kern, .pool = pool};
    work->bytes =
        ph_alloc_aligned((size_t)ph_pool_threads(pool), PH_WORK_BYTES, PH_CACHE_LINE, err);
    return work->bytes != NULL ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

phial_status ph_work_make_fast(ph_work *work, size_t max_m, size_t max_k, phial_error *err)
{
    /* For each number: itself twice, 1/32 of a scale and 1/16 of a sum (kern/fast.h). */
    size_t n;
    if (max_k > SIZE_MAX / 4 || !ph_mul_size(&n, max_m, ph_align_up(max_k, PH_FAST_DEPTH)) ||
        n > SIZE_MAX / 4) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "activations of %zu x %zu", max_m, max_k);
    }
    if (work->kern->bf16_round != NULL) {
        work->bf16 = ph_alloc_aligned(max_m, ph_align_up(max_k, PH_BF16_BLOCK) * sizeof *work->bf16,
                                      PH_CACHE_LINE, err);
        if (work->bf16 == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        struct ph_x8_room *room = &work->x8[i];
        size_t bytes = n * sizeof *room->q + n / 32 * sizeof *room->scale +
                       n / PH_FAST_SUB * sizeof *room->sums + n * sizeof *room->q8;
        room->q = ph_alloc_aligned(1, bytes, PH_CACHE_LINE, err);
        if (room->q == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        room->scale = (float *)(void *)(room->q + n);
        room->sums = (int16_t *)(void *)(room->scale + n / 32);
        room->q8 = (int8_t *)(room->sums + n / PH_FAST_SUB);
    }
    return PHIAL_OK;
}

void ph_work_close(ph_work *work)
{
    ph_free(work->bytes);
    ph_free(work->x8[0].q);
    ph_free(work->x8[1].q);
    ph_free(work->bf16);
    *work = (ph_work){0};
}

void *ph_work_at(const ph_work *work, int thread)
{
    return work->bytes + (size_t)thread * PH_WORK_BYTES;
}
