/* Contract in chat_save.h. A text is "text", or where it is no UTF-8 "text_hex", so that every
 * conversation comes back byte for byte. Infinite logit biases are the texts "inf" and "-inf". */
#include "cli/chat_save.h"

#include <math.h>

#include "base/file.h"
#include "base/utf8.h"

#define FORMAT_VERSION 1

/* --- writing --- */

static bool put(ph_json *object, const char *key, ph_json *value)
{
    return ph_json_set(object, key, value);
}

static bool put_text(ph_json *object, const char *key, const char *hex_key, phial_text text)
{
    if (ph_utf8_valid((const uint8_t *)text.p, text.n))
        return put(object, key, ph_json_str_new((ph_str){text.p, text.n}));
    ph_buf hex;
    ph_buf_init(&hex, 0);
    for (size_t i = 0; i < text.n; i++)
        ph_buf_addf(&hex, "%02x", (unsigned)(uint8_t)text.p[i]);
    bool ok = !hex.failed && put(object, hex_key, ph_json_str_new((ph_str){hex.data, hex.len}));
    ph_buf_free(&hex);
    return ok;
}

static bool put_optional(ph_json *object, const char *key, const char *hex_key, phial_text text)
{
    return !text.p || put_text(object, key, hex_key, text);
}

static ph_json *turns_json(const ph_chat *chat)
{
    ph_json *turns = ph_json_array_new();
    bool ok = turns != NULL;
    for (size_t i = 0; i < chat->n_turns && ok; i++) {
        const phial_turn *t = &chat->turns[i];
        const char *role = t->role == PHIAL_ROLE_USER ? "user" : "assistant";
        ph_json *turn = ph_json_object_new();
        ok = put(turn, "role", ph_json_str_new(ph_str_from(role))) &&
             put_text(turn, "text", "text_hex", t->text);
        ok = ph_json_push(turns, turn) && ok;
    }
    if (ok)
        return turns;
    ph_json_free(turns);
    return NULL;
}

static ph_json *sampling_json(const ph_gen_config *c)
{
    ph_json *sampling = ph_json_object_new();
    bool ok = sampling != NULL;
    for (size_t i = 0; ph_gen_number_name(i) && ok; i++) {
        if (c->given[i])
            ok = put(sampling, ph_gen_number_name(i), ph_json_f64_new(c->numbers[i]));
    }
    if (ok)
        return sampling;
    ph_json_free(sampling);
    return NULL;
}

static ph_json *texts_json(const phial_text *texts, size_t n)
{
    ph_json *list = ph_json_array_new();
    for (size_t i = 0; i < n; i++)
        ph_json_push(list, ph_json_str_new((ph_str){texts[i].p, texts[i].n}));
    return list;
}

static ph_json *biases_json(const ph_gen_config *c)
{
    ph_json *list = ph_json_array_new();
    for (size_t i = 0; i < c->n_bias; i++) {
        ph_json *pair = ph_json_array_new();
        double b = (double)c->bias[i].bias;
        ph_json_push(pair, ph_json_int_new(c->bias[i].id));
        ph_json_push(pair, isinf(b) ? ph_json_str_new(ph_str_from(b < 0 ? "-inf" : "inf"))
                                    : ph_json_f64_new(b));
        ph_json_push(list, pair);
    }
    return list;
}

static bool put_settings(ph_json *root, const ph_chat *chat)
{
    const ph_gen_config *c = &chat->config;
    const char *overflow = chat->overflow == PH_OVERFLOW_SHIFT ? "shift" : "stop";
    bool ok = put_optional(root, "system", "system_hex", c->system) &&
              put_optional(root, "in_prefix", "in_prefix_hex", c->in_prefix) &&
              put_optional(root, "in_suffix", "in_suffix_hex", c->in_suffix) &&
              put(root, "sampling", sampling_json(c)) &&
              put(root, "stop", texts_json(c->stop, c->n_stop)) &&
              put(root, "logit_bias", biases_json(c)) &&
              put(root, "seed", ph_json_int_new((int64_t)c->seed)) &&
              put(root, "n_drawn", ph_json_int_new((int64_t)chat->n_drawn)) &&
              put(root, "n", ph_json_int_new((int64_t)c->n_new)) &&
              put(root, "ignore_eos", ph_json_bool_new(c->ignore_eos)) &&
              put(root, "allow_all_ids", ph_json_bool_new(c->allow_all_ids)) &&
              put(root, "overflow", ph_json_str_new(ph_str_from(overflow))) &&
              put(root, "n_left_out", ph_json_int_new((int64_t)chat->first));
    if (ok && c->max_length != SIZE_MAX)
        ok = put(root, "max_length", ph_json_int_new((int64_t)c->max_length));
    if (ok && c->samplers)
        ok = put(root, "samplers", ph_json_str_new(ph_str_from(c->samplers)));
    if (ok && c->breakers_given)
        ok = put(root, "dry_breakers", texts_json(c->breakers, c->n_breakers));
    return ok;
}

