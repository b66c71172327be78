/* Building a tokenizer from its vocabulary, what it knows of ids, and decoding. */
#include "tok/tok.h"

#include <string.h>

/* How the text of an id is seen from outside. */
static const ph_vocab_token *token_at(const phial_tokenizer *t, uint32_t id)
{
    return id < t->vocab.n_tokens ? &t->vocab.tokens[id] : NULL;
}

/* One text must not be two added tokens, also when they are searched for one after the other. */
static phial_status check_passes(const phial_tokenizer *t, phial_error *err)
{
    for (uint32_t id = 0; id < t->vocab.n_tokens; id++) {
        const ph_vocab_token *token = &t->vocab.tokens[id];
        if (!token->second_pass)
            continue;
        uint32_t other = ph_added_exact(&t->first[1], token->text);
        if (other != PHIAL_TOKEN_NONE)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "added tokens %u and %u are the same, '%.*s'", (unsigned)other,
                              (unsigned)id, PH_STR_ARG(token->text));
    }
    return PHIAL_OK;
}

phial_status ph_tokenizer_build(phial_tokenizer **out, ph_vocab *vocab, const char *name,
                                phial_error *err)
{
    *out = NULL;
    phial_tokenizer *t = ph_alloc(1, sizeof *t, err);
    if (t == NULL) {
        ph_vocab_free(vocab);
        return PHIAL_ERR_NO_MEMORY;
    }
    t->vocab = *vocab;
    ph_vocab_init(vocab);
    for (uint32_t id = 0; id < t->vocab.n_tokens; id++) {
        size_t n = t->vocab.tokens[id].text.n;
        t->n_text += n > 0;
        t->longest = n > t->longest ? (uint32_t)n : t->longest;
    }
    phial_status st = t->vocab.kind == PH_VOCAB_WORDPIECE
                          ? ph_wordpiece_build(&t->piece, &t->vocab, err)
                          : ph_bpe_build(&t->bpe, &t->vocab, err);
    for (int control = 0; control < 2 && st == PHIAL_OK; control++) {
        st = ph_added_build(&t->first[control], &t->vocab, false, control, err);
        if (st == PHIAL_OK)
            st = ph_added_build(&t->second[control], &t->vocab, true, control, err);
    }
    if (st == PHIAL_OK)
        st = check_passes(t, err);
    if (st != PHIAL_OK) {
        phial_tokenizer_close(t);
        return ph_err_context(err, st, "%s", name);
    }
    *out = t;
    return PHIAL_OK;
}

phial_status ph_tokenizer_from_json(phial_tokenizer **out, const char *text, size_t n,
                                    const char *name, phial_error *err)
{
    static const ph_str none = {NULL, 0};
    ph_vocab vocab;
    *out = NULL;
    ph_vocab_init(&vocab);
    phial_status st = ph_vocab_read_json(&vocab, text, n, name, err);
    if (st == PHIAL_OK && vocab.kind == PH_VOCAB_BPE)
        st = ph_vocab_read_roles(&vocab, none, none, name, err);
    if (st == PHIAL_OK)
        st = ph_tokenizer_build(out, &vocab, name, err);
    ph_vocab_free(&vocab);
    return st;
}

phial_status phial_tokenizer_open(phial_tokenizer **out, const char *path, phial_error *err)
{
    ph_vocab vocab;
    *out = NULL;
    ph_vocab_init(&vocab);
    phial_status st = ph_vocab_open(&vocab, path, err);
    if (st == PHIAL_OK)
        st = ph_tokenizer_build(out, &vocab, path, err);
    ph_vocab_free(&vocab);
    return st;
}

void phial_tokenizer_close(phial_tokenizer *t)
{
    if (t == NULL)
        return;
    for (int control = 0; control < 2; control++) {
        ph_added_free(&t->first[control]);
        ph_added_free(&t->second[control]);
    }
    ph_bpe_free(&t->bpe);
    ph_wordpiece_free(&t->piece);
    ph_vocab_free(&t->vocab);
    ph_free(t);
}

const ph_vocab *ph_tokenizer_vocab(const phial_tokenizer *t)
{
    return &t->vocab;
}

uint32_t phial_tokenizer_n_vocab(const phial_tokenizer *t)
{
    return t->vocab.n_tokens;
}

uint32_t phial_tokenizer_n_text(const phial_tokenizer *t)
{
    return t->n_text;
}

uint32_t phial_tokenizer_bos(const phial_tokenizer *t)
{
    return t->vocab.bos;
}

uint32_t phial_tokenizer_eos(const phial_tokenizer *t)
{
    return t->vocab.eos;
}

bool phial_tokenizer_adds_bos(const phial_tokenizer *t)
{
    return t->vocab.add_bos;
}

bool phial_tokenizer_has_text(const phial_tokenizer *t, uint32_t id)
{
    const ph_vocab_token *token = token_at(t, id);
    return token != NULL && token->text.n > 0;
}

bool phial_tokenizer_is_special(const phial_tokenizer *t, uint32_t id)
{
    const ph_vocab_token *token = token_at(t, id);
    return token != NULL && token->type == PH_TOKEN_CONTROL;
}

const char *phial_tokenizer_text(const phial_tokenizer *t, uint32_t id, size_t *n)
{
    const ph_vocab_token *token = token_at(t, id);
    *n = token == NULL ? 0 : token->text.n;
    return token == NULL ? "" : token->text.p;
}

uint32_t phial_tokenizer_find(const phial_tokenizer *t, const void *text, size_t n)
{
    ph_str s = {text, n};
    if (n == 0)
        return PHIAL_TOKEN_NONE;
    uint32_t id = ph_added_exact(&t->first[1], s);
    if (id == PHIAL_TOKEN_NONE)
        id = ph_added_exact(&t->second[1], s);
    return id != PHIAL_TOKEN_NONE ? id : ph_vocab_find(&t->vocab, s);
}

phial_status phial_tokenizer_decode(const phial_tokenizer *t, char *out, size_t cap,
                                    size_t *n_bytes, const uint32_t *ids, size_t n_ids,
                                    uint32_t flags, phial_error *err)
{
    size_t n = 0;
    *n_bytes = 0;
    if (flags & ~PHIAL_DECODE_SKIP_SPECIAL)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown decoding flags 0x%x", (unsigned)flags);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] >= PHIAL_VOCAB_MAX)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "id %u at position %zu is not below %u",
                              (unsigned)ids[i], i, PHIAL_VOCAB_MAX);
        const ph_vocab_token *token = token_at(t, ids[i]);
        if (token == NULL ||
            ((flags & PHIAL_DECODE_SKIP_SPECIAL) && token->type == PH_TOKEN_CONTROL))
            continue;
        size_t room = n < cap ? cap - n : 0;
        size_t part = token->text.n < room ? token->text.n : room;
        if (part > 0)
            memcpy(out + n, token->text.p, part);
        if (!ph_add_size(&n, n, token->text.n))
            return ph_err_set(err, PHIAL_ERR_LIMIT, "the text of %zu ids is too long", n_ids);
    }
    *n_bytes = n;
    return PHIAL_OK;
}
