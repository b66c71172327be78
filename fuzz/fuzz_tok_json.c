/* tokenizer.json: whatever loads must encode, and, unless it is WordPiece, give every text back. */
#include <stdlib.h>
#include <string.h>

#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Words, spaces, a special token, characters of 2 to 4 bytes, invalid UTF-8, a NUL. */
static const char sample[] =
    "The  cat's 1,234   whiskers\t\t\n<|endoftext|> "
    "<|end|>\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80\xFF\xE4\0"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void round_trip(const phial_tokenizer *t, uint32_t flags)
{
    static char back[2 * sizeof sample];
    phial_encoder *e = NULL;
    size_t n_ids, n;
    if (phial_encoder_new(&e, t, NULL) != PHIAL_OK ||
        phial_encoder_run(e, sample, sizeof sample, flags, NULL) != PHIAL_OK)
        abort();
    const uint32_t *ids = phial_encoder_ids(e, &n_ids);
    bool lossy = ph_tokenizer_vocab(t)->kind == PH_VOCAB_WORDPIECE;
    if (phial_tokenizer_decode(t, back, sizeof back, &n, ids, n_ids, 0, NULL) != PHIAL_OK ||
        (!lossy && (n != sizeof sample || memcmp(back, sample, n) != 0)))
        abort();
    phial_encoder_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    phial_error err = {0};
    phial_tokenizer *t = NULL;
    if (ph_tokenizer_from_json(&t, (const char *)data, size, "fuzz", &err) == PHIAL_OK) {
        round_trip(t, 0);
        round_trip(t, PHIAL_ENCODE_SPECIAL);
    } else if (err.message[0] == '\0') {
        abort();
    }
    phial_tokenizer_close(t);
    return 0;
}
