/* Measuring a model beside the limits of the machine, in one process.
 *
 * Work and probe take turns: slices of work of at most about 250 ms (a single step of decoding, if
 * that is longer), each between two probes of memory bandwidth or arithmetic, whichever bounds the
 * work. The ratio of a slice is what the limit would have taken over what it took. Slices whose two
 * probes differ by more than 5% met another state of the machine: they are dropped and counted. The
 * median of the others is reported.
 */
#ifndef PH_CLI_BENCH_RUN_H
#define PH_CLI_BENCH_RUN_H

#include "kern/probe.h"
#include "phial/session.h"

#define PH_BENCH_SLICES 4096 /* kept at most */

typedef struct ph_bench {
    const phial_model *model;
    phial_engine *engine;
    ph_pool *pool; /* for the probes, as many threads as the engine */
    ph_probe probe;
    unsigned char *memory; /* what the read probe reads */
    size_t memory_bytes;
    bool (*interrupted)(void);
} ph_bench;

/* One kind of work. */
typedef struct ph_bench_case {
    bool decode;
    size_t n_prompt; /* of prefill */
    size_t n_gen;    /* tokens each sequence decodes in a repetition */
    size_t n_seq;
    size_t depth; /* tokens held already */
    int repetitions;
} ph_bench_case;

typedef struct ph_bench_result {
    double tok_s;          /* median over repetitions, of all sequences together */
    double spread;         /* (most - least) / median over repetitions */
    double roofline_ratio; /* median over slices kept; 0 if none was */
    size_t n_kept, n_dropped;
    ph_probe_kind bound; /* what bounds the work */
    double limit;        /* median probe of it */
} ph_bench_result;

/* Whether the model's context is long enough: before anything is measured. */
phial_status ph_bench_check(const ph_bench *b, const ph_bench_case *c, phial_error *err);
phial_status ph_bench_run(const ph_bench *b, const ph_bench_case *c, ph_bench_result *out,
                          phial_error *err);

#endif
