/* Examples from texts: what is learnt of each kind, cutting, packing, shuffling, the held-out part,
 * lines that are none, and memory that runs out.
 *
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "cli_run.h"
#include "tok_util.h"
#include "torture.h"
#include "train/packing.h"

static char folder[] = "/tmp/phial-corpus-XXXXXX";
static phial_tokenizer *tokenizer;
static phial_preset *preset;
static char log_text[4096];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || tiny_tokenizer(&tokenizer, NULL) != PHIAL_OK)
        return -1;
    return phial_preset_open(&preset, "chat", "", NULL) == PHIAL_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char line[64];
    phial_tokenizer_close(tokenizer);
    phial_preset_free(preset);
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return cli_run(line)->code;
}

static void note(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
}

static ph_corpus_options options(uint32_t n_ctx)
{
    log_text[0] = 0;
    return (ph_corpus_options){.tokenizer = tokenizer,
                               .preset = preset,
                               .n_ctx = n_ctx,
                               .format = PH_RECORDS_JSONL,
                               .log = {.fn = note}};
}

static const char *write_text(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void read_text(ph_corpus *c, const char *text, const ph_corpus_options *o)
{
    phial_error err = {0};
    ph_corpus_init(c);
    if (ph_corpus_add(c, write_text("t", text), PH_CORPUS_SPLIT, o, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
}

/* A batch as text: what is seen, and below each token what is to be predicted: the token's text,
 * "." for nothing, "$" for the end. Tokens are separated by '|', examples by "||". */
static void spell(const ph_train_batch *b, char *out, size_t room)
{
    size_t n = 0, length, example = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (example + 1 < b->n_examples && b->starts[example + 1] == i) {
            n += (size_t)snprintf(out + n, room - n, "|");
            example++;
        }
        const char *p = phial_tokenizer_text(tokenizer, b->ids[i], &length);
        n += (size_t)snprintf(out + n, room - n, "%.*s>", (int)length, p);
        if (b->targets[i] == PH_TRAIN_NO_TARGET) {
            n += (size_t)snprintf(out + n, room - n, ".|");
        } else if (b->targets[i] == phial_tokenizer_eos(tokenizer)) {
            n += (size_t)snprintf(out + n, room - n, "$|");
        } else {
            p = phial_tokenizer_text(tokenizer, b->targets[i], &length);
            n += (size_t)snprintf(out + n, room - n, "%.*s|", (int)length, p);
        }
    }
}

/* All examples in the order of the file, in one batch. */
static void expect_batch(const ph_corpus *c, const char *want)
{
    static uint32_t ids[4096], targets[4096], starts[4096];
    char got[8192] = "";
    ph_train_batch b = {ids, targets, 0, starts, 0};
    for (size_t i = 0; i < c->train.n; i++) {
        const ph_example *e = &c->train.list[i];
        ph_examples one = {.list = &c->train.list[i], .n = 1};
        ph_packer p;
        ph_train_batch single;
        assert_int_equal(ph_packer_init(&p, c, &one, 1, false, e->n, NULL), PHIAL_OK);
        ph_packer_next(&p, &single);
        assert_int_equal(single.n, e->n);
        starts[b.n_examples++] = (uint32_t)b.n;
        memcpy(ids + b.n, single.ids, e->n * sizeof *ids);
        memcpy(targets + b.n, single.targets, e->n * sizeof *ids);
        b.n += e->n;
        ph_packer_free(&p);
    }
    spell(&b, got, sizeof got);
    if (strcmp(got, want) != 0)
        fail_msg("got  %s\nwant %s", got, want);
}

