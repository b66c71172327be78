/* Stop strings: against a search over the whole text, for any cutting into pushes; limits; long
 * strings; what is held back and when it is let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "phial/stop.h"

static phial_error err;

static phial_stopper *make(const char *const *strings, size_t n)
{
    phial_text texts[16];
    for (size_t i = 0; i < n; i++)
        texts[i] = (phial_text){strings[i], strlen(strings[i])};
    phial_stopper *s = NULL;
    phial_status status = phial_stopper_new(&s, texts, n, &err);
    if (status != PHIAL_OK)
        fail_msg("%s", err.message);
    return s;
}

static phial_text push(phial_stopper *s, const char *text)
{
    phial_text shown;
    assert_int_equal(phial_stopper_push(s, text, strlen(text), &shown, &err), PHIAL_OK);
    return shown;
}

static void assert_text(phial_text t, const char *want)
{
    if (t.n != strlen(want) || memcmp(t.p, want, t.n) != 0)
        fail_msg("'%.*s', not '%s'", (int)t.n, t.p, want);
}

static void across_tokens(void **state)
{
    (void)state;
    static const char *const STOPS[] = {"\nAlice:", "\nBob:"};
    phial_stopper *s = make(STOPS, 2);
    size_t which = 9;
    phial_text shown;
    assert_text(push(s, " Hello"), " Hello");
    assert_text(push(s, "!\n"), "!");
    assert_text(push(s, "Al"), "");
    assert_text(push(s, "as"), "\nAlas");
    assert_text(push(s, "\nBo"), "");
    assert_false(phial_stopper_stopped(s, &which));
    assert_text(push(s, "b: and more"), "");
    assert_true(phial_stopper_stopped(s, &which));
    assert_int_equal(which, 1);
    assert_text(push(s, "more"), "");
    phial_stopper_flush(s, &shown);
    assert_text(shown, "");
    assert_true(phial_stopper_stopped(s, &which));

    phial_stopper_reset(s);
    assert_false(phial_stopper_stopped(s, NULL));
    assert_text(push(s, "end\nAlice"), "end");
    phial_stopper_flush(s, &shown);
    assert_text(shown, "\nAlice");
    assert_false(phial_stopper_stopped(s, NULL));
    phial_stopper_free(s);
}

/* The earliest beginning wins even when another string is complete before it. */
static void earliest_beginning(void **state)
{
    (void)state;
    static const char *const STOPS[] = {"bc", "abcd", "ab"};
    phial_stopper *s = make(STOPS, 2); /* without "ab" */
    size_t which;
    phial_text shown;
    assert_text(push(s, "xabc"), "x");
    assert_false(phial_stopper_stopped(s, &which));
    assert_text(push(s, "d"), "");
    assert_true(phial_stopper_stopped(s, &which));
    assert_int_equal(which, 1);
    phial_stopper_reset(s);
    assert_text(push(s, "xabc"), "x");
    assert_text(push(s, "e"), "a");
    assert_true(phial_stopper_stopped(s, &which));
    assert_int_equal(which, 0);
    phial_stopper_reset(s);
    push(s, "xabc");
    phial_stopper_flush(s, &shown);
    assert_text(shown, "a");
    assert_true(phial_stopper_stopped(s, &which));
    assert_int_equal(which, 0);
    phial_stopper_free(s);
    s = make(STOPS, 3); /* same beginning: no waiting for the longer one */
    assert_text(push(s, "xab"), "x");
    assert_true(phial_stopper_stopped(s, &which));
    assert_int_equal(which, 2);
    phial_stopper_free(s);
    s = make(NULL, 0);
    assert_text(push(s, "anything"), "anything");
    phial_stopper_free(s);
}

/* First beginning in text, of equal ones the shortest; SIZE_MAX if none. */
static size_t ref_find(const char *text, size_t n, const phial_text *stops, size_t n_stops,
                       size_t *which)
{
    for (size_t at = 0; at < n; at++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < n_stops; i++) {
            if (stops[i].n <= n - at && memcmp(text + at, stops[i].p, stops[i].n) == 0 &&
                stops[i].n < best) {
                best = stops[i].n;
                *which = i;
            }
        }
        if (best != SIZE_MAX)
            return at;
    }
    return SIZE_MAX;
}

/* Whether a stop string might still begin at `at`, within or reaching over the end of the text. */
static bool may_begin(const char *text, size_t n, size_t at, const phial_text *stops,
                      size_t n_stops)
{
    for (size_t i = 0; i < n_stops; i++) {
        size_t len = stops[i].n < n - at ? stops[i].n : n - at;
        if (memcmp(text + at, stops[i].p, len) == 0)
            return true;
    }
    return false;
}

