/* fmt/hfconfig: what is accepted keeps the promises that the rest of the program builds on. */
#include <stdlib.h>

#include "fmt/hfconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_hfconfig c;
    phial_error err = {0};
    if (ph_hfconfig_parse(&c, (const char *)data, size, &err) != PHIAL_OK) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    if (c.n_heads == 0 || c.n_kv_heads == 0 || c.n_heads % c.n_kv_heads != 0 ||
        c.head_dim * c.n_heads != c.hidden_size || c.rotary_dim < 2 || c.rotary_dim % 2 != 0 ||
        c.rotary_dim > c.head_dim || c.n_layers == 0 || c.vocab_size == 0 ||
        !(c.layer_norm_eps > 0) || !(c.rope_theta >= 1) || !(c.rope_factor >= 1) ||
        (c.has_eos && c.eos >= c.vocab_size))
        abort();
    return 0;
}
