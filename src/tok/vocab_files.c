/* vocab.json, merges.txt, added_tokens.json and the two small files that name special tokens, as
 * GPT-2 and CodeGen were published.
 *
 * added_tokens.json has ids but does not say which tokens are special. tokenizer_config.json does
 * ("added_tokens_decoder"); otherwise those with a role (bos, eos, unk, pad, ...) are.
 */
#include "tok/vocab.h"

#include "tok/vocab_parts.h"

static const char *const role_keys[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
#define N_ROLES     (sizeof role_keys / sizeof role_keys[0])
#define END_OF_TEXT "<|endoftext|>"

/* *out stays NULL for a text that is not there; another root than an object is an error. */
static phial_status parse_object(ph_json **out, ph_str text, const char *what, phial_error *err)
{
    *out = NULL;
    if (text.p == NULL)
        return PHIAL_OK;
    ph_json *root = ph_json_parse(text.p, text.n, err);
    if (root == NULL)
        return ph_err_context(err, PHIAL_ERR_BAD_INPUT, "%s", what);
    if (!ph_json_is_object(root)) {
        phial_status st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: must be an object, not %s",
                                     what, ph_json_type_name(root));
        ph_json_free(root);
        return st;
    }
    *out = root;
    return PHIAL_OK;
}

/* A role is a string, or an object with the string as "content". */
static bool role_text(ph_str *out, const ph_json *object, const char *key)
{
    const ph_json *v = ph_json_get(object, key);
    return ph_json_str(v, out) || ph_json_str(ph_json_get(v, "content"), out);
}

static uint32_t find_any(const ph_vocab *v, ph_str literal)
{
    uint32_t id = ph_vocab_find_added(v, literal);
    return id != PHIAL_TOKEN_NONE ? id : ph_vocab_find(v, literal);
}

static uint32_t role_id(const ph_vocab *v, const ph_json *config, const ph_json *special,
                        const char *key)
{
    ph_str text;
    if (role_text(&text, config, key) || role_text(&text, special, key))
        return find_any(v, text);
    return PHIAL_TOKEN_NONE;
}

phial_status ph_vocab_read_roles(ph_vocab *v, ph_str config_text, ph_str special_text,
                                 const char *name, phial_error *err)
{
    ph_json *config = NULL;
    ph_json *special = NULL;
    phial_status st = parse_object(&config, config_text, "tokenizer_config.json", err);
    if (st == PHIAL_OK)
        st = parse_object(&special, special_text, "special_tokens_map.json", err);
    if (st != PHIAL_OK)
        goto done;
    v->bos = role_id(v, config, special, "bos_token");
    v->eos = role_id(v, config, special, "eos_token");
    v->unk = role_id(v, config, special, "unk_token");
    if (v->eos == PHIAL_TOKEN_NONE) {
        v->eos = ph_vocab_find_added(v, ph_str_from(END_OF_TEXT));
        v->bos = v->bos == PHIAL_TOKEN_NONE ? v->eos : v->bos;
        v->unk = v->unk == PHIAL_TOKEN_NONE ? v->eos : v->unk;
    }
    bool add_bos = false;
    ph_json_bool(ph_json_get(config, "add_bos_token"), &add_bos);
    v->add_bos = add_bos && v->bos != PHIAL_TOKEN_NONE;

done:
    ph_json_free(special);
    ph_json_free(config);
    return st == PHIAL_OK ? st : ph_err_context(err, st, "%s", name);
}

static phial_status read_merges(ph_vocab *v, ph_str text, phial_error *err)
{
    static const char version[] = "#version";
    size_t line_number = 0;
    for (size_t i = 0; i < text.n;) {
        const char *p = text.p + i;
        const char *newline = memchr(p, '\n', text.n - i);
        size_t n = newline != NULL ? (size_t)(newline - p) : text.n - i;
        i += n + (newline != NULL);
        line_number++;
        if (n > 0 && p[n - 1] == '\r')
            n--;
        if (line_number == 1 && ph_str_starts_with((ph_str){p, n}, version))
            continue;
        if (n == 0 && i == text.n)
            break;
        phial_status st = ph_vocab_add_merge_line(v, (ph_str){p, n}, err);
        if (st != PHIAL_OK)
            return ph_err_context(err, st, "merges.txt: line %zu", line_number);
    }
    return PHIAL_OK;
}

