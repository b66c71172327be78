/* Text to token ids and back: tokenize MODEL TEXT
 *
 * MODEL is a GGUF file or a folder with tokenizer.json. Prints each token's id, where it lies in
 * the text, and the text again, put together by a streaming decoder that never shows half a
 * character.
 *
 * run: @SOURCE@/tests/data/tiny-phi "Tokens<|endoftext|> are bytes"
 */
#include <phial/tokenizer.h>
#include <stdio.h>
#include <string.h>

static int fail(const phial_error *err)
{
    fprintf(stderr, "tokenize: %s\n", err->message);
    return 1;
}

static phial_status show(const phial_tokenizer *tokenizer, phial_encoder *encoder,
                         phial_decoder *decoder, phial_error *err)
{
    size_t n_ids, n;
    const uint32_t *ids = phial_encoder_ids(encoder, &n_ids);
    const size_t *offsets = phial_encoder_offsets(encoder, err);
    if (!offsets)
        return err->status;
    for (size_t i = 0; i < n_ids; i++)
        printf("%6u  bytes %zu to %zu%s\n", (unsigned)ids[i], offsets[i], offsets[i + 1],
               phial_tokenizer_is_special(tokenizer, ids[i]) ? ", special" : "");
    for (size_t i = 0; i < n_ids; i++) {
        const char *text;
        phial_status status = phial_decoder_push(decoder, &text, &n, ids[i], err);
        if (status != PHIAL_OK)
            return status;
        fwrite(text, 1, n, stdout);
    }
    const char *rest = phial_decoder_flush(decoder, &n);
    fwrite(rest, 1, n, stdout);
    putchar('\n');
    return PHIAL_OK;
}

int main(int argc, char **argv)
{
    phial_error err;
    phial_tokenizer *tokenizer = NULL;
    phial_encoder *encoder = NULL;
    phial_decoder *decoder = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: tokenize MODEL TEXT\n");
        return 2;
    }
    phial_status status = phial_tokenizer_open(&tokenizer, argv[1], &err);
    if (status == PHIAL_OK)
        status = phial_encoder_new(&encoder, tokenizer, &err);
    if (status == PHIAL_OK)
        status = phial_decoder_new(&decoder, tokenizer, 0, &err);
    if (status == PHIAL_OK)
        status = phial_encoder_run(encoder, argv[2], strlen(argv[2]), PHIAL_ENCODE_SPECIAL, &err);
    if (status == PHIAL_OK)
        status = show(tokenizer, encoder, decoder, &err);
    phial_decoder_free(decoder);
    phial_encoder_free(encoder);
    phial_tokenizer_close(tokenizer);
    return status == PHIAL_OK ? 0 : fail(&err);
}
