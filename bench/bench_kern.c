/* bench_kern: kernels beside the machine's limits; see kernbench.h. */
#include "kernbench.h"

int main(int argc, char **argv)
{
    return ph_kernbench(argc, argv);
}
