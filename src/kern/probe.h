/* What the machine allows, measured: fused multiply-adds, int8 products and memory reads, by the
 * best of several loops each. The loops are assembly, so that no compiler makes them weaker than
 * they read. */
#ifndef PH_KERN_PROBE_H
#define PH_KERN_PROBE_H

#include <stddef.h>

#include "base/pool.h"

typedef struct ph_probe {
    ph_pool *pool;
    int fma_kernel; /* the fastest, by ph_probe_init() */
    int int8_kernel;
    int read_kernel;
} ph_probe;

/* Tries every loop on the pool; bytes is memory far larger than the caches. */
void ph_probe_init(ph_probe *p, ph_pool *pool, const unsigned char *bytes, size_t n);

const char *ph_probe_fma_name(const ph_probe *p);
const char *ph_probe_int8_name(const ph_probe *p);
const char *ph_probe_read_name(const ph_probe *p);

/* GFLOP/s of f32 fused multiply-add (two operations each) on all threads, over about ms. */
double ph_probe_fma(const ph_probe *p, double ms);
/* Giga-operations/s (two a product) of int8 products summed in int32, likewise. */
double ph_probe_int8(const ph_probe *p, double ms);
/* GB/s of reading the n bytes once, each thread a contiguous share. */
double ph_probe_read(const ph_probe *p, const unsigned char *bytes, size_t n);

#endif
