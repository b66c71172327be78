/* Rows of option tables that several commands share: which model, how many threads, which KV type.
 * A file that uses the last one defines KV_TYPES as PH_KV_TYPE_NAMES, in the order of
 * phial_kv_type. */
#ifndef PH_CLI_ENGINE_OPTS_H
#define PH_CLI_ENGINE_OPTS_H

#include "base/thread.h"
#include "cli/cmd.h"
#include "cli/nano.h"

#define PH_KV_TYPE_NAMES                                                                           \
    {                                                                                              \
        "f32", "f16", "q8", NULL                                                                   \
    }

#define PH_OPT_ROW_MODEL                                                                           \
    {                                                                                              \
        .name = "model", .letter = 'm', .kind = PH_OPT_STRING, .arg = "MODEL",                     \
        .help = "a .gguf file or a Hugging Face folder; without it nano, where it is installed",   \
        .env = "PHIAL_MODEL", .otherwise = ph_nano_model, .required = true                         \
    }

/* For commands that want no more of a model than its tokenizer. */
#define PH_OPT_ROW_VOCABULARY                                                                      \
    {                                                                                              \
        .name = "model", .letter = 'm', .kind = PH_OPT_STRING, .arg = "MODEL",                     \
        .help = "GGUF file, or folder with tokenizer.json or vocab.json and merges.txt; without "  \
                "it nano's",                                                                       \
        .env = "PHIAL_MODEL", .otherwise = ph_nano_model, .required = true                         \
    }

#define PH_OPT_ROW_THREADS_SAYING(more)                                                            \
    {                                                                                              \
        .name = "threads", .letter = 't', .kind = PH_OPT_INT, .arg = "N",                          \
        .help = "threads; 0 takes what this process may use" more, .fallback = "0",                \
        .max_int = PH_THREADS_MAX                                                                  \
    }
#define PH_OPT_ROW_THREADS      PH_OPT_ROW_THREADS_SAYING("")
#define PH_OPT_ROW_THREADS_SAME PH_OPT_ROW_THREADS_SAYING("; the result does not depend on it")

#define PH_OPT_ROW_KV_TYPE                                                                         \
    {                                                                                              \
        .name = "kv-type", .kind = PH_OPT_CHOICE, .arg = "TYPE",                                   \
        .help = "what keys and values are rounded to; without it f16 if fast, f32 if exact",       \
        .choices = KV_TYPES                                                                        \
    }

#endif
