/* Samplers against their definitions: each step's resulting distribution beside a straightforward
 * second one written here (full sorts, f64), on random and adversarial logits; then the frequencies
 * of draws by chi-square. Seeds are fixed, so a result is always the same.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "phial/sampler.h"

#define VOCAB_MAX 2000

/* --- the second implementation ------------------------------------------------------------- */

typedef struct item {
    double logit, weight, p, key; /* weight: p before division by the total */
    uint32_t id;
} item;

static item list[VOCAB_MAX];
static size_t n_list;
static double total;

static int by_logit(const void *a, const void *b)
{
    const item *x = a, *y = b;
    return x->logit != y->logit ? (x->logit < y->logit ? 1 : -1)
                                : (x->id > y->id) - (x->id < y->id);
}

static int by_key(const void *a, const void *b)
{
    const item *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key ? 1 : -1) : (x->id > y->id) - (x->id < y->id);
}

static void probabilities(void)
{
    qsort(list, n_list, sizeof list[0], by_logit);
    total = 0;
    for (size_t i = 0; i < n_list; i++)
        total += list[i].weight = exp(list[i].logit - list[0].logit);
    for (size_t i = 0; i < n_list; i++)
        list[i].p = list[i].weight / total;
}

static void start(const float *logits, size_t n)
{
    n_list = 0;
    for (size_t i = 0; i < n; i++) {
        if (logits[i] != -INFINITY)
            list[n_list++] = (item){.logit = logits[i], .id = (uint32_t)i};
    }
    probabilities();
}

static void ref_top_k(const phial_sampler_options *o)
{
    if (o->top_k > 0 && (size_t)o->top_k < n_list)
        n_list = (size_t)o->top_k;
}

static void ref_top_p(const phial_sampler_options *o)
{
    double sum = 0;
    for (size_t i = 0; i < n_list && o->top_p < 1; i++) {
        sum += list[i].weight;
        if (sum >= o->top_p * total)
            n_list = i + 1;
    }
}

static void ref_min_p(const phial_sampler_options *o)
{
    size_t n = 0;
    while (n < n_list && list[n].p >= o->min_p * list[0].p * (1 - 1e-15))
        n++;
    n_list = n > 0 ? n : 1;
}

static void ref_typ_p(const phial_sampler_options *o)
{
    if (o->typical_p >= 1)
        return;
    double entropy = 0, sum = 0;
    for (size_t i = 0; i < n_list; i++)
        entropy += list[i].p > 0 ? list[i].p * (log(total) - list[i].logit + list[0].logit) : 0;
    double max = list[0].logit;
    for (size_t i = 0; i < n_list; i++)
        list[i].key = fabs(log(total) - (list[i].logit - max) - entropy);
    qsort(list, n_list, sizeof list[0], by_key);
    size_t n = 0;
    while (n < n_list && sum <= o->typical_p * total)
        sum += list[n++].weight;
    n_list = n > 0 ? n : 1;
}

static void ref_top_n_sigma(const phial_sampler_options *o)
{
    if (o->top_n_sigma <= 0)
        return;
    double mean = 0, var = 0;
    for (size_t i = 0; i < n_list; i++)
        mean += list[i].logit / (double)n_list;
    for (size_t i = 0; i < n_list; i++)
        var += (list[i].logit - mean) * (list[i].logit - mean) / (double)n_list;
    size_t n = 0;
    while (n < n_list && list[n].logit >= list[0].logit - o->top_n_sigma * sqrt(var))
        n++;
    n_list = n;
}

/* Always acting; the caller sets xtc_probability to 1. */
static void ref_xtc(const phial_sampler_options *o)
{
    size_t above = 0;
    while (above < n_list && list[above].p >= o->xtc_threshold)
        above++;
    if (o->xtc_probability > 0 && above >= 2) {
        memmove(list, list + above - 1, (n_list - above + 1) * sizeof list[0]);
        n_list -= above - 1;
    }
}

