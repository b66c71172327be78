/* One bit a dimension, in two steps. The scan reads the bits of the first quarter of the turned
 * dimensions, which know as much as any other quarter; blocks with several rows of promise are
 * sifted by the bits of all dimensions. Both estimate a row's key and know how the estimate's error
 * is spread. With the wanted recall R, rows are looked at closer whose estimate plus
 * Phi^-1(1 - (1 - R) / 2) deviations may reach the key to beat: a row at the border is lost by one
 * of the two with probability 1 - R at most, those above it less often. R = 1 takes the error's
 * proven bounds instead. */
#include <math.h>

#include "rag/vindex_bits.h"
#include "rag/vindex_kind.h"

static size_t first_of(size_t p)
{
    return (p / 4 + 31) / 32 * 32;
}

static size_t block_bytes(size_t p)
{
    return PH_VSCAN_FACTORS + first_of(p) / 8 * PH_VSCAN_ROWS;
}

static size_t sift_bytes(size_t p)
{
    return PH_VSCAN_FACTORS + p / 8 * PH_VSCAN_ROWS;
}

static double encode(unsigned char *block, unsigned char *sift, const ph_vrows *rows)
{
    ph_vcode_bits(block, rows, first_of(rows->p));
    ph_vcode_bits(sift, rows, rows->p);
    return 0;
}

/* Of the normal distribution, by halving. */
static double quantile(double share)
{
    double low = -8, high = 8;
    for (int i = 0; i < 32; i++) {
        double mid = 0.5 * (low + high);
        if (0.5 * erfc(-mid / sqrt(2)) < share) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

double ph_vbits_spread(double recall)
{
    return recall < 1 ? fmax(0.01, quantile(1 - 0.5 * (1 - recall))) : 0;
}

static void prepare(ph_vquery *q, size_t p, double largest_root, double recall)
{
    (void)largest_root;
    ph_vquery_bits(q, p, first_of(p), ph_vbits_spread(recall));
}

static void scan(const ph_vscan *kernels, const ph_vquery *queries, size_t n, const ph_vstretch *s)
{
    ph_vstretch first = *s;
    first.p = first_of(s->p);
    ph_vindex_scan_coded(kernels->bits, queries, n, &first);
}

const ph_vindex_kind ph_vindex_kind_bits = {
    .name = "bits",
    .about = "one bit a dimension first, then 8-bit codes and f32 for as many rows as the recall "
             "asks for",
    .coded = true,
    .chunk_blocks = 8,
    .block_bytes = block_bytes,
    .sift_bytes = sift_bytes,
    .encode = encode,
    .table_bytes = ph_vscan_bit_table_bytes,
    .prepare = prepare,
    .scan = scan,
};
