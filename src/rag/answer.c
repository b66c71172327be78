/* Askers: from a question to an answer; contract in include/phial/answer.h. */
#include "base/clock.h"
#include "base/utf8.h"
#include "rag/answer_asker.h"
#include "rt/engine.h"
#include "rt/score.h"
#include "tok/passages.h"

#include <math.h>

/* Bytes that one answer may take beside its passages. */
#define ARENA_BYTES      ((size_t)256 << 20)
/* A passage is not cut shorter than that to make the prompt fit. */
#define PASSAGE_TOKENS   16
/* Tokens of the sentence that says that the passages do not tell, at most. */
#define NOT_TOLD_TOKENS  64
#define PASSAGES_DEFAULT 4
/* The part of the room that instruction, question and numbers are given. */
#define FORM_SHARE       8
/* Below this the probability of that sentence is not of interest to anybody. */
#define NOT_TOLD_LEAST   1e-4

void phial_ask_options_default(phial_ask_options *options)
{
    *options = (phial_ask_options){
        .size = sizeof *options, .min_about = 0.25, .max_not_told = 0.5, .min_support = 0.65};
    phial_search_options_default(&options->search);
    options->search.k = PASSAGES_DEFAULT;
}

static bool is_share(double v)
{
    return v >= 0 && v <= 1;
}

phial_status phial_asker_new(phial_asker **out, phial_collection *collection,
                             const phial_ask_options *options, phial_error *err)
{
    *out = NULL;
    if (options->size != sizeof *options || !options->preset)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "asking: options that phial_ask_options_default() has not filled, or no "
                          "preset");
    if (!is_share(options->min_about) || !is_share(options->max_not_told) ||
        !is_share(options->min_support))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "asking: a threshold that is not in 0 .. 1");
    if (options->search.k < 1 || options->search.k > PHIAL_ANSWER_PASSAGES_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "asking: %u passages; 1 to %d will do",
                          (unsigned)options->search.k, PHIAL_ANSWER_PASSAGES_MAX);
    phial_asker *a = ph_alloc(1, sizeof *a, err);
    if (!a)
        return PHIAL_ERR_NO_MEMORY;
    a->collection = collection;
    a->options = *options;
    ph_arena_init(&a->arena, ARENA_BYTES);
    for (size_t i = 0; i < PH_THREAD_TURNS; i++) {
        ph_buf_init(&a->thread[i].question, 0);
        ph_buf_init(&a->thread[i].answer, 0);
    }
    phial_status st = ph_support_new(&a->support, err);
    if (st != PHIAL_OK) {
        phial_asker_free(a);
        return st;
    }
    *out = a;
    return PHIAL_OK;
}

/* What the last answer lies in. */
typedef struct last_answer {
    ph_arena arena;
    phial_hits *hits;
    uint32_t *ids;
} last_answer;

/* The last answer is no longer the asker's; what a caller passes on from it can still be read. */
static last_answer set_aside(phial_asker *a)
{
    last_answer last = {a->arena, a->hits, a->ids};
    ph_arena_init(&a->arena, ARENA_BYTES);
    a->hits = NULL;
    a->ids = NULL;
    a->passages = NULL;
    a->n_order = 0;
    a->answer = (phial_answer){.text = {"", 0}, .said = {"", 0}, .not_told = -1};
    return last;
}

static void forget(last_answer *last)
{
    ph_arena_free(&last->arena);
    phial_hits_free(last->hits);
    ph_free(last->ids);
}

static void forget_answer(phial_asker *a)
{
    last_answer last = set_aside(a);
    forget(&last);
}

void phial_asker_free(phial_asker *a)
{
    if (!a)
        return;
    forget_answer(a);
    ph_arena_free(&a->arena);
    for (size_t i = 0; i < PH_THREAD_TURNS; i++) {
        ph_buf_free(&a->thread[i].question);
        ph_buf_free(&a->thread[i].answer);
    }
    phial_encoder_free(a->encoder);
    ph_support_free(a->support);
    ph_free(a);
}

void phial_asker_clear(phial_asker *a)
{
    a->n_thread = 0;
}

/* --- the thread --- */

static void drop_oldest(phial_asker *a)
{
    ph_thread_turn first = a->thread[0];
    for (size_t i = 1; i < a->n_thread; i++)
        a->thread[i - 1] = a->thread[i];
    a->thread[--a->n_thread] = first;
}

