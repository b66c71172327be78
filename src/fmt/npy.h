/* NumPy's .npy files of float32, format version 1.0, one or two dimensions, C order.
 * Source: numpy.lib.format. Written as a stream and atomically; read whole, for tests. */
#ifndef PH_FMT_NPY_H
#define PH_FMT_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Elements that ph_npy_read() accepts: 1 GiB of data. */
#define PH_NPY_MAX_ELEMENTS (256u << 20)

typedef struct ph_npy_writer ph_npy_writer;

/* n_dims 1: shape (rows); 2: (rows, cols). */
phial_status ph_npy_writer_open(ph_npy_writer **out, const char *path, int n_dims, uint64_t rows,
                                uint64_t cols, phial_error *err);
phial_status ph_npy_writer_add(ph_npy_writer *w, const float *values, size_t n, phial_error *err);
/* Fails with PHIAL_ERR_ARGUMENT unless exactly the declared number of values was added. */
phial_status ph_npy_writer_commit(ph_npy_writer *w, phial_error *err);
void ph_npy_writer_close(ph_npy_writer *w); /* without commit nothing stays behind */

typedef struct ph_npy {
    int n_dims;          /* 1 or 2 */
    uint64_t rows, cols; /* cols 1 when n_dims is 1 */
    float *data;         /* owned */
} ph_npy;

phial_status ph_npy_read(ph_npy *out, const char *path, phial_error *err);
phial_status ph_npy_parse(ph_npy *out, const uint8_t *bytes, size_t n, phial_error *err);
void ph_npy_free(ph_npy *npy);

#endif
