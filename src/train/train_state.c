/* Checkpoints; contract in train_state.h. */
#include "train/train_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/json.h"
#include "fmt/safetensors.h"

#define FORMAT_NAME  "phial-training"
#define FORMAT_VALUE "1"
#define NAME_BYTES   (PH_ST_MAX_NAME + 4)

/* A parameter's three tensors. */
static const char *const prefixes[] = {"", "m.", "v."};

static float *part_of(const ph_train_param *p, size_t part)
{
    return part == 0 ? p->value : part == 1 ? p->m : p->v;
}

/* Of all numbers, in the order of the file. */
static ph_hash128 hash_all(ph_hasher *h, const ph_trainee *t, const ph_train_log *history)
{
    for (size_t part = 0; part < 3; part++) {
        for (size_t i = 0; i < ph_trainee_n_params(t); i++) {
            ph_train_param p = ph_trainee_param(t, i);
            ph_hasher_add(h, part_of(&p, part), p.n * sizeof(float));
        }
    }
    ph_hasher_add(h, history->rows ? (const void *)history->rows : "",
                  history->n * sizeof *history->rows);
    return ph_hasher_end(h);
}

static phial_status hash_hex(const ph_trainee *t, const ph_train_log *history, char out[33],
                             phial_error *err)
{
    ph_hasher *h = NULL;
    phial_status st = ph_hasher_new(&h, err);
    if (st == PHIAL_OK)
        ph_hash128_hex(hash_all(h, t, history), out);
    ph_hasher_free(h);
    return st;
}

/* --- numbers as text --- */

typedef struct fact {
    const char *key;
    uint64_t *u64;
    double *f64; /* its bits as a whole number, so that it comes back as it was */
} fact;

#define N_FACTS 9

static void list_facts(fact facts[N_FACTS], ph_train_state *s, uint64_t *step)
{
    const fact all[N_FACTS] = {
        {"step", step, NULL},
        {"epoch", &s->epoch, NULL},
        {"index", &s->index, NULL},
        {"n_tokens", &s->n_tokens, NULL},
        {"n_steps", &s->n_steps, NULL},
        {"corpus", &s->corpus, NULL},
        {"best_step", &s->best_step, NULL},
        {"n_worse", &s->n_worse, NULL},
        {"best_loss", NULL, &s->best_loss},
    };
    memcpy(facts, all, sizeof all);
}

static phial_status put_facts(ph_st_writer *w, const ph_train_state *state, uint64_t step,
                              phial_error *err)
{
    ph_train_state copy = *state;
    fact facts[N_FACTS];
    phial_status st = PHIAL_OK;
    list_facts(facts, &copy, &step);
    for (size_t i = 0; i < N_FACTS && st == PHIAL_OK; i++) {
        char text[40];
        uint64_t bits;
        if (facts[i].u64) {
            snprintf(text, sizeof text, "%" PRIu64, *facts[i].u64);
        } else {
            memcpy(&bits, facts[i].f64, sizeof bits);
            snprintf(text, sizeof text, "%" PRIu64, bits);
        }
        st = ph_st_writer_meta(w, ph_str_from(facts[i].key), ph_str_from(text), err);
    }
    return st;
}

static phial_status get_facts(const ph_json *meta, ph_train_state *state, uint64_t *step,
                              phial_error *err)
{
    fact facts[N_FACTS];
    list_facts(facts, state, step);
    for (size_t i = 0; i < N_FACTS; i++) {
        ph_str s;
        uint64_t v;
        if (!ph_json_str(ph_json_get(meta, facts[i].key), &s) || !ph_str_parse_u64(s, &v))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"%s\" is missing or no number",
                              facts[i].key);
        if (facts[i].u64)
            *facts[i].u64 = v;
        else
            memcpy(facts[i].f64, &v, sizeof v);
    }
    return PHIAL_OK;
}

/* --- writing --- */

static phial_status declare(ph_st_writer *w, const ph_trainee *t, const ph_train_log *history,
                            phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t part = 0; part < 3; part++) {
        for (size_t i = 0; i < ph_trainee_n_params(t) && st == PHIAL_OK; i++) {
            ph_train_param p = ph_trainee_param(t, i);
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "%s%s", prefixes[part], p.name);
            st = ph_st_writer_tensor(w, ph_str_from(name), "F32", p.n_dims, p.shape, err);
        }
    }
    const uint64_t shape[] = {history->n, PH_TRAIN_LOG_COLS};
    if (st == PHIAL_OK)
        st = ph_st_writer_tensor(w, ph_str_from("history"), "F64", 2, shape, err);
    return st;
}

static phial_status put_data(ph_st_writer *w, const ph_trainee *t, const ph_train_log *history,
                             phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t part = 0; part < 3; part++) {
        for (size_t i = 0; i < ph_trainee_n_params(t) && st == PHIAL_OK; i++) {
            ph_train_param p = ph_trainee_param(t, i);
            st = ph_st_writer_data(w, part_of(&p, part), p.n * sizeof(float), err);
        }
    }
    if (st == PHIAL_OK && history->n > 0)
        st = ph_st_writer_data(w, history->rows, history->n * sizeof *history->rows, err);
    return st;
}

