/* The table of architectures. */
#include "model/arch.h"

static const ph_arch *const ARCHS[] = {
#define PH_ARCH(name) &ph_arch_##name,
#include "model/arch.def"
#undef PH_ARCH
};

#define N_ARCHS (sizeof ARCHS / sizeof *ARCHS)

const ph_arch *ph_arch_by_name(ph_str gguf_name)
{
    for (size_t i = 0; i < N_ARCHS; i++) {
        if (ph_str_eq_c(gguf_name, ARCHS[i]->name)) {
            return ARCHS[i];
        }
    }
    return NULL;
}

const ph_arch *ph_arch_by_model_type(ph_str hf_model_type)
{
    for (size_t i = 0; i < N_ARCHS; i++) {
        for (const char *const *type = ARCHS[i]->hf_model_types; *type != NULL; type++) {
            if (ph_str_eq_c(hf_model_type, *type)) {
                return ARCHS[i];
            }
        }
    }
    return NULL;
}
