/* Importance matrices: how strongly each column of each weight matrix is used by real text, as the
 * mean squared activation it meets. Files are GGUF in llama.cpp's layout for them (general.type
 * "imatrix"; per matrix NAME.in_sum2, sums of squares of its columns, and NAME.counts, how many
 * activations were summed), so that either program reads the other's.
 */
#ifndef PH_QUANT_IMATRIX_H
#define PH_QUANT_IMATRIX_H

#include <stdbool.h>

#include "base/err.h"
#include "fmt/gguf_write.h"

typedef struct ph_imatrix ph_imatrix;

phial_status ph_imatrix_open(ph_imatrix **out, const char *path, phial_error *err);
void ph_imatrix_close(ph_imatrix *m);

/* Mean squares of the columns of the matrix with this GGUF name, *n of them; NULL if it has none.
 * Borrowed until close. */
const float *ph_imatrix_find(const ph_imatrix *m, const char *tensor_name, size_t *n);

/* The keys that llama-quantize leaves about it in a quantized file. */
void ph_imatrix_put_keys(const ph_imatrix *m, ph_gguf_writer *w);

typedef struct ph_imatrix_options {
    const char *model;   /* GGUF file or Hugging Face folder, tokenizer included */
    const char *text;    /* file */
    uint32_t n_ctx;      /* tokens of a chunk; 0: 512, or what the model takes if that is less */
    uint64_t max_chunks; /* 0: all */
    int n_threads;
    bool overwrite;
    /* May be NULL; false cancels. */
    bool (*progress)(void *user, uint64_t done_tokens, uint64_t n_tokens);
    void *progress_user;
} ph_imatrix_options;

/* Runs the model over the text and writes the file. *n_chunks: how many there were. */
phial_status ph_imatrix_collect(const char *dst, const ph_imatrix_options *options,
                                uint64_t *n_chunks, phial_error *err);

#endif