/* What the model wrote goes into the next prompt, as text that is no part of its form. */
static phial_status remember(phial_asker *a, ph_str question, phial_error *err)
{
    if (!a->answer.follows_up)
        a->n_thread = 0;
    if (a->n_thread == PH_THREAD_TURNS)
        drop_oldest(a);
    ph_thread_turn *turn = &a->thread[a->n_thread];
    ph_str said = {a->answer.said.p, a->answer.said.n};
    if (said.n == 0)
        said = ph_str_from(PH_PASSAGES_NOT_TOLD);
    said.n = ph_utf8_cut(said.p, said.n, PH_THREAD_BYTES);
    ph_buf_clear(&turn->question);
    ph_buf_clear(&turn->answer);
    ph_buf_add(&turn->question, question.p, question.n);
    phial_status st = ph_answer_escape(&turn->answer, said, a->options.preset, err);
    if (st == PHIAL_OK)
        st = ph_buf_status(&turn->question, err);
    if (st == PHIAL_OK)
        a->n_thread++;
    a->n_kept = 0;
    for (size_t i = 0; i < a->n_order; i++) {
        const phial_passage *p = &a->passages[a->order[i]];
        a->kept[a->n_kept++] = (ph_kept_passage){p->chunk, p->start, p->end};
    }
    return st;
}

/* --- the prompt --- */

static size_t room_for_answer(const phial_asker *a, const phial_generation_options *g, size_t n_ctx)
{
    size_t n = a->options.answer_tokens;
    if (n == 0)
        n = g->n_new < n_ctx / 4 ? g->n_new : n_ctx / 4;
    return n < n_ctx ? n : n_ctx - 1;
}

static phial_status encode(phial_asker *a, const ph_ask_prompt *p, phial_error *err)
{
    ph_str texts[PHIAL_ANSWER_PASSAGES_MAX];
    for (size_t i = 0; i < a->n_order; i++) {
        const phial_text *t = &a->passages[a->order[i]].text;
        texts[i] = (ph_str){t->p, t->n};
    }
    ph_free(a->ids);
    a->ids = NULL;
    a->answer.prompt.n = 0;
    phial_status st = ph_ask_prompt_encode(&a->ids, &a->answer.prompt.n, p, texts, a->n_order, err);
    a->answer.prompt.ids = a->ids;
    return st;
}

static void leave_out_worst(phial_asker *a)
{
    size_t worst = 0;
    for (size_t i = 1; i < a->n_order; i++)
        worst = a->order[i] > a->order[worst] ? i : worst;
    for (size_t i = worst + 1; i < a->n_order; i++)
        a->order[i - 1] = a->order[i];
    a->n_order--;
}

/* What is left out, in turn, until the prompt fits: the thread's oldest questions, the worst
 * passages, the rest of the only passage. */
static phial_status fit_prompt(phial_asker *a, ph_ask_prompt *p, size_t each, phial_error *err)
{
    phial_status st = encode(a, p, err);
    while (st == PHIAL_OK && a->answer.prompt.n > p->room) {
        if (p->n_thread > 0) {
            p->thread++;
            p->n_thread--;
        } else if (a->n_order > 1) {
            leave_out_worst(a);
        } else if (each > PASSAGE_TOKENS && a->n_order == 1) {
            each /= 2;
            st = ph_asker_prepare(a, p->question, each, err);
        } else {
            return ph_err_set(err, PHIAL_ERR_CONTEXT_FULL,
                              "the question and a passage of it have %zu tokens, and the context "
                              "has room for %zu beside the answer",
                              a->answer.prompt.n, p->room);
        }
        if (st == PHIAL_OK)
            st = encode(a, p, err);
    }
    for (size_t i = 0; i < a->n_order; i++)
        a->passages[a->order[i]].number = i + 1;
    a->answer.n_dropped = a->answer.n_passages - a->n_order;
    return st;
}

/* --- the model --- */

/* The probability that the model goes on with the sentence that says that the passages do not tell,
 * or what it is at most, once that is less than NOT_TOLD_LEAST. */
