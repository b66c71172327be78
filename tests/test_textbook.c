/* The textbook writer: what it promises about every line, and that what is held out stays out.
 * labels: slow
 * wrap: calloc realloc aligned_alloc
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/json.h"
#include "cli_run.h"
#include "tok/passages.h"
#include "torture.h"
#include "train/textbook.h"
#include "train/textbook_grammar.h"
#include "train/textbook_passage.h"
#include "train/textbook_tales.h"
#include "train/textbook_value.h"

static phial_error err;

static ph_textbook *open_book(ph_textbook_split split, uint64_t seed, const char *kinds,
                              ph_textbook_pick_fn on_pick, void *user)
{
    ph_textbook *book = NULL;
    ph_textbook_options o;
    ph_textbook_options_default(&o);
    o.split = split;
    o.seed = seed;
    o.on_pick = on_pick;
    o.user = user;
    for (size_t i = 0; i < PH_TEXTBOOK_N_KINDS; i++) {
        if (kinds && !strstr(kinds, ph_textbook_kind_at(i)->name))
            o.weights[i] = 0;
        else if (kinds && o.weights[i] == 0)
            o.weights[i] = 1;
    }
    assert_int_equal(ph_textbook_new(&book, &o, &err), PHIAL_OK);
    return book;
}

static const ph_textbook_example *next(ph_textbook *book)
{
    const ph_textbook_example *ex = NULL;
    if (ph_textbook_next(book, &ex, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    return ex;
}

static ph_str text_of(const ph_buf *b)
{
    return (ph_str){b->data, b->len};
}

/* --- the stream --- */

static void lines(ph_buf *out, ph_textbook_split split, uint64_t seed, uint64_t from, int n)
{
    ph_textbook *book = open_book(split, seed, NULL, NULL, NULL);
    ph_textbook_seek(book, from);
    for (int i = 0; i < n; i++)
        assert_int_equal(ph_textbook_add_json(out, next(book), true, &err), PHIAL_OK);
    ph_textbook_free(book);
}

static bool same_bytes(const ph_buf *a, const ph_buf *b)
{
    return ph_str_eq(text_of(a), text_of(b));
}

static void test_same_seed_same_lines(void **state)
{
    (void)state;
    ph_buf a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, late = {0};
    lines(&a, PH_TEXTBOOK_TRAIN, 7, 0, 300);
    lines(&b, PH_TEXTBOOK_TRAIN, 7, 0, 300);
    lines(&c, PH_TEXTBOOK_TRAIN, 8, 0, 300);
    lines(&d, PH_TEXTBOOK_DEV, 7, 0, 300);
    lines(&e, PH_TEXTBOOK_TEST, 7, 0, 300);
    lines(&late, PH_TEXTBOOK_TRAIN, 7, 200, 100);
    assert_true(same_bytes(&a, &b));
    assert_false(same_bytes(&a, &c));
    assert_false(same_bytes(&a, &d));
    assert_false(same_bytes(&a, &e));
    assert_true(ph_str_ends_with(text_of(&a), late.data));
    ph_buf *all[] = {&a, &b, &c, &d, &e, &late};
    for (size_t i = 0; i < 6; i++)
        ph_buf_free(all[i]);
}

/* The bytes of a seed are a promise: models are made again from it. */
static void test_bytes_of_a_seed(void **state)
{
    (void)state;
    ph_buf a = {0}, b = {0};
    lines(&a, PH_TEXTBOOK_TRAIN, 1, 0, 2000);
    char *program = NULL;
    assert_true(asprintf(&program, "$PHIAL textbook write --local -n 2000 --facts >%s/tb.jsonl",
                         PHIAL_BUILD_DIR) > 0);
    assert_int_equal(cli_run(program)->code, 0);
    free(program);
    FILE *f = fopen(PHIAL_BUILD_DIR "/tb.jsonl", "rb");
    assert_non_null(f);
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        ph_buf_add(&b, block, n);
    fclose(f);
    unlink(PHIAL_BUILD_DIR "/tb.jsonl");
    assert_true(same_bytes(&a, &b));
    ph_buf_free(&a);
    ph_buf_free(&b);
}

