/* Running embedders: from texts to vectors; contract in phial/embed.h.
 *
 * Texts become parts (a long one several), parts wait until a batch is full, a batch runs, and each
 * part's token vectors are pooled in double, in order, into its text's vector. */
#include "rt/embedder.h"

#include <math.h>
#include <string.h>

/* --- parts that wait -------------------------------------------------------------------------- */

static phial_status reserve(phial_embedder *e, size_t n_ids, phial_error *err)
{
    if (e->n_ids + n_ids > e->cap_ids) {
        size_t cap = e->n_ids + n_ids + e->cap_ids / 2;
        uint32_t *ids = ph_realloc(e->ids, cap, sizeof *ids, err);
        if (ids == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        e->ids = ids;
        e->cap_ids = cap;
    }
    if (e->n_parts == e->cap_parts) {
        size_t cap = e->cap_parts == 0 ? 64 : 2 * e->cap_parts;
        ph_encode_text *lists = ph_realloc(e->lists, cap, sizeof *lists, err);
        if (lists == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        e->lists = lists;
        ph_embed_part *parts = ph_realloc(e->parts, cap, sizeof *parts, err);
        if (parts == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        e->parts = parts;
        e->cap_parts = cap;
    }
    return PHIAL_OK;
}

static void put_ids(phial_embedder *e, const uint32_t *ids, size_t n)
{
    if (n > 0) {
        memcpy(e->ids + e->n_ids, ids, n * sizeof *ids);
        e->n_ids += n;
    }
}

/* --- pooling ---------------------------------------------------------------------------------- */

static void add_row(double *sum, const float *row, size_t n, double weight)
{
    if (weight == 1) {
        for (size_t c = 0; c < n; c++) {
            sum[c] += row[c];
        }
        return;
    }
    for (size_t c = 0; c < n; c++) {
        sum[c] += weight * row[c];
    }
}

/* Adds rows first .. first + n - 1 of a part's `all`. */
static void pool(const phial_embedder *e, double *sum, const float *rows, size_t first, size_t n,
                 size_t all)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = first + i;
        bool wanted = e->pooling == PHIAL_POOL_LAST  ? at + 1 == all
                      : e->pooling == PHIAL_POOL_CLS ? at == 0
                                                     : true;
        if (wanted) {
            add_row(sum, rows + i * e->dim, e->dim,
                    e->pooling == PHIAL_POOL_WEIGHTED ? (double)(at + 1) : 1);
        }
    }
}

/* What the sum of n rows is divided by. */
static double divisor(const phial_embedder *e, size_t n)
{
    switch (e->pooling) {
    case PHIAL_POOL_LAST:
    case PHIAL_POOL_CLS:
        return 1;
    case PHIAL_POOL_WEIGHTED:
        return (double)n * ((double)n + 1) / 2;
    default:
        return (double)n;
    }
}

static void finish_part(const phial_embedder *e, const ph_embed_part *part, const double *sum,
                        float *vectors)
{
    float *out = vectors + part->text * e->dim;
    double by = divisor(e, part->n);
    for (size_t c = 0; c < e->dim; c++) {
        out[c] += (float)(sum[c] / by * part->weight);
    }
}

/* --- embedding models ------------------------------------------------------------------------- */

static bool cancelled(void *user)
{
    return atomic_load_explicit(&((const phial_embedder *)user)->cancel, memory_order_relaxed);
}

static phial_status run_encoder(phial_embedder *e, float *vectors, phial_error *err)
{
    const float *hidden;
    ph_encode_batch batch = {.texts = e->lists,
                             .n_texts = e->n_parts,
                             .n_rows = e->n_ids,
                             .first_only = e->pooling == PHIAL_POOL_CLS,
                             .user = e,
                             .cancelled = cancelled};
    for (size_t i = 0; i < e->n_parts; i++) {
        e->lists[i] = (ph_encode_text){e->ids + e->parts[i].first, e->parts[i].n};
    }
    phial_status status = e->model->arch->encode->run(e->room, &batch, &hidden, err);
    for (size_t i = 0; i < e->n_parts && status == PHIAL_OK; i++) {
        const ph_embed_part *part = &e->parts[i];
        size_t n = batch.first_only ? 1 : part->n;
        memset(e->sums, 0, e->dim * sizeof *e->sums);
        pool(e, e->sums, hidden, 0, n, part->n);
        finish_part(e, part, e->sums, vectors);
        hidden += n * e->dim;
    }
    return status;
}

/* --- language models -------------------------------------------------------------------------- */

typedef struct slot {
    phial_embedder *e;
    phial_session *session;
    const ph_embed_part *part;
    double *sum;
} slot;

static void see_activation(void *user, const phial_activation_event *event)
{
    const slot *s = user;
    if (cancelled(s->e)) {
        phial_session_cancel(s->session);
    }
    if (event->what == PHIAL_ACT_FINAL_NORM && s->e->pooling != PHIAL_POOL_MEAN_LOGITS) {
        pool(s->e, s->sum, event->data, event->position, event->n, s->part->n);
    }
}

static void see_logits(void *user, size_t position, const float *logits)
{
    const slot *s = user;
    pool(s->e, s->sum, logits, position, 1, s->part->n);
}

static phial_status open_slot(slot *s, phial_error *err)
{
    /* The norms only to be asked once a layer whether somebody cancelled. */
    const uint32_t taps = 1u << PHIAL_ACT_FINAL_NORM | 1u << PHIAL_ACT_LN;
    phial_status status = phial_session_new(&s->session, s->e->engine, (uint32_t)s->part->n, err);
    if (status == PHIAL_OK) {
        status = phial_session_on_activation(s->session, taps, see_activation, s, err);
    }
    if (status == PHIAL_OK && s->e->pooling == PHIAL_POOL_MEAN_LOGITS) {
        phial_session_on_logits(s->session, see_logits, s);
    }
    return status;
}

/* n <= PH_EMBED_SLOTS parts from number `first` on. */
static phial_status run_slots(phial_embedder *e, size_t first, size_t n, float *vectors,
                              phial_error *err)
{
    slot slots[PH_EMBED_SLOTS];
    phial_session *sessions[PH_EMBED_SLOTS];
    phial_tokens tokens[PH_EMBED_SLOTS];
    phial_status status = PHIAL_OK;
    size_t n_open = 0;
    for (; n_open < n && status == PHIAL_OK; n_open++) {
        const ph_embed_part *part = &e->parts[first + n_open];
        slot *s = &slots[n_open];
        *s = (slot){.e = e, .part = part, .sum = e->sums + n_open * e->dim};
        memset(s->sum, 0, e->dim * sizeof *s->sum);
        status = open_slot(s, err);
        sessions[n_open] = s->session;
        tokens[n_open] = (phial_tokens){e->ids + part->first, part->n};
    }
    if (status == PHIAL_OK) {
        status = phial_session_sync_batch(sessions, tokens, n, err);
    }
    for (size_t i = 0; i < n_open; i++) {
        if (status == PHIAL_OK) {
            finish_part(e, slots[i].part, slots[i].sum, vectors);
        }
        phial_session_free(slots[i].session);
    }
    return status;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* Runs what waits. */
static phial_status flush(phial_embedder *e, float *vectors, phial_error *err)
{
    phial_status status = PHIAL_OK;
    if (cancelled(e)) {
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
    }
    if (e->n_parts > 0 && e->room != NULL) {
        status = run_encoder(e, vectors, err);
    }
    for (size_t i = 0; i < e->n_parts && e->engine != NULL && status == PHIAL_OK;) {
        size_t left = e->n_parts - i, n = left < PH_EMBED_SLOTS ? left : PH_EMBED_SLOTS;
        status = run_slots(e, i, n, vectors, err);
        i += n;
    }
    e->n_parts = e->n_ids = 0;
    return status;
}

/* What is in front of and behind the words of each part. */
typedef struct frame {
    uint32_t ends[2]; /* [CLS] and [SEP] */
    size_t n_ends;    /* 2 or 0 */
    size_t n_prefix;  /* ids at the beginning of the text that every part gets */
} frame;

static phial_status add_part(phial_embedder *e, const frame *f, const ph_embed_part *like,
                             const uint32_t *prefix, const uint32_t *words, size_t n_words,
                             float *vectors, phial_error *err)
{
    size_t n = n_words + f->n_prefix + f->n_ends;
    phial_status status = PHIAL_OK;
    if (e->n_ids + n > e->n_batch) {
        status = flush(e, vectors, err);
    }
    if (status == PHIAL_OK) {
        status = reserve(e, n, err);
    }
    if (status != PHIAL_OK) {
        return status;
    }
    e->parts[e->n_parts] = *like;
    e->parts[e->n_parts].first = e->n_ids;
    e->parts[e->n_parts++].n = n;
    put_ids(e, f->ends, f->n_ends / 2);
    put_ids(e, prefix, f->n_prefix);
    put_ids(e, words, n_words);
    put_ids(e, f->ends + 1, f->n_ends / 2);
    return PHIAL_OK;
}

/* ids: the whole text, prefix first. Cut into parts of about equal size that fit. */
static phial_status add_text(phial_embedder *e, const frame *f, size_t text, const uint32_t *ids,
                             size_t n, uint32_t *n_parts, float *vectors, phial_error *err)
{
    const uint32_t *words = ids + f->n_prefix;
    size_t n_words = n - f->n_prefix, room = e->n_ctx - f->n_ends - f->n_prefix;
    size_t n_cuts = n_words == 0 ? 1 : (n_words + room - 1) / room;
    phial_status status = PHIAL_OK;
    if (n + f->n_ends == 0) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "there are no tokens in it");
    }
    if (n_cuts > UINT32_MAX) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu tokens", n);
    }
    for (size_t i = 0; i < n_cuts && status == PHIAL_OK; i++) {
        size_t begin = n_words / n_cuts * i + (i < n_words % n_cuts ? i : n_words % n_cuts);
        size_t count = n_words / n_cuts + (i < n_words % n_cuts);
        ph_embed_part part = {.text = text,
                              .weight = n_cuts == 1 ? 1 : (double)count / (double)n_words};
        status = add_part(e, f, &part, ids, words + begin, count, vectors, err);
    }
    *n_parts = (uint32_t)n_cuts;
    return status;
}

