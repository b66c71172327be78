/* The facts of the textbook's passages, which are told and asked in several ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/textbook_clause_event.h"
#include "train/textbook_grammar.h"
#include "train/textbook_passage.h"
#include "train/textbook_value.h"

static phial_error err;

static bool same_bytes(const ph_buf *a, const ph_buf *b)
{
    return ph_str_eq((ph_str){a->data, a->len}, (ph_str){b->data, b->len});
}

static bool stands_in(const ph_buf *part, const ph_buf *whole)
{
    return part->len > 0 && memmem(whole->data, whole->len, part->data, part->len) != NULL;
}

typedef struct fact_row {
    const char *frame, *key, *sentences, *questions;
} fact_row;

static const fact_row fact_rows[] = {
#define PH_FRAME(name, lead, pronoun, share)
#define PH_FACT(frame, key, sentences, questions, absent) {#frame, #key, sentences, questions},
#include "train/textbook_facts.def"
#undef PH_FRAME
#undef PH_FACT
};

#define N_FACT_ROWS (sizeof fact_rows / sizeof fact_rows[0])

static bool same_fact(const fact_row *a, const fact_row *b)
{
    return strcmp(a->frame, b->frame) == 0 && strcmp(a->key, b->key) == 0;
}

/* The writer draws one of them by their place. */
static void test_ways_lie_together(void **state)
{
    (void)state;
    for (size_t a = 0; a < N_FACT_ROWS; a++) {
        for (size_t b = a + 2; b < N_FACT_ROWS; b++) {
            if (same_fact(&fact_rows[a], &fact_rows[b]) &&
                !same_fact(&fact_rows[b - 1], &fact_rows[b]))
                fail_msg("%s %s stands in two places", fact_rows[a].frame, fact_rows[a].key);
        }
    }
}

/* What it takes to write passages alone. last: the group that was chosen from last. */
typedef struct bench {
    ph_textbook_options options;
    ph_tb_words *tables;
    ph_str *words;
    ph_tb_passage *passage;
    ph_tb_room room;
    ph_tb t;
    ph_buf text, question, answer;
    const char *last;
} bench;

/* Framings come last of all and are not what is looked for. */
static void on_question(void *user, const char *group, size_t index)
{
    bench *b = user;
    (void)index;
    if (group != ph_tb_phrase(ph_str_from("framing")))
        b->last = group;
}

static void bench_open(bench *b, uint64_t seed)
{
    *b = (bench){0};
    ph_textbook_options_default(&b->options);
    b->options.on_pick = on_question;
    b->options.user = b;
    assert_int_equal(ph_tb_words_new(&b->tables, &b->words, &err), PHIAL_OK);
    b->passage = ph_tb_passage_new(&err);
    assert_non_null(b->passage);
    b->t = (ph_tb){
        .options = &b->options, .tables = b->tables, .passage = b->passage, .room = &b->room};
    ph_rng_seed(&b->t.rng, seed, 0);
}

static void bench_close(bench *b)
{
    ph_tb_passage_free(b->passage);
    free(b->tables);
    free(b->words);
    ph_buf *all[] = {&b->text, &b->question, &b->answer};
    for (size_t i = 0; i < 3; i++)
        ph_buf_free(all[i]);
    for (size_t i = 0; i < PH_TB_DEPTH; i++)
        ph_buf_free(&b->room.values[i]);
}

static void bench_passage(bench *b, size_t n_sentences)
{
    b->t.n_used = 0;
    ph_tb_passage_clear(b->passage);
    ph_buf_clear(&b->text);
    assert_true(ph_tb_passage_add(&b->t, &b->text, n_sentences));
}

static void test_a_fact_is_told_once(void **state)
{
    (void)state;
    static bench b;
    bench_open(&b, 1);
    size_t n_other_way = 0;
    for (int i = 0; i < 5000; i++) {
        bench_passage(&b, 7);
        ph_tb_told one, other;
        for (size_t a = 0; ph_tb_passage_told(b.passage, a, &one); a++) {
            for (size_t c = a + 1; ph_tb_passage_told(b.passage, c, &other); c++) {
                if (strcmp(one.frame, other.frame) != 0 || strcmp(one.key, other.key) != 0)
                    continue;
                if (one.unit == other.unit)
                    fail_msg("%s %s is told twice: %s", one.frame, one.key, b.text.data);
                n_other_way += one.sentences != other.sentences;
            }
        }
    }
    assert_true(n_other_way > 100);
    bench_close(&b);
}

/* The row that a group of questions is a part of. */
static const fact_row *row_of(const char *group)
{
    for (size_t i = 0; group && i < N_FACT_ROWS; i++) {
        if (ph_str_ends_with(ph_str_from(fact_rows[i].questions), group))
            return &fact_rows[i];
    }
    fail_msg("no question of a fact: %s", group);
    return NULL;
}

static void test_asked_in_the_words_of_any_way(void **state)
{
    (void)state;
    static bench b;
    bench_open(&b, 2);
    size_t n_own = 0, n_other = 0;
    for (int i = 0; i < 20000; i++) {
        bench_passage(&b, 1);
        if (!ph_tb_passage_ask(&b.t, &b.question, &b.answer))
            continue;
        assert_true(stands_in(&b.answer, &b.text));
        ph_tb_told told;
        assert_true(ph_tb_passage_told(b.passage, 0, &told));
        if (strcmp(told.frame, PH_TB_CLAUSE_FRAME) == 0)
            continue; /* no row of the tables */
        const fact_row *row = row_of(b.last);
        bool own = false, other = false;
        for (size_t k = 0; ph_tb_passage_told(b.passage, k, &told); k++) {
            bool way = strcmp(told.frame, row->frame) == 0 && strcmp(told.key, row->key) == 0;
            own = own || (way && strcmp(told.sentences, row->sentences) == 0);
            other = other || way;
        }
        if (!other)
            fail_msg("%s asks for what was not told: %s", b.question.data, b.text.data);
        n_own += own;
        n_other += !own;
    }
    print_message("asked in the words it was told in %zu times, in others %zu times\n", n_own,
                  n_other);
    assert_true(n_own > 5000 && n_other > 200);
    bench_close(&b);
}