static void check_completion(ph_str s)
{
    assert_true(s.n > 0);
    assert_true(s.p[s.n - 1] != ' ' && s.p[s.n - 1] != '\n');
    static const char *const turns[] = {"Instruct:", "Output:", "Alice:", "Bob:"};
    for (size_t i = 0; i < 4; i++)
        assert_null(memmem(s.p, s.n, turns[i], strlen(turns[i])));
}

static void check_prompt(ph_str s)
{
    bool instruct = ph_str_starts_with(s, "Instruct: ") && ph_str_ends_with(s, "\nOutput:");
    bool chat = ph_str_starts_with(s, "Alice: ") && ph_str_ends_with(s, "\nBob:");
    if (!instruct && !chat)
        fail_msg("a prompt of no known form: %.*s", (int)s.n, s.p);
}

static void check_messages(const ph_json *messages)
{
    size_t n = ph_json_count(messages);
    assert_true(n >= 4 && n % 2 == 0);
    for (size_t i = 0; i < n; i++) {
        ph_str role, content;
        assert_true(ph_json_str(ph_json_get(ph_json_at(messages, i), "role"), &role));
        assert_true(ph_json_str(ph_json_get(ph_json_at(messages, i), "content"), &content));
        assert_true(ph_str_eq_c(role, i % 2 == 0 ? "user" : "assistant"));
        check_completion(content);
    }
}

static void check_line(const ph_textbook_example *ex)
{
    ph_buf line = {0};
    assert_int_equal(ph_textbook_add_json(&line, ex, false, &err), PHIAL_OK);
    assert_int_equal(line.data[line.len - 1], '\n');
    assert_ptr_equal(memchr(line.data, '\n', line.len), line.data + line.len - 1);
    ph_json *root = ph_json_parse(line.data, line.len, &err);
    if (!root)
        fail_msg("%s: %s", line.data, err.message);
    ph_str prompt, completion, text;
    if (ph_json_str(ph_json_get(root, "prompt"), &prompt)) {
        assert_int_equal(ph_json_count(root), 2);
        assert_true(ph_json_str(ph_json_get(root, "completion"), &completion));
        check_prompt(prompt);
        assert_true(completion.p[0] == ' ' || completion.p[0] == '\n');
        check_completion(completion);
    } else if (ph_json_get(root, "messages")) {
        assert_int_equal(ph_json_count(root), 1);
        check_messages(ph_json_get(root, "messages"));
    } else {
        assert_int_equal(ph_json_count(root), 1);
        assert_true(ph_json_str(ph_json_get(root, "text"), &text));
        check_completion(text);
    }
    ph_json_free(root);
    /* No slot was left unfilled. */
    if (ex->kind != PH_TEXTBOOK_code) {
        if (strpbrk(line.data + 1, "{}") != line.data + line.len - 2 && ex->dialog.len == 0)
            fail_msg("a slot in %s", line.data);
        assert_null(memmem(ex->dialog.data, ex->dialog.len, "{", 1));
    }
    ph_buf_free(&line);
}

static void test_every_line(void **state)
{
    (void)state;
    static const ph_textbook_split splits[] = {PH_TEXTBOOK_TRAIN, PH_TEXTBOOK_DEV,
                                               PH_TEXTBOOK_TEST};
    size_t of_kind[PH_TEXTBOOK_N_KINDS] = {0};
    for (size_t s = 0; s < 3; s++) {
        ph_textbook *book = open_book(splits[s], 11, NULL, NULL, NULL);
        for (int i = 0; i < 8000; i++) {
            if (i == 7700) {
                ph_textbook_free(book);
                book = open_book(splits[s], 11, "words copy pages", NULL, NULL); /* of no weight */
            }
            const ph_textbook_example *ex = next(book);
            of_kind[ex->kind]++;
            check_line(ex);
        }
        ph_textbook_free(book);
    }
    for (size_t i = 0; i < PH_TEXTBOOK_N_KINDS; i++)
        assert_true(of_kind[i] > 50);
}

