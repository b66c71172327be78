/* base/json: what parses must come out again, and parse again to the same text. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    phial_error err;
    ph_buf once, twice;
    ph_buf_init(&once, 0);
    ph_buf_init(&twice, 0);
    ph_json *first = ph_json_parse((const char *)data, size, &err);
    if (first) {
        if (ph_json_write(&once, first, 0, &err) != PHIAL_OK)
            abort();
        ph_json *second = ph_json_parse(once.data, once.len, &err);
        if (!second || ph_json_write(&twice, second, 0, &err) != PHIAL_OK)
            abort();
        if (once.len != twice.len || memcmp(once.data, twice.data, once.len) != 0)
            abort();
        ph_json_free(second);
    }
    ph_json_free(first);
    ph_buf_free(&once);
    ph_buf_free(&twice);
    return 0;
}
