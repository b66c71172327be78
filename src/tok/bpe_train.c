/* Merging pairs by frequency; contract in bpe_train.h. */
#include "tok/bpe_train.h"

#include "base/utf8.h"
#include "tok/alphabet.h"
#include "tok/bpe_pairs.h"

#define PROGRESS_EVERY 64

/* A word as the tokens it consists of by now. */
typedef struct word {
    size_t at;  /* of its first symbol */
    uint32_t n; /* symbols left */
    uint64_t count;
} word;

typedef struct trainer {
    const ph_bpe_train_options *options;
    ph_vocab *vocab;
    uint32_t byte_id[256];
    word *words; /* owned */
    size_t n_words;
    uint32_t *symbols; /* owned */
    ph_pairs pairs;
    ph_buf left, right; /* spellings of a merge's parts */
} trainer;

/* --- the tokens before the first merge --- */

static phial_status check_specials(const ph_bpe_train_options *o, phial_error *err)
{
    if (o->n_specials > PH_BPE_TRAIN_MAX_SPECIALS)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu special tokens; at most %d are supported",
                          o->n_specials, PH_BPE_TRAIN_MAX_SPECIALS);
    for (size_t i = 0; i < o->n_specials; i++) {
        ph_str s = o->specials[i];
        bool plain = s.n > 1 && s.n <= PH_VOCAB_MAX_TOKEN_BYTES;
        for (size_t k = 0; k < s.n; k++)
            plain = plain && s.p[k] > ' ' && s.p[k] < 0x7f;
        if (!plain)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "special token '%.*s': must be two or more characters of printable "
                              "ASCII without blanks",
                              PH_STR_ARG(s));
        for (size_t k = 0; k < i; k++) {
            if (ph_str_eq(s, o->specials[k]))
                return ph_err_set(err, PHIAL_ERR_ARGUMENT, "special token '%.*s' is given twice",
                                  PH_STR_ARG(s));
        }
    }
    if (o->n_vocab < 256 + o->n_specials || o->n_vocab > PHIAL_VOCAB_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "a vocabulary of %u tokens: 256 bytes and %zu special tokens need at "
                          "least %zu, and at most %u are supported",
                          o->n_vocab, o->n_specials, 256 + o->n_specials, PHIAL_VOCAB_MAX);
    return PHIAL_OK;
}

static phial_status add_specials(trainer *t, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < t->options->n_specials && st == PHIAL_OK; i++) {
        /* Known to the model too, as other programs expect of ids below the merges. */
        st = ph_vocab_add_model(t->vocab, i, t->options->specials[i], err);
        if (st == PHIAL_OK)
            st = ph_vocab_add_added(t->vocab, i, t->options->specials[i], PH_TOKEN_CONTROL, false,
                                    err);
    }
    if (st == PHIAL_OK && t->options->n_specials > 0)
        t->vocab->bos = t->vocab->eos = t->vocab->unk = 0;
    return st;
}

static phial_status add_bytes(trainer *t, phial_error *err)
{
    uint64_t id = t->options->n_specials;
    for (uint32_t cp = 0; cp < PH_ALPHABET_END; cp++) {
        int byte = ph_alphabet_byte(cp);
        if (byte < 0)
            continue;
        uint8_t utf8[4];
        size_t n = ph_utf8_encode(cp, utf8);
        phial_status st = ph_vocab_add_model(t->vocab, id, (ph_str){(char *)utf8, n}, err);
        if (st != PHIAL_OK)
            return st;
        t->byte_id[byte] = (uint32_t)id++;
    }
    return PHIAL_OK;
}

/* --- words --- */

static phial_status load_words(trainer *t, const ph_words_table *table, phial_error *err)
{
    size_t n_symbols = 0;
    for (size_t i = 0; i < table->n_slots; i++) {
        const ph_words_entry *e = &table->slots[i];
        /* A single byte holds no pair. */
        n_symbols += e->count != 0 && e->n > 1 ? e->n : 0;
        t->n_words += e->count != 0 && e->n > 1;
    }
    if (t->n_words >= PH_PAIRS_MAX_WORDS)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %u different words", PH_PAIRS_MAX_WORDS);
    t->words = ph_alloc(t->n_words, sizeof *t->words, err);
    t->symbols = t->words ? ph_alloc(n_symbols, sizeof *t->symbols, err) : NULL;
    if (!t->symbols)
        return PHIAL_ERR_NO_MEMORY;
    word *w = t->words;
    size_t at = 0;
    for (size_t i = 0; i < table->n_slots; i++) {
        const ph_words_entry *e = &table->slots[i];
        if (e->count == 0 || e->n < 2)
            continue;
        *w++ = (word){.at = at, .n = (uint32_t)e->n, .count = e->count};
        for (size_t k = 0; k < e->n; k++)
            t->symbols[at++] = t->byte_id[(uint8_t)e->p[k]];
    }
    return PHIAL_OK;
}

static phial_status count_pairs(trainer *t, phial_error *err)
{
    for (uint32_t i = 0; i < t->n_words; i++) {
        const word *w = &t->words[i];
        const uint32_t *s = t->symbols + w->at;
        for (uint32_t k = 0; k + 1 < w->n; k++) {
            if (!ph_pairs_add(&t->pairs, s[k], s[k + 1], w->count, i))
                return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory for pairs");
        }
    }
    return PHIAL_OK;
}

/* --- merges --- */

