/* tokenizer.ggml.* keys of a byte-level BPE back into vocab.json, merges.txt, added_tokens.json:
 * the files CodeGenTokenizer reads. For GGUF files that do not carry the original files along. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/convert_plan.h"

enum { NORMAL = 1, CONTROL = 3, USER_DEFINED = 4 };

/* Longest token text; real ones have at most 31 blanks or some dozens of bytes. */
#define MAX_TOKEN 4096

static phial_status add_word(ph_json *words, ph_str token, uint64_t id, phial_error *err)
{
    char key[MAX_TOKEN + 1];
    if (token.n > MAX_TOKEN || (token.n > 0 && memchr(token.p, 0, token.n)) ||
        !ph_utf8_valid((const uint8_t *)token.p, token.n))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "tokenizer.ggml.tokens: token %llu is too long or no UTF-8",
                          (unsigned long long)id);
    memcpy(key, token.p, token.n);
    key[token.n] = '\0';
    if (ph_json_get(words, key))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tokenizer.ggml.tokens: '%.*s' is there twice",
                          PH_STR_ARG(token));
    if (!ph_json_set(words, key, ph_json_int_new((int64_t)id)))
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory");
    return PHIAL_OK;
}

/* Sorts tokens into the base vocabulary and the added ones; unused ids are left out. */
static phial_status sort_words(const ph_gguf *g, ph_json *base, ph_json *added, phial_error *err)
{
    const ph_gguf_kv *tokens = ph_gguf_find(g, "tokenizer.ggml.tokens");
    const ph_gguf_kv *types = ph_gguf_find(g, "tokenizer.ggml.token_type");
    size_t cursor = 0;
    ph_str token;
    phial_status status = PHIAL_OK;
    for (uint64_t id = 0; status == PHIAL_OK && ph_gguf_array_next_str(tokens, &cursor, &token);
         id++) {
        int64_t type = NORMAL;
        if (types && !ph_gguf_array_i64(types, id, &type))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "tokenizer.ggml.token_type: no type for token %llu",
                              (unsigned long long)id);
        if (type == NORMAL || (type == CONTROL && ph_str_eq_c(token, "<|endoftext|>")))
            status = add_word(base, token, id, err);
        else if (type == CONTROL || type == USER_DEFINED)
            status = add_word(added, token, id, err);
    }
    return status;
}

static phial_status hand_over(const ph_json *words, const char *name, ph_convert_file_fn file,
                              void *user, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = ph_json_write(&text, words, 0, err);
    if (status == PHIAL_OK)
        status = file(user, name, (ph_str){text.data, text.len}, err);
    ph_buf_free(&text);
    return status;
}

static phial_status write_merges(const ph_gguf *g, ph_convert_file_fn file, void *user,
                                 phial_error *err)
{
    const ph_gguf_kv *merges = ph_gguf_find(g, "tokenizer.ggml.merges");
    size_t cursor = 0;
    ph_str merge;
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_buf_add_str(&text, "#version: 0.2\n");
    phial_status status = PHIAL_OK;
    while (status == PHIAL_OK && ph_gguf_array_next_str(merges, &cursor, &merge)) {
        if (merge.n == 0 || memchr(merge.p, '\n', merge.n))
            status = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                                "tokenizer.ggml.merges: '%.*s' cannot stand in a line",
                                PH_STR_ARG(merge));
        ph_buf_add(&text, merge.p, merge.n);
        ph_buf_add_byte(&text, '\n');
    }
    if (status == PHIAL_OK)
        status = ph_buf_status(&text, err);
    if (status == PHIAL_OK)
        status = file(user, "merges.txt", (ph_str){text.data, text.len}, err);
    ph_buf_free(&text);
    return status;
}

phial_status ph_convert_vocab_files(const ph_gguf *g, ph_convert_file_fn file, void *user,
                                    phial_error *err)
{
    ph_str model = {NULL, 0};
    ph_gguf_str(ph_gguf_find(g, "tokenizer.ggml.model"), &model);
    if (!ph_str_eq_c(model, "gpt2"))
        return PHIAL_OK;
    ph_json *base = ph_json_object_new(), *added = ph_json_object_new();
    phial_status status = PHIAL_OK;
    if (!base || !added)
        status = ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory");
    if (status == PHIAL_OK)
        status = sort_words(g, base, added, err);
    if (status == PHIAL_OK)
        status = hand_over(base, "vocab.json", file, user, err);
    if (status == PHIAL_OK && ph_json_count(added) > 0)
        status = hand_over(added, "added_tokens.json", file, user, err);
    if (status == PHIAL_OK)
        status = write_merges(g, file, user, err);
    ph_json_free(added);
    ph_json_free(base);
    return status;
}
