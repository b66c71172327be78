/* Passages for a question; contract in answer_asker.h. */
#include "rag/answer_asker.h"
#include "rag/answer_words.h"

/* A question with more words of its own than this stands for itself, pronouns or not. */
#define FOLLOW_UP_WORDS 4
/* Rounds of counting a passage's tokens until it is short enough. */
#define CUT_ROUNDS      8

phial_status ph_asker_copy(phial_asker *a, phial_text *out, const char *p, size_t n,
                           phial_error *err)
{
    const char *copy = ph_arena_strndup(&a->arena, p ? p : "", n, err);
    if (!copy)
        return PHIAL_ERR_NO_MEMORY;
    *out = (phial_text){copy, n};
    return PHIAL_OK;
}

/* --- threads --- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool word_is(ph_str word, const char *list)
{
    size_t n = strlen(list);
    for (size_t at = 0; at < n;) {
        size_t len = strcspn(list + at, " "), k = 0;
        while (k < len && k < word.n && lower(word.p[k]) == list[at + k])
            k++;
        if (k == len && k == word.n)
            return true;
        at += len + 1;
    }
    return false;
}

static bool begins_with(ph_str s, const char *list)
{
    for (const char *p = list; *p;) {
        size_t len = strcspn(p, "|"), k = 0;
        while (k < len && k < s.n && lower(s.p[k]) == p[k])
            k++;
        if (k == len && (k == s.n || lower(s.p[k]) < 'a' || lower(s.p[k]) > 'z'))
            return true;
        p += len + (p[len] == '|');
    }
    return false;
}

/* English: what begins like the second half of a thought, has hardly a word of its own, or is short
 * and speaks of somebody it does not name. */
phial_status ph_asker_follows_up(phial_asker *a, bool *out, ph_str question, phial_error *err)
{
    ph_answer_words words = {0};
    *out = false;
    if (a->n_thread == 0)
        return PHIAL_OK;
    phial_status st = ph_answer_words_split(&words, question, err);
    size_t n_own = 0;
    bool pronoun = false;
    for (size_t i = 0; i < words.n && st == PHIAL_OK; i++) {
        const ph_answer_word *w = &words.at[i];
        n_own += w->kind != PH_ANSWER_WORD_STOP;
        pronoun |= word_is((ph_str){question.p + w->start, w->end - w->start},
                           "it its he him his she her hers they them their theirs this these those "
                           "former latter one ones there");
    }
    ph_answer_words_free(&words);
    *out = begins_with(question, "and|but|or|so|also|why|how so|what about|how about|what else|"
                                 "who else|where else|else") ||
           n_own <= 1 || (pronoun && n_own <= FOLLOW_UP_WORDS);
    return st;
}

/* --- where passages come from --- */

