/* Counting words on threads; contract in bpe_words.h. */
#include "tok/bpe_words.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "tok/pretok.h"

#define DEFAULT_LIMIT ((size_t)1 << 30)
#define LEAST_LIMIT   ((size_t)1 << 20)
/* A thread takes this much of a batch at a time. */
#define SEGMENT_BYTES ((size_t)256 << 10)
#define FIRST_SLOTS   ((size_t)1 << 12)

typedef struct segment {
    const char *p;
    size_t n;
    bool lines;
} segment;

/* What one thread counts. */
typedef struct counter {
    ph_words_table table;
    ph_words_stats stats;
    bool failed;
} counter;

struct ph_words {
    ph_pool *pool;     /* borrowed */
    counter *counters; /* owned, one for each thread */
    ph_words_table table;
    ph_arena texts; /* of the table */
    ph_words_stats stats;
    size_t limit;
    segment *segments; /* owned; the batch */
    size_t n_segments, cap_segments;
    size_t batch_bytes;
    ph_buf copies; /* texts of the batch that are not kept by the caller; never moves */
    ph_ticket ticket;
};

/* --- tables --- */

static void table_free(ph_words_table *t)
{
    ph_free(t->slots);
    *t = (ph_words_table){0};
}

/* The slot of these bytes, or the empty one where they belong. */
static ph_words_entry *find(const ph_words_table *t, uint64_t hash, const char *p, size_t n)
{
    size_t mask = t->n_slots - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        ph_words_entry *e = &t->slots[i];
        if (e->count == 0 || (e->hash == hash && e->n == n && memcmp(e->p, p, n) == 0))
            return e;
    }
}

static phial_status grow(ph_words_table *t, phial_error *err)
{
    ph_words_table old = *t;
    size_t n = old.n_slots ? old.n_slots * 2 : FIRST_SLOTS;
    ph_words_entry *slots = ph_alloc(n, sizeof *slots, err);
    if (!slots)
        return PHIAL_ERR_NO_MEMORY;
    t->slots = slots;
    t->n_slots = n;
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.slots[i].count != 0)
            *find(t, old.slots[i].hash, old.slots[i].p, old.slots[i].n) = old.slots[i];
    }
    ph_free(old.slots);
    return PHIAL_OK;
}

/* Adds `count` to a word; texts NULL: p is kept as it is, otherwise a copy. */
static phial_status add(ph_words_table *t, uint64_t hash, const char *p, size_t n, uint64_t count,
                        ph_arena *texts, phial_error *err)
{
    if (t->n_used * 2 >= t->n_slots && grow(t, err) != PHIAL_OK)
        return PHIAL_ERR_NO_MEMORY;
    ph_words_entry *e = find(t, hash, p, n);
    if (e->count == 0) {
        if (texts && !(p = ph_arena_strndup(texts, p, n, err)))
            return PHIAL_ERR_NO_MEMORY;
        *e = (ph_words_entry){.hash = hash, .p = p, .n = n};
        t->n_used++;
        t->text_bytes += ph_align_up(n + 1, 16);
    }
    e->count += count;
    return PHIAL_OK;
}

/* --- counting --- */

static uint64_t hash_of(const uint8_t *p, size_t n)
{
    return ph_hash64(p, n, 0);
}

/* Bytes that belong to no character. Eight bytes of ASCII at a time. */
static uint64_t count_invalid(const uint8_t *p, const uint8_t *end)
{
    uint64_t n = 0;
    while (p < end) {
        uint64_t x;
        size_t len;
        if (end - p >= 8 && (memcpy(&x, p, 8), (x & 0x8080808080808080u) == 0)) {
            p += 8;
            continue;
        }
        n += ph_utf8_decode(p, (size_t)(end - p), &len) == PH_UTF8_INVALID;
        p += len;
    }
    return n;
}

