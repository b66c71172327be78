/* What both directions of convert share: the list of tensors to write and the copying of their
 * data, with a change of type where asked for. Internal to model. */
#ifndef PH_MODEL_CONVERT_PLAN_H
#define PH_MODEL_CONVERT_PLAN_H

#include "base/file.h"
#include "fmt/gguf_write.h"
#include "model/convert.h"
#include "model/phi_names.h"

/* Keys of ours in a GGUF file; docs/FORMATS.md explains them. */
#define PH_KEY_LAYOUT        "phial.hf.layout"
#define PH_KEY_TENSORS       "phial.hf.tensors"
#define PH_KEY_DTYPES        "phial.hf.dtypes"
#define PH_KEY_TIED          "phial.hf.tied_head"
#define PH_KEY_FILE_NAMES    "phial.hf.file_names"
#define PH_KEY_FILE_CONTENTS "phial.hf.file_contents"

/* The files beside the weights that travel along; NULL ends the list. */
extern const char *const ph_convert_side_files[];
#define PH_CONVERT_MAX_SIDE_FILE PH_GGUF_MAX_STRING

typedef struct ph_convert_item {
    char name[PH_PHI_NAME_BYTES]; /* in the destination */
    ph_dtype from, to;
    uint64_t rows, cols; /* cols 0: one dimension */
    const uint8_t *data; /* borrowed from the source's mapping */
    uint64_t data_bytes;
    const ph_map *map;
} ph_convert_item;

typedef struct ph_convert_plan {
    ph_convert_item *items; /* owned */
    size_t n_items, cap_items;
    uint64_t total_bytes, done_bytes; /* of source data */
} ph_convert_plan;

phial_status ph_convert_plan_add(ph_convert_plan *plan, const ph_convert_item *item,
                                 phial_error *err);
void ph_convert_plan_free(ph_convert_plan *plan);

uint64_t ph_convert_n_elements(const ph_convert_item *item);

typedef phial_status (*ph_convert_sink)(void *sink, const void *bytes, size_t n, phial_error *err);

/* Streams all items, in order, through the sink. */
phial_status ph_convert_plan_run(ph_convert_plan *plan, const ph_convert_options *options,
                                 ph_convert_sink write, void *sink, phial_error *err);

/* Whether every value of an F32 tensor is one of the narrower type too. */
bool ph_convert_is_exact(const uint8_t *f32, uint64_t n, ph_dtype narrow);

/* "F16" etc. of the three types that safetensors files hold here. */
bool ph_convert_is_float(ph_dtype type);

/* Tokenizer files of a directory as tokenizer.ggml.* keys; without such files the keys say "none".
 * eos is the configuration's, -1: none. convert_vocab.c */
phial_status ph_convert_put_vocab(ph_gguf_writer *w, const char *dir, uint64_t n_vocab, int64_t eos,
                                  phial_error *err);

/* The other way: vocab.json, merges.txt and added_tokens.json from tokenizer.ggml.*, handed to
 * `file` one by one. Nothing for files without a BPE vocabulary. convert_vocab_back.c */
typedef phial_status (*ph_convert_file_fn)(void *user, const char *name, ph_str content,
                                           phial_error *err);
phial_status ph_convert_vocab_files(const ph_gguf *g, ph_convert_file_fn file, void *user,
                                    phial_error *err);

#endif
