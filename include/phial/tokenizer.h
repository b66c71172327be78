/* Tokenizer: text to token ids and back, exactly as the model's own tokenizer does it. Two kinds:
 *
 * Byte-level BPE of the GPT-2/CodeGen family (Phi-1, Phi-1.5, Phi-2, GPT-2). Text is any byte
 * string: no normalization, nothing is put in front or behind, and decoding what was encoded gives
 * back the same bytes, invalid UTF-8 and NULs included (an invalid byte counts as a symbol, neither
 * letter, digit nor space, when the text is cut into words).
 *
 * WordPiece (BERT): text is cleaned, lower-cased and cut into words first, so decoding gives words
 * with a blank before each and not the text. Bytes that are no UTF-8 are dropped. A word without
 * pieces is one unknown token. Bos and eos are [CLS] and [SEP].
 *
 * Ids are 0 .. phial_tokenizer_n_vocab()-1. Some ids of a model may stand for no text (padding of
 * the vocabulary): they decode to nothing. The same holds for ids from n_vocab up to
 * PHIAL_VOCAB_MAX-1, because a tokenizer's own files do not say how far a model's rows are padded.
 * An id of PHIAL_VOCAB_MAX or more is an argument error.
 *
 * Threads: a tokenizer is immutable; any number of threads may use it. An encoder or a decoder
 * belongs to one thread at a time and borrows its tokenizer, which must outlive it.
 */
#ifndef PHIAL_TOKENIZER_H
#define PHIAL_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ids are below this. */
#define PHIAL_VOCAB_MAX  (1u << 20)
/* Bytes of text that one call encodes. */
#define PHIAL_TEXT_MAX   ((size_t)1 << 30)
/* "The tokenizer names no such token". */
#define PHIAL_TOKEN_NONE UINT32_MAX

typedef struct phial_tokenizer phial_tokenizer;
typedef struct phial_encoder phial_encoder;
typedef struct phial_decoder phial_decoder;

/* Opens a tokenizer from `path`:
 *   - a directory with tokenizer.json, or with vocab.json and merges.txt (and added_tokens.json);
 *     tokenizer_config.json and special_tokens_map.json are used where they are;
 *   - a directory with vocab.txt, or a tokenizer.json or vocab.txt file itself;
 *   - a GGUF file, with or without weights.
 * *out is owned; nothing of the files is needed afterwards. Errors: IO; BAD_INPUT for malformed
 * files; UNSUPPORTED for another kind of tokenizer, which is named; LIMIT; NO_MEMORY. */
PHIAL_API phial_status phial_tokenizer_open(phial_tokenizer **out, const char *path,
                                            phial_error *err);
PHIAL_API void phial_tokenizer_close(phial_tokenizer *t);

/* Ids the files speak of (highest id + 1), and how many of them have text. */
PHIAL_API uint32_t phial_tokenizer_n_vocab(const phial_tokenizer *t);
PHIAL_API uint32_t phial_tokenizer_n_text(const phial_tokenizer *t);

/* Beginning and end of text, or PHIAL_TOKEN_NONE. */
PHIAL_API uint32_t phial_tokenizer_bos(const phial_tokenizer *t);
PHIAL_API uint32_t phial_tokenizer_eos(const phial_tokenizer *t);
/* Whether the files ask for the bos token in front of every prompt (false for all Phi). Encoding
 * never adds it. */
PHIAL_API bool phial_tokenizer_adds_bos(const phial_tokenizer *t);

/* False for ids out of range. A special token (a control token such as <|endoftext|>) has text. */
PHIAL_API bool phial_tokenizer_has_text(const phial_tokenizer *t, uint32_t id);
PHIAL_API bool phial_tokenizer_is_special(const phial_tokenizer *t, uint32_t id);

/* The bytes a token stands for: not NUL-terminated text, often half a UTF-8 character; borrowed
 * until the tokenizer is closed. Never NULL; *n is 0 for an id without text. */
PHIAL_API const char *phial_tokenizer_text(const phial_tokenizer *t, uint32_t id, size_t *n);
/* The id of the token with exactly these bytes, or PHIAL_TOKEN_NONE. Added and special tokens come
 * before ordinary ones. */
PHIAL_API uint32_t phial_tokenizer_find(const phial_tokenizer *t, const void *text, size_t n);

/* An encoder holds the memory of encoding and a cache of words, so that encoding again allocates
 * nothing once it has grown. About a megabyte once used. *out is owned. */
PHIAL_API phial_status phial_encoder_new(phial_encoder **out, const phial_tokenizer *t,
                                         phial_error *err);
PHIAL_API void phial_encoder_free(phial_encoder *e);

/* Flags of phial_encoder_run(). */
/* Special tokens in the text become their ids. Without it they are plain text. Added tokens that
 * are not special (Phi-2's runs of spaces and tabs) are always found. */
#define PHIAL_ENCODE_SPECIAL 1u

/* Encodes n bytes. The result is read with the two functions below and lives until the next call
 * with this encoder. Takes time linear in n for every text. Errors: ARGUMENT for unknown flags,
 * LIMIT for more than PHIAL_TEXT_MAX bytes, NO_MEMORY; then there is no result (0 ids). */
PHIAL_API phial_status phial_encoder_run(phial_encoder *e, const void *text, size_t n,
                                         uint32_t flags, phial_error *err);
/* Ids of the last run; borrowed until the next run. Never NULL. */
PHIAL_API const uint32_t *phial_encoder_ids(const phial_encoder *e, size_t *n);
/* Where the tokens lie in the text of the last run, in bytes: n + 1 ascending numbers for n ids,
 * token i covers [offsets[i], offsets[i + 1]). Tokens cover the text without gaps (with WordPiece
 * blanks belong to the token before them, or to the first); a token may begin or end inside a UTF-8
 * character. Borrowed until the next run; NULL if memory is short. */
PHIAL_API const size_t *phial_encoder_offsets(phial_encoder *e, phial_error *err);

/* Flags of decoding. */
/* Special tokens give no bytes. */
#define PHIAL_DECODE_SKIP_SPECIAL 1u

/* Exact bytes of ids. Writes at most cap bytes to out (may be NULL when cap is 0), and the full
 * length to *n_bytes; call again with more room when that exceeds cap. No NUL is added. Errors:
 * ARGUMENT, naming the position, for an id of PHIAL_VOCAB_MAX or more or an unknown flag. */
PHIAL_API phial_status phial_tokenizer_decode(const phial_tokenizer *t, char *out, size_t cap,
                                              size_t *n_bytes, const uint32_t *ids, size_t n_ids,
                                              uint32_t flags, phial_error *err);

/* A decoder turns ids into text one at a time and never hands out a part of a UTF-8 character: the
 * beginning of one is held back until the rest arrives. Bytes that can no longer become a character
 * are handed out as they are, so the concatenation of everything equals
 * phial_tokenizer_decode(). */
PHIAL_API phial_status phial_decoder_new(phial_decoder **out, const phial_tokenizer *t,
                                         uint32_t flags, phial_error *err);
PHIAL_API void phial_decoder_free(phial_decoder *d);
/* The bytes that are complete now; borrowed until the next call with this decoder. Allocates
 * nothing. Errors as in phial_tokenizer_decode(). */
PHIAL_API phial_status phial_decoder_push(phial_decoder *d, const char **text, size_t *n,
                                          uint32_t id, phial_error *err);
/* What was held back, as it is; the decoder is empty afterwards and can be used again. */
PHIAL_API const char *phial_decoder_flush(phial_decoder *d, size_t *n);

#ifdef __cplusplus
}
#endif

#endif
