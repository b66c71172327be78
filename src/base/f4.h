/* Four floats by the compilers' vector extension, for code that is compiled once: every CPU that
 * this is built for has such vectors, and operations are those of each float, to the last bit. */
#ifndef PH_BASE_F4_H
#define PH_BASE_F4_H

#include <string.h>

typedef float ph_f4 __attribute__((vector_size(16)));

static inline ph_f4 ph_f4_load(const float *p)
{
    ph_f4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void ph_f4_store(float *p, ph_f4 v)
{
    memcpy(p, &v, sizeof v);
}

#endif
