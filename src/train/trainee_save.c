/* A trainee as a model on disk. Contract: trainee.h.
 *
 * A folder is written as transformers writes one; a GGUF file is made from such a folder, beside it
 * and gone afterwards, by the converter, so that there is one way from weights to GGUF. */
#include <math.h>

#include "base/file.h"
#include "base/str.h"
#include "fmt/safetensors.h"
#include "kern/quant.h"
#include "model/convert.h"
#include "model/convert_dir.h"
#include "model/convert_plan.h"
#include "model/phi_config.h"
#include "train/trainee_struct.h"

#define STEP          65536 /* numbers converted at a time */
#define TOKENIZER_MAX ((size_t)256 << 20)

void ph_trainee_save_options_default(ph_trainee_save_options *options)
{
    *options = (ph_trainee_save_options){.type = PH_DTYPE_F16, .bos = -1, .eos = -1};
}

/* Largest magnitude that does not round to infinity. */
static float largest(ph_dtype type)
{
    return type == PH_DTYPE_F16    ? 0x1.ffdffep15f
           : type == PH_DTYPE_BF16 ? 0x1.fefffep127f
                                   : 0x1p127f * (2 - 0x1p-23f);
}

static phial_status check_range(const ph_train_param *p, ph_dtype type, phial_error *err)
{
    float most = largest(type);
    for (size_t i = 0; i < p->n; i++) {
        if (!(fabsf(p->value[i]) <= most)) {
            return ph_err_set(err, PHIAL_ERR_NUMERIC,
                              "'%s': weight %zu is %g, which %s cannot hold", p->name, i,
                              (double)p->value[i], ph_dtype_name(type));
        }
    }
    return PHIAL_OK;
}

static phial_status write_tensor(ph_st_writer *w, const ph_train_param *p, ph_dtype type,
                                 uint8_t *room, phial_error *err)
{
    const ph_quant *quant = ph_quant_find(type);
    phial_status status = PHIAL_OK;
    for (size_t at = 0; at < p->n && status == PHIAL_OK; at += STEP) {
        size_t n = p->n - at < STEP ? p->n - at : STEP;
        quant->quantize(room, p->value + at, n);
        status = ph_st_writer_data(w, room, (size_t)ph_dtype_row_bytes(type, n), err);
    }
    return status;
}

static phial_status write_weights(const ph_trainee *t, ph_convert_dir *dir, ph_dtype type,
                                  phial_error *err)
{
    ph_st_writer *w = NULL;
    const char *path;
    size_t n = ph_trainee_n_params(t);
    uint8_t *room = ph_alloc(STEP, sizeof(float), err);
    phial_status status = room == NULL ? PHIAL_ERR_NO_MEMORY : ph_st_writer_new(&w, err);
    if (status == PHIAL_OK) {
        status = ph_st_writer_meta(w, ph_str_from("format"), ph_str_from("pt"), err);
    }
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        ph_train_param p = ph_trainee_param(t, i);
        status = ph_st_writer_tensor(w, ph_str_from(p.name), ph_dtype_name(type), p.n_dims, p.shape,
                                     err);
    }
    if (status == PHIAL_OK) {
        status = ph_convert_dir_file(dir, "model.safetensors", &path, err);
    }
    if (status == PHIAL_OK) {
        status = ph_st_writer_begin(w, path, err);
    }
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        ph_train_param p = ph_trainee_param(t, i);
        status = write_tensor(w, &p, type, room, err);
    }
    if (status == PHIAL_OK) {
        status = ph_st_writer_commit(w, err);
    }
    ph_st_writer_free(w);
    ph_free(room);
    return status;
}

