/* Contract in training_opts.h. */
#include "train/training_opts.h"

#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "model/hparams.h"
#include "train/trainee.h"

/* Numbers above it are kept in JSON as text: an int64 is all that JSON's integers hold here. */
#define JSON_MAX ((uint64_t)INT64_MAX)

void phial_training_options_default(phial_training_options *options)
{
    *options = (phial_training_options){
        .size = sizeof *options,
        .held_out = 0.02,
        .preset = "instruct",
        .n_embd = 256,
        .n_layer = 6,
        .n_head = 4,
        .n_ff = 1024,
        .n_rot = 32,
        .n_ctx = 1024,
        .n_epochs = 1,
        .batch_tokens = 4096,
        .accumulate = 1,
        .lr = 1e-3,
        .lr_end = 1e-4,
        .n_warmup = UINT64_MAX,
        .beta1 = 0.9,
        .beta2 = 0.95,
        .eps = 1e-8,
        .weight_decay = 0.1,
        .clip_norm = 1,
        .eval_tokens = 65536,
        .seed = 1,
    };
}

static phial_status copy_text(const char **text, ph_arena *arena, phial_error *err)
{
    if (!*text)
        return PHIAL_OK;
    *text = ph_arena_strndup(arena, *text, strlen(*text), err);
    return *text ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

static phial_status copy_list(const char *const **list, size_t n, ph_arena *arena, phial_error *err)
{
    if (n > PH_TRAINING_MAX_PATHS)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu files; at most %d are supported", n,
                          PH_TRAINING_MAX_PATHS);
    const char **copy = ph_arena_alloc(arena, n + 1, sizeof *copy, err);
    phial_status st = copy ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++) {
        copy[i] = (*list)[i];
        st = copy_text(&copy[i], arena, err);
    }
    *list = copy;
    return st;
}

phial_status ph_training_opts_copy(phial_training_options *out, const phial_training_options *from,
                                   ph_arena *arena, phial_error *err)
{
    *out = *from;
    phial_status st = copy_text(&out->dir, arena, err);
#define PH_TRAINING_STR(field)                                                                     \
    if (st == PHIAL_OK)                                                                            \
        st = copy_text(&out->field, arena, err);
#define PH_TRAINING_INT(field)
#define PH_TRAINING_F64(field)
#define PH_TRAINING_BOOL(field)
#include "train/training_opts.def"
#undef PH_TRAINING_STR
#undef PH_TRAINING_INT
#undef PH_TRAINING_F64
#undef PH_TRAINING_BOOL
    if (st == PHIAL_OK)
        st = copy_list(&out->paths, out->n_paths, arena, err);
    if (st == PHIAL_OK)
        st = copy_list(&out->held_out_paths, out->n_held_out_paths, arena, err);
    return st;
}

static phial_status bad(const char *what, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s", what);
}

static phial_status check_shape(const phial_training_options *o, phial_error *err)
{
    if (o->n_head < 1 || o->n_head > PH_MAX_HEADS || o->n_embd < 1 || o->n_embd > PH_MAX_WIDTH ||
        o->n_layer < 1 || o->n_layer > PH_MAX_LAYERS || o->n_ff < 1 || o->n_ff > PH_MAX_WIDTH)
        return bad("the model's shape has a number that is 0 or too large", err);
    if (o->n_embd % o->n_head != 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a width of %u cannot be shared by %u heads",
                          o->n_embd, o->n_head);
    if (o->n_rot % 2 != 0 || o->n_rot < 2 || o->n_rot > o->n_embd / o->n_head)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "%u rotated dimensions: must be an even number from 2 to a head's width "
                          "of %u",
                          o->n_rot, o->n_embd / o->n_head);
    return o->tokenizer ? PHIAL_OK : bad("a model from nothing needs a tokenizer", err);
}

phial_status ph_training_opts_check(const phial_training_options *o, phial_error *err)
{
    if (!o->dir)
        return bad("a run needs a folder", err);
    if ((unsigned)o->format > PHIAL_TRAIN_FORMAT_JSONL || (unsigned)o->type > PHIAL_TRAIN_TYPE_F32)
        return bad("there is no such format of files or type of weights", err);
    if (o->n_paths == 0)
        return bad("there is no file to learn from", err);
    if (!(o->held_out >= 0 && o->held_out <= 0.5))
        return bad("the held-out part must be from 0 to 0.5", err);
    if (o->n_ctx < 2 || o->n_ctx > PH_MAX_CTX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a context of %u: must be from 2 to %u",
                          o->n_ctx, PH_MAX_CTX);
    if (o->batch_tokens < o->n_ctx || o->batch_tokens > PH_TRAIN_TOKENS_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "batches of %u tokens: must be from the context's %u to %zu",
                          o->batch_tokens, o->n_ctx, PH_TRAIN_TOKENS_MAX);
    if (o->accumulate < 1 || o->accumulate > 1u << 20)
        return bad("a step takes from 1 to 2^20 batches", err);
    if (o->n_steps == 0 && (o->n_epochs < 1 || o->n_epochs > 1u << 20))
        return bad("either steps, or from 1 to 2^20 epochs", err);
    if (!(o->lr > 0) || !(o->lr_end >= 0) || o->lr_end > o->lr)
        return bad("the learning rate must be above 0, and at its end neither negative nor higher",
                   err);
    if (!(o->lr * o->weight_decay <= 1))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "a learning rate of %g with a weight decay of %g: their product must not "
                          "be above 1",
                          o->lr, o->weight_decay);
    return o->from ? PHIAL_OK : check_shape(o, err);
}

/* --- run.json --- */

