/* Training a byte-level BPE: from counted words to merges and a vocabulary.
 *
 * Again and again the neighbouring pair that occurs most often in all words becomes a token; of
 * equals the one with the smaller left id, then the smaller right id. Ids: special tokens in their
 * order, the 256 bytes in the order of their characters in GPT-2's alphabet, then the merges. Pairs
 * are counted with their overlaps ("aaa" holds a pair of a's twice). That is exactly what the
 * trainer of Hugging Face's `tokenizers` does when it is given that alphabet, so that the same
 * words give the same files.
 *
 * Each merge looks only at the words that hold its pair, and changes the counts of the pairs
 * beside it; the next pair comes from a heap whose entries are brought up to date when they reach
 * its top (a count never grows once the pair is in the heap). Source: Sennrich, Haddow and Birch,
 * "Neural machine translation of rare words with subword units", 2016; huggingface/tokenizers,
 * models/bpe/trainer.rs.
 * Threads: any; a run uses the calling thread alone.
 */
#ifndef PH_TOK_BPE_TRAIN_H
#define PH_TOK_BPE_TRAIN_H

#include "tok/bpe_words.h"
#include "tok/vocab.h"

#define PH_BPE_TRAIN_MAX_SPECIALS 1024

typedef struct ph_bpe_train_options {
    uint32_t n_vocab;       /* special tokens, bytes and merges; 256 + n_specials or more */
    uint64_t min_frequency; /* a pair that occurs less often is not merged */
    /* Tokens that are never in the text: printable ASCII without blanks. The first is the end of
     * text. */
    const ph_str *specials;
    size_t n_specials;
    /* May be NULL; false: stop with PHIAL_ERR_CANCELLED. */
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *progress_user;
} ph_bpe_train_options;

/* Fills vocab (initialised by the caller, freed by the caller also on failure). There are fewer
 * tokens than asked for where the text has no more pairs. Errors: ARGUMENT, LIMIT, NO_MEMORY,
 * CANCELLED. */
phial_status ph_bpe_train(ph_vocab *vocab, const ph_words_table *words,
                          const ph_bpe_train_options *options, phial_error *err);

#endif
