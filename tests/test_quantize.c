/* phial quantize and phial imatrix as a user meets them, on the committed tiny Phi and on a file
 * made here whose rows 256 divides: choices of a mix, bytes and threads, what is refused, report
 * card, importance matrix.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli_run.h"
#include "fmt/gguf_write.h"
#include "kern/quant.h"
#include "quant/mixes.h"
#include "rt/score.h"

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"

static char folder[] = "/tmp/phial-quantize-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    setenv("T", folder, 1);
    setenv("TINY", TINY, 1);
    return cli_run("$PHIAL convert $TINY $T/tiny.gguf")->code;
}

static int remove_folder(void **state)
{
    (void)state;
    return cli_run("rm -r $T")->code;
}

/* A file with the matrices of n_layer layers, rows of 512 but for those of `odd` columns. */
static void make_file(const char *path, int n_layer, uint64_t odd, float bad)
{
    static const char *const names[] = {"attn_q", "attn_v", "attn_output", "ffn_up", "ffn_down"};
    ph_gguf_writer *w;
    ph_rng rng;
    char name[64];
    uint64_t dims[2] = {512, 4}, small[2] = {odd, 4};
    float row[512];
    ph_rng_seed(&rng, 1, 1);
    assert_int_equal(ph_gguf_writer_new(&w, NULL), PHIAL_OK);
    ph_gguf_put_str(w, "general.architecture", ph_str_from("phi2"));
    assert_int_equal(ph_gguf_put_tensor(w, "token_embd.weight", PH_DTYPE_F32, 2, dims, NULL), 0);
    assert_int_equal(ph_gguf_put_tensor(w, "output.weight", PH_DTYPE_F32, 2, dims, NULL), 0);
    assert_int_equal(ph_gguf_put_tensor(w, "output.bias", PH_DTYPE_F32, 1, dims, NULL), 0);
    assert_int_equal(ph_gguf_put_tensor(w, "odd.weight", PH_DTYPE_F32, 2, small, NULL), 0);
    for (int i = 0; i < n_layer * 5; i++) {
        snprintf(name, sizeof name, "blk.%d.%s.weight", i / 5, names[i % 5]);
        assert_int_equal(ph_gguf_put_tensor(w, name, PH_DTYPE_F32, 2, dims, NULL), 0);
    }
    assert_int_equal(ph_gguf_writer_begin(w, path, NULL), PHIAL_OK);
    for (int t = 0; t < 4 + n_layer * 5; t++) {
        size_t n = t == 3 ? (size_t)odd : 512;
        for (int r = 0; r < (t == 2 ? 1 : 4); r++) {
            for (size_t i = 0; i < n; i++)
                row[i] = (float)(ph_rng_f64(&rng) + ph_rng_f64(&rng) - 1);
            row[7] = t == 5 && r == 2 ? bad : row[7];
            assert_int_equal(ph_gguf_writer_data(w, row, n * sizeof *row, NULL), PHIAL_OK);
        }
    }
    assert_int_equal(ph_gguf_writer_commit(w, NULL), PHIAL_OK);
    ph_gguf_writer_free(w);
}

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void expect(const char *line, int code, const char *in_stderr)
{
    cli_expect(line, code, "", in_stderr ? in_stderr : "");
}

static const char *type_in(const ph_gguf *g, const char *name)
{
    const ph_gguf_tensor *t = ph_gguf_tensor_find(g, name);
    assert_non_null(t);
    return t->type->name;
}

