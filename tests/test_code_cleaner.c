/* Cleaning of code: a table of prompts, answers and what is to be left, for any cutting into
 * pushes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"
#include "phial/prompt.h"

typedef struct sample {
    const char *what, *prompt, *answer, *want;
} sample;

#define DEF     "def add(a, b):\n    \"\"\"Adds.\"\"\""
#define DEF_EOL DEF "\n"

static const sample SAMPLES[] = {
    {"body, then chatter", DEF, "\n    return a + b\n\nExplanation: this adds.\n",
     "\n    return a + b\n"},
    {"body, then an exercise", DEF, "\n    return a + b\n\n\nExercise 2: write a loop.\n",
     "\n    return a + b\n"},
    {"body on the prompt's next line", DEF_EOL, "    return a + b\n\n# Test\nprint(add(1, 2))\n",
     "    return a + b\n\n# Test\nprint(add(1, 2))\n"},
    {"body, then a fence", DEF, "\n    return a + b\n```\nThis function adds.\n",
     "\n    return a + b\n"},
    {"no newline at the end", DEF, "\n    return a + b", "\n    return a + b"},
    {"first line goes on whatever it is", "x = ", "Exercise 3\ny = 2\nThen we see.\n",
     "Exercise 3\ny = 2\n"},
    {"fenced at once", "", "```python\ndef f():\n    return 1\n```\nThis returns 1.\n",
     "def f():\n    return 1\n"},
    {"fenced, prose inside stays", "", "```\nThis is text.\n\n\nMore.\n\n```\n",
     "This is text.\n\n\nMore.\n"},
    {"longer fence around a shorter one", "", "````\na = 1\n```\nb = 2\n````\nx\n",
     "a = 1\n```\nb = 2\n"},
    {"tildes", "", "~~~py\na = 1\n```\n~~~\n", "a = 1\n```\n"},
    {"fence without an end", "", "```python\na = 1\nb = 2", "a = 1\nb = 2"},
    {"a sentence, then a fence", "", " Here is the code:\n\n```python\na = 1\n```\nDone.\n",
     "a = 1\n"},
    {"a sentence, then code", "", "Here you go:\n\ndef f():\n    return 1\n\nIt returns 1.\n",
     "def f():\n    return 1\n"},
    {"blank in front of a fresh answer", "", " def f():\n    return 1\n",
     "def f():\n    return 1\n"},
    {"fenced behind a prompt", DEF, "\n\n```python\nreturn 1\n```\n", "return 1\n"},
    {"only chatter", "", "I cannot write that.\nSorry.\n", ""},
    {"only a blank line", "", "\n\n", ""},
    {"nothing", "", "", ""},
    {"prose that begins like a keyword", "", "for example, this.\nif you like it.\na = 1\n",
     "a = 1\n"},
    {"prose with a colon", DEF_EOL, "    return 1\nNote: it works.\n", "    return 1\n"},
    {"a heading is no comment", DEF_EOL, "    return 1\n\n## Tests\n", "    return 1\n"},
    {"annotated value", "", "x: int = 3\ny: a thing\n", "x: int = 3\n"},
    {"several names, operators", "",
     "a, b = 1, 2\na += 1\nb //= 2\nc := 3\nd.e.f = 4\ng[1] = 2\nThe end\n",
     "a, b = 1, 2\na += 1\nb //= 2\nc := 3\nd.e.f = 4\ng[1] = 2\n"},
    {"statements", "",
     "import os\nfrom a import b\n@dec\nclass A:\n    pass\nif x:\n    y()\nelse:\n    z()\nreturn "
     "a\n"
     "import this idea.\n",
     "import os\nfrom a import b\n@dec\nclass A:\n    pass\nif x:\n    y()\nelse:\n    z()\nreturn "
     "a\n"},
    {"triple-quoted text at the margin", "",
     "def f():\n    \"\"\"Says\nThis and that.\n```\n\"\"\"\n"
     "    return 1\nThat was it.\n",
     "def f():\n    \"\"\"Says\nThis and that.\n```\n\"\"\"\n    return 1\n"},
    {"triple quotes open in the prompt", "def f():\n    \"\"\"Says\n",
     "This and that.\n\"\"\"\n    return 1\nBye now\n", "This and that.\n\"\"\"\n    return 1\n"},
    {"quotes and brackets in strings", "", "a = '(['\nb = \"it's \\\" {\"  # don't (\nSo be it\n",
     "a = '(['\nb = \"it's \\\" {\"  # don't (\n"},
    {"list over lines", "", "x = [\n1, 2,\nthree,\n]\nGood luck\n", "x = [\n1, 2,\nthree,\n]\n"},
    {"C", "",
     "#include <stdio.h>\n\nint main(void)\n{\nputs(\"hi\");\nint x\n= 3;\n}\nThis prints hi.\n",
     "#include <stdio.h>\n\nint main(void)\n{\nputs(\"hi\");\nint x\n= 3;\n}\n"},
    {"C with the brace on the line", "",
     "int main(void) {\nputs(\"hi\");\nint x\n= 3;\n}\n// end\nThis prints hi.\n",
     "int main(void) {\nputs(\"hi\");\nint x\n= 3;\n}\n// end\n"},
    {"C that the prompt began", "int f(int a) {\n", "return a;\n}\nIt returns a.\n",
     "return a;\n}\n"},
    {"JavaScript", "", "function f(a) {\n  return a;\n}\nconst x = f(1);\nlet y = 2;\nAs you see\n",
     "function f(a) {\n  return a;\n}\nconst x = f(1);\nlet y = 2;\n"},
    {"carriage returns", "", "```\r\na = 1\r\n```\r\nbye\r\n", "a = 1\r\n"},
    {"blank lines with blanks", DEF_EOL, "    a = 1\n    \n\t\n    return a\n  \nBye bye.\n",
     "    a = 1\n    \n\t\n    return a\n"},
    {"four blanks make no fence", DEF_EOL, "    ```\n    x\n", "    ```\n    x\n"},
};

static phial_error err;

static void append(ph_buf *out, phial_text t)
{
    ph_buf_add(out, t.p, t.n);
}

static void clean(const sample *s, size_t step, ph_rng *rng, ph_buf *out)
{
    phial_code_cleaner *c = NULL;
    phial_text shown;
    ph_buf_clear(out);
    assert_int_equal(phial_code_cleaner_new(&c, (phial_text){s->prompt, strlen(s->prompt)}, &err),
                     PHIAL_OK);
    size_t n = strlen(s->answer);
    for (size_t at = 0; at < n;) {
        size_t len = step > 0 ? step : 1 + (size_t)ph_rng_below(rng, 9);
        len = len < n - at ? len : n - at;
        assert_int_equal(phial_code_cleaner_push(c, s->answer + at, len, &shown, &err), PHIAL_OK);
        append(out, shown);
        at += len;
    }
    assert_int_equal(phial_code_cleaner_flush(c, &shown, &err), PHIAL_OK);
    append(out, shown);
    assert_true(phial_code_cleaner_done(c));
    phial_code_cleaner_free(c);
}

static void table(void **state)
{
    (void)state;
    ph_rng rng;
    ph_rng_seed(&rng, 5, 0);
    ph_buf out;
    ph_buf_init(&out, 0);
    int bad = 0;
    for (size_t i = 0; i < sizeof SAMPLES / sizeof SAMPLES[0]; i++) {
        for (size_t step = 0; step < 30; step++) {
            clean(&SAMPLES[i], step < 20 ? step : 1000, &rng, &out);
            const char *got = out.data != NULL ? out.data : "";
            if (strcmp(got, SAMPLES[i].want) != 0) {
                print_error("%s: [%s], not [%s]\n", SAMPLES[i].what, got, SAMPLES[i].want);
                bad++;
                break;
            }
        }
    }
    ph_buf_free(&out);
    assert_int_equal(bad, 0);
}

/* Lines come as soon as they are settled, and the end is told before the answer is over. */
static void streaming(void **state)
{
    (void)state;
    phial_code_cleaner *c = NULL;
    phial_text shown;
    assert_int_equal(phial_code_cleaner_new(&c, (phial_text){DEF, strlen(DEF)}, &err), PHIAL_OK);
    static const char *const PUSH[] = {"\n    x",           " = 1\n", "\n",
                                       "    y = 2\n    re", "\n\nSo", " on\n"};
    static const char *const SHOWN[] = {"", "\n    x = 1\n", "", "\n    y = 2\n", "    re\n", ""};
    for (size_t i = 0; i < 6; i++) {
        assert_false(phial_code_cleaner_done(c));
        assert_int_equal(phial_code_cleaner_push(c, PUSH[i], strlen(PUSH[i]), &shown, &err),
                         PHIAL_OK);
        assert_int_equal(shown.n, strlen(SHOWN[i]));
        assert_memory_equal(shown.p, SHOWN[i], shown.n);
    }
    assert_true(phial_code_cleaner_done(c));
    phial_code_cleaner_free(c);
    phial_code_cleaner_free(NULL);
}