/* Whether a role names this token. */
static bool has_role(const ph_json *config, const ph_json *special, ph_str text)
{
    for (size_t i = 0; i < N_ROLES; i++) {
        ph_str role;
        if ((role_text(&role, config, role_keys[i]) && ph_str_eq(role, text)) ||
            (role_text(&role, special, role_keys[i]) && ph_str_eq(role, text)))
            return true;
    }
    return ph_str_eq_c(text, END_OF_TEXT);
}

static phial_status add_from_decoder(ph_vocab *v, const ph_json *decoder, phial_error *err)
{
    if (decoder != NULL && !ph_json_is_object(decoder))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"added_tokens_decoder\" must be an object");
    for (void *it = ph_json_first(decoder); it != NULL; it = ph_json_next(decoder, it)) {
        ph_str key = ph_json_key(it);
        int64_t id;
        if (!ph_str_parse_i64(key, &id) || !ph_json_is_object(ph_json_value(it)))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "\"added_tokens_decoder\": '%.*s' is no id with a token",
                              PH_STR_ARG(key));
        phial_status st = ph_vocab_json_added(v, ph_json_value(it), id, err);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

static phial_status add_from_file(ph_vocab *v, const ph_json *added, const ph_json *config,
                                  const ph_json *special, phial_error *err)
{
    for (void *it = ph_json_first(added); it != NULL; it = ph_json_next(added, it)) {
        ph_str text = ph_json_key(it);
        int64_t id;
        if (!ph_json_int(ph_json_value(it), &id) || id < 0)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "token '%.*s' has no valid id",
                              PH_STR_ARG(text));
        const ph_vocab_token *there = id < v->n_tokens ? &v->tokens[id] : NULL;
        if (there != NULL && (there->type == PH_TOKEN_CONTROL || there->type == PH_TOKEN_USER) &&
            ph_str_eq(there->text, text))
            continue;
        bool is_special = has_role(config, special, text);
        phial_status st = ph_vocab_add_added(
            v, (uint64_t)id, text, is_special ? PH_TOKEN_CONTROL : PH_TOKEN_USER, !is_special, err);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

/* Tokens with a role are special also when they stand in vocab.json only, as GPT-2's does. */
static phial_status mark_roles(ph_vocab *v, const ph_json *config, const ph_json *special,
                               phial_error *err)
{
    for (size_t i = 0; i <= N_ROLES; i++) {
        ph_str text = ph_str_from(END_OF_TEXT);
        if (i < N_ROLES && !role_text(&text, config, role_keys[i]) &&
            !role_text(&text, special, role_keys[i]))
            continue;
        uint32_t id = ph_vocab_find(v, text);
        if (id == PHIAL_TOKEN_NONE || v->tokens[id].type != PH_TOKEN_NORMAL)
            continue;
        phial_status st = ph_vocab_add_added(v, id, text, PH_TOKEN_CONTROL, false, err);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

phial_status ph_vocab_read_files(ph_vocab *v, const ph_vocab_files *f, const char *name,
                                 phial_error *err)
{
    ph_json *vocab = NULL, *added = NULL, *config = NULL, *special = NULL;
    phial_status st = parse_object(&vocab, f->vocab, "vocab.json", err);
    if (st == PHIAL_OK)
        st = parse_object(&added, f->added, "added_tokens.json", err);
    if (st == PHIAL_OK)
        st = parse_object(&config, f->config, "tokenizer_config.json", err);
    if (st == PHIAL_OK)
        st = parse_object(&special, f->special, "special_tokens_map.json", err);
    if (st != PHIAL_OK)
        goto done;
    st = ph_vocab_reserve(v, ph_json_count(vocab), 0, err);
    if (st == PHIAL_OK)
        st = ph_vocab_json_tokens(v, vocab, err);
    if (st != PHIAL_OK) {
        ph_err_context(err, st, "vocab.json");
        goto done;
    }
    st = read_merges(v, f->merges, err);
    if (st != PHIAL_OK)
        goto done;
    st = add_from_decoder(v, ph_json_get(config, "added_tokens_decoder"), err);
    if (st != PHIAL_OK) {
        ph_err_context(err, st, "tokenizer_config.json");
        goto done;
    }
    st = add_from_file(v, added, config, special, err);
    if (st != PHIAL_OK) {
        ph_err_context(err, st, "added_tokens.json");
        goto done;
    }
    st = mark_roles(v, config, special, err);

done:
    ph_json_free(special);
    ph_json_free(config);
    ph_json_free(added);
    ph_json_free(vocab);
    return st == PHIAL_OK ? st : ph_err_context(err, st, "%s", name);
}
