/* From what a model wrote to an answer with citations; contract in answer_asker.h. */
#include "base/clock.h"
#include "rag/answer_asker.h"
#include "rag/sentence.h"

/* Sentences of one answer. */
#define SENTENCES_MAX 4096

const char *phial_abstention_name(phial_abstention why)
{
    static const char *const names[] = {"",         "no passage",  "off topic",
                                        "not told", "unsupported", "empty"};
    return (size_t)why < sizeof names / sizeof names[0] ? names[why] : "";
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* How models say it, in small letters. */
static const char *const refusals[] = {"the passage does not say",
                                       "the passages do not say",
                                       "the passage doesn't say",
                                       "the passages don't say",
                                       "the passage does not tell",
                                       "the passages do not tell",
                                       "the passage does not mention",
                                       "the passages do not mention",
                                       "the passage does not provide",
                                       "the passages do not provide",
                                       "the passage does not state",
                                       "the passages do not state",
                                       "the passages do not contain",
                                       "the passage does not contain",
                                       "there is no information",
                                       "i don't know",
                                       "i do not know",
                                       "it is not mentioned",
                                       "it is not stated",
                                       "it is not said",
                                       "it does not say",
                                       "cannot be answered",
                                       "this question cannot be answered"};
/* These may also begin an answer ("Unknown artists painted it."). */
static const char *const short_refusals[] = {
    "not told",  "not mentioned",  "not stated",   "not specified", "not found",
    "no answer", "no information", "unanswerable", "unknown",       "n/a"};
/* Behind one of those, what tells that it is no answer. */
static const char *const sources[] = {"passage",   "passages", "text",  "texts",    "document",
                                      "documents", "context",  "given", "provided", "available"};

static bool is_letter(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (uint8_t)c >= 0x80;
}

/* What follows these words at the beginning, if they are there and end there: "Unknown" is one,
 * "Unknowns are solved for" is none. */
static bool follows(ph_str text, const char *words, ph_str *rest)
{
    size_t n = strlen(words), k = 0;
    while (k < n && k < text.n && lower(text.p[k]) == words[k])
        k++;
    *rest = (ph_str){text.p + k, text.n - k};
    return k == n && (k == text.n || !is_letter(text.p[k]));
}

/* The sentence ends here, or with a mark, or goes on about the passage. */
static bool says_no_more(ph_str rest)
{
    size_t at = 0, end = 0;
    ph_str behind;
    while (at < rest.n && memchr(" \t\"'", rest.p[at], 4))
        at++;
    while (end < rest.n && !memchr(".!?\n", rest.p[end], 4))
        end++;
    if (at >= end || memchr(",;:()-", rest.p[at], 6))
        return true;
    for (; at < end; at++) {
        if (at > 0 && is_letter(rest.p[at - 1]))
            continue;
        for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
            ph_str word = {rest.p + at, end - at};
            if (follows(word, sources[i], &behind))
                return true;
        }
    }
    return false;
}

bool ph_answer_declines(ph_str text)
{
    ph_str rest;
    while (text.n > 0 && memchr(" \n\t\r\"'", text.p[0], 6)) {
        text.p++;
        text.n--;
    }
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (follows(text, refusals[i], &rest))
            return true;
    }
    for (size_t i = 0; i < sizeof short_refusals / sizeof short_refusals[0]; i++) {
        if (follows(text, short_refusals[i], &rest) && says_no_more(rest))
            return true;
    }
    return false;
}

/* --- citations --- */

/* Whether the quote stands in the collection where the citation says. What a caller has given and
 * no collection has is cited as it is. */
static phial_status stands_there(phial_asker *a, bool *out, const phial_citation *c,
                                 phial_error *err)
{
    char *page = NULL;
    size_t n = 0;
    *out = !a->collection || a->passages[c->passage].chunk < 0;
    if (*out)
        return PHIAL_OK;
    phial_status st = phial_collection_page(a->collection, c->doc, c->page, &page, &n, err);
    if (st == PHIAL_OK)
        *out = c->end <= n && c->end - c->start == c->quote.n &&
               memcmp(page + c->start, c->quote.p, c->quote.n) == 0;
    phial_text_free(page);
    return st;
}