static phial_status not_finite(const phial_embedder *e, size_t text, phial_error *err)
{
    ph_str name;
    phial_status status = ph_model_find_not_finite(e->model, &name, err);
    if (status != PHIAL_OK) {
        return status;
    }
    if (name.p != NULL) {
        return ph_err_set(err, PHIAL_ERR_NUMERIC,
                          "text %zu: its vector is not finite: %s: tensor '%.*s' holds NaN or "
                          "infinity",
                          text + 1, e->model->path, PH_STR_ARG(name));
    }
    return ph_err_set(err, PHIAL_ERR_NUMERIC, "text %zu: its vector holds NaN or infinity",
                      text + 1);
}

/* Checks the vectors, and makes them unit vectors if that is wanted. */
static phial_status finish(const phial_embedder *e, float *vectors, size_t n, phial_error *err)
{
    for (size_t t = 0; t < n; t++) {
        float *v = vectors + t * e->dim;
        double sum = 0;
        for (size_t c = 0; c < e->dim; c++) {
            sum += (double)v[c] * v[c];
        }
        if (!isfinite(sum)) {
            return not_finite(e, t, err);
        }
        if (!e->normalize) {
            continue;
        }
        if (sum == 0) {
            return ph_err_set(err, PHIAL_ERR_NUMERIC,
                              "text %zu: its vector is zero and has no direction", t + 1);
        }
        double by = sqrt(sum);
        for (size_t c = 0; c < e->dim; c++) {
            v[c] = (float)(v[c] / by);
        }
    }
    return PHIAL_OK;
}