/* Rows of verbs hold three forms; one of them is a word, all of them are none. */
static void test_words_are_words(void **state)
{
    (void)state;
    ph_textbook *book = open_book(PH_TEXTBOOK_TRAIN, 3, "words", NULL, NULL);
    for (int i = 0; i < 2000; i++) {
        const ph_textbook_example *ex = next(book);
        assert_null(memchr(ex->answer.data, '/', ex->answer.len));
    }
    ph_textbook_free(book);
}

/* --- questions --- */

static bool stands_in(const ph_buf *part, const ph_buf *whole)
{
    return part->len > 0 && memmem(whole->data, whole->len, part->data, part->len) != NULL;
}

static void test_answers_stand_in_passages(void **state)
{
    (void)state;
    for (int split = PH_TEXTBOOK_TRAIN; split <= PH_TEXTBOOK_TEST; split++) {
        ph_textbook *book =
            open_book((ph_textbook_split)split, 5, "answer absent passages", NULL, NULL);
        size_t n_absent = 0, n_told = 0;
        for (int i = 0; i < 10000; i++) {
            const ph_textbook_example *ex = next(book);
            bool absent = strcmp(ex->answer.data, PH_PASSAGES_NOT_TOLD) == 0;
            assert_true(ex->question.len > 0 && isupper((unsigned char)ex->question.data[0]));
            assert_non_null(strpbrk(ex->question.data, "?."));
            assert_true(absent || ex->kind != PH_TEXTBOOK_absent);
            assert_true(!absent || ex->kind != PH_TEXTBOOK_answer);
            assert_string_equal(ex->completion.data + 1, ex->answer.data);
            if (!absent && !stands_in(&ex->answer, &ex->passage))
                fail_msg("'%s' is not in '%s'", ex->answer.data, ex->passage.data);
            assert_true(stands_in(&ex->question, &ex->prompt) ||
                        ph_str_ends_with(text_of(&ex->prompt), ":"));
            n_absent += absent;
            n_told += !absent;
        }
        ph_textbook_free(book);
        assert_true(n_absent > 1000 && n_told > 1000);
    }
}

/* One passage, one question, two answers: never. Passages of one sentence come again often enough
 * in many examples that a question without an answer would meet itself with one. */
static void test_absent_is_absent(void **state)
{
    (void)state;
    ph_textbook *book = open_book(PH_TEXTBOOK_TRAIN, 21, "dialog", NULL, NULL);
    size_t n = 0;
    for (int i = 0; i < 5000; i++) {
        const ph_textbook_example *ex = next(book);
        const char *says[32];
        size_t n_says = 0;
        for (size_t at = 0; at < ex->dialog.len; at += strlen(ex->dialog.data + at) + 1) {
            assert_true(n_says < 32);
            says[n_says++] = ex->dialog.data + at;
        }
        for (size_t a = 1; a < n_says; a += 2) {
            bool absent = strcmp(says[a], PH_PASSAGES_NOT_TOLD) == 0;
            if (!absent)
                assert_non_null(strstr(ex->passage.data, says[a]));
            n += absent;
            for (size_t b = a + 2; b < n_says; b += 2)
                assert_string_not_equal(says[a - 1], says[b - 1]);
        }
    }
    assert_true(n > 1000);
    ph_textbook_free(book);
}

static void test_numbered_form(void **state)
{
    (void)state;
    ph_buf out = {0};
    ph_str passages[] = {ph_str_from("One."), ph_str_from("Two.\n[9] Three.\r\nQuestion: four?")};
    assert_true(ph_passages_add_request(&out, passages, 2, ph_str_from("Who?\nOutput: me")));
    assert_string_equal(out.data, "Answer from the passages.\n[1] One.\n"
                                  "[2] Two. [9] Three.  Question: four?\n"
                                  "Question: Who? Output: me");
    ph_buf_free(&out);
    ph_textbook *book = open_book(PH_TEXTBOOK_TRAIN, 2, "passages pages", NULL, NULL);
    for (int i = 0; i < 500; i++) {
        const ph_textbook_example *ex = next(book);
        size_t n = 0;
        assert_non_null(strstr(ex->prompt.data, ": " PH_PASSAGES_INSTRUCTION "\n[1] "));
        for (const char *p = ex->passage.data; p && *p; n++) {
            p = strchr(p, '\n');
            p = p ? p + 1 : NULL;
        }
        for (const char *p = ex->prompt.data; (p = strstr(p, "\n[")) != NULL; p += 2)
            n--;
        assert_int_equal(n, 0);
    }
    ph_textbook_free(book);
}

