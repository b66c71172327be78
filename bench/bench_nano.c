/* The exam of a very small model: bench_nano MODEL [NAME=VALUE...]
 *
 *   passages=FILE  passages written by hand, with a question and one that has no answer
 *   n=100          items of each part of the textbook
 *   seed=4242      of the textbook
 *   batch=32       answers written together
 *   threads=0      0: all
 *   items=FILE     every item with its answer, as JSON lines
 *
 * Questions come from the textbook writer (src/train/textbook.h), once as the dev split makes them
 * (known words in new texts) and once as the test split does (words, names, phrasings and sums that
 * were never trained on), and from people. Answers are greedy and counted as SQuAD counts exact
 * match: without case, punctuation and articles. An answer keeps the form when it ends by itself,
 * by the end-of-text token, within the limit, and never begins another turn.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "phial/phial.h"
#include "tok/passages.h"
#include "train/textbook.h"

#define ANSWERS       8   /* that count as right */
#define NEW_TOKENS    200 /* of an answer at most */
#define FILE_BYTES    ((size_t)64 << 20)
#define MIN_SENTENCES 3 /* a story has at least so many */

typedef enum part {
    ANSWER_DEV,
    ANSWER_TEST,
    ABSENT_DEV,
    ABSENT_TEST,
    PASSAGES_DEV,
    PASSAGES_TEST,
    BY_HAND,
    BY_HAND_ABSENT,
    HAIKU,
    STORY,
    JOKE,
    SUM,
    N_PARTS
} part;

typedef struct score {
    const char *name;
    int floor; /* percent that are asked for; 0: none */
    size_t n, right, ended, topical;
} score;

typedef struct item {
    part of;
    char *prompt; /* owned */
    char *answers[ANSWERS];
    char *topic;
    char *text; /* what the model wrote */
    bool ended, right, topical;
} item;

typedef struct exam {
    const char *model_path, *passages_path, *items_path;
    uint64_t n, seed, batch, threads;
    score parts[N_PARTS];
    item *items;
    size_t n_items, cap;
    phial_model *model;
    phial_engine *engine;
    phial_tokenizer *tokenizer;
    phial_encoder *encoder;
    phial_error err;
} exam;

static void die(const exam *e)
{
    fprintf(stderr, "bench_nano: %s\n", e->err.message);
    exit(1);
}

static void need(exam *e, phial_status st)
{
    if (st != PHIAL_OK)
        die(e);
}

static char *copy(exam *e, const char *p, size_t n)
{
    char *s = ph_strndup(p ? p : "", n, &e->err);
    if (!s)
        die(e);
    return s;
}

static item *new_item(exam *e, part of)
{
    if (e->n_items == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 256;
        e->items = ph_realloc(e->items, e->cap, sizeof *e->items, &e->err);
        if (!e->items)
            die(e);
    }
    item *it = &e->items[e->n_items++];
    *it = (item){.of = of};
    return it;
}

/* --- questions --- */

/* Two numbers of two digits each, whose sum is the answer? */
static bool is_plain_addition(const ph_textbook_example *ex)
{
    unsigned long n[3], count = 0;
    for (const char *p = ex->question.data; *p && count < 3;) {
        char *end = NULL;
        if (!isdigit((unsigned char)*p)) {
            p++;
            continue;
        }
        n[count++] = strtoul(p, &end, 10);
        p = end;
    }
    return count == 2 && n[0] >= 10 && n[0] < 100 && n[1] >= 10 && n[1] < 100 &&
           strtoul(ex->answer.data, NULL, 10) == n[0] + n[1] &&
           !strstr(ex->question.data, "arger") && !strstr(ex->question.data, "igger") &&
           !strstr(ex->question.data, "more, ");
}

