/* Contract in squad_run.h. */
#include "cli/squad_run.h"

#include <math.h>
#include <stdio.h>

#include "base/hash.h"

/* Right answers that min_support has to let pass. */
#define SUPPORTED_SHARE 0.98

typedef struct asking {
    ph_squad_run *run;
    phial_asker *asker;
    phial_session *session;
    phial_sampler *sampler;
    phial_generation_options generation;
    phial_text *stops;
    char glob[64];
} asking;

static void asking_close(asking *a)
{
    phial_asker_free(a->asker);
    phial_session_free(a->session);
    phial_sampler_free(a->sampler);
    ph_free(a->stops);
}

static phial_status open_model(asking *a, phial_error *err)
{
    ph_squad_run *run = a->run;
    phial_generation_options_default(&a->generation);
    phial_status st = ph_gen_session_new(&a->session, run->gen, run->config, 0, true, err);
    if (st == PHIAL_OK)
        st = ph_gen_sampler_new(&a->sampler, run->gen, run->config, run->preset, 0, err);
    if (st == PHIAL_OK)
        st =
            ph_gen_options_fill(&a->generation, &a->stops, run->gen, run->config, run->preset, err);
    a->generation.session = a->session;
    a->generation.sampler = a->sampler;
    return st;
}

static phial_status asking_open(asking *a, phial_error *err)
{
    phial_ask_options o;
    phial_ask_options_default(&o);
    o.preset = a->run->preset;
    o.min_about = 0;
    o.min_support = 0;
    o.max_not_told = nextafter(1, 0);
    o.search.k = a->run->collection ? a->run->k : 1;
    o.search.doc_glob = a->run->collection ? a->glob : NULL;
    phial_status st = phial_asker_new(&a->asker, a->run->collection, &o, err);
    return st == PHIAL_OK && a->run->gen ? open_model(a, err) : st;
}

static phial_passage paragraph_of(const ph_squad_run *run, size_t paragraph)
{
    ph_str s = run->squad->paragraphs[paragraph].context;
    return (phial_passage){.page = 1, .end = s.n, .text = {s.p, s.n}, .chunk = -1};
}

static phial_text text_of(ph_str s)
{
    return (phial_text){s.p, s.n};
}

/* --- looking at one answer --- */

static bool covers(const ph_squad_run *run, const ph_squad_item *item, const phial_citation *c)
{
    char name[64];
    snprintf(name, sizeof name, "%zu/%zu", item->article, item->paragraph);
    if (run->collection && !ph_str_eq_c((ph_str){c->doc.p, c->doc.n}, name))
        return false;
    for (size_t i = 0; i < item->n_answers; i++) {
        const ph_squad_answer *a = &item->answers[i];
        if (c->start <= a->start && a->start + a->text.n <= c->end)
            return true;
    }
    return false;
}

static double best_support(const phial_answer *answer, size_t *which)
{
    double best = 0;
    *which = 0;
    for (size_t i = 0; i < answer->n_sentences; i++) {
        if (answer->sentences[i].support > best) {
            best = answer->sentences[i].support;
            *which = i;
        }
    }
    return best;
}

static phial_status note(const ph_squad_run *run, const ph_squad_item *item, ph_squad_result *r,
                         const phial_answer *answer, phial_error *err)
{
    size_t which;
    bool wrote =
        answer->abstained == PHIAL_ABSTAIN_NOT || answer->abstained == PHIAL_ABSTAIN_UNSUPPORTED;
    r->about = answer->about;
    r->not_told = answer->not_told < 0 ? 0 : answer->not_told;
    r->support = best_support(answer, &which);
    if (wrote)
        ph_buf_add(&r->said, answer->said.p, answer->said.n);
    if (answer->n_sentences > 0) {
        const phial_cited_sentence *s = &answer->sentences[which];
        r->n_citations = (uint32_t)s->n_citations;
        for (size_t i = 0; i < s->n_citations && !item->impossible; i++)
            r->n_right += covers(run, item, &s->citations[i]);
    }
    phial_status st = ph_buf_status(&r->said, err);
    return st == PHIAL_OK
               ? ph_squad_compare(&r->score, item, (ph_str){r->said.data, r->said.len}, err)
               : st;
}

