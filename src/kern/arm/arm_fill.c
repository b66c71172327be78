/* What dotprod and i8mm have beyond NEON, into the table; the code is in files of their own, whose
 * names say which instructions they may use. */
#include "kern/arm/arm_fast.h"

void ph_kern_fill_dotprod(ph_kern *kern)
{
    kern->isa = "dotprod";
    ph_dotprod_fill_dots(kern);
    ph_dotprod_fill_panels(kern);
}

void ph_kern_fill_i8mm(ph_kern *kern)
{
    kern->isa = "i8mm";
    ph_i8mm_fill_panels(kern);
}
