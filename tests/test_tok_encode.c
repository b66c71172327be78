/* Encoding and decoding: properties that hold for every text, against a plain implementation of the
 * definition; time that grows with the length only; streaming.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "testdata.h"
#include "tok/pretok.h"
#include "tok_util.h"

static phial_tokenizer *tiny;
static phial_tokenizer *phi2; /* NULL without golden data */
static phial_tokenizer *gpt2; /* the same, without runs of spaces as added tokens */

static phial_tokenizer *open_golden(const char *path)
{
    phial_error err = {0};
    phial_tokenizer *t = NULL;
    const char *full = ph_testdata(path);
    if (full && phial_tokenizer_open(&t, full, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    return t;
}

static int open_all(void **state)
{
    (void)state;
    phial_error err = {0};
    if (tiny_tokenizer(&tiny, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    phi2 = open_golden("golden/tokenizer/phi-2/ggml-vocab-phi-2.gguf");
    gpt2 = open_golden("models/ggml-vocab-gpt-2.gguf");
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    phial_tokenizer_close(gpt2);
    phial_tokenizer_close(phi2);
    phial_tokenizer_close(tiny);
    return 0;
}

static phial_encoder *new_encoder(const phial_tokenizer *t)
{
    phial_encoder *e = NULL;
    assert_int_equal(phial_encoder_new(&e, t, NULL), PHIAL_OK);
    return e;
}

/* Merges of one piece by the letter of the definition: all ranks looked at in each round. */
static size_t plain_bpe(uint32_t *ids, const ph_vocab *v, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = ph_vocab_find(v, (ph_str){(const char *)p + i, 1});
    for (uint32_t rank = 0; rank < v->n_merges; rank++) {
        const ph_vocab_merge *m = &v->merges[rank];
        size_t k = 0;
        for (size_t i = 0; i < n; i++) {
            bool joins = i + 1 < n && ids[i] == m->left && ids[i + 1] == m->right;
            ids[k++] = joins ? m->result : ids[i];
            i += joins;
        }
        n = k;
    }
    return n;
}

/* Bytes that make merges, overlaps and cuts likely. */
static size_t random_text(uint8_t *out, size_t max, ph_rng *rng)
{
    static const char *const parts[] = {
        "a",  "aa",  "the",  " the", "ab",   "  ", " ",   "\n", "12", "é",  "<|end|>",     "<|e",
        "'s", "'ll", "\xC3", "\x80", "\xF0", "",   "ing", "\t", "中", "!?", "\xE2\x80\x89"};
    size_t n = 0;
    for (;;) {
        const char *part = parts[ph_rng_below(rng, sizeof parts / sizeof parts[0])];
        size_t len = *part ? strlen(part) : 1;
        size_t times = ph_rng_below(rng, 8) == 0 ? 1 + ph_rng_below(rng, 60) : 1;
        for (; times > 0; times--) {
            if (n + len > max)
                return n;
            memcpy(out + n, part, len);
            n += len;
        }
        if (ph_rng_below(rng, 40) == 0)
            return n;
    }
}

static void check_round_trip(const phial_tokenizer *t, phial_encoder *e, const uint8_t *text,
                             size_t n, uint32_t flags)
{
    size_t n_ids;
    ph_buf back;
    ph_buf_init(&back, 0);
    assert_int_equal(phial_encoder_run(e, text, n, flags, NULL), PHIAL_OK);
    const uint32_t *ids = phial_encoder_ids(e, &n_ids);
    assert_int_equal(decode_all(&back, t, ids, n_ids, NULL), PHIAL_OK);
    assert_int_equal(back.len, n);
    if (n > 0)
        assert_memory_equal(back.data, text, n);
    ph_buf_free(&back);
}

static void any_bytes_come_back(void **state)
{
    (void)state;
    const phial_tokenizer *all[] = {tiny, phi2, gpt2};
    static uint8_t text[4096];
    for (size_t k = 0; k < 3; k++) {
        if (!all[k])
            continue;
        ph_rng rng;
        ph_rng_seed(&rng, 7, k);
        phial_encoder *e = new_encoder(all[k]);
        for (int round = 0; round < 2000; round++) {
            size_t n = random_text(text, sizeof text, &rng);
            if (round % 4 == 0)
                for (size_t i = 0; i < n; i++)
                    text[i] = (uint8_t)ph_rng_u64(&rng);
            check_round_trip(all[k], e, text, n, round % 2 ? PHIAL_ENCODE_SPECIAL : 0);
        }
        for (unsigned b = 0; b < 256; b++) {
            memset(text, (int)b, 300);
            check_round_trip(all[k], e, text, b + 1, 0);
        }
        phial_encoder_free(e);
    }
}

/* Every piece of every text, by both algorithms and by the definition. */
static void pieces_as_defined(void **state)
{
    (void)state;
    static uint8_t text[700];
    static uint32_t want[700], got[700];
    const ph_vocab *v = ph_tokenizer_vocab(tiny);
    ph_bpe_scratch scratch = {0};
    ph_rng rng;
    ph_rng_seed(&rng, 11, 0);
    size_t n_long = 0;
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + ph_rng_below(&rng, round % 8 == 0 ? sizeof text - 1 : 60);
        for (size_t i = 0; i < n; i++)
            text[i] = (uint8_t) "aaaab the12\xC3\xA9ing"[ph_rng_below(&rng, 16)];
        n_long += n > PH_BPE_SHORT;
        size_t n_want = plain_bpe(want, v, text, n);
        size_t n_got = ph_bpe_encode(got, &tiny->bpe, &scratch, text, n, NULL);
        assert_int_equal(n_got, n_want);
        assert_memory_equal(got, want, n_want * sizeof *want);
    }
    assert_true(n_long > 1000);
    ph_bpe_scratch_free(&scratch);
}

/* Which tokens are their own encoding was found without encoding them. */
static void whole_tokens(void **state)
{
    (void)state;
    if (!phi2) {
        print_message("skipped: no golden data\n");
        skip();
    }
    const ph_vocab *v = ph_tokenizer_vocab(phi2);
    ph_bpe_scratch scratch = {0};
    static uint32_t ids[PH_VOCAB_MAX_TOKEN_BYTES];
    size_t n_whole = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        ph_str text = v->tokens[id].text;
        if (!v->tokens[id].in_model)
            continue;
        size_t n = ph_bpe_encode(ids, &phi2->bpe, &scratch, (const uint8_t *)text.p, text.n, NULL);
        bool whole = n == 1 && ids[0] == id;
        assert_int_equal(ph_vocab_slot_of(v, text)->whole, whole);
        n_whole += whole;
    }
    assert_true(n_whole > 50000);
    ph_bpe_scratch_free(&scratch);
}

/* Words that share slots of the table of recent words push each other out without harm: an encoder
 * that has seen much gives what a new one gives. */
static void recent_words_do_not_matter(void **state)
{
    (void)state;
    if (!phi2) {
        print_message("skipped: no golden data\n");
        skip();
    }
    static uint8_t text[600];
    phial_encoder *old = new_encoder(phi2);
    ph_rng rng;
    ph_rng_seed(&rng, 5, 0);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 300; i++) {
            char word[24];
            int n = snprintf(word, sizeof word, " w%llu", (unsigned long long)ph_rng_u64(&rng));
            assert_int_equal(phial_encoder_run(old, word, (size_t)n, 0, NULL), PHIAL_OK);
        }
        size_t n = random_text(text, sizeof text, &rng), n_old, n_new;
        phial_encoder *new = new_encoder(phi2);
        assert_int_equal(phial_encoder_run(old, text, n, 0, NULL), PHIAL_OK);
        assert_int_equal(phial_encoder_run(new, text, n, 0, NULL), PHIAL_OK);
        const uint32_t *a = phial_encoder_ids(old, &n_old);
        const uint32_t *b = phial_encoder_ids(new, &n_new);
        assert_int_equal(n_old, n_new);
        if (n_old > 0)
            assert_memory_equal(a, b, n_old * sizeof *a);
        phial_encoder_free(new);
    }
    phial_encoder_free(old);
}