/* llama-quantize's choices for 16 layers (checked against llama.cpp's own files; docs/QUANT.md). */
static void mixes(void **state)
{
    (void)state;
    make_file(in_folder("m.gguf"), 16, 512, 0);
    expect("$PHIAL quantize $T/m.gguf $T/out.gguf --type q4_k_m", 0, NULL);
    ph_gguf *g;
    uint64_t file_type, version;
    assert_int_equal(ph_gguf_open(&g, in_folder("out.gguf"), NULL), PHIAL_OK);
    assert_true(ph_gguf_u64(ph_gguf_find(g, "general.file_type"), &file_type));
    assert_true(ph_gguf_u64(ph_gguf_find(g, "general.quantization_version"), &version));
    assert_int_equal(file_type, 15);
    assert_int_equal(version, 2);
    assert_string_equal(type_in(g, "output.weight"), "Q6_K");
    assert_string_equal(type_in(g, "output.bias"), "F32");
    assert_string_equal(type_in(g, "token_embd.weight"), "Q4_K");
    for (int i = 0; i < 16; i++) {
        char name[64];
        bool more = i < 2 || i >= 14 || (i - 2) % 3 == 2;
        snprintf(name, sizeof name, "blk.%d.ffn_down.weight", i);
        assert_string_equal(type_in(g, name), more ? "Q6_K" : "Q4_K");
        snprintf(name, sizeof name, "blk.%d.attn_v.weight", i);
        assert_string_equal(type_in(g, name), more ? "Q6_K" : "Q4_K");
        snprintf(name, sizeof name, "blk.%d.attn_output.weight", i);
        assert_string_equal(type_in(g, name), "Q4_K");
    }
    ph_gguf_close(g);
    ph_mix_place v = {.where = PH_MIX_ATTN_V, .count = 32, .heads_by_kv = 1};
    ph_mix_place down = {.where = PH_MIX_FFN_DOWN, .count = 32, .heads_by_kv = 1};
    ph_mix_place head = {.where = PH_MIX_TOKEN_EMBD, .tied_head = true};
    const ph_mix *q3 = ph_mix_by_name(ph_str_from("Q3_K_M")),
                 *q2 = ph_mix_by_name(ph_str_from("Q2_K"));
    const ph_mix *xs = ph_mix_by_name(ph_str_from("iq4_xs")),
                 *q4 = ph_mix_by_name(ph_str_from("Q4_0"));
    v.index = 1;
    assert_int_equal(ph_mix_choose(q3, &v), PH_DTYPE_Q5_K);
    v.index = 2;
    assert_int_equal(ph_mix_choose(q3, &v), PH_DTYPE_Q4_K);
    down.index = 1;
    assert_int_equal(ph_mix_choose(q3, &down), PH_DTYPE_Q5_K);
    assert_int_equal(ph_mix_choose(xs, &down), PH_DTYPE_Q5_K);
    assert_int_equal(ph_mix_choose(q4, &down), PH_DTYPE_Q4_0);
    down.has_importance = true;
    assert_int_equal(ph_mix_choose(xs, &down), PH_DTYPE_IQ4_XS);
    assert_int_equal(ph_mix_choose(q4, &down), PH_DTYPE_Q4_1);
    assert_int_equal(ph_mix_choose(q2, &v), PH_DTYPE_Q3_K);
    v.heads_by_kv = 4;
    assert_int_equal(ph_mix_choose(q2, &v), PH_DTYPE_Q4_K);
    assert_int_equal(ph_mix_choose(q4, &head), PH_DTYPE_Q6_K);
    assert_int_equal(ph_mix_choose(ph_mix_by_name(ph_str_from("F16")), &head), PH_DTYPE_F16);
}

static void fallbacks(void **state)
{
    (void)state;
    static const struct {
        const char *mix, *by_32;
    } want[] = {{"Q2_K", "IQ4_NL"}, {"Q3_K_S", "IQ4_NL"}, {"IQ4_XS", "IQ4_NL"},
                {"Q4_K_S", "Q5_0"}, {"Q5_K_S", "Q5_1"},   {"Q6_K", "Q8_0"}};
    make_file(in_folder("f.gguf"), 1, 96, 0);
    make_file(in_folder("g.gguf"), 1, 33, 0);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        ph_gguf *g;
        setenv("MIX", want[i].mix, 1);
        expect("$PHIAL quantize $T/f.gguf $T/out.gguf --force --type $MIX", 0, "odd.weight: ");
        assert_int_equal(ph_gguf_open(&g, in_folder("out.gguf"), NULL), PHIAL_OK);
        assert_string_equal(type_in(g, "odd.weight"), want[i].by_32);
        ph_gguf_close(g);
        expect("$PHIAL quantize $T/g.gguf $T/out.gguf --force --type $MIX", 0, "odd.weight: F16");
    }
}

/* The bytes of a tensor are its format's own function on its rows; and threads do not matter. */
static void bytes(void **state)
{
    (void)state;
    ph_gguf *from, *to;
    expect("$PHIAL quantize $T/m.gguf $T/one.gguf --type Q3_K_L -t 1 && "
           "$PHIAL quantize $T/m.gguf $T/five.gguf --type Q3_K_L -t 5 && "
           "PHIAL_CPU=ref $PHIAL quantize $T/m.gguf $T/ref.gguf --type Q3_K_L -t 2 && "
           "cmp $T/one.gguf $T/five.gguf && cmp $T/one.gguf $T/ref.gguf",
           0, NULL);
    assert_int_equal(ph_gguf_open(&from, in_folder("m.gguf"), NULL), PHIAL_OK);
    assert_int_equal(ph_gguf_open(&to, in_folder("one.gguf"), NULL), PHIAL_OK);
    for (size_t i = 0; i < ph_gguf_n_tensors(from); i++) {
        const ph_gguf_tensor *a = ph_gguf_tensor_at(from, i), *b = ph_gguf_tensor_at(to, i);
        uint8_t want[512 * 4 * 4];
        assert_true(b->data_bytes <= sizeof want);
        for (uint64_t r = 0; r < a->dims[1]; r++) {
            float row[512];
            memcpy(row, a->data + r * a->dims[0] * 4, a->dims[0] * 4);
            ph_quant_find(b->type->id)
                ->quantize(want + r * ph_dtype_row_bytes(b->type->id, a->dims[0]), row, a->dims[0]);
        }
        assert_memory_equal(want, b->data, b->data_bytes);
    }
    ph_gguf_close(from);
    ph_gguf_close(to);
}

