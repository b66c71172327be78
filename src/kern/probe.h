/* What the machine allows, measured: products and their sums in f32, int8 and bf16, and memory
 * reads, by the best of several loops each (kern/probe.def). The loops are assembly, so that no
 * compiler makes them weaker than they read. */
#ifndef PH_KERN_PROBE_H
#define PH_KERN_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"

typedef enum ph_probe_kind {
    PH_PROBE_FMA,  /* f32 fused multiply-add */
    PH_PROBE_INT8, /* products of int8 summed in int32 */
    PH_PROBE_BF16, /* products of bf16 summed in f32; in f32 alone where nothing is faster */
    PH_PROBE_READ, /* reading memory */
    PH_N_PROBES
} ph_probe_kind;

typedef struct ph_probe {
    ph_pool *pool;
    size_t loop[PH_N_PROBES]; /* number in probe.def; the fastest of its kind, by ph_probe_init() */
} ph_probe;

/* Tries every loop on the pool; bytes is memory far larger than the caches. */
void ph_probe_init(ph_probe *p, ph_pool *pool, const unsigned char *bytes, size_t n);

/* Chooses the i-th loop of a kind. False if it cannot run here; *end is set behind the last. */
bool ph_probe_choose(ph_probe *p, ph_probe_kind kind, size_t i, bool *end);

const char *ph_probe_name(const ph_probe *p, ph_probe_kind kind);
/* "GFLOP/s", "int8 GOP/s", "bf16 GFLOP/s", "GB/s" */
const char *ph_probe_unit(ph_probe_kind kind);

/* Giga-operations/s (a product and its sum are two) on all threads, over about ms. kind is not
 * PH_PROBE_READ. */
double ph_probe_ops(const ph_probe *p, ph_probe_kind kind, double ms);
/* GB/s of reading the n bytes once, each thread a contiguous share. */
double ph_probe_read(const ph_probe *p, const unsigned char *bytes, size_t n);

#endif