static void count_text(counter *c, const uint8_t *p, const uint8_t *end)
{
    while (p < end && !c->failed) {
        const uint8_t *stop = ph_pretok_gpt2(p, end);
        size_t n = (size_t)(stop - p);
        c->stats.n_pieces++;
        if (n > PH_WORDS_MAX_BYTES)
            c->stats.n_too_long++;
        else
            c->failed =
                add(&c->table, hash_of(p, n), (const char *)p, n, 1, NULL, NULL) != PHIAL_OK;
        p = stop;
    }
}

static void count_segment(counter *c, const segment *s)
{
    const uint8_t *p = (const uint8_t *)s->p, *end = p + s->n;
    c->stats.n_bytes += s->n;
    c->stats.n_invalid += count_invalid(p, end);
    while (s->lines && p < end) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
        const uint8_t *stop = newline ? newline + 1 : end;
        count_text(c, p, stop);
        p = stop;
    }
    count_text(c, p, end);
}

static void count_batch(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    ph_words *w = arg;
    counter *c = &w->counters[thread];
    for (size_t i; (i = ph_ticket_take(&w->ticket)) < w->n_segments && !c->failed;)
        count_segment(c, &w->segments[i]);
}

static void add_stats(ph_words_stats *sum, const ph_words_stats *part)
{
    sum->n_bytes += part->n_bytes;
    sum->n_pieces += part->n_pieces;
    sum->n_invalid += part->n_invalid;
    sum->n_too_long += part->n_too_long;
}

/* Adds a thread's counts to the whole, and empties its table. */
static phial_status collect(ph_words *w, counter *c, phial_error *err)
{
    phial_status st =
        c->failed ? ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory for the words of a thread")
                  : PHIAL_OK;
    for (size_t i = 0; i < c->table.n_slots && st == PHIAL_OK; i++) {
        const ph_words_entry *e = &c->table.slots[i];
        if (e->count != 0)
            st = add(&w->table, e->hash, e->p, e->n, e->count, &w->texts, err);
    }
    add_stats(&w->stats, &c->stats);
    table_free(&c->table);
    *c = (counter){0};
    return st;
}

/* --- the limit --- */

static size_t bytes_of(const ph_words_table *t)
{
    return t->n_slots * sizeof *t->slots + t->text_bytes;
}

/* The table without the words that occur at most `most` times. */
static phial_status drop_rare(ph_words *w, uint64_t most, phial_error *err)
{
    ph_words_table kept = {0};
    ph_arena texts;
    ph_arena_init(&texts, 0);
    phial_status st = PHIAL_OK;
    uint64_t n_dropped = 0, n_occurrences = 0;
    for (size_t i = 0; i < w->table.n_slots && st == PHIAL_OK; i++) {
        const ph_words_entry *e = &w->table.slots[i];
        if (e->count > most) {
            st = add(&kept, e->hash, e->p, e->n, e->count, &texts, err);
        } else if (e->count > 0) {
            n_dropped++;
            n_occurrences += e->count;
        }
    }
    if (st != PHIAL_OK) {
        table_free(&kept);
        ph_arena_free(&texts);
        return st;
    }
    table_free(&w->table);
    ph_arena_free(&w->texts);
    w->table = kept;
    w->texts = texts;
    w->stats.n_dropped += n_dropped;
    w->stats.n_occurrences += n_occurrences;
    return PHIAL_OK;
}

static phial_status keep_limit(ph_words *w, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (uint64_t most = 1; bytes_of(&w->table) > w->limit && st == PHIAL_OK; most *= 2)
        st = drop_rare(w, most, err);
    return st;
}

/* --- batches --- */

phial_status ph_words_finish(ph_words *w, phial_error *err)
{
    phial_status st = PHIAL_OK;
    atomic_store(&w->ticket.next, 0);
    if (w->n_segments > 0)
        ph_pool_run(w->pool, count_batch, w);
    for (int i = 0; i < ph_pool_threads(w->pool); i++) {
        phial_status one = collect(w, &w->counters[i], st == PHIAL_OK ? err : NULL);
        st = st == PHIAL_OK ? one : st;
    }
    w->n_segments = 0;
    w->batch_bytes = 0;
    ph_buf_clear(&w->copies);
    return st == PHIAL_OK ? keep_limit(w, err) : st;
}

