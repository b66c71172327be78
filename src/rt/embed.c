/* Opening embedders, and what they are; contract in phial/embed.h. Running is embed_run.c. */
#include "rt/embedder.h"

#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/thread.h"

#define BATCH_DEFAULT 1024
#define BATCH_DEFAULT_LM                                                                           \
    256 /* a token's keys and values are as large as hundreds of its states                        \
         */
#define BATCH_MIN      16
#define BATCH_MAX      16384
#define CTX_DEFAULT_LM 2048
#define CTX_MIN        4
#define FAST_VERSION_LM                                                                            \
    1 /* of the fast arithmetic of language models, as ph_encode_ops has it for the others */

void phial_embedder_options_default(phial_embedder_options *options)
{
    *options = (phial_embedder_options){.size = sizeof *options};
}

const char *phial_pooling_name(phial_pooling pooling)
{
    static const char *const names[] = {"auto", "mean", "last", "weighted", "mean-logits", "cls"};
    size_t i = (size_t)pooling;
    return i < sizeof names / sizeof *names ? names[i] : NULL;
}

static phial_status check_options(const phial_embedder_options *o, phial_error *err)
{
    if (o->size != sizeof *o) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "embedder options were not filled by phial_embedder_options_default()");
    }
    if (phial_pooling_name(o->pooling) == NULL || (int)o->normalize < PHIAL_NORMALIZE_AUTO ||
        (int)o->normalize > PHIAL_NORMALIZE_YES || (int)o->math < PHIAL_MATH_AUTO ||
        (int)o->math > PHIAL_MATH_FAST) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "unknown pooling, normalization or arithmetic (%d, %d, %d)",
                          (int)o->pooling, (int)o->normalize, (int)o->math);
    }
    if (o->n_threads < 0 || o->n_threads > PH_THREADS_MAX) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%d threads: must be between 1 and %d",
                          o->n_threads, PH_THREADS_MAX);
    }
    if (o->n_batch != 0 && (o->n_batch < BATCH_MIN || o->n_batch > BATCH_MAX)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "a batch of %u tokens: must be between %d and %d", (unsigned)o->n_batch,
                          BATCH_MIN, BATCH_MAX);
    }
    const char *const prefixes[] = {o->query, o->passage};
    for (size_t i = 0; i < 2; i++) {
        if (prefixes[i] != NULL && strlen(prefixes[i]) >= PH_EMBED_PREFIX_BYTES) {
            return ph_err_set(err, PHIAL_ERR_LIMIT,
                              "a prefix of %zu bytes; at most %d are supported",
                              strlen(prefixes[i]), PH_EMBED_PREFIX_BYTES - 1);
        }
    }
    return PHIAL_OK;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* The tokenizer lies beside a .safetensors file, in a folder or a GGUF file itself. */
static phial_status open_tokenizer(phial_embedder *e, phial_error *err)
{
    const char *path = e->model->path;
    char *dir = NULL;
    if (ph_str_ends_with(ph_str_from(path), ".safetensors")) {
        size_t n = (size_t)(ph_path_base(path) - path);
        dir = n == 0 ? ph_strdup(".", err) : ph_strndup(path, n, err);
        if (dir == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
    }
    phial_status status = phial_tokenizer_open(&e->tokenizer, dir != NULL ? dir : path, err);
    ph_free(dir);
    if (status != PHIAL_OK) {
        return ph_err_context(err, status, "no tokenizer for embedding");
    }
    uint32_t n = phial_tokenizer_n_vocab(e->tokenizer), have = e->model->hp.n_vocab;
    if (n > have) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: its tokenizer has %u tokens, but the model has rows for %u only",
                          path, (unsigned)n, (unsigned)have);
    }
    if (e->model->arch->encode != NULL && (phial_tokenizer_bos(e->tokenizer) == PHIAL_TOKEN_NONE ||
                                           phial_tokenizer_eos(e->tokenizer) == PHIAL_TOKEN_NONE)) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: its tokenizer names no tokens for the ends of a text ([CLS], [SEP])",
                          path);
    }
    return phial_encoder_new(&e->encoder, e->tokenizer, err);
}

