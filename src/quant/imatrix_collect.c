/* Collecting importance matrices. Contract: quant/imatrix.h.
 *
 * What a matrix is multiplied with is seen by the tap on activations: LayerNorm's output (query,
 * key, value and first feed-forward matrix), the heads' (projection), gelu's (second feed-forward
 * matrix), the last LayerNorm's (head). Sums are kept in double. */
#include <stdio.h>

#include "base/mem.h"
#include "model/model_struct.h"
#include "quant/imatrix.h"
#include "quant/text_ids.h"

#define DEFAULT_WINDOW 512

typedef enum input { INPUT_LN, INPUT_ATTN, INPUT_GELU, N_INPUTS } input;

static const phial_activation seen[N_INPUTS] = {PHIAL_ACT_LN, PHIAL_ACT_ATTN, PHIAL_ACT_GELU};

typedef struct collector {
    const ph_imatrix_options *options;
    ph_text_ids text;       /* owned */
    phial_model *model;     /* owned */
    phial_engine *engine;   /* owned */
    phial_session *session; /* owned */
    double **sums;          /* owned, each owned: [n_layer * N_INPUTS + 1][n_cols]; last: head */
    size_t *n_cols;         /* owned */
    size_t n_layer, n_sums;
    uint64_t n_tokens, n_chunks;
    uint32_t n_window;
} collector;

static size_t index_of(const collector *c, const phial_activation_event *e)
{
    for (size_t i = 0; i < N_INPUTS; i++) {
        if (e->what == seen[i])
            return (size_t)e->layer * N_INPUTS + i;
    }
    return c->n_sums - 1;
}

static void see(void *user, const phial_activation_event *e)
{
    collector *c = user;
    size_t at = index_of(c, e);
    for (size_t r = 0; r < e->n; r++) {
        const float *row = e->data + r * e->n_cols;
        for (size_t i = 0; i < c->n_cols[at]; i++)
            c->sums[at][i] += (double)row[i] * (double)row[i];
    }
}

static phial_status make_sums(collector *c, phial_error *err)
{
    const ph_hparams *hp = ph_model_hparams(c->model);
    c->n_layer = hp->n_layer;
    size_t n = c->n_layer * N_INPUTS + 1;
    c->sums = ph_alloc(n, sizeof *c->sums, err);
    c->n_cols = c->sums ? ph_alloc(n, sizeof *c->n_cols, err) : NULL;
    if (!c->n_cols)
        return PHIAL_ERR_NO_MEMORY;
    c->n_sums = n;
    for (size_t i = 0; i < n; i++) {
        input in = i + 1 < n ? (input)(i % N_INPUTS) : INPUT_LN;
        c->n_cols[i] = in == INPUT_GELU   ? hp->n_ff
                       : in == INPUT_ATTN ? (size_t)hp->n_head * hp->head_dim
                                          : hp->n_embd;
        c->sums[i] = ph_alloc(c->n_cols[i], sizeof **c->sums, err);
        if (!c->sums[i])
            return PHIAL_ERR_NO_MEMORY;
    }
    return PHIAL_OK;
}

static phial_status open_model(collector *c, phial_error *err)
{
    const ph_imatrix_options *o = c->options;
    phial_engine_options engine;
    phial_engine_options_default(&engine);
    engine.n_threads = o->n_threads;
    engine.n_seq = 1;
    phial_status status = phial_model_open(&c->model, o->model, NULL, err);
    if (status != PHIAL_OK)
        return status;
    uint32_t most = ph_model_hparams(c->model)->n_ctx_max;
    c->n_window = o->n_ctx ? o->n_ctx : DEFAULT_WINDOW < most ? DEFAULT_WINDOW : most;
    status = phial_engine_new(&c->engine, c->model, &engine, err);
    if (status == PHIAL_OK)
        status = phial_session_new(&c->session, c->engine, c->n_window, err);
    if (status == PHIAL_OK)
        status = make_sums(c, err);
    uint32_t which = 1u << PHIAL_ACT_LN | 1u << PHIAL_ACT_ATTN | 1u << PHIAL_ACT_GELU |
                     1u << PHIAL_ACT_FINAL_NORM;
    return status == PHIAL_OK ? phial_session_on_activation(c->session, which, see, c, err)
                              : status;
}

