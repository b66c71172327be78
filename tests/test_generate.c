/* Generation, by the library and by the program, on the tiny Phi of this repository. Its words are
 * noise, and half of its tokens are parts of characters, which is just what is wanted here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cli_run.h"
#include "phial/phial.h"
#include "testdata.h"

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"
#define GEN  "$PHIAL generate -m " TINY " "

static phial_model *model;
static phial_tokenizer *tokenizer;
static phial_engine *engine;

static void ok(phial_status status, const phial_error *err)
{
    if (status != PHIAL_OK)
        fail_msg("%s", err->message);
}

static int open_all(void **state)
{
    (void)state;
    phial_error err = {0};
    phial_engine_options o;
    phial_engine_options_default(&o);
    o.n_threads = 2;
    unsetenv("PHIAL_MODEL");
    ok(phial_model_open(&model, TINY, NULL, &err), &err);
    ok(phial_tokenizer_open(&tokenizer, TINY, &err), &err);
    ok(phial_engine_new(&engine, model, &o, &err), &err);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    phial_engine_free(engine);
    phial_tokenizer_close(tokenizer);
    phial_model_close(model);
    return 0;
}

/* One answer and all it stands on. */
typedef struct one {
    phial_session *session;
    phial_sampler *sampler;
    phial_generation *generation;
    phial_generation_result r;
    char heard[4096]; /* what the callback was given */
    size_t n_heard, n_pieces, most_pieces;
    size_t ends[1024]; /* where pieces ended */
} one;

static bool hear(void *user, const char *text, size_t n)
{
    one *a = user;
    assert_true(n > 0 && a->n_heard + n < sizeof a->heard && a->n_pieces < 1024);
    memcpy(a->heard + a->n_heard, text, n);
    a->n_heard += n;
    a->ends[a->n_pieces] = a->n_heard;
    return ++a->n_pieces < a->most_pieces;
}

static phial_generation_options begin(one *a, uint64_t seed, double temperature, uint32_t n_ctx,
                                      const phial_logit_bias *bias)
{
    phial_error err = {0};
    phial_sampler_options so;
    *a = (one){.r.size = sizeof a->r, .most_pieces = SIZE_MAX};
    phial_sampler_options_default(&so);
    so.seed = seed;
    so.temperature = temperature;
    so.logit_bias = bias;
    so.n_logit_bias = bias != NULL;
    ok(phial_session_new(&a->session, engine, n_ctx, &err), &err);
    ok(phial_sampler_new(&a->sampler, 320, &so, &err), &err);
    phial_generation_options o;
    phial_generation_options_default(&o);
    static const uint32_t prompt[] = {53, 73, 70, 258};
    o.session = a->session;
    o.tokenizer = tokenizer;
    o.sampler = a->sampler;
    o.prompt = (phial_tokens){prompt, 4};
    o.on_text = hear;
    o.user = a;
    return o;
}

static void finish(one *a)
{
    phial_error err = {0};
    ok(phial_generation_get_result(a->generation, &a->r, &err), &err);
}

static void run(one *a, const phial_generation_options *o)
{
    phial_error err = {0};
    ok(phial_generation_new(&a->generation, o, &err), &err);
    ok(phial_generation_run(a->generation, &err), &err);
    assert_true(phial_generation_done(a->generation));
    finish(a);
}

static void end(one *a)
{
    phial_generation_free(a->generation);
    phial_sampler_free(a->sampler);
    phial_session_free(a->session);
}

/* Whether a piece ended inside of a character. */
static bool torn(const one *a)
{
    const uint8_t *text = (const uint8_t *)a->heard;
    for (size_t i = 0; i < a->n_pieces; i++) {
        size_t cut = a->ends[i], len;
        for (size_t from = cut < 3 ? 0 : cut - 3; from < cut; from++) {
            uint32_t c = ph_utf8_decode(text + from, a->n_heard - from, &len);
            if (c != PH_UTF8_INVALID && from + len > cut)
                return true;
        }
    }
    return false;
}