/* --- sums --- */

static bool has_word(const char *text, const char *word)
{
    return strstr(text, word) != NULL;
}

static void check_list(const char *text)
{
    unsigned long a, b, c;
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        assert_int_equal(sscanf(p, "%lu + %lu = %lu", &a, &b, &c), 3);
        assert_int_equal(a + b, c);
    }
}

static void check_sum(const ph_textbook_example *ex)
{
    const char *q = ex->question.data;
    unsigned long n[2], count = 0, answer = strtoul(ex->answer.data, NULL, 10), right;
    for (const char *p = q; *p; p++) {
        if (isdigit((unsigned char)*p) && (p == q || !isdigit((unsigned char)p[-1]))) {
            assert_true(count < 2);
            n[count++] = strtoul(p, NULL, 10);
        }
    }
    assert_int_equal(count, 2);
    if (has_word(q, "larger") || has_word(q, "bigger") || has_word(q, "more, "))
        right = n[0] > n[1] ? n[0] : n[1];
    else if (has_word(q, " * ") || has_word(q, "times") || has_word(q, "Multiply"))
        right = n[0] * n[1];
    else if (has_word(q, "Take ") || has_word(q, "Subtract"))
        right = n[1] > n[0] ? n[1] - n[0] : n[0] - n[1];
    else if (has_word(q, " - ") || has_word(q, "minus"))
        right = n[0] - n[1];
    else
        right = n[0] + n[1];
    if (right != answer)
        fail_msg("%s %s", q, ex->answer.data);
}

static void mark_pairs(bool seen[100][100], const char *text)
{
    unsigned a, b;
    for (const char *p = text; *p; p++) {
        if (isdigit((unsigned char)*p) && (p == text || !isdigit((unsigned char)p[-1])) &&
            sscanf(p, "%2u + %2u", &a, &b) == 2 && a >= 10 && b >= 10)
            seen[a][b] = true;
    }
}

static void test_sums(void **state)
{
    (void)state;
    static bool seen[2][100][100];
    size_t n[2] = {0}, both = 0;
    for (int test = 0; test < 2; test++) {
        ph_textbook *book =
            open_book(test ? PH_TEXTBOOK_TEST : PH_TEXTBOOK_TRAIN, 3, "sum", NULL, NULL);
        for (int i = 0; i < 30000; i++) {
            const ph_textbook_example *ex = next(book);
            if (ex->prompt.len == 0)
                check_list(ex->completion.data);
            else
                check_sum(ex);
            mark_pairs(seen[test], ex->prompt.len ? ex->question.data : ex->completion.data);
        }
        ph_textbook_free(book);
    }
    for (int a = 10; a < 100; a++) {
        for (int b = 10; b < 100; b++) {
            n[0] += seen[0][a][b];
            n[1] += seen[1][a][b];
            both += (seen[0][a][b] || seen[0][b][a]) && seen[1][a][b];
        }
    }
    /* All 8,100 pairs are on one side or the other. */
    assert_int_equal(both, 0);
    assert_true(n[0] > 6000 && n[1] > 1200 && n[0] + n[1] <= 8100);
}

/* --- haiku, stories, jokes --- */

