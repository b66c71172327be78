/* What the machine allows, measured: fused multiply-adds, int8 products and memory reads, by the
 * best of several loops each. The loops are assembly, so that no compiler makes them weaker than
 * they read. */
#ifndef PH_BENCH_PROBE_H
#define PH_BENCH_PROBE_H

#include <stddef.h>

#include "base/pool.h"

typedef struct probe {
    ph_pool *pool;
    int fma_kernel; /* the fastest, by probe_init() */
    int int8_kernel;
    int read_kernel;
} probe;

/* Tries every loop on the pool; bytes is memory far larger than the caches. */
void probe_init(probe *p, ph_pool *pool, const unsigned char *bytes, size_t n);

const char *probe_fma_name(const probe *p);
const char *probe_int8_name(const probe *p);
const char *probe_read_name(const probe *p);

/* GFLOP/s of f32 fused multiply-add (two operations each) on all threads, over about ms. */
double probe_fma(const probe *p, double ms);
/* Giga-operations/s (two a product) of int8 products summed in int32, likewise. */
double probe_int8(const probe *p, double ms);
/* GB/s of reading the n bytes once, each thread a contiguous share. */
double probe_read(const probe *p, const unsigned char *bytes, size_t n);

#endif