static ph_json *chat_json(const ph_chat *chat, phial_error *err)
{
    char fingerprint[PHIAL_FINGERPRINT_BYTES];
    phial_preset_info info = {.size = sizeof info};
    if (phial_model_fingerprint(chat->gen.model, fingerprint, err) != PHIAL_OK ||
        phial_preset_get_info(chat->preset, &info, err) != PHIAL_OK)
        return NULL;
    ph_json *preset = ph_json_parse(info.json, strlen(info.json), err);
    ph_json *root = ph_json_object_new();
    bool ok = put(root, "phial_chat", ph_json_int_new(FORMAT_VERSION)) &&
              put(root, "model", ph_json_str_new(ph_str_from(chat->model_path))) &&
              put(root, "model_fingerprint", ph_json_str_new(ph_str_from(fingerprint))) &&
              put(root, "preset_name", ph_json_str_new(ph_str_from(info.name)));
    ok = put(root, "preset", preset) && ok && put_settings(root, chat) &&
         put(root, "turns", turns_json(chat));
    if (ok)
        return root;
    ph_json_free(root);
    ph_err_set(err, PHIAL_ERR_NO_MEMORY, "no memory to save the conversation");
    return NULL;
}

phial_status ph_chat_save(const ph_chat *chat, const char *path, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_writer *writer = NULL;
    ph_json *root = chat_json(chat, err);
    phial_status st = root ? ph_json_write(&text, root, 1, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK) {
        ph_buf_add_byte(&text, '\n');
        st = ph_buf_status(&text, err);
    }
    if (st == PHIAL_OK)
        st = ph_writer_open(&writer, path, err);
    if (st == PHIAL_OK)
        st = ph_writer_write(writer, text.data, text.len, err);
    if (st == PHIAL_OK)
        st = ph_writer_commit(writer, err);
    ph_writer_close(writer);
    ph_json_free(root);
    ph_buf_free(&text);
    return st;
}

/* --- reading --- */

/* A chat in the making: takes the old one's place when all of it is read. */
typedef struct reader {
    ph_chat *chat;
    const ph_json *root;
    ph_gen_config config; /* its own lists; texts are kept by the chat */
    phial_preset *preset;
} reader;

static phial_status bad(const char *key, const char *wanted, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"%s\" is not %s", key, wanted);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* *out is kept by the chat; p NULL if there is neither key. */
static phial_status take_text(reader *r, const ph_json *object, const char *key,
                              const char *hex_key, phial_text *out, phial_error *err)
{
    ph_str s;
    const ph_json *plain = ph_json_get(object, key), *hex = ph_json_get(object, hex_key);
    *out = (phial_text){NULL, 0};
    if (plain)
        return ph_json_str(plain, &s) ? ph_chat_keep(r->chat, out, s.p, s.n, err)
                                      : bad(key, "a text", err);
    if (!hex)
        return PHIAL_OK;
    if (!ph_json_str(hex, &s) || s.n % 2 != 0)
        return bad(hex_key, "bytes in hexadecimal", err);
    char *bytes = ph_arena_alloc(&r->chat->words, s.n / 2 + 1, 1, err);
    if (!bytes)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < s.n / 2; i++) {
        int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return bad(hex_key, "bytes in hexadecimal", err);
        bytes[i] = (char)(high * 16 + low);
    }
    *out = (phial_text){bytes, s.n / 2};
    return PHIAL_OK;
}

static phial_status take_int(const reader *r, const char *key, int64_t fallback, int64_t *out,
                             phial_error *err)
{
    const ph_json *v = ph_json_get(r->root, key);
    *out = fallback;
    if (v && (!ph_json_is_int(v) || !ph_json_int(v, out) || *out < 0))
        return bad(key, "a whole number of at least 0", err);
    return PHIAL_OK;
}

static phial_status take_texts(reader *r, const char *key, phial_text **out, size_t *n, bool *given,
                               phial_error *err)
{
    const ph_json *list = ph_json_get(r->root, key);
    *given = list != NULL;
    if (list && !ph_json_is_array(list))
        return bad(key, "a list of texts", err);
    *n = ph_json_count(list);
    *out = ph_alloc(*n, sizeof **out, err);
    if (!*out)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < *n && st == PHIAL_OK; i++) {
        ph_str s;
        st = ph_json_str(ph_json_at(list, i), &s) ? ph_chat_keep(r->chat, &(*out)[i], s.p, s.n, err)
                                                  : bad(key, "a list of texts", err);
    }
    return st;
}