static void ref_temperature(const phial_sampler_options *o)
{
    double t = o->temperature, entropy = 0;
    if (o->dynatemp_range > 0 && n_list > 1) {
        for (size_t i = 0; i < n_list; i++)
            entropy -= list[i].p > 0 ? list[i].p * log(list[i].p) : 0;
        double low = t > o->dynatemp_range ? t - o->dynatemp_range : 0;
        double part = entropy / log((double)n_list);
        t = low + (t + o->dynatemp_range - low) * pow(part, o->dynatemp_exponent);
    }
    n_list = t > 0 ? n_list : 1;
    for (size_t i = 0; i < n_list; i++)
        list[i].logit = t > 0 ? list[i].logit / t : 0;
}

typedef struct ref_step {
    const char *name;
    void (*run)(const phial_sampler_options *o);
} ref_step;

static const ref_step REF_STEPS[] = {
    {"top_n_sigma", ref_top_n_sigma},
    {"top_k", ref_top_k},
    {"typ_p", ref_typ_p},
    {"top_p", ref_top_p},
    {"min_p", ref_min_p},
    {"xtc", ref_xtc},
    {"temperature", ref_temperature},
};

static void reference(const phial_sampler_options *o, const float *logits, size_t n)
{
    start(logits, n);
    const char *names = "top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature";
    for (const char *p = o->samplers != NULL ? o->samplers : names; *p;) {
        size_t len = strcspn(p, ";");
        for (size_t i = 0; i < sizeof REF_STEPS / sizeof REF_STEPS[0]; i++) {
            if (strlen(REF_STEPS[i].name) == len && strncmp(REF_STEPS[i].name, p, len) == 0)
                REF_STEPS[i].run(o);
        }
        probabilities();
        p += len + (p[len] == ';');
    }
}

/* --- logits ----------------------------------------------------------------------------------- */

static float logits[VOCAB_MAX];

static double gauss(ph_rng *rng)
{
    return sqrt(-2 * log(1 - ph_rng_f64(rng))) * cos(6.283185307179586 * ph_rng_f64(rng));
}

enum { N_SHAPES = 8 };

/* Returns the number of logits. */
static size_t shape(int which, ph_rng *rng)
{
    size_t n = which == 0 ? 1 : which == 1 ? 2 : 50 + (size_t)ph_rng_below(rng, 1500);
    for (size_t i = 0; i < n; i++) {
        double x = gauss(rng) * 3;
        if (which == 3) /* many equals */
            x = floor(x);
        else if (which == 4) /* flat */
            x = 1.5;
        else if (which == 5) /* one far above */
            x = i == n / 2 ? 200 : x;
        else if (which == 6) /* huge range, some impossible */
            x = i % 7 == 3 ? -INFINITY : x * 1e37;
        else if (which == 7) /* descending by a Zipf law */
            x = -1.1 * log((double)i + 1) + 8;
        logits[i] = (float)x;
    }
    return n;
}

/* --- comparing -------------------------------------------------------------------------------- */

static void plain(phial_sampler_options *o)
{
    phial_sampler_options_default(o);
    o->temperature = 1;
    o->top_k = 0;
    o->top_p = 1;
    o->min_p = 0;
}

static void compare(const char *what, const phial_sampler_options *o, size_t n)
{
    phial_error err;
    phial_sampler *s = NULL;
    assert_int_equal(phial_sampler_new(&s, (uint32_t)n, o, &err), PHIAL_OK);
    uint32_t id = UINT32_MAX;
    assert_int_equal(phial_sampler_pick(s, logits, &id, &err), PHIAL_OK);
    reference(o, logits, n);
    static double mine[VOCAB_MAX];
    static char has[VOCAB_MAX];
    memset(has, 0, sizeof has);
    size_t n_mine = phial_sampler_n_candidates(s);
    for (size_t i = 0; i < n_mine; i++) {
        double p;
        uint32_t c = phial_sampler_candidate(s, i, &p);
        assert_false(has[c]);
        has[c] = 1;
        mine[c] = p;
    }
    if (n_mine != n_list || !has[id])
        fail_msg("%s: %zu candidates of %zu, not %zu", what, n_mine, n, n_list);
    for (size_t i = 0; i < n_list; i++) {
        double d = has[list[i].id] ? fabs(mine[list[i].id] - list[i].p) : 1;
        if (d > 1e-12)
            fail_msg("%s: id %u has %g, not %g", what, list[i].id, mine[list[i].id], list[i].p);
    }
    phial_sampler_free(s);
}