static void test_text_is_whole(void **state)
{
    (void)state;
    int n_cut = 0; /* answers in which something was held back */
    for (uint64_t seed = 0; seed < 20; seed++) {
        one a;
        phial_generation_options o = begin(&a, seed, 2, 0, NULL);
        o.n_new = 100;
        o.ignore_eos = true;
        run(&a, &o);
        assert_false(torn(&a));
        n_cut += a.n_pieces < a.r.ids.n;
        assert_int_equal(a.r.text.n, a.n_heard);
        assert_memory_equal(a.r.text.p, a.heard, a.n_heard);
        assert_int_equal(a.r.finish, PHIAL_FINISH_LENGTH);
        assert_int_equal(a.r.ids.n, 100);
        char text[4096];
        size_t n;
        phial_error err = {0};
        ok(phial_tokenizer_decode(tokenizer, text, sizeof text, &n, a.r.ids.ids, a.r.ids.n,
                                  PHIAL_DECODE_SKIP_SPECIAL, &err),
           &err);
        assert_int_equal(n, a.n_heard);
        assert_memory_equal(text, a.heard, n);
        end(&a);
    }
    assert_true(n_cut > 0);
}

static void test_reasons(void **state)
{
    (void)state;
    one a;
    phial_generation_options o = begin(&a, 1, 0, 10, NULL);
    run(&a, &o);
    assert_int_equal(a.r.finish, PHIAL_FINISH_CONTEXT);
    assert_int_equal(a.r.ids.n, 6);
    end(&a);

    o = begin(&a, 1, 0, 10, NULL);
    o.max_length = 7;
    run(&a, &o);
    assert_int_equal(a.r.finish, PHIAL_FINISH_LENGTH);
    assert_int_equal(a.r.ids.n, 3);
    end(&a);

    o = begin(&a, 1, 0, 10, NULL);
    o.n_new = 0;
    run(&a, &o);
    assert_int_equal(a.r.finish, PHIAL_FINISH_LENGTH);
    assert_int_equal(a.r.ids.n, 0);
    end(&a);

    uint32_t eos = phial_tokenizer_eos(tokenizer);
    phial_logit_bias always = {(int32_t)eos, 1e6f};
    o = begin(&a, 1, 0, 10, &always);
    run(&a, &o);
    assert_int_equal(a.r.finish, PHIAL_FINISH_STOP);
    assert_int_equal(a.r.ids.n, 0);
    assert_string_equal(a.r.text.p, "");
    end(&a);

    o = begin(&a, 1, 0, 10, &always);
    o.ignore_eos = true;
    run(&a, &o);
    assert_int_equal(a.r.finish, PHIAL_FINISH_CONTEXT);
    assert_int_equal(a.r.text.n, 0); /* special tokens have no text */
    end(&a);

    o = begin(&a, 3, 2, 0, NULL);
    o.ignore_eos = true;
    a.most_pieces = 3;
    run(&a, &o);
    assert_int_equal(a.r.finish, PHIAL_FINISH_CANCELLED);
    assert_int_equal(a.n_pieces, 3);
    end(&a);

    o = begin(&a, 3, 2, 0, NULL);
    phial_session_cancel(a.session);
    run(&a, &o);
    assert_int_equal(a.r.finish, PHIAL_FINISH_CANCELLED);
    assert_int_equal(a.n_heard, 0);
    end(&a);
}

/* Every substring of an answer as stop string: the text before its first occurrence is shown. */
static void test_stop_strings(void **state)
{
    (void)state;
    one a;
    phial_generation_options o = begin(&a, 7, 2, 0, NULL);
    o.n_new = 24;
    o.ignore_eos = true;
    run(&a, &o);
    char whole[4096];
    size_t n = a.n_heard;
    memcpy(whole, a.heard, n);
    end(&a);
    for (size_t from = 0; from < n; from += 3) {
        for (size_t len = 1; from + len <= n; len = len * 2 + 1) {
            phial_text stop = {whole + from, len};
            const char *first = memmem(whole, n, stop.p, stop.n);
            o = begin(&a, 7, 2, 0, NULL);
            o.n_new = 24;
            o.ignore_eos = true;
            o.stop = &stop;
            o.n_stop = 1;
            run(&a, &o);
            assert_int_equal(a.r.finish, PHIAL_FINISH_STOP_STRING);
            assert_int_equal(a.n_heard, first - whole);
            assert_memory_equal(a.heard, whole, a.n_heard);
            end(&a);
        }
    }
}

