/* Contract in gen_batch.h. All lines are read and looked at first; then lines are admitted to the
 * running batch as others finish, and results wait until those before them are written. */
#include "cli/gen_batch.h"

#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/answer_signal.h"
#include "cli/cli_io.h"
#include "cli/memory_room.h"

/* Of the memory that is free, what keys and values of a batch may take. */
#define ROOM_SHARE 0.6

typedef struct item {
    ph_json *root; /* owned; the line */
    size_t line;
    ph_gen_config config; /* own lists: stop; the rest is borrowed from the common one */
    size_t n_ctx_need;
    phial_session *session;
    phial_sampler *sampler;
    phial_generation *generation;
    ph_json *result; /* owned; written and gone once it is its turn */
    bool done;
} item;

typedef struct batch {
    const ph_gen *gen;
    const ph_gen_config *config;
    const phial_preset *preset;
    const char *path, *label; /* of the file; for messages */
    item *items;              /* owned, [n] */
    size_t n, n_admitted, n_written;
    item **live; /* owned, [config->n_seq] */
    size_t n_live;
    size_t kv_bytes;
    uint64_t room_bytes, used_bytes;
    phial_status first_status;
    phial_error first_error;
} batch;

static phial_status wrong_kind(const char *key, const char *wanted, const ph_json *v,
                               phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"%s\" is %s, it takes %s", key,
                      ph_json_type_name(v), wanted);
}

static phial_status read_count(size_t *out, const char *key, const ph_json *v, phial_error *err)
{
    int64_t n;
    if (!ph_json_is_int(v) || !ph_json_int(v, &n) || n < 0 || n > INT32_MAX)
        return wrong_kind(key, "a whole number from 0 to 2147483647", v, err);
    *out = (size_t)n;
    return PHIAL_OK;
}

static phial_status read_text(phial_text *out, const char *key, const ph_json *v, phial_error *err)
{
    ph_str s;
    if (!ph_json_str(v, &s))
        return wrong_kind(key, "a text", v, err);
    *out = (phial_text){s.p, s.n};
    return PHIAL_OK;
}

/* The line's stop strings behind those of the command line. */
static phial_status read_stops(item *it, const batch *b, const ph_json *v, phial_error *err)
{
    size_t n = ph_json_is_array(v) ? ph_json_count(v) : 1, common = b->config->n_stop;
    phial_text *stop = ph_alloc(common + n, sizeof *stop, err);
    if (!stop)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < common; i++)
        stop[i] = b->config->stop[i];
    it->config.stop = stop;
    it->config.n_stop = common + n;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++)
        st = read_text(&stop[common + i], "stop", ph_json_is_array(v) ? ph_json_at(v, i) : v, err);
    return st;
}

static phial_status read_number(item *it, size_t number, const ph_json *v, phial_error *err)
{
    double value;
    if (!ph_json_is_number(v) || !ph_json_f64(v, &value))
        return wrong_kind(ph_gen_number_name(number), "a number", v, err);
    it->config.given[number] = true;
    it->config.numbers[number] = value;
    return PHIAL_OK;
}

static phial_status read_seed(item *it, const ph_json *v, phial_error *err)
{
    int64_t seed;
    if (!ph_json_is_int(v) || !ph_json_int(v, &seed) || seed < 0)
        return wrong_kind("seed", "a whole number of at least 0", v, err);
    it->config.seed = (uint64_t)seed;
    return PHIAL_OK;
}

/* Keys that were told to be unknown; a handful. */
typedef struct told {
    const char *keys[16]; /* borrowed from the lines */
    size_t n;
} told;

static void tell_unknown(told *t, const batch *b, size_t line, const char *key)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->keys[i], key) == 0)
            return;
    }
    if (t->n == sizeof t->keys / sizeof t->keys[0])
        return;
    t->keys[t->n++] = key;
    ph_buf shown;
    ph_buf_init(&shown, 0);
    ph_str_escape(&shown, ph_str_from(key), false);
    ph_say("%s:%zu: \"%s\" is no option here; it is passed over", b->label, line,
           shown.data ? shown.data : "");
    ph_buf_free(&shown);
}

