/* A structure of the vector index, and where things lie in an image.
 *
 * Image, little-endian:
 *   header: PH_VIMAGE_PAGE bytes, the last 8 of them the XXH3 of those before
 *   centre: f32[dim], zeros up to a multiple of PH_VIMAGE_PAGE
 *   segments of segment_rows rows, the last of what is left, each a multiple of PH_VIMAGE_PAGE, of
 *   parts, each a multiple of 64 bytes: ids int64[n]; rows f32[n][dim] as the metric sees them, if
 *   kept; the kind's blocks of 32 rows, scan and sift; codes of bytes [n], if the kind has them;
 *   what tells the order of the blocks, if it is not that of the rows (vindex_cells.h)
 *   hashes: u64[segments][PH_VPARTS], XXH3 of each part with what fills it up
 *
 * Every offset follows from the header's numbers; none is read.
 */
#ifndef PH_RAG_VINDEX_KIND_H
#define PH_RAG_VINDEX_KIND_H

#include "base/file.h"
#include "rag/vindex_code.h"

#define PH_VIMAGE_PAGE    4096
#define PH_VIMAGE_VERSION 2
#define PH_VIMAGE_SEED    0

enum {
    PH_VPART_IDS,
    PH_VPART_ROWS,
    PH_VPART_SCAN,
    PH_VPART_SIFT,
    PH_VPART_CODES,
    PH_VPART_CELLS,
    PH_VPARTS
};

/* What a kind scans: n_blocks blocks of 32 rows, the last maybe not full; scores go behind those of
 * `before` blocks. */
typedef struct ph_vstretch {
    const unsigned char *scan;
    const float *rows;
    size_t n_blocks, n_rows, before, dim, p;
} ph_vstretch;

struct ph_vlane;
struct ph_vcell_job;

typedef struct ph_vindex_kind {
    const char *name, *about;
    bool exact;          /* scores of the scan are keys */
    bool always_rows;    /* f32 rows are part of it */
    bool coded;          /* it has codes of bytes */
    size_t chunk_blocks; /* scanned for all queries of a group before the next, a power of 2 <= 8 */
    size_t (*block_bytes)(size_t p);
    /* Of a block of the sift, bits of all dimensions; NULL: there is none. */
    size_t (*sift_bytes)(size_t p);
    /* The scan's block; returns what PH_VSCAN_NIBBLE_ROOM is about, or 0. */
    double (*encode)(unsigned char *block, unsigned char *sift, const ph_vrows *rows);
    size_t (*table_bytes)(size_t p);
    void (*prepare)(ph_vquery *q, size_t p, double largest_root, double recall);
    /* Scores and best of n queries, n <= PH_VGROUP. */
    void (*scan)(const ph_vscan *scan, const ph_vquery *queries, size_t n, const ph_vstretch *s);
    /* Instead of scan, for kinds whose blocks are in an order of their own: makes a segment's
     * blocks; searches for one query of a lane. */
    phial_status (*arrange)(struct ph_vcell_job *job, phial_error *err);
    phial_status (*search)(struct ph_vlane *lane, size_t query, const ph_vindex_mask *mask,
                           double recall, phial_error *err);
} ph_vindex_kind;

#define PH_VGROUP 16 /* queries scanned together */

#define PH_VINDEX(name) extern const ph_vindex_kind ph_vindex_kind_##name;
#include "rag/vindex.def"
#undef PH_VINDEX

const ph_vindex_kind *ph_vindex_kind_find(const char *name);

static inline uint32_t ph_vindex_kind_dims(const ph_vindex_kind *kind)
{
    return kind->coded ? PH_VINDEX_MAX_DIM : PH_VINDEX_FLAT_DIM;
}

/* Queries by fours through a scan of kern/vscan.h. */
void ph_vindex_scan_coded(ph_vscan_fn fn, const ph_vquery *queries, size_t n, const ph_vstretch *s);

/* --- layout --- */

typedef struct ph_vlayout {
    const ph_vindex_kind *kind;
    bool has_rows;
    uint32_t dim, p, segment_rows;
    uint64_t n_rows, n_segments;
    uint64_t part_bytes[PH_VPARTS]; /* of a full segment */
    uint64_t segments_at, segment_bytes, hashes_at, file_bytes;
} ph_vlayout;

/* False if a size does not fit. kind, has_rows, dim, segment_rows and n_rows are set. */
bool ph_vlayout_set(ph_vlayout *l);
uint64_t ph_vlayout_rows_of(const ph_vlayout *l, uint64_t segment);
/* Offsets of a segment's parts; [PH_VPARTS] is its end. */
void ph_vlayout_parts(const ph_vlayout *l, uint64_t segment, uint64_t at[PH_VPARTS + 1]);

typedef struct ph_vheader {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    char kind[16];
    uint32_t metric, dim, has_rows, segment_rows;
    uint64_t n_rows;
    uint64_t seed;
    uint64_t source_lo, source_hi;
    uint64_t centre_hash, hashes_hash;
    double largest_root; /* PH_VSCAN_NIBBLE_ROOM */
} ph_vheader;

extern const char ph_vimage_magic[8];

/* --- an open image --- */

struct ph_vindex {
    ph_map *map; /* owned */
    const unsigned char *data;
    ph_vlayout layout;
    ph_vspace space; /* owned */
    ph_hash128 source;
    double largest_root;
};

struct ph_vindex_mask {
    const ph_vindex *index;
    uint64_t n_allowed;
    uint32_t words[]; /* one for each block of 32 rows */
};

const unsigned char *ph_vindex_part(const ph_vindex *index, uint64_t segment, int part);

static inline const unsigned char *ph_vindex_codes(const ph_vindex *index, uint64_t row)
{
    return ph_vindex_part(index, row / index->layout.segment_rows, PH_VPART_CODES) +
           row % index->layout.segment_rows * ph_vcode_row_bytes(index->layout.p);
}

/* Aligned to 4: parts are to 64, and rows are whole floats. */
static inline const float *ph_vindex_row(const ph_vindex *index, uint64_t row)
{
    return (const float *)(const void *)ph_vindex_part(index, row / index->layout.segment_rows,
                                                       PH_VPART_ROWS) +
           row % index->layout.segment_rows * index->layout.dim;
}

#endif