static phial_status look_at_not_told(phial_asker *a, const phial_generation_options *g,
                                     phial_error *err)
{
    static const char text[] = " " PH_PASSAGES_NOT_TOLD;
    phial_model_info info = {.size = sizeof info};
    size_t n = a->answer.prompt.n, n_tail = 0;
    phial_status st = phial_model_get_info(g->session->engine->model, &info, err);
    if (st == PHIAL_OK)
        st = phial_encoder_run(a->encoder, text, sizeof text - 1, 0, err);
    if (st != PHIAL_OK)
        return st;
    const uint32_t *tail = phial_encoder_ids(a->encoder, &n_tail);
    if (n_tail > NOT_TOLD_TOKENS || n + n_tail > phial_session_n_ctx(g->session))
        return PHIAL_OK;
    uint32_t *ids = ph_alloc(n + n_tail, sizeof *ids, err);
    if (!ids)
        return PHIAL_ERR_NO_MEMORY;
    memcpy(ids, a->ids, n * sizeof *ids);
    memcpy(ids + n, tail, n_tail * sizeof *ids);
    double log_p = 0;
    for (size_t i = 0; i < n_tail && st == PHIAL_OK; i++) {
        st = phial_session_sync(g->session, ids, n + i, err);
        if (i == 0)
            a->answer.n_reused = phial_session_n_reused(g->session);
        if (st == PHIAL_OK)
            log_p +=
                ph_score_log_prob(phial_session_logits(g->session), info.n_vocab, ids[n + i], NULL);
        if (!(exp(log_p) > NOT_TOLD_LEAST))
            break;
    }
    ph_free(ids);
    a->answer.not_told = isfinite(log_p) ? exp(log_p) : 0;
    return st;
}

static phial_status keep_said(phial_asker *a, phial_text text, phial_error *err)
{
    while (text.n > 0 && memchr(" \t\r\n", text.p[0], 4)) {
        text.p++;
        text.n--;
    }
    while (text.n > 0 && memchr(" \t\r\n", text.p[text.n - 1], 4))
        text.n--;
    return ph_asker_copy(a, &a->answer.said, text.p, text.n, err);
}

static phial_status write_answer(phial_asker *a, const phial_generation_options *given,
                                 phial_error *err)
{
    phial_generation_options g = *given;
    phial_generation *generation = NULL;
    phial_generation_result r = {.size = sizeof r};
    g.prompt = a->answer.prompt;
    phial_status st = phial_generation_new(&generation, &g, err);
    if (st == PHIAL_OK)
        st = phial_generation_run(generation, err);
    if (st == PHIAL_OK)
        st = phial_generation_get_result(generation, &r, err);
    if (st == PHIAL_OK)
        st = keep_said(a, r.text, err);
    if (st == PHIAL_OK) {
        phial_answer *answer = &a->answer;
        answer->finish = r.finish;
        answer->n_generated = r.ids.n;
        answer->first_ms += r.ttft_ms;
        answer->prefill_ms += r.prefill_ms;
        answer->decode_ms = r.decode_ms;
        if (answer->not_told < 0)
            answer->n_reused = r.n_reused;
    }
    phial_generation_free(generation);
    return st;
}

/* Writes, unless it is clear before that there is no answer. */
static phial_status answer_or_abstain(phial_asker *a, const phial_generation_options *g,
                                      phial_error *err)
{
    phial_answer *answer = &a->answer;
    answer->about = ph_support_about(a->support);
    if (answer->n_passages == 0 || answer->about < a->options.min_about) {
        answer->abstained =
            answer->n_passages == 0 ? PHIAL_ABSTAIN_NO_PASSAGE : PHIAL_ABSTAIN_OFF_TOPIC;
        return PHIAL_OK;
    }
    phial_status st = PHIAL_OK;
    if (a->options.max_not_told < 1) {
        uint64_t began = ph_clock_ns();
        st = look_at_not_told(a, g, err);
        answer->prefill_ms = answer->first_ms = (double)(ph_clock_ns() - began) * 1e-6;
        if (st == PHIAL_OK && answer->not_told > a->options.max_not_told) {
            answer->abstained = PHIAL_ABSTAIN_NOT_TOLD;
            return PHIAL_OK;
        }
    }
    if (st == PHIAL_OK)
        st = write_answer(a, g, err);
    return st;
}

/* --- asking --- */

static phial_status check_question(phial_text question, phial_error *err)
{
    if (question.n == 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "the question is empty");
    if (question.n > PHIAL_QUESTION_BYTES_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "a question of %zu bytes, more than %u", question.n,
                          PHIAL_QUESTION_BYTES_MAX);
    return PHIAL_OK;
}

static phial_status use_tokenizer(phial_asker *a, const phial_generation_options *g,
                                  phial_error *err)
{
    if (!g->session || !g->sampler || !g->tokenizer)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "asking needs a session, a sampler and a tokenizer");
    if (a->tokenizer == g->tokenizer)
        return PHIAL_OK;
    phial_encoder_free(a->encoder);
    a->encoder = NULL;
    a->tokenizer = NULL;
    phial_status st = phial_encoder_new(&a->encoder, g->tokenizer, err);
    if (st == PHIAL_OK)
        a->tokenizer = g->tokenizer;
    return st;
}

