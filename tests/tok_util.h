/* Things the tokenizer's tests share. */
#ifndef PH_TESTS_TOK_UTIL_H
#define PH_TESTS_TOK_UTIL_H

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "phial/tokenizer.h"
#include "tok/alphabet.h"
#include "tok/tok.h"

static inline int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* Appends the bytes that hexadecimal text stands for. */
static inline void add_hex(ph_buf *out, const char *hex, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        ph_buf_add_byte(out, (uint8_t)(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1])));
}

/* Decodes all ids into out. */
static inline phial_status decode_all(ph_buf *out, const phial_tokenizer *t, const uint32_t *ids,
                                      size_t n_ids, phial_error *err)
{
    size_t n = 0;
    ph_buf_clear(out);
    phial_status st = phial_tokenizer_decode(t, NULL, 0, &n, ids, n_ids, 0, err);
    if (st != PHIAL_OK)
        return st;
    if (!ph_buf_add_zeros(out, n))
        return PHIAL_ERR_NO_MEMORY;
    return phial_tokenizer_decode(t, out->data, n, &n, ids, n_ids, 0, err);
}

/* The merges of a small tokenizer; token 256 + i is what merge i makes. */
static const char *const tiny_merges[][2] = {
    {"t", "h"}, {"a", "a"}, {" ", "th"}, {"aa", "aa"},     {" th", "e"}, {"a", "b"},   {"h", "e"},
    {"1", "2"}, {"i", "n"}, {"in", "g"}, {"\xC3", "\xA9"}, {"12", "12"}, {"ab", "ab"}, {"\n", "\n"},
};
#define N_TINY_MERGES (sizeof tiny_merges / sizeof tiny_merges[0])
/* All bytes, the merges, <|end|> as a special token and two runs of spaces as added ones. */
static inline phial_status tiny_vocab(ph_vocab *v, phial_error *err)
{
    ph_buf left, right;
    ph_buf_init(&left, 0);
    ph_buf_init(&right, 0);
    ph_vocab_init(v);
    phial_status st = PHIAL_OK;
    for (unsigned b = 0; b < 256 && st == PHIAL_OK; b++) {
        char c = (char)b;
        ph_buf_clear(&left);
        ph_alphabet_encode(&left, (ph_str){&c, 1});
        st = ph_buf_status(&left, err);
        if (st == PHIAL_OK)
            st = ph_vocab_add_model(v, b, (ph_str){left.data, left.len}, err);
    }
    for (size_t i = 0; i < N_TINY_MERGES && st == PHIAL_OK; i++) {
        const char *const *m = tiny_merges[i];
        ph_buf_clear(&left);
        ph_buf_clear(&right);
        ph_alphabet_encode(&left, ph_str_from(m[0]));
        size_t n = left.len;
        ph_alphabet_encode(&left, ph_str_from(m[1]));
        ph_alphabet_encode(&right, ph_str_from(m[1]));
        st = ph_buf_status(&left, err);
        if (st == PHIAL_OK)
            st = ph_buf_status(&right, err);
        if (st == PHIAL_OK)
            st = ph_vocab_add_model(v, 256 + i, (ph_str){left.data, left.len}, err);
        if (st == PHIAL_OK)
            st =
                ph_vocab_add_merge(v, (ph_str){left.data, n}, (ph_str){right.data, right.len}, err);
    }
    uint32_t id = 256 + N_TINY_MERGES;
    if (st == PHIAL_OK)
        st = ph_vocab_add_added(v, id, ph_str_from("<|end|>"), PH_TOKEN_CONTROL, false, err);
    if (st == PHIAL_OK)
        st = ph_vocab_add_added(v, id + 2, ph_str_from("   "), PH_TOKEN_USER, true, err);
    if (st == PHIAL_OK)
        st = ph_vocab_add_added(v, id + 3, ph_str_from("  "), PH_TOKEN_USER, true, err);
    v->eos = v->bos = st == PHIAL_OK ? id : PHIAL_TOKEN_NONE;
    ph_buf_free(&left);
    ph_buf_free(&right);
    return st;
}

static inline phial_status tiny_tokenizer(phial_tokenizer **out, phial_error *err)
{
    ph_vocab v;
    *out = NULL;
    phial_status st = tiny_vocab(&v, err);
    if (st == PHIAL_OK)
        st = ph_tokenizer_build(out, &v, "tiny", err);
    ph_vocab_free(&v);
    return st;
}

#endif
