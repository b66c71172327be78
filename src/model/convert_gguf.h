/* A Hugging Face directory seen as the GGUF file it becomes: tensors under their GGUF names, and
 * the metadata. For convert itself, and for whoever writes the data in another form (quantize). */
#ifndef PH_MODEL_CONVERT_GGUF_H
#define PH_MODEL_CONVERT_GGUF_H

#include "model/convert_plan.h"

typedef struct ph_gguf_plan ph_gguf_plan;

/* dir and options are borrowed until close. */
phial_status ph_gguf_plan_open(ph_gguf_plan **out, const char *dir,
                               const ph_convert_options *options, phial_error *err);
void ph_gguf_plan_close(ph_gguf_plan *plan);

/* The tensors in the order of the file. */
const ph_convert_plan *ph_gguf_plan_items(const ph_gguf_plan *plan);
void ph_gguf_plan_heads(const ph_gguf_plan *plan, uint64_t *n_head, uint64_t *n_head_kv);
/* file_type: llama.cpp's number, ph_phi_file_type(). */
phial_status ph_gguf_plan_put_keys(const ph_gguf_plan *plan, ph_gguf_writer *w, uint32_t file_type,
                                   phial_error *err);

#endif
