/* Pairs by frequency; contract in bpe_pairs.h. */
#include "tok/bpe_pairs.h"

#define NO_CHUNK    UINT32_MAX
#define FIRST_SLOTS ((size_t)1 << 16)

static size_t slot_of(const ph_pairs *p, uint64_t key)
{
    uint64_t h = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    return (size_t)(h >> 20) & (p->n_slots - 1);
}

/* The slot of a pair, or the empty one where it belongs. */
static uint32_t *find(const ph_pairs *p, uint64_t key)
{
    for (size_t i = slot_of(p, key);; i = (i + 1) & (p->n_slots - 1)) {
        uint32_t *slot = &p->slots[i];
        if (*slot == 0 || p->pairs[*slot - 1].key == key)
            return slot;
    }
}

static bool grow_slots(ph_pairs *p)
{
    size_t n = p->n_slots ? p->n_slots * 2 : FIRST_SLOTS;
    uint32_t *slots = ph_alloc(n, sizeof *slots, NULL);
    if (!slots)
        return false;
    ph_free(p->slots);
    p->slots = slots;
    p->n_slots = n;
    for (uint32_t i = 0; i < p->n_pairs; i++)
        *find(p, p->pairs[i].key) = i + 1;
    return true;
}

/* Room for one more in an array of 32-bit counted things. */
static bool grow(void **array, uint32_t *cap, uint32_t n, size_t size)
{
    if (n < *cap)
        return true;
    uint64_t want = *cap ? (uint64_t)*cap + *cap / 2 : 1024;
    if (want >= PH_PAIRS_MAX_WORDS)
        return false;
    void *grown = ph_realloc(*array, (size_t)want, size, NULL);
    if (!grown)
        return false;
    *array = grown;
    *cap = (uint32_t)want;
    return true;
}

static bool new_chunk(ph_pairs *p, uint32_t next, uint32_t *out)
{
    if (p->free_chunk != NO_CHUNK) {
        *out = p->free_chunk;
        p->free_chunk = p->chunks[*out].next;
    } else {
        void *chunks = p->chunks;
        bool ok = grow(&chunks, &p->cap_chunks, p->n_chunks, sizeof *p->chunks);
        p->chunks = chunks;
        if (!ok)
            return false;
        *out = p->n_chunks++;
    }
    p->chunks[*out].next = next;
    p->chunks[*out].n = 0;
    return true;
}

static bool new_pair(ph_pairs *p, uint64_t key, uint32_t *slot)
{
    void *array = p->pairs;
    bool ok = grow(&array, &p->cap_pairs, p->n_pairs, sizeof *p->pairs);
    p->pairs = array;
    if (!ok)
        return false;
    p->pairs[p->n_pairs] = (ph_pair){.key = key, .words = NO_CHUNK};
    *slot = ++p->n_pairs;
    return true;
}

static bool note_fresh(ph_pairs *p, uint32_t pair)
{
    void *array = p->fresh;
    bool ok = grow(&array, &p->cap_fresh, p->n_fresh, sizeof *p->fresh);
    p->fresh = array;
    if (ok)
        p->fresh[p->n_fresh++] = pair;
    return ok;
}

bool ph_pairs_add(ph_pairs *p, uint32_t left, uint32_t right, uint64_t count, uint32_t word)
{
    if ((size_t)p->n_pairs * 2 >= p->n_slots && !grow_slots(p))
        return false;
    uint64_t key = (uint64_t)left << 32 | right;
    uint32_t *slot = find(p, key);
    if (*slot == 0 && !new_pair(p, key, slot))
        return false;
    ph_pair *pair = &p->pairs[*slot - 1];
    pair->count += count;
    if (!pair->queued) {
        pair->queued = true;
        if (!note_fresh(p, *slot - 1))
            return false;
    }
    ph_pairs_chunk *chunk = pair->words != NO_CHUNK ? &p->chunks[pair->words] : NULL;
    if (chunk && chunk->word[chunk->n - 1] == word)
        return true;
    if (!chunk || chunk->n == sizeof chunk->word / sizeof chunk->word[0]) {
        if (!new_chunk(p, pair->words, &pair->words))
            return false;
        chunk = &p->chunks[pair->words];
    }
    chunk->word[chunk->n++] = word;
    return true;
}

