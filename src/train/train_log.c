/* The log of a run and its table; contract in train_log.h. */
#include "train/train_log.h"

#include <math.h>

#include "base/buf.h"
#include "base/file.h"

ph_train_log_row *ph_train_log_add(ph_train_log *h, phial_error *err)
{
    if (h->n == PH_TRAIN_LOG_MAX_ROWS) {
        ph_err_set(err, PHIAL_ERR_LIMIT, "a log of more than %zu steps", PH_TRAIN_LOG_MAX_ROWS);
        return NULL;
    }
    if (h->n == h->cap) {
        size_t cap = h->cap + h->cap / 2 + 256;
        ph_train_log_row *grown = ph_realloc(h->rows, cap, sizeof *grown, err);
        if (!grown)
            return NULL;
        h->rows = grown;
        h->cap = cap;
    }
    h->rows[h->n] = (ph_train_log_row){.held_out_loss = (double)NAN};
    return &h->rows[h->n++];
}

void ph_train_log_free(ph_train_log *h)
{
    ph_free(h->rows);
    *h = (ph_train_log){0};
}

phial_status ph_train_log_write_csv(const ph_train_log *h, const char *path, phial_error *err)
{
    ph_writer *w = NULL;
    ph_buf line;
    ph_buf_init(&line, 0);
    phial_status st = ph_writer_open(&w, path, err);
    ph_buf_add_str(&line, "step,epoch,tokens,lr,loss,grad_norm,held_out_loss\n");
    for (size_t i = 0; i <= h->n && st == PHIAL_OK; i++) {
        st = ph_buf_status(&line, err);
        if (st == PHIAL_OK)
            st = ph_writer_write(w, line.data, line.len, err);
        ph_buf_clear(&line);
        if (i == h->n)
            break;
        const ph_train_log_row *r = &h->rows[i];
        ph_buf_addf(&line, "%.0f,%.6g,%.0f,%.9g,%.9g,%.9g,", r->step, r->epoch, r->n_tokens, r->lr,
                    r->loss, r->grad_norm);
        if (!isnan(r->held_out_loss))
            ph_buf_addf(&line, "%.9g", r->held_out_loss);
        ph_buf_add_byte(&line, '\n');
    }
    if (st == PHIAL_OK)
        st = ph_writer_commit(w, err);
    ph_writer_close(w);
    ph_buf_free(&line);
    return st;
}
