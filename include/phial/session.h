/* Engines and sessions: from tokens to logits.
 *
 * An engine owns the threads and the working memory to run one model; a session is one sequence of
 * tokens with its KV cache. The caller always hands over the whole list of tokens; the session
 * finds out which of them it holds already and computes only the rest.
 *
 * Same bits always: on one machine and one set of CPU features, the logits after a list of tokens
 * do not depend on the number of threads, on other sessions in the same call, on how the list was
 * split over calls or chunks, or on whether a beginning of it was held already. This holds within
 * an arithmetic mode and a KV type.
 *
 * All memory is taken when engines and sessions are made; running tokens allocates nothing.
 *
 * Threads: an engine and its sessions belong to one thread at a time; only phial_session_cancel()
 * may be called from any other. Engines of the same model may run beside each other.
 */
#ifndef PHIAL_SESSION_H
#define PHIAL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"
#include "phial/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct phial_engine phial_engine;
typedef struct phial_session phial_session;

/* What keys and values are rounded to before any use. Q8: int8 with one scale per head and token.
 * AUTO: F32 in exact arithmetic, F16 in fast. */
typedef enum phial_kv_type {
    PHIAL_KV_F32 = 0,
    PHIAL_KV_F16 = 1,
    PHIAL_KV_Q8 = 2,
    PHIAL_KV_AUTO = 3
} phial_kv_type;

/* Arithmetic of the products with weights. EXACT: weights as stored, activations in f32. FAST:
 * where the weights are quantized, activations are rounded to int8, with a scale for every 32 or
 * 256 of them; where they are F16 or BF16 and the CPU multiplies bf16 numbers (AVX512_BF16),
 * weights and activations are rounded to bf16 and summed in f32, and on other CPUs, which would
 * gain nothing, multiplied exactly; F32 always is. AUTO: FAST if most of the model's bytes are
 * quantized weights, otherwise EXACT. */
typedef enum phial_math {
    PHIAL_MATH_AUTO = 0,
    PHIAL_MATH_EXACT = 1,
    PHIAL_MATH_FAST = 2
} phial_math;

typedef struct phial_engine_options {
    size_t size;     /* set by phial_engine_options_default() */
    int n_threads;   /* 0 (default): what the CPU mask and the cgroup quota allow; at most 512 */
    phial_math math; /* default PHIAL_MATH_AUTO */
    phial_kv_type kv_type; /* default PHIAL_KV_AUTO */
    uint32_t n_chunk;      /* tokens run through the model together, 1 .. 4096; default 512 */
    uint32_t n_seq; /* most sessions run through the model together, 1 .. 1024; default 64; in a
                       call with more of them they take turns */
} phial_engine_options;

PHIAL_API void phial_engine_options_default(phial_engine_options *options);

/* options may be NULL. The model must outlive the engine. */
PHIAL_API phial_status phial_engine_new(phial_engine **out, const phial_model *model,
                                        const phial_engine_options *options, phial_error *err);
PHIAL_API void phial_engine_free(phial_engine *engine); /* free its sessions first */

PHIAL_API int phial_engine_n_threads(const phial_engine *engine);
/* The kernels in use: "ref", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon" ... */
PHIAL_API const char *phial_engine_isa(const phial_engine *engine);

/* What AUTO came to. */
PHIAL_API phial_math phial_engine_math(const phial_engine *engine);
PHIAL_API phial_kv_type phial_engine_kv_type(const phial_engine *engine);

/* n_ctx: most tokens the session can hold, 0: the model's n_ctx_max; more than that is refused. */
PHIAL_API phial_status phial_session_new(phial_session **out, phial_engine *engine, uint32_t n_ctx,
                                         phial_error *err);
PHIAL_API void phial_session_free(phial_session *session);

PHIAL_API uint32_t phial_session_n_ctx(const phial_session *session);

/* Makes the session hold exactly ids[0 .. n-1], n >= 1, and computes the logits behind the last
 * one. The longest common beginning with what it holds is kept. On error the session holds a
 * beginning of ids (perhaps empty), and has no logits. Errors: ARGUMENT (n is 0, an id is not below
 * n_vocab), CONTEXT_FULL (both numbers are named), CANCELLED, FILE_CHANGED. */
PHIAL_API phial_status phial_session_sync(phial_session *session, const uint32_t *ids, size_t n,
                                          phial_error *err);

/* The same for several sessions of one engine at once (each at most once in the list); faster than
 * one after the other. An error stops all of them. */
typedef struct phial_tokens {
    const uint32_t *ids; /* borrowed for the call */
    size_t n;
} phial_tokens;

PHIAL_API phial_status phial_session_sync_batch(phial_session *const *sessions,
                                                const phial_tokens *tokens, size_t n_sessions,
                                                phial_error *err);