static phial_status make_room(phial_asker *a, size_t n, phial_error *err)
{
    a->passages = ph_arena_alloc(&a->arena, n ? n : 1, sizeof *a->passages, err);
    a->answer.n_passages = 0;
    return a->passages ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

/* The question, and for a follow-up the questions before it. */
static phial_status make_query(const phial_asker *a, ph_buf *query, ph_str question,
                               phial_error *err)
{
    ph_buf_add(query, question.p, question.n);
    for (size_t i = a->n_thread; i-- > 0 && a->answer.follows_up;) {
        ph_buf_add_byte(query, ' ');
        ph_buf_add(query, a->thread[i].question.data, a->thread[i].question.len);
    }
    return ph_buf_status(query, err);
}

phial_status ph_asker_search(phial_asker *a, ph_str question, phial_error *err)
{
    ph_buf query;
    ph_buf_init(&query, 0);
    phial_status st = make_query(a, &query, question, err);
    if (st == PHIAL_OK)
        st = phial_collection_search(a->collection, &a->hits, (phial_text){query.data, query.len},
                                     &a->options.search, err);
    ph_buf_free(&query);
    if (st != PHIAL_OK)
        return st;
    size_t n = phial_hits_count(a->hits);
    st = make_room(a, n, err);
    for (size_t i = 0; i < n && i < PHIAL_ANSWER_PASSAGES_MAX && st == PHIAL_OK; i++) {
        const phial_hit *h = phial_hits_at(a->hits, i);
        a->passages[a->answer.n_passages++] = (phial_passage){.doc = h->doc,
                                                              .title = h->title,
                                                              .context = h->context,
                                                              .page = h->page,
                                                              .start = h->start,
                                                              .end = h->end,
                                                              .text = h->text,
                                                              .score = h->score,
                                                              .chunk = h->chunk};
    }
    return st;
}

phial_status ph_asker_take(phial_asker *a, const phial_passage *passages, size_t n,
                           phial_error *err)
{
    if (n > PHIAL_ANSWER_PASSAGES_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu passages, more than %d", n,
                          PHIAL_ANSWER_PASSAGES_MAX);
    phial_status st = make_room(a, n, err);
    for (size_t i = 0; i < n && st == PHIAL_OK; i++) {
        phial_passage *p = &a->passages[i];
        *p = passages[i];
        p->number = 0;
        phial_text *const texts[] = {&p->doc, &p->title, &p->context, &p->text};
        for (size_t k = 0; k < 4 && st == PHIAL_OK; k++)
            st = ph_asker_copy(a, texts[k], texts[k]->p, texts[k]->n, err);
        if (st == PHIAL_OK && p->end - p->start != p->text.n)
            st = ph_err_set(err, PHIAL_ERR_ARGUMENT,
                            "passage %zu: %zu bytes of text from %llu to %llu", i, p->text.n,
                            (unsigned long long)p->start, (unsigned long long)p->end);
        a->answer.n_passages++;
    }
    return st;
}

/* --- making them fit --- */

static const ph_kept_passage *find_kept(const phial_asker *a, int64_t chunk)
{
    for (size_t i = 0; i < a->n_kept; i++) {
        if (chunk >= 0 && a->kept[i].chunk == chunk)
            return &a->kept[i];
    }
    return NULL;
}

static void narrow(phial_passage *p, size_t from, size_t n)
{
    p->start += from;
    p->end = p->start + n;
    p->text = (phial_text){p->text.p + from, n};
}

/* In a thread a passage stays as it was, so that it need not be read again. */
static bool narrow_as_kept(const phial_asker *a, phial_passage *p)
{
    const ph_kept_passage *kept = find_kept(a, p->chunk);
    if (!kept || !a->answer.follows_up || kept->start < p->start || kept->end > p->end)
        return false;
    narrow(p, (size_t)(kept->start - p->start), (size_t)(kept->end - kept->start));
    return true;
}

static phial_status cut_passage(phial_asker *a, size_t i, size_t most, phial_error *err)
{
    phial_passage *p = &a->passages[i];
    ph_ask_prompt form = {.preset = a->options.preset, .encoder = a->encoder};
    phial_passage whole = *p;
    size_t n_bytes = whole.text.n;
    for (int round = 0; round < CUT_ROUNDS; round++) {
        size_t n = 0;
        phial_status st =
            ph_ask_prompt_passage_tokens(&n, &form, (ph_str){p->text.p, p->text.n}, err);
        if (st != PHIAL_OK || n <= most || n_bytes < 2)
            return st;
        size_t fair = p->text.n * most / n;
        n_bytes = fair < n_bytes - 1 ? fair : n_bytes - 1;
        ph_str part = ph_support_focus(a->support, i, n_bytes ? n_bytes : 1);
        *p = whole;
        narrow(p, (size_t)(part.p - whole.text.p), part.n);
    }
    return PHIAL_OK;
}

phial_status ph_asker_question(phial_asker *a, ph_str question, phial_error *err)
{
    ph_support_clear(a->support);
    phial_status st = ph_support_question(a->support, question, err);
    for (size_t i = a->n_thread; i-- > 0 && st == PHIAL_OK && a->answer.follows_up;)
        st = ph_support_question(
            a->support, (ph_str){a->thread[i].question.data, a->thread[i].question.len}, err);
    return st;
}

static phial_status support_all(phial_asker *a, ph_str question, phial_error *err)
{
    phial_status st = ph_asker_question(a, question, err);
    for (size_t i = 0; i < a->answer.n_passages && st == PHIAL_OK; i++)
        st =
            ph_support_add(a->support, (ph_str){a->passages[i].text.p, a->passages[i].text.n}, err);
    return st;
}

phial_status ph_asker_prepare(phial_asker *a, ph_str question, size_t n_tokens, phial_error *err)
{
    phial_status st = support_all(a, question, err);
    bool cut = false;
    for (size_t i = 0; i < a->answer.n_passages && a->encoder && st == PHIAL_OK; i++) {
        size_t before = a->passages[i].text.n;
        if (!narrow_as_kept(a, &a->passages[i]))
            st = cut_passage(a, i, n_tokens, err);
        cut |= a->passages[i].text.n != before;
    }
    if (st == PHIAL_OK && cut)
        st = support_all(a, question, err);
    return st;
}

void ph_asker_order(phial_asker *a)
{
    bool taken[PHIAL_ANSWER_PASSAGES_MAX] = {0};
    a->n_order = 0;
    for (size_t k = 0; k < a->n_kept; k++) {
        for (size_t i = 0; i < a->answer.n_passages; i++) {
            if (!taken[i] && a->passages[i].chunk >= 0 &&
                a->passages[i].chunk == a->kept[k].chunk) {
                taken[i] = true;
                a->order[a->n_order++] = i;
            }
        }
    }
    for (size_t i = 0; i < a->answer.n_passages; i++) {
        if (!taken[i])
            a->order[a->n_order++] = i;
    }
}