static phial_status choose_pooling(phial_embedder *e, const phial_embedder_options *o,
                                   const ph_embed_hints *h, phial_error *err)
{
    bool lm = e->model->arch->encode == NULL;
    e->pooling = o->pooling != PHIAL_POOL_AUTO   ? o->pooling
                 : h->pooling != PHIAL_POOL_AUTO ? h->pooling
                                                 : PHIAL_POOL_MEAN;
    if (lm && e->pooling == PHIAL_POOL_CLS) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "%s: pooling cls is for embedding models; the first token of a %s model "
                          "sees nothing but itself",
                          e->model->path, e->model->arch->name);
    }
    if (!lm && e->pooling == PHIAL_POOL_MEAN_LOGITS) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "%s: a %s model has no logits to take the mean of", e->model->path,
                          e->model->arch->name);
    }
    phial_normalize normalize = o->normalize != PHIAL_NORMALIZE_AUTO ? o->normalize : h->normalize;
    e->normalize = normalize == PHIAL_NORMALIZE_YES;
    e->dim = e->pooling == PHIAL_POOL_MEAN_LOGITS ? e->model->hp.n_vocab : e->model->hp.n_embd;
    return PHIAL_OK;
}

static phial_status choose_limits(phial_embedder *e, const phial_embedder_options *o,
                                  const ph_embed_hints *h, phial_error *err)
{
    bool lm = e->model->arch->encode == NULL;
    uint32_t most = e->model->hp.n_ctx_max;
    uint32_t usual = lm && most > CTX_DEFAULT_LM ? CTX_DEFAULT_LM : most;
    usual = h->n_ctx > 0 && h->n_ctx < usual ? h->n_ctx : usual;
    e->n_ctx = o->n_ctx > 0 ? o->n_ctx : usual;
    if (e->n_ctx > most || e->n_ctx < CTX_MIN) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: texts of %u tokens: %d to %u are possible",
                          e->model->path, (unsigned)e->n_ctx, CTX_MIN, (unsigned)most);
    }
    e->n_batch = o->n_batch > 0 ? o->n_batch : lm ? BATCH_DEFAULT_LM : BATCH_DEFAULT;
    e->n_batch = e->n_batch < e->n_ctx ? e->n_ctx : e->n_batch;
    return PHIAL_OK;
}

static phial_status open_encoder(phial_embedder *e, const phial_embedder_options *o,
                                 phial_error *err)
{
    phial_model_info info = {.size = sizeof info};
    phial_status status = phial_model_get_info(e->model, &info, err);
    if (status == PHIAL_OK) {
        const ph_dtype_info *type = ph_dtype_by_name(ph_str_from(info.weight_type));
        bool quantized = type != NULL && type->block > 1;
        e->math = o->math != PHIAL_MATH_AUTO ? o->math
                  : quantized                ? PHIAL_MATH_FAST
                                             : PHIAL_MATH_EXACT;
        status = ph_kern_init(&e->kern, NULL, err);
    }
    if (status == PHIAL_OK) {
        status = ph_pool_new(&e->pool, o->n_threads, err);
    }
    const ph_encode_limits limits = {
        .n_rows = e->n_batch, .n_longest = e->n_ctx, .fast = e->math == PHIAL_MATH_FAST};
    return status == PHIAL_OK ? e->model->arch->encode->room_new(&e->room, e->model, &e->kern,
                                                                 e->pool, &limits, err)
                              : status;
}

static phial_status open_engine(phial_embedder *e, const phial_embedder_options *o,
                                phial_error *err)
{
    phial_engine_options eo;
    phial_engine_options_default(&eo);
    eo.n_threads = o->n_threads;
    eo.math = o->math;
    eo.n_seq = PH_EMBED_SLOTS;
    phial_status status = phial_engine_new(&e->engine, e->model, &eo, err);
    if (status == PHIAL_OK) {
        e->math = phial_engine_math(e->engine);
    }
    return status;
}