static void test_syllables(void **state)
{
    (void)state;
    /* Counted by ear. */
    static const struct {
        const char *text;
        size_t n;
    } known[] = {
        {"the old silent pond", 5},
        {"a frog jumps into the pond", 7},
        {"splash! Silence again", 5},
        {"candle", 2},
        {"lake", 1},
        {"lakes", 1},
        {"wishes", 2},
        {"trembles", 2},
        {"remembers", 3},
        {"awakens", 3},
        {"butterfly", 3},
        {"village", 2},
        {"whispers", 2},
        {"is gone", 2},
        {"shines", 1},
        {"smiles", 1},
        {"rises", 2},
        {"passes", 2},
        {"branch", 1},
        {"feather", 2},
        {"delicate", 3},
        {"endless", 2},
        {"lonely", 2},
        {"distant", 2},
        {"autumn", 2},
        {"October", 3},
        {"April", 2},
        {"evening", 2},
        {"beside the lake", 4},
        {"through the night", 3},
        {"under the old tree", 5},
        {"in the long grass", 4},
        {"umbrella", 3},
        {"elephant", 3},
        {"crocodile", 3},
        {"strawberry", 3},
        {"lighthouse", 2},
        {"snowflake", 2},
        {"sunrise", 2},
        {"rainbow", 2},
        {"little", 2},
        {"frozen", 2},
        {"golden", 2},
        {"echo", 2},
        {"silence", 2},
        {"moves", 1},
        {"fades", 1},
        {"wave", 1},
        {"bicycle", 3},
        {"dragonfly", 3},
        {"sunflower", 3},
        {"weary", 2},
        {"hides", 1},
        {"listens", 2},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (ph_tb_syllables(ph_str_from(known[i].text)) != known[i].n)
            fail_msg("%s: %zu", known[i].text, ph_tb_syllables(ph_str_from(known[i].text)));
    }
}

static void test_haiku(void **state)
{
    (void)state;
    for (int split = PH_TEXTBOOK_TRAIN; split <= PH_TEXTBOOK_TEST; split++) {
        ph_textbook *book = open_book((ph_textbook_split)split, 4, "haiku", NULL, NULL);
        for (int i = 0; i < 3000; i++) {
            const ph_textbook_example *ex = next(book);
            size_t n = 0;
            ph_str rest = {ex->completion.data + 1, ex->completion.len - 1}, line;
            for (; ph_tb_split(&rest, '\n', &line); n++)
                assert_int_equal(ph_tb_syllables(line), n == 1 ? 7 : 5);
            assert_int_equal(n, 3);
            assert_non_null(strcasestr(ex->completion.data, ex->topic.data));
        }
        ph_textbook_free(book);
    }
}

static void test_topics(void **state)
{
    (void)state;
    for (int split = PH_TEXTBOOK_TRAIN; split <= PH_TEXTBOOK_TEST; split++) {
        ph_textbook *book = open_book((ph_textbook_split)split, 6, "story joke", NULL, NULL);
        for (int i = 0; i < 4000; i++) {
            const ph_textbook_example *ex = next(book);
            size_t sentences = 0;
            for (const char *p = ex->completion.data; *p; p++)
                sentences += strchr(".!?", *p) != NULL;
            assert_true(sentences >= (ex->kind == PH_TEXTBOOK_story ? 4 : 1));
            if (ex->prompt.len > 0 && !strcasestr(ex->completion.data, ex->topic.data)) {
                /* "wolves" for "wolf" */
                ph_buf many = {0};
                ph_tb_add_plural(&many, ex->topic.data);
                if (!strcasestr(ex->completion.data, many.data))
                    fail_msg("no %s in %s", ex->topic.data, ex->completion.data);
                ph_buf_free(&many);
            }
        }
        ph_textbook_free(book);
    }
}

/* --- what is held out --- */

#define GROUPS 8192

typedef struct picks {
    struct {
        const char *group;
        uint64_t chosen; /* a bit for each alternative below 64 */
    } at[GROUPS];
    size_t n_groups, n_picks;
} picks;

static void on_pick(void *user, const char *group, size_t index)
{
    picks *p = user;
    size_t slot = (size_t)(ph_hash64(&group, sizeof group, 0) % GROUPS);
    while (p->at[slot].group && p->at[slot].group != group)
        slot = (slot + 1) % GROUPS;
    if (!p->at[slot].group) {
        assert_true(p->n_groups < GROUPS / 2);
        p->at[slot].group = group;
        p->n_groups++;
    }
    p->n_picks++;
    if (index < 64)
        p->at[slot].chosen |= (uint64_t)1 << index;
}

