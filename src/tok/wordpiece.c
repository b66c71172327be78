/* WordPiece; contract in wordpiece.h. */
#include "tok/wordpiece.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "tok/bert_chars.h"

#define EDGES_MAX   ((size_t)1 << 26)
#define REPLACEMENT 0xFFFD
#define WORD_BYTES  (4 * PH_WORDPIECE_CHARS_MAX)

/* Two tries in one table: pieces that begin a word, pieces that go on. */
enum { BEGINS, CONTINUES, N_ROOTS };

/* --- the trie --------------------------------------------------------------------------------- */

static inline uint32_t slot_of(const ph_wordpiece *w, uint64_t edge)
{
    return (uint32_t)((edge * 0x9E3779B97F4A7C15u) >> 32) & w->mask;
}

/* The node behind an edge, or 0, a root, which nothing leads to. */
static inline uint32_t follow(const ph_wordpiece *w, uint32_t node, uint8_t byte)
{
    uint64_t edge = ((uint64_t)node << 8 | byte) + 1;
    for (uint32_t i = slot_of(w, edge); w->edges[i] != 0; i = (i + 1) & w->mask)
        if (w->edges[i] == edge)
            return w->targets[i];
    return 0;
}

static phial_status insert(ph_wordpiece *w, uint32_t node, ph_str piece, uint32_t id,
                           phial_error *err)
{
    for (size_t i = 0; i < piece.n; i++) {
        uint8_t byte = (uint8_t)piece.p[i];
        uint32_t next = follow(w, node, byte);
        if (next == 0) {
            uint64_t edge = ((uint64_t)node << 8 | byte) + 1;
            uint32_t slot = slot_of(w, edge), n_probes = 0;
            for (; w->edges[slot] != 0; n_probes++)
                slot = (slot + 1) & w->mask;
            if (n_probes >= PH_VOCAB_MAX_PROBES)
                return ph_err_set(err, PHIAL_ERR_LIMIT,
                                  "token %u: too many tokens with the same hash", (unsigned)id);
            next = w->n_nodes++;
            w->edges[slot] = edge;
            w->targets[slot] = next;
        }
        node = next;
    }
    w->node_id[node] = id;
    return PHIAL_OK;
}

/* What is matched of a token: its bytes without the blank that stands before a word. */
static ph_str piece_of(const ph_vocab_token *token)
{
    ph_str s = token->text;
    if (!token->continues && s.n > 0 && s.p[0] == ' ')
        return (ph_str){s.p + 1, s.n - 1};
    return s;
}

phial_status ph_wordpiece_build(ph_wordpiece *w, const ph_vocab *v, phial_error *err)
{
    *w = (ph_wordpiece){.rules = v->rules, .unk = v->unk, .n_nodes = N_ROOTS};
    size_t n_edges = 0, n_slots = 1024;
    if (v->unk == PHIAL_TOKEN_NONE)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "no token stands for unknown words");
    for (uint32_t id = 0; id < v->n_tokens; id++)
        n_edges += v->tokens[id].in_model ? v->tokens[id].text.n : 0;
    if (n_edges > EDGES_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu bytes of tokens; at most %zu are supported",
                          n_edges, EDGES_MAX);
    while (n_slots < 2 * n_edges)
        n_slots *= 2;
    w->mask = (uint32_t)(n_slots - 1);
    w->edges = ph_alloc(n_slots, sizeof *w->edges, err);
    w->targets = w->edges == NULL ? NULL : ph_alloc(n_slots, sizeof *w->targets, err);
    w->node_id = w->targets == NULL ? NULL : ph_alloc(n_edges + N_ROOTS, sizeof *w->node_id, err);
    phial_status st = w->node_id == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    for (size_t i = 0; st == PHIAL_OK && i < n_edges + N_ROOTS; i++)
        w->node_id[i] = PHIAL_TOKEN_NONE;
    for (uint32_t id = 0; id < v->n_tokens && st == PHIAL_OK; id++) {
        const ph_vocab_token *token = &v->tokens[id];
        if (token->in_model)
            st = insert(w, token->continues ? CONTINUES : BEGINS, piece_of(token), id, err);
    }
    if (st != PHIAL_OK)
        ph_wordpiece_free(w);
    return st;
}

void ph_wordpiece_free(ph_wordpiece *w)
{
    ph_free(w->edges);
    ph_free(w->targets);
    ph_free(w->node_id);
    *w = (ph_wordpiece){0};
}

/* --- words ------------------------------------------------------------------------------------ */

/* The word that is being collected, as UTF-8, and where its characters began in the text. Behind
 * max_chars only the count goes on. */