/* [n_vocab], behind the last token; borrowed until the session's next call; NULL before the first
 * successful sync. */
PHIAL_API const float *phial_session_logits(const phial_session *session);

/* The tokens held; borrowed until the session's next call. */
PHIAL_API phial_tokens phial_session_tokens(const phial_session *session);

/* Of the last sync: how many tokens were held already. */
PHIAL_API size_t phial_session_n_reused(const phial_session *session);

/* Forgets tokens from position n on; costs nothing. */
PHIAL_API void phial_session_truncate(phial_session *session, size_t n);

/* Any thread: the running sync of this session (or, if none runs, the next) stops within a layer's
 * time with PHIAL_ERR_CANCELLED. */
PHIAL_API void phial_session_cancel(phial_session *session);

/* Logits of every position, not only the last: called once a computed token, in order, while sync
 * runs. Held tokens are not computed again and therefore not reported. NULL switches it off. */
typedef void (*phial_logits_fn)(void *user, size_t position, const float *logits);
PHIAL_API void phial_session_on_logits(phial_session *session, phial_logits_fn fn, void *user);

/* --- a tap on activations, for people who study models ------------------------------------- */

typedef enum phial_activation {
    PHIAL_ACT_EMBED,      /* [n][n_embd]            token embeddings; layer is -1 */
    PHIAL_ACT_LN,         /* [n][n_embd]            LayerNorm output, input of attention and MLP */
    PHIAL_ACT_Q_PROJ,     /* [n][n_head * d]        with bias, before norm and rotary */
    PHIAL_ACT_K_PROJ,     /* [n][n_head_kv * d] */
    PHIAL_ACT_V_PROJ,     /* [n][n_head_kv * d] */
    PHIAL_ACT_Q_LN,       /* [n][n_head * d]        only with q/k LayerNorm */
    PHIAL_ACT_K_LN,       /* [n][n_head_kv * d] */
    PHIAL_ACT_K_CACHE,    /* [n][n_head_kv * d]     after rotary and rounding to the KV type */
    PHIAL_ACT_V_CACHE,    /* [n][n_head_kv * d] */
    PHIAL_ACT_ATTN_PROBS, /* [n][n_head * n_keys]   softmax; n_keys = position + n, later keys 0 */
    PHIAL_ACT_ATTN_OUT,   /* [n][n_embd]            after the output projection */
    PHIAL_ACT_FC1,        /* [n][n_ff]              before gelu */
    PHIAL_ACT_MLP_OUT,    /* [n][n_embd] */
    PHIAL_ACT_OUT,        /* [n][n_embd]            residual stream after the layer */
    PHIAL_ACT_FINAL_NORM, /* [n][n_embd]            after the last LayerNorm; layer is -1 */
    PHIAL_ACT_ATTN,       /* [n][n_head * d]        heads side by side, before the projection */
    PHIAL_ACT_GELU        /* [n][n_ff]              FC1 after gelu, input of the last matrix */
} phial_activation;

typedef struct phial_activation_event {
    phial_activation what;
    int layer;         /* -1 where no layer applies */
    size_t position;   /* of the first row in the sequence */
    size_t n;          /* rows: tokens of this session in the current chunk */
    size_t n_cols;     /* floats in a row; rows are contiguous */
    const float *data; /* borrowed for the call */
} phial_activation_event;

/* The lower-case name used in dumps: "ln", "q_proj", ..., "gelu"; NULL for an unknown one. */
PHIAL_API const char *phial_activation_name(phial_activation what);

/* Sets of activations: 1u << PHIAL_ACT_OUT | 1u << PHIAL_ACT_LN. */
#define PHIAL_ACT_ALL ((1u << (PHIAL_ACT_GELU + 1)) - 1)

/* Calls fn for every activation in the set `which`, on the syncing thread, between operators.
 * Watching never changes a result. What a plain run never forms costs time, and memory that is
 * taken here: caches n_ctx * n_embd floats, attention probabilities n_ctx * n_chunk * n_head more.
 * fn NULL switches it off. */
typedef void (*phial_tap_fn)(void *user, const phial_activation_event *event);
PHIAL_API phial_status phial_session_on_activation(phial_session *session, uint32_t which,
                                                   phial_tap_fn fn, void *user, phial_error *err);

/* --- snapshots ------------------------------------------------------------------------------ */

/* Writes tokens, KV cache and logits to a file, whole or not at all. */
PHIAL_API phial_status phial_session_save(const phial_session *session, const char *path,
                                          phial_error *err);

/* Restores them; going on gives the same bits as never having stopped. Refused with a sentence when
 * the file is damaged or was made with another model, KV type, build or instruction set; the
 * session is unchanged then. */
PHIAL_API phial_status phial_session_load(phial_session *session, const char *path,
                                          phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
