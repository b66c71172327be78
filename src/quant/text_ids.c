/* Contract: quant/text_ids.h. */
#include "quant/text_ids.h"

#include "base/file.h"

#define MAX_TEXT ((size_t)64 << 20)

phial_status ph_text_ids_open(ph_text_ids *out, const char *model, const char *text,
                              phial_error *err)
{
    ph_buf bytes;
    *out = (ph_text_ids){0};
    ph_buf_init(&bytes, 0);
    phial_status status = phial_tokenizer_open(&out->tokenizer, model, err);
    if (status == PHIAL_OK)
        status = phial_encoder_new(&out->encoder, out->tokenizer, err);
    if (status == PHIAL_OK)
        status = ph_file_read(&bytes, text, MAX_TEXT, err);
    if (status == PHIAL_OK)
        status = phial_encoder_run(out->encoder, bytes.data ? bytes.data : "", bytes.len, 0, err);
    if (status == PHIAL_OK)
        out->ids = phial_encoder_ids(out->encoder, &out->n);
    if (status == PHIAL_OK && out->n < 2)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: %zu tokens are too few", text, out->n);
    ph_buf_free(&bytes);
    if (status != PHIAL_OK)
        ph_text_ids_close(out);
    return status;
}

void ph_text_ids_close(ph_text_ids *t)
{
    phial_encoder_free(t->encoder);
    phial_tokenizer_close(t->tokenizer);
    *t = (ph_text_ids){0};
}