/* Whole chunks, or the one that the text is too short for. */
static phial_status run_all(collector *c, phial_error *err)
{
    const ph_imatrix_options *o = c->options;
    size_t n_chunks = c->text.n / c->n_window, n_window = c->n_window;
    if (n_chunks == 0) {
        n_chunks = 1;
        n_window = c->text.n;
    }
    if (o->max_chunks > 0 && n_chunks > o->max_chunks)
        n_chunks = (size_t)o->max_chunks;
    for (size_t i = 0; i < n_chunks; i++) {
        phial_session_truncate(c->session, 0);
        phial_status status =
            phial_session_sync(c->session, c->text.ids + i * n_window, n_window, err);
        if (status != PHIAL_OK)
            return status;
        c->n_tokens += n_window;
        c->n_chunks++;
        if (o->progress && !o->progress(o->progress_user, c->n_tokens, n_chunks * n_window))
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    return PHIAL_OK;
}

/* The matrices that meet the activations of place `at`; NULL at the end. */
static const char *matrix_at(const collector *c, size_t at, size_t i)
{
    static const char *const apart[] = {"attn_q", "attn_k", "attn_v", "ffn_up", NULL};
    static const char *const fused[] = {"attn_qkv", "ffn_up", NULL};
    static const char *const projection[] = {"attn_output", NULL};
    static const char *const down[] = {"ffn_down", NULL};
    ph_tensor_ref found;
    const ph_hfconfig *config = ph_source_config(c->model->source);
    bool is_fused = config ? config->style != PH_HF_PHI
                           : ph_source_find(c->model->source, "blk.0.attn_qkv.weight", &found);
    switch ((input)(at % N_INPUTS)) {
    case INPUT_ATTN:
        return projection[i];
    case INPUT_GELU:
        return down[i];
    default:
        return is_fused ? fused[i] : apart[i];
    }
}

typedef phial_status (*put_fn)(ph_gguf_writer *w, const collector *c, size_t at, const char *name,
                               phial_error *err);

static phial_status declare(ph_gguf_writer *w, const collector *c, size_t at, const char *name,
                            phial_error *err)
{
    char full[96];
    uint64_t sums[2] = {c->n_cols[at], 1}, counts[2] = {1, 1};
    snprintf(full, sizeof full, "%s.in_sum2", name);
    phial_status status = ph_gguf_put_tensor(w, full, PH_DTYPE_F32, 2, sums, err);
    snprintf(full, sizeof full, "%s.counts", name);
    return status == PHIAL_OK ? ph_gguf_put_tensor(w, full, PH_DTYPE_F32, 2, counts, err) : status;
}

static phial_status put_data(ph_gguf_writer *w, const collector *c, size_t at, const char *name,
                             phial_error *err)
{
    phial_status status = PHIAL_OK;
    (void)name;
    for (size_t i = 0; i < c->n_cols[at] && status == PHIAL_OK; i++) {
        float sum = (float)c->sums[at][i];
        status = ph_gguf_writer_data(w, &sum, sizeof sum, err);
    }
    float count = (float)c->n_tokens;
    return status == PHIAL_OK ? ph_gguf_writer_data(w, &count, sizeof count, err) : status;
}

static phial_status for_each(ph_gguf_writer *w, const collector *c, put_fn put, phial_error *err)
{
    char name[64];
    const char *matrix;
    phial_status status = PHIAL_OK;
    for (size_t at = 0; at + 1 < c->n_sums; at++) {
        for (size_t i = 0; status == PHIAL_OK && (matrix = matrix_at(c, at, i)) != NULL; i++) {
            snprintf(name, sizeof name, "blk.%zu.%s.weight", at / N_INPUTS, matrix);
            status = put(w, c, at, name, err);
        }
    }
    /* A folder's tied head becomes a matrix of its own in GGUF. */
    bool tied = ph_source_gguf(c->model->source) && ph_model_hparams(c->model)->tied_head;
    return status == PHIAL_OK
               ? put(w, c, c->n_sums - 1, tied ? "token_embd.weight" : "output.weight", err)
               : status;
}

static phial_status write_file(const collector *c, const char *dst, phial_error *err)
{
    ph_gguf_writer *w;
    phial_status status = ph_gguf_writer_new(&w, err);
    if (status != PHIAL_OK)
        return status;
    ph_gguf_put_str(w, "general.type", ph_str_from("imatrix"));
    ph_gguf_put_array(w, "imatrix.datasets", PH_GGUF_STRING, 1);
    ph_gguf_put_elem_str(w, ph_str_from(ph_path_base(c->options->text)));
    ph_gguf_put_u32(w, "imatrix.chunk_count", (uint32_t)c->n_chunks);
    ph_gguf_put_u32(w, "imatrix.chunk_size", c->n_window);
    status = for_each(w, c, declare, err);
    if (status == PHIAL_OK)
        status = ph_gguf_writer_begin(w, dst, err);
    if (status == PHIAL_OK)
        status = for_each(w, c, put_data, err);
    if (status == PHIAL_OK)
        status = ph_gguf_writer_commit(w, err);
    ph_gguf_writer_free(w);
    return status;
}

static void collector_close(collector *c)
{
    phial_session_free(c->session);
    phial_engine_free(c->engine);
    phial_model_close(c->model);
    ph_text_ids_close(&c->text);
    for (size_t i = 0; i < c->n_sums; i++)
        ph_free(c->sums[i]);
    ph_free(c->sums);
    ph_free(c->n_cols);
}

phial_status ph_imatrix_collect(const char *dst, const ph_imatrix_options *options,
                                uint64_t *n_chunks, phial_error *err)
{
    collector c = {.options = options};
    if (!options->overwrite && ph_file_kind_of(dst) != PH_FILE_MISSING)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", dst);
    phial_status status = ph_text_ids_open(&c.text, options->model, options->text, err);
    if (status == PHIAL_OK)
        status = open_model(&c, err);
    if (status == PHIAL_OK)
        status = run_all(&c, err);
    if (status == PHIAL_OK)
        status = write_file(&c, dst, err);
    *n_chunks = c.n_chunks;
    collector_close(&c);
    return status;
}