static phial_status ask_one(asking *a, size_t i, phial_error *err)
{
    ph_squad_run *run = a->run;
    const ph_squad_item *item = &run->squad->items[i];
    ph_squad_result *r = &run->results[i];
    const phial_answer *answer = NULL;
    phial_passage given = paragraph_of(run, item->paragraph);
    phial_asker_clear(a->asker);
    phial_status st;
    if (!run->gen) {
        phial_text marked = item->n_answers ? text_of(item->answers[0].text) : (phial_text){"", 0};
        st = phial_asker_check(a->asker, &answer, text_of(item->question), &given, 1, marked, err);
    } else if (run->collection) {
        snprintf(a->glob, sizeof a->glob, "%zu/*", item->article);
        st = phial_asker_ask(a->asker, &answer, text_of(item->question), &a->generation, err);
    } else {
        st = phial_asker_ask_over(a->asker, &answer, text_of(item->question), &given, 1,
                                  &a->generation, err);
    }
    return st == PHIAL_OK ? note(run, item, r, answer, err) : st;
}

/* --- answers to other questions --- */

/* Article half: by the title, so that it does not depend on the file's order. */
static int half_of(const ph_squad *s, size_t article)
{
    return (int)(ph_hash64(s->titles[article].p, s->titles[article].n, 0) & 1);
}

/* Support of answer i for question j. */
static phial_status swap(asking *a, double *out, size_t i, size_t j, phial_error *err)
{
    ph_squad_run *run = a->run;
    const ph_squad_item *item = &run->squad->items[j];
    const phial_answer *answer = NULL;
    size_t which;
    phial_passage given = paragraph_of(run, item->paragraph);
    phial_text said = {run->results[i].said.data, run->results[i].said.len};
    phial_asker_clear(a->asker);
    phial_status st =
        phial_asker_check(a->asker, &answer, text_of(item->question), &given, 1, said, err);
    if (st == PHIAL_OK)
        *out = best_support(answer, &which);
    return st;
}

static phial_status swap_all(asking *a, phial_error *err)
{
    ph_squad_run *run = a->run;
    const ph_squad *s = run->squad;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < run->n && st == PHIAL_OK; i++) {
        ph_squad_result *r = &run->results[i];
        r->swapped = r->swapped_near = -1;
        if (r->said.len == 0)
            continue;
        size_t near = i + 1, far = i + 1;
        while (far < run->n &&
               (s->items[far].article == s->items[i].article ||
                half_of(s, s->items[far].article) != half_of(s, s->items[i].article)))
            far++;
        if (near < run->n && s->items[near].paragraph == s->items[i].paragraph)
            st = swap(a, &r->swapped_near, i, near, err);
        if (far < run->n && st == PHIAL_OK)
            st = swap(a, &r->swapped, i, far, err);
    }
    return st;
}

phial_status ph_squad_run_all(ph_squad_run *run, phial_error *err)
{
    asking a = {.run = run};
    run->results = ph_alloc(run->n, sizeof *run->results, err);
    phial_status st = run->results ? asking_open(&a, err) : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < run->n && st == PHIAL_OK; i++) {
        ph_buf_init(&run->results[i].said, 0);
        st = ask_one(&a, i, err);
        if (st == PHIAL_OK && !run->progress(run->user, i + 1, run->n))
            st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
        else if (st != PHIAL_OK)
            ph_err_context(err, st, "question %.*s", PH_STR_ARG(run->squad->items[i].id));
    }
    if (st == PHIAL_OK)
        st = swap_all(&a, err);
    asking_close(&a);
    return st;
}

void ph_squad_run_free(ph_squad_run *run)
{
    for (size_t i = 0; i < run->n && run->results; i++)
        ph_buf_free(&run->results[i].said);
    ph_free(run->results);
    run->results = NULL;
}

/* --- figures --- */

bool ph_squad_answered(const ph_squad_result *r, const ph_squad_thresholds *t)
{
    return r->said.len > 0 && r->about >= t->min_about && r->not_told <= t->max_not_told &&
           r->support >= t->min_support && r->support > 0;
}

static double per_cent(double part, double all)
{
    return all > 0 ? 100 * part / all : 0;
}

static bool in_half(const ph_squad_run *run, size_t i, int half)
{
    return half < 0 || half_of(run->squad, run->squad->items[i].article) == half;
}

