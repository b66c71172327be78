/* Exact by bounds: a scan of 4-bit codes says for each row what its key is at most, 8-bit codes say
 * it closer, and only rows that may still be among the best are compared in f32. Half the memory
 * traffic of scanning the 8-bit codes themselves; the price is codes of 12 bits a dimension. */
#include "rag/vindex_kind.h"

static size_t block_bytes(size_t p)
{
    return PH_VSCAN_FACTORS + p / 2 * PH_VSCAN_ROWS;
}

static double encode(unsigned char *block, unsigned char *sift, const ph_vrows *rows)
{
    (void)sift;
    return ph_vcode_nibbles(block, rows);
}

static void prepare(ph_vquery *q, size_t p, double largest_root, double recall)
{
    (void)recall;
    ph_vquery_nibbles(q, p, largest_root);
}

static void scan(const ph_vscan *kernels, const ph_vquery *queries, size_t n, const ph_vstretch *s)
{
    ph_vindex_scan_coded(kernels->nibbles, queries, n, s);
}

const ph_vindex_kind ph_vindex_kind_int8 = {
    .name = "int8",
    .about = "the results of flat, by 4-bit and 8-bit codes with proven bounds",
    .coded = true,
    .chunk_blocks = 8,
    .block_bytes = block_bytes,
    .encode = encode,
    .table_bytes = ph_vscan_nibble_table_bytes,
    .prepare = prepare,
    .scan = scan,
};
