/* Every example that --help or the README shows is run as it stands there, in a folder where its
 * files are: phi-2 (the small golden model with Phi-2's tokenizer), phi-2.gguf, notes.txt and so
 * on. Examples that name no model run without the golden data too.
 * labels: slow
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cmd.h"
#include "cli_run.h"
#include "testdata.h"

static char folder[] = "/tmp/phial-examples-XXXXXX";

static void shell(const char *line)
{
    char command[6000];
    snprintf(command, sizeof command, "cd %s && { %s\n}", folder, line);
    const cli_result *r = cli_run(command);
    if (r->code != 0)
        fail_msg("%s: exit %d\n--- out:\n%s--- err:\n%s", line, r->code, r->out, r->err);
}

static int make_folder(void **state)
{
    (void)state;
    char line[4096];
    if (!mkdtemp(folder))
        return -1;
    snprintf(line, sizeof line, "%s:%s", PHIAL_BUILD_DIR, getenv("PATH"));
    setenv("PATH", line, 1);
    snprintf(line, sizeof line, "%s/cache", folder);
    setenv("XDG_CACHE_HOME", line, 1);
    shell("printf 'Two notes.\\nAnd one more.\\n' | tee notes.txt prompt.txt >a");
    shell("echo 15496 995 >ids.txt");
    shell("printf '{\"id\":\"a\",\"prompt\":\"The panda\"}\\n{\"ids\":[15496,995],\"n\":4}\\n' "
          ">prompts.jsonl");
    shell("printf '{\"prompt\":\"Instruct: Two and two?\\\\nOutput:\",\"completion\":\" Four.\"}\\n"
          "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\","
          "\"content\":\"Hello.\"}]}\\n' >talks.jsonl");
    shell("ln -s " PHIAL_SOURCE_DIR "/tests/data/tiny-bert all-MiniLM-L6-v2");
    shell("ln -s " PHIAL_SOURCE_DIR "/tests/data/tiny-bert e5-small");
    shell("printf 'Two notes.\\nAnd one more.\\n' | tee sentences.txt questions.txt >/dev/null");
    shell(
        "printf '{\"version\":\"v2.0\",\"data\":[{\"title\":\"Pier\",\"paragraphs\":[{\"context\":"
        "\"The pier opened in 1905.\",\"qas\":[{\"id\":\"a\",\"question\":\"When did it open?\","
        "\"is_impossible\":false,\"answers\":[{\"text\":\"1905\",\"answer_start\":19}]},{\"id\":"
        "\"b\",\"question\":\"Who built it?\",\"is_impossible\":true,\"answers\":[]}]}]}]}' "
        ">squad.json");
    shell("mkdir papers && echo 'A paper.' >papers/paper.txt");
    shell("echo '{\"_id\":\"fact\",\"text\":\"Water boils.\"}' >facts.jsonl");
    shell("phial index old.phial notes.txt");
    shell("echo 'q Q0 fact 1 0.5 phial' >ranking.run && echo 'q 0 fact 1' >judged.tsv");
    shell("printf '{\"_id\":\"note\",\"text\":\"Two notes. And one more.\"}\\n' >note.jsonl && "
          "phial index notes.phial --jsonl note.jsonl");
    const char *model = ph_testdata("golden/phi-mini"),
               *tok = ph_testdata("golden/tokenizer/phi-2");
    if (!model || !tok)
        return 0;
    snprintf(
        line, sizeof line,
        "mkdir phi-2 && ln -s %s/config.json %s/model.safetensors %s/*.json %s/merges.txt phi-2",
        model, model, tok, tok);
    shell(line);
    /* A folder is a model under any name, until a real GGUF can be made of it. */
    shell(ph_cmd_find("convert") ? "phial convert phi-2 phi-2.gguf" : "ln -s phi-2 phi-2.gguf");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char line[64];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return cli_run(line)->code;
}

/* A random model of a real one's size is made in the small. */
static void run_example(const char *line)
{
    static const char LIKE[] = "synth --like ";
    char small[4096];
    const char *like = strstr(line, LIKE);
    if (like != NULL) {
        const char *rest = strchr(like + strlen(LIKE), ' ');
        snprintf(small, sizeof small, "%.*s%stiny%s", (int)(like - line), line, LIKE, rest);
        line = small;
    }
    shell(line);
}

static void run_examples(bool with_model)
{
    int n = 0;
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        const ph_cmd_example *ex = ph_cmd_at(i)->cmd->examples;
        for (; ex && ex->line; ex++) {
            if ((strstr(ex->line, "phi-") != NULL) == with_model) {
                run_example(ex->line);
                n++;
            }
        }
    }
    assert_true(n > 0);
}

static void test_examples_alone(void **state)
{
    (void)state;
    run_examples(false);
}

static void test_examples_with_model(void **state)
{
    (void)state;
    if (!ph_testdata("golden/phi-mini") || !ph_testdata("golden/tokenizer/phi-2")) {
        print_message("skipped: no golden data (PHIAL_TEST_DATA)\n");
        skip();
    }
    run_examples(true);
}

/* Lines of the README that begin with "./run COMMAND", with the program in place of the script. */
static void test_readme(void **state)
{
    (void)state;
    if (!ph_testdata("golden/phi-mini") || !ph_testdata("golden/tokenizer/phi-2")) {
        print_message("skipped: no golden data (PHIAL_TEST_DATA)\n");
        skip();
    }
    FILE *f = fopen(PHIAL_SOURCE_DIR "/README.md", "r");
    assert_non_null(f);
    int n = 0;
    char line[1000], command[1100];
    while (fgets(line, sizeof line, f)) {
        const char *rest = line + strlen("./run ");
        if (strncmp(line, "./run ", strlen("./run ")) == 0 && *rest >= 'a' && *rest <= 'z') {
            snprintf(command, sizeof command, "phial %s", rest);
            shell(command);
            n++;
        }
    }
    fclose(f);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_alone),
        cmocka_unit_test(test_examples_with_model),
        cmocka_unit_test(test_readme),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