static phial_status take_prefixes(phial_embedder *e, const phial_embedder_options *o,
                                  const ph_embed_hints *h, phial_error *err)
{
    const char *const texts[] = {"", o->query != NULL ? o->query : h->query,
                                 o->passage != NULL ? o->passage : h->passage};
    for (size_t i = 0; i < 3; i++) {
        e->prefix[i] = ph_strdup(texts[i], err);
        if (e->prefix[i] == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
    }
    return PHIAL_OK;
}

static phial_status open_parts(phial_embedder *e, const char *path, const phial_embedder_options *o,
                               phial_error *err)
{
    phial_status status = phial_model_open(&e->model, path, NULL, err);
    ph_embed_hints *h = status == PHIAL_OK ? ph_alloc(1, sizeof *h, err) : NULL;
    if (h == NULL) {
        return status == PHIAL_OK ? PHIAL_ERR_NO_MEMORY : status;
    }
    status = ph_embed_hints_read(h, e->model, err);
    if (status == PHIAL_OK) {
        status = choose_pooling(e, o, h, err);
    }
    if (status == PHIAL_OK) {
        status = choose_limits(e, o, h, err);
    }
    if (status == PHIAL_OK) {
        status = take_prefixes(e, o, h, err);
    }
    ph_free(h);
    if (status == PHIAL_OK) {
        status = e->model->arch->encode != NULL ? open_encoder(e, o, err) : open_engine(e, o, err);
    }
    if (status != PHIAL_OK) {
        return status;
    }
    e->sums = ph_alloc(e->engine != NULL ? PH_EMBED_SLOTS : 1, e->dim * sizeof *e->sums, err);
    return e->sums == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
}

phial_status ph_embedder_open_bare(phial_embedder **out, const char *path,
                                   const phial_embedder_options *options, phial_error *err)
{
    phial_embedder_options defaults;
    phial_embedder_options_default(&defaults);
    const phial_embedder_options *o = options != NULL ? options : &defaults;
    phial_status status = check_options(o, err);
    if (status != PHIAL_OK) {
        return status;
    }
    phial_embedder *e = ph_alloc(1, sizeof *e, err);
    if (e == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    status = open_parts(e, path, o, err);
    if (status == PHIAL_OK) {
        *out = e;
    } else {
        phial_embedder_close(e);
    }
    return status;
}

phial_status phial_embedder_open(phial_embedder **out, const char *path,
                                 const phial_embedder_options *options, phial_error *err)
{
    phial_embedder *e = NULL;
    phial_status status = ph_embedder_open_bare(&e, path, options, err);
    if (status == PHIAL_OK) {
        status = open_tokenizer(e, err);
    }
    if (status == PHIAL_OK) {
        *out = e;
    } else {
        phial_embedder_close(e);
    }
    return status;
}

void phial_embedder_close(phial_embedder *e)
{
    if (e == NULL) {
        return;
    }
    if (e->room != NULL) {
        e->model->arch->encode->room_free(e->room);
    }
    phial_engine_free(e->engine);
    ph_pool_free(e->pool);
    phial_encoder_free(e->encoder);
    phial_tokenizer_close(e->tokenizer);
    phial_model_close(e->model);
    for (size_t i = 0; i < 3; i++) {
        ph_free(e->prefix[i]);
    }
    ph_free(e->ids);
    ph_free(e->parts);
    ph_free(e->lists);
    ph_free(e->sums);
    ph_free(e);
}

/* --- what it is ------------------------------------------------------------------------------- */

uint32_t phial_embedder_dim(const phial_embedder *e)
{
    return e->dim;
}

phial_pooling phial_embedder_pooling(const phial_embedder *e)
{
    return e->pooling;
}

bool phial_embedder_normalizes(const phial_embedder *e)
{
    return e->normalize;
}

phial_math phial_embedder_math(const phial_embedder *e)
{
    return e->math;
}

uint32_t ph_embedder_fast_version(const phial_embedder *e)
{
    if (e->math != PHIAL_MATH_FAST) {
        return 0;
    }
    return e->room != NULL ? e->model->arch->encode->fast_version(e->room) : FAST_VERSION_LM;
}

uint32_t phial_embedder_n_ctx(const phial_embedder *e)
{
    return e->n_ctx;
}

const char *phial_embedder_prefix(const phial_embedder *e, phial_embed_as as)
{
    size_t i = (size_t)as;
    return i < 3 ? e->prefix[i] : "";
}

const phial_model *phial_embedder_model(const phial_embedder *e)
{
    return e->model;
}

phial_status phial_embedder_fingerprint(phial_embedder *e, char out[PHIAL_FINGERPRINT_BYTES],
                                        phial_error *err)
{
    char model[PHIAL_FINGERPRINT_BYTES];
    ph_hasher *h;
    if (e->fingerprint[0] != '\0') {
        memcpy(out, e->fingerprint, sizeof e->fingerprint);
        return PHIAL_OK;
    }
    phial_status status = phial_model_fingerprint(e->model, model, err);
    if (status == PHIAL_OK) {
        status = ph_hasher_new(&h, err);
    }
    if (status != PHIAL_OK) {
        return status;
    }
    /* Version 1 is written as nothing: so it was before there were versions. */
    uint32_t fast = ph_embedder_fast_version(e);
    const uint32_t numbers[] = {(uint32_t)e->pooling, e->normalize,
                                (uint32_t)e->math | (fast > 1 ? fast << 8 : 0), e->n_ctx};
    ph_hasher_add(h, model, sizeof model);
    ph_hasher_add(h, numbers, sizeof numbers);
    for (size_t i = 0; i < 3; i++) {
        ph_hasher_add(h, e->prefix[i], strlen(e->prefix[i]) + 1);
    }
    ph_hash128_hex(ph_hasher_end(h), e->fingerprint);
    ph_hasher_free(h);
    memcpy(out, e->fingerprint, sizeof e->fingerprint);
    return PHIAL_OK;
}

void phial_embedder_cancel(phial_embedder *e)
{
    atomic_store(&e->cancel, true);
}
