/* The library's version, from the build. */
#include "phial/phial.h"

const char *phial_version(void)
{
    return PHIAL_VERSION;
}