/* Joins the pair in one word, from the left, and keeps the counts of its neighbours true. */
static bool join(trainer *t, uint32_t i, uint32_t left, uint32_t right, uint32_t made)
{
    word *w = &t->words[i];
    uint32_t *s = t->symbols + w->at;
    uint32_t to = 0;
    bool ok = true;
    for (uint32_t from = 0; from < w->n; from++) {
        if (s[from] != left || from + 1 == w->n || s[from + 1] != right) {
            s[to++] = s[from];
            continue;
        }
        from++;
        if (to > 0) {
            ph_pairs_subtract(&t->pairs, s[to - 1], left, w->count);
            ok = ph_pairs_add(&t->pairs, s[to - 1], made, w->count, i) && ok;
        }
        if (from + 1 < w->n) {
            ph_pairs_subtract(&t->pairs, right, s[from + 1], w->count);
            ok = ph_pairs_add(&t->pairs, made, s[from + 1], w->count, i) && ok;
        }
        s[to++] = made;
    }
    w->n = to;
    return ok;
}

/* The id of what the pair makes; a new token unless it is one already (a special one). */
static phial_status add_token(trainer *t, uint32_t left, uint32_t right, uint32_t *made,
                              phial_error *err)
{
    ph_vocab *v = t->vocab;
    ph_buf_clear(&t->left);
    ph_buf_clear(&t->right);
    ph_alphabet_encode(&t->left, v->tokens[left].text);
    size_t n_left = t->left.len;
    ph_alphabet_encode(&t->right, v->tokens[right].text);
    ph_buf_add(&t->left, t->right.data, t->right.len);
    phial_status st = ph_buf_status(&t->left, err);
    if (st == PHIAL_OK)
        st = ph_buf_status(&t->right, err);
    if (st != PHIAL_OK)
        return st;
    ph_str joined = {t->left.data, t->left.len};
    *made = PHIAL_TOKEN_NONE;
    for (uint32_t i = 0; i < t->options->n_specials && *made == PHIAL_TOKEN_NONE; i++) {
        if (ph_str_eq(v->tokens[i].text, joined))
            *made = i;
    }
    if (*made == PHIAL_TOKEN_NONE) {
        *made = v->n_tokens;
        st = ph_vocab_add_model(v, *made, joined, err);
    }
    if (st != PHIAL_OK)
        return st;
    return ph_vocab_add_merge(v, (ph_str){t->left.data, n_left},
                              (ph_str){t->right.data, t->right.len}, err);
}

static phial_status merge(trainer *t, const ph_pair *pair, phial_error *err)
{
    uint32_t made;
    uint32_t left = ph_pair_left(pair), right = ph_pair_right(pair);
    phial_status st = add_token(t, left, right, &made, err);
    if (st != PHIAL_OK)
        return st;
    bool ok = true;
    uint32_t i;
    ph_pairs_walk walk;
    ph_pairs_take(&t->pairs, pair, &walk);
    while (ok && ph_pairs_next(&t->pairs, &walk, &i))
        ok = join(t, i, left, right, made);
    ok = ok && ph_pairs_queue_new(&t->pairs);
    return ok ? PHIAL_OK : ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory for pairs");
}

static phial_status merge_all(trainer *t, phial_error *err)
{
    const ph_bpe_train_options *o = t->options;
    uint32_t first = t->vocab->n_tokens;
    ph_pair pair;
    phial_status st = PHIAL_OK;
    while (t->vocab->n_tokens < o->n_vocab && st == PHIAL_OK &&
           ph_pairs_most_frequent(&t->pairs, &pair)) {
        if (pair.count < o->min_frequency)
            break;
        /* The longest token a vocabulary may hold; words that long are no words. */
        if (t->vocab->tokens[ph_pair_left(&pair)].text.n +
                t->vocab->tokens[ph_pair_right(&pair)].text.n >
            PH_VOCAB_MAX_TOKEN_BYTES / 2) {
            ph_pairs_forget(&t->pairs, &pair);
            continue;
        }
        st = merge(t, &pair, err);
        uint32_t done = t->vocab->n_tokens - first;
        if (st == PHIAL_OK && o->progress && done % PROGRESS_EVERY == 0 &&
            !o->progress(o->progress_user, done, o->n_vocab - first))
            st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    return st;
}

phial_status ph_bpe_train(ph_vocab *vocab, const ph_words_table *words,
                          const ph_bpe_train_options *options, phial_error *err)
{
    trainer t = {.options = options, .vocab = vocab};
    ph_buf_init(&t.left, 0);
    ph_buf_init(&t.right, 0);
    phial_status st = check_specials(options, err);
    if (st == PHIAL_OK)
        st = ph_vocab_reserve(vocab, options->n_vocab < 1u << 16 ? options->n_vocab : 1u << 16, 0,
                              err);
    if (st == PHIAL_OK)
        st = add_specials(&t, err);
    if (st == PHIAL_OK)
        st = add_bytes(&t, err);
    if (st == PHIAL_OK)
        st = load_words(&t, words, err);
    if (st == PHIAL_OK)
        st = ph_pairs_init(&t.pairs, err);
    if (st == PHIAL_OK)
        st = count_pairs(&t, err);
    if (st == PHIAL_OK && !ph_pairs_queue_new(&t.pairs))
        st = ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory for pairs");
    if (st == PHIAL_OK)
        st = merge_all(&t, err);
    ph_pairs_free(&t.pairs);
    ph_free(t.words);
    ph_free(t.symbols);
    ph_buf_free(&t.left);
    ph_buf_free(&t.right);
    return st;
}