static phial_status read_member(item *it, const batch *b, told *t, ph_str key, const ph_json *v,
                                phial_error *err)
{
    size_t number = ph_gen_number_find(key);
    if (number != SIZE_MAX)
        return read_number(it, number, v, err);
    if (ph_str_eq_c(key, "seed"))
        return read_seed(it, v, err);
    if (ph_str_eq_c(key, "n"))
        return read_count(&it->config.n_new, "n", v, err);
    if (ph_str_eq_c(key, "max_length"))
        return read_count(&it->config.max_length, "max_length", v, err);
    if (ph_str_eq_c(key, "stop"))
        return read_stops(it, b, v, err);
    if (ph_str_eq_c(key, "system"))
        return read_text(&it->config.system, "system", v, err);
    if (ph_str_eq_c(key, "samplers")) {
        phial_text text = {NULL, 0};
        phial_status st = read_text(&text, "samplers", v, err);
        it->config.samplers = text.p;
        return st;
    }
    if (ph_str_eq_c(key, "prompt") && !ph_json_is_string(v))
        return wrong_kind("prompt", "a text", v, err);
    if (ph_str_eq_c(key, "ids") && !ph_json_is_array(v))
        return wrong_kind("ids", "a list of token ids", v, err);
    if (!ph_str_eq_c(key, "prompt") && !ph_str_eq_c(key, "ids") && !ph_str_eq_c(key, "id"))
        tell_unknown(t, b, it->line, key.p);
    return PHIAL_OK;
}

static phial_status read_item(item *it, const batch *b, told *t, phial_error *err)
{
    if (!ph_json_is_object(it->root))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s instead of an object",
                          ph_json_type_name(it->root));
    bool has_prompt = ph_json_get(it->root, "prompt") != NULL;
    if (has_prompt == (ph_json_get(it->root, "ids") != NULL))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "it takes \"prompt\" or \"ids\"%s",
                          has_prompt ? ", not both" : "");
    phial_status st = PHIAL_OK;
    for (void *m = ph_json_first(it->root); m && st == PHIAL_OK; m = ph_json_next(it->root, m))
        st = read_member(it, b, t, ph_json_key(m), ph_json_value(m), err);
    return st;
}

static phial_status add_line(batch *b, size_t *cap, ph_str line, size_t number, told *t,
                             phial_error *err)
{
    if (b->n == PH_BATCH_LINES_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %d prompts", PH_BATCH_LINES_MAX);
    if (b->n == *cap) {
        item *grown = ph_realloc(b->items, *cap ? *cap * 2 : 16, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        b->items = grown;
        *cap = *cap ? *cap * 2 : 16;
    }
    item *it = &b->items[b->n];
    *it = (item){.line = number, .config = *b->config};
    it->config.seed += b->n;
    it->root = ph_json_parse(line.p, line.n, err);
    if (!it->root)
        return err->status;
    b->n++;
    return read_item(it, b, t, err);
}

static bool is_blank(ph_str line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (!strchr(" \t\r", line.p[i]))
            return false;
    }
    return true;
}

static phial_status read_lines(batch *b, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    told t = {.n = 0};
    size_t cap = 0, number = 0;
    phial_status st = ph_file_read(&text, b->path, PH_BATCH_FILE_BYTES, err);
    for (size_t at = 0; at < text.len && st == PHIAL_OK;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t n = end ? (size_t)(end - text.data) - at : text.len - at;
        ph_str line = {text.data + at, n};
        number++;
        if (!is_blank(line)) {
            st = add_line(b, &cap, line, number, &t, err);
            if (st != PHIAL_OK)
                st = ph_err_context(err, st, "%s:%zu", b->label, number);
        }
        at += n + 1;
    }
    if (st == PHIAL_OK && b->n == 0)
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: there are no prompts", b->label);
    ph_buf_free(&text);
    return st;
}

phial_status ph_gen_check_id(const ph_gen *gen, int64_t id, phial_error *err)
{
    if (id >= 0 && id < gen->info.n_vocab)
        return PHIAL_OK;
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%lld is no token id of this model: they go to %u",
                      (long long)id, (unsigned)gen->info.n_vocab - 1);
}