static void add_from_textbook(exam *e, part of, ph_textbook_kind kind, ph_textbook_split split)
{
    ph_textbook *book = NULL;
    ph_textbook_options o;
    ph_textbook_options_default(&o);
    memset(o.weights, 0, sizeof o.weights);
    o.weights[kind] = 1;
    o.seed = e->seed;
    o.split = split;
    need(e, ph_textbook_new(&book, &o, &e->err));
    for (uint64_t n = 0; n < e->n;) {
        const ph_textbook_example *ex = NULL;
        need(e, ph_textbook_next(book, &ex, &e->err));
        if (ex->prompt.len == 0 || (of == SUM && !is_plain_addition(ex)))
            continue;
        item *it = new_item(e, of);
        it->prompt = copy(e, ex->prompt.data, ex->prompt.len);
        if (ex->answer.len > 0)
            it->answers[0] = copy(e, ex->answer.data, ex->answer.len);
        if (ex->topic.len > 0)
            it->topic = copy(e, ex->topic.data, ex->topic.len);
        n++;
    }
    ph_textbook_free(book);
}

/* In the plainest form, half of them for Bob. */
static item *add_by_hand(exam *e, part of, size_t number, ph_str passage, ph_str question)
{
    item *it = new_item(e, of);
    ph_buf prompt = {0};
    bool chat = number % 2 == 1;
    ph_buf_addf(&prompt, "%s%.*s\n%.*s\n%s", chat ? "Alice: " : "Instruct: ", (int)passage.n,
                passage.p, (int)question.n, question.p, chat ? "Bob:" : "Output:");
    it->prompt = copy(e, prompt.data, prompt.len);
    ph_buf_free(&prompt);
    return it;
}

static void add_line(exam *e, size_t number, const ph_json *root)
{
    ph_str passage, question, absent, answer;
    const ph_json *answers = ph_json_get(root, "answers");
    if (!ph_json_str(ph_json_get(root, "passage"), &passage) ||
        !ph_json_str(ph_json_get(root, "question"), &question) ||
        !ph_json_str(ph_json_get(root, "absent"), &absent) || ph_json_count(answers) == 0) {
        fprintf(stderr, "bench_nano: %s:%zu: passage, question, answers or absent is missing\n",
                e->passages_path, number);
        exit(3);
    }
    item *it = add_by_hand(e, BY_HAND, number, passage, question);
    for (size_t i = 0; i < ph_json_count(answers) && i < ANSWERS; i++) {
        if (ph_json_str(ph_json_at(answers, i), &answer))
            it->answers[i] = copy(e, answer.p, answer.n);
    }
    it = add_by_hand(e, BY_HAND_ABSENT, number, passage, absent);
    it->answers[0] = copy(e, PH_PASSAGES_NOT_TOLD, strlen(PH_PASSAGES_NOT_TOLD));
}

static void add_file(exam *e)
{
    ph_buf text = {0};
    need(e, ph_file_read(&text, e->passages_path, FILE_BYTES, &e->err));
    size_t number = 0;
    for (size_t i = 0; i < text.len;) {
        const char *end = memchr(text.data + i, '\n', text.len - i);
        size_t n = end ? (size_t)(end - text.data) - i : text.len - i;
        number++;
        if (n > 0) {
            ph_json *root = ph_json_parse(text.data + i, n, &e->err);
            if (!root)
                die(e);
            add_line(e, number, root);
            ph_json_free(root);
        }
        i += n + 1;
    }
    ph_buf_free(&text);
}

/* --- answers --- */

static phial_session *open_session(exam *e, size_t n_tokens)
{
    phial_session *session = NULL;
    need(e, phial_session_new(&session, e->engine, (uint32_t)n_tokens, &e->err));
    return session;
}

typedef struct running {
    item *it;
    phial_session *session;
    phial_generation *generation;
    phial_sampler *sampler;
} running;

/* False: the prompt does not fit into the model's context, which counts as no answer. */
static bool begin(exam *e, running *r, item *it)
{
    phial_model_info info = {.size = sizeof info};
    need(e, phial_model_get_info(e->model, &info, &e->err));
    need(e, phial_encoder_run(e->encoder, it->prompt, strlen(it->prompt), 0, &e->err));
    phial_generation_options o;
    phial_generation_options_default(&o);
    o.prompt.ids = phial_encoder_ids(e->encoder, &o.prompt.n);
    size_t room = o.prompt.n + NEW_TOKENS;
    if (o.prompt.n >= info.n_ctx_max) {
        it->text = copy(e, "", 0);
        return false;
    }
    phial_sampler_options s;
    phial_sampler_options_default(&s);
    s.temperature = 0;
    need(e, phial_sampler_new(&r->sampler, info.n_vocab, &s, &e->err));
    r->session = open_session(e, room < info.n_ctx_max ? room : info.n_ctx_max);
    r->it = it;
    o.session = r->session;
    o.sampler = r->sampler;
    o.tokenizer = e->tokenizer;
    o.n_new = NEW_TOKENS;
    need(e, phial_generation_new(&r->generation, &o, &e->err));
    return true;
}