static void overrides(void **state)
{
    (void)state;
    ph_gguf *g;
    expect("$PHIAL quantize $T/m.gguf $T/out.gguf --force --type Q4_0 "
           "--tensor-type 'blk.1?.ffn_*=q2_k' --tensor-type 'blk.*.ffn_*=Q5_1'",
           0, NULL);
    assert_int_equal(ph_gguf_open(&g, in_folder("out.gguf"), NULL), PHIAL_OK);
    assert_string_equal(type_in(g, "blk.12.ffn_up.weight"), "Q2_K");
    assert_string_equal(type_in(g, "blk.1.ffn_up.weight"), "Q5_1");
    assert_string_equal(type_in(g, "blk.1.attn_q.weight"), "Q4_0");
    ph_gguf_close(g);
    expect("$PHIAL quantize $T/m.gguf $T/o2.gguf --type Q4_0 --tensor-type 'nix*=Q8_0'", 2, "nix*");
    expect("$PHIAL quantize $T/m.gguf $T/o2.gguf --type Q4_0 --tensor-type Q8_0", 2,
           "PATTERN=TYPE");
    expect("$PHIAL quantize $T/m.gguf $T/o2.gguf --type Q4_0 --tensor-type '*=Q4_L'", 2,
           "did you mean");
    expect("$PHIAL quantize $T/m.gguf $T/o2.gguf --type q4km", 2,
           "no mix 'q4km' (did you mean "
           "Q4_K_M?); there are");
    expect("$PHIAL quantize $T/m.gguf $T/o2.gguf --type nonsense", 2,
           "no mix 'nonsense'; there are");
}

static void refused(void **state)
{
    (void)state;
    make_file(in_folder("nan.gguf"), 1, 512, NAN);
    make_file(in_folder("inf.gguf"), 1, 512, -INFINITY);
    expect("$PHIAL quantize $T/m.gguf $T/x.gguf --type Q4_K_N", 2, "Q4_K_M");
    expect("$PHIAL quantize $T/m.gguf $T/m.gguf --type Q8_0 --force", 2, "source itself");
    expect("$PHIAL quantize $T/m.gguf $T/out.gguf --type Q8_0", 2, "there already");
    expect("$PHIAL quantize $T/nix.gguf $T/x.gguf --type Q8_0", 1, "nix.gguf");
    expect("$PHIAL quantize $T/nan.gguf $T/x.gguf --type Q4_K_M", 3,
           "'blk.0.attn_v.weight': row 2, column 7");
    expect("$PHIAL quantize $T/inf.gguf $T/x.gguf --type Q8_0", 3, "row 2, column 7");
    expect("ls $T/x.gguf $T/.x.gguf*", 2, NULL);
    expect("$PHIAL quantize $T/inf.gguf $T/x.gguf --type Q8_0 --allow-nonfinite && rm $T/x.gguf", 0,
           NULL);
    expect("$PHIAL quantize $T/one.gguf $T/x.gguf --type Q4_0", 3, "--requantize");
    expect("$PHIAL quantize $T/one.gguf $T/x.gguf --type Q4_0 --requantize", 0, NULL);
    expect("head -c 5000 $T/m.gguf >$T/cut.gguf; $PHIAL quantize $T/cut.gguf $T/y.gguf --type Q8_0",
           3, "cut.gguf");
    expect("$PHIAL quantize $T/m.gguf /dev/full --type Q8_0 --force", 2, "/dev/full");
    expect("(ulimit -f 4; trap '' XFSZ; $PHIAL quantize $T/m.gguf $T/y.gguf --type Q8_0)", 1,
           "y.gguf");
    expect("ls $T/y.gguf $T/.y.gguf*", 2, NULL);
}

static double number(const ph_json *o, const char *key)
{
    double v = NAN;
    assert_true(ph_json_f64(ph_json_get(o, key), &v));
    return v;
}