static void test_batch_is_as_alone(void **state)
{
    (void)state;
    enum { N = 7 };
    one alone, together[N];
    phial_generation *list[N];
    phial_error err = {0};
    for (int i = 0; i < N; i++) {
        phial_generation_options o = begin(&together[i], (uint64_t)i, 1.5, 0, NULL);
        o.n_new = 10 + 9 * (size_t)i;
        o.prompt.n = 1 + (size_t)i % 4;
        ok(phial_generation_new(&together[i].generation, &o, &err), &err);
        list[i] = together[i].generation;
    }
    for (bool done = false; !done;) {
        ok(phial_generation_step(list, N, &err), &err);
        done = true;
        for (int i = 0; i < N; i++)
            done = done && phial_generation_done(list[i]);
    }
    for (int i = 0; i < N; i++) {
        finish(&together[i]);
        phial_generation_options o = begin(&alone, (uint64_t)i, 1.5, 0, NULL);
        o.n_new = 10 + 9 * (size_t)i;
        o.prompt.n = 1 + (size_t)i % 4;
        run(&alone, &o);
        assert_int_equal(alone.r.ids.n, together[i].r.ids.n);
        assert_memory_equal(alone.r.ids.ids, together[i].r.ids.ids, alone.r.ids.n * 4);
        assert_int_equal(alone.r.finish, together[i].r.finish);
        end(&alone);
        end(&together[i]);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    one a;
    phial_error err = {0};
    phial_generation_options o = begin(&a, 1, 0, 3, NULL);
    assert_int_equal(phial_generation_new(&a.generation, &o, &err), PHIAL_ERR_CONTEXT_FULL);
    assert_string_equal(err.message, "the prompt has 4 tokens and the context holds 3");
    end(&a);
    o = begin(&a, 1, 0, 8, NULL);
    o.max_length = 2;
    assert_int_equal(phial_generation_new(&a.generation, &o, &err), PHIAL_ERR_ARGUMENT);
    o.max_length = 8;
    o.prompt.n = 0;
    assert_int_equal(phial_generation_new(&a.generation, &o, &err), PHIAL_ERR_ARGUMENT);
    o.prompt.n = 4;
    o.sampler = NULL;
    assert_int_equal(phial_generation_new(&a.generation, &o, &err), PHIAL_ERR_ARGUMENT);
    o.sampler = a.sampler;
    o.size = 1;
    assert_int_equal(phial_generation_new(&a.generation, &o, &err), PHIAL_ERR_ARGUMENT);
    end(&a);
}

/* --- the program --- */

/* "ids" and "text_hex" of each line of output, timings left out. */
static void essence(const char *line, char *out, size_t room)
{
    const cli_result *r = cli_run(line);
    if (r->code != 0)
        fail_msg("%s: exit %d\n%s", line, r->code, r->err);
    size_t len = 0;
    for (const char *p = r->out; *p; p += strcspn(p, "\n") + 1) {
        phial_error err = {0};
        ph_json *root = ph_json_parse(p, strcspn(p, "\n"), &err);
        if (!root)
            fail_msg("%s", err.message);
        static const char *const keys[] = {"id", "text_hex", "ids", "finish_reason", "seed"};
        for (size_t k = 0; k < 5; k++) {
            ph_buf text;
            ph_buf_init(&text, 0);
            const ph_json *v = ph_json_get(root, keys[k]);
            if (v && ph_json_write(&text, v, 0, &err) == PHIAL_OK)
                len += (size_t)snprintf(out + len, room - len, "%s ", text.data);
            assert_true(len < room);
            ph_buf_free(&text);
        }
        ph_json_free(root);
    }
    assert_true(len > 0);
}

static void test_same_text_on_any_threads(void **state)
{
    (void)state;
    static char first[65536], other[65536];
    char line[1024];
    for (int t = 1; t <= 3; t++) {
        snprintf(line, sizeof line, GEN "-p 'The panda' -n 80 --seed 9 --temp 1.2 --json -t %d", t);
        essence(line, t == 1 ? first : other, sizeof first);
        if (t > 1)
            assert_string_equal(first, other);
    }
    static const int batches[][2] = {{1, 1}, {2, 3}, {3, 2}, {64, 1}};
    for (int b = 0; b < 4; b++) {
        snprintf(line, sizeof line,
                 "i=0; while [ $i -lt 9 ]; do echo "
                 "'{\"id\":\"'$i'\",\"prompt\":\"The '$i' panda\",\"n\":'$((i * 7))'}'; "
                 "i=$((i + 1)); done | " GEN "--prompts - --seed 4 -b %d -t %d",
                 batches[b][0], batches[b][1]);
        essence(line, b == 0 ? first : other, sizeof first);
        if (b > 0)
            assert_string_equal(first, other);
    }
    /* A line of a batch, and the same alone. */
    essence("echo '{\"prompt\":\"The panda\"}' | " GEN "--prompts - --seed 9 -n 30", first,
            sizeof first);
    essence(GEN "-p 'The panda' --seed 9 -n 30 --json", other, sizeof other);
    assert_non_null(strstr(first, other));
}

/* Hugging Face's greedy continuations, by the program. */
static void test_golden_greedy(void **state)
{
    (void)state;
    static const char *const models[] = {"tiny-phi-a", "tiny-phi-a-sharded", "tiny-phi-bf16",
                                         "tiny-phi-gqa", "phi-mini"};
    if (!ph_testdata("golden/phi-mini/refs.json")) {
        print_message("skipped: no golden data (PHIAL_TEST_DATA)\n");
        skip();
    }
    int n = 0;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        char path[128], folder[1024];
        ph_buf file, ids, line, wanted;
        phial_error err = {0};
        snprintf(path, sizeof path, "golden/%s", models[m]);
        snprintf(folder, sizeof folder, "%s", ph_testdata(path));
        snprintf(path, sizeof path, "golden/%s/refs.json", models[m]);
        ph_buf_init(&file, 0);
        ok(ph_file_read(&file, ph_testdata(path), SIZE_MAX, &err), &err);
        ph_json *root = ph_json_parse(file.data, file.len, &err);
        const ph_json *list = ph_json_get(root, "_greedy");
        assert_true(ph_json_count(list) > 0);
        for (size_t i = 0; i < ph_json_count(list); i++, n++) {
            const ph_json *g = ph_json_at(list, i);
            ph_buf_init(&ids, 0);
            ph_buf_init(&line, 0);
            ph_buf_init(&wanted, 0);
            ok(ph_json_write(&ids, ph_json_get(g, "prompt_ids"), 0, &err), &err);
            ph_buf_addf(&line, "$PHIAL generate -m %s --ids %.*s -n 40 --temp 0 --json", folder,
                        (int)ids.len - 2, ids.data + 1);
            ph_buf_add_str(&wanted, "\"ids\":");
            ph_buf_clear(&ids);
            ok(ph_json_write(&ids, ph_json_get(g, "new_ids"), 0, &err), &err);
            ph_buf_add(&wanted, ids.data, ids.len);
            const cli_result *r = cli_run(line.data);
            if (r->code != 0 || !strstr(r->out, wanted.data))
                fail_msg("%s: exit %d\n%s%swanted: %s", line.data, r->code, r->out, r->err,
                         wanted.data);
            ph_buf_free(&ids);
            ph_buf_free(&line);
            ph_buf_free(&wanted);
        }
        ph_json_free(root);
        ph_buf_free(&file);
    }
    print_message("%d greedy texts\n", n);
}

