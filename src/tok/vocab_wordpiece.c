/* WordPiece vocabularies: vocab.txt with tokenizer_config.json, the parts of a tokenizer.json, and
 * the keys of a GGUF file.
 *
 * The forms differ in the sign of a piece that continues a word: "##ing" in vocab.txt and
 * tokenizer.json; in GGUF the others carry the sign, U+2581 in front, and what stands in brackets
 * has none. llama.cpp's files do not say whether letters are lower-cased: its reader always does,
 * and so does this one, unless keys of ours (docs/FORMATS.md) say otherwise.
 * Source: google-research/bert; huggingface/tokenizers, WordPiece, BertNormalizer, BertPreTokenizer
 * and both post-processors; llama.cpp's convert_hf_to_gguf.py and llama-vocab.cpp.
 */
#include "tok/vocab.h"

#include <inttypes.h>

#define CONTINUES "##"
#define BEGINS    "\xE2\x96\x81" /* U+2581 */

static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
#define N_SPECIALS (sizeof specials / sizeof specials[0])

static const ph_wordpiece_rules usual = {
    .clean = true, .cjk = true, .strip = true, .lower = true, .max_chars = 100};

static bool absent(const ph_json *v)
{
    return v == NULL || ph_json_is_null(v);
}

/* An absent key leaves *out alone. */
static phial_status read_bool(const ph_json *object, const char *key, bool *out, phial_error *err)
{
    const ph_json *v = ph_json_get(object, key);
    if (absent(v) || ph_json_bool(v, out))
        return PHIAL_OK;
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"%s\" must be true or false, not %s", key,
                      ph_json_type_name(v));
}

static ph_str type_of(const ph_json *part)
{
    ph_str s;
    return ph_json_str(ph_json_get(part, "type"), &s) ? s : ph_str_from("without a type");
}

static phial_status not_supported(phial_error *err, const char *what, ph_str type)
{
    return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "%s '%.*s' of a WordPiece model is not supported",
                      what, PH_STR_ARG(type));
}

/* As vocab.txt and tokenizer.json spell it. */
static phial_status add_spelled(ph_vocab *v, uint64_t id, ph_str spelled, phial_error *err)
{
    size_t n = strlen(CONTINUES);
    if (spelled.n > n && ph_str_starts_with(spelled, CONTINUES))
        return ph_vocab_add_piece(v, id, (ph_str){spelled.p + n, spelled.n - n}, true, err);
    return ph_vocab_add_piece(v, id, spelled, false, err);
}

/* The piece with this spelling, special or not. */
static uint32_t find_spelled(const ph_vocab *v, ph_str spelled)
{
    uint32_t id = ph_vocab_find_added(v, spelled);
    char text[64] = " ";
    if (id != PHIAL_TOKEN_NONE || spelled.n + 1 > sizeof text)
        return id;
    memcpy(text + 1, spelled.p, spelled.n);
    return ph_vocab_find(v, (ph_str){text, spelled.n + 1});
}

static phial_status role(uint32_t *out, const ph_vocab *v, ph_str text, const char *what,
                         phial_error *err)
{
    *out = find_spelled(v, text);
    if (*out != PHIAL_TOKEN_NONE)
        return PHIAL_OK;
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s '%.*s' is no token", what, PH_STR_ARG(text));
}

/* --- vocab.txt -------------------------------------------------------------------------------- */

static phial_status read_lines(ph_vocab *v, ph_str text, phial_error *err)
{
    uint64_t id = 0;
    for (size_t i = 0; i < text.n; id++) {
        const char *p = text.p + i;
        const char *newline = memchr(p, '\n', text.n - i);
        size_t n = newline != NULL ? (size_t)(newline - p) : text.n - i;
        i += n + (newline != NULL);
        if (n > 0 && p[n - 1] == '\r')
            n--;
        phial_status st = add_spelled(v, id, (ph_str){p, n}, err);
        if (st != PHIAL_OK)
            return ph_err_context(err, st, "line %" PRIu64, id + 1);
    }
    return PHIAL_OK;
}

