/* The report card of a quantized model: how far its predictions are from its source's on a text.
 * It is printed and kept in the file's metadata under phial.report.*. */
#ifndef PH_QUANT_REPORT_H
#define PH_QUANT_REPORT_H

#include <stdbool.h>

#include "fmt/gguf_write.h"
#include "rt/score.h"

typedef ph_comparison ph_report;

typedef struct ph_report_options {
    const char *source, *result; /* models; the source's tokenizer is used */
    const char *text;            /* file */
    int n_threads;
    /* May be NULL; false cancels. */
    bool (*progress)(void *user, uint64_t done_tokens, uint64_t n_tokens);
    void *progress_user;
} ph_report_options;

phial_status ph_report_make(ph_report *out, const ph_report_options *options, phial_error *err);

/* Room for the card in the metadata, filled by patch when it is known. */
void ph_report_put_keys(ph_gguf_writer *w, const char *text);
phial_status ph_report_patch(const ph_report *report, ph_gguf_writer *w, phial_error *err);

#endif
