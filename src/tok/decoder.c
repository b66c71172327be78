/* Streaming decoder: holds back the beginning of a UTF-8 character until the rest arrives. */
#include "tok/tok.h"

#include <string.h>

#include "base/utf8.h"

struct phial_decoder {
    const phial_tokenizer *t; /* borrowed */
    uint32_t flags;
    size_t n_held;  /* bytes held back, at the beginning of text */
    size_t n_shown; /* bytes handed out by the last push, before them */
    char text[];    /* room for what is held and one token */
};

/* The longest beginning of a character. */
#define HELD_MAX 3

phial_status phial_decoder_new(phial_decoder **out, const phial_tokenizer *t, uint32_t flags,
                               phial_error *err)
{
    *out = NULL;
    if (flags & ~PHIAL_DECODE_SKIP_SPECIAL)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown decoding flags 0x%x", (unsigned)flags);
    phial_decoder *d = ph_alloc(1, sizeof *d + HELD_MAX + t->longest, err);
    if (d == NULL)
        return PHIAL_ERR_NO_MEMORY;
    d->t = t;
    d->flags = flags;
    *out = d;
    return PHIAL_OK;
}

void phial_decoder_free(phial_decoder *d)
{
    ph_free(d);
}

phial_status phial_decoder_push(phial_decoder *d, const char **text, size_t *n, uint32_t id,
                                phial_error *err)
{
    size_t n_new = 0;
    *text = d->text;
    *n = 0;
    memmove(d->text, d->text + d->n_shown, d->n_held);
    d->n_shown = 0;
    phial_status st = phial_tokenizer_decode(d->t, d->text + d->n_held, d->t->longest, &n_new, &id,
                                             1, d->flags, err);
    if (st != PHIAL_OK)
        return st;
    size_t total = d->n_held + n_new;
    d->n_held = ph_utf8_incomplete_tail((const uint8_t *)d->text, total);
    d->n_shown = total - d->n_held;
    *n = d->n_shown;
    return PHIAL_OK;
}

const char *phial_decoder_flush(phial_decoder *d, size_t *n)
{
    const char *text = d->text + d->n_shown;
    *n = d->n_held;
    d->n_shown = 0;
    d->n_held = 0;
    return text;
}
