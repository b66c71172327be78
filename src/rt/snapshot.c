/* Sessions saved to a file and back; contract in phial/session.h.
 *
 * Layout, little-endian, all sizes known from the header:
 *   64 bytes of header (struct header below)
 *   build     text, build_bytes: library version, instruction set and compiler, since all of them
 *             decide about bits
 *   tokens    n_tokens x uint32
 *   logits    n_vocab x f32, if has_logits
 *   pages     n_pages x page_bytes, the KV cache as it is in memory
 *   checksum  XXH3-128 of everything before
 * A snapshot is hostile input: nothing is believed before the checksum and the sizes agree. What
 * remains possible to a forger are wrong numbers in the cache, and those only give wrong logits.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "phial/phial.h"
#include "rt/engine.h"

static const char MAGIC[8] = "PHIALKV";

typedef struct header {
    char magic[8];
    uint32_t version;
    uint32_t kv_type;
    char fingerprint[PHIAL_FINGERPRINT_BYTES - 1]; /* of the model */
    uint32_t n_tokens;
    uint32_t build_bytes;
    uint32_t has_logits;
    uint32_t zero;
} header;

_Static_assert(sizeof(header) == 64, "the header has no padding");

#define SNAPSHOT_VERSION 1
#define CHECKSUM_BYTES   16
#define BUILD_MAX        128

/* Sizes of the parts behind the header. */
typedef struct parts {
    size_t build, tokens, logits, pages, n_pages;
} parts;

static parts parts_of(const phial_session *s, size_t n_tokens, size_t build_bytes, bool has_logits)
{
    const phial_engine *e = s->engine;
    size_t n_pages = ph_kvcache_pages_for(n_tokens);
    return (parts){
        .build = build_bytes,
        .tokens = n_tokens * sizeof(uint32_t),
        .logits = has_logits ? ph_model_hparams(e->model)->n_vocab * sizeof(float) : 0,
        .pages = n_pages * e->layout.page_bytes,
        .n_pages = n_pages,
    };
}

static size_t describe_build(const phial_engine *e, char out[BUILD_MAX])
{
    int n = snprintf(out, BUILD_MAX, "%s %s %s %s", phial_version(), e->kern.isa,
                     e->math == PHIAL_MATH_FAST ? "fast" : "exact", __VERSION__);
    return n < BUILD_MAX ? (size_t)n : BUILD_MAX - 1;
}

/* Writes and hashes. */
static phial_status put(ph_writer *w, ph_hasher *h, const void *bytes, size_t n, phial_error *err)
{
    ph_hasher_add(h, bytes, n);
    return ph_writer_write(w, bytes, n, err);
}

static phial_status write_all(const phial_session *s, ph_writer *w, ph_hasher *h, phial_error *err)
{
    char build[BUILD_MAX], fingerprint[PHIAL_FINGERPRINT_BYTES];
    size_t build_bytes = describe_build(s->engine, build);
    phial_status status = phial_model_fingerprint(s->engine->model, fingerprint, err);
    if (status != PHIAL_OK) {
        return status;
    }
    header head = {.version = SNAPSHOT_VERSION,
                   .kv_type = (uint32_t)s->engine->layout.shape.type,
                   .n_tokens = (uint32_t)s->n_held,
                   .build_bytes = (uint32_t)build_bytes,
                   .has_logits = s->has_logits};
    memcpy(head.magic, MAGIC, sizeof head.magic);
    memcpy(head.fingerprint, fingerprint, sizeof head.fingerprint);
    parts p = parts_of(s, s->n_held, build_bytes, s->has_logits);
    status = put(w, h, &head, sizeof head, err);
    if (status == PHIAL_OK) {
        status = put(w, h, build, p.build, err);
    }
    if (status == PHIAL_OK) {
        status = put(w, h, s->ids, p.tokens, err);
    }
    if (status == PHIAL_OK) {
        status = put(w, h, s->logits, p.logits, err);
    }
    for (size_t i = 0; i < p.n_pages && status == PHIAL_OK; i++) {
        status = put(w, h, s->kv.pages[i], s->engine->layout.page_bytes, err);
    }
    ph_hash128 sum = ph_hasher_end(h);
    return status == PHIAL_OK ? ph_writer_write(w, &sum, CHECKSUM_BYTES, err) : status;
}

phial_status phial_session_save(const phial_session *s, const char *path, phial_error *err)
{
    ph_writer *w = NULL;
    ph_hasher *h = NULL;
    phial_status status = ph_hasher_new(&h, err);
    if (status == PHIAL_OK) {
        status = ph_writer_open(&w, path, err);
    }
    if (status == PHIAL_OK) {
        status = write_all(s, w, h, err);
    }
    if (status == PHIAL_OK) {
        status = ph_writer_commit(w, err);
    }
    ph_writer_close(w);
    ph_hasher_free(h);
    return status;
}