static void test_json(void **state)
{
    (void)state;
    static const char *const keys[] = {"text",          "text_hex",    "ids",     "n_prompt",
                                       "n_generated",   "seed",        "ttft_ms", "prefill_tok_s",
                                       "finish_reason", "decode_tok_s"};
    phial_error err = {0};
    int64_t n = 0, m = 0;
    ph_str reason;
    const cli_result *r = cli_run(GEN "--ids 53,73,70 -n 12 --seed 3 --ignore-eos --json");
    assert_int_equal(r->code, 0);
    ph_json *root = ph_json_parse(r->out, r->out_len, &err);
    assert_non_null(root);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_non_null(ph_json_get(root, keys[i]));
    assert_true(ph_json_int(ph_json_get(root, "n_prompt"), &n) && n == 3);
    assert_true(ph_json_int(ph_json_get(root, "n_generated"), &m) && m == 12);
    assert_int_equal(ph_json_count(ph_json_get(root, "ids")), 12);
    assert_true(ph_json_str(ph_json_get(root, "finish_reason"), &reason));
    assert_true(ph_str_eq_c(reason, "length"));
    ph_json_free(root);
}

static void test_limits_and_inputs(void **state)
{
    (void)state;
    cli_expect(GEN "-p a -n 100000 --ignore-eos --json", 0, "\"finish_reason\":\"context\"", "");
    cli_expect(GEN "--ids 1,2,3 --max-length 5 --ignore-eos --json", 0, "\"n_generated\":2", "");
    cli_expect(GEN "--ids 1,2,3 --max-length 3 --json", 0, "\"n_generated\":0", "");
    cli_expect(GEN "--ids 1,2,3 --max-length 2", 2, "", "the prompt has 3 tokens");
    cli_expect(GEN "--ids 1,999", 3, "", "999 is no token id of this model: they go to 319");
    cli_expect(GEN "--ids 1 --ctx 9999", 2, "", "a context of 9999 tokens, but this model");
    cli_expect(GEN "-p a --logit-bias 319=1e5 --json", 0, "\"finish_reason\":\"stop\"", "");
    cli_expect(GEN "-p a --logit-bias 40=1e6 --stop II -n 9 --json", 0,
               "\"text\":\"\",\"text_hex\":\"\"", "");
    cli_expect(GEN "-p a -n 5 --seed 1 -v", 0, "", "seed 1]");
    /* Text, file and standard input are one; any bytes will do. */
    cli_expect("printf 'a\\000\\377b' >/tmp/phial-prompt-$$; " GEN
               "-f /tmp/phial-prompt-$$ -n 5 --seed 1 | cksum >/tmp/phial-one-$$; " GEN
               "-n 5 --seed 1 </tmp/phial-prompt-$$ | cksum | cmp - /tmp/phial-one-$$; code=$?; "
               "rm /tmp/phial-prompt-$$ /tmp/phial-one-$$; [ $code -eq 0 ]",
               0, "", "");
    cli_expect("head -c 100000 /dev/urandom | " GEN "-n 5", 4, "", "and the context holds 256");
    cli_expect("head -c 2000 /dev/zero | tr '\\0' x | " GEN "-n 5", 4, "",
               "the prompt has 2000 tokens and the context holds 256");
    cli_expect(": | " GEN "-n 5", 3, "", "the prompt is empty");
    /* A model without a tokenizer, by ids. */
    cli_expect("d=$(mktemp -d) && cp " TINY "/config.json " TINY
               "/model.safetensors $d && $PHIAL generate -m $d --ids 5,6 -n 4 --json && ! $PHIAL "
               "generate -m $d -p a; code=$?; rm -r $d; exit $code",
               0, "\"text\":\"\",", "there is no tokenizer, so ids only");
    cli_expect(GEN "-p a --ids 1", 2, "", "give the prompt by one of");
}

