/* What kind of answer a question asks for, and which answers cannot be of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rag/answer_kind.h"

static void test_asked(void **state)
{
    (void)state;
    static const struct {
        const char *question;
        ph_answer_kind kind;
    } cases[] = {
        {"When did she land?", PH_ANSWER_TIME},
        {"in which year was it built", PH_ANSWER_TIME},
        {"What century was it?", PH_ANSWER_TIME},
        {"What happened when it rained?", PH_ANSWER_ANY},
        {"How many otters are there?", PH_ANSWER_AMOUNT},
        {"For how long did it rain?", PH_ANSWER_AMOUNT},
        {"By the end, how many ships were left?", PH_ANSWER_AMOUNT},
        {"How did she land?", PH_ANSWER_ANY},
        {"Who built it?", PH_ANSWER_NO_NUMBER},
        {"From where did she come?", PH_ANSWER_NO_NUMBER},
        {"Which ship was it?", PH_ANSWER_ANY},
        {"Wann kam sie an?", PH_ANSWER_ANY},
        {"\xD9\x85\xD8\xAA\xD9\x89 1", PH_ANSWER_ANY},
        {"???", PH_ANSWER_ANY},
        {"", PH_ANSWER_ANY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ph_answer_kind_asked(ph_str_from(cases[i].question)) != cases[i].kind)
            fail_msg("%s", cases[i].question);
    }
}

static void test_fits(void **state)
{
    (void)state;
    static const struct {
        ph_answer_kind kind;
        const char *answer;
        bool fits;
    } cases[] = {
        {PH_ANSWER_TIME, "in 1871", true},
        {PH_ANSWER_TIME, "12th", true},
        {PH_ANSWER_TIME, "during the reign of Louis XIV", true},
        {PH_ANSWER_TIME, "as soon as it rains", true},
        {PH_ANSWER_TIME, "the harbour of Hamburg", false},
        {PH_ANSWER_AMOUNT, "most of them", true},
        {PH_ANSWER_AMOUNT, "seventy-two", true},
        {PH_ANSWER_AMOUNT, "Ann Lee", false},
        {PH_ANSWER_NO_NUMBER, "Ann Lee", true},
        {PH_ANSWER_NO_NUMBER, "Louis XIV", true},
        {PH_ANSWER_NO_NUMBER, "about 40", false},
        {PH_ANSWER_NO_NUMBER, "the 12th of May", false},
        {PH_ANSWER_NO_NUMBER, "\xD9\x85\xD8\xAA\xD9\x89", true},
        {PH_ANSWER_ANY, "", true},
        {PH_ANSWER_TIME, "", false},
        {PH_ANSWER_NO_NUMBER,
         "a word that is longer than all words of all lists: Llanfairpwllgwyngyllgogerychwyrn",
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ph_answer_kind_fits(cases[i].kind, ph_str_from(cases[i].answer)) != cases[i].fits)
            fail_msg("%s", cases[i].answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_asked), cmocka_unit_test(test_fits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