static void end(exam *e, running *r)
{
    phial_generation_result result = {.size = sizeof result};
    need(e, phial_generation_get_result(r->generation, &result, &e->err));
    r->it->text = copy(e, result.text.p, result.text.n);
    r->it->ended = result.finish == PHIAL_FINISH_STOP;
    phial_generation_free(r->generation);
    phial_sampler_free(r->sampler);
    phial_session_free(r->session);
}

static void answer_all(exam *e)
{
    running *live = ph_alloc(e->batch, sizeof *live, &e->err);
    phial_generation **generations = ph_alloc(e->batch, sizeof(phial_generation *), &e->err);
    if (!live || !generations)
        die(e);
    for (size_t next = 0, n = 0; next < e->n_items || n > 0;) {
        while (n < e->batch && next < e->n_items)
            n += begin(e, &live[n], &e->items[next++]);
        for (size_t i = 0; i < n; i++)
            generations[i] = live[i].generation;
        if (n > 0)
            need(e, phial_generation_step(generations, n, &e->err));
        for (size_t i = 0; i < n;) {
            if (phial_generation_done(live[i].generation)) {
                end(e, &live[i]);
                live[i] = live[--n];
            } else {
                i++;
            }
        }
        if (n == 0 || next % 64 == 0)
            fprintf(stderr, "\r%zu of %zu", next - n, e->n_items);
    }
    fprintf(stderr, "\n");
    ph_free(live);
    ph_free(generations);
}

/* --- marks --- */

/* Lower case, without punctuation, articles and blanks too many. */
static void normalize(ph_buf *out, const char *s)
{
    ph_buf_clear(out);
    while (*s) {
        char word[256];
        size_t n = 0;
        for (; *s && !isspace((unsigned char)*s); s++) {
            if (!ispunct((unsigned char)*s) && n < sizeof word)
                word[n++] = (char)tolower((unsigned char)*s);
        }
        while (isspace((unsigned char)*s))
            s++;
        ph_str w = {word, n};
        if (n == 0 || ph_str_eq_c(w, "a") || ph_str_eq_c(w, "an") || ph_str_eq_c(w, "the"))
            continue;
        if (out->len > 0)
            ph_buf_add_byte(out, ' ');
        ph_buf_add(out, word, n);
    }
    ph_buf_add(out, "", 1);
}

static bool matches(const item *it)
{
    ph_buf said = {0}, wanted = {0};
    bool right = false;
    normalize(&said, it->text);
    for (size_t i = 0; i < ANSWERS && it->answers[i] && !right; i++) {
        normalize(&wanted, it->answers[i]);
        right = wanted.len > 1 && wanted.len == said.len &&
                memcmp(wanted.data, said.data, said.len) == 0;
    }
    ph_buf_free(&said);
    ph_buf_free(&wanted);
    return right;
}

static size_t count_lines(const char *s)
{
    size_t n = 0;
    while (*s) {
        size_t line = strcspn(s, "\n");
        bool blank = strspn(s, " \t") >= line;
        n += !blank;
        s += line + (s[line] == '\n');
    }
    return n;
}

static size_t count_sentences(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += strchr(".!?", *s) && (s[1] == 0 || s[1] == ' ' || s[1] == '\n' || s[1] == '"');
    return n;
}

/* The topic as a word, also with "s" or "es" behind. */
static bool mentions(const char *text, const char *topic)
{
    size_t n = topic ? strlen(topic) : 0;
    for (const char *p = text; n > 0 && *p; p++) {
        if ((p > text && isalpha((unsigned char)p[-1])) || strncasecmp(p, topic, n) != 0)
            continue;
        const char *behind = p + n;
        behind += *behind == 'e' && behind[1] == 's';
        behind += *behind == 's';
        if (!isalpha((unsigned char)*behind))
            return true;
    }
    return false;
}

