/* Aligning answers with passages; contract in answer_support.h.
 *
 * For each sentence of the answer one pass over the passages' words notes, for every sentence of
 * them, which of the answer's words and pairs of words it has (bit sets); spans are then compared
 * by these alone.
 */
#include "rag/answer_support.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "rag/answer_kind.h"
#include "rag/answer_words.h"
#include "rag/sentence.h"

#define SETS         (PH_SUPPORT_WORDS / 64)
#define TABLE        1024 /* at least twice PH_SUPPORT_WORDS, a power of two */
#define NONE         UINT16_MAX
/* What pairs of words count beside words; what two sentences lose beside one. */
#define PAIR_SHARE   0.25
#define LONG_SPAN    0.95
/* Between spans of equal score the one that is more about the question is taken. */
#define ABOUT_SHARE  0.15
/* What a second sentence has to add in a span, and what a further span has to add. */
#define TWO_GAIN     0.05
#define LEAST_GAIN   0.12
/* How much of its score a short answer loses in a span that is not about the question at all, and
 * what the sentences around the span count there: on SQuAD v2 they make an answer look right for
 * any question about the paragraph, but "It is white." needs them. */
#define AROUND_SHARE 0.5
#define SHORT_LOSS   0.6
#define SHORT_WORDS  3.0
/* Words of an answer that has to be of the kind that was asked for. */
#define KIND_WORDS   12

typedef struct set {
    uint64_t bits[SETS];
} set;

/* A sentence of a passage. */
typedef struct line {
    size_t passage, start, end; /* bytes, without the blanks around it */
    size_t first, n;            /* words */
    double about;               /* share of the question's words */
    uint64_t asked;             /* which of them */
    set words, pairs;           /* of the answer's sentence that is being aligned */
} line;

struct ph_support {
    ph_answer_words words, one; /* of all passages; of one text */
    line *lines;
    size_t n_lines, cap_lines;
    ph_str *passages;
    size_t n_passages, cap_passages;
    uint64_t asked[64]; /* keys of the question's words that say something */
    double asked_weight[64], asked_all;
    size_t n_asked;
    ph_answer_kind kind;
};

/* The words of the answer's sentence. */
typedef struct claim {
    const ph_answer_word *at;
    size_t n;
    size_t core, n_core; /* without little words at both ends */
    uint16_t table[TABLE];
    uint16_t next[PH_SUPPORT_WORDS]; /* the same word further on */
    bool first[PH_SUPPORT_WORDS];    /* no earlier one is the same */
    double weight[PH_SUPPORT_WORDS], all_words, all_pairs;
} claim;