typedef struct variant {
    const char *name;
    const char *samplers;
    double value[6];
} variant;

static void set_value(phial_sampler_options *o, const char *name, double value)
{
    assert_int_equal(phial_sampler_options_set(o, name, value, NULL), PHIAL_OK);
}

/* One option at a time, in values from nothing to everything. */
static void each_step_is_its_definition(void **state)
{
    (void)state;
    static const variant SINGLE[] = {
        {"top_k", NULL, {0, 1, 2, 40, 300, 100000}},
        {"top_p", NULL, {0, 0.1, 0.5, 0.9, 0.999, 1}},
        {"min_p", NULL, {0, 0.01, 0.05, 0.3, 0.9, 1}},
        {"typical_p", NULL, {0, 0.1, 0.5, 0.9, 0.999, 1}},
        {"top_n_sigma", NULL, {-1, 0, 0.5, 1, 2, 50}},
        {"temperature", NULL, {0.05, 0.5, 1, 2, 100, 1e30}},
    };
    ph_rng rng;
    ph_rng_seed(&rng, 7, 0);
    for (int which = 0; which < N_SHAPES; which++) {
        for (size_t v = 0; v < sizeof SINGLE / sizeof SINGLE[0]; v++) {
            for (int k = 0; k < 6; k++) {
                phial_sampler_options o;
                plain(&o);
                set_value(&o, SINGLE[v].name, SINGLE[v].value[k]);
                compare(SINGLE[v].name, &o, shape(which, &rng));
            }
        }
    }
}

static void steps_of_several_options(void **state)
{
    (void)state;
    ph_rng rng;
    ph_rng_seed(&rng, 8, 0);
    for (int which = 0; which < N_SHAPES; which++) {
        for (int k = 0; k < 30; k++) {
            phial_sampler_options o;
            plain(&o);
            o.xtc_probability = 1;
            o.xtc_threshold = (double[]){0, 0.01, 0.05, 0.1, 0.3, 0.6}[k % 6];
            compare("xtc", &o, shape(which, &rng));
            plain(&o);
            o.dynatemp_range = (double[]){0.1, 0.5, 0.99, 3}[k % 4];
            o.dynatemp_exponent = (double[]){0.5, 1, 2}[k % 3];
            compare("dynamic temperature", &o, shape(which, &rng));
        }
    }
}

/* Random chains in random orders; the orders must matter somewhere. */
static void chains_keep_their_order(void **state)
{
    (void)state;
    static const char *const ORDERS[] = {
        NULL,
        "top_k;top_p;temperature",
        "temperature;top_k;top_p",
        "top_p;top_k",
        "temperature;typ_p;xtc;min_p",
        "xtc;min_p;top_p;typ-p;temperature;top-n-sigma;top_k",
        "",
    };
    ph_rng rng;
    ph_rng_seed(&rng, 9, 0);
    for (int round = 0; round < 400; round++) {
        phial_sampler_options o;
        plain(&o);
        o.top_k = (int32_t)ph_rng_below(&rng, 60);
        o.top_p = 0.3 + 0.7 * ph_rng_f64(&rng);
        o.min_p = 0.1 * ph_rng_f64(&rng);
        o.typical_p = 0.3 + 0.7 * ph_rng_f64(&rng);
        o.temperature = 0.2 + 2 * ph_rng_f64(&rng);
        o.top_n_sigma = 3 * ph_rng_f64(&rng);
        o.xtc_probability = 1;
        o.xtc_threshold = 0.3 * ph_rng_f64(&rng);
        o.samplers = ORDERS[round % 5 == 4 ? 4 : (size_t)round % 5];
        size_t n = shape(round % 2 == 0 ? 2 : 7, &rng);
        compare("chain", &o, n);
    }
    phial_sampler_options o;
    plain(&o);
    o.temperature = 3;
    o.top_p = 0.9;
    size_t n = shape(2, &rng), first;
    o.samplers = "top_p;temperature";
    compare("top_p first", &o, n);
    first = n_list;
    o.samplers = "temperature;top_p";
    compare("temperature first", &o, n);
    assert_true(n_list > first);
    o.samplers = "";
    compare("nothing", &o, n);
    assert_int_equal(n_list, n);
}