static phial_status push(ph_words *w, const char *p, size_t n, bool lines, phial_error *err)
{
    if (w->n_segments == w->cap_segments) {
        size_t cap = w->cap_segments ? w->cap_segments * 2 : 256;
        segment *grown = ph_realloc(w->segments, cap, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        w->segments = grown;
        w->cap_segments = cap;
    }
    w->segments[w->n_segments++] = (segment){p, n, lines};
    w->batch_bytes += n;
    return w->batch_bytes >= PH_WORDS_BATCH_BYTES ? ph_words_finish(w, err) : PHIAL_OK;
}

static phial_status add_copy(ph_words *w, const char *text, size_t n, phial_error *err)
{
    /* Segments point into the buffer, which must not move. */
    if (w->copies.len + n >= w->copies.cap && w->copies.len > 0) {
        phial_status st = ph_words_finish(w, err);
        if (st != PHIAL_OK)
            return st;
    }
    if (n >= w->copies.cap)
        ph_buf_reserve(&w->copies, n >= PH_WORDS_BATCH_BYTES ? n + 1 : PH_WORDS_BATCH_BYTES);
    const char *at = w->copies.data ? w->copies.data + w->copies.len : NULL;
    ph_buf_add(&w->copies, text, n);
    phial_status st = ph_buf_status(&w->copies, err);
    return st == PHIAL_OK ? push(w, at, n, false, err) : st;
}

phial_status ph_words_add(ph_words *w, const char *text, size_t n, bool copy, phial_error *err)
{
    if (n == 0)
        return PHIAL_OK;
    if (copy)
        return add_copy(w, text, n, err);
    phial_status st = PHIAL_OK;
    while (n > 0 && st == PHIAL_OK) {
        size_t part = ph_pretok_cut(text, n, SEGMENT_BYTES);
        st = push(w, text, part, false, err);
        text += part;
        n -= part;
    }
    return st;
}

phial_status ph_words_add_lines(ph_words *w, const char *text, size_t n, phial_error *err)
{
    phial_status st = PHIAL_OK;
    while (n > 0 && st == PHIAL_OK) {
        size_t part = n;
        if (n > SEGMENT_BYTES) {
            const char *newline = memchr(text + SEGMENT_BYTES, '\n', n - SEGMENT_BYTES);
            part = newline ? (size_t)(newline + 1 - text) : n;
        }
        st = push(w, text, part, true, err);
        text += part;
        n -= part;
    }
    return st;
}

phial_status ph_words_new(ph_words **out, ph_pool *pool, size_t limit_bytes, phial_error *err)
{
    *out = NULL;
    ph_words *w = ph_alloc(1, sizeof *w, err);
    if (!w)
        return PHIAL_ERR_NO_MEMORY;
    w->pool = pool;
    w->limit = limit_bytes == 0 ? DEFAULT_LIMIT : limit_bytes;
    w->limit = w->limit < LEAST_LIMIT ? LEAST_LIMIT : w->limit;
    ph_arena_init(&w->texts, 0);
    ph_buf_init(&w->copies, 0);
    w->counters = ph_alloc((size_t)ph_pool_threads(pool), sizeof *w->counters, err);
    if (!w->counters) {
        ph_words_free(w);
        return PHIAL_ERR_NO_MEMORY;
    }
    *out = w;
    return PHIAL_OK;
}

void ph_words_free(ph_words *w)
{
    if (!w)
        return;
    for (int i = 0; w->counters && i < ph_pool_threads(w->pool); i++)
        table_free(&w->counters[i].table);
    ph_free(w->counters);
    table_free(&w->table);
    ph_arena_free(&w->texts);
    ph_free(w->segments);
    ph_buf_free(&w->copies);
    ph_free(w);
}

const ph_words_table *ph_words_counts(const ph_words *w)
{
    return &w->table;
}

const ph_words_stats *ph_words_get_stats(const ph_words *w)
{
    return &w->stats;
}