static phial_status cite(phial_asker *a, phial_cited_sentence *s, const ph_support_result *r,
                         phial_error *err)
{
    phial_citation *list = ph_arena_alloc(&a->arena, r->n, sizeof *list, err);
    phial_status st = list ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < r->n && st == PHIAL_OK; i++) {
        const ph_support_span *span = &r->spans[i];
        size_t passage = a->order[span->passage];
        const phial_passage *p = &a->passages[passage];
        phial_citation c = {.doc = p->doc,
                            .page = p->page,
                            .start = p->start + span->start,
                            .end = p->start + span->end,
                            .quote = {p->text.p + span->start, span->end - span->start},
                            .passage = passage};
        bool there = false;
        st = stands_there(a, &there, &c, err);
        if (there)
            list[s->n_citations++] = c;
    }
    s->citations = list;
    return st;
}

static phial_status add_sentence(phial_asker *a, phial_cited_sentence *s, ph_str text, bool alone,
                                 phial_error *err)
{
    ph_support_result r;
    *s = (phial_cited_sentence){.text = {text.p, text.n}};
    phial_status st = ph_support_align(a->support, text, alone, &r, err);
    if (st != PHIAL_OK)
        return st;
    s->support = r.score;
    if (r.score >= a->options.min_support && r.n > 0)
        st = cite(a, s, &r, err);
    return st;
}

/* --- sentences --- */

/* A line of an answer ends a sentence: lists have no full stops. */
static ph_str next_sentence(ph_str text, size_t *from)
{
    size_t start = *from, end = ph_sentence_end(text, start, PH_SENTENCE_ABBREVIATIONS);
    *from = end;
    while (end > start && memchr(" \t\r\n", text.p[end - 1], 4))
        end--;
    while (start < end && memchr(" \t\r\n", text.p[start], 4))
        start++;
    return (ph_str){text.p + start, end - start};
}

static bool has_word(ph_str s)
{
    for (size_t at = 0, len; at < s.n; at += len) {
        ph_sentence_class c = ph_sentence_class_at(s, at, &len);
        if (ph_sentence_is_letter(c) || c == PH_SB_NUMERIC)
            return true;
    }
    return false;
}

static size_t count_sentences(ph_str text)
{
    size_t n = 0;
    for (size_t from = 0; from < text.n;)
        n += has_word(next_sentence(text, &from));
    return n;
}

/* The support is over the passages of the prompt, in their order there. */
static phial_status use_prompt_passages(phial_asker *a, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < a->n_order && st == PHIAL_OK; i++) {
        const phial_text *t = &a->passages[a->order[i]].text;
        st = ph_support_add(a->support, (ph_str){t->p, t->n}, err);
    }
    return st;
}

phial_status ph_asker_cite(phial_asker *a, phial_error *err)
{
    phial_answer *answer = &a->answer;
    ph_str said = {answer->said.p, answer->said.n};
    uint64_t began = ph_clock_ns();
    if (said.n == 0) {
        answer->abstained = PHIAL_ABSTAIN_EMPTY;
        return PHIAL_OK;
    }
    if (ph_answer_declines(said)) {
        answer->abstained = PHIAL_ABSTAIN_NOT_TOLD;
        return PHIAL_OK;
    }
    phial_status st = use_prompt_passages(a, err);
    size_t n = count_sentences(said), n_cited = 0;
    if (st == PHIAL_OK && n > SENTENCES_MAX)
        st = ph_err_set(err, PHIAL_ERR_LIMIT, "an answer of more than %d sentences", SENTENCES_MAX);
    if (st != PHIAL_OK)
        return st;
    phial_cited_sentence *list = ph_arena_alloc(&a->arena, n ? n : 1, sizeof *list, err);
    if (!list)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t from = 0; from < said.n && st == PHIAL_OK;) {
        ph_str one = next_sentence(said, &from);
        if (!has_word(one))
            continue;
        st = add_sentence(a, &list[answer->n_sentences], one, n == 1, err);
        n_cited += list[answer->n_sentences].n_citations > 0;
        answer->n_sentences++;
    }
    answer->sentences = list;
    answer->text = answer->said;
    if (n_cited == 0) {
        answer->abstained = PHIAL_ABSTAIN_UNSUPPORTED;
        answer->n_sentences = 0;
    }
    answer->align_ms = (double)(ph_clock_ns() - began) * 1e-6;
    return st;
}
