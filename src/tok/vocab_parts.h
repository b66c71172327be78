/* Pieces of JSON that more than one reader meets. */
#ifndef PH_TOK_VOCAB_PARTS_H
#define PH_TOK_VOCAB_PARTS_H

#include "tok/vocab.h"

/* {"token": id, ...} as tokens of the model. */
phial_status ph_vocab_json_tokens(ph_vocab *v, const ph_json *object, phial_error *err);
/* {"content": ..., "special": ..., ...}; a negative id is an error. */
phial_status ph_vocab_json_added(ph_vocab *v, const ph_json *token, int64_t id, phial_error *err);

#endif