phial_status ph_train_state_save(const char *path, const ph_trainee *trainee,
                                 const ph_train_state *state, const ph_train_log *history,
                                 phial_error *err)
{
    ph_st_writer *w = NULL;
    char hex[33];
    phial_status st = hash_hex(trainee, history, hex, err);
    if (st == PHIAL_OK)
        st = ph_st_writer_new(&w, err);
    if (st == PHIAL_OK)
        st = ph_st_writer_meta(w, ph_str_from(FORMAT_NAME), ph_str_from(FORMAT_VALUE), err);
    if (st == PHIAL_OK)
        st = ph_st_writer_meta(w, ph_str_from("hash"), ph_str_from(hex), err);
    if (st == PHIAL_OK)
        st = put_facts(w, state, ph_trainee_step(trainee), err);
    if (st == PHIAL_OK)
        st = declare(w, trainee, history, err);
    if (st == PHIAL_OK)
        st = ph_st_writer_begin(w, path, err);
    if (st == PHIAL_OK)
        st = put_data(w, trainee, history, err);
    if (st == PHIAL_OK)
        st = ph_st_writer_commit(w, err);
    ph_st_writer_free(w);
    return st;
}

/* --- reading --- */

static void add_shape(ph_buf *out, uint32_t n_dims, const uint64_t *shape)
{
    for (uint32_t i = 0; i < n_dims; i++)
        ph_buf_addf(out, "%s%" PRIu64, i ? " x " : "", shape[i]);
}

static phial_status other_shape(const ph_st_tensor *t, const char *name, const ph_train_param *p,
                                phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_buf_addf(&text, "a checkpoint of another shape: '%s' is ", name);
    if (t)
        add_shape(&text, t->n_dims, t->shape);
    else
        ph_buf_add_str(&text, "not there");
    ph_buf_add_str(&text, ", the model's is ");
    add_shape(&text, p->n_dims, p->shape);
    phial_status st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s", text.data ? text.data : "");
    ph_buf_free(&text);
    return st;
}

static phial_status get_tensors(const ph_safetensors *file, ph_trainee *t, phial_error *err)
{
    size_t n = ph_trainee_n_params(t);
    for (size_t part = 0; part < 3; part++) {
        for (size_t i = 0; i < n; i++) {
            ph_train_param p = ph_trainee_param(t, i);
            char name[NAME_BYTES];
            snprintf(name, sizeof name, "%s%s", prefixes[part], p.name);
            const ph_st_tensor *found = ph_safetensors_tensor_find(file, name);
            if (!found || strcmp(found->dtype, "F32") != 0 || found->n_dims != p.n_dims ||
                memcmp(found->shape, p.shape, p.n_dims * sizeof *p.shape) != 0)
                return other_shape(found, name, &p, err);
            memcpy(part_of(&p, part), found->data, p.n * sizeof(float));
        }
    }
    if (ph_safetensors_n_tensors(file) != 3 * n + 1)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "a checkpoint of another shape: it has %zu tensors, the model's has %zu",
                          ph_safetensors_n_tensors(file), 3 * n + 1);
    return PHIAL_OK;
}

static phial_status get_history(const ph_safetensors *file, ph_train_log *history, phial_error *err)
{
    const ph_st_tensor *t = ph_safetensors_tensor_find(file, "history");
    if (!t || strcmp(t->dtype, "F64") != 0 || t->n_dims != 2 || t->shape[1] != PH_TRAIN_LOG_COLS ||
        t->shape[0] > PH_TRAIN_LOG_MAX_ROWS)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'history' is missing or no log");
    history->rows = ph_alloc((size_t)t->shape[0], sizeof *history->rows, err);
    if (!history->rows)
        return PHIAL_ERR_NO_MEMORY;
    history->n = history->cap = (size_t)t->shape[0];
    memcpy(history->rows, t->data, history->n * sizeof *history->rows);
    return PHIAL_OK;
}

static phial_status check_hash(const ph_json *meta, const ph_trainee *t,
                               const ph_train_log *history, phial_error *err)
{
    char hex[33];
    ph_str want;
    phial_status st = hash_hex(t, history, hex, err);
    if (st == PHIAL_OK &&
        !(ph_json_str(ph_json_get(meta, "hash"), &want) && ph_str_eq_c(want, hex)))
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the file is damaged: its hash is another");
    return st;
}

phial_status ph_train_state_load(const char *path, ph_trainee *trainee, ph_train_state *state,
                                 ph_train_log *history, phial_error *err)
{
    ph_safetensors *file = NULL;
    uint64_t step = 0;
    phial_status st = ph_safetensors_open(&file, path, err);
    if (st != PHIAL_OK)
        return st;
    const ph_json *meta = ph_safetensors_metadata(file, 0);
    ph_str format;
    if (!ph_json_str(ph_json_get(meta, FORMAT_NAME), &format) || !ph_str_eq_c(format, FORMAT_VALUE))
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "no checkpoint of this version");
    if (st == PHIAL_OK)
        st = get_facts(meta, state, &step, err);
    if (st == PHIAL_OK)
        st = get_tensors(file, trainee, err);
    if (st == PHIAL_OK)
        st = get_history(file, history, err);
    if (st == PHIAL_OK)
        st = check_hash(meta, trainee, history, err);
    if (st == PHIAL_OK && ph_safetensors_map(file, 0))
        st = ph_map_check(ph_safetensors_map(file, 0), err);
    if (st == PHIAL_OK)
        ph_trainee_set_step(trainee, step);
    else
        ph_err_context(err, st, "%s", path);
    ph_safetensors_close(file);
    return st;
}