static uint64_t chosen(const picks *p, const char *group)
{
    size_t slot = (size_t)(ph_hash64(&group, sizeof group, 0) % GROUPS);
    while (p->at[slot].group && p->at[slot].group != group)
        slot = (slot + 1) % GROUPS;
    return p->at[slot].chosen;
}

static int bits(uint64_t v)
{
    int n = 0;
    for (; v; v &= v - 1)
        n++;
    return n;
}

/* In a group with a held out alternative both splits choose, and never the same. */
static void test_phrasings_are_held_out(void **state)
{
    (void)state;
    static picks train, test;
    memset(&train, 0, sizeof train);
    memset(&test, 0, sizeof test);
    ph_textbook *a = open_book(PH_TEXTBOOK_TRAIN, 1, NULL, on_pick, &train);
    ph_textbook *b = open_book(PH_TEXTBOOK_TEST, 1, NULL, on_pick, &test);
    for (int i = 0; i < 20000; i++) {
        next(a);
        next(b);
    }
    ph_textbook_free(a);
    ph_textbook_free(b);
    size_t n = 0, apart = 0, n_train = 0, n_held = 0;
    for (size_t i = 0; i < GROUPS; i++) {
        if (!test.at[i].group)
            continue;
        uint64_t in_train = chosen(&train, test.at[i].group), in_test = test.at[i].chosen;
        if (!in_train)
            continue;
        n++;
        if (!(in_train & in_test)) {
            apart++;
            n_train += (size_t)bits(in_train);
            n_held += (size_t)bits(in_test);
            continue;
        }
        /* Too few to hold one out: of up to four, by the luck of the group's hash, none is. */
        if (bits(in_train | in_test) > 4)
            fail_msg("both splits choose from %s", test.at[i].group);
    }
    print_message("%zu groups, %zu with alternatives held out: %zu trained, %zu held out\n", n,
                  apart, n_train, n_held);
    assert_true(n > 500 && apart > 300 && n_held * 2 > n_train / 4);
}

#define SET_SIZE ((size_t)1 << 20)

typedef struct word_set {
    uint64_t hashes[SET_SIZE];
    size_t n;
} word_set;

static void add_word(word_set *set, const char *word, size_t n)
{
    uint64_t h = ph_hash64(word, n, 1) | 1;
    size_t at = h % SET_SIZE;
    while (set->hashes[at] && set->hashes[at] != h)
        at = (at + 1) % SET_SIZE;
    set->n += !set->hashes[at];
    set->hashes[at] = h;
    assert_true(set->n < SET_SIZE / 2);
}

static bool has_word_of(const word_set *set, const char *word, size_t n)
{
    uint64_t h = ph_hash64(word, n, 1) | 1;
    size_t at = h % SET_SIZE;
    while (set->hashes[at] && set->hashes[at] != h)
        at = (at + 1) % SET_SIZE;
    return set->hashes[at] == h;
}

static void add_words(word_set *set, const ph_buf *text)
{
    for (size_t i = 0; i < text->len;) {
        size_t n = 0;
        while (i + n < text->len && isalpha((unsigned char)text->data[i + n]))
            n++;
        if (n > 0)
            add_word(set, text->data + i, n);
        i += n + (n == 0);
    }
}

/* No name of a person, place, animal or thing that is held out stands anywhere in some megabytes
 * for training, and a fifth of them is. */
