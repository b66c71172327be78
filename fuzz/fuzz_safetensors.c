/* fmt/safetensors: whatever opens can be read to its last byte, and its tensors cover the data. */
#include <stdlib.h>

#include "fmt/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_safetensors *st;
    phial_error err = {0};
    if (ph_safetensors_parse(&st, data, size, &err) != PHIAL_OK) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    uint64_t end = 0;
    for (size_t i = 0; i < ph_safetensors_n_tensors(st); i++) {
        const ph_st_tensor *t = ph_safetensors_tensor_at(st, i);
        volatile uint8_t sink = 0;
        if (t->data_bytes > 0)
            sink = t->data[t->data_bytes - 1];
        (void)sink;
        end = t->offset + t->data_bytes;
    }
    if (end != size && ph_safetensors_n_tensors(st) > 0)
        abort();
    ph_safetensors_close(st);
    return 0;
}