static void test_kinds(void **state)
{
    (void)state;
    ph_corpus c;
    ph_corpus_options o = options(100);
    read_text(&c, "{\"text\":\"xyz\"}\n{\"text\":\"q\"}", &o);
    expect_batch(&c, "x>y|y>z|z>$||q>$|");
    assert_int_equal(c.train.n_targets, 4);
    ph_corpus_free(&c);
    /* Of a completion nothing of the prompt is predicted. */
    read_text(
        &c, "{\"prompt\":\"uvw\",\"completion\":\"xyz\"}\n{\"completion\":\"no\",\"prompt\":\"\"}",
        &o);
    expect_batch(&c, "u>.|v>.|w>x|x>y|y>z|z>$||n>o|o>$|");
    assert_int_equal(c.train.n_targets, 6);
    ph_corpus_free(&c);
    /* Each answer ends, and the conversation goes on as it would be written down. */
    read_text(&c,
              "{\"messages\":[{\"role\":\"user\",\"content\":\"X\"},"
              "{\"role\":\"assistant\",\"content\":\"y\"},{\"role\":\"user\",\"content\":\"Z\"},"
              "{\"role\":\"assistant\",\"content\":\"w\"},{\"role\":\"user\",\"content\":\"V\"}]}",
              &o);
    expect_batch(&c, "A>.|l>.|i>.|c>.|e>.|:>.| >.|X>.|\n>.|B>.|o>.|b>.|:> | >y|y>$|\n>.|A>.|l>.|"
                     "i>.|c>.|e>.|:>.| >.|Z>.|\n>.|B>.|o>.|b>.|:> | >w|w>$|");
    ph_corpus_free(&c);
    read_text(&c,
              "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\","
              "\"content\":\"X\"},{\"role\":\"assistant\",\"content\":\"y\"}]}",
              &o);
    expect_batch(&c, "S>.|\n>.|\n>.|A>.|l>.|i>.|c>.|e>.|:>.| >.|X>.|\n>.|B>.|o>.|b>.|:> | >y|y>$|");
    ph_corpus_free(&c);
}

/* Prompts and questions too; the end of an answer is still an end. */
static void test_learn_prompts(void **state)
{
    (void)state;
    ph_corpus c;
    ph_corpus_options o = options(100);
    o.learn_prompts = true;
    read_text(&c, "{\"prompt\":\"uvw\",\"completion\":\"xyz\"}", &o);
    expect_batch(&c, "u>v|v>w|w>x|x>y|y>z|z>$|");
    ph_corpus_free(&c);
    read_text(&c,
              "{\"messages\":[{\"role\":\"user\",\"content\":\"X\"},"
              "{\"role\":\"assistant\",\"content\":\"y\"},{\"role\":\"user\",\"content\":\"Z\"},"
              "{\"role\":\"assistant\",\"content\":\"w\"}]}",
              &o);
    expect_batch(&c, "A>l|l>i|i>c|c>e|e>:|:> | >X|X>\n|\n>B|B>o|o>b|b>:|:> | >y|y>$|\n>A|A>l|l>i|"
                     "i>c|c>e|e>:|:> | >Z|Z>\n|\n>B|B>o|o>b|b>:|:> | >w|w>$|");
    ph_corpus_free(&c);
}

static void test_cutting(void **state)
{
    (void)state;
    ph_corpus c;
    ph_corpus_options o = options(4);
    read_text(&c, "{\"text\":\"qrstuvwxyz\"}", &o);
    expect_batch(&c, "q>r|r>s|s>t|t>u||u>v|v>w|w>x|x>y||y>z|z>$|");
    assert_int_equal(c.stats.n_cut, 1);
    assert_int_equal(c.train.n_targets, 10);
    ph_corpus_free(&c);
    o.format = PH_RECORDS_PLAIN;
    read_text(&c, "qrs\n<|end|>xyz", &o);
    assert_int_equal(c.train.n_tokens, 4 + 7 + 3);
    ph_corpus_free(&c);
    o.parse_special = true;
    read_text(&c, "qrs\n<|end|>xyz<|end|>", &o);
    expect_batch(&c, "q>r|r>s|s>\n|\n>$||x>y|y>z|z>$|");
    ph_corpus_free(&c);
}

static void test_too_long(void **state)
{
    (void)state;
    ph_corpus c;
    phial_error err = {0};
    ph_corpus_options o = options(5);
    static const char text[] = "{\"prompt\":\"uvwx\",\"completion\":\"yz\"}\n"
                               "{\"prompt\":\"uvw\",\"completion\":\"yz\"}\n";
    read_text(&c, text, &o);
    expect_batch(&c, "u>.|v>.|w>y|y>z|z>$|");
    assert_int_equal(c.stats.n_too_long, 1);
    assert_non_null(strstr(log_text, "line 1: 6 tokens are more than the context of 5; left out"));
    ph_corpus_free(&c);
    o.strict = true;
    ph_corpus_init(&c);
    assert_int_equal(ph_corpus_add(&c, write_text("t", text), PH_CORPUS_SPLIT, &o, &err),
                     PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "line 1: 6 tokens are more than the context of 5"));
    ph_corpus_free(&c);
    /* A conversation keeps the turns that fit. */
    static const char talk[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"X\"},"
        "{\"role\":\"assistant\",\"content\":\"y\"},{\"role\":\"user\",\"content\":\"Z\"},"
        "{\"role\":\"assistant\",\"content\":\"w\"}]}";
    o = options(20);
    read_text(&c, talk, &o);
    expect_batch(&c, "A>.|l>.|i>.|c>.|e>.|:>.| >.|X>.|\n>.|B>.|o>.|b>.|:> | >y|y>$|");
    assert_int_equal(c.stats.n_shortened, 1);
    ph_corpus_free(&c);
    o = options(14);
    read_text(&c, talk, &o);
    assert_int_equal(c.train.n, 0);
    assert_int_equal(c.stats.n_too_long, 1);
    ph_corpus_free(&c);
}