static frame frame_of(const phial_embedder *e)
{
    frame f = {.n_ends = 0};
    if (e->room != NULL) {
        f.n_ends = 2;
        f.ends[0] = phial_tokenizer_bos(e->tokenizer);
        f.ends[1] = phial_tokenizer_eos(e->tokenizer);
    }
    return f;
}

/* How many of the prefix's own tokens the text begins with: all, or (where the last one has merged
 * with the text, or they leave no room) none, which only matters to texts that are split. */
static phial_status find_prefix(phial_embedder *e, frame *f, const char *prefix,
                                uint32_t ids[PH_EMBED_PREFIX_BYTES], phial_error *err)
{
    size_t n = 0;
    phial_status status = phial_encoder_run(e->encoder, prefix, strlen(prefix), 0, err);
    const uint32_t *own = phial_encoder_ids(e->encoder, &n);
    if (status != PHIAL_OK || n > PH_EMBED_PREFIX_BYTES || 2 * (n + f->n_ends) > e->n_ctx) {
        return status;
    }
    memcpy(ids, own, n * sizeof *own);
    f->n_prefix = n;
    return PHIAL_OK;
}

/* What of a call stays the same from text to text. */
typedef struct call {
    phial_embedder *e;
    float *vectors;
    frame plain, prefixed;
    uint32_t prefix_ids[PH_EMBED_PREFIX_BYTES];
    const char *prefix;
    ph_buf text; /* prefix and text together */
    phial_embed_stats stats;
} call;

static phial_status take_text(call *c, size_t i, phial_text text, uint32_t *n_parts,
                              phial_error *err)
{
    phial_embedder *e = c->e;
    size_t n;
    if (c->prefix[0] != '\0') {
        ph_buf_clear(&c->text);
        ph_buf_add_str(&c->text, c->prefix);
        ph_buf_add(&c->text, text.p, text.n);
        text = (phial_text){c->text.data, c->text.len};
    }
    phial_status status = ph_buf_status(&c->text, err);
    if (status == PHIAL_OK) {
        status = phial_encoder_run(e->encoder, text.p, text.n, 0, err);
    }
    if (status != PHIAL_OK) {
        return ph_err_context(err, status, "text %zu", i + 1);
    }
    const uint32_t *ids = phial_encoder_ids(e->encoder, &n);
    size_t n_prefix = c->prefixed.n_prefix;
    bool has =
        n_prefix > 0 && n >= n_prefix && memcmp(ids, c->prefix_ids, n_prefix * sizeof *ids) == 0;
    const frame *f = has ? &c->prefixed : &c->plain;
    status = add_text(e, f, i, ids, n, n_parts, c->vectors, err);
    if (status != PHIAL_OK) {
        return status == PHIAL_ERR_CANCELLED || status == PHIAL_ERR_FILE_CHANGED
                   ? status
                   : ph_err_context(err, status, "text %zu", i + 1);
    }
    c->stats.n_tokens += n + *n_parts * f->n_ends + (*n_parts - 1) * f->n_prefix;
    c->stats.n_split += *n_parts > 1;
    return PHIAL_OK;
}