static phial_status take_sampling(reader *r, phial_error *err)
{
    const ph_json *sampling = ph_json_get(r->root, "sampling");
    for (void *m = ph_json_first(sampling); m; m = ph_json_next(sampling, m)) {
        ph_str key = ph_json_key(m);
        size_t i = ph_gen_number_find(key);
        if (i == SIZE_MAX || !ph_json_f64(ph_json_value(m), &r->config.numbers[i]))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "sampling: \"%.*s\" is no number known",
                              PH_STR_ARG(key));
        r->config.given[i] = true;
    }
    ph_str s;
    phial_text kept = {NULL, 0};
    const ph_json *samplers = ph_json_get(r->root, "samplers");
    if (!samplers)
        return PHIAL_OK;
    if (!ph_json_str(samplers, &s))
        return bad("samplers", "a text", err);
    phial_status st = ph_chat_keep(r->chat, &kept, s.p, s.n, err);
    r->config.samplers = kept.p;
    return st;
}

static phial_status take_bias(const ph_json *pair, phial_logit_bias *out, phial_error *err)
{
    int64_t id;
    double bias = 0;
    ph_str s;
    const ph_json *b = ph_json_at(pair, 1);
    bool ok = ph_json_int(ph_json_at(pair, 0), &id) && id >= 0 && id < PHIAL_VOCAB_MAX;
    if (ph_json_str(b, &s) && (ph_str_eq_c(s, "inf") || ph_str_eq_c(s, "-inf")))
        bias = s.p[0] == '-' ? -INFINITY : INFINITY;
    else
        ok = ok && ph_json_f64(b, &bias) && fabs(bias) <= FLT_MAX;
    if (!ok)
        return bad("logit_bias", "a list of [id, number]", err);
    *out = (phial_logit_bias){(uint32_t)id, (float)bias};
    return PHIAL_OK;
}

static phial_status take_biases(reader *r, phial_error *err)
{
    const ph_json *list = ph_json_get(r->root, "logit_bias");
    size_t n = ph_json_count(list);
    r->config.bias = ph_alloc(n, sizeof *r->config.bias, err);
    if (!r->config.bias)
        return PHIAL_ERR_NO_MEMORY;
    r->config.n_bias = n;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++)
        st = take_bias(ph_json_at(list, i), &r->config.bias[i], err);
    return st;
}

static phial_status take_config(reader *r, phial_error *err)
{
    ph_gen_config *c = &r->config;
    int64_t seed = 0, n = 0, max = 0;
    bool given;
    phial_status st = take_text(r, r->root, "system", "system_hex", &c->system, err);
    if (st == PHIAL_OK)
        st = take_text(r, r->root, "in_prefix", "in_prefix_hex", &c->in_prefix, err);
    if (st == PHIAL_OK)
        st = take_text(r, r->root, "in_suffix", "in_suffix_hex", &c->in_suffix, err);
    if (st == PHIAL_OK)
        st = take_sampling(r, err);
    if (st == PHIAL_OK)
        st = take_biases(r, err);
    if (st == PHIAL_OK)
        st = take_texts(r, "stop", &c->stop, &c->n_stop, &given, err);
    if (st == PHIAL_OK)
        st = take_texts(r, "dry_breakers", &c->breakers, &c->n_breakers, &c->breakers_given, err);
    if (st == PHIAL_OK)
        st = take_int(r, "seed", 0, &seed, err);
    if (st == PHIAL_OK)
        st = take_int(r, "n", 512, &n, err);
    if (st == PHIAL_OK)
        st = take_int(r, "max_length", INT64_MAX, &max, err);
    c->seed = (uint64_t)seed;
    c->n_new = (size_t)n;
    c->max_length = max == INT64_MAX ? SIZE_MAX : (size_t)max;
    ph_json_bool(ph_json_get(r->root, "ignore_eos"), &c->ignore_eos);
    ph_json_bool(ph_json_get(r->root, "allow_all_ids"), &c->allow_all_ids);
    return st;
}

static phial_status take_preset(reader *r, phial_error *err)
{
    ph_str name = {"chat", 4};
    const ph_json *preset = ph_json_get(r->root, "preset");
    ph_json_str(ph_json_get(r->root, "preset_name"), &name);
    if (!preset)
        return bad("preset", "there", err);
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status st = ph_json_write(&text, preset, 0, err);
    if (st == PHIAL_OK)
        st = phial_preset_parse(&r->preset, name.p, text.data, text.len, "", err);
    ph_buf_free(&text);
    return st;
}

/* Roles alternate, from a user's to an assistant's. */
static phial_status check_turns(const ph_json *turns, phial_error *err)
{
    size_t n = ph_json_count(turns);
    if (!ph_json_is_array(turns) || n % 2 != 0 || n > PH_CHAT_TURNS_MAX)
        return bad("turns", "a list of questions and answers", err);
    for (size_t i = 0; i < n; i++) {
        ph_str role = {NULL, 0};
        const char *wanted = i % 2 == 0 ? "user" : "assistant";
        if (!ph_json_str(ph_json_get(ph_json_at(turns, i), "role"), &role) ||
            !ph_str_eq_c(role, wanted))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "turn %zu is not the %s's", i + 1, wanted);
    }
    return PHIAL_OK;
}

