/* tokenizer.json, the file of the official `tokenizers` package: its BPE models with the ByteLevel
 * pre-tokenizer and nothing else that would change text (and its WordPiece models, which
 * vocab_wordpiece.c reads). Everything the file asks for is either
 * done or named in a PHIAL_ERR_UNSUPPORTED; "truncation" and "padding" are settings of batches, not
 * of the tokenizer, and play no part.
 *
 * Source: huggingface/tokenizers, the Deserialize implementations of its parts.
 */
#include "tok/vocab.h"

#include "tok/vocab_parts.h"

/* The "type" of a part, for messages. */
static ph_str type_of(const ph_json *part)
{
    ph_str s;
    return ph_json_str(ph_json_get(part, "type"), &s) ? s : ph_str_from("without a type");
}

static bool absent(const ph_json *v)
{
    return v == NULL || ph_json_is_null(v);
}

/* value is absent, null, or exactly want. */
static bool is_or_absent(const ph_json *object, const char *key, bool want)
{
    const ph_json *v = ph_json_get(object, key);
    bool b;
    return absent(v) || (ph_json_bool(v, &b) && b == want);
}

static bool empty_or_absent(const ph_json *object, const char *key)
{
    const ph_json *v = ph_json_get(object, key);
    ph_str s;
    return absent(v) || (ph_json_str(v, &s) && s.n == 0);
}

static phial_status not_supported(phial_error *err, const char *what, ph_str type)
{
    return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "%s '%.*s' is not supported", what,
                      PH_STR_ARG(type));
}

static phial_status wants(phial_error *err, const char *what, const char *type, const ph_json *got)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"%s\" must be %s, not %s", what, type,
                      ph_json_type_name(got));
}

static phial_status check_pipeline(const ph_json *root, phial_error *err)
{
    const ph_json *part = ph_json_get(root, "normalizer");
    if (!absent(part))
        return not_supported(err, "normalizer", type_of(part));
    part = ph_json_get(root, "pre_tokenizer");
    if (absent(part))
        return not_supported(err, "pre_tokenizer", ph_str_from("null"));
    if (!ph_str_eq_c(type_of(part), "ByteLevel"))
        return not_supported(err, "pre_tokenizer", type_of(part));
    bool prefix;
    if (!ph_json_bool(ph_json_get(part, "add_prefix_space"), &prefix))
        return wants(err, "pre_tokenizer.add_prefix_space", "true or false",
                     ph_json_get(part, "add_prefix_space"));
    if (prefix)
        return not_supported(err, "pre_tokenizer",
                             ph_str_from("ByteLevel with add_prefix_space true"));
    if (!is_or_absent(part, "use_regex", true))
        return not_supported(err, "pre_tokenizer", ph_str_from("ByteLevel with use_regex false"));
    part = ph_json_get(root, "post_processor");
    if (!absent(part) && !ph_str_eq_c(type_of(part), "ByteLevel"))
        return not_supported(err, "post_processor", type_of(part));
    part = ph_json_get(root, "decoder");
    if (absent(part))
        return not_supported(err, "decoder", ph_str_from("null"));
    if (!ph_str_eq_c(type_of(part), "ByteLevel"))
        return not_supported(err, "decoder", type_of(part));
    return PHIAL_OK;
}

static phial_status check_model(const ph_json *model, phial_error *err)
{
    if (!ph_json_is_object(model))
        return wants(err, "model", "an object", model);
    /* Files of before 2021 have no type; a list of merges tells. */
    if (ph_json_get(model, "type") == NULL ? ph_json_get(model, "merges") == NULL
                                           : !ph_str_eq_c(type_of(model), "BPE"))
        return not_supported(err, "model", type_of(model));
    const ph_json *dropout = ph_json_get(model, "dropout");
    double d;
    if (!absent(dropout) && !(ph_json_f64(dropout, &d) && d == 0))
        return not_supported(err, "model", ph_str_from("BPE with dropout"));
    if (!empty_or_absent(model, "continuing_subword_prefix"))
        return not_supported(err, "model", ph_str_from("BPE with continuing_subword_prefix"));
    if (!empty_or_absent(model, "end_of_word_suffix"))
        return not_supported(err, "model", ph_str_from("BPE with end_of_word_suffix"));
    if (!is_or_absent(model, "byte_fallback", false))
        return not_supported(err, "model", ph_str_from("BPE with byte_fallback"));
    if (!is_or_absent(model, "ignore_merges", false))
        return not_supported(err, "model", ph_str_from("BPE with ignore_merges"));
    return PHIAL_OK;
}

phial_status ph_vocab_json_tokens(ph_vocab *v, const ph_json *object, phial_error *err)
{
    for (void *it = ph_json_first(object); it != NULL; it = ph_json_next(object, it)) {
        ph_str key = ph_json_key(it);
        int64_t id;
        if (!ph_json_int(ph_json_value(it), &id))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the id of token '%.*s' is %s, no integer",
                              PH_STR_ARG(key), ph_json_type_name(ph_json_value(it)));
        if (id < 0)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the id of token '%.*s' is negative",
                              PH_STR_ARG(key));
        phial_status st = ph_vocab_add_model(v, (uint64_t)id, key, err);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

