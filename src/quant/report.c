/* Contract: quant/report.h. */
#include "quant/report.h"

#include "quant/text_ids.h"

phial_status ph_report_make(ph_report *out, const ph_report_options *options, phial_error *err)
{
    ph_text_ids text;
    phial_model *source = NULL, *result = NULL;
    ph_score_options score = {.n_threads = options->n_threads,
                              .progress = options->progress,
                              .progress_user = options->progress_user};
    phial_status status = ph_text_ids_open(&text, options->source, options->text, err);
    if (status == PHIAL_OK)
        status = phial_model_open(&source, options->source, NULL, err);
    if (status == PHIAL_OK)
        status = phial_model_open(&result, options->result, NULL, err);
    if (status == PHIAL_OK)
        status = ph_score_compare(out, source, result, text.ids, text.n, &score, err);
    phial_model_close(result);
    phial_model_close(source);
    ph_text_ids_close(&text);
    return status == PHIAL_OK ? status : ph_err_context(err, status, "report card");
}

/* What a card says, key and member. */
static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
    {"phial.report.perplexity_source", offsetof(ph_report, perplexity_source)},
    {"phial.report.perplexity", offsetof(ph_report, perplexity)},
    {"phial.report.perplexity_ratio", offsetof(ph_report, perplexity_ratio)},
    {"phial.report.kl_mean", offsetof(ph_report, kl_mean)},
    {"phial.report.kl_p99", offsetof(ph_report, kl_p99)},
    {"phial.report.same_top", offsetof(ph_report, same_top)},
};
#define N_NUMBERS (sizeof numbers / sizeof numbers[0])
#define TOKENS    "phial.report.n_tokens"

void ph_report_put_keys(ph_gguf_writer *w, const char *text)
{
    ph_gguf_put_str(w, "phial.report.text", ph_str_from(ph_path_base(text)));
    ph_gguf_put_f64(w, TOKENS, 0);
    for (size_t i = 0; i < N_NUMBERS; i++)
        ph_gguf_put_f64(w, numbers[i].key, 0);
}

phial_status ph_report_patch(const ph_report *report, ph_gguf_writer *w, phial_error *err)
{
    phial_status status = ph_gguf_writer_patch_f64(w, TOKENS, (double)report->n_tokens, err);
    for (size_t i = 0; i < N_NUMBERS && status == PHIAL_OK; i++) {
        double v;
        memcpy(&v, (const char *)report + numbers[i].offset, sizeof v);
        status = ph_gguf_writer_patch_f64(w, numbers[i].key, v, err);
    }
    return status;
}
