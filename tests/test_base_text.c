/* base: strings, UTF-8, JSON, number formats, random numbers, hashes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/dtype.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/utf8.h"

#define S(literal) ((ph_str){literal, sizeof literal - 1})

static void test_parse_integers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     " 1", "1 ", "+1",  "1.0",
                                      "0x10", "-",  "1a", "--1", "18446744073709551616"};
    uint64_t u = 5;
    int64_t i = 5;
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        assert_false(ph_str_parse_u64(ph_str_from(bad[k]), &u));
        assert_false(ph_str_parse_i64(ph_str_from(bad[k]), &i));
    }
    assert_false(ph_str_parse_u64(S("-1"), &u));
    assert_false(ph_str_parse_i64(S("9223372036854775808"), &i));
    assert_false(ph_str_parse_i64(S("-9223372036854775809"), &i));
    assert_true(u == 5 && i == 5);
    assert_true(ph_str_parse_u64(S("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_true(ph_str_parse_i64(S("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(ph_str_parse_i64((ph_str){"123456", 3}, &i) && i == 123);
}

static void test_parse_doubles(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    " 1",  "1 ", "nan", "NaN", "inf",  "-inf", "1e999",
                                      "0x1", "1,5", "1e", ".",   "-",   "1..2", "e5"};
    double d = 5;
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
        assert_false(ph_str_parse_f64(ph_str_from(bad[k]), &d));
    assert_false(ph_str_parse_f64((ph_str){"1\0", 2}, &d));
    assert_true(d == 5);
    assert_true(ph_str_parse_f64(S("-0.25e1"), &d) && d == -2.5);
    assert_true(ph_str_parse_f64(S("1e-400"), &d) && d == 0);
    assert_true(ph_str_parse_f64((ph_str){"1.55", 3}, &d) && d == 1.5);
}

static void test_escape(void **state)
{
    (void)state;
    ph_buf buf;
    ph_buf_init(&buf, 0);
    ph_str_escape(&buf, S("a\x1b[31m\n\t\x7f\xc2\x9b\xc3\xa9\xff\0z"), false);
    assert_string_equal(buf.data, "a\\x1b[31m\\x0a\\x09\\x7f\\xc2\\x9b\xc3\xa9\\xff\\x00z");
    ph_buf_clear(&buf);
    ph_str_escape(&buf, S("a\n\tb\r"), true);
    assert_string_equal(buf.data, "a\n\tb\\x0d");
    ph_buf_free(&buf);
}

static const char *nearest_of(const char *name, const char *const *candidates)
{
    ph_nearest near = {.name = ph_str_from(name)};
    for (; *candidates; candidates++)
        ph_nearest_try(&near, *candidates);
    return near.best;
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"set", "bye", "code", "qa", "temp", "repeat-penalty", NULL};
    assert_string_equal(nearest_of("bey", NAMES), "bye");
    assert_string_equal(nearest_of("tmep", NAMES), "temp");
    assert_string_equal(nearest_of("repaet-penlty", NAMES), "repeat-penalty");
    assert_string_equal(nearest_of("rep", NAMES), "repeat-penalty");
    assert_null(nearest_of("dir", NAMES));
    assert_null(nearest_of("nope", NAMES));
    assert_null(nearest_of("x", NAMES));
    assert_null(nearest_of("", NAMES));
}

static void test_prefix_and_distance(void **state)
{
    (void)state;
    assert_true(ph_str_starts_with(S("tokenize"), "tok") && ph_str_ends_with(S("a.gguf"), ".gguf"));
    assert_false(ph_str_starts_with(S("to"), "tok") || ph_str_ends_with(S("f"), "gguf"));
    assert_true(ph_str_eq((ph_str){NULL, 0}, S("")));
    assert_int_equal(ph_str_distance(S("kitten"), S("sitting")), 3);
    assert_int_equal(ph_str_distance(S(""), S("abc")), 3);
    assert_int_equal(ph_str_distance(S("same"), S("same")), 0);
    assert_int_equal(ph_str_distance(S("smae"), S("same")), 1);
    assert_int_equal(ph_str_distance(S("ca"), S("abc")), 3);
    char longer[65];
    memset(longer, 'x', sizeof longer);
    assert_true(ph_str_distance((ph_str){longer, 65}, S("x")) == SIZE_MAX);
    assert_int_equal(ph_str_distance((ph_str){longer, 64}, S("x")), 63);
}

static void test_utf8_all_code_points(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110010; cp++) {
        uint8_t bytes[4];
        size_t len = 0, n = ph_utf8_encode(cp, bytes);
        bool valid = cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff);
        if ((n != 0) != valid)
            fail_msg("encoding U+%04X", cp);
        if (!valid)
            continue;
        if (ph_utf8_decode(bytes, n, &len) != cp || len != n || !ph_utf8_valid(bytes, n))
            fail_msg("decoding U+%04X", cp);
        for (size_t cut = 1; cut < n; cut++) {
            if (ph_utf8_decode(bytes, cut, &len) != PH_UTF8_INVALID || len != 1 ||
                ph_utf8_incomplete_tail(bytes, cut) != cut)
                fail_msg("U+%04X cut after %zu", cp, cut);
        }
        if (ph_utf8_incomplete_tail(bytes, n) != 0)
            fail_msg("tail of U+%04X", cp);
    }
}

/* Every sequence of up to three bytes against the rule: valid iff it is what encoding gives. */
static void test_utf8_cut(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x8a";
    static const size_t at[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t limit = 0; limit < sizeof at / sizeof at[0]; limit++)
        assert_int_equal(ph_utf8_cut(text, 10, limit), at[limit]);
    assert_int_equal(ph_utf8_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 8, 7), 3);
    assert_int_equal(ph_utf8_cut(NULL, 0, 0), 0);
}

