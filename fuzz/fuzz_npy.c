/* fmt/npy: the reader. */
#include <stdlib.h>

#include "fmt/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_npy npy;
    phial_error err = {0};
    if (ph_npy_parse(&npy, data, size, &err) != PHIAL_OK) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    if (npy.rows * npy.cols * sizeof(float) > size)
        abort();
    ph_npy_free(&npy);
    return 0;
}