#define SYSTEM_INSIDE                                                                              \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"system\",\"content\":"       \
    "\"a\"},{\"role\":\"assistant\",\"content\":\"x\"}]}"

static void test_bad_lines(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"text\":\"x\"",
        "[1]",
        "\"text\"",
        "{}",
        "{\"text\":null}",
        "{\"text\":\"a\",\"prompt\":\"b\",\"completion\":\"c\"}",
        "{\"prompt\":\"b\"}",
        "{\"completion\":\"b\"}",
        "{\"prompt\":1,\"completion\":\"b\"}",
        "{\"messages\":{}}",
        "{\"messages\":[3]}",
        "{\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}",
        "{\"messages\":[{\"role\":\"user\"}]}",
        SYSTEM_INSIDE,
        "{\"text\":\"\xff\"}",
        "{\"text\":\"a\",\"text\":\"b\"}",
        "{\"text\":\"a\"} x",
    };
    static const char *const empty[] = {"",
                                        "  \t",
                                        "{\"text\":\"\"}",
                                        "{\"prompt\":\"x\",\"completion\":\"\"}",
                                        "{\"messages\":[]}",
                                        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"};
    const size_t n_bad = sizeof bad / sizeof *bad, n_empty = sizeof empty / sizeof *empty;
    for (size_t i = 0; i < n_bad + n_empty; i++) {
        char text[512];
        ph_corpus c;
        phial_error err = {0};
        ph_corpus_options o = options(50);
        const char *line = i < n_bad ? bad[i] : empty[i - n_bad];
        snprintf(text, sizeof text, "{\"text\":\"good\"}\n%s\r\n{\"text\":\"better\"}\n", line);
        read_text(&c, text, &o);
        assert_int_equal(c.train.n, 2);
        assert_int_equal(c.stats.records.n_malformed, i < n_bad);
        assert_int_equal(c.stats.records.n_empty, i >= n_bad);
        assert_non_null(strstr(log_text, "line 2 skipped: "));
        ph_corpus_free(&c);
        o.strict = true;
        ph_corpus_init(&c);
        if (ph_corpus_add(&c, write_text("t", text), PH_CORPUS_SPLIT, &o, &err) !=
            PHIAL_ERR_BAD_INPUT)
            fail_msg("%s", line);
        assert_non_null(strstr(err.message, ": line 2: "));
        ph_corpus_free(&c);
    }
    /* Many are told by their count. */
    ph_buf many;
    ph_corpus c;
    ph_corpus_options o = options(50);
    ph_buf_init(&many, 0);
    for (int i = 0; i < 30; i++)
        ph_buf_add_str(&many, "nonsense\n");
    read_text(&c, many.data, &o);
    assert_non_null(strstr(log_text, "20 more lines skipped"));
    assert_int_equal(c.stats.records.n_malformed, 30);
    ph_buf_free(&many);
    ph_corpus_free(&c);
}

static void make_many(ph_corpus *c, int n, double held_out)
{
    ph_buf text;
    ph_corpus_options o = options(50);
    o.held_out = held_out;
    ph_buf_init(&text, 0);
    for (int i = 0; i < n; i++)
        ph_buf_addf(&text, "{\"prompt\":\"%d \",\"completion\":\"%d\"}\n", i, i * 7);
    read_text(c, text.data, &o);
    ph_buf_free(&text);
}

