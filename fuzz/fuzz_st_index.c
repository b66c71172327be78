/* fmt/safetensors: model.safetensors.index.json alone. */
#include <stdlib.h>

#include "fmt/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    phial_error err = {0};
    if (ph_safetensors_index_check((const char *)data, size, &err) != PHIAL_OK &&
        err.message[0] == '\0')
        abort();
    return 0;
}
