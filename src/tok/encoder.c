/* Encoding: added tokens are cut out, the rest is cut into words, and each word is looked up.
 *
 * Text repeats its words, so most of the work is a table of recent words in the encoder (two
 * compares of 8 bytes, ids stored beside the key). Behind it lies the tokenizer's table of tokens
 * that are their own encoding, and behind that BPE. Words over PH_WORD_MAX bytes, which are rare,
 * are always encoded anew. WordPiece has no table: its trie is as fast, and words change on the
 * way.
 */
#include "tok/tok.h"

#include <string.h>

#include "tok/pretok.h"

/* Sets of the table of recent words, a power of two. A megabyte in all; on English text 5 % of the
 * words are not found in it, 9 % with one word to a set, 4 % with twice the sets. */
#define RECENT_SETS_BITS 14
#define RECENT_WAYS      2
#define RECENT_IDS       3

typedef struct recent {
    ph_word word; /* hi 0: empty */
    uint32_t ids[RECENT_IDS];
    uint32_t n_ids;
} recent;

/* A new word takes the first place and moves the one that had it to the second. */
typedef struct recent_set {
    recent way[RECENT_WAYS];
} recent_set;

_Static_assert(sizeof(recent_set) == PH_CACHE_LINE, "looking a word up touches one cache line");

struct phial_encoder {
    const phial_tokenizer *t; /* borrowed */
    void *words;              /* owned */
    recent_set *sets;         /* in words, aligned to cache lines */
    uint32_t *ids;            /* owned */
    size_t n_ids;
    size_t cap_ids;
    size_t *offsets; /* owned */
    size_t cap_offsets;
    bool offsets_done;
    bool pieces;         /* WordPiece: offsets are written along with the ids */
    const uint8_t *text; /* of the run */
    size_t text_bytes;
    size_t base; /* WordPiece: where the running span begins in it */
    ph_bpe_scratch scratch;
    const uint8_t *safe; /* 16 bytes may be read at every place before this */
    phial_error *err;    /* of the run */
};

phial_status phial_encoder_new(phial_encoder **out, const phial_tokenizer *t, phial_error *err)
{
    *out = NULL;
    phial_encoder *e = ph_alloc(1, sizeof *e, err);
    if (e == NULL)
        return PHIAL_ERR_NO_MEMORY;
    e->t = t;
    e->pieces = t->vocab.kind == PH_VOCAB_WORDPIECE;
    e->cap_ids = 1024;
    /* Zeroed by the system, page by page as it is touched: a short text pays for what it uses. */
    e->words = ph_alloc(((size_t)1 << RECENT_SETS_BITS) + 1, sizeof *e->sets, err);
    e->ids = ph_alloc(e->cap_ids, sizeof *e->ids, err);
    if (e->words == NULL || e->ids == NULL) {
        phial_encoder_free(e);
        return PHIAL_ERR_NO_MEMORY;
    }
    e->sets = (recent_set *)ph_align_up((size_t)(uintptr_t)e->words, PH_CACHE_LINE);
    *out = e;
    return PHIAL_OK;
}

void phial_encoder_free(phial_encoder *e)
{
    if (e == NULL)
        return;
    ph_free(e->words);
    ph_free(e->ids);
    ph_free(e->offsets);
    ph_bpe_scratch_free(&e->scratch);
    ph_free(e);
}

uint64_t ph_encoder_steps(const phial_encoder *e)
{
    return e->scratch.n_steps;
}

/* Room for n more ids. */
static bool grow(phial_encoder *e, size_t n)
{
    size_t cap = e->cap_ids + e->cap_ids / 2;
    cap = cap < e->n_ids + n ? e->n_ids + n : cap;
    uint32_t *ids = ph_realloc(e->ids, cap, sizeof *ids, e->err);
    if (ids == NULL)
        return false;
    e->ids = ids;
    e->cap_ids = cap;
    return true;
}