/* --- frequencies ------------------------------------------------------------------------------ */

/* Upper regularized incomplete gamma function Q(a, x): the chance of a chi-square of 2x or more
 * with 2a degrees of freedom (series and continued fraction). */
static double gamma_q(double a, double x)
{
    double front = exp(a * log(x) - x - lgamma(a));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (int k = 1; k < 1000; k++)
            sum += term *= x / (a + k);
        return 1 - sum * front;
    }
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int k = 1; k < 1000; k++) {
        double an = -k * (k - a);
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        h *= d * c;
    }
    return front * h;
}

#define DRAWS 40000

/* Counts of drawn ids against expected probabilities; rare ids are put together. Returns p. */
static double chi_square(const char *what, const size_t *count, const double *expected, size_t n)
{
    double chi2 = 0, rest_expected = 0;
    size_t cells = 0, rest = 0;
    for (size_t i = 0; i < n; i++) {
        double e = expected[i] * DRAWS;
        if (e == 0)
            assert_int_equal(count[i], 0);
        if (e < 10) {
            rest_expected += e;
            rest += count[i];
        } else {
            chi2 += ((double)count[i] - e) * ((double)count[i] - e) / e;
            cells++;
        }
    }
    if (rest_expected >= 1) {
        chi2 += ((double)rest - rest_expected) * ((double)rest - rest_expected) / rest_expected;
        cells++;
    }
    double p = cells > 1 ? gamma_q((double)(cells - 1) / 2, chi2 / 2) : 1;
    print_message("%-22s %6d %4zu %9.2f %8.4f\n", what, DRAWS, cells - 1, chi2, p);
    return p;
}

static size_t counts[VOCAB_MAX];
static double expected[VOCAB_MAX];

static double frequencies(const char *what, phial_sampler_options *o, size_t n)
{
    memset(counts, 0, sizeof counts);
    o->seed = 20240131;
    phial_sampler *s = NULL;
    assert_int_equal(phial_sampler_new(&s, (uint32_t)n, o, NULL), PHIAL_OK);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t id;
        assert_int_equal(phial_sampler_pick(s, logits, &id, NULL), PHIAL_OK);
        counts[id]++;
    }
    phial_sampler_free(s);
    return chi_square(what, counts, expected, n);
}

static void expect(const phial_sampler_options *o, size_t n, double weight)
{
    reference(o, logits, n);
    for (size_t i = 0; i < n_list; i++)
        expected[list[i].id] += weight * list[i].p;
}

static void frequencies_are_right(void **state)
{
    (void)state;
    static const variant ROWS[] = {
        {"temperature", NULL, {0.7}}, {"temperature", NULL, {1.3}},    {"top_k", NULL, {10}},
        {"top_p", NULL, {0.8}},       {"min_p", NULL, {0.1}},          {"typical_p", NULL, {0.6}},
        {"top_n_sigma", NULL, {1.5}}, {"dynatemp_range", NULL, {0.8}},
    };
    ph_rng rng;
    ph_rng_seed(&rng, 11, 0);
    size_t n = 200;
    for (size_t i = 0; i < n; i++)
        logits[i] = (float)(2 * gauss(&rng));
    print_message("%-22s %6s %4s %9s %8s\n", "sampler", "draws", "df", "chi2", "p");
    double least = 1;
    phial_sampler_options o;
    for (size_t r = 0; r < sizeof ROWS / sizeof ROWS[0]; r++) {
        plain(&o);
        set_value(&o, ROWS[r].name, ROWS[r].value[0]);
        memset(expected, 0, sizeof expected);
        expect(&o, n, 1);
        char what[64];
        snprintf(what, sizeof what, "%s %g", ROWS[r].name, ROWS[r].value[0]);
        least = fmin(least, frequencies(what, &o, n));
    }
    /* XTC acts on some draws only: a mixture. */
    plain(&o);
    memset(expected, 0, sizeof expected);
    expect(&o, n, 0.6);
    o.xtc_threshold = 0.05;
    o.xtc_probability = 0.4;
    expect(&o, n, 0.4);
    least = fmin(least, frequencies("xtc 0.4", &o, n));
    /* Everything at its default. */
    phial_sampler_options_default(&o);
    memset(expected, 0, sizeof expected);
    expect(&o, n, 1);
    least = fmin(least, frequencies("defaults", &o, n));
    assert_true(least > 1e-3);
    /* The test must be able to fail: slightly wrong expectations. */
    phial_sampler_options_default(&o);
    o.temperature = 0.85;
    assert_true(frequencies("0.8, drawn with 0.85", &o, n) < 1e-3);
}

