/* Which instruction sets can be used. */
#include "kern/kern.h"

bool ph_cpu_has_ref(void)
{
    return true;
}