static phial_status prompt_of(const batch *b, const item *it, uint32_t **ids, size_t *n,
                              ph_buf *text, phial_error *err)
{
    ph_str s;
    if (ph_json_str(ph_json_get(it->root, "prompt"), &s)) {
        phial_turn turn = {PHIAL_ROLE_USER, {s.p, s.n}};
        return ph_gen_encode(ids, n, text, b->gen, &it->config, b->preset, &turn, 1, err);
    }
    const ph_json *list = ph_json_get(it->root, "ids");
    *n = ph_json_count(list);
    *ids = ph_alloc(*n, sizeof **ids, err);
    phial_status st = *ids ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < *n && st == PHIAL_OK; i++) {
        int64_t id = -1;
        const ph_json *v = ph_json_at(list, i);
        if (!ph_json_is_int(v) || !ph_json_int(v, &id))
            st = wrong_kind("ids", "token ids", v, err);
        else
            st = ph_gen_check_id(b->gen, id, err);
        (*ids)[i] = (uint32_t)id;
    }
    return st;
}

static void release(batch *b, item *it)
{
    if (it->session)
        ph_answer_remove(it->session);
    phial_generation_free(it->generation);
    phial_sampler_free(it->sampler);
    phial_session_free(it->session);
    it->generation = NULL;
    it->sampler = NULL;
    it->session = NULL;
    b->used_bytes -= it->n_ctx_need * b->kv_bytes;
    it->n_ctx_need = 0;
}

static phial_status start(batch *b, item *it, const uint32_t *ids, size_t n, phial_text text,
                          phial_error *err)
{
    phial_text *stops = NULL;
    phial_generation_options o;
    phial_generation_options_default(&o);
    phial_status st = ph_gen_session_new(&it->session, b->gen, &it->config, n, false, err);
    if (st == PHIAL_OK)
        st = ph_gen_sampler_new(&it->sampler, b->gen, &it->config, b->preset, it->config.seed, err);
    if (st == PHIAL_OK)
        st = ph_gen_options_fill(&o, &stops, b->gen, &it->config, b->preset, err);
    if (st == PHIAL_OK) {
        o.session = it->session;
        o.sampler = it->sampler;
        o.prompt = (phial_tokens){ids, n};
        o.clean_after = text;
        st = phial_generation_new(&it->generation, &o, err);
    }
    ph_free(stops);
    if (st == PHIAL_OK)
        ph_answer_add(it->session);
    return st;
}

static ph_json *id_of(const item *it)
{
    const ph_json *id = ph_json_get(it->root, "id");
    ph_str text;
    int64_t number = (int64_t)it->line;
    if (ph_json_str(id, &text))
        return ph_json_str_new(text);
    if (ph_json_is_int(id))
        ph_json_int(id, &number);
    return ph_json_int_new(number);
}

/* The line's result is there; its memory goes back. */
static phial_status conclude(batch *b, item *it, phial_status status, const phial_error *error,
                             phial_error *err)
{
    phial_generation_result r = {.size = sizeof r};
    if (status == PHIAL_OK) {
        status = phial_generation_get_result(it->generation, &r, err);
        it->result = ph_gen_result_json(&r, it->config.seed, id_of(it));
    } else {
        /* The command line was looked at before: a wrong value comes from the file. */
        status = status == PHIAL_ERR_ARGUMENT ? PHIAL_ERR_BAD_INPUT : status;
        it->result = ph_json_object_new();
        if (!ph_json_set(it->result, "id", id_of(it)) ||
            !ph_json_set(it->result, "error", ph_json_str_new(ph_str_from(error->message)))) {
            ph_json_free(it->result);
            it->result = NULL;
        }
        if (b->first_status == PHIAL_OK) {
            b->first_status = status;
            b->first_error = *error;
            ph_err_context(&b->first_error, status, "%s:%zu", b->label, it->line);
        }
    }
    bool ok = it->result != NULL;
    release(b, it);
    it->done = true;
    return ok ? PHIAL_OK : ph_err_set(err, PHIAL_ERR_NO_MEMORY, "no memory for a result");
}