static inline bool same_word(ph_word a, ph_word b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

/* The token these bytes become, or PHIAL_TOKEN_NONE if they become several. */
static uint32_t find_whole(const ph_vocab *v, ph_word w, uint64_t hash)
{
    uint32_t i = (uint32_t)(hash >> v->slot_shift);
    for (; v->slots[i].key.hi != 0; i = (i + 1) & v->slot_mask)
        if (same_word(v->slots[i].key, w))
            return v->slots[i].whole ? v->slots[i].id : PHIAL_TOKEN_NONE;
    return PHIAL_TOKEN_NONE;
}

/* A word that is not in the table of recent words; there is room for n ids. */
static void encode_new(phial_encoder *e, recent_set *set, ph_word w, uint64_t hash,
                       const uint8_t *p, size_t n)
{
    uint32_t *out = e->ids + e->n_ids;
    size_t n_out = 1;
    out[0] = find_whole(&e->t->vocab, w, hash);
    if (out[0] == PHIAL_TOKEN_NONE)
        n_out = ph_bpe_encode(out, &e->t->bpe, &e->scratch, p, n, e->err);
    e->n_ids += n_out;
    if (n_out > RECENT_IDS)
        return;
    set->way[1] = set->way[0];
    set->way[0].word = w;
    set->way[0].n_ids = (uint32_t)n_out;
    memcpy(set->way[0].ids, out, n_out * sizeof *out);
}

static bool encode_long_word(phial_encoder *e, const uint8_t *p, size_t n)
{
    size_t n_out = ph_bpe_encode(e->ids + e->n_ids, &e->t->bpe, &e->scratch, p, n, e->err);
    e->n_ids += n_out;
    return n_out > 0;
}

/* Words are cut ahead of being looked up, so that the table's cache lines are on their way before
 * they are needed: waiting for them took half the time of encoding. */
#define AHEAD 16
typedef struct cut_word {
    const uint8_t *p;
    size_t n;
    ph_word word; /* these two only for n <= PH_WORD_MAX */
    uint64_t hash;
} cut_word;

static inline recent_set *set_of(const phial_encoder *e, uint64_t hash)
{
    return &e->sets[hash >> (64 - RECENT_SETS_BITS)];
}

/* Cuts up to AHEAD words and returns where the last one ends; *n_words of them. */
static const uint8_t *cut_ahead(const phial_encoder *e, cut_word *words, size_t *n_words,
                                const uint8_t *p, const uint8_t *end)
{
    size_t k = 0;
    for (; p < end && k < AHEAD; k++) {
        const uint8_t *next = ph_pretok_gpt2(p, end);
        size_t n = (size_t)(next - p);
        words[k].p = p;
        words[k].n = n;
        if (n <= PH_WORD_MAX) {
            words[k].word = p < e->safe ? ph_word_load(p, n) : ph_word_from(p, n);
            words[k].hash = ph_word_hash(words[k].word);
            __builtin_prefetch(set_of(e, words[k].hash));
        }
        p = next;
    }
    *n_words = k;
    return p;
}

/* One word; there is room for as many ids as it has bytes, and for RECENT_IDS, which are always
 * written. */
static bool encode_word(phial_encoder *e, const cut_word *c)
{
    if (c->n > PH_WORD_MAX)
        return encode_long_word(e, c->p, c->n);
    recent_set *set = set_of(e, c->hash);
    const recent *hit = &set->way[!same_word(set->way[0].word, c->word)];
    if (same_word(hit->word, c->word)) {
        memcpy(e->ids + e->n_ids, hit->ids, sizeof hit->ids);
        e->n_ids += hit->n_ids;
    } else {
        encode_new(e, set, c->word, c->hash, c->p, c->n);
    }
    return true;
}

/* Text without added tokens. */
static bool encode_span(phial_encoder *e, const uint8_t *p, const uint8_t *end)
{
    cut_word words[AHEAD];
    while (p < end) {
        size_t n_words;
        const uint8_t *next = cut_ahead(e, words, &n_words, p, end);
        size_t room = (size_t)(next - p) + RECENT_IDS;
        if (e->cap_ids - e->n_ids < room && !grow(e, room))
            return false;
        for (size_t i = 0; i < n_words; i++)
            if (!encode_word(e, &words[i]))
                return false;
        p = next;
    }
    return true;
}

/* at: where it begins in the text. */
static bool put_id(phial_encoder *e, uint32_t id, size_t at)
{
    if (e->n_ids == e->cap_ids && !grow(e, 1))
        return false;
    if (e->pieces && e->n_ids + 1 >= e->cap_offsets) {
        size_t *offsets = ph_realloc(e->offsets, e->cap_ids + 1, sizeof *offsets, e->err);
        if (offsets == NULL)
            return false;
        e->offsets = offsets;
        e->cap_offsets = e->cap_ids + 1;
    }
    if (e->pieces)
        e->offsets[e->n_ids] = at;
    e->ids[e->n_ids++] = id;
    return true;
}

static bool put_piece(void *user, uint32_t id, size_t at)
{
    phial_encoder *e = user;
    return put_id(e, id, e->base + at);
}

/* Text without added tokens, of either kind. */
static bool encode_plain(phial_encoder *e, const uint8_t *p, const uint8_t *end)
{
    if (!e->pieces)
        return encode_span(e, p, end);
    e->base = (size_t)(p - e->text);
    return ph_wordpiece_encode(&e->t->piece, p, (size_t)(end - p), put_piece, e);
}

/* Cuts at the added tokens of the second pass. */
static bool encode_part(phial_encoder *e, const ph_added *second, const uint8_t *p,
                        const uint8_t *end)
{
    while (p < end) {
        uint32_t id = 0;
        size_t len = 0;
        const uint8_t *at = ph_added_find(second, p, end, &id, &len);
        if (!encode_plain(e, p, at) || (at < end && !put_id(e, id, (size_t)(at - e->text))))
            return false;
        p = at + len;
    }
    return true;
}

phial_status phial_encoder_run(phial_encoder *e, const void *text, size_t n, uint32_t flags,
                               phial_error *err)
{
    e->n_ids = 0;
    e->offsets_done = false;
    if (flags & ~PHIAL_ENCODE_SPECIAL)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown encoding flags 0x%x", (unsigned)flags);
    if (n > PHIAL_TEXT_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "a text of %zu bytes; at most %zu are supported", n,
                          PHIAL_TEXT_MAX);
    e->text_bytes = n;
    if (n == 0)
        return PHIAL_OK;
    int control = (flags & PHIAL_ENCODE_SPECIAL) != 0;
    const uint8_t *p = text;
    const uint8_t *end = p + n;
    e->text = text;
    e->err = err;
    e->safe = n < 16 ? p : end - 15;
    bool ok = true;
    while (p < end && ok) {
        uint32_t id = 0;
        size_t len = 0;
        const uint8_t *at = ph_added_find(&e->t->first[control], p, end, &id, &len);
        ok = encode_part(e, &e->t->second[control], p, at) &&
             (at == end || put_id(e, id, (size_t)(at - e->text)));
        p = at + len;
    }
    e->err = NULL;
    if (!ok) {
        e->n_ids = 0;
        return PHIAL_ERR_NO_MEMORY;
    }
    return PHIAL_OK;
}

const uint32_t *phial_encoder_ids(const phial_encoder *e, size_t *n)
{
    *n = e->n_ids;
    return e->ids;
}

const size_t *phial_encoder_offsets(phial_encoder *e, phial_error *err)
{
    if (e->offsets_done)
        return e->offsets;
    if (e->cap_offsets < e->n_ids + 1) {
        size_t *offsets = ph_realloc(e->offsets, e->n_ids + 1, sizeof *offsets, err);
        if (offsets == NULL)
            return NULL;
        e->offsets = offsets;
        e->cap_offsets = e->n_ids + 1;
    }
    if (e->pieces) {
        /* Blanks and what else was dropped belong to the token before, or to the first one. */
        e->offsets[0] = 0;
        e->offsets[e->n_ids] = e->text_bytes;
        e->offsets_done = true;
        return e->offsets;
    }
    /* Nothing is normalized and nothing dropped: the tokens' own lengths are the offsets. */
    size_t at = 0;
    for (size_t i = 0; i < e->n_ids; i++) {
        e->offsets[i] = at;
        at += e->t->vocab.tokens[e->ids[i]].text.n;
    }
    e->offsets[e->n_ids] = at;
    e->offsets_done = true;
    return e->offsets;
}