static ph_json *int_json(uint64_t v)
{
    char text[24];
    if (v <= JSON_MAX)
        return ph_json_int_new((int64_t)v);
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    return ph_json_str_new(ph_str_from(text));
}

static ph_json *list_json(const char *const *list, size_t n)
{
    ph_json *a = ph_json_array_new();
    for (size_t i = 0; i < n; i++)
        ph_json_push(a, ph_json_str_new(ph_str_from(list[i])));
    return a;
}

phial_status ph_training_opts_write(const phial_training_options *o, const char *path,
                                    phial_error *err)
{
    ph_json *root = ph_json_object_new();
    ph_json_set(root, "paths", list_json(o->paths, o->n_paths));
    ph_json_set(root, "held_out_paths", list_json(o->held_out_paths, o->n_held_out_paths));
#define PH_TRAINING_STR(field)                                                                     \
    ph_json_set(root, #field,                                                                      \
                o->field ? ph_json_str_new(ph_str_from(o->field)) : ph_json_null_new());
#define PH_TRAINING_INT(field)  ph_json_set(root, #field, int_json((uint64_t)o->field));
#define PH_TRAINING_F64(field)  ph_json_set(root, #field, ph_json_f64_new(o->field));
#define PH_TRAINING_BOOL(field) ph_json_set(root, #field, ph_json_bool_new(o->field));
#include "train/training_opts.def"
#undef PH_TRAINING_STR
#undef PH_TRAINING_INT
#undef PH_TRAINING_F64
#undef PH_TRAINING_BOOL
    ph_buf text;
    ph_writer *w = NULL;
    ph_buf_init(&text, 0);
    phial_status st = ph_json_write(&text, root, 2, err);
    ph_buf_add_byte(&text, '\n');
    if (st == PHIAL_OK)
        st = ph_buf_status(&text, err);
    if (st == PHIAL_OK)
        st = ph_writer_open(&w, path, err);
    if (st == PHIAL_OK)
        st = ph_writer_write(w, text.data, text.len, err);
    if (st == PHIAL_OK)
        st = ph_writer_commit(w, err);
    ph_writer_close(w);
    ph_buf_free(&text);
    ph_json_free(root);
    return st;
}

static bool read_int(const ph_json *v, uint64_t most, uint64_t *out)
{
    int64_t i;
    ph_str s;
    bool ok = ph_json_int(v, &i) && i >= 0;
    *out = ok ? (uint64_t)i : 0;
    ok = ok || (ph_json_str(v, &s) && ph_str_parse_u64(s, out));
    return ok && *out <= most;
}

static bool read_text(const ph_json *v, const char **out, ph_arena *arena)
{
    ph_str s;
    if (ph_json_is_null(v)) {
        *out = NULL;
        return true;
    }
    if (!ph_json_str(v, &s) || memchr(s.p, 0, s.n))
        return false;
    *out = ph_arena_strndup(arena, s.p, s.n, NULL);
    return *out != NULL;
}

static bool read_list(const ph_json *v, const char *const **list, size_t *n, ph_arena *arena)
{
    size_t count = ph_json_count(v);
    if (!ph_json_is_array(v) || count > PH_TRAINING_MAX_PATHS)
        return false;
    const char **texts = ph_arena_alloc(arena, count + 1, sizeof *texts, NULL);
    for (size_t i = 0; texts && i < count; i++) {
        if (!read_text(ph_json_at(v, i), &texts[i], arena) || !texts[i])
            return false;
    }
    *list = texts;
    *n = count;
    return texts != NULL;
}

/* Largest value of a field, from its width. */
#define MOST_OF(field) (sizeof(field) == 8 ? UINT64_MAX : UINT32_MAX)

static const char *read_fields(phial_training_options *o, const ph_json *root, ph_arena *arena)
{
    uint64_t u;
    if (!read_list(ph_json_get(root, "paths"), &o->paths, &o->n_paths, arena))
        return "paths";
    if (!read_list(ph_json_get(root, "held_out_paths"), &o->held_out_paths, &o->n_held_out_paths,
                   arena))
        return "held_out_paths";
#define PH_TRAINING_STR(field)                                                                     \
    if (!read_text(ph_json_get(root, #field), &o->field, arena))                                   \
        return #field;
#define PH_TRAINING_INT(field)                                                                     \
    if (!read_int(ph_json_get(root, #field), MOST_OF(o->field), &u))                               \
        return #field;                                                                             \
    o->field = (__typeof__(o->field))u;
#define PH_TRAINING_F64(field)                                                                     \
    if (!ph_json_f64(ph_json_get(root, #field), &o->field))                                        \
        return #field;
#define PH_TRAINING_BOOL(field)                                                                    \
    if (!ph_json_bool(ph_json_get(root, #field), &o->field))                                       \
        return #field;
#include "train/training_opts.def"
#undef PH_TRAINING_STR
#undef PH_TRAINING_INT
#undef PH_TRAINING_F64
#undef PH_TRAINING_BOOL
    return NULL;
}

phial_status ph_training_opts_read(phial_training_options *o, const char *path, ph_arena *arena,
                                   phial_error *err)
{
    ph_buf text;
    ph_json *root = NULL;
    ph_buf_init(&text, 0);
    phial_status st = ph_file_read_regular(&text, path, PH_TRAINING_MAX_RUN, err);
    if (st == PHIAL_OK && !(root = ph_json_parse(text.data ? text.data : "", text.len, err)))
        st = ph_err_context(err, PHIAL_ERR_BAD_INPUT, "%s", path);
    const char *fault = st == PHIAL_OK ? read_fields(o, root, arena) : NULL;
    if (fault)
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: \"%s\" is missing or will not do", path,
                        fault);
    ph_json_free(root);
    ph_buf_free(&text);
    return st;
}