/* Takes the next line into the batch; *full: there is no room for it now. */
static phial_status admit(batch *b, bool *full, phial_error *err)
{
    item *it = &b->items[b->n_admitted];
    uint32_t *ids = NULL;
    size_t n = 0;
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_error error = {0};
    phial_status st = prompt_of(b, it, &ids, &n, &text, &error);
    if (st == PHIAL_OK && n <= it->config.n_ctx) {
        it->n_ctx_need = ph_gen_session_need(&it->config, n);
        uint64_t need = (uint64_t)it->n_ctx_need * b->kv_bytes;
        *full = b->n_live > 0 && b->used_bytes + need > b->room_bytes;
        if (*full)
            it->n_ctx_need = 0;
        else
            b->used_bytes += need;
    }
    if (!*full) {
        if (st == PHIAL_OK)
            st = start(b, it, ids, n, (phial_text){text.data, text.len}, &error);
        b->n_admitted++;
        if (st == PHIAL_OK)
            b->live[b->n_live++] = it;
        else
            st = conclude(b, it, st, &error, err);
    }
    ph_free(ids);
    ph_buf_free(&text);
    return st;
}

static phial_status write_ready(batch *b, phial_error *err)
{
    phial_status st = PHIAL_OK;
    while (st == PHIAL_OK && b->n_written < b->n && b->items[b->n_written].done) {
        item *it = &b->items[b->n_written++];
        st = ph_out_json(it->result, err);
        it->result = NULL;
        ph_out_flush();
    }
    return st;
}

static phial_status step(batch *b, phial_generation **list, phial_error *err)
{
    phial_error ignored = {0};
    for (size_t i = 0; i < b->n_live; i++)
        list[i] = b->live[i]->generation;
    phial_generation_step(list, b->n_live, &ignored);
    size_t kept = 0;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < b->n_live; i++) {
        item *it = b->live[i];
        if (!phial_generation_done(it->generation)) {
            b->live[kept++] = it;
            continue;
        }
        phial_generation_result r = {.size = sizeof r};
        phial_error error = {0};
        phial_generation_get_result(it->generation, &r, NULL);
        if (r.finish == PHIAL_FINISH_CANCELLED) { /* interrupted: no answer of this line */
            b->live[kept++] = it;
            continue;
        }
        if (r.status != PHIAL_OK)
            ph_err_set(&error, r.status, "%s", r.message);
        phial_status concluded = conclude(b, it, r.status, &error, err);
        st = st == PHIAL_OK ? concluded : st;
    }
    b->n_live = kept;
    return st;
}

static phial_status answer_all(batch *b, phial_error *err)
{
    phial_generation **list = ph_alloc(b->config->n_seq, sizeof *list, err);
    if (!list)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = PHIAL_OK;
    bool full = false;
    while (st == PHIAL_OK && b->n_written < b->n && !ph_answer_interrupted()) {
        while (st == PHIAL_OK && !full && b->n_admitted < b->n && b->n_live < b->config->n_seq)
            st = admit(b, &full, err);
        size_t n_live = b->n_live;
        if (st == PHIAL_OK)
            st = step(b, list, err);
        full = full && b->n_live == n_live;
        if (st == PHIAL_OK)
            st = write_ready(b, err);
    }
    ph_free(list);
    if (st == PHIAL_OK && ph_answer_interrupted())
        st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted; %zu of %zu prompts were answered",
                        b->n_written, b->n);
    return st;
}

static void batch_close(batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        item *it = &b->items[i];
        release(b, it);
        ph_json_free(it->result);
        ph_json_free(it->root);
        if (it->config.stop != b->config->stop)
            ph_free(it->config.stop);
    }
    ph_free(b->items);
    ph_free(b->live);
}

phial_status ph_gen_batch(const ph_gen *gen, const ph_gen_config *config,
                          const phial_preset *preset, const char *path, size_t kv_bytes,
                          phial_error *err)
{
    batch b = {.gen = gen,
               .config = config,
               .preset = preset,
               .path = path,
               .label = strcmp(path, "-") == 0 ? "standard input" : path,
               .kv_bytes = kv_bytes,
               .room_bytes = (uint64_t)((double)ph_memory_room() * ROOM_SHARE)};
    b.live = ph_alloc(config->n_seq, sizeof *b.live, err);
    phial_status st = b.live ? read_lines(&b, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK) {
        ph_answer_begin(true);
        st = answer_all(&b, err);
        ph_answer_end();
    }
    if (st == PHIAL_OK && b.first_status != PHIAL_OK) {
        if (err)
            *err = b.first_error;
        st = b.first_status;
    }
    batch_close(&b);
    return st;
}