static void test_bad_options(void **state)
{
    (void)state;
    cli_expect(GEN "-p a --stop ''", 2, "", "stop string 1 is empty");
    cli_expect("$PHIAL run " TINY " --stop ''", 2, "", " is empty");
    cli_expect("printf '{\"prompt\":\"a\"}\\n' | " GEN "--prompts - --stop ''", 2, "",
               "phial: stop string 1 is empty");
    cli_expect(GEN "-p a -n 3 --stop \"$(head -c 10240 /dev/zero | tr '\\0' y)\"", 0, "", "");
    cli_expect(GEN "-p a -n 3 --temp 0", 0, "", "");
    cli_expect(GEN "-p a -n 3 --temp 1e30", 0, "", "");
    cli_expect(GEN "-p a --temp nan", 2, "", "'nan' will not do");
    cli_expect(GEN "-p a --temp -1", 2, "", "'-1' will not do");
    cli_expect(GEN "-p a --seed many", 2, "", "'many' will not do, it takes a whole number");
    cli_expect(GEN "-p a --top-p 1.5", 2, "", "a number from 0 to 1");
    cli_expect(GEN "-p a --mirostat 3", 2, "", "from 0 to 2");
    cli_expect(GEN "-p a --repeat-penalty 0", 2, "", "repeat_penalty");
    cli_expect(GEN "-p a --samplers 'top_k;topp'", 2, "", "'topp' (did you mean 'top_p'?)");
    cli_expect(GEN "-p a --preset chta", 2, "", "did you mean 'chat'?");
    cli_expect(GEN "-p a --preset ./no/such.json", 1, "", "./no/such.json");
    cli_expect(GEN "-p a --logit-bias x=1", 2, "", "it takes ID=B");
    cli_expect(GEN "-p a --logit-bias 5=nan", 2, "", "it takes ID=B");
    cli_expect(GEN "-p a --math slow", 2, "", "fast");
    cli_expect(CLI_WITHOUT_NANO("generate -p a"), 2, "", "missing option -m, --model MODEL");
    cli_expect("$PHIAL generate -m /no/model -p a", 1, "", "a model is a .gguf file, or a folder");
    cli_expect("$PHIAL generate -m " PHIAL_SOURCE_DIR "/README.md -p a", 3, "", "not a GGUF file");
    cli_expect("$PHIAL generate -m " PHIAL_SOURCE_DIR "/src -p a", 3, "", "it has no config.json");
    cli_expect("$PHIAL run -m " TINY " x --overflow never", 2, "", "stop or shift");
}