static bool keeps_form(const item *it)
{
    static const char *const turns[] = {"Instruct:", "Output:", "Alice:", "Bob:", "Question:"};
    bool clean = it->ended && it->text[strspn(it->text, " \n")] != 0;
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++)
        clean = clean && !strstr(it->text, turns[i]);
    return clean;
}

static void mark(exam *e)
{
    for (size_t i = 0; i < e->n_items; i++) {
        item *it = &e->items[i];
        score *p = &e->parts[it->of];
        it->ended = keeps_form(it);
        it->topical = mentions(it->text, it->topic);
        it->right = it->of == HAIKU   ? it->topical && count_lines(it->text) == 3
                    : it->of == STORY ? it->topical && count_sentences(it->text) >= MIN_SENTENCES
                    : it->of == JOKE  ? it->topical && count_sentences(it->text) >= 1
                                      : matches(it);
        p->n++;
        p->right += it->right;
        p->ended += it->ended;
    }
}

static double percent(size_t n, size_t of)
{
    return of > 0 ? 100.0 * (double)n / (double)of : 0;
}

static void show(const exam *e, double seconds)
{
    size_t n = 0, ended = 0;
    printf("%-46s %6s %7s %7s %6s\n", "part", "items", "right", "asked", "ends");
    for (size_t i = 0; i < N_PARTS; i++) {
        const score *p = &e->parts[i];
        char asked[16] = "";
        n += p->n;
        ended += p->ended;
        if (p->floor > 0)
            snprintf(asked, sizeof asked, "%d%%", p->floor);
        if (p->n > 0)
            printf("%-46s %6zu %6.1f%% %7s %5.1f%%\n", p->name, p->n, percent(p->right, p->n),
                   asked, percent(p->ended, p->n));
    }
    printf("%-46s %6zu %6.1f%% %7s\n", "all: keeps the form and stops by itself", n,
           percent(ended, n), "95%");
    fprintf(stderr, "%.1f s\n", seconds);
}

static void write_items(exam *e)
{
    FILE *f = e->items_path ? fopen(e->items_path, "w") : NULL;
    if (e->items_path && !f) {
        fprintf(stderr, "bench_nano: cannot write %s\n", e->items_path);
        exit(1);
    }
    for (size_t i = 0; f && i < e->n_items; i++) {
        const item *it = &e->items[i];
        ph_buf line = {0};
        ph_json *o = ph_json_object_new();
        ph_json_set(o, "part", ph_json_str_new(ph_str_from(e->parts[it->of].name)));
        ph_json_set(o, "right", ph_json_bool_new(it->right));
        ph_json_set(o, "keeps_form", ph_json_bool_new(it->ended));
        ph_json_set(o, "prompt", ph_json_str_new(ph_str_from(it->prompt)));
        ph_json_set(o, "answer", ph_json_str_new(ph_str_from(it->text)));
        ph_json_set(o, "wanted",
                    ph_json_str_new(ph_str_from(it->answers[0] ? it->answers[0] : it->topic)));
        need(e, ph_json_write(&line, o, 0, &e->err));
        fprintf(f, "%s\n", line.data);
        ph_json_free(o);
        ph_buf_free(&line);
    }
    if (f && fclose(f) != 0) {
        fprintf(stderr, "bench_nano: cannot write %s\n", e->items_path);
        exit(1);
    }
}

static void close_all(exam *e)
{
    for (size_t i = 0; i < e->n_items; i++) {
        item *it = &e->items[i];
        for (size_t k = 0; k < ANSWERS; k++)
            ph_free(it->answers[k]);
        ph_free(it->prompt);
        ph_free(it->topic);
        ph_free(it->text);
    }
    ph_free(e->items);
    phial_encoder_free(e->encoder);
    phial_tokenizer_close(e->tokenizer);
    phial_engine_free(e->engine);
    phial_model_close(e->model);
}

