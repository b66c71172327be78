/* Search terms: stemming against the Snowball project's stemmer, folding and cutting of words,
 * globs, the walk over folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "rag/collection_search.h"
#include "rag/ingest_walk.h"
#include "rag/lex_analyze.h"
#include "rag/porter2.h"

static void test_porter2(void **state)
{
    (void)state;
    FILE *f = fopen(PHIAL_SOURCE_DIR "/tests/data/porter2.txt", "r");
    char word[64], stem[64], ours[66];
    int n = 0;
    assert_non_null(f);
    while (fscanf(f, "%63s %63s", word, stem) == 2) {
        snprintf(ours, sizeof ours, "%s", word);
        size_t len = ph_porter2(ours, strlen(word));
        ours[len] = 0;
        if (strcmp(ours, stem) != 0)
            fail_msg("%s: %s, the reference says %s", word, ours, stem);
        n++;
    }
    fclose(f);
    assert_true(n > 1000);
}

static bool add_term(void *user, const ph_lex_token *t)
{
    char *out = user;
    size_t n = strlen(out);
    snprintf(out + n, 1000 - n, "%s%.*s", n ? " " : "", (int)t->term.n, t->term.p);
    return true;
}

static void terms(const char *text, const char *expected)
{
    char out[1000] = "";
    ph_lex_analyze(ph_str_from(text), add_term, out);
    assert_string_equal(out, expected);
}

static void test_terms(void **state)
{
    (void)state;
    terms("The runners' RUNNING, don't it's", "the runner run don it");
    terms("1,000 genomes 1000; 3.5 and 2.", "1000 genom 1000 3.5 and 2");
    terms("1,00 1,0000 a,b x1,000", "1 00 1 0000 a b x1 000");
    terms("Caf\xc3\xa9 cafe\xcc\x81 \xc3\x85ngstr\xc3\xb6m Stra\xc3\x9f"
          "e",
          "cafe cafe angstrom strass");
    terms("\xef\xac\x81sh \xef\xbc\xb7ide m\xc2\xb2", "fish wide m2");
    terms("TNF-\xce\xb1 \xce\x91", "tnf \xce\xb1 \xce\xb1");
    terms("\xe6\x9d\xb1\xe4\xba\xac x", "\xe6\x9d\xb1 \xe4\xba\xac \xe6\x9d\xb1\xe4\xba\xac x");
    terms("a\xff"
          "b\xc3",
          "a b");
    terms("", "");
}

static void test_glob(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *name;
        bool matches;
    } cases[] = {
        {"*", "", true},        {"*", "a/b", true},         {"a?c", "abc", true},
        {"a?c", "ac", false},   {"*.pdf", "x/y.pdf", true}, {"*.pdf", "x.pdf2", false},
        {"[a-c]x", "bx", true}, {"[!a-c]x", "bx", false},   {"[]]", "]", true},
        {"[", "[", true},       {"a*b*c", "aXbYc", true},   {"a*b*c", "acb", false},
        {"", "", true},         {"", "a", false},           {"**a**", "bab", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ph_glob_match(cases[i].glob, ph_str_from(cases[i].name)) != cases[i].matches)
            fail_msg("%s and %s", cases[i].glob, cases[i].name);
    }
    char stars[200], name[5000];
    memset(name, 'a', sizeof name);
    for (size_t i = 0; i < 198; i += 2)
        memcpy(stars + i, "*a", 2);
    memcpy(stars + 198, "b", 2);
    assert_false(ph_glob_match(stars, (ph_str){name, sizeof name}));
}

/* The same files in the same order whatever the memory for names. */
static void test_walk(void **state)
{
    (void)state;
    char folder[] = "/tmp/phial-walk-XXXXXX", line[600], first[4096];
    phial_error err = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(line, sizeof line,
             "cd %s && mkdir -p b/c .git && touch a z .git/no b/2 b/10 b/1 b/c/deep && ln -s ../.. "
             "b/loop && ln -s a link && ln -s nowhere broken",
             folder);
    assert_int_equal(system(line), 0);
    for (size_t batch = 0; batch < 4; batch++) {
        const char *paths[] = {folder, "/nonexistent/x"};
        char all[4096] = "";
        ph_walk *walk;
        ph_walk_item item;
        bool more = true;
        assert_int_equal(ph_walk_new(&walk, paths, 2, batch, &err), PHIAL_OK);
        while (ph_walk_next(walk, &item, &more, &err) == PHIAL_OK && more) {
            size_t n = strlen(all),
                   skip = strncmp(item.path, folder, strlen(folder)) == 0 ? strlen(folder) + 1 : 0;
            snprintf(all + n, sizeof all - n, "%s%s ", item.path + skip,
                     item.missing ? "(missing)" : (item.reason ? "(reason)" : ""));
        }
        ph_walk_free(walk);
        if (batch == 0)
            memcpy(first, all, sizeof all);
        assert_string_equal(all, first);
    }
    assert_string_equal(first,
                        "a b/1 b/10 b/2 b/c/deep broken(missing) link z /nonexistent/x(missing) ");
    snprintf(line, sizeof line, "rm -rf %s", folder);
    assert_int_equal(system(line), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_porter2),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