static void test_prompts_file(void **state)
{
    (void)state;
    cli_expect("echo '{\"prompt\":\"a\"' | " GEN "--prompts -", 3, "", "standard input:1: ");
    cli_expect("printf '{\"prompt\":\"a\"}\\n[1]\\n' | " GEN "--prompts -", 3, "",
               "standard input:2: array instead of an object");
    cli_expect("echo '{\"id\":1}' | " GEN "--prompts -", 3, "", "\"prompt\" or \"ids\"");
    cli_expect("echo '{\"prompt\":5}' | " GEN "--prompts -", 3, "", "it takes a text");
    cli_expect("echo '{\"prompt\":\"a\",\"seed\":\"x\"}' | " GEN "--prompts -", 3, "",
               "\"seed\" is");
    cli_expect("echo '{\"prompt\":\"a\",\"n\":-1}' | " GEN "--prompts -", 3, "", "\"n\" is");
    cli_expect(": | " GEN "--prompts -", 3, "", "there are no prompts");
    cli_expect("echo '{\"prompt\":\"a\",\"n\":2,\"colour\":1}' | " GEN "--prompts -", 0,
               "{\"id\":1,", "\"colour\" is no option here");
    /* One that cannot be answered does not stop the others. */
    cli_expect(
        "printf '{\"id\":\"x\",\"ids\":[1,2,999]}\\n{\"id\":\"y\",\"prompt\":\"a\",\"n\":2}\\n' "
        "| " GEN "--prompts -",
        3, "{\"id\":\"x\",\"error\":\"999 is no token id", "standard input:1: 999 is no");
    cli_expect(
        "printf '{\"id\":\"x\",\"ids\":[1,2,999]}\\n{\"id\":\"y\",\"prompt\":\"a\",\"n\":2}\\n' "
        "| " GEN "--prompts -",
        3, "\n{\"id\":\"y\",\"text\":", "");
    cli_expect("echo '{\"prompt\":\"a\",\"temp\":-1}' | " GEN "--prompts -", 3,
               "{\"id\":1,\"error\":\"temperature is -1", "standard input:1: temperature is -1");
    cli_expect("echo '{\"ids\":[]}' | " GEN "--prompts -", 3, "", "the prompt has no tokens");
    cli_expect("echo '{\"prompt\":\"a\"}' | " GEN "--prompts - --repeat-penalty 0", 2, "",
               "phial: repeat_penalty is 0");
    cli_expect(GEN "-p a -b 4", 2, "", "--batch is for the prompts of --prompts");
}