static void any_cutting(void **state)
{
    (void)state;
    ph_rng rng;
    ph_rng_seed(&rng, 21, 0);
    size_t n_found = 0;
    for (int round = 0; round < 20000; round++) {
        char text[80], words[6][8];
        phial_text stops[6];
        size_t n_stops = 1 + (size_t)ph_rng_below(&rng, 6), n = (size_t)ph_rng_below(&rng, 80);
        unsigned letters = 2 + (unsigned)(round % 2);
        for (size_t i = 0; i < n_stops; i++) {
            stops[i] = (phial_text){words[i], 1 + (size_t)ph_rng_below(&rng, 7)};
            for (size_t k = 0; k < stops[i].n; k++)
                words[i][k] = (char)ph_rng_below(&rng, letters); /* NULs too */
        }
        for (size_t i = 0; i < n; i++)
            text[i] = (char)ph_rng_below(&rng, letters);
        size_t want_which = 0, which = 0;
        size_t want = ref_find(text, n, stops, n_stops, &want_which);
        phial_stopper *s = NULL;
        assert_int_equal(phial_stopper_new(&s, stops, n_stops, &err), PHIAL_OK);
        char shown[80];
        size_t n_shown = 0, at = 0;
        phial_text t;
        while (at < n) {
            size_t len = 1 + (size_t)ph_rng_below(&rng, 5);
            len = len < n - at ? len : n - at;
            assert_int_equal(phial_stopper_push(s, text + at, len, &t, &err), PHIAL_OK);
            memcpy(shown + n_shown, t.p, t.n);
            n_shown += t.n;
            at += len;
            /* Nothing is held back without need. */
            if (!phial_stopper_stopped(s, NULL) && n_shown < at)
                assert_true(may_begin(text, at, n_shown, stops, n_stops));
        }
        phial_stopper_flush(s, &t);
        memcpy(shown + n_shown, t.p, t.n);
        n_shown += t.n;
        assert_int_equal(phial_stopper_stopped(s, &which), want != SIZE_MAX);
        assert_int_equal(n_shown, want != SIZE_MAX ? want : n);
        assert_memory_equal(shown, text, n_shown);
        if (want != SIZE_MAX) {
            n_found++;
            /* Equal strings: the first of them. */
            assert_int_equal(stops[which].n, stops[want_which].n);
            assert_int_equal(which, want_which);
        }
        phial_stopper_free(s);
    }
    assert_in_range(n_found, 5000, 19900);
}

static void limits(void **state)
{
    (void)state;
    phial_stopper *s = NULL;
    phial_text two[] = {{"x", 1}, {"", 0}};
    assert_int_equal(phial_stopper_new(&s, two, 2, &err), PHIAL_ERR_ARGUMENT);
    assert_string_equal(err.message, "stop string 2 is empty");
    static phial_text many[PHIAL_STOP_STRINGS_MAX + 1];
    for (size_t i = 0; i <= PHIAL_STOP_STRINGS_MAX; i++)
        many[i] = (phial_text){"x", 1};
    assert_int_equal(phial_stopper_new(&s, many, PHIAL_STOP_STRINGS_MAX + 1, &err),
                     PHIAL_ERR_LIMIT);
    assert_int_equal(phial_stopper_new(&s, many, PHIAL_STOP_STRINGS_MAX, &err), PHIAL_OK);
    phial_stopper_free(s);
    s = NULL;
    static char large[PHIAL_STOP_BYTES_MAX + 1];
    phial_text one = {large, sizeof large};
    assert_int_equal(phial_stopper_new(&s, &one, 1, &err), PHIAL_ERR_LIMIT);
    assert_null(s);
    phial_stopper_free(NULL);
    assert_string_equal(phial_finish_name(PHIAL_FINISH_STOP_STRING), "stop_string");
    assert_string_equal(phial_finish_name(PHIAL_FINISH_NONE), "none");
}

/* 10 KB strings that nearly match everywhere, a byte at a time and in large pushes. */
static void long_strings_in_linear_time(void **state)
{
    (void)state;
    enum { LONG = 10240, TEXT = 2 << 20 };
    static char stop[LONG], text[TEXT];
    memset(stop, 'a', sizeof stop);
    stop[LONG - 1] = 'b';
    memset(text, 'a', sizeof text);
    phial_text stops[] = {{stop, LONG}, {stop + 1, LONG - 1}};
    for (size_t step = 1; step <= 100000; step *= 10) {
        phial_stopper *s = NULL;
        assert_int_equal(phial_stopper_new(&s, stops, 1, &err), PHIAL_OK);
        uint64_t from = ph_clock_ns();
        size_t n_shown = 0;
        phial_text t;
        for (size_t at = 0; at < TEXT; at += step) {
            size_t len = step < TEXT - at ? step : TEXT - at;
            assert_int_equal(phial_stopper_push(s, text + at, len, &t, &err), PHIAL_OK);
            n_shown += t.n;
        }
        assert_int_equal(n_shown, TEXT - (LONG - 1));
        uint64_t ms = (ph_clock_ns() - from) / 1000000;
        print_message("%zu bytes a push: %d ms for 2 MB\n", step, (int)ms);
        assert_int_equal(phial_stopper_push(s, "b", 1, &t, &err), PHIAL_OK);
        assert_true(phial_stopper_stopped(s, NULL));
        assert_int_equal(t.n, 0);
        phial_stopper_free(s);
        assert_true(ms < 5000); /* quadratic would be minutes */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(across_tokens),
        cmocka_unit_test(earliest_beginning),
        cmocka_unit_test(any_cutting),
        cmocka_unit_test(limits),
        cmocka_unit_test(long_strings_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
