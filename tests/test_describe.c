/* Man pages and completions: complete, well-formed by the judgement of groff and of the shells
 * where these are there, and a completion that completes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/args.h"
#include "cli/describe.h"
#include "cli_run.h"

#define DESCRIBED PHIAL_BUILD_DIR "/described"

static void need(const char *program)
{
    char line[128];
    snprintf(line, sizeof line, "command -v %s", program);
    if (cli_run(line)->code != 0) {
        print_message("skipped: there is no %s here\n", program);
        skip();
    }
}

static const cli_result *succeed(const char *line)
{
    const cli_result *r = cli_run(line);
    if (r->code != 0)
        fail_msg("%s: exit %d\n%s%s", line, r->code, r->out, r->err);
    return r;
}

/* Every command, option and example stands in the page and in each completion. */
static void test_complete(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    ph_buf page, script[3];
    for (int s = 0; s < 3; s++) {
        ph_buf_init(&script[s], 0);
        assert_true(ph_describe_completion(&script[s], shells[s]));
    }
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        const ph_cmd_row *row = ph_cmd_at(i);
        ph_buf_init(&page, 0);
        ph_describe_man(&page, row, "1.2.3");
        assert_int_equal(ph_buf_status(&page, NULL), PHIAL_OK);
        assert_memory_equal(page.data, ".TH PHIAL-", 10);
        assert_non_null(strstr(page.data, "Phial 1.2.3"));
        /* fish has families and their commands apart. */
        const char *last = strrchr(row->name, ' ');
        for (int s = 0; s < 3; s++)
            assert_non_null(strstr(script[s].data, s == 2 && last ? last : row->name));
        for (const ph_opt *opt = row->cmd->opts; opt && opt->name; opt++) {
            char roff[128] = "\\-\\-", shell[64];
            for (const char *p = opt->name; *p; p++)
                strncat(roff, *p == '-' ? "\\-" : (char[]){*p, 0}, sizeof roff - strlen(roff) - 1);
            if (!strstr(page.data, roff))
                fail_msg("phial-%s.1 lacks %s", row->name, roff);
            snprintf(shell, sizeof shell, "--%s", opt->name);
            assert_non_null(strstr(script[0].data, shell));
            assert_non_null(strstr(script[1].data, shell));
            snprintf(shell, sizeof shell, "from %s' -l %s", row->name, opt->name);
            assert_non_null(strstr(script[2].data, shell));
        }
        size_t n_examples = 0, n_tp = 0;
        for (const ph_cmd_example *ex = row->cmd->examples; ex && ex->line; ex++)
            n_examples++;
        for (const char *p = strstr(page.data, ".SH EXAMPLES"); p && (p = strstr(p, "\n.TP")); p++)
            n_tp++;
        assert_int_equal(n_tp, n_examples);
        ph_buf_free(&page);
    }
    for (int s = 0; s < 3; s++)
        ph_buf_free(&script[s]);
    ph_buf_init(&page, 0);
    assert_false(ph_describe_completion(&page, "tcsh"));
    ph_buf_free(&page);
}

static void test_groff(void **state)
{
    (void)state;
    need("groff");
    const cli_result *r =
        succeed("n=0; for f in " DESCRIBED "/*.1; do groff -ww -z -man -Tutf8 $f || exit 1; "
                "n=$((n + 1)); done; echo $n");
    assert_string_equal(r->err, "");
    assert_true(strtol(r->out, NULL, 10) == (long)ph_cmd_count() + 1);
    r = succeed("groff -man -Tascii " DESCRIBED "/phial-version.1");
    assert_non_null(strstr(r->out, "phial version"));
}

/* What bash offers for a line; the last word is being typed. */
static void complete(const char *words, const char *wanted, const char *unwanted)
{
    char line[2048];
    snprintf(line, sizeof line,
             "bash -c '. " DESCRIBED "/phial.bash; COMP_WORDS=(%s); "
             "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _phial; echo \"${COMPREPLY[*]}\"'",
             words);
    const cli_result *r = succeed(line);
    if (!strstr(r->out, wanted) || (unwanted && strstr(r->out, unwanted)))
        fail_msg("%s: %s", words, r->out);
}

static void test_bash(void **state)
{
    (void)state;
    need("bash");
    succeed("bash -n " DESCRIBED "/phial.bash");
    complete("phial gen", "generate", "tokenize");
    complete("phial \"\"", "version", NULL);
    complete("phial generate --top", "--top-k --top-p", "--temp");
    complete("phial logits --kv-type \"\"", "f32 f16 q8", NULL);
    complete("phial run --overflow s", "stop shift", NULL);
    complete("phial help ver", "version", "tokenize");
    complete("phial run " PHIAL_SOURCE_DIR "/READ", "README.md", NULL);
}

static void test_zsh(void **state)
{
    (void)state;
    need("zsh");
    succeed("zsh -n " DESCRIBED "/_phial");
}

static void test_fish(void **state)
{
    (void)state;
    need("fish");
    succeed("fish -n " DESCRIBED "/phial.fish");
    const cli_result *r =
        succeed("fish -c 'source " DESCRIBED "/phial.fish; complete -C \"phial run --over\"'");
    assert_non_null(strstr(r->out, "--overflow"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete), cmocka_unit_test(test_groff), cmocka_unit_test(test_bash),
        cmocka_unit_test(test_zsh),      cmocka_unit_test(test_fish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
