/* The tokenizer in the metadata of a GGUF file: tokenizer.ggml.model "gpt2", pre "phi-2", "gpt-2",
 * "default" or absent (files of before May 2024 have none; all four mean GPT-2's rule).
 *
 * (WordPiece, model "bert", is read by vocab_wordpiece.c.)
 *
 * Normal tokens are spelled in the byte alphabet, control and user-defined ones literally. Padding
 * is "[PADn]" at id n: type unused, in old files user-defined.
 *
 * Source: llama.cpp, convert_hf_to_gguf.py and llama-vocab.cpp.
 */
#include "tok/vocab.h"

#include <inttypes.h>
#include <stdio.h>

#include "tok/alphabet.h"

static phial_status check_kind(const ph_gguf *g, phial_error *err)
{
    ph_str s;
    const ph_gguf_kv *kv = ph_gguf_find(g, "tokenizer.ggml.model");
    if (kv == NULL)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "there is no tokenizer in the file (no 'tokenizer.ggml.model')");
    if (!ph_gguf_str(kv, &s))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'tokenizer.ggml.model' is no string");
    if (!ph_str_eq_c(s, "gpt2"))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "tokenizer.ggml.model '%.*s' is not supported", PH_STR_ARG(s));
    kv = ph_gguf_find(g, "tokenizer.ggml.pre");
    if (kv == NULL)
        return PHIAL_OK;
    if (!ph_gguf_str(kv, &s))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'tokenizer.ggml.pre' is no string");
    if (!ph_str_eq_c(s, "phi-2") && !ph_str_eq_c(s, "gpt-2") && !ph_str_eq_c(s, "default"))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "tokenizer.ggml.pre '%.*s' is not supported",
                          PH_STR_ARG(s));
    return PHIAL_OK;
}

static bool is_padding(ph_str text, uint32_t id)
{
    char pad[24];
    snprintf(pad, sizeof pad, "[PAD%" PRIu32 "]", id);
    return ph_str_eq_c(text, pad);
}

static phial_status add_token(ph_vocab *v, uint32_t id, ph_str text, int64_t type, phial_error *err)
{
    if (type == PH_TOKEN_UNUSED || (type == PH_TOKEN_USER && is_padding(text, id)))
        return PHIAL_OK;
    if (type == PH_TOKEN_NORMAL)
        return ph_vocab_add_model(v, id, text, err);
    if (type != PH_TOKEN_CONTROL && type != PH_TOKEN_USER)
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "token %" PRIu32 " '%.*s' has type %" PRId64
                          ", which a byte-level BPE does not have",
                          id, PH_STR_ARG(text), type);
    return ph_vocab_add_added(v, id, text, (ph_token_type)type, type == PH_TOKEN_USER, err);
}

static phial_status read_tokens(ph_vocab *v, const ph_gguf *g, phial_error *err)
{
    const ph_gguf_kv *tokens = ph_gguf_find(g, "tokenizer.ggml.tokens");
    const ph_gguf_kv *types = ph_gguf_find(g, "tokenizer.ggml.token_type");
    if (tokens == NULL || tokens->type != PH_GGUF_ARRAY || tokens->elem_type != PH_GGUF_STRING)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "'tokenizer.ggml.tokens' is missing or no array of strings");
    if (types != NULL && (types->type != PH_GGUF_ARRAY || types->count != tokens->count))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "'tokenizer.ggml.token_type' is no array with one type for each of the "
                          "%" PRIu64 " tokens",
                          tokens->count);
    phial_status st = ph_vocab_reserve(v, (size_t)tokens->count, 0, err);
    if (st == PHIAL_OK)
        st = ph_vocab_extend(v, tokens->count, err);
    if (st != PHIAL_OK)
        return st;
    size_t cursor = 0;
    ph_str text;
    uint32_t id = 0;
    for (; ph_gguf_array_next_str(tokens, &cursor, &text); id++) {
        int64_t type = PH_TOKEN_NORMAL;
        if (types != NULL && !ph_gguf_array_i64(types, id, &type))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "'tokenizer.ggml.token_type' is no array of integers");
        st = add_token(v, id, text, type, err);
        if (st != PHIAL_OK)
            return st;
    }
    return id == tokens->count
               ? PHIAL_OK
               : ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                            "'tokenizer.ggml.tokens' ends after %" PRIu32 " of %" PRIu64 " tokens",
                            id, tokens->count);
}

