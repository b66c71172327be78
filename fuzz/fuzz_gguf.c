/* fmt/gguf: whatever opens can be read to its last byte, by every accessor. */
#include <stdlib.h>

#include "fmt/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_kv(const ph_gguf_kv *kv)
{
    uint64_t u;
    int64_t i;
    double d;
    bool b;
    ph_str s;
    size_t cursor = 0;
    volatile char sink;
    ph_gguf_u64(kv, &u);
    ph_gguf_i64(kv, &i);
    ph_gguf_f64(kv, &d);
    ph_gguf_bool(kv, &b);
    if (ph_gguf_str(kv, &s) && s.n > 0)
        sink = s.p[s.n - 1];
    ph_gguf_array_i64(kv, kv->count - 1, &i);
    ph_gguf_array_f64(kv, kv->count - 1, &d);
    while (ph_gguf_array_next_str(kv, &cursor, &s)) {
        if (s.n > 0)
            sink = s.p[s.n - 1];
    }
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_gguf *g;
    phial_error err = {0};
    if (ph_gguf_parse(&g, data, size, &err) != PHIAL_OK) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < ph_gguf_n_kv(g); i++)
        read_kv(ph_gguf_kv_at(g, i));
    for (size_t i = 0; i < ph_gguf_n_tensors(g); i++) {
        const ph_gguf_tensor *t = ph_gguf_tensor_at(g, i);
        volatile uint8_t sink = t->data[0];
        sink = t->data[t->data_bytes - 1];
        (void)sink;
    }
    ph_gguf_close(g);
    return 0;
}