static phial_status read_merges(ph_vocab *v, const ph_json *merges, phial_error *err)
{
    size_t n = ph_json_count(merges);
    for (size_t i = 0; i < n; i++) {
        const ph_json *m = ph_json_at(merges, i);
        ph_str left, right;
        phial_status st;
        if (ph_json_str(m, &left))
            st = ph_vocab_add_merge_line(v, left, err);
        else if (ph_json_is_array(m) && ph_json_count(m) == 2 &&
                 ph_json_str(ph_json_at(m, 0), &left) && ph_json_str(ph_json_at(m, 1), &right))
            st = ph_vocab_add_merge(v, left, right, err);
        else
            st = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                            "merge %zu is neither a string nor two strings", i);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

static phial_status read_flag(bool *out, const ph_json *token, const char *key, bool fallback,
                              ph_str content, phial_error *err)
{
    const ph_json *value = ph_json_get(token, key);
    *out = fallback;
    if (value != NULL && !ph_json_bool(value, out))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "added token '%.*s': \"%s\" must be true or false, not %s",
                          PH_STR_ARG(content), key, ph_json_type_name(value));
    return PHIAL_OK;
}

phial_status ph_vocab_json_added(ph_vocab *v, const ph_json *token, int64_t id, phial_error *err)
{
    ph_str content;
    if (!ph_json_str(ph_json_get(token, "content"), &content))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "an added token has no \"content\" string");
    if (id < 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "added token '%.*s' has no valid id",
                          PH_STR_ARG(content));
    static const char *const unsupported[] = {"single_word", "lstrip", "rstrip"};
    bool flag, special, normalized;
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        phial_status st = read_flag(&flag, token, unsupported[i], false, content, err);
        if (st != PHIAL_OK)
            return st;
        if (flag)
            return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                              "added token '%.*s' with \"%s\" is not supported",
                              PH_STR_ARG(content), unsupported[i]);
    }
    phial_status st = read_flag(&special, token, "special", false, content, err);
    if (st == PHIAL_OK)
        st = read_flag(&normalized, token, "normalized", !special, content, err);
    if (st != PHIAL_OK)
        return st;
    return ph_vocab_add_added(v, (uint64_t)id, content, special ? PH_TOKEN_CONTROL : PH_TOKEN_USER,
                              normalized, err);
}

static phial_status read_added(ph_vocab *v, const ph_json *list, phial_error *err)
{
    if (absent(list))
        return PHIAL_OK;
    if (!ph_json_is_array(list))
        return wants(err, "added_tokens", "an array", list);
    size_t n = ph_json_count(list);
    for (size_t i = 0; i < n; i++) {
        const ph_json *token = ph_json_at(list, i);
        int64_t id = -1;
        if (!ph_json_is_object(token))
            return wants(err, "added_tokens[]", "an object", token);
        if (!ph_json_int(ph_json_get(token, "id"), &id))
            id = -1;
        phial_status st = ph_vocab_json_added(v, token, id, err);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

phial_status ph_vocab_read_json(ph_vocab *v, const char *text, size_t n, const char *name,
                                phial_error *err)
{
    phial_status st = PHIAL_ERR_BAD_INPUT;
    ph_json *root = ph_json_parse(text, n, err);
    if (root == NULL) {
        st = err != NULL ? err->status : PHIAL_ERR_BAD_INPUT;
        goto done;
    }
    const ph_json *model = ph_json_get(root, "model");
    const ph_json *vocab = ph_json_get(model, "vocab");
    const ph_json *merges = ph_json_get(model, "merges");
    if (!ph_json_is_object(root)) {
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the file must be a JSON object, not %s",
                        ph_json_type_name(root));
        goto done;
    }
    if (ph_str_eq_c(type_of(model), "WordPiece")) {
        st = ph_vocab_json_wordpiece(v, root, err);
        if (st == PHIAL_OK)
            st = read_added(v, ph_json_get(root, "added_tokens"), err);
        goto done;
    }
    st = check_model(model, err);
    if (st == PHIAL_OK)
        st = check_pipeline(root, err);
    if (st == PHIAL_OK && !ph_json_is_object(vocab))
        st = wants(err, "model.vocab", "an object", vocab);
    if (st == PHIAL_OK && !ph_json_is_array(merges))
        st = wants(err, "model.merges", "an array", merges);
    if (st == PHIAL_OK)
        st = ph_vocab_reserve(v, ph_json_count(vocab), ph_json_count(merges), err);
    if (st == PHIAL_OK)
        st = ph_vocab_json_tokens(v, vocab, err);
    if (st == PHIAL_OK)
        st = read_merges(v, merges, err);
    if (st == PHIAL_OK)
        st = read_added(v, ph_json_get(root, "added_tokens"), err);

done:
    ph_json_free(root);
    return st == PHIAL_OK ? st : ph_err_context(err, st, "%s", name);
}