typedef struct sums {
    double exact, f1, exact_possible, f1_possible, wrong_answers, wrong_abstentions;
    double citations, right, answered_right, found;
    double swaps, swapped, nears, near;
} sums;

static void add_item(sums *s, ph_squad_figures *f, const ph_squad_item *item,
                     const ph_squad_result *r, const ph_squad_thresholds *t)
{
    bool answered = ph_squad_answered(r, t);
    double exact = answered ? r->score.exact : item->impossible;
    double f1 = answered ? r->score.f1 : item->impossible;
    f->n++;
    s->exact += exact;
    s->f1 += f1;
    if (item->impossible) {
        f->n_impossible++;
        s->wrong_answers += answered;
    } else {
        f->n_possible++;
        s->exact_possible += exact;
        s->f1_possible += f1;
        s->wrong_abstentions += !answered;
        s->citations += answered ? r->n_citations : 0;
        s->right += answered ? r->n_right : 0;
        s->answered_right += answered && f1 >= 0.5;
        s->found += answered && f1 >= 0.5 && r->n_right > 0;
    }
    s->swaps += r->swapped >= 0;
    s->swapped += r->swapped >= t->min_support && r->swapped > 0;
    s->nears += r->swapped_near >= 0;
    s->near += r->swapped_near >= t->min_support && r->swapped_near > 0;
}

void ph_squad_figures_of(ph_squad_figures *out, const ph_squad_run *run,
                         const ph_squad_thresholds *t, int half)
{
    sums s = {0};
    *out = (ph_squad_figures){0};
    for (size_t i = 0; i < run->n; i++) {
        if (in_half(run, i, half))
            add_item(&s, out, &run->squad->items[i], &run->results[i], t);
    }
    out->exact = per_cent(s.exact, (double)out->n);
    out->f1 = per_cent(s.f1, (double)out->n);
    out->exact_possible = per_cent(s.exact_possible, (double)out->n_possible);
    out->f1_possible = per_cent(s.f1_possible, (double)out->n_possible);
    out->wrong_answers = per_cent(s.wrong_answers, (double)out->n_impossible);
    out->wrong_abstentions = per_cent(s.wrong_abstentions, (double)out->n_possible);
    out->citation_precision = per_cent(s.right, s.citations);
    out->citation_recall = per_cent(s.found, s.answered_right);
    out->swapped = per_cent(s.swapped, s.swaps);
    out->swapped_near = per_cent(s.near, s.nears);
}

/* Of the answers of half 0 that are right, how many have at least that support; -1: none is right.
 */
static double share_supported(const ph_squad_run *run, double min_support)
{
    double right = 0, supported = 0;
    for (size_t i = 0; i < run->n; i++) {
        const ph_squad_result *r = &run->results[i];
        bool counts = !run->squad->items[i].impossible && r->score.f1 >= 0.5;
        if (counts && in_half(run, i, 0)) {
            right++;
            supported += r->support >= min_support && r->support > 0;
        }
    }
    return right > 0 ? supported / right : -1;
}

void ph_squad_calibrate(ph_squad_thresholds *out, const ph_squad_run *run)
{
    static const double tellings[] = {0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3,
                                      0.4,   0.5,  0.6,  0.7,  0.8, 0.9, 1};
    ph_squad_thresholds t = {0, 1, 0};
    ph_squad_figures f;
    phial_ask_options defaults;
    phial_ask_options_default(&defaults);
    if (share_supported(run, 0) < 0)
        t.min_support = defaults.min_support;
    ph_squad_figures_of(&f, run, &t, 0);
    if (f.n == 0) {
        *out =
            (ph_squad_thresholds){defaults.min_about, defaults.max_not_told, defaults.min_support};
        return;
    }
    for (int i = 0; i <= 20 && share_supported(run, i / 20.0) >= SUPPORTED_SHARE; i++)
        t.min_support = i / 20.0;
    *out = t;
    double best = -1;
    for (int i = 0; i <= 18; i++) {
        for (size_t k = 0; k < sizeof tellings / sizeof tellings[0]; k++) {
            t.min_about = i / 20.0;
            t.max_not_told = tellings[k];
            ph_squad_figures_of(&f, run, &t, 0);
            if (f.f1 > best + 1e-9) {
                best = f.f1;
                *out = t;
            }
        }
    }
}
