/* What the commands about collections share that has to do with vectors: rows of their options, and
 * opening the embedder that a collection remembers. */
#ifndef PH_CLI_VECTOR_OPTS_H
#define PH_CLI_VECTOR_OPTS_H

#include "base/json.h"
#include "cli/args.h"
#include "phial/vectors.h"

#define PH_OPT_ROW_EMBEDDER(more)                                                                  \
    {.name = "embedder",                                                                           \
     .kind = PH_OPT_STRING,                                                                        \
     .arg = "MODEL",                                                                               \
     .help = "the model that makes vectors: an embedding model (BERT) or Phi" more}

/* How vectors are made; for ph_vectors_open_maker(). In the order of phial_pooling, and of
 * phial_whiten without its first. */
#define PH_POOLING_NAMES                                                                           \
    ((const char *const[]){"auto", "mean", "last", "weighted", "mean-logits", "cls", NULL})
#define PH_WHITEN_NAMES ((const char *const[]){"none", "centre", "full", NULL})

#define PH_OPT_ROWS_VECTORS                                                                        \
    {.name = "pooling",                                                                            \
     .kind = PH_OPT_CHOICE,                                                                        \
     .arg = "POOLING",                                                                             \
     .choices = PH_POOLING_NAMES,                                                                  \
     .help = "how a passage's token vectors become one; without it what the model's files say, "   \
             "otherwise mean"},                                                                    \
        {.name = "normalize",                                                                      \
         .kind = PH_OPT_FLAG,                                                                      \
         .help = "vectors of length 1, also where the model's files do not ask for it"},           \
        {.name = "whiten",                                                                         \
         .kind = PH_OPT_CHOICE,                                                                    \
         .arg = "HOW",                                                                             \
         .choices = PH_WHITEN_NAMES,                                                               \
         .help = "before vectors are compared take their mean away (centre), or also make their "  \
                 "coordinates uncorrelated and of equal spread (full); helps Phi's"},              \
        {.name = "math",                                                                           \
         .kind = PH_OPT_CHOICE,                                                                    \
         .arg = "MODE",                                                                            \
         .choices = ((const char *const[]){"exact", "fast", NULL}),                                \
         .help = "arithmetic of the embedder; without it fast if its weights are quantized"},      \
        {.name = "threads",                                                                        \
         .letter = 't',                                                                            \
         .kind = PH_OPT_INT,                                                                       \
         .arg = "N",                                                                               \
         .help = "threads of the embedder; 0 takes what this process may use",                     \
         .fallback = "0",                                                                          \
         .max_int = 512}

/* For queries: NULL where words alone are searched. mode_asked: the user named the mode, and does
 * not want another; otherwise a missing embedder is told in a line, and words do. */
phial_status ph_vectors_open_asker(phial_embedder **out, phial_collection *c, const char *path,
                                   phial_search_mode mode, bool mode_asked, phial_error *err);

/* For making vectors, by the options of PH_OPT_ROWS_VECTORS and "embedder"; NULL where the
 * collection has none and none is asked for. again: another embedder than the collection's will do.
 */
phial_status ph_vectors_open_maker(phial_embedder **out, phial_collection *c, const ph_args *args,
                                   bool again, phial_error *err);

/* Makes them, with progress on a terminal; events are told on standard error. json (may be NULL)
 * gets what was done; otherwise a line on standard output tells it, if anything was done. */
phial_status ph_vectors_make(phial_collection *c, phial_embedder *e, const ph_args *args,
                             bool again, ph_json *json, phial_error *err);

#endif
