/* Terms with kinds; contract in answer_words.h. */
#include "rag/answer_words.h"

#include "base/hash.h"
#include "base/mem.h"
#include "rag/lex_analyze.h"
#include "rag/sentence.h"

typedef struct splitter {
    ph_answer_words *out;
    ph_str text;
    size_t looked;        /* bytes that were searched for ends of sentences */
    bool sentence_begins; /* no word since the last end of a sentence */
    bool failed;
    phial_error *err;
} splitter;

void ph_answer_words_free(ph_answer_words *words)
{
    ph_free(words->at);
    *words = (ph_answer_words){0};
}

double ph_answer_word_weight(uint8_t kind)
{
    static const double weights[] = {0.2, 1, 1.5, 2};
    return weights[kind];
}

/* Looks at what stands between the words. A mark in front of the first one (a quote) begins a
 * sentence like its end does. */
static void look(splitter *s, size_t to)
{
    while (s->looked < to) {
        size_t len;
        ph_sentence_class c = ph_sentence_class_at(s->text, s->looked, &len);
        bool line = c == PH_SB_LF || c == PH_SB_SEP || c == PH_SB_CR;
        if (c == PH_SB_ATERM || c == PH_SB_STERM || line)
            s->sentence_begins = true;
        s->looked += len;
    }
}

/* Small numbers as they are spelled, as terms. */
static bool number_word(ph_str term, char digits[4])
{
    static const char *const names[] = {
        "zero",     "one",     "two",     "three",     "four",     "five",     "six",
        "seven",    "eight",   "nine",    "ten",       "eleven",   "twelv",    "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenti",
        "thirti",   "forti",   "fifti",   "sixti",     "seventi",  "eighti",   "nineti"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t value = i <= 20 ? i : (i - 18) * 10;
        if (!ph_str_eq_c(term, names[i]))
            continue;
        size_t n = 0;
        if (value >= 10)
            digits[n++] = (char)('0' + value / 10);
        digits[n++] = (char)('0' + value % 10);
        digits[n] = 0;
        return true;
    }
    return false;
}

static bool turns_around(ph_str term)
{
    return ph_str_eq_c(term, "not") || ph_str_eq_c(term, "no") || ph_str_eq_c(term, "nor") ||
           ph_str_eq_c(term, "never");
}

static bool has_digit(ph_str term)
{
    for (size_t i = 0; i < term.n; i++) {
        if (term.p[i] >= '0' && term.p[i] <= '9')
            return true;
    }
    return false;
}

static uint8_t kind_of(const splitter *s, const ph_lex_token *t)
{
    if (has_digit(t->term))
        return PH_ANSWER_WORD_NUMBER;
    if (t->stop)
        return turns_around(t->term) ? PH_ANSWER_WORD_CONTENT : PH_ANSWER_WORD_STOP;
    size_t n_upper = 0, n_letters = 0, len;
    bool first = false;
    for (size_t at = t->start; at < t->end; at += len) {
        ph_sentence_class c = ph_sentence_class_at(s->text, at, &len);
        n_letters += ph_sentence_is_letter(c);
        n_upper += c == PH_SB_UPPER;
        first |= c == PH_SB_UPPER && at == t->start;
    }
    bool name = (first && !s->sentence_begins) || (n_upper == n_letters && n_upper > 1);
    return name ? PH_ANSWER_WORD_NAME : PH_ANSWER_WORD_CONTENT;
}

static bool take(void *user, const ph_lex_token *t)
{
    splitter *s = user;
    ph_answer_words *out = s->out;
    char digits[4];
    if (t->pair)
        return true;
    look(s, t->start);
    if (out->n == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 64;
        ph_answer_word *grown = ph_realloc(out->at, cap, sizeof *grown, s->err);
        s->failed = !grown;
        if (!grown)
            return false;
        out->at = grown;
        out->cap = cap;
    }
    ph_answer_word *w = &out->at[out->n++];
    *w = (ph_answer_word){.start = t->start, .end = t->end, .kind = kind_of(s, t)};
    ph_str term = t->term;
    if (number_word(term, digits)) {
        w->kind = PH_ANSWER_WORD_NUMBER;
        term = ph_str_from(digits);
    }
    w->key = ph_hash64(term.p, term.n, 0);
    s->sentence_begins = false;
    s->looked = t->end;
    return true;
}

phial_status ph_answer_words_split(ph_answer_words *words, ph_str text, phial_error *err)
{
    splitter s = {.out = words, .text = text, .sentence_begins = true, .err = err};
    words->n = 0;
    ph_lex_analyze(text, take, &s);
    return s.failed ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
}
