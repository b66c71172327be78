/* Byte-level BPE tokenizer files as tokenizer.ggml.* keys.
 *
 * Source of the form: llama.cpp's converter (gguf-py vocab): tokens by id in GPT-2's byte alphabet,
 * added tokens as plain text; types normal 1, control 3 (special), user-defined 4, unused 5; merges
 * as "left right". tokenizer.json is preferred to vocab.json + merges.txt + added_tokens.json, as
 * in transformers. Ids without a token are filled up with [PADn] of type unused.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/convert_plan.h"

enum { NORMAL = 1, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5 };

#define MAX_JSON   ((size_t)64 << 20)
#define MAX_MERGES (1u << 22)

static const char END_OF_TEXT[] = "<|endoftext|>";

typedef struct vocab {
    const char *dir;
    ph_json *tokenizer, *words, *added; /* owned: what the strings below are borrowed from */
    ph_buf merges_text;
    uint64_t n;
    ph_str *tokens; /* owned; [n], p NULL: none */
    int32_t *types; /* owned */
    ph_arena arena;
    ph_str *merges; /* owned */
    size_t n_merges;
    int64_t end_of_text; /* -1: none */
} vocab;

static phial_status bad(const vocab *v, const char *file, const char *what, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s/%s: %s", v->dir, file, what);
}

/* False in *found if there is no such file. */
static phial_status read_text(const vocab *v, const char *name, ph_buf *out, bool *found,
                              phial_error *err)
{
    char *path = ph_path_join(v->dir, name, err);
    if (!path)
        return PHIAL_ERR_NO_MEMORY;
    *found = ph_file_kind_of(path) == PH_FILE_REGULAR;
    phial_status status = *found ? ph_file_read_regular(out, path, MAX_JSON, err) : PHIAL_OK;
    ph_free(path);
    return status;
}

static phial_status read_json(const vocab *v, const char *name, ph_json **out, phial_error *err)
{
    ph_buf text;
    bool found = false;
    ph_buf_init(&text, 0);
    phial_status status = read_text(v, name, &text, &found, err);
    if (status == PHIAL_OK && found) {
        *out = ph_json_parse(text.data ? text.data : "", text.len, err);
        if (!*out)
            status = ph_err_context(err, PHIAL_ERR_BAD_INPUT, "%s/%s", v->dir, name);
    }
    ph_buf_free(&text);
    return status;
}

static phial_status set_token(vocab *v, const char *file, ph_str token, const ph_json *id_value,
                              int32_t type, phial_error *err)
{
    int64_t id;
    if (!ph_json_int(id_value, &id) || id < 0 || (uint64_t)id >= v->n)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s/%s: token '%.*s': its id is not one of the model's %llu rows", v->dir,
                          file, PH_STR_ARG(token), (unsigned long long)v->n);
    if (v->tokens[id].p && !ph_str_eq(v->tokens[id], token))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s/%s: id %lld belongs to '%.*s' and to '%.*s'", v->dir, file,
                          (long long)id, PH_STR_ARG(v->tokens[id]), PH_STR_ARG(token));
    v->tokens[id] = token;
    v->types[id] = type;
    if (ph_str_eq_c(token, END_OF_TEXT)) {
        v->end_of_text = id;
        v->types[id] = CONTROL;
    }
    return PHIAL_OK;
}

static phial_status set_words(vocab *v, const char *file, const ph_json *words, int32_t type,
                              phial_error *err)
{
    phial_status status = PHIAL_OK;
    if (!ph_json_is_object(words))
        return bad(v, file, "the vocabulary is not an object", err);
    for (void *it = ph_json_first(words); it && status == PHIAL_OK; it = ph_json_next(words, it))
        status = set_token(v, file, ph_json_key(it), ph_json_value(it), type, err);
    return status;
}

