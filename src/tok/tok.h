/* The inside of a tokenizer: what the files of this wing share, and what the model and the
 * converter use. Contract for users: include/phial/tokenizer.h.
 */
#ifndef PH_TOK_TOK_H
#define PH_TOK_TOK_H

#include "tok/added.h"
#include "tok/bpe.h"
#include "tok/vocab.h"
#include "tok/word.h"
#include "tok/wordpiece.h"

struct phial_tokenizer {
    ph_vocab vocab;
    ph_bpe bpe;         /* of PH_VOCAB_BPE */
    ph_wordpiece piece; /* of PH_VOCAB_WORDPIECE */
    /* Added tokens by pass; [1] and [0]: with and without the control tokens. */
    ph_added first[2], second[2];
    uint32_t n_text;
    uint32_t longest; /* bytes of the longest token */
};

/* Consumes the vocab, also when it fails. `name` stands at the beginning of messages. */
phial_status ph_tokenizer_build(phial_tokenizer **out, ph_vocab *vocab, const char *name,
                                phial_error *err);
/* From bytes of a tokenizer.json. */
phial_status ph_tokenizer_from_json(phial_tokenizer **out, const char *text, size_t n,
                                    const char *name, phial_error *err);

/* The facts it was made from; borrowed. */
const ph_vocab *ph_tokenizer_vocab(const phial_tokenizer *t);

/* Queue operations of the long BPE algorithm that this encoder has done so far. */
uint64_t ph_encoder_steps(const phial_encoder *e);

#endif