/* What tokenizer_config.json calls a token with a role, or its usual name. */
static ph_str role_name(const ph_json *config, const char *key, const char *usual_name)
{
    ph_str s;
    const ph_json *v = ph_json_get(config, key);
    if (ph_json_str(v, &s) || ph_json_str(ph_json_get(v, "content"), &s))
        return s;
    return ph_str_from(usual_name);
}

static phial_status read_config(ph_vocab *v, const ph_json *config, phial_error *err)
{
    phial_status st = read_bool(config, "do_lower_case", &v->rules.lower, err);
    v->rules.strip = v->rules.lower;
    if (st == PHIAL_OK)
        st = read_bool(config, "strip_accents", &v->rules.strip, err);
    if (st == PHIAL_OK)
        st = read_bool(config, "tokenize_chinese_chars", &v->rules.cjk, err);
    static const char *const keys[] = {"pad_token", "unk_token", "cls_token", "sep_token",
                                       "mask_token"};
    uint32_t ids[N_SPECIALS];
    for (size_t i = 0; i < N_SPECIALS && st == PHIAL_OK; i++) {
        ph_str name = role_name(config, keys[i], specials[i]);
        ids[i] = find_spelled(v, name);
        if (ids[i] != PHIAL_TOKEN_NONE)
            st = ph_vocab_add_added(v, ids[i], name, PH_TOKEN_CONTROL, false, err);
    }
    if (st == PHIAL_OK) {
        v->unk = ids[1];
        v->bos = ids[2];
        v->eos = ids[3];
    }
    return st;
}

phial_status ph_vocab_read_pieces(ph_vocab *v, ph_str vocab, ph_str config_text, const char *name,
                                  phial_error *err)
{
    ph_json *config = NULL;
    v->kind = PH_VOCAB_WORDPIECE;
    v->rules = usual;
    v->add_bos = true;
    phial_status st = PHIAL_OK;
    if (config_text.p != NULL) {
        config = ph_json_parse(config_text.p, config_text.n, err);
        st = config == NULL ? ph_err_context(err, PHIAL_ERR_BAD_INPUT, "tokenizer_config.json")
                            : PHIAL_OK;
    }
    if (st == PHIAL_OK)
        st = read_lines(v, vocab, err);
    if (st == PHIAL_OK)
        st = read_config(v, config, err);
    ph_json_free(config);
    return st == PHIAL_OK ? st : ph_err_context(err, st, "%s", name);
}

/* --- tokenizer.json --------------------------------------------------------------------------- */

static phial_status read_normalizer(ph_vocab *v, const ph_json *part, phial_error *err)
{
    if (absent(part) || !ph_str_eq_c(type_of(part), "BertNormalizer"))
        return not_supported(err, "normalizer", type_of(part));
    phial_status st = read_bool(part, "clean_text", &v->rules.clean, err);
    if (st == PHIAL_OK)
        st = read_bool(part, "handle_chinese_chars", &v->rules.cjk, err);
    if (st == PHIAL_OK)
        st = read_bool(part, "lowercase", &v->rules.lower, err);
    v->rules.strip = v->rules.lower;
    return st == PHIAL_OK ? read_bool(part, "strip_accents", &v->rules.strip, err) : st;
}

/* The template must be what BERT's is: one token, the text, one token. */
static phial_status read_template(ph_vocab *v, const ph_json *part, phial_error *err)
{
    const ph_json *single = ph_json_get(part, "single");
    ph_str first, last;
    bool plain =
        ph_json_count(single) == 3 && ph_json_get(ph_json_at(single, 1), "Sequence") != NULL &&
        ph_json_str(ph_json_get(ph_json_get(ph_json_at(single, 0), "SpecialToken"), "id"),
                    &first) &&
        ph_json_str(ph_json_get(ph_json_get(ph_json_at(single, 2), "SpecialToken"), "id"), &last);
    if (!plain)
        return not_supported(err, "post_processor",
                             ph_str_from("TemplateProcessing, other than one token, text, one"));
    phial_status st = role(&v->bos, v, first, "the post-processor's first token", err);
    return st == PHIAL_OK ? role(&v->eos, v, last, "the post-processor's last token", err) : st;
}