static void added_tokens(void **state)
{
    (void)state;
    const uint32_t end = 256 + N_TINY_MERGES, three = end + 2, two = end + 3;
    const struct {
        const char *text;
        uint32_t flags;
        uint32_t want[8];
        size_t n;
    } cases[] = {
        {"     ", 0, {three, two}, 2},
        {"    a", 0, {three, ' ', 'a'}, 3},
        {"x<|end|>  y", 1, {'x', end, two, 'y'}, 4},
        {"<|end|><|end|>", 1, {end, end}, 2},
        {"<|end|", 1, {'<', '|', 'e', 'n', 'd', '|'}, 6},
        {"<<|end|>", 1, {'<', end}, 2},
        {"<|end|>", 0, {'<', '|', 'e', 'n', 'd', '|', '>'}, 7},
        {" the", 0, {260}, 1},
        {"the", 0, {256, 'e'}, 2},
        {"", 1, {0}, 0},
    };
    phial_encoder *e = new_encoder(tiny);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n;
        assert_int_equal(
            phial_encoder_run(e, cases[i].text, strlen(cases[i].text), cases[i].flags, NULL),
            PHIAL_OK);
        const uint32_t *ids = phial_encoder_ids(e, &n);
        assert_int_equal(n, cases[i].n);
        if (n > 0)
            assert_memory_equal(ids, cases[i].want, n * sizeof *ids);
    }
    phial_encoder_free(e);
}