/* --- mirostat --------------------------------------------------------------------------------- */

/* One step of either version, from the papers' formulas; returns how many of list stay. */
static size_t ref_mirostat(int version, double mu, size_t n_vocab)
{
    if (version == 2) {
        size_t n = 0;
        while (n < n_list && -log2(list[n].p) <= mu)
            n++;
        return n > 0 ? n : 1;
    }
    double tb = 0, tt = 0;
    for (size_t i = 0; i + 1 < n_list && i < 99; i++) {
        double t = log(((double)i + 2) / ((double)i + 1));
        tb += t * log(list[i].p / list[i + 1].p);
        tt += t * t;
    }
    double s = tb / tt, e = s - 1;
    double k = pow(e * pow(2, mu) / (1 - pow((double)n_vocab, -e)), 1 / s);
    return k < 1 ? 1 : k < (double)n_list ? (size_t)k : n_list;
}

static void mirostat_step_by_step(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        phial_sampler_options o;
        plain(&o);
        o.mirostat = version;
        o.mirostat_tau = 3;
        o.top_k = 1; /* passed over */
        o.temperature = 1;
        size_t n = 900;
        phial_sampler *s = NULL;
        assert_int_equal(phial_sampler_new(&s, (uint32_t)n, &o, NULL), PHIAL_OK);
        ph_rng rng;
        ph_rng_seed(&rng, 12, 0);
        double mu = 2 * o.mirostat_tau, surprise = 0;
        phial_sampler_state st;
        for (int step = 0; step < 1500; step++) {
            for (size_t i = 0; i < n; i++)
                logits[i] = (float)(2.5 * gauss(&rng));
            phial_sampler_get_state(s, &st);
            assert_true(fabs(st.mirostat_mu - mu) < 1e-6);
            uint32_t id;
            assert_int_equal(phial_sampler_pick(s, logits, &id, NULL), PHIAL_OK);
            start(logits, n);
            size_t kept = ref_mirostat(version, mu, n);
            assert_int_equal(phial_sampler_n_candidates(s), kept);
            n_list = kept;
            probabilities();
            double bits = INFINITY;
            for (size_t i = 0; i < n_list; i++)
                bits = list[i].id == id ? -log2(list[i].p) : bits;
            assert_true(bits < INFINITY);
            if (step % 3 == 1) /* a pick that is not taken teaches nothing */
                continue;
            assert_int_equal(phial_sampler_accept(s, &id, 1, NULL), PHIAL_OK);
            mu -= o.mirostat_eta * (bits - o.mirostat_tau);
            surprise += step >= 500 ? bits : 0;
        }
        /* It does what it is for: the mean surprise comes near tau. */
        print_message("mirostat %d: mean surprise %.3f bits, wanted %.1f\n", version,
                      surprise / 667, o.mirostat_tau);
        assert_true(fabs(surprise / 667 - o.mirostat_tau) < 0.3);
        phial_sampler_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_its_definition), cmocka_unit_test(steps_of_several_options),
        cmocka_unit_test(chains_keep_their_order),     cmocka_unit_test(frequencies_are_right),
        cmocka_unit_test(mirostat_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