/* The last tensor of the file becomes NaN. */
static void test_nan_model(void **state)
{
    (void)state;
    cli_expect("d=$(mktemp -d) && cp " TINY "/*.json " TINY "/model.safetensors $d && "
               "n=$(stat -c %s $d/model.safetensors) && "
               "{ head -c $((n - 64)) " TINY "/model.safetensors; "
               "i=0; while [ $i -lt 32 ]; do printf '\\000\\176'; i=$((i + 1)); done; } "
               ">$d/model.safetensors && $PHIAL generate -m $d -p a -n 5; code=$?; rm -r $d; "
               "exit $code",
               1, "", "is not a number");
}

/* `phial run` in a pipe: a line in, an answer out, nothing else on standard output. */
static void test_pipe(void **state)
{
    (void)state;
    const char *line = "printf 'one\\n\\n\"\"\"two\\nlines\"\"\"\\n' | $PHIAL run " TINY
                       " -n 5 --seed 2 --logit-bias 40=1e6";
    const cli_result *r = cli_run(line);
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "IIIII\nIIIII\n");
    assert_string_equal(r->err, "");
    cli_expect("printf '\\000\\001\\377\\033[31m\\200\\nx\\000\\n' | $PHIAL run " TINY
               " -n 3 --overflow shift -v",
               0, "\n", "");
    /* Nobody who reads is no interruption. */
    cli_expect("printf 'a\\nb\\n' | $PHIAL run " TINY " -n 3 >/dev/full", 1, "",
               "phial: writing to standard output");
    cli_expect("$PHIAL run " TINY " -n 3 a >/dev/full", 1, "", "phial: writing to standard output");
    /* Message without an end. */
    cli_expect("timeout 60 $PHIAL run " TINY " </dev/zero", 3, "", "67108864 bytes");
    cli_expect("printf 'a\\n/nothing\\nb\\n' | $PHIAL run " TINY " -n 3", 2, "", "unknown command");
    cli_expect("printf '//etc is a folder\\n/show prompt\\n' | $PHIAL run " TINY " -n 3", 0, "",
               "Alice: /etc is a folder\n");
    cli_expect("printf '/set temp 1e999\\n' | $PHIAL run " TINY, 2, "", "it takes a number");
    cli_expect("printf '/set top_p 3\\n' | $PHIAL run " TINY, 2, "", "top_p");
    cli_expect("printf '/set tmep 3\\n' | $PHIAL run " TINY, 2, "", "did you mean temp?");
    cli_expect("printf '/load /no/file\\n' | $PHIAL run " TINY, 1, "", "/no/file");
    cli_expect("printf '/load " TINY "/config.json\\n' | $PHIAL run " TINY, 3, "",
               "no conversation saved by phial");
    cli_expect("printf '/haiku pandas\\nand now?\\n/show history\\n' | $PHIAL run " TINY " -n 3", 0,
               "", "Write a haiku about pandas: three lines");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_whole),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_stop_strings),
        cmocka_unit_test(test_batch_is_as_alone),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_same_text_on_any_threads),
        cmocka_unit_test(test_golden_greedy),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_limits_and_inputs),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_prompts_file),
        cmocka_unit_test(test_nan_model),
        cmocka_unit_test(test_pipe),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