static void test_words_are_held_out(void **state)
{
    (void)state;
    static word_set words;
    memset(&words, 0, sizeof words);
    ph_textbook *book = open_book(PH_TEXTBOOK_TRAIN, 1, NULL, NULL, NULL);
    size_t bytes = 0;
    while (bytes < 6000000) {
        const ph_textbook_example *ex = next(book);
        const ph_buf *texts[] = {&ex->prompt, &ex->completion, &ex->dialog};
        for (size_t i = 0; i < 3; i++) {
            bytes += texts[i]->len;
            add_words(&words, texts[i]);
        }
    }
    ph_textbook_free(book);
    size_t n_open = 0, n_held = 0, leaks = 0;
    for (size_t i = 0; ph_tb_table_at(i); i++) {
        const ph_tb_table *table = ph_tb_table_at(i);
        ph_str rest = ph_str_from(table->words), word;
        while (table->open && ph_tb_split(&rest, '|', &word)) {
            n_open++;
            if (word.p[0] == '+' || !ph_tb_word_held(word.p, word.n))
                continue;
            n_held++;
            bool whole = memchr(word.p, ' ', word.n) == NULL && memchr(word.p, '/', word.n) == NULL;
            if (whole && has_word_of(&words, word.p, word.n)) {
                print_error("%s: '%.*s' is held out and stands in training\n", table->type,
                            (int)word.n, word.p);
                leaks++;
            }
        }
    }
    print_message("%zu words of open classes, %zu held out\n", n_open, n_held);
    assert_int_equal(leaks, 0);
    assert_true(n_held * 7 > n_open && n_held * 4 < n_open);
}

static void draw_many(word_set *set, ph_textbook_split split, const char *type, bool look,
                      const word_set *other)
{
    ph_textbook_options o;
    ph_tb_words *tables = NULL;
    ph_str *words = NULL;
    ph_textbook_options_default(&o);
    o.split = split;
    assert_int_equal(ph_tb_words_new(&tables, &words, &err), PHIAL_OK);
    ph_tb t = {.options = &o, .tables = tables};
    ph_rng_seed(&t.rng, 99, 0);
    for (int i = 0; i < 5000; i++) {
        ph_tb_slot slot = {.name = "x"};
        assert_true(ph_tb_draw(&t, &slot, ph_str_from(type)));
        assert_true(!look || !has_word_of(other, slot.value, strlen(slot.value)));
        add_word(set, slot.value, strlen(slot.value));
    }
    free(tables);
    free(words);
}

/* Invented names and words: thousands, and none on both sides. */
static void test_inventions_are_held_out(void **state)
{
    (void)state;
    static const char *const types[] = {"odd", "proper", "town", "name", "pet"};
    static word_set train, test;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        memset(&train, 0, sizeof train);
        memset(&test, 0, sizeof test);
        draw_many(&train, PH_TEXTBOOK_TRAIN, types[i], false, NULL);
        draw_many(&test, PH_TEXTBOOK_TEST, types[i], true, &train);
        print_message("%s: %zu and %zu different of 5000\n", types[i], train.n, test.n);
        assert_true(train.n > 1500 && test.n > 1500);
    }
}

/* --- functions --- */

static bool have(const char *program)
{
    char line[128];
    snprintf(line, sizeof line, "command -v %s >/dev/null", program);
    return cli_run(line)->code == 0;
}

static void run_check(const ph_textbook_example *ex)
{
    char path[256], line[1024];
    snprintf(path, sizeof path, "%s/tb_check.%s", PHIAL_BUILD_DIR, ex->is_c ? "c" : "py");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(ex->check.data, f);
    fclose(f);
    if (ex->is_c)
        snprintf(line, sizeof line, "cc -std=c99 -Wall -Werror -o %s.out %s && %s.out", path, path,
                 path);
    else
        snprintf(line, sizeof line, "python3 %s", path);
    const cli_result *r = cli_run(line);
    if (r->code != 0)
        fail_msg("%s\n%s", ex->check.data, r->err);
    unlink(path);
    snprintf(line, sizeof line, "%s.out", path);
    unlink(line);
}

