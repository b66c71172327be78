/* vocab.txt, up to a line of three tildes, and behind it a text: whatever loads must encode it,
 * with offsets that ascend and end where the text ends. */
#include <stdlib.h>
#include <string.h>

#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void encode(const phial_tokenizer *t, const char *text, size_t n, uint32_t flags)
{
    phial_encoder *e = NULL;
    size_t n_ids;
    must(phial_encoder_new(&e, t, NULL) == PHIAL_OK);
    must(phial_encoder_run(e, text, n, flags, NULL) == PHIAL_OK);
    const uint32_t *ids = phial_encoder_ids(e, &n_ids);
    const size_t *offsets = phial_encoder_offsets(e, NULL);
    must(offsets[n_ids] == n);
    for (size_t i = 0; i < n_ids; i++) {
        must(ids[i] < phial_tokenizer_n_vocab(t));
        must(phial_tokenizer_has_text(t, ids[i]));
        must(offsets[i] <= offsets[i + 1]);
    }
    phial_encoder_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char mark[] = "\n~~~\n";
    phial_error err = {0};
    phial_tokenizer *t = NULL;
    ph_vocab v;
    const char *p = (const char *)data;
    size_t n = size, behind = size;
    for (size_t i = 0; i + sizeof mark - 1 <= size; i++) {
        if (memcmp(p + i, mark, sizeof mark - 1) == 0) {
            n = i + 1;
            behind = i + sizeof mark - 1;
            break;
        }
    }
    static const ph_str none = {NULL, 0};
    ph_vocab_init(&v);
    phial_status st = ph_vocab_read_pieces(&v, (ph_str){p, n}, none, "fuzz", &err);
    if (st == PHIAL_OK)
        st = ph_tokenizer_build(&t, &v, "fuzz", &err);
    if (st == PHIAL_OK) {
        encode(t, p + behind, size - behind, 0);
        encode(t, p + behind, size - behind, PHIAL_ENCODE_SPECIAL);
    } else {
        must(err.message[0] != '\0');
    }
    ph_vocab_free(&v);
    phial_tokenizer_close(t);
    return 0;
}