#define ASKED 40

/* The same question has the same answer, or none, whichever way asks. */
static void test_one_answer_in_any_way(void **state)
{
    (void)state;
    static bench b;
    static ph_buf asked[ASKED], answers[ASKED];
    bench_open(&b, 3);
    size_t n_again = 0, n_absent = 0;
    for (int i = 0; i < 1500; i++) {
        bench_passage(&b, 2);
        for (int k = 0; k < ASKED; k++) {
            ph_buf_clear(&asked[k]);
            ph_buf_clear(&answers[k]);
            ph_tb_passage_ask(&b.t, &asked[k], &answers[k]);
            for (int a = 0; a < k && asked[k].len > 0; a++) {
                bool again = same_bytes(&asked[a], &asked[k]);
                n_again += again;
                if (again && !same_bytes(&answers[a], &answers[k]))
                    fail_msg("'%s' has two answers: %s", asked[k].data, b.text.data);
            }
        }
        for (int k = 0; k < ASKED; k++) {
            if (!ph_tb_passage_ask_absent(&b.t, &b.question))
                continue;
            n_absent++;
            for (int a = 0; a < ASKED; a++) {
                if (same_bytes(&asked[a], &b.question))
                    fail_msg("'%s' has an answer: %s", b.question.data, b.text.data);
            }
        }
    }
    assert_true(n_again > 10000 && n_absent > 10000);
    for (size_t a = 0; a < ASKED; a++) {
        ph_buf_free(&asked[a]);
        ph_buf_free(&answers[a]);
    }
    bench_close(&b);
}

/* --- sentences that are put together ---------------------------------------------------------- */

/* Nothing is left of shapes and slots, no part is missing between two blanks. */
static bool is_whole(const ph_buf *text)
{
    static const char *const wrong[] = {"  ", " .", " ,", " ?", "%", "{", "}", "|", "~", "=>"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (strstr(text->data, wrong[i]) != NULL)
            return false;
    }
    return text->len > 0;
}

static void test_clauses_are_whole(void **state)
{
    (void)state;
    static bench b;
    size_t n = 0, n_asked = 0;
    bench_open(&b, 4);
    for (int i = 0; i < 20000; i++) {
        ph_tb_told told;
        bench_passage(&b, 1);
        assert_true(ph_tb_passage_told(b.passage, 0, &told));
        if (strcmp(told.frame, PH_TB_CLAUSE_FRAME) != 0)
            continue;
        n++;
        if (!is_whole(&b.text))
            fail_msg("'%s'", b.text.data);
        for (int k = 0; k < 4; k++) {
            bool asked = k < 2 ? ph_tb_passage_ask(&b.t, &b.question, &b.answer)
                               : ph_tb_passage_ask_absent(&b.t, &b.question);
            if (asked && (!is_whole(&b.question) || (k < 2 && !is_whole(&b.answer))))
                fail_msg("'%s', '%s'", b.question.data, b.answer.data);
            n_asked += asked;
        }
    }
    print_message("%zu sentences put together, %zu questions\n", n, n_asked);
    assert_true(n > 3000 && n_asked > 3 * n);
    bench_close(&b);
}

/* The forms of a verb, and what goes with a subject of two. */
static void test_tenses_of_events(void **state)
{
    (void)state;
    static const char *const finite[] = {"wrote", "writes", "will write", "has written"};
    static const char *const asked[] = {"did write", "does write", "will write", "has written"};
    static const char *const passive[] = {"was written", "is written", "will be written",
                                          "has been written"};
    static bench b;
    bench_open(&b, 5);
    for (int tense = PH_TB_PAST; tense <= PH_TB_PERFECT; tense++) {
        ph_tb_event e = {.tense = (ph_tb_tense)tense,
                         .base = "write",
                         .past = "wrote",
                         .participle = "written",
                         .third = "writes"};
        const char *const *wanted[] = {finite, asked, passive};
        const char *const shapes[] = {"%f", "%d %b", "%p"};
        for (int i = 0; i < 3; i++) {
            ph_buf_clear(&b.text);
            ph_tb_event_say(&b.t, &e, &b.text, ph_str_from(shapes[i]), 0);
            assert_string_equal(b.text.data, wanted[i][tense]);
        }
        e.many_subjects = true;
        ph_buf_clear(&b.text);
        ph_tb_event_say(&b.t, &e, &b.text, ph_str_from("%f"), 0);
        assert_string_equal(b.text.data, tense == PH_TB_PRESENT   ? "write"
                                         : tense == PH_TB_PERFECT ? "have written"
                                                                  : finite[tense]);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_lie_together),
        cmocka_unit_test(test_a_fact_is_told_once),
        cmocka_unit_test(test_asked_in_the_words_of_any_way),
        cmocka_unit_test(test_one_answer_in_any_way),
        cmocka_unit_test(test_clauses_are_whole),
        cmocka_unit_test(test_tenses_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