void ph_pairs_subtract(ph_pairs *p, uint32_t left, uint32_t right, uint64_t count)
{
    uint32_t slot = *find(p, (uint64_t)left << 32 | right);
    if (slot != 0) {
        ph_pair *pair = &p->pairs[slot - 1];
        pair->count = pair->count > count ? pair->count - count : 0;
    }
}

/* --- the heap: the first entry is before all others --- */

static bool before(const ph_pairs_entry *a, const ph_pairs_entry *b)
{
    return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static void sift_down(ph_pairs *p, size_t at)
{
    ph_pairs_entry e = p->heap[at];
    for (size_t child; (child = 2 * at + 1) < p->n_heap; at = child) {
        if (child + 1 < p->n_heap && before(&p->heap[child + 1], &p->heap[child]))
            child++;
        if (!before(&p->heap[child], &e))
            break;
        p->heap[at] = p->heap[child];
    }
    p->heap[at] = e;
}

static void sift_up(ph_pairs *p, size_t at)
{
    ph_pairs_entry e = p->heap[at];
    for (; at > 0 && before(&e, &p->heap[(at - 1) / 2]); at = (at - 1) / 2)
        p->heap[at] = p->heap[(at - 1) / 2];
    p->heap[at] = e;
}

bool ph_pairs_queue_new(ph_pairs *p)
{
    if (p->n_heap + p->n_fresh > p->cap_heap) {
        size_t cap = p->n_heap + p->n_fresh + p->n_heap / 2;
        ph_pairs_entry *grown = ph_realloc(p->heap, cap, sizeof *grown, NULL);
        if (!grown)
            return false;
        p->heap = grown;
        p->cap_heap = cap;
    }
    for (uint32_t i = 0; i < p->n_fresh; i++) {
        const ph_pair *pair = &p->pairs[p->fresh[i]];
        if (pair->count == 0)
            continue;
        p->heap[p->n_heap] = (ph_pairs_entry){pair->count, pair->key, p->fresh[i]};
        sift_up(p, p->n_heap++);
    }
    p->n_fresh = 0;
    return true;
}

bool ph_pairs_most_frequent(ph_pairs *p, ph_pair *out)
{
    while (p->n_heap > 0) {
        ph_pairs_entry *top = &p->heap[0];
        ph_pair *pair = &p->pairs[top->pair];
        bool now = top->count == pair->count;
        top->count = pair->count;
        if (now || pair->count == 0) {
            *out = *pair;
            pair->queued = false;
            *top = p->heap[--p->n_heap];
        }
        if (p->n_heap > 0)
            sift_down(p, 0);
        if (now && out->count > 0)
            return true;
    }
    return false;
}

void ph_pairs_take(ph_pairs *p, const ph_pair *pair, ph_pairs_walk *walk)
{
    ph_pair *own = &p->pairs[*find(p, pair->key) - 1];
    *walk = (ph_pairs_walk){own->words, 0};
    own->words = NO_CHUNK;
    own->count = 0;
    own->queued = false;
}

bool ph_pairs_next(ph_pairs *p, ph_pairs_walk *walk, uint32_t *word)
{
    if (walk->chunk == NO_CHUNK)
        return false;
    ph_pairs_chunk *chunk = &p->chunks[walk->chunk];
    if (walk->at == chunk->n) {
        uint32_t next = chunk->next;
        chunk->next = p->free_chunk;
        p->free_chunk = walk->chunk;
        *walk = (ph_pairs_walk){next, 0};
        if (next == NO_CHUNK)
            return false;
        chunk = &p->chunks[next];
    }
    *word = chunk->word[walk->at++];
    return true;
}

void ph_pairs_forget(ph_pairs *p, const ph_pair *pair)
{
    ph_pairs_walk walk;
    uint32_t word;
    ph_pairs_take(p, pair, &walk);
    while (ph_pairs_next(p, &walk, &word)) {
    }
}

phial_status ph_pairs_init(ph_pairs *p, phial_error *err)
{
    *p = (ph_pairs){.free_chunk = NO_CHUNK};
    return grow_slots(p) ? PHIAL_OK : ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory");
}

void ph_pairs_free(ph_pairs *p)
{
    ph_free(p->pairs);
    ph_free(p->slots);
    ph_free(p->chunks);
    ph_free(p->fresh);
    ph_free(p->heap);
    *p = (ph_pairs){0};
}
