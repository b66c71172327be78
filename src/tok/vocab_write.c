/* The vocabulary in other programs' spelling: GGUF's strings, tokenizer.json. */
#include "tok/vocab.h"

#include <inttypes.h>

#include "tok/alphabet.h"

bool ph_vocab_spell_token(ph_buf *out, const ph_vocab *v, uint32_t id)
{
    const ph_vocab_token *token = id < v->n_tokens ? &v->tokens[id] : NULL;
    if (token == NULL || token->type == PH_TOKEN_UNUSED)
        return ph_buf_addf(out, "[PAD%" PRIu32 "]", id);
    if (token->type == PH_TOKEN_NORMAL)
        return ph_alphabet_encode(out, token->text);
    return ph_buf_add(out, token->text.p, token->text.n);
}

bool ph_vocab_spell_merge(ph_buf *out, const ph_vocab *v, uint32_t rank)
{
    const ph_vocab_merge *m = &v->merges[rank];
    return ph_alphabet_encode(out, v->tokens[m->left].text) && ph_buf_add_byte(out, ' ') &&
           ph_alphabet_encode(out, v->tokens[m->right].text);
}

static ph_json *byte_level(void)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "type", ph_json_str_new(ph_str_from("ByteLevel")));
    ph_json_set(o, "add_prefix_space", ph_json_bool_new(false));
    ph_json_set(o, "trim_offsets", ph_json_bool_new(true));
    ph_json_set(o, "use_regex", ph_json_bool_new(true));
    return o;
}

static ph_json *added_token(const ph_vocab_token *token, uint32_t id)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "id", ph_json_int_new(id));
    ph_json_set(o, "content", ph_json_str_new(token->text));
    ph_json_set(o, "single_word", ph_json_bool_new(false));
    ph_json_set(o, "lstrip", ph_json_bool_new(false));
    ph_json_set(o, "rstrip", ph_json_bool_new(false));
    ph_json_set(o, "normalized", ph_json_bool_new(token->second_pass));
    ph_json_set(o, "special", ph_json_bool_new(token->type == PH_TOKEN_CONTROL));
    return o;
}

static ph_json *added_list(const ph_vocab *v)
{
    ph_json *list = ph_json_array_new();
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        uint8_t type = v->tokens[id].type;
        if (type == PH_TOKEN_CONTROL || type == PH_TOKEN_USER)
            ph_json_push(list, added_token(&v->tokens[id], id));
    }
    return list;
}

/* vocab and merges of "model"; false when memory is short. */
static bool fill_model(ph_json *model, const ph_vocab *v)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_json *vocab = ph_json_object_new();
    ph_json *merges = ph_json_array_new();
    bool ok = true;
    for (uint32_t id = 0; id < v->n_tokens && ok; id++) {
        if (!v->tokens[id].in_model)
            continue;
        ph_buf_clear(&text);
        ok = ph_alphabet_encode(&text, v->tokens[id].text) &&
             ph_json_set(vocab, text.data, ph_json_int_new(id));
    }
    for (uint32_t i = 0; i < v->n_merges && ok; i++) {
        ph_buf_clear(&text);
        ok = ph_vocab_spell_merge(&text, v, i) &&
             ph_json_push(merges, ph_json_str_new((ph_str){text.data, text.len}));
    }
    ok = ph_json_set(model, "vocab", vocab) && ok;
    ok = ph_json_set(model, "merges", merges) && ok;
    ph_buf_free(&text);
    return ok;
}

phial_status ph_vocab_write_json(ph_buf *out, const ph_vocab *v, phial_error *err)
{
    ph_json *root = ph_json_object_new();
    ph_json *model = ph_json_object_new();
    bool ok = ph_json_set(model, "type", ph_json_str_new(ph_str_from("BPE")));
    ok = ph_json_set(model, "dropout", ph_json_null_new()) && ok;
    ok = ph_json_set(model, "unk_token", ph_json_null_new()) && ok;
    ok = ph_json_set(model, "continuing_subword_prefix", ph_json_str_new(ph_str_from(""))) && ok;
    ok = ph_json_set(model, "end_of_word_suffix", ph_json_str_new(ph_str_from(""))) && ok;
    ok = ph_json_set(model, "fuse_unk", ph_json_bool_new(false)) && ok;
    ok = ok && fill_model(model, v);
    ok = ph_json_set(root, "version", ph_json_str_new(ph_str_from("1.0"))) && ok;
    ok = ph_json_set(root, "truncation", ph_json_null_new()) && ok;
    ok = ph_json_set(root, "padding", ph_json_null_new()) && ok;
    ok = ph_json_set(root, "added_tokens", added_list(v)) && ok;
    ok = ph_json_set(root, "normalizer", ph_json_null_new()) && ok;
    ok = ph_json_set(root, "pre_tokenizer", byte_level()) && ok;
    ok = ph_json_set(root, "post_processor", byte_level()) && ok;
    ok = ph_json_set(root, "decoder", byte_level()) && ok;
    ok = ph_json_set(root, "model", model) && ok;
    phial_status st = ok ? ph_json_write(out, root, 2, err)
                         : ph_err_set(err, PHIAL_ERR_NO_MEMORY, "tokenizer.json: out of memory");
    ph_json_free(root);
    return st;
}