static phial_status read_ends(ph_vocab *v, const ph_json *part, phial_error *err)
{
    ph_str cls = ph_str_from("[CLS]"), sep = ph_str_from("[SEP]");
    if (ph_str_eq_c(type_of(part), "TemplateProcessing"))
        return read_template(v, part, err);
    if (!absent(part) && !ph_str_eq_c(type_of(part), "BertProcessing"))
        return not_supported(err, "post_processor", type_of(part));
    ph_json_str(ph_json_at(ph_json_get(part, "cls"), 0), &cls);
    ph_json_str(ph_json_at(ph_json_get(part, "sep"), 0), &sep);
    phial_status st = role(&v->bos, v, cls, "the first token", err);
    return st == PHIAL_OK ? role(&v->eos, v, sep, "the last token", err) : st;
}

static phial_status read_model(ph_vocab *v, const ph_json *model, phial_error *err)
{
    const ph_json *vocab = ph_json_get(model, "vocab");
    const ph_json *max = ph_json_get(model, "max_input_chars_per_word");
    ph_str prefix;
    int64_t chars = v->rules.max_chars;
    if (!ph_json_str(ph_json_get(model, "continuing_subword_prefix"), &prefix) ||
        !ph_str_eq_c(prefix, CONTINUES))
        return not_supported(err, "continuing_subword_prefix", ph_str_from("other than ##"));
    if (!absent(max) && !ph_json_int(max, &chars))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "\"max_input_chars_per_word\" must be a whole number, not %s",
                          ph_json_type_name(max));
    if (chars < 1 || chars > PH_WORDPIECE_CHARS_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT,
                          "\"max_input_chars_per_word\" is %" PRId64 "; 1 to %d are possible",
                          chars, PH_WORDPIECE_CHARS_MAX);
    v->rules.max_chars = (uint32_t)chars;
    if (!ph_json_is_object(vocab))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"model.vocab\" must be an object, not %s",
                          ph_json_type_name(vocab));
    phial_status st = ph_vocab_reserve(v, ph_json_count(vocab), 0, err);
    for (void *it = ph_json_first(vocab); it != NULL && st == PHIAL_OK;
         it = ph_json_next(vocab, it)) {
        int64_t id;
        if (!ph_json_int(ph_json_value(it), &id) || id < 0)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the id of token '%.*s' is no number",
                              PH_STR_ARG(ph_json_key(it)));
        st = add_spelled(v, (uint64_t)id, ph_json_key(it), err);
    }
    return st;
}

phial_status ph_vocab_json_wordpiece(ph_vocab *v, const ph_json *root, phial_error *err)
{
    const ph_json *model = ph_json_get(root, "model"), *pre = ph_json_get(root, "pre_tokenizer");
    ph_str unk = ph_str_from("[UNK]");
    v->kind = PH_VOCAB_WORDPIECE;
    v->rules = usual;
    v->add_bos = true;
    phial_status st = read_normalizer(v, ph_json_get(root, "normalizer"), err);
    if (st == PHIAL_OK && (absent(pre) || !ph_str_eq_c(type_of(pre), "BertPreTokenizer")))
        st = not_supported(err, "pre_tokenizer", type_of(pre));
    if (st == PHIAL_OK)
        st = read_model(v, model, err);
    ph_json_str(ph_json_get(model, "unk_token"), &unk);
    if (st == PHIAL_OK)
        st = role(&v->unk, v, unk, "the unknown token", err);
    return st == PHIAL_OK ? read_ends(v, ph_json_get(root, "post_processor"), err) : st;
}

/* --- GGUF ------------------------------------------------------------------------------------- */

static bool in_brackets(ph_str s)
{
    return s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
}