/* From a folder, with the card printed and kept. Against itself there is no difference. */
static void report_card(void **state)
{
    (void)state;
    expect("for i in 1 2 3 4 5 6 7 8 9; do cat $TINY/config.json; done >$T/text", 0, NULL);
    const cli_result *r =
        cli_run("$PHIAL quantize $TINY $T/q4.gguf --type Q4_0 --report $T/text --json");
    assert_int_equal(r->code, 0);
    ph_json *o = ph_json_parse(r->out, r->out_len, NULL);
    const ph_json *card = ph_json_get(o, "report");
    double kl = number(card, "kl_mean");
    assert_true(number(card, "n_tokens") > 100);
    assert_true(kl > 1e-7 && kl < 1 && number(card, "kl_p99") >= kl);
    assert_true(number(card, "same_top") > 0.5 && number(card, "same_top") <= 1);
    assert_float_equal(number(card, "perplexity") / number(card, "perplexity_source"),
                       number(card, "perplexity_ratio"), 1e-9);
    r = cli_run("$PHIAL inspect --json $T/q4.gguf");
    ph_json *seen = ph_json_parse(r->out, r->out_len, NULL);
    const ph_json *metadata = ph_json_get(seen, "metadata");
    assert_true(number(metadata, "phial.report.kl_mean") == kl);
    ph_json_free(seen);
    ph_json_free(o);
    r = cli_run("$PHIAL quantize $TINY $T/q8.gguf --type Q8_0 --report $T/text --json");
    o = ph_json_parse(r->out, r->out_len, NULL);
    assert_true(number(ph_json_get(o, "report"), "kl_mean") < kl / 10);
    ph_json_free(o);
    r = cli_run("$PHIAL quantize $TINY $T/f32.gguf --type F32 --report $T/text --json");
    o = ph_json_parse(r->out, r->out_len, NULL);
    assert_true(number(ph_json_get(o, "report"), "same_top") == 1);
    assert_true(number(ph_json_get(o, "report"), "kl_mean") < 1e-12);
    ph_json_free(o);
    expect("$PHIAL quantize $TINY $T/n.gguf --type Q8_0 --report /dev/null", 3, "tokens");
    expect("ls $T/n.gguf $T/.n.gguf*", 2, NULL);
}

static void importance(void **state)
{
    (void)state;
    ph_gguf *g;
    expect("$PHIAL imatrix -m $T/tiny.gguf --ctx 64 $T/text $T/im.gguf", 0, "chunks");
    assert_int_equal(ph_gguf_open(&g, in_folder("im.gguf"), NULL), PHIAL_OK);
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.1.attn_output.weight",
                                        "blk.1.ffn_down.weight", "output.weight"};
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.in_sum2", names[i]);
        const ph_gguf_tensor *t = ph_gguf_tensor_find(g, name);
        assert_non_null(t);
        for (size_t k = 0; k < t->n_elements; k++) {
            float sum;
            memcpy(&sum, t->data + 4 * k, 4);
            assert_true(sum > 0 && isfinite(sum));
        }
    }
    ph_gguf_close(g);
    expect("$PHIAL quantize $T/tiny.gguf $T/plain.gguf --type Q4_0 && "
           "$PHIAL quantize $T/tiny.gguf $T/seen.gguf --type Q4_0 --imatrix $T/im.gguf && "
           "! cmp -s $T/plain.gguf $T/seen.gguf",
           0, NULL);
    expect("$PHIAL quantize $T/tiny.gguf $T/z.gguf --type Q4_0 --imatrix $T/tiny.gguf", 3,
           "imatrix");
    expect("$PHIAL quantize $T/m.gguf $T/z.gguf --type Q4_0 --imatrix $T/im.gguf", 3, "columns");
    expect("$PHIAL imatrix -m $T/tiny.gguf $T/text $T/im.gguf", 2, "there already");
}

static void log_probabilities(void **state)
{
    (void)state;
    float logits[4] = {1, 2, 3, 1000};
    double sum;
    assert_float_equal(ph_score_log_prob(logits, 3, 1, &sum), -1.4076059644443804, 1e-12);
    assert_float_equal(sum, 3.4076059644443804, 1e-12);
    assert_float_equal(ph_score_log_prob(logits, 4, 3, NULL), 0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixes),      cmocka_unit_test(fallbacks),
        cmocka_unit_test(bytes),      cmocka_unit_test(overrides),
        cmocka_unit_test(refused),    cmocka_unit_test(report_card),
        cmocka_unit_test(importance), cmocka_unit_test(log_probabilities),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