static void pieces_of_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *cuts; /* the text with | at the cuts */
    } cases[] = {
        {"I'll don't 's 'S", "I|'ll| don|'t| '|s| '|S"},
        {"''s", "''|s"},
        {"a  b", "a| | b"},
        {"a \n b", "a| \n| b"},
        {"a\n\n", "a|\n\n"},
        {"a\nb", "a|\n|b"},
        {"x1 2!? ...", "x|1| 2|!?| ..."},
        {" \xC3\xA9t\xC3\xA9 \xC2\xBD", " \xC3\xA9t\xC3\xA9| \xC2\xBD"},
        {"a\xC2\xA0 b", "a|\xC2\xA0| b"},
        {"a\xFF\xC3!b", "a|\xFF\xC3!|b"},
        {"abcdefghijkl\xC3\xA9mnop qrstuvwxyz[", "abcdefghijkl\xC3\xA9mnop| qrstuvwxyz|["},
        {" ", " "},
        {"\xE2\x80\x89x", "\xE2\x80\x89|x"},
        {"a_b", "a|_|b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *p = (const uint8_t *)cases[i].text;
        const uint8_t *end = p + strlen(cases[i].text);
        char cut[128];
        size_t n = 0;
        while (p < end) {
            const uint8_t *next = ph_pretok_gpt2(p, end);
            assert_true(next > p && next <= end);
            if (n > 0)
                cut[n++] = '|';
            memcpy(cut + n, p, (size_t)(next - p));
            n += (size_t)(next - p);
            p = next;
        }
        cut[n] = '\0';
        assert_string_equal(cut, cases[i].cuts);
    }
}

static void fill(ph_buf *text, const char *unit, size_t n_bytes)
{
    size_t n = strlen(unit);
    ph_buf_clear(text);
    while (text->len + n <= n_bytes)
        ph_buf_add(text, unit, n);
}

/* CPU time of this thread: others on the machine change it less than the time on the wall. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Fastest of three, in nanoseconds per byte; *steps: queue operations per byte. */
static double cost(const phial_tokenizer *t, const ph_buf *text, double *steps)
{
    uint64_t best = UINT64_MAX;
    phial_encoder *e = new_encoder(t);
    for (int i = 0; i < 3; i++) {
        uint64_t begin = cpu_ns();
        assert_int_equal(phial_encoder_run(e, text->data, text->len, 0, NULL), PHIAL_OK);
        uint64_t ns = cpu_ns() - begin;
        best = ns < best ? ns : best;
    }
    *steps = (double)ph_encoder_steps(e) / 3 / (double)text->len;
    phial_encoder_free(e);
    return (double)best / (double)text->len;
}

/* One text in two sizes; true if the larger costs no more per byte than a machine's caches explain.
 * Counted steps are held tightly. */
static bool same_cost(const phial_tokenizer *t, const char *unit, ph_buf *text)
{
    double small_steps, large_steps;
    fill(text, unit, 64u << 10);
    double small = cost(t, text, &small_steps);
    fill(text, unit, 1u << 20);
    double large = cost(t, text, &large_steps);
    assert_true(large_steps < 8);
    assert_true(large_steps < small_steps * 1.01 + 0.01);
    return large < small * 8;
}

/* Time is held loosely, and may be measured again, as the machine may be busy: an algorithm of
 * quadratic cost would show a factor of 16 each time. */
static void linear_time(void **state)
{
    (void)state;
    static const char *const units[] = {"a",    " ",       "\xF0\x9F\x98\x80",
                                        "7",    "ab",      "\n",
                                        "\t",   "==",      "\xFF",
                                        "the ", "<|endof", "abcdefghi"};
    const phial_tokenizer *all[] = {tiny, phi2, gpt2};
    ph_buf text;
    ph_buf_init(&text, 0);
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; all[k] && i < sizeof units / sizeof units[0]; i++) {
            int tries = 5;
            while (tries > 0 && !same_cost(all[k], units[i], &text))
                tries--;
            if (tries == 0)
                fail_msg("tokenizer %zu, text %zu: cost per byte grows with the length", k, i);
        }
    }
    ph_buf_free(&text);
}

