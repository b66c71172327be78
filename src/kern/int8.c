/* Packing weights for int8 products, and who computes what. Contract: kern/int8.h. */
#include "kern/int8.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define LIVE_MIN 1e-30f /* below, the inverse may overflow */
#define FLOATS   (PH_CACHE_LINE / sizeof(float))

static size_t columns_of(const ph_kern *kern, size_t n)
{
    return (n + kern->i8_n - 1) / kern->i8_n * kern->i8_n;
}

size_t ph_i8_padded(size_t k)
{
    return (k + PH_I8_UNIT - 1) / PH_I8_UNIT * PH_I8_UNIT;
}

size_t ph_i8_groups(size_t k)
{
    return (k + PH_I8_GROUP - 1) / PH_I8_GROUP;
}

size_t ph_i8_bytes(const ph_kern *kern, size_t n, size_t k)
{
    size_t bytes, columns;
    if (n > SIZE_MAX / 64 || k > PH_I8_DEPTH_MAX) {
        return 0;
    }
    columns = columns_of(kern, n);
    if (!ph_mul_size(&bytes, columns, ph_i8_padded(k)) || bytes > SIZE_MAX / 2) {
        return 0;
    }
    return ph_align_up(bytes, PH_CACHE_LINE) +
           (2 + ph_i8_groups(k)) * ph_align_up(columns, FLOATS) * sizeof(float);
}

ph_i8_mat ph_i8_lay_out(const ph_kern *kern, void *bytes, size_t n, size_t k, const float *bias)
{
    size_t columns = columns_of(kern, n), step = ph_align_up(columns, FLOATS);
    ph_i8_mat mat = {.w = bytes, .n = n, .k = k};
    mat.d =
        (float *)(void *)((char *)bytes + ph_align_up(columns * ph_i8_padded(k), PH_CACHE_LINE));
    mat.bias = mat.d + step;
    mat.sums = mat.bias + step;
    if (bias != NULL) {
        memcpy(mat.bias, bias, n * sizeof *bias);
    }
    return mat;
}

/* The least scale with which no whole number is above PH_I8_MAX and no sum of 16 bits can overflow.
 * Rounding adds at most a half to each of the 2 * PH_I8_FOLD numbers of a sum. NaN if a number is
 * not finite. */
static float scale_of(const float *row, size_t k)
{
    float most = 0, reach = 0, strange = 0;
    for (size_t i = 0; i < k; i += PH_I8_UNIT) {
        float up[2] = {0}, down[2] = {0};
        for (size_t p = i; p < i + PH_I8_UNIT && p < k; p++) {
            float w = row[p], *sum = w > 0 ? up : down;
            most = fabsf(w) > most ? fabsf(w) : most;
            sum[p / 2 % 2] += fabsf(w);
            strange += w * 0;
        }
        for (int lane = 0; lane < 2; lane++) {
            float larger = up[lane] > down[lane] ? up[lane] : down[lane];
            reach = larger > reach ? larger : reach;
        }
    }
    /* A thousandth for the rounding of the sums and of the quotients. */
    reach = reach * 1.001f / (PH_I8_REACH - PH_I8_FOLD);
    most /= PH_I8_MAX;
    return (most > reach ? most : reach) + strange;
}

void ph_i8_pack_row(const ph_kern *kern, const ph_i8_mat *mat, size_t j, const float *row)
{
    size_t w = kern->i8_n;
    int8_t *panel = mat->w + j / w * w * ph_i8_padded(mat->k) + j % w * 4;
    float d = scale_of(row, mat->k), *sums = mat->sums + j;
    size_t step = ph_align_up(columns_of(kern, mat->n), FLOATS);
    if (d > LIVE_MIN) {
        for (size_t p = 0; p < mat->k; p++) {
            float q = rintf(row[p] / d);
            q = q > PH_I8_MAX ? PH_I8_MAX : q < -PH_I8_MAX ? -PH_I8_MAX : q;
            panel[p / 4 * w * 4 + p % 4] = (int8_t)q;
            sums[p / PH_I8_GROUP * step] += q;
        }
    } else if (d == d) {
        d = 0;
    }
    mat->d[j] = d;
}

void ph_i8_quantize(const ph_kern *kern, const ph_i8_rows *to, const float *x, size_t ldx, size_t m,
                    size_t k)
{
    size_t padded = ph_i8_padded(k);
    for (size_t i = 0; i < m; i++) {
        uint8_t *q = to->q + i * to->ld;
        for (size_t p = 0; p < k; p += PH_I8_GROUP) {
            size_t f = i * to->ld_f + p / PH_I8_GROUP;
            kern->i8_quantize(q + p, &to->scale[f], &to->offset[f], x + i * ldx + p,
                              k - p < PH_I8_GROUP ? k - p : PH_I8_GROUP);
        }
        memset(q + k, 0, padded - k);
    }
}

void ph_i8_multiply(const ph_kern *kern, const ph_i8_product *p)
{
    const ph_i8_mat *mat = p->mat;
    size_t k = ph_i8_padded(mat->k), w = kern->i8_n;
    for (size_t j = 0; j < mat->n; j += w) {
        ph_i8_tile t = {.y = p->y + j,
                        .from = p->from != NULL ? p->from + j : NULL,
                        .q = p->x->q,
                        .scale = p->x->scale,
                        .offset = p->x->offset,
                        .w = mat->w + j * k,
                        .d = mat->d + j,
                        .sums = mat->sums + j,
                        .ld_sums = ph_align_up(columns_of(kern, mat->n), FLOATS),
                        .ld_f = p->x->ld_f,
                        .bias = mat->bias + j,
                        .ldy = p->ldy,
                        .ld_from = p->ld_from,
                        .ldq = p->x->ld,
                        .m = p->m,
                        .n = mat->n - j < w ? mat->n - j : w,
                        .k = k,
                        .more = j + w < mat->n};
        kern->i8(&t);
    }
}