static void test_utf8_all_short_sequences(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 1u << 24; v++) {
        uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}, again[4];
        size_t len = 0;
        uint32_t cp = ph_utf8_decode(bytes, 3, &len);
        if (cp == PH_UTF8_INVALID ? len != 1
                                  : ph_utf8_encode(cp, again) != len || memcmp(bytes, again, len))
            fail_msg("%06x", v);
        if (bytes[0] < 0x80)
            v |= 0xffff; /* what follows ASCII is looked at by itself */
    }
    static const char *const bad[] = {
        "\xc0\x80",         "\xe0\x9f\xbf",     "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80",         "\xff"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        assert_false(ph_utf8_valid((const uint8_t *)bad[k], strlen(bad[k])));
        assert_int_equal(ph_utf8_incomplete_tail((const uint8_t *)bad[k], strlen(bad[k])), 0);
    }
    /* What no further byte can mend is not incomplete. */
    assert_int_equal(ph_utf8_incomplete_tail((const uint8_t *)"\xed\xa0", 2), 0);
    assert_int_equal(ph_utf8_incomplete_tail((const uint8_t *)"a\xf0\x9f\x98", 4), 3);
    assert_int_equal(ph_utf8_incomplete_tail(NULL, 0), 0);
}

static void test_json_round_trip(void **state)
{
    (void)state;
    const char text[] =
        "{\"z\":[1,-2.5,true,null,\"a\\u0000\\u00e9\"],\"a\":{},\"k\":9007199254740993}";
    phial_error err = {0};
    ph_json *root = ph_json_parse(text, strlen(text), &err);
    assert_non_null(root);
    const ph_json *list = ph_json_get(root, "z");
    ph_str s;
    int64_t i;
    double d;
    bool b;
    assert_int_equal(ph_json_count(list), 5);
    assert_true(ph_json_int(ph_json_at(list, 0), &i) && i == 1);
    assert_true(ph_json_f64(ph_json_at(list, 0), &d) && d == 1);
    assert_true(ph_json_f64(ph_json_at(list, 1), &d) && d == -2.5);
    assert_true(ph_json_bool(ph_json_at(list, 2), &b) && b);
    assert_true(ph_json_is_null(ph_json_at(list, 3)) && !ph_json_is_null(NULL));
    assert_true(ph_json_str(ph_json_at(list, 4), &s) && ph_str_eq(s, S("a\0\xc3\xa9")));
    assert_true(ph_json_int(ph_json_get(root, "k"), &i) && i == 9007199254740993);
    assert_null(ph_json_at(list, 5));
    assert_null(ph_json_get(list, "z"));
    assert_false(ph_json_int(ph_json_at(list, 1), &i) || ph_json_int(NULL, &i) ||
                 ph_json_str(list, &s) || ph_json_bool(list, &b));
    assert_string_equal(ph_json_type_name(list), "array");
    assert_string_equal(ph_json_type_name(NULL), "nothing");
    char keys[8] = "";
    for (void *it = ph_json_first(root); it; it = ph_json_next(root, it))
        strncat(keys, ph_json_key(it).p, 1);
    assert_string_equal(keys, "zak");
    ph_buf out;
    ph_buf_init(&out, 0);
    assert_int_equal(ph_json_write(&out, root, 0, &err), PHIAL_OK);
    assert_string_equal(out.data, "{\"z\":[1,-2.5,true,null,\"a\\u0000\xc3\xa9\"],\"a\":{},"
                                  "\"k\":9007199254740993}");
    ph_buf_free(&out);
    ph_json_free(root);
}

