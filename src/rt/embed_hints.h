/* What a model's files, or failing those its name, say about how its embeddings are to be made.
 *
 * Files: in a folder 1_Pooling/config.json, modules.json, sentence_bert_config.json and
 * config_sentence_transformers.json, as the sentence-transformers package writes them; in a GGUF
 * file the key pooling_type. Names: the table embed_models.def.
 */
#ifndef PH_RT_EMBED_HINTS_H
#define PH_RT_EMBED_HINTS_H

#include "model/source.h"
#include "phial/embed.h"

#define PH_EMBED_PREFIX_BYTES 4096

typedef struct ph_embed_hints {
    phial_pooling pooling;     /* AUTO: nothing is said */
    phial_normalize normalize; /* AUTO: nothing is said */
    uint32_t n_ctx;            /* 0: nothing is said */
    char query[PH_EMBED_PREFIX_BYTES], passage[PH_EMBED_PREFIX_BYTES];
} ph_embed_hints;

/* BAD_INPUT for a file that is there and malformed, UNSUPPORTED for a pooling nobody here has. */
phial_status ph_embed_hints_read(ph_embed_hints *out, const phial_model *model, phial_error *err);

#endif
