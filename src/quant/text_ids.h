/* A text file as token ids: what report card and importance matrix run models on. */
#ifndef PH_QUANT_TEXT_IDS_H
#define PH_QUANT_TEXT_IDS_H

#include "base/err.h"
#include "phial/tokenizer.h"

typedef struct ph_text_ids {
    phial_tokenizer *tokenizer; /* owned */
    phial_encoder *encoder;     /* owned */
    const uint32_t *ids;        /* borrowed from the encoder */
    size_t n;
} ph_text_ids;

/* model: whose tokenizer, a GGUF file or a folder. */
phial_status ph_text_ids_open(ph_text_ids *out, const char *model, const char *text,
                              phial_error *err);
void ph_text_ids_close(ph_text_ids *t);

#endif