static void test_json_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "{",           "[1,]",    "{\"a\":1,\"a\":2}",     "[1] x", "nul",   "'a'",
        "\"\xff\"", "\"\\ud800\"", "[1e999]", "[9223372036854775808]", "[01]",  "{1:2}", "[NaN]",
        "\"\n\"",   "[1 2]",       "// x\n1",
    };
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        phial_error err = {0};
        if (ph_json_parse(bad[k], strlen(bad[k]), &err))
            fail_msg("accepted: %s", bad[k]);
        assert_int_equal(err.status, PHIAL_ERR_BAD_INPUT);
        assert_true(err.message[0] != 0);
    }
    assert_null(ph_json_parse("[1\0]", 4, NULL));
}

static void test_json_depth(void **state)
{
    (void)state;
    static char text[200000];
    for (size_t depth = PH_JSON_DEPTH_MAX; depth <= PH_JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        ph_json *root = ph_json_parse(text, 2 * depth, NULL);
        assert_int_equal(root != NULL, depth <= PH_JSON_DEPTH_MAX);
        ph_json_free(root);
    }
    memset(text, '[', sizeof text);
    phial_error err = {0};
    assert_null(ph_json_parse(text, sizeof text, &err));
    assert_int_equal(err.status, PHIAL_ERR_BAD_INPUT);
    text[0] = '"'; /* brackets in a string have no depth */
    text[sizeof text - 1] = '"';
    ph_json *root = ph_json_parse(text, sizeof text, NULL);
    assert_non_null(root);
    ph_json_free(root);
}

static void test_json_build(void **state)
{
    (void)state;
    ph_json *root = ph_json_object_new(), *list = ph_json_array_new();
    ph_json_push(list, ph_json_str_new(S("\xff\"\n")));
    ph_json_push(list, ph_json_str_new((ph_str){NULL, 0}));
    ph_json_push(list, ph_json_f64_new(0.1));
    ph_json_push(list, ph_json_f64_new(NAN));
    ph_json_push(list, ph_json_f64_new(-INFINITY));
    ph_json_push(list, ph_json_int_new(INT64_MIN));
    ph_json_push(list, ph_json_bool_new(false));
    ph_json_push(list, ph_json_null_new());
    assert_true(ph_json_set(root, "l", list));
    assert_false(ph_json_set(root, "x", NULL));
    ph_buf out;
    ph_buf_init(&out, 0);
    assert_int_equal(ph_json_write(&out, root, 0, NULL), PHIAL_OK);
    assert_string_equal(out.data,
                        "{\"l\":[\"\xef\xbf\xbd\\\"\\n\",\"\",0.10000000000000001,null,null,"
                        "-9223372036854775808,false,null]}");
    assert_int_equal(ph_json_write(&out, NULL, 0, NULL), PHIAL_ERR_NO_MEMORY);
    ph_buf_free(&out);
    ph_json_free(root);
}