/* Any bytes: what is left is made of the answer's lines, in order; long lines end in a limit. */
static void hostile(void **state)
{
    (void)state;
    static const char *const WORDS[] = {"\n",       "```",  "\"\"\"", "'",     "(",  ")",
                                        "def f():", "\n\n", "    ",   "x = 1", "\\", "#",
                                        "Hello",    "\xff", "\0",     "~~~"};
    ph_rng rng;
    ph_rng_seed(&rng, 6, 0);
    ph_buf text, out;
    ph_buf_init(&text, 0);
    ph_buf_init(&out, 0);
    for (int round = 0; round < 3000; round++) {
        ph_buf_clear(&text);
        size_t n = (size_t)ph_rng_below(&rng, 40);
        for (size_t i = 0; i < n; i++) {
            size_t w = (size_t)ph_rng_below(&rng, 16);
            ph_buf_add(&text, WORDS[w], w == 14 ? 1 : strlen(WORDS[w]));
        }
        size_t prompt = text.len > 0 ? (size_t)ph_rng_below(&rng, text.len) : 0;
        phial_code_cleaner *c = NULL;
        phial_text shown;
        ph_buf_clear(&out);
        assert_int_equal(phial_code_cleaner_new(&c, (phial_text){text.data, prompt}, &err),
                         PHIAL_OK);
        assert_int_equal(
            phial_code_cleaner_push(c, text.data + prompt, text.len - prompt, &shown, &err),
            PHIAL_OK);
        append(&out, shown);
        assert_int_equal(phial_code_cleaner_flush(c, &shown, &err), PHIAL_OK);
        append(&out, shown);
        size_t at = prompt;
        for (size_t i = 0; i < out.len; i++, at++) {
            while (at < text.len && text.data[at] != out.data[i])
                at++;
            assert_true(at < text.len);
        }
        phial_code_cleaner_free(c);
    }
    phial_code_cleaner *c = NULL;
    phial_text shown;
    assert_int_equal(phial_code_cleaner_new(&c, (phial_text){"", 0}, &err), PHIAL_OK);
    char block[65536];
    memset(block, 'x', sizeof block);
    phial_status status = PHIAL_OK;
    for (int i = 0; i < 20 && status == PHIAL_OK; i++)
        status = phial_code_cleaner_push(c, block, sizeof block, &shown, &err);
    assert_int_equal(status, PHIAL_ERR_LIMIT);
    phial_code_cleaner_free(c);
    ph_buf_free(&text);
    ph_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(streaming),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