/* The tokenizer's files that are there, byte for byte. */
static phial_status copy_tokenizer(ph_convert_dir *dir, const char *from, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (size_t i = 0; ph_convert_side_files[i] != NULL && status == PHIAL_OK; i++) {
        ph_str name = ph_str_from(ph_convert_side_files[i]);
        if (ph_str_eq_c(name, "config.json") || ph_str_eq_c(name, "generation_config.json")) {
            continue;
        }
        char *path = ph_path_join(from, name.p, err);
        if (path == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        ph_buf text;
        ph_buf_init(&text, TOKENIZER_MAX);
        if (ph_file_kind_of(path) != PH_FILE_MISSING) {
            status = ph_file_read_regular(&text, path, TOKENIZER_MAX, err);
            if (status == PHIAL_OK) {
                status = ph_convert_dir_write(dir, name.p, (ph_str){text.data, text.len}, err);
            }
        }
        ph_buf_free(&text);
        ph_free(path);
    }
    return status;
}

static phial_status fill_folder(const ph_trainee *t, ph_convert_dir *dir,
                                const ph_trainee_save_options *o, phial_error *err)
{
    ph_buf config;
    ph_buf_init(&config, 0);
    phial_status status = ph_phi_config_write(&config, &t->hp, o->type, o->bos, o->eos, err);
    if (status == PHIAL_OK) {
        status = ph_convert_dir_write(dir, "config.json", (ph_str){config.data, config.len}, err);
    }
    if (status == PHIAL_OK && o->tokenizer_dir != NULL) {
        status = copy_tokenizer(dir, o->tokenizer_dir, err);
    }
    if (status == PHIAL_OK) {
        status = write_weights(t, dir, o->type, err);
    }
    ph_buf_free(&config);
    return status;
}

static phial_status save_gguf(const ph_trainee *t, const char *dst,
                              const ph_trainee_save_options *o, phial_error *err)
{
    ph_buf parts;
    ph_convert_dir dir = {0};
    ph_buf_init(&parts, 0);
    if (!o->overwrite && ph_file_kind_of(dst) != PH_FILE_MISSING) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", dst);
    }
    ph_buf_addf(&parts, "%s.parts", dst);
    phial_status status = ph_buf_status(&parts, err);
    if (status == PHIAL_OK) {
        status = ph_convert_dir_open(&dir, parts.data, false, err);
    }
    if (status == PHIAL_OK) {
        status = fill_folder(t, &dir, o, err);
    }
    if (status == PHIAL_OK) {
        ph_convert_options options = {.overwrite = o->overwrite};
        status = ph_convert_to_gguf(dir.temp, dst, &options, err);
    }
    ph_convert_dir_close(&dir); /* without commit: the folder goes */
    ph_buf_free(&parts);
    return status;
}

static phial_status save_folder(const ph_trainee *t, const char *dst,
                                const ph_trainee_save_options *o, phial_error *err)
{
    ph_convert_dir dir;
    phial_status status = ph_convert_dir_open(&dir, dst, o->overwrite, err);
    if (status == PHIAL_OK) {
        status = fill_folder(t, &dir, o, err);
    }
    if (status == PHIAL_OK) {
        status = ph_convert_dir_commit(&dir, err);
    }
    ph_convert_dir_close(&dir);
    return status;
}

phial_status ph_trainee_save(const ph_trainee *t, const char *dst, const ph_trainee_save_options *o,
                             phial_error *err)
{
    if (!ph_convert_is_float(o->type)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "type %s: a trained model is written as F32, F16 or BF16",
                          ph_dtype_name(o->type));
    }
    if (o->bos >= (int64_t)t->hp.n_vocab || o->eos >= (int64_t)t->hp.n_vocab) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "special tokens %lld and %lld in a vocabulary of %u", (long long)o->bos,
                          (long long)o->eos, (unsigned)t->hp.n_vocab);
    }
    for (size_t i = 0; i < ph_trainee_n_params(t); i++) {
        ph_train_param p = ph_trainee_param(t, i);
        phial_status status = check_range(&p, o->type, err);
        if (status != PHIAL_OK) {
            return ph_err_context(err, status, "%s", dst);
        }
    }
    bool gguf = ph_str_ends_with(ph_str_from(dst), ".gguf");
    return gguf ? save_gguf(t, dst, o, err) : save_folder(t, dst, o, err);
}