/* "left right", or ["left", "right"] of newer files. */
static phial_status set_merge(vocab *v, const ph_json *m, ph_str *out, phial_error *err)
{
    ph_str left, right;
    if (ph_json_str(m, out))
        return PHIAL_OK;
    if (ph_json_count(m) != 2 || !ph_json_str(ph_json_at(m, 0), &left) ||
        !ph_json_str(ph_json_at(m, 1), &right) || (left.n && memchr(left.p, ' ', left.n)) ||
        (right.n && memchr(right.p, ' ', right.n)))
        return bad(v, "tokenizer.json", "a merge is not a pair of words without blanks", err);
    char *text = ph_arena_alloc(&v->arena, left.n + right.n + 2, 1, err);
    if (!text)
        return PHIAL_ERR_NO_MEMORY;
    memcpy(text, left.p, left.n);
    text[left.n] = ' ';
    memcpy(text + left.n + 1, right.p, right.n);
    *out = (ph_str){text, left.n + right.n + 1};
    return PHIAL_OK;
}

static phial_status set_merges(vocab *v, const ph_json *merges, phial_error *err)
{
    size_t n = ph_json_count(merges);
    if (!ph_json_is_array(merges) || n > MAX_MERGES)
        return bad(v, "tokenizer.json", "'merges' is not an array of at most 2^22 pairs", err);
    v->merges = ph_alloc(n, sizeof *v->merges, err);
    if (!v->merges)
        return PHIAL_ERR_NO_MEMORY;
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < n && status == PHIAL_OK; i++)
        status = set_merge(v, ph_json_at(merges, i), &v->merges[i], err);
    v->n_merges = n;
    return status;
}

/* What tokenizer.ggml.pre "phi-2" means: GPT-2's pattern on bytes, and nothing else. */
static bool is_plain_byte_level(const ph_json *root)
{
    const ph_json *pre = ph_json_get(root, "pre_tokenizer");
    const ph_json *normalizer = ph_json_get(root, "normalizer");
    ph_str type;
    bool prefix = true, regex = true;
    ph_json_bool(ph_json_get(pre, "add_prefix_space"), &prefix);
    ph_json_bool(ph_json_get(pre, "use_regex"), &regex);
    return ph_json_str(ph_json_get(pre, "type"), &type) && ph_str_eq_c(type, "ByteLevel") &&
           !prefix && regex && (!normalizer || ph_json_is_null(normalizer));
}

static phial_status from_tokenizer_json(vocab *v, phial_error *err)
{
    static const char FILE_NAME[] = "tokenizer.json";
    const ph_json *model = ph_json_get(v->tokenizer, "model");
    const ph_json *added = ph_json_get(v->tokenizer, "added_tokens");
    ph_str type = {"BPE", 3};
    ph_json_str(ph_json_get(model, "type"), &type);
    if (!ph_str_eq_c(type, "BPE") || !is_plain_byte_level(v->tokenizer))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "%s/%s: not a byte-level BPE of GPT-2's kind, the only one converted",
                          v->dir, FILE_NAME);
    phial_status status = set_words(v, FILE_NAME, ph_json_get(model, "vocab"), NORMAL, err);
    if (status == PHIAL_OK)
        status = set_merges(v, ph_json_get(model, "merges"), err);
    for (size_t i = 0; i < ph_json_count(added) && status == PHIAL_OK; i++) {
        const ph_json *t = ph_json_at(added, i);
        ph_str content;
        bool special = false;
        ph_json_bool(ph_json_get(t, "special"), &special);
        if (!ph_json_str(ph_json_get(t, "content"), &content))
            return bad(v, FILE_NAME, "an added token has no content", err);
        status = set_token(v, FILE_NAME, content, ph_json_get(t, "id"),
                           special ? CONTROL : USER_DEFINED, err);
    }
    return status;
}

/* Lines "left right" behind an optional "#version" line. */
static phial_status set_merge_lines(vocab *v, phial_error *err)
{
    const char *p = v->merges_text.data ? v->merges_text.data : "";
    const char *end = p + v->merges_text.len;
    size_t n_lines = 1;
    for (const char *q = p; q < end; q++)
        n_lines += *q == '\n';
    if (n_lines > MAX_MERGES)
        return bad(v, "merges.txt", "more than 2^22 lines", err);
    v->merges = ph_alloc(n_lines, sizeof *v->merges, err);
    if (!v->merges)
        return PHIAL_ERR_NO_MEMORY;
    for (bool first = true; p < end; first = false) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        ph_str line = {p, (size_t)((stop ? stop : end) - p)};
        p = stop ? stop + 1 : end;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || (first && ph_str_starts_with(line, "#version")))
            continue;
        const char *blank = memchr(line.p, ' ', line.n);
        if (!blank || memchr(blank + 1, ' ', (size_t)(line.p + line.n - blank - 1)))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s/merges.txt: '%.*s' is not two words",
                              v->dir, PH_STR_ARG(line));
        v->merges[v->n_merges++] = line;
    }
    return PHIAL_OK;
}