/* Sizes written down a second time, from ggml's structures. */
static void test_dtypes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t id, n;
        size_t bytes;
    } known[] = {
        {"F32", 0, 256, 1024},    {"F16", 1, 256, 512},   {"BF16", 30, 256, 512},
        {"F64", 28, 1, 8},        {"Q4_0", 2, 32, 18},    {"Q4_1", 3, 32, 20},
        {"Q5_0", 6, 32, 22},      {"Q5_1", 7, 32, 24},    {"Q8_0", 8, 32, 34},
        {"Q2_K", 10, 256, 84},    {"Q3_K", 11, 256, 110}, {"Q4_K", 12, 256, 144},
        {"Q5_K", 13, 256, 176},   {"Q6_K", 14, 256, 210}, {"IQ4_NL", 20, 32, 18},
        {"IQ4_XS", 23, 256, 136}, {"I8", 24, 1, 1},       {"I64", 27, 1, 8},
        {"MXFP4", 39, 32, 17},    {"TQ2_0", 35, 256, 66},
    };
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
        const ph_dtype_info *info = ph_dtype_find(known[k].id);
        assert_non_null(info);
        assert_string_equal(info->name, known[k].name);
        assert_int_equal(ph_dtype_row_bytes(info->id, known[k].n), known[k].bytes);
        assert_ptr_equal(ph_dtype_by_name(ph_str_from(known[k].name)), info);
    }
    assert_int_equal(ph_dtype_by_name(S("q4_k"))->id, PH_DTYPE_Q4_K);
    assert_null(ph_dtype_by_name(S("Q4_")));
    assert_null(ph_dtype_by_name(S("Q4_K_M")));
    assert_null(ph_dtype_find(4));
    assert_null(ph_dtype_find(UINT32_MAX));
    assert_int_equal(ph_dtype_row_bytes(PH_DTYPE_Q4_K, 257), 0);
    assert_int_equal(ph_dtype_row_bytes(PH_DTYPE_F64, UINT64_MAX), 0);
    assert_string_equal(ph_dtype_name(PH_DTYPE_BF16), "BF16");
}

/* The reference generator, stepped by hand from the published algorithm (state 1, 2, 3, 4). */
static void test_rng_reference(void **state)
{
    (void)state;
    static const uint64_t want[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
    ph_rng rng = {{1, 2, 3, 4}};
    for (size_t k = 0; k < 4; k++)
        assert_true(ph_rng_u64(&rng) == want[k]);
}

static void test_rng_use(void **state)
{
    (void)state;
    ph_rng a, b, c;
    ph_rng_seed(&a, 1, 0);
    ph_rng_seed(&b, 1, 0);
    ph_rng_seed(&c, 1, 1);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t v = ph_rng_u64(&a);
        assert_true(v == ph_rng_u64(&b));
        same += v == ph_rng_u64(&c);
    }
    assert_int_equal(same, 0);
    int counts[6] = {0};
    double sum = 0;
    for (int i = 0; i < 60000; i++) {
        counts[ph_rng_below(&a, 6)]++;
        double d = ph_rng_f64(&a);
        assert_true(d >= 0 && d < 1);
        sum += d;
    }
    double chi = 0;
    for (int k = 0; k < 6; k++)
        chi += (counts[k] - 10000.0) * (counts[k] - 10000.0) / 10000.0;
    assert_true(chi < 25); /* 5 degrees of freedom: p < 0.0002, and the seed is fixed */
    assert_true(fabs(sum / 60000 - 0.5) < 0.01);
    assert_int_equal(ph_rng_below(&a, 1), 0);
}

static void test_hash(void **state)
{
    (void)state;
    char hex[33];
    /* XXH3's published value for no bytes. */
    assert_true(ph_hash64("", 0, 0) == 0x2d06800538d394c2u);
    ph_hash128_hex(ph_hash128_of("", 0), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    static uint8_t bytes[10000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31);
    ph_hasher *h = NULL;
    assert_int_equal(ph_hasher_new(&h, NULL), PHIAL_OK);
    for (size_t i = 0, n = 1; i < sizeof bytes; i += n, n = n * 2 < 700 ? n * 2 : 1)
        ph_hasher_add(h, bytes + i, n < sizeof bytes - i ? n : sizeof bytes - i);
    ph_hash128 pieces = ph_hasher_end(h), whole = ph_hash128_of(bytes, sizeof bytes);
    assert_true(pieces.lo == whole.lo && pieces.hi == whole.hi);
    ph_hasher_free(h);
    assert_true(ph_hash64(bytes, 10, 0) != ph_hash64(bytes, 10, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_integers),
        cmocka_unit_test(test_parse_doubles),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_prefix_and_distance),
        cmocka_unit_test(test_utf8_all_code_points),
        cmocka_unit_test(test_utf8_all_short_sequences),
        cmocka_unit_test(test_utf8_cut),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_json_bad),
        cmocka_unit_test(test_json_depth),
        cmocka_unit_test(test_json_build),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_rng_reference),
        cmocka_unit_test(test_rng_use),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