static bool read_args(exam *e, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        ph_str name = {argv[i], value ? (size_t)(value - argv[i]) : 0};
        uint64_t *number = ph_str_eq_c(name, "n")         ? &e->n
                           : ph_str_eq_c(name, "seed")    ? &e->seed
                           : ph_str_eq_c(name, "batch")   ? &e->batch
                           : ph_str_eq_c(name, "threads") ? &e->threads
                                                          : NULL;
        if (!value && !e->model_path)
            e->model_path = argv[i];
        else if (value && ph_str_eq_c(name, "passages"))
            e->passages_path = value + 1;
        else if (value && ph_str_eq_c(name, "items"))
            e->items_path = value + 1;
        else if (!number || !ph_str_parse_u64(ph_str_from(value + 1), number))
            return false;
    }
    return e->model_path && e->n <= 100000 && e->batch >= 1 && e->batch <= 1024 &&
           e->threads <= 512;
}

int main(int argc, char **argv)
{
    static exam e = {
        .n = 100,
        .seed = 4242,
        .batch = 32,
        .parts = {{.name = "answers, known words", .floor = 0},
                  {.name = "answers, words and phrasings held out", .floor = 70},
                  {.name = "says it is not told, known words", .floor = 0},
                  {.name = "says it is not told, held out", .floor = 70},
                  {.name = "numbered passages, known words", .floor = 0},
                  {.name = "numbered passages, held out", .floor = 0},
                  {.name = "answers, passages by hand", .floor = 70},
                  {.name = "says it is not told, passages by hand", .floor = 70},
                  {.name = "haiku: three lines, names its topic (held out)", .floor = 90},
                  {.name = "story: sentences, names its topic (held out)", .floor = 90},
                  {.name = "joke: names its topic (held out)", .floor = 90},
                  {.name = "two-digit additions (pairs held out)", .floor = 80}},
    };
    if (!read_args(&e, argc, argv)) {
        fprintf(stderr, "bench_nano MODEL [passages=FILE] [n=100] [seed=4242] [batch=32] "
                        "[threads=0] [items=FILE]\n");
        return 2;
    }
    phial_engine_options o;
    phial_engine_options_default(&o);
    o.n_threads = (int)e.threads;
    o.n_seq = (uint32_t)e.batch;
    need(&e, phial_model_open(&e.model, e.model_path, NULL, &e.err));
    need(&e, phial_engine_new(&e.engine, e.model, &o, &e.err));
    need(&e, phial_tokenizer_open(&e.tokenizer, e.model_path, &e.err));
    need(&e, phial_encoder_new(&e.encoder, e.tokenizer, &e.err));
    add_from_textbook(&e, ANSWER_DEV, PH_TEXTBOOK_answer, PH_TEXTBOOK_DEV);
    add_from_textbook(&e, ANSWER_TEST, PH_TEXTBOOK_answer, PH_TEXTBOOK_TEST);
    add_from_textbook(&e, ABSENT_DEV, PH_TEXTBOOK_absent, PH_TEXTBOOK_DEV);
    add_from_textbook(&e, ABSENT_TEST, PH_TEXTBOOK_absent, PH_TEXTBOOK_TEST);
    add_from_textbook(&e, PASSAGES_DEV, PH_TEXTBOOK_passages, PH_TEXTBOOK_DEV);
    add_from_textbook(&e, PASSAGES_TEST, PH_TEXTBOOK_passages, PH_TEXTBOOK_TEST);
    if (e.passages_path)
        add_file(&e);
    add_from_textbook(&e, HAIKU, PH_TEXTBOOK_haiku, PH_TEXTBOOK_TEST);
    add_from_textbook(&e, STORY, PH_TEXTBOOK_story, PH_TEXTBOOK_TEST);
    add_from_textbook(&e, JOKE, PH_TEXTBOOK_joke, PH_TEXTBOOK_TEST);
    add_from_textbook(&e, SUM, PH_TEXTBOOK_sum, PH_TEXTBOOK_TEST);
    uint64_t began = ph_clock_ns();
    answer_all(&e);
    mark(&e);
    show(&e, (double)(ph_clock_ns() - began) / 1e9);
    write_items(&e);
    close_all(&e);
    return 0;
}