static phial_status add_gguf(ph_vocab *v, uint32_t id, ph_str text, int64_t type, phial_error *err)
{
    size_t n = strlen(BEGINS);
    if (type == PH_TOKEN_UNUSED || text.n == 0)
        return PHIAL_OK;
    if (text.n > n && ph_str_starts_with(text, BEGINS))
        return ph_vocab_add_piece(v, id, (ph_str){text.p + n, text.n - n}, false, err);
    if (!in_brackets(text))
        return ph_vocab_add_piece(v, id, text, true, err);
    phial_status st = ph_vocab_add_piece(v, id, text, false, err);
    bool special = type == PH_TOKEN_CONTROL;
    for (size_t i = 0; i < N_SPECIALS; i++)
        special = special || ph_str_eq_c(text, specials[i]);
    if (st == PHIAL_OK && special)
        st = ph_vocab_add_added(v, id, text, PH_TOKEN_CONTROL, false, err);
    return st;
}

static phial_status read_gguf_tokens(ph_vocab *v, const ph_gguf *g, phial_error *err)
{
    const ph_gguf_kv *tokens = ph_gguf_find(g, "tokenizer.ggml.tokens");
    const ph_gguf_kv *types = ph_gguf_find(g, "tokenizer.ggml.token_type");
    if (tokens == NULL || tokens->type != PH_GGUF_ARRAY || tokens->elem_type != PH_GGUF_STRING)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "'tokenizer.ggml.tokens' is missing or no array of strings");
    phial_status st = ph_vocab_reserve(v, (size_t)tokens->count, 0, err);
    if (st == PHIAL_OK)
        st = ph_vocab_extend(v, tokens->count, err);
    size_t cursor = 0;
    ph_str text;
    for (uint32_t id = 0; st == PHIAL_OK && ph_gguf_array_next_str(tokens, &cursor, &text); id++) {
        int64_t type = PH_TOKEN_NORMAL;
        if (types != NULL && !ph_gguf_array_i64(types, id, &type))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "'tokenizer.ggml.token_type' is no array of integers, one a token");
        st = add_gguf(v, id, text, type, err);
    }
    return st;
}

static phial_status read_gguf_role(uint32_t *out, const ph_vocab *v, const ph_gguf *g,
                                   const char *key, const char *usual_name, phial_error *err)
{
    uint64_t id;
    const ph_gguf_kv *kv = ph_gguf_find(g, key);
    if (kv == NULL) {
        *out = find_spelled(v, ph_str_from(usual_name));
        return PHIAL_OK;
    }
    if (!ph_gguf_u64(kv, &id) || id >= v->n_tokens)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'%s' is no id below %" PRIu32, key,
                          v->n_tokens);
    *out = (uint32_t)id;
    return PHIAL_OK;
}

phial_status ph_vocab_gguf_wordpiece(ph_vocab *v, const ph_gguf *g, phial_error *err)
{
    v->kind = PH_VOCAB_WORDPIECE;
    v->rules = usual;
    v->add_bos = true;
    ph_gguf_bool(ph_gguf_find(g, "phial.wordpiece.lowercase"), &v->rules.lower);
    v->rules.strip = v->rules.lower;
    ph_gguf_bool(ph_gguf_find(g, "phial.wordpiece.strip_accents"), &v->rules.strip);
    ph_gguf_bool(ph_gguf_find(g, "phial.wordpiece.split_ideographs"), &v->rules.cjk);
    phial_status st = read_gguf_tokens(v, g, err);
    if (st == PHIAL_OK)
        st = read_gguf_role(&v->unk, v, g, "tokenizer.ggml.unknown_token_id", "[UNK]", err);
    if (st == PHIAL_OK)
        st = read_gguf_role(&v->bos, v, g, "tokenizer.ggml.cls_token_id", "[CLS]", err);
    /* The key's name is misspelled in llama.cpp's files. */
    if (st == PHIAL_OK)
        st = read_gguf_role(&v->eos, v, g, "tokenizer.ggml.seperator_token_id", "[SEP]", err);
    return st;
}