static phial_status take_turns(reader *r, phial_text **out, size_t *n, phial_error *err)
{
    const ph_json *turns = ph_json_get(r->root, "turns");
    phial_status st = check_turns(turns, err);
    if (st != PHIAL_OK)
        return st;
    *n = ph_json_count(turns);
    *out = ph_alloc(*n, sizeof **out, err);
    if (!*out)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < *n && st == PHIAL_OK; i++) {
        st = take_text(r, ph_json_at(turns, i), "text", "text_hex", &(*out)[i], err);
        if (st == PHIAL_OK && !(*out)[i].p)
            st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "turn %zu has no text", i + 1);
    }
    return st;
}

static void note_model(const reader *r)
{
    char mine[PHIAL_FINGERPRINT_BYTES];
    ph_str theirs;
    if (phial_model_fingerprint(r->chat->gen.model, mine, NULL) == PHIAL_OK &&
        ph_json_str(ph_json_get(r->root, "model_fingerprint"), &theirs) &&
        !ph_str_eq_c(theirs, mine))
        ph_tell("(the conversation was held with another model)");
}

/* Everything is read and sound: it takes the place of what was there. Needs memory for the turns,
 * which were counted, before the old ones go. */
static phial_status take_over(reader *r, const phial_text *texts, size_t n, phial_error *err)
{
    ph_chat *chat = r->chat;
    ph_gen_config old = chat->config;
    int64_t drawn = 0, left_out = 0;
    ph_str overflow = {"", 0};
    phial_status st = take_int(r, "n_drawn", 0, &drawn, err);
    if (st == PHIAL_OK)
        st = take_int(r, "n_left_out", 0, &left_out, err);
    if (st == PHIAL_OK && ((size_t)left_out > n || left_out % 2 != 0))
        st = bad("n_left_out", "a number of turns", err);
    if (st != PHIAL_OK)
        return st;
    r->config.n_ctx = old.n_ctx;
    r->config.n_seq = old.n_seq;
    r->config.verbose = old.verbose;
    r->config.seed_given = true;
    chat->config = r->config;
    st = ph_chat_use_preset(chat, r->preset, err);
    r->preset = NULL;
    if (st != PHIAL_OK) {
        chat->config = old;
        return st;
    }
    r->config = old;
    ph_gen_mask(&chat->gen, &chat->config);
    ph_chat_clear(chat);
    for (size_t i = 0; i < n && st == PHIAL_OK; i++)
        st = ph_chat_add_turn(chat, i % 2 == 0 ? PHIAL_ROLE_USER : PHIAL_ROLE_ASSISTANT, texts[i].p,
                              texts[i].n, err);
    if (st != PHIAL_OK)
        ph_chat_clear(chat);
    chat->n_drawn = (uint64_t)drawn;
    chat->first = st == PHIAL_OK ? (size_t)left_out : 0;
    ph_json_str(ph_json_get(r->root, "overflow"), &overflow);
    chat->overflow = ph_str_eq_c(overflow, "shift") ? PH_OVERFLOW_SHIFT : PH_OVERFLOW_STOP;
    return st;
}

phial_status ph_chat_load(ph_chat *chat, const char *path, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    reader r = {.chat = chat};
    ph_json *root = NULL;
    phial_text *texts = NULL;
    size_t n = 0;
    int64_t version = 0;
    phial_status st = ph_file_read(&text, path, PH_CHAT_FILE_BYTES, err);
    if (st != PHIAL_OK)
        goto done;
    root = ph_json_parse(text.data ? text.data : "", text.len, err);
    r.root = root;
    st = root ? PHIAL_OK : err->status;
    if (st == PHIAL_OK &&
        (!ph_json_int(ph_json_get(root, "phial_chat"), &version) || version != FORMAT_VERSION))
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "no conversation saved by phial");
    if (st == PHIAL_OK)
        st = take_config(&r, err);
    if (st == PHIAL_OK)
        st = take_preset(&r, err);
    if (st == PHIAL_OK)
        st = take_turns(&r, &texts, &n, err);
    if (st == PHIAL_OK)
        st = take_over(&r, texts, n, err);
    if (st == PHIAL_OK)
        note_model(&r);
    else
        ph_err_context(err, st, "%s", path);
done:
    phial_preset_free(r.preset);
    ph_gen_config_free(&r.config);
    ph_free(texts);
    ph_json_free(root);
    ph_buf_free(&text);
    return st;
}
