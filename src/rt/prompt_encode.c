/* The tokens of a prompt; contract in phial/generate.h.
 *
 * phial_prompt_split() cuts the text at special tokens that the preset means; here its pieces are
 * encoded. The list of special tokens is made anew for each prompt, because a tokenizer is
 * immutable and a prompt is rare beside the tokens it costs.
 */
#include "base/mem.h"
#include "phial/generate.h"

/* Where the ids go. */
typedef struct sink {
    phial_encoder *encoder;
    uint32_t *ids;
    size_t cap, n;
} sink;

static void put(sink *s, uint32_t id)
{
    if (s->n < s->cap) {
        s->ids[s->n] = id;
    }
    s->n++;
}

static phial_status take_piece(void *user, const phial_prompt_piece *piece, phial_error *err)
{
    sink *s = user;
    if (piece->special != PHIAL_TOKEN_NONE) {
        put(s, piece->special);
        return PHIAL_OK;
    }
    phial_status status = phial_encoder_run(s->encoder, piece->text.p, piece->text.n, 0, err);
    if (status != PHIAL_OK) {
        return status;
    }
    size_t n;
    const uint32_t *ids = phial_encoder_ids(s->encoder, &n);
    for (size_t i = 0; i < n; i++) {
        put(s, ids[i]);
    }
    return PHIAL_OK;
}

static bool has_literal(const phial_prompt *prompt)
{
    size_t n;
    const phial_prompt_segment *segments = phial_prompt_segments(prompt, &n);
    for (size_t i = 0; i < n; i++) {
        if (segments[i].literal && segments[i].text.n > 0) {
            return true;
        }
    }
    return false;
}

/* *out is owned. */
static phial_status list_specials(phial_special **out, size_t *n, const phial_tokenizer *t,
                                  phial_error *err)
{
    uint32_t n_vocab = phial_tokenizer_n_vocab(t);
    size_t count = 0;
    for (uint32_t id = 0; id < n_vocab; id++) {
        count += phial_tokenizer_is_special(t, id) && phial_tokenizer_has_text(t, id);
    }
    phial_special *specials = ph_alloc(count, sizeof *specials, err);
    if (specials == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    *n = 0;
    for (uint32_t id = 0; id < n_vocab; id++) {
        if (phial_tokenizer_is_special(t, id) && phial_tokenizer_has_text(t, id)) {
            phial_special *s = &specials[(*n)++];
            s->text.p = phial_tokenizer_text(t, id, &s->text.n);
            s->id = id;
        }
    }
    *out = specials;
    return PHIAL_OK;
}

phial_status phial_prompt_encode(const phial_prompt *prompt, phial_encoder *encoder,
                                 const phial_tokenizer *tokenizer, uint32_t *ids, size_t cap,
                                 size_t *n, phial_error *err)
{
    sink s = {.encoder = encoder, .ids = ids, .cap = cap};
    phial_special *specials = NULL;
    size_t n_specials = 0;
    phial_status status = PHIAL_OK;
    if (has_literal(prompt)) {
        status = list_specials(&specials, &n_specials, tokenizer, err);
    }
    uint32_t bos = phial_tokenizer_bos(tokenizer);
    if (phial_tokenizer_adds_bos(tokenizer) && bos != PHIAL_TOKEN_NONE) {
        put(&s, bos);
    }
    if (status == PHIAL_OK) {
        status = phial_prompt_split(prompt, specials, n_specials, take_piece, &s, err);
    }
    ph_free(specials);
    *n = status == PHIAL_OK ? s.n : 0;
    return status;
}