static void streaming_shows_whole_characters(void **state)
{
    (void)state;
    static const char text[] = "aé中😀\xC3(\xE4\xB8!\xF0\x9F\x98\x80\x80\xE4\xB8";
    phial_decoder *d = NULL;
    ph_buf all;
    ph_buf_init(&all, 0);
    assert_int_equal(phial_decoder_new(&d, tiny, 0, NULL), PHIAL_OK);
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        const char *part;
        size_t n, len;
        assert_int_equal(phial_decoder_push(d, &part, &n, (uint8_t)text[i], NULL), PHIAL_OK);
        ph_buf_add(&all, part, n);
        if (n > 0)
            assert_int_equal(ph_utf8_incomplete_tail((const uint8_t *)part, n), 0);
        /* Up to the first invalid byte each part is a character and nothing is late. */
        if (all.len > 0 && all.len < 10 && n > 0) {
            assert_true(ph_utf8_decode((const uint8_t *)part, n, &len) != PH_UTF8_INVALID);
            assert_int_equal(len, n);
            assert_int_equal(all.len, i + 1);
        }
    }
    size_t n;
    const char *rest = phial_decoder_flush(d, &n);
    assert_int_equal(n, 2);
    ph_buf_add(&all, rest, n);
    assert_int_equal(all.len, sizeof text - 1);
    assert_memory_equal(all.data, text, sizeof text - 1);
    phial_decoder_flush(d, &n);
    assert_int_equal(n, 0);
    phial_decoder_free(d);
    ph_buf_free(&all);
}

static void special_tokens_skipped(void **state)
{
    (void)state;
    const uint32_t end = 256 + N_TINY_MERGES;
    const uint32_t ids[] = {'a', end, 'b'};
    char out[16];
    size_t n;
    assert_int_equal(phial_tokenizer_decode(tiny, out, sizeof out, &n, ids, 3, 0, NULL), PHIAL_OK);
    assert_int_equal(n, 9);
    assert_memory_equal(out, "a<|end|>b", 9);
    assert_int_equal(
        phial_tokenizer_decode(tiny, out, sizeof out, &n, ids, 3, PHIAL_DECODE_SKIP_SPECIAL, NULL),
        PHIAL_OK);
    assert_int_equal(n, 2);
    assert_memory_equal(out, "ab", 2);
    /* What does not fit is counted, not written. */
    memset(out, '#', sizeof out);
    assert_int_equal(phial_tokenizer_decode(tiny, out, 4, &n, ids, 3, 0, NULL), PHIAL_OK);
    assert_int_equal(n, 9);
    assert_memory_equal(out, "a<|e#", 5);
}

static void wrong_arguments(void **state)
{
    (void)state;
    phial_error err = {0};
    phial_encoder *e = new_encoder(tiny);
    phial_decoder *d = NULL;
    const char *text;
    size_t n = 1;
    const uint32_t huge[] = {1, PHIAL_VOCAB_MAX};
    assert_int_equal(phial_encoder_run(e, "a", 1, 6, &err), PHIAL_ERR_ARGUMENT);
    phial_encoder_ids(e, &n);
    assert_int_equal(n, 0);
    assert_int_equal(phial_encoder_run(e, "a", PHIAL_TEXT_MAX + 1, 0, &err), PHIAL_ERR_LIMIT);
    assert_int_equal(phial_tokenizer_decode(tiny, NULL, 0, &n, huge, 2, 0, &err),
                     PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "1048576 at position 1"));
    assert_int_equal(phial_tokenizer_decode(tiny, NULL, 0, &n, huge, 1, 4, &err),
                     PHIAL_ERR_ARGUMENT);
    assert_int_equal(phial_decoder_new(&d, tiny, 8, &err), PHIAL_ERR_ARGUMENT);
    assert_null(d);
    assert_int_equal(phial_decoder_new(&d, tiny, 0, &err), PHIAL_OK);
    assert_int_equal(phial_decoder_push(d, &text, &n, 0xC3, &err), PHIAL_OK);
    assert_int_equal(phial_decoder_push(d, &text, &n, UINT32_MAX, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(phial_decoder_push(d, &text, &n, 0xA9, &err), PHIAL_OK);
    assert_int_equal(n, 2);
    phial_decoder_free(d);
    phial_encoder_free(e);
    phial_encoder_free(NULL);
    phial_decoder_free(NULL);
    phial_tokenizer_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(pieces_as_defined),
        cmocka_unit_test(whole_tokens),
        cmocka_unit_test(recent_words_do_not_matter),
        cmocka_unit_test(added_tokens),
        cmocka_unit_test(pieces_of_text),
        cmocka_unit_test(linear_time),
        cmocka_unit_test(streaming_shows_whole_characters),
        cmocka_unit_test(special_tokens_skipped),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
