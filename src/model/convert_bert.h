/* BERT's part of convert: which tensors go where, and the keys. Internal to model.
 *
 * To GGUF as llama.cpp's converter writes architecture "bert": its names and keys, vectors,
 * positions and types in F32, the vocabulary with U+2581 before what begins a word. Left out, with
 * a notice: heads (pooler, masked language model), which no embedding needs, and position_ids. To
 * Hugging Face: transformers' names without a prefix, config.json and vocab.txt made anew where the
 * file does not carry the originals.
 */
#ifndef PH_MODEL_CONVERT_BERT_H
#define PH_MODEL_CONVERT_BERT_H

#include "fmt/safetensors.h"
#include "model/convert_plan.h"
#include "model/hparams.h"

/* What a folder's weights become. order: [n of the weights], filled with the tensors that are
 * converted, as the source has them; *n_order of them. dir is for messages. */
phial_status ph_bert_plan_to_gguf(ph_convert_plan *plan, const ph_st_tensor **order,
                                  size_t *n_order, const ph_safetensors *weights,
                                  const ph_hparams *hp, const char *dir,
                                  const ph_convert_options *options, phial_error *err);
/* Keys of the architecture, pooling and the vocabulary. */
phial_status ph_bert_put_keys(ph_gguf_writer *w, const ph_hparams *hp, const char *dir, ph_str name,
                              uint32_t file_type, phial_error *err);

bool ph_bert_gguf_is(const ph_gguf *g);
/* Everything a GGUF file of architecture "bert" says about the shape; checked. */
phial_status ph_bert_gguf_read(ph_hparams *out, const ph_gguf *g, phial_error *err);
/* What its tensors become; bulk: type of the model as a whole. */
phial_status ph_bert_plan_to_hf(ph_convert_plan *plan, const ph_gguf *g, const ph_hparams *hp,
                                ph_dtype bulk, const ph_convert_options *options, phial_error *err);
/* config.json, vocab.txt and tokenizer_config.json, handed to `file` one by one. */
phial_status ph_bert_make_files(const ph_gguf *g, const ph_hparams *hp, ph_dtype bulk,
                                ph_convert_file_fn file, void *user, phial_error *err);

#endif
