/* Continues a text with the most likely tokens.
 * run: @SOURCE@/tests/data/tiny-phi "The panda" 8
 */
#include <phial/phial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 2048 };

static uint32_t most_likely(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* Prints up to n_new tokens behind the prompt. */
static phial_status go_on(const phial_tokenizer *tokenizer, phial_encoder *encoder,
                          phial_decoder *decoder, phial_session *session, uint32_t n_vocab,
                          const char *prompt, size_t n_new, phial_error *err)
{
    static uint32_t ids[MAX_TOKENS];
    size_t n;
    phial_status status = phial_encoder_run(encoder, prompt, strlen(prompt), 0, err);
    const uint32_t *encoded = phial_encoder_ids(encoder, &n);
    if (status != PHIAL_OK || n + n_new > MAX_TOKENS)
        return status;
    memcpy(ids, encoded, n * sizeof *ids);
    fputs(prompt, stdout);
    for (size_t i = 0; i < n_new && status == PHIAL_OK; i++) {
        /* The whole list every time: the session computes only what is new. */
        status = phial_session_sync(session, ids, n, err);
        if (status != PHIAL_OK)
            break;
        ids[n] = most_likely(phial_session_logits(session), n_vocab);
        if (ids[n] == phial_tokenizer_eos(tokenizer))
            break;
        const char *text;
        size_t n_bytes;
        status = phial_decoder_push(decoder, &text, &n_bytes, ids[n], err);
        if (status == PHIAL_OK)
            fwrite(text, 1, n_bytes, stdout);
        n++;
    }
    putchar('\n');
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: greedy MODEL PROMPT TOKENS\n");
        return 2;
    }
    phial_error err = {0};
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_session *session = NULL;
    phial_tokenizer *tokenizer = NULL;
    phial_encoder *encoder = NULL;
    phial_decoder *decoder = NULL;
    phial_model_info info = {.size = sizeof info};
    phial_status status = phial_model_open(&model, argv[1], NULL, &err);
    if (status == PHIAL_OK)
        status = phial_model_get_info(model, &info, &err);
    if (status == PHIAL_OK)
        status = phial_engine_new(&engine, model, NULL, &err);
    if (status == PHIAL_OK)
        status = phial_session_new(&session, engine, 0, &err);
    if (status == PHIAL_OK)
        status = phial_tokenizer_open(&tokenizer, argv[1], &err);
    if (status == PHIAL_OK)
        status = phial_encoder_new(&encoder, tokenizer, &err);
    if (status == PHIAL_OK)
        status = phial_decoder_new(&decoder, tokenizer, 0, &err);
    if (status == PHIAL_OK)
        status = go_on(tokenizer, encoder, decoder, session, info.n_vocab, argv[2],
                       (size_t)strtoul(argv[3], NULL, 10), &err);
    if (status != PHIAL_OK)
        fprintf(stderr, "greedy: %s\n", err.message);
    phial_decoder_free(decoder);
    phial_encoder_free(encoder);
    phial_tokenizer_close(tokenizer);
    phial_session_free(session);
    phial_engine_free(engine);
    phial_model_close(model);
    return status == PHIAL_OK ? 0 : 1;
}