/* Same model, KV type and build, or the sentence why not. */
static phial_status check_header(const phial_session *s, const header *head, const char *build,
                                 phial_error *err)
{
    char own_build[BUILD_MAX], fingerprint[PHIAL_FINGERPRINT_BYTES];
    size_t own_bytes = describe_build(s->engine, own_build);
    phial_status status = phial_model_fingerprint(s->engine->model, fingerprint, err);
    if (status != PHIAL_OK) {
        return status;
    }
    if (memcmp(head->fingerprint, fingerprint, sizeof head->fingerprint) != 0) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "it was made with another model");
    }
    if (head->kv_type != (uint32_t)s->engine->layout.shape.type) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "it was made with another KV type");
    }
    if (head->build_bytes != own_bytes || memcmp(build, own_build, head->build_bytes)) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "it was made by phial %.*s, this is %s",
                          (int)head->build_bytes, build, own_build);
    }
    if (head->n_tokens > s->kv.n_ctx) {
        return ph_err_set(err, PHIAL_ERR_CONTEXT_FULL,
                          "its %u tokens do not fit the context of %zu", (unsigned)head->n_tokens,
                          s->kv.n_ctx);
    }
    return PHIAL_OK;
}

static phial_status check_tokens(const phial_session *s, const uint8_t *tokens, size_t n,
                                 phial_error *err)
{
    uint32_t n_vocab = ph_model_hparams(s->engine->model)->n_vocab;
    for (size_t i = 0; i < n; i++) {
        uint32_t id;
        memcpy(&id, tokens + i * sizeof id, sizeof id);
        if (id >= n_vocab) {
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "token %zu is no id of this model", i);
        }
    }
    return PHIAL_OK;
}

/* Everything that could be wrong, before anything is changed. */
static phial_status check(const phial_session *s, const uint8_t *data, size_t size, header *head,
                          phial_error *err)
{
    if (size < sizeof *head + CHECKSUM_BYTES || memcmp(data, MAGIC, sizeof MAGIC) != 0) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is not a snapshot of a session");
    }
    memcpy(head, data, sizeof *head);
    if (head->version != SNAPSHOT_VERSION) {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "snapshot version %u, this is %d",
                          (unsigned)head->version, SNAPSHOT_VERSION);
    }
    ph_hash128 sum, own = ph_hash128_of(data, size - CHECKSUM_BYTES);
    memcpy(&sum, data + size - CHECKSUM_BYTES, CHECKSUM_BYTES);
    if (sum.lo != own.lo || sum.hi != own.hi) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is damaged: the checksum does not agree");
    }
    if (head->build_bytes >= BUILD_MAX || head->has_logits > 1 ||
        head->build_bytes > size - sizeof *head - CHECKSUM_BYTES) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "has an impossible header");
    }
    phial_status status = check_header(s, head, (const char *)data + sizeof *head, err);
    if (status != PHIAL_OK) {
        return status;
    }
    parts p = parts_of(s, head->n_tokens, head->build_bytes, head->has_logits);
    if (size != sizeof *head + p.build + p.tokens + p.logits + p.pages + CHECKSUM_BYTES) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "has %zu bytes, not as many as %u tokens need",
                          size, (unsigned)head->n_tokens);
    }
    return check_tokens(s, data + sizeof *head + p.build, head->n_tokens, err);
}

static void restore(phial_session *s, const uint8_t *data, const header *head)
{
    parts p = parts_of(s, head->n_tokens, head->build_bytes, head->has_logits);
    const uint8_t *at = data + sizeof *head + p.build;
    memcpy(s->ids, at, p.tokens);
    at += p.tokens;
    memcpy(s->logits, at, p.logits);
    at += p.logits;
    for (size_t i = 0; i < p.n_pages; i++) {
        memcpy(s->kv.pages[i], at, s->engine->layout.page_bytes);
        at += s->engine->layout.page_bytes;
    }
    s->n_held = head->n_tokens;
    s->n_reused = 0;
    s->has_logits = head->has_logits;
}

phial_status phial_session_load(phial_session *s, const char *path, phial_error *err)
{
    ph_map *map = NULL;
    header head;
    phial_status status = ph_map_open(&map, path, err);
    if (status != PHIAL_OK) {
        return status;
    }
    status = check(s, ph_map_data(map), ph_map_size(map), &head, err);
    if (status == PHIAL_OK) {
        restore(s, ph_map_data(map), &head);
        status = ph_map_check(map, err);
        if (status != PHIAL_OK) { /* what was copied last may be zeros */
            s->n_held = 0;
            s->has_logits = false;
        }
    } else {
        ph_err_context(err, status, "%s", path);
    }
    ph_map_close(map);
    return status;
}