static void test_functions_are_right(void **state)
{
    (void)state;
    bool python = have("python3"), cc = have("cc");
    size_t n_python = 0, n_c = 0, n_skipped = 0;
    ph_textbook *book = open_book(PH_TEXTBOOK_TRAIN, 12, "code", NULL, NULL);
    for (int i = 0; i < 120; i++) {
        const ph_textbook_example *ex = next(book);
        assert_non_null(strstr(ex->check.data, ex->completion.data + 1));
        if (!(ex->is_c ? cc : python)) {
            n_skipped++;
            continue;
        }
        *(ex->is_c ? &n_c : &n_python) += 1;
        run_check(ex);
    }
    ph_textbook_free(book);
    print_message("%zu functions in Python and %zu in C were run, %zu skipped\n", n_python, n_c,
                  n_skipped);
}

/* --- limits, options, memory --- */

static void test_options(void **state)
{
    (void)state;
    ph_textbook *book = NULL;
    ph_textbook_options o;
    ph_textbook_options_default(&o);
    o.weights[PH_TEXTBOOK_joke] = PH_TEXTBOOK_WEIGHT_MAX + 1;
    assert_int_equal(ph_textbook_new(&book, &o, &err), PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "joke"));
    memset(o.weights, 0, sizeof o.weights);
    assert_int_equal(ph_textbook_new(&book, &o, &err), PHIAL_ERR_ARGUMENT);
    assert_null(book);
    ph_textbook_free(NULL);
}

static void test_command(void **state)
{
    (void)state;
    assert_int_equal(cli_run("$PHIAL textbook write --local")->code, 2);
    assert_int_equal(cli_run("$PHIAL textbook write -n 3")->code, 2);
    assert_int_equal(cli_run("$PHIAL textbook read --local -n 3")->code, 2);
    const cli_result *r = cli_run("$PHIAL textbook write --local -n 3 --kinds haik");
    assert_int_equal(r->code, 2);
    assert_non_null(strstr(r->err, "haiku"));
    assert_int_equal(cli_run("$PHIAL textbook write --local -n 3 --kinds haiku=x")->code, 2);
    assert_int_equal(cli_run("$PHIAL textbook write --local -n 3 --kinds haiku=0")->code, 2);
    r = cli_run("$PHIAL textbook write --local --bytes 20000");
    assert_int_equal(r->code, 0);
    assert_true(r->out_len <= 20000 && r->out_len > 15000);
    assert_int_equal(r->out[r->out_len - 1], '\n');
    r = cli_run("$PHIAL textbook write --local -n 40 --kinds haiku,joke=3 --facts --stats");
    assert_int_equal(r->code, 0);
    assert_null(strstr(r->out, "\"kind\":\"story\""));
    assert_non_null(strstr(r->out, "\"kind\":\"joke\""));
    assert_non_null(strstr(r->err, "40 examples"));
    r = cli_run("$PHIAL textbook write --local -n 200 --tokenizer");
    assert_int_equal(r->code, 0);
    assert_null(strpbrk(r->out, "0123456789"));
    assert_int_equal(strlen(r->out), r->out_len);
}

static void test_short_memory(void **state)
{
    (void)state;
    ph_textbook_options o;
    ph_textbook_options_default(&o);
    bool done = false;
    for (long n = 0; !done && n < 1000; n++) {
        ph_textbook *book = NULL;
        torture_left = n;
        phial_status st = ph_textbook_new(&book, &o, &err);
        done = st == PHIAL_OK;
        if (!done)
            assert_int_equal(st, PHIAL_ERR_NO_MEMORY);
        /* From here on nothing is allocated. */
        torture_left = 0;
        for (int i = 0; done && i < 2000; i++)
            next(book);
        torture_left = -1;
        ph_textbook_free(book);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_words),
        cmocka_unit_test(test_same_seed_same_lines),
        cmocka_unit_test(test_bytes_of_a_seed),
        cmocka_unit_test(test_every_line),
        cmocka_unit_test(test_answers_stand_in_passages),
        cmocka_unit_test(test_absent_is_absent),
        cmocka_unit_test(test_numbered_form),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_syllables),
        cmocka_unit_test(test_haiku),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_phrasings_are_held_out),
        cmocka_unit_test(test_words_are_held_out),
        cmocka_unit_test(test_inventions_are_held_out),
        cmocka_unit_test(test_functions_are_right),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
