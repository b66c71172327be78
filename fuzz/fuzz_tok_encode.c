/* Any bytes, encoded and decoded with a small tokenizer, at once and as a stream; and any bytes as
 * ids. */
#include <stdlib.h>
#include <string.h>

#include "../tests/tok_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void stream(const phial_tokenizer *t, const uint32_t *ids, size_t n_ids, const ph_buf *want)
{
    phial_decoder *d = NULL;
    const char *text;
    size_t n;
    ph_buf got;
    ph_buf_init(&got, 0);
    must(phial_decoder_new(&d, t, 0, NULL) == PHIAL_OK);
    for (size_t i = 0; i < n_ids; i++) {
        must(phial_decoder_push(d, &text, &n, ids[i], NULL) == PHIAL_OK);
        ph_buf_add(&got, text, n);
    }
    text = phial_decoder_flush(d, &n);
    ph_buf_add(&got, text, n);
    must(got.len == want->len && (got.len == 0 || memcmp(got.data, want->data, got.len) == 0));
    phial_decoder_free(d);
    ph_buf_free(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static phial_tokenizer *t;
    static phial_encoder *e;
    if (!t) {
        must(tiny_tokenizer(&t, NULL) == PHIAL_OK);
        must(phial_encoder_new(&e, t, NULL) == PHIAL_OK);
    }
    ph_buf back;
    ph_buf_init(&back, 0);
    for (uint32_t flags = 0; flags < 2; flags++) {
        size_t n_ids;
        must(phial_encoder_run(e, data, size, flags, NULL) == PHIAL_OK);
        const uint32_t *ids = phial_encoder_ids(e, &n_ids);
        const size_t *offsets = phial_encoder_offsets(e, NULL);
        must(offsets[n_ids] == size);
        must(decode_all(&back, t, ids, n_ids, NULL) == PHIAL_OK);
        must(back.len == size && (size == 0 || memcmp(back.data, data, size) == 0));
        stream(t, ids, n_ids, &back);
    }
    uint32_t ids[256];
    size_t n_ids = size / 2 < 256 ? size / 2 : 256;
    for (size_t i = 0; i < n_ids; i++)
        ids[i] = (uint32_t)(data[2 * i] | data[2 * i + 1] << 8) & 0x1FF;
    must(decode_all(&back, t, ids, n_ids, NULL) == PHIAL_OK);
    stream(t, ids, n_ids, &back);
    ph_buf_free(&back);
    return 0;
}
