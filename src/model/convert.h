/* Phi and BERT models between Hugging Face directories and GGUF files. (What is said here is about
 * Phi; BERT: convert_bert.h.)
 *
 * To GGUF: architecture "phi2" as llama.cpp's converter writes it (names, keys, one-dimensional
 * tensors in F32), so that llama.cpp reads the file; fused Wqkv stays fused (attn_qkv). A tied head
 * is written out as output.weight; the token list is filled up to the embedding's rows. What the
 * format has no place for travels in keys of ours, listed in docs/FORMATS.md: the original names
 * and dtypes, and config.json and the tokenizer's files byte for byte. So the way back gives every
 * tensor byte for byte, under its own name.
 * To Hugging Face: such files, and files made by others: those get names and a config.json as
 * transformers writes them, attn_qkv split, and vocab.json + merges.txt + added_tokens.json.
 * Data is streamed: memory does not grow with the model. Nothing is left behind on failure.
 * Not done: Q4_K and its like on the way to GGUF (that is quantization), other architectures.
 */
#ifndef PH_MODEL_CONVERT_H
#define PH_MODEL_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/err.h"
#include "base/log.h"

typedef struct ph_convert_options {
    bool has_type; /* otherwise every tensor keeps its source's */
    ph_dtype type; /* F32, F16 or BF16 */
    bool overwrite;
    ph_log log; /* notices: what llama.cpp could not read, what was left out */
    /* May be NULL; false cancels (PHIAL_ERR_CANCELLED). */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_user;
} ph_convert_options;

/* A directory becomes a GGUF file, a file a directory. */
phial_status ph_convert(const char *src, const char *dst, const ph_convert_options *options,
                        phial_error *err);
phial_status ph_convert_to_gguf(const char *src_dir, const char *dst_file,
                                const ph_convert_options *options, phial_error *err);
phial_status ph_convert_to_hf(const char *src_file, const char *dst_dir,
                              const ph_convert_options *options, phial_error *err);

#endif