static phial_status from_three_files(vocab *v, phial_error *err)
{
    bool found = false;
    phial_status status = read_text(v, "merges.txt", &v->merges_text, &found, err);
    if (status == PHIAL_OK && !found)
        status = bad(v, "merges.txt", "missing, though vocab.json is there", err);
    if (status == PHIAL_OK)
        status = set_words(v, "vocab.json", v->words, NORMAL, err);
    if (status == PHIAL_OK)
        status = set_merge_lines(v, err);
    if (status == PHIAL_OK)
        status = read_json(v, "added_tokens.json", &v->added, err);
    if (status == PHIAL_OK && v->added)
        status = set_words(v, "added_tokens.json", v->added, USER_DEFINED, err);
    return status;
}

static phial_status load(vocab *v, bool *found, phial_error *err)
{
    phial_status status = read_json(v, "tokenizer.json", &v->tokenizer, err);
    if (status == PHIAL_OK && !v->tokenizer)
        status = read_json(v, "vocab.json", &v->words, err);
    *found = v->tokenizer || v->words;
    if (status != PHIAL_OK || !*found)
        return status;
    v->tokens = ph_alloc((size_t)v->n, sizeof *v->tokens, err);
    v->types = v->tokens ? ph_alloc((size_t)v->n, sizeof *v->types, err) : NULL;
    if (!v->types)
        return PHIAL_ERR_NO_MEMORY;
    return v->tokenizer ? from_tokenizer_json(v, err) : from_three_files(v, err);
}

static void put(const vocab *v, ph_gguf_writer *w, int64_t eos)
{
    ph_gguf_put_str(w, "tokenizer.ggml.model", ph_str_from("gpt2"));
    ph_gguf_put_str(w, "tokenizer.ggml.pre", ph_str_from("phi-2"));
    ph_gguf_put_array(w, "tokenizer.ggml.tokens", PH_GGUF_STRING, v->n);
    for (uint64_t i = 0; i < v->n; i++) {
        char pad[32];
        int n = snprintf(pad, sizeof pad, "[PAD%llu]", (unsigned long long)i);
        ph_gguf_put_elem_str(w, v->tokens[i].p ? v->tokens[i] : (ph_str){pad, (size_t)n});
    }
    ph_gguf_put_array(w, "tokenizer.ggml.token_type", PH_GGUF_I32, v->n);
    for (uint64_t i = 0; i < v->n; i++)
        ph_gguf_put_elem_i32(w, v->tokens[i].p ? v->types[i] : UNUSED);
    ph_gguf_put_array(w, "tokenizer.ggml.merges", PH_GGUF_STRING, v->n_merges);
    for (size_t i = 0; i < v->n_merges; i++)
        ph_gguf_put_elem_str(w, v->merges[i]);
    if (v->end_of_text >= 0)
        eos = v->end_of_text;
    if (eos >= 0) {
        ph_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)eos);
        ph_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)eos);
        ph_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)eos);
    }
}

phial_status ph_convert_put_vocab(ph_gguf_writer *w, const char *dir, uint64_t n_vocab, int64_t eos,
                                  phial_error *err)
{
    vocab v = {.dir = dir, .n = n_vocab, .end_of_text = -1};
    bool found = false;
    ph_buf_init(&v.merges_text, 0);
    ph_arena_init(&v.arena, 0);
    phial_status status = load(&v, &found, err);
    if (status == PHIAL_OK && found) {
        put(&v, w, eos);
    } else if (status == PHIAL_OK) {
        ph_gguf_put_str(w, "tokenizer.ggml.model", ph_str_from("none"));
        if (eos >= 0)
            ph_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)eos);
    }
    if (status == PHIAL_OK)
        ph_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
    ph_arena_free(&v.arena);
    ph_buf_free(&v.merges_text);
    ph_free(v.merges);
    ph_free(v.types);
    ph_free(v.tokens);
    ph_json_free(v.added);
    ph_json_free(v.words);
    ph_json_free(v.tokenizer);
    return status;
}