typedef struct open_word {
    const ph_wordpiece *w;
    ph_wordpiece_put put;
    void *user;
    bool ok;
    size_t at;    /* in the text, of the character that is being taken */
    size_t begin; /* of the word */
    size_t n_chars;
    size_t n_bytes;
    uint8_t bytes[WORD_BYTES];
    size_t from[WORD_BYTES]; /* by byte */
} open_word;

/* The longest piece at `from`; its end, or `from` if there is none. */
static size_t longest(const open_word *word, size_t from, uint32_t *id)
{
    const ph_wordpiece *w = word->w;
    uint32_t node = from == 0 ? BEGINS : CONTINUES;
    size_t end = from;
    for (size_t i = from; i < word->n_bytes; i++) {
        node = follow(w, node, word->bytes[i]);
        if (node == 0)
            break;
        if (w->node_id[node] != PHIAL_TOKEN_NONE) {
            end = i + 1;
            *id = w->node_id[node];
        }
    }
    return end;
}

static void end_word(open_word *word)
{
    uint32_t ids[WORD_BYTES];
    size_t starts[WORD_BYTES], n = 0;
    bool known = word->n_chars <= word->w->rules.max_chars;
    for (size_t from = 0; known && from < word->n_bytes; n++) {
        size_t end = longest(word, from, &ids[n]);
        known = end > from;
        starts[n] = word->from[from];
        from = end;
    }
    if (!known) {
        ids[0] = word->w->unk;
        starts[0] = word->begin;
        n = 1;
    }
    for (size_t i = 0; i < n && word->ok; i++)
        word->ok = word->put(word->user, ids[i], starts[i]);
    word->n_chars = word->n_bytes = 0;
}

static void add_char(open_word *word, uint32_t cp)
{
    if (word->n_chars == 0)
        word->begin = word->at;
    if (word->n_chars++ >= word->w->rules.max_chars)
        return;
    size_t n = ph_utf8_encode(cp, word->bytes + word->n_bytes);
    for (size_t i = 0; i < n; i++)
        word->from[word->n_bytes++] = word->at;
}

static unsigned class_of(uint32_t cp)
{
    if (cp < ' ' || cp >= 0x7F)
        return ph_bert_class(cp);
    if (cp == ' ')
        return PH_BERT_SPACE;
    bool is_word = ((cp | 32) >= 'a' && (cp | 32) <= 'z') || (cp >= '0' && cp <= '9');
    return is_word ? 0 : PH_BERT_PUNCTUATION;
}

/* A character as it is after all changes: a part of a word, a word, or between words. */
static void take_changed(open_word *word, uint32_t cp)
{
    unsigned class = class_of(cp);
    if ((class & (PH_BERT_SPACE | PH_BERT_PUNCTUATION)) != 0 && word->n_chars > 0)
        end_word(word);
    if ((class & PH_BERT_SPACE) != 0)
        return;
    add_char(word, cp);
    if ((class & PH_BERT_PUNCTUATION) != 0)
        end_word(word);
}

static void take_lower(open_word *word, uint32_t cp)
{
    uint32_t lower[PH_BERT_MANY];
    size_t n = ph_bert_lower(lower, cp);
    for (size_t i = 0; i < n; i++)
        take_changed(word, lower[i]);
}

/* A character of the text. */
static void take(open_word *word, uint32_t cp)
{
    const ph_wordpiece_rules *rules = &word->w->rules;
    unsigned class = class_of(cp);
    if (rules->clean && (class & PH_BERT_CONTROL) != 0)
        return;
    bool alone = rules->cjk && (class & PH_BERT_CJK) != 0;
    if (alone && word->n_chars > 0)
        end_word(word);
    uint32_t stripped[PH_BERT_MANY] = {cp};
    size_t n = rules->strip ? ph_bert_strip(stripped, cp) : 1;
    for (size_t i = 0; i < n; i++) {
        if (rules->lower)
            take_lower(word, stripped[i]);
        else
            take_changed(word, stripped[i]);
    }
    if (alone && word->n_chars > 0)
        end_word(word);
}

bool ph_wordpiece_encode(const ph_wordpiece *w, const uint8_t *text, size_t n, ph_wordpiece_put put,
                         void *user)
{
    open_word word;
    word.w = w;
    word.put = put;
    word.user = user;
    word.ok = true;
    word.n_chars = word.n_bytes = 0;
    for (size_t i = 0, len; i < n && word.ok; i += len) {
        uint32_t cp = ph_utf8_decode(text + i, n - i, &len);
        word.at = i;
        take(&word, cp == PH_UTF8_INVALID ? REPLACEMENT : cp);
    }
    if (word.ok && word.n_chars > 0)
        end_word(&word);
    return word.ok;
}