phial_status phial_embed(phial_embedder *e, float *vectors, uint32_t *n_parts,
                         const phial_text *texts, size_t n_texts, phial_embed_as as,
                         phial_embed_stats *stats, phial_error *err)
{
    if (stats != NULL && stats->size != sizeof *stats) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "phial_embed_stats.size is not set");
    }
    if ((int)as < PHIAL_EMBED_PLAIN || (int)as > PHIAL_EMBED_PASSAGE) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown kind of text %d", (int)as);
    }
    call *c = ph_alloc(1, sizeof *c, err);
    if (c == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    *c = (call){.e = e,
                .vectors = vectors,
                .plain = frame_of(e),
                .prefixed = frame_of(e),
                .prefix = e->prefix[as]};
    ph_buf_init(&c->text, PHIAL_TEXT_MAX);
    e->n_ids = e->n_parts = 0;
    phial_status status = find_prefix(e, &c->prefixed, c->prefix, c->prefix_ids, err);
    if (n_texts > 0) {
        memset(vectors, 0, n_texts * e->dim * sizeof *vectors);
    }
    for (size_t i = 0; i < n_texts && status == PHIAL_OK; i++) {
        uint32_t parts = 0;
        status = take_text(c, i, texts[i], &parts, err);
        if (n_parts != NULL) {
            n_parts[i] = parts;
        }
    }
    if (status == PHIAL_OK) {
        status = flush(e, vectors, err);
    }
    if (status == PHIAL_OK) {
        status = finish(e, vectors, n_texts, err);
    }
    if (status == PHIAL_OK && stats != NULL) {
        stats->n_tokens = c->stats.n_tokens;
        stats->n_split = c->stats.n_split;
    }
    e->n_ids = e->n_parts = 0;
    ph_buf_free(&c->text);
    ph_free(c);
    atomic_store(&e->cancel, false);
    return status;
}

phial_status ph_embed_ids(phial_embedder *e, float *vectors, const phial_tokens *texts, size_t n,
                          phial_error *err)
{
    const frame bare = {.n_ends = 0};
    uint32_t n_parts;
    phial_status status = PHIAL_OK;
    e->n_ids = e->n_parts = 0;
    memset(vectors, 0, n * e->dim * sizeof *vectors);
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        for (size_t k = 0; k < texts[i].n && status == PHIAL_OK; k++) {
            if (texts[i].ids[k] >= e->model->hp.n_vocab) {
                status =
                    ph_err_set(err, PHIAL_ERR_ARGUMENT, "text %zu: id %u is not below %u", i + 1,
                               (unsigned)texts[i].ids[k], (unsigned)e->model->hp.n_vocab);
            }
        }
        if (status == PHIAL_OK) {
            status = add_text(e, &bare, i, texts[i].ids, texts[i].n, &n_parts, vectors, err);
        }
    }
    if (status == PHIAL_OK) {
        status = flush(e, vectors, err);
    }
    e->n_ids = e->n_parts = 0;
    return status == PHIAL_OK ? finish(e, vectors, n, err) : status;
}

/* --- weights that are no numbers -------------------------------------------------------------- */

phial_status ph_model_find_not_finite(const phial_model *model, ph_str *name, phial_error *err)
{
    enum { STEP = 8192 }; /* a multiple of every block */
    float *values = ph_alloc(STEP, sizeof *values, err);
    *name = (ph_str){NULL, 0};
    if (values == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < ph_source_n_tensors(model->source) && name->p == NULL; i++) {
        ph_tensor_ref t = ph_source_tensor_at(model->source, i);
        const ph_quant *quant = t.type != NULL ? ph_quant_find(t.type->id) : NULL;
        for (uint64_t at = 0; quant != NULL && at < t.n_elements && name->p == NULL; at += STEP) {
            size_t n = t.n_elements - at < STEP ? (size_t)(t.n_elements - at) : STEP;
            quant->dequantize(values, t.data + ph_dtype_row_bytes(quant->type, at), n);
            for (size_t k = 0; k < n && name->p == NULL; k++) {
                if (!isfinite(values[k])) {
                    *name = t.name;
                }
            }
        }
    }
    ph_free(values);
    return PHIAL_OK;
}