phial_status ph_support_new(ph_support **out, phial_error *err)
{
    *out = ph_alloc(1, sizeof **out, err);
    return *out ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

void ph_support_free(ph_support *s)
{
    if (!s)
        return;
    ph_answer_words_free(&s->words);
    ph_answer_words_free(&s->one);
    ph_free(s->lines);
    ph_free(s->passages);
    ph_free(s);
}

void ph_support_clear(ph_support *s)
{
    s->words.n = s->n_lines = s->n_passages = s->n_asked = 0;
    s->asked_all = 0;
    s->kind = PH_ANSWER_ANY;
}

static void has(set *s, size_t i)
{
    s->bits[i / 64] |= 1ull << (i % 64);
}

static bool is_in(const set *s, size_t i)
{
    return s->bits[i / 64] >> (i % 64) & 1;
}

static set both(set a, const set *b)
{
    for (size_t i = 0; i < SETS; i++)
        a.bits[i] |= b->bits[i];
    return a;
}

/* --- the question --- */

static size_t asked_word(const ph_support *s, uint64_t key)
{
    size_t i = 0;
    while (i < s->n_asked && s->asked[i] != key)
        i++;
    return i;
}

phial_status ph_support_question(ph_support *s, ph_str question, phial_error *err)
{
    phial_status st = ph_answer_words_split(&s->one, question, err);
    s->kind = ph_answer_kind_asked(question);
    for (size_t i = 0; i < s->one.n && s->n_asked < 64 && st == PHIAL_OK; i++) {
        const ph_answer_word *w = &s->one.at[i];
        if (w->kind == PH_ANSWER_WORD_STOP || asked_word(s, w->key) < s->n_asked)
            continue;
        double weight = ph_answer_word_weight(w->kind);
        s->asked[s->n_asked] = w->key;
        s->asked_weight[s->n_asked++] = weight;
        s->asked_all += weight;
    }
    return st;
}

static double share_asked(const ph_support *s, uint64_t asked)
{
    double sum = 0;
    for (size_t i = 0; i < s->n_asked; i++)
        sum += asked >> i & 1 ? s->asked_weight[i] : 0;
    return s->asked_all > 0 ? sum / s->asked_all : 1;
}

/* What `reach` sentences before and behind line i, in its passage, have of the question. */
static uint64_t asked_around(const ph_support *s, size_t i, size_t reach)
{
    uint64_t asked = 0;
    size_t from = i > reach ? i - reach : 0;
    for (size_t j = from; j <= i + reach && j < s->n_lines; j++)
        asked |= s->lines[j].passage == s->lines[i].passage ? s->lines[j].asked : 0;
    return asked;
}

double ph_support_about(const ph_support *s)
{
    double most = s->asked_all > 0 ? 0 : 1;
    for (size_t i = 0; i < s->n_lines; i++) {
        double about = share_asked(s, asked_around(s, i, 1));
        most = about > most ? about : most;
    }
    return most;
}

/* --- passages --- */

static phial_status add_line(ph_support *s, line l, phial_error *err)
{
    if (s->n_lines == s->cap_lines) {
        size_t cap = s->cap_lines ? s->cap_lines * 2 : 64;
        line *grown = ph_realloc(s->lines, cap, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        s->lines = grown;
        s->cap_lines = cap;
    }
    s->lines[s->n_lines++] = l;
    return PHIAL_OK;
}

static phial_status add_words(ph_support *s, phial_error *err)
{
    size_t need = s->words.n + s->one.n;
    if (need > s->words.cap) {
        size_t cap = need + need / 2;
        ph_answer_word *grown = ph_realloc(s->words.at, cap, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        s->words.at = grown;
        s->words.cap = cap;
    }
    if (s->one.n > 0)
        memcpy(s->words.at + s->words.n, s->one.at, s->one.n * sizeof *s->one.at);
    s->words.n = need;
    return PHIAL_OK;
}

static phial_status keep_passage(ph_support *s, ph_str passage, phial_error *err)
{
    if (s->n_passages == s->cap_passages) {
        size_t cap = s->cap_passages ? s->cap_passages * 2 : 16;
        ph_str *grown = ph_realloc(s->passages, cap, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        s->passages = grown;
        s->cap_passages = cap;
    }
    s->passages[s->n_passages++] = passage;
    return PHIAL_OK;
}

static void trim(ph_str text, size_t *start, size_t *end)
{
    while (*end > *start && memchr(" \t\r\n", text.p[*end - 1], 4))
        --*end;
    while (*start < *end && memchr(" \t\r\n", text.p[*start], 4))
        ++*start;
}

phial_status ph_support_add(ph_support *s, ph_str passage, phial_error *err)
{
    size_t word = s->words.n;
    phial_status st = ph_answer_words_split(&s->one, passage, err);
    if (st == PHIAL_OK)
        st = add_words(s, err);
    for (size_t from = 0; from < passage.n && st == PHIAL_OK;) {
        size_t end =
            ph_sentence_end(passage, from, PH_SENTENCE_WRAPPED | PH_SENTENCE_ABBREVIATIONS);
        line l = {.passage = s->n_passages, .start = from, .end = end, .first = word};
        for (; word < s->words.n && s->words.at[word].start < end; word++) {
            size_t asked = asked_word(s, s->words.at[word].key);
            l.asked |= asked < s->n_asked ? 1ull << asked : 0;
        }
        l.n = word - l.first;
        l.about = share_asked(s, l.asked);
        trim(passage, &l.start, &l.end);
        if (l.end > l.start)
            st = add_line(s, l, err);
        from = end;
    }
    return st == PHIAL_OK ? keep_passage(s, passage, err) : st;
}

ph_str ph_support_focus(const ph_support *s, size_t passage, size_t n_bytes)
{
    ph_str text = s->passages[passage];
    size_t best = SIZE_MAX, a, b;
    double most = -1;
    for (size_t i = 0; i < s->n_lines; i++) {
        if (s->lines[i].passage != passage)
            continue;
        double about = share_asked(s, asked_around(s, i, 1)) + s->lines[i].about;
        if (about > most) {
            most = about;
            best = i;
        }
    }
    if (text.n <= n_bytes || best == SIZE_MAX)
        return (ph_str){text.p, text.n < n_bytes ? text.n : n_bytes};
    a = b = best;
    for (;;) { /* the side that is more about the question first */
        bool down = a > 0 && s->lines[a - 1].passage == passage &&
                    s->lines[b].end - s->lines[a - 1].start <= n_bytes;
        bool up = b + 1 < s->n_lines && s->lines[b + 1].passage == passage &&
                  s->lines[b + 1].end - s->lines[a].start <= n_bytes;
        if (down && (!up || s->lines[a - 1].about > s->lines[b + 1].about))
            a--;
        else if (up)
            b++;
        else
            break;
    }
    size_t start = s->lines[a].start, end = s->lines[b].end;
    return (ph_str){text.p + start, ph_utf8_cut(text.p + start, end - start, n_bytes)};
}

/* --- the answer's sentence --- */

static uint16_t *slot(claim *c, uint64_t key)
{
    size_t i = key & (TABLE - 1);
    while (c->table[i] != NONE && c->at[c->table[i]].key != key)
        i = (i + 1) & (TABLE - 1);
    return &c->table[i];
}

static void make_claim(claim *c, const ph_answer_words *words)
{
    c->at = words->at;
    c->n = words->n < PH_SUPPORT_WORDS ? words->n : PH_SUPPORT_WORDS;
    c->all_words = c->all_pairs = 0;
    memset(c->table, 0xFF, sizeof c->table);
    for (size_t i = c->n; i-- > 0;) {
        uint16_t *place = slot(c, c->at[i].key);
        c->next[i] = *place;
        if (*place != NONE)
            c->first[*place] = false;
        c->first[i] = true;
        *place = (uint16_t)i;
        c->weight[i] = ph_answer_word_weight(c->at[i].kind);
    }
    for (size_t i = 0; i < c->n; i++) {
        c->all_words += c->first[i] ? c->weight[i] : 0;
        c->all_pairs += i + 1 < c->n ? c->weight[i] + c->weight[i + 1] : 0;
    }
    c->core = 0;
    c->n_core = c->n;
    while (c->n_core > 0 && c->at[c->core].kind == PH_ANSWER_WORD_STOP) {
        c->core++;
        c->n_core--;
    }
    while (c->n_core > 0 && c->at[c->core + c->n_core - 1].kind == PH_ANSWER_WORD_STOP)
        c->n_core--;
}

/* Notes what line l has of the claim. */
static void look_at(const ph_support *s, claim *c, line *l)
{
    memset(&l->words, 0, sizeof l->words);
    memset(&l->pairs, 0, sizeof l->pairs);
    const ph_answer_word *w = s->words.at + l->first;
    for (size_t i = 0; i < l->n; i++) {
        uint16_t at = *slot(c, w[i].key);
        if (at == NONE)
            continue;
        has(&l->words, at);
        for (uint16_t k = at; k != NONE && i + 1 < l->n; k = c->next[k]) {
            if (k + 1u < c->n && c->at[k + 1].key == w[i + 1].key)
                has(&l->pairs, k);
        }
    }
}

/* All words of the claim's core in a row, in the words from `first`. */
static bool in_a_row(const ph_support *s, const claim *c, size_t first, size_t n)
{
    const ph_answer_word *w = s->words.at + first;
    for (size_t i = 0; i + c->n_core <= n && c->n_core > 0; i++) {
        size_t k = 0;
        while (k < c->n_core && w[i + k].key == c->at[c->core + k].key)
            k++;
        if (k == c->n_core)
            return true;
    }
    return false;
}

static double score_of(const claim *c, const set *words, const set *pairs)
{
    double w = 0, p = 0;
    for (size_t i = 0; i < c->n; i++) {
        w += c->first[i] && is_in(words, i) ? c->weight[i] : 0;
        p += i + 1 < c->n && is_in(pairs, i) ? c->weight[i] + c->weight[i + 1] : 0;
    }
    w = c->all_words > 0 ? w / c->all_words : 0;
    return c->all_pairs > 0 ? (1 - PAIR_SHARE) * w + PAIR_SHARE * p / c->all_pairs : w;
}

typedef struct span {
    size_t from, to; /* lines, to included */
    set words, pairs;
    double score, value; /* value: what spans are compared by */
} span;

static span make_span(const ph_support *s, const claim *c, size_t from, size_t to, const span *had)
{
    span p = {.from = from, .to = to, .words = had->words, .pairs = had->pairs};
    uint64_t asked = 0;
    for (size_t i = from; i <= to; i++) {
        p.words = both(p.words, &s->lines[i].words);
        p.pairs = both(p.pairs, &s->lines[i].pairs);
        asked |= s->lines[i].asked;
    }
    size_t n = s->lines[to].first + s->lines[to].n - s->lines[from].first;
    p.score = in_a_row(s, c, s->lines[from].first, n) ? 1 : score_of(c, &p.words, &p.pairs);
    p.value = p.score * (to > from ? LONG_SPAN : 1) + ABOUT_SHARE * share_asked(s, asked);
    return p;
}

/* The best span to add to what is had; score 0 if there is none. Two sentences are taken only where
 * one of them would not do. */
static span best_span(const ph_support *s, const claim *c, const span *had)
{
    span best = *had, last = {0};
    best.score = best.value = 0;
    for (size_t i = 0; i < s->n_lines; i++) {
        span one = make_span(s, c, i, i, had);
        if (one.score > had->score && (best.score <= 0 || one.value > best.value))
            best = one;
        if (i > 0 && s->lines[i - 1].passage == s->lines[i].passage) {
            span two = make_span(s, c, i - 1, i, had);
            double alone = one.score > last.score ? one.score : last.score;
            if (two.score > had->score && two.score > alone + TWO_GAIN &&
                (best.score <= 0 || two.value > best.value))
                best = two;
        }
        last = one;
    }
    return best;
}

static bool stands_somewhere(const ph_support *s, uint64_t key)
{
    for (size_t i = 0; i < s->words.n; i++) {
        if (s->words.at[i].key == key)
            return true;
    }
    return asked_word(s, key) < s->n_asked;
}

static bool has_stray(const ph_support *s, const claim *c)
{
    for (size_t i = 0; i < c->n; i++) {
        bool fact = c->at[i].kind == PH_ANSWER_WORD_NUMBER || c->at[i].kind == PH_ANSWER_WORD_NAME;
        if (fact && c->first[i] && !stands_somewhere(s, c->at[i].key))
            return true;
    }
    return false;
}

/* --- quotes --- */

/* The bytes of a span, cut to where the claim's words are if it is long. */
static ph_support_span quote_of(const ph_support *s, claim *c, const span *p)
{
    const line *a = &s->lines[p->from], *b = &s->lines[p->to];
    ph_support_span q = {a->passage, a->start, b->end};
    if (q.end - q.start <= PH_QUOTE_BYTES)
        return q;
    size_t first = SIZE_MAX, last = 0;
    for (size_t i = a->first; i < b->first + b->n; i++) {
        const ph_answer_word *w = &s->words.at[i];
        if (w->kind == PH_ANSWER_WORD_STOP || *slot(c, w->key) == NONE)
            continue;
        first = first == SIZE_MAX ? i : first;
        if (w->end - s->words.at[first].start <= PH_QUOTE_BYTES)
            last = i;
    }
    if (first == SIZE_MAX)
        first = last = a->first;
    q.start = s->words.at[first].start;
    q.end = s->words.at[last].end;
    /* What room is left goes to the words around. */
    while (last + 1 < b->first + b->n && s->words.at[last + 1].end - q.start <= PH_QUOTE_BYTES)
        q.end = s->words.at[++last].end;
    while (first > a->first && q.end - s->words.at[first - 1].start <= PH_QUOTE_BYTES)
        q.start = s->words.at[--first].start;
    return q;
}

/* A short answer has to be about the question where it stands. */
static double with_question(const ph_support *s, const claim *c, const span *p, double score)
{
    double weight = 0, own = 0;
    for (size_t i = 0; i < c->n; i++)
        weight += c->first[i] && asked_word(s, c->at[i].key) == s->n_asked ? c->weight[i] : 0;
    double shortness = weight >= SHORT_WORDS * 2 ? 0
                       : weight <= SHORT_WORDS   ? 1
                                                 : 2 - weight / SHORT_WORDS;
    for (size_t i = p->from; i <= p->to; i++)
        own = s->lines[i].about > own ? s->lines[i].about : own;
    double around = AROUND_SHARE * share_asked(s, asked_around(s, p->from, 1));
    double about = 2 * (own > around ? own : around);
    about = about > 1 ? 1 : about;
    return score * (1 - SHORT_LOSS * shortness * (1 - about));
}

phial_status ph_support_align(ph_support *s, ph_str sentence, bool alone, ph_support_result *out,
                              phial_error *err)
{
    *out = (ph_support_result){0};
    phial_status st = ph_answer_words_split(&s->one, sentence, err);
    if (st != PHIAL_OK || s->one.n == 0)
        return st;
    claim c;
    make_claim(&c, &s->one);
    out->stray = has_stray(s, &c);
    for (size_t i = 0; i < s->n_lines; i++)
        look_at(s, &c, &s->lines[i]);
    span had = {0}, first = {0};
    while (out->n < PH_SUPPORT_SPANS && had.score < 1) {
        span p = best_span(s, &c, &had);
        if (p.score <= 0 || (out->n > 0 && p.score < had.score + LEAST_GAIN))
            break;
        if (out->n == 0)
            first = p;
        out->spans[out->n++] = quote_of(s, &c, &p);
        had = p;
    }
    bool other_kind = alone && c.n <= KIND_WORDS && !ph_answer_kind_fits(s->kind, sentence);
    if (out->n > 0 && !out->stray && !other_kind)
        out->score = alone ? with_question(s, &c, &first, had.score) : had.score;
    return PHIAL_OK;
}