/* Each epoch has every example once, in an order of its own; a position is enough to go on. */
static void test_packing(void **state)
{
    (void)state;
    enum { N = 200, ROOM = 64 };
    ph_corpus c;
    ph_packer p, q;
    ph_train_batch b, again;
    make_many(&c, N, 0);
    assert_int_equal(c.train.n, N);
    assert_int_equal(ph_packer_init(&p, &c, &c.train, 5, false, ROOM, NULL), PHIAL_OK);
    assert_int_equal(ph_packer_init(&q, &c, &c.train, 5, false, ROOM, NULL), PHIAL_OK);
    int seen[3][N] = {{0}};
    size_t total = 0, first_epoch[N];
    bool differs = false;
    while (p.epoch < 2) {
        ph_packer_seek(&q, p.epoch, p.index);
        ph_packer_next(&p, &b);
        ph_packer_next(&q, &again);
        assert_int_equal(b.n, again.n);
        assert_memory_equal(b.ids, again.ids, b.n * sizeof *b.ids);
        assert_memory_equal(b.targets, again.targets, b.n * sizeof *b.ids);
        assert_memory_equal(b.starts, again.starts, b.n_examples * sizeof *b.starts);
        assert_true(b.n <= ROOM && b.n > ROOM / 2);
        assert_int_equal(b.starts[0], 0);
        for (size_t i = 0; i < b.n_examples; i++, total++) {
            size_t epoch = total / N;
            seen[epoch][p.members[i]]++;
            if (epoch == 0)
                first_epoch[total] = p.members[i];
            else if (epoch == 1)
                differs = differs || first_epoch[total - N] != p.members[i];
        }
    }
    for (size_t i = 0; i < N; i++)
        assert_true(seen[0][i] == 1 && seen[1][i] == 1);
    assert_true(differs);
    /* The same walk without batches. */
    ph_packer_seek(&p, 0, 0);
    ph_packer_seek(&q, 0, 0);
    for (int i = 0; i < 50; i++) {
        ph_packer_next(&p, &b);
        ph_packer_skip(&q);
        assert_true(p.epoch == q.epoch && p.index == q.index);
    }
    ph_packer_free(&p);
    ph_packer_free(&q);
    assert_int_equal(ph_packer_init(&p, &c, &c.train, 5, false, 3, NULL), PHIAL_ERR_ARGUMENT);
    ph_corpus_free(&c);
}

static void test_held_out(void **state)
{
    (void)state;
    enum { N = 4000 };
    ph_corpus c, d;
    make_many(&c, N, 0.1);
    assert_int_equal(c.train.n + c.held.n, N);
    assert_true(c.held.n > N / 10 - 100 && c.held.n < N / 10 + 100);
    /* In a larger corpus the same examples are held out. */
    make_many(&d, N + 500, 0.1);
    for (size_t i = 0; i < c.held.n; i++)
        assert_int_equal(c.held.list[i].line, d.held.list[i].line);
    assert_true(ph_corpus_hash(&c) != ph_corpus_hash(&d));
    ph_packer p;
    ph_train_batch b;
    size_t n = 0;
    assert_int_equal(ph_packer_init(&p, &c, &c.held, 0, true, 64, NULL), PHIAL_OK);
    for (; p.index < c.held.n; n += b.n_examples)
        ph_packer_next(&p, &b);
    assert_int_equal(n, c.held.n);
    ph_packer_free(&p);
    ph_corpus_free(&c);
    ph_corpus_free(&d);
}

static bool torture_scenario(void *arg)
{
    phial_error err = {0};
    ph_corpus c;
    ph_packer p = {0};
    ph_corpus_options o = options(50);
    o.strict = true; /* a line must not be taken for malformed when memory is short */
    ph_corpus_init(&c);
    phial_status st = ph_corpus_add(&c, arg, PH_CORPUS_SPLIT, &o, &err);
    if (st == PHIAL_OK)
        st = ph_packer_init(&p, &c, &c.train, 1, false, 64, &err);
    /* A buffer with a limit cannot tell which of the two it was. */
    bool told = (st == PHIAL_ERR_NO_MEMORY || st == PHIAL_ERR_LIMIT) && err.message[0] != 0;
    if (st != PHIAL_OK && !told)
        fail_msg("%d: %s", (int)st, err.message);
    if (st == PHIAL_OK)
        assert_int_equal(c.train.n, 3);
    ph_packer_free(&p);
    ph_corpus_free(&c);
    return st == PHIAL_OK;
}

static void test_torture(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s",
             write_text("t", "{\"text\":\"xyz\"}\n{\"prompt\":\"a\",\"completion\":\"b\"}\n"
                             "{\"messages\":[{\"role\":\"user\",\"content\":\"X\"},{\"role\":"
                             "\"assistant\",\"content\":\"y\"}]}\n"));
    assert_true(torture_run(torture_scenario, path, 1000) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),     cmocka_unit_test(test_learn_prompts),
        cmocka_unit_test(test_cutting),   cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_bad_lines), cmocka_unit_test(test_packing),
        cmocka_unit_test(test_held_out),  cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
