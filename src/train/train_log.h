/* The log of a run: what each step and each look at the held-out part gave; a part of the
 * checkpoint, so that after going on from one it holds what was lost and nothing twice. Written as
 * CSV, and drawn as SVG.
 */
#ifndef PH_TRAIN_TRAIN_LOG_H
#define PH_TRAIN_TRAIN_LOG_H

#include "base/mem.h"

#define PH_TRAIN_LOG_MAX_ROWS ((size_t)1 << 24)

/* Doubles only: rows lie in a checkpoint as an F64 tensor [n][PH_TRAIN_LOG_COLS]. */
typedef struct ph_train_log_row {
    double step, epoch, n_tokens, lr, loss, grad_norm;
    double held_out_loss; /* NaN: not looked at behind this step */
} ph_train_log_row;
#define PH_TRAIN_LOG_COLS 7
_Static_assert(sizeof(ph_train_log_row) == PH_TRAIN_LOG_COLS * sizeof(double),
               "rows have no holes");

typedef struct ph_train_log {
    ph_train_log_row *rows; /* owned */
    size_t n, cap;
} ph_train_log;

/* A new row, zeroed; NULL: no memory, or too many rows. */
ph_train_log_row *ph_train_log_add(ph_train_log *h, phial_error *err);
void ph_train_log_free(ph_train_log *h);

phial_status ph_train_log_write_csv(const ph_train_log *h, const char *path, phial_error *err);
/* Loss against tokens seen: the steps' (thin, and averaged), the held-out part's (dots). */
phial_status ph_train_log_write_svg(const ph_train_log *h, const char *title, const char *path,
                                    phial_error *err);

#endif