static void finish(phial_asker *a, const phial_answer **out)
{
    phial_answer *answer = &a->answer;
    answer->passages = a->passages;
    if (answer->abstained)
        answer->text = (phial_text){PHIAL_ANSWER_NOT_FOUND, sizeof PHIAL_ANSWER_NOT_FOUND - 1};
    *out = answer;
}

/* The passages are there. */
static phial_status ask_over(phial_asker *a, ph_str question, const phial_generation_options *g,
                             phial_error *err)
{
    size_t n_ctx = phial_session_n_ctx(g->session), room = n_ctx - room_for_answer(a, g, n_ctx);
    size_t each = a->options.passage_tokens;
    if (each == 0)
        each = (room - room / FORM_SHARE) / a->options.search.k;
    ph_ask_prompt p = {.preset = a->options.preset,
                       .options = a->options.prompt,
                       .tokenizer = a->tokenizer,
                       .encoder = a->encoder,
                       .thread = a->thread,
                       .n_thread = a->answer.follows_up ? a->n_thread : 0,
                       .question = question,
                       .room = room};
    if (p.n_thread == PH_THREAD_TURNS) {
        p.thread++;
        p.n_thread--;
    }
    phial_status st = ph_asker_prepare(a, question, each, err);
    if (st != PHIAL_OK)
        return st;
    ph_asker_order(a);
    if (a->answer.n_passages > 0)
        st = fit_prompt(a, &p, each, err);
    if (st == PHIAL_OK)
        st = answer_or_abstain(a, g, err);
    if (st == PHIAL_OK && !a->answer.abstained) {
        st = ph_asker_question(a, question, err);
        if (st == PHIAL_OK)
            st = ph_asker_cite(a, err);
    }
    return st == PHIAL_OK ? remember(a, question, err) : st;
}

phial_status phial_asker_ask(phial_asker *a, const phial_answer **out, phial_text question,
                             const phial_generation_options *g, phial_error *err)
{
    ph_str q = {question.p, question.n};
    *out = NULL;
    last_answer last = set_aside(a);
    phial_status st = check_question(question, err);
    if (st == PHIAL_OK && !a->collection)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "asking: no collection and no passages");
    if (st == PHIAL_OK)
        st = use_tokenizer(a, g, err);
    if (st == PHIAL_OK)
        st = ph_asker_follows_up(a, &a->answer.follows_up, q, err);
    uint64_t began = ph_clock_ns();
    if (st == PHIAL_OK)
        st = ph_asker_search(a, q, err);
    a->answer.search_ms = (double)(ph_clock_ns() - began) * 1e-6;
    if (st == PHIAL_OK)
        st = ask_over(a, q, g, err);
    if (st == PHIAL_OK)
        finish(a, out);
    forget(&last);
    return st;
}

phial_status phial_asker_ask_over(phial_asker *a, const phial_answer **out, phial_text question,
                                  const phial_passage *passages, size_t n_passages,
                                  const phial_generation_options *g, phial_error *err)
{
    ph_str q = {question.p, question.n};
    *out = NULL;
    last_answer last = set_aside(a);
    phial_status st = check_question(question, err);
    if (st == PHIAL_OK)
        st = use_tokenizer(a, g, err);
    if (st == PHIAL_OK)
        st = ph_asker_follows_up(a, &a->answer.follows_up, q, err);
    if (st == PHIAL_OK)
        st = ph_asker_take(a, passages, n_passages, err);
    if (st == PHIAL_OK)
        st = ask_over(a, q, g, err);
    if (st == PHIAL_OK)
        finish(a, out);
    forget(&last);
    return st;
}

phial_status phial_asker_check(phial_asker *a, const phial_answer **out, phial_text question,
                               const phial_passage *passages, size_t n_passages, phial_text text,
                               phial_error *err)
{
    ph_str q = {question.p, question.n};
    *out = NULL;
    last_answer last = set_aside(a);
    phial_status st = check_question(question, err);
    if (st == PHIAL_OK)
        st = ph_asker_take(a, passages, n_passages, err);
    a->n_kept = 0;
    if (st == PHIAL_OK)
        st = keep_said(a, text, err);
    ph_asker_order(a);
    if (st == PHIAL_OK)
        st = ph_asker_question(a, q, err);
    if (st == PHIAL_OK)
        st = ph_asker_cite(a, err);
    if (st == PHIAL_OK) {
        a->answer.about = ph_support_about(a->support);
        finish(a, out);
    }
    forget(&last);
    return st;
}
