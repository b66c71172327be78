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

void ph_work_close(ph_work *work)
{
    ph_free(work->bytes);
    *work = (ph_work){0};
}

void *ph_work_at(const ph_work *work, int thread)
{
    return work->bytes + (size_t)thread * PH_WORK_BYTES;
}