static phial_status read_merges(ph_vocab *v, const ph_gguf *g, phial_error *err)
{
    const ph_gguf_kv *merges = ph_gguf_find(g, "tokenizer.ggml.merges");
    if (merges == NULL || merges->type != PH_GGUF_ARRAY || merges->elem_type != PH_GGUF_STRING)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "'tokenizer.ggml.merges' is missing or no array of strings");
    phial_status st = ph_vocab_reserve(v, 0, (size_t)merges->count, err);
    size_t cursor = 0;
    ph_str line;
    while (st == PHIAL_OK && ph_gguf_array_next_str(merges, &cursor, &line))
        st = ph_vocab_add_merge_line(v, line, err);
    return st;
}

static phial_status read_role(uint32_t *out, const ph_vocab *v, const ph_gguf *g, const char *key,
                              phial_error *err)
{
    const ph_gguf_kv *kv = ph_gguf_find(g, key);
    uint64_t id;
    if (kv == NULL)
        return PHIAL_OK;
    if (!ph_gguf_u64(kv, &id) || id >= v->n_tokens)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'%s' is no id below %" PRIu32, key,
                          v->n_tokens);
    *out = (uint32_t)id;
    return PHIAL_OK;
}

/* Without types only the roles tell which tokens are special. */
static phial_status mark_roles(ph_vocab *v, phial_error *err)
{
    const uint32_t roles[] = {v->bos, v->eos, v->unk};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (roles[i] == PHIAL_TOKEN_NONE || v->tokens[roles[i]].type != PH_TOKEN_NORMAL)
            continue;
        ph_str text = v->tokens[roles[i]].text;
        phial_status st = ph_vocab_add_added(v, roles[i], text, PH_TOKEN_CONTROL, false, err);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

phial_status ph_vocab_read_gguf(ph_vocab *v, const ph_gguf *g, const char *name, phial_error *err)
{
    ph_str model;
    if (ph_gguf_str(ph_gguf_find(g, "tokenizer.ggml.model"), &model) &&
        ph_str_eq_c(model, "bert")) {
        phial_status read = ph_vocab_gguf_wordpiece(v, g, err);
        return read == PHIAL_OK ? read : ph_err_context(err, read, "%s", name);
    }
    phial_status st = check_kind(g, err);
    if (st == PHIAL_OK)
        st = read_tokens(v, g, err);
    if (st == PHIAL_OK)
        st = read_merges(v, g, err);
    if (st == PHIAL_OK)
        st = read_role(&v->bos, v, g, "tokenizer.ggml.bos_token_id", err);
    if (st == PHIAL_OK)
        st = read_role(&v->eos, v, g, "tokenizer.ggml.eos_token_id", err);
    if (st == PHIAL_OK)
        st = read_role(&v->unk, v, g, "tokenizer.ggml.unknown_token_id", err);
    if (st == PHIAL_OK && ph_gguf_find(g, "tokenizer.ggml.token_type") == NULL)
        st = mark_roles(v, err);
    bool add_bos = false;
    if (st == PHIAL_OK)
        ph_gguf_bool(ph_gguf_find(g, "tokenizer.ggml.add_bos_token"), &add_bos);
    v->add_bos = add_bos && v->bos != PHIAL_TOKEN_NONE;
    return st == PHIAL_OK ? st : ph_err_context(err, st, "%s", name);
}
