/* Presets and prompts: the forms of the model cards, presets as files (found, extended, shared,
 * broken), segments and pieces for the tokenizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "phial/prompt.h"
#include "phial/sampler.h"
#include "phial/stop.h"

static phial_error err;
static char folder[64];

static phial_text text_of(const char *s)
{
    return (phial_text){s, strlen(s)};
}

static void assert_text(phial_text t, const char *want)
{
    if (t.n != strlen(want) || memcmp(t.p, want, t.n) != 0)
        fail_msg("'%.*s', not '%s'", (int)t.n, t.p, want);
    assert_int_equal(t.p[t.n], 0);
}

static phial_preset *open_preset(const char *name, const char *where)
{
    phial_preset *p = NULL;
    phial_status status = phial_preset_open(&p, name, where, &err);
    if (status != PHIAL_OK)
        fail_msg("%s", err.message);
    return p;
}

static phial_preset_info info_of(const phial_preset *p)
{
    phial_preset_info info = {.size = sizeof info};
    assert_int_equal(phial_preset_get_info(p, &info, &err), PHIAL_OK);
    return info;
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    fclose(f);
}

static void remove_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

/* --- prompts ---------------------------------------------------------------------------------- */

static const phial_turn TALK[] = {
    {PHIAL_ROLE_USER, {"What is 2+2?", 12}},
    {PHIAL_ROLE_ASSISTANT, {" It is 4.", 9}},
    {PHIAL_ROLE_USER, {"Why?", 4}},
};

static void assert_prompt(const char *preset, const phial_turn *turns, size_t n,
                          const phial_prompt_options *o, const char *want)
{
    phial_preset *p = open_preset(preset, "");
    phial_prompt *prompt = NULL;
    phial_status status = phial_prompt_new(&prompt, p, turns, n, o, &err);
    if (status != PHIAL_OK)
        fail_msg("%s", err.message);
    phial_preset_free(p); /* the prompt holds copies */
    assert_text(phial_prompt_text(prompt), want);
    phial_prompt_free(prompt);
}

static void forms_of_the_model_cards(void **state)
{
    (void)state;
    assert_prompt("instruct", TALK, 1, NULL, "Instruct: What is 2+2?\nOutput:");
    assert_prompt("instruct", TALK, 3, NULL,
                  "Instruct: What is 2+2?\nOutput: It is 4.\nInstruct: Why?\nOutput:");
    assert_prompt("chat", TALK, 1, NULL, "Alice: What is 2+2?\nBob:");
    assert_prompt("chat", TALK, 3, NULL, "Alice: What is 2+2?\nBob: It is 4.\nAlice: Why?\nBob:");
    assert_prompt("qa", TALK, 1, NULL, "What is 2+2?\n\nAnswer:");
    assert_prompt("plain", TALK, 1, NULL, "What is 2+2?");
    assert_prompt("code", TALK, 1, NULL, "What is 2+2?");
    assert_prompt("chat", NULL, 0, NULL, "Bob:");
    assert_prompt("plain", NULL, 0, NULL, "");
}

static void variations(void **state)
{
    (void)state;
    phial_prompt_options o;
    phial_prompt_options_default(&o);
    phial_text system = text_of("Bob is a poet."), prefix = text_of("Q: "),
               suffix = text_of(" ?\n");
    o.system = &system;
    assert_prompt("chat", TALK, 1, &o, "Bob is a poet.\n\nAlice: What is 2+2?\nBob:");
    system.n = 0;
    assert_prompt("chat", TALK, 1, &o, "Alice: What is 2+2?\nBob:");
    o.user_prefix = &prefix;
    o.user_suffix = &suffix;
    assert_prompt("chat", TALK, 1, &o, "Q: What is 2+2? ?\nBob:");
    phial_prompt_options_default(&o);
    o.continue_last = true;
    assert_prompt("chat", TALK, 2, &o, "Alice: What is 2+2?\nBob: It is 4.");
    /* An answer that came without its blank gets one. */
    phial_turn bare[] = {TALK[0], {PHIAL_ROLE_ASSISTANT, {"4", 1}}};
    assert_prompt("chat", bare, 2, NULL, "Alice: What is 2+2?\nBob: 4\nBob:");
    assert_prompt("plain", bare, 2, NULL, "What is 2+2?4");

    phial_preset *p = open_preset("chat", "");
    phial_prompt *prompt = NULL;
    assert_int_equal(phial_prompt_new(&prompt, p, TALK, 1, &o, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(phial_prompt_new(&prompt, p, NULL, 0, &o, &err), PHIAL_ERR_ARGUMENT);
    phial_turn odd = {(phial_role)7, {"x", 1}};
    assert_int_equal(phial_prompt_new(&prompt, p, &odd, 1, NULL, &err), PHIAL_ERR_ARGUMENT);
    o.size = 1;
    assert_int_equal(phial_prompt_new(&prompt, p, TALK, 1, &o, &err), PHIAL_ERR_ARGUMENT);
    assert_null(prompt);
    phial_preset_free(p);
    phial_prompt_free(NULL);
}

/* Pieces as text: plain ones between [], special ones as <id>. */
static phial_status write_piece(void *user, const phial_prompt_piece *piece, phial_error *e)
{
    (void)e;
    ph_buf *out = user;
    assert_true(piece->text.n > 0);
    if (piece->special != PHIAL_TOKEN_NONE)
        ph_buf_addf(out, "<%d>", (int)piece->special);
    else
        ph_buf_addf(out, "[%.*s]", (int)piece->text.n, piece->text.p);
    return PHIAL_OK;
}

static void special_tokens_of_the_template_only(void **state)
{
    (void)state;
    static const char CHATML[] =
        "{\"system\": \"<|s|>sys\", \"system_suffix\": \"<|e|>\\n\","
        " \"user_prefix\": \"<|s|>user\\n\", \"user_suffix\": \"<|e|>\\n\","
        " \"assistant_prefix\": \"<|s|>bot\\n\", \"assistant_suffix\": \"<|e|><|e|>x\\n\"}";
    static const phial_special SPECIALS[] = {
        {{"<|s|>", 5}, 7}, {{"<|e|>", 5}, 8}, {{"<|e|><|e|>x", 11}, 9}, {{"\n<|", 3}, 10}};
    phial_preset *p = NULL;
    assert_int_equal(phial_preset_parse(&p, "chatml", CHATML, strlen(CHATML), "", &err), PHIAL_OK);
    phial_turn turns[] = {
        {PHIAL_ROLE_USER, {"<|e|>hi", 7}},
        {PHIAL_ROLE_ASSISTANT, {"ho<|s|>", 7}},
        {PHIAL_ROLE_USER, {"|s|>", 4}},
    };
    phial_prompt *prompt = NULL;
    assert_int_equal(phial_prompt_new(&prompt, p, turns, 3, NULL, &err), PHIAL_OK);
    ph_buf out;
    ph_buf_init(&out, 0);
    assert_int_equal(phial_prompt_split(prompt, SPECIALS, 3, write_piece, &out, &err), PHIAL_OK);
    assert_string_equal(out.data, "<7>[sys]<8>[\n]<7>[user\n<|e|>hi]<8>[\n]<7>[bot\nho<|s|>]<9>[\n]"
                                  "<7>[user\n|s|>]<8>[\n]<7>[bot\n]");
    /* Leftmost, also over the seam of two template texts. */
    ph_buf_clear(&out);
    assert_int_equal(phial_prompt_split(prompt, SPECIALS + 3, 1, write_piece, &out, &err),
                     PHIAL_OK);
    assert_string_equal(out.data, "[<|s|>sys<|e|>]<10>[s|>user\n<|e|>hi<|e|>]<10>[s|>bot\nho<|s|>"
                                  "<|e|><|e|>x]<10>[s|>user\n|s|><|e|>]<10>[s|>bot\n]");
    ph_buf_clear(&out);
    assert_int_equal(phial_prompt_split(prompt, NULL, 0, write_piece, &out, &err), PHIAL_OK);
    phial_text all = phial_prompt_text(prompt);
    assert_int_equal(out.len, all.n + 2); /* one piece */
    static const phial_special EMPTY = {{"", 0}, 3};
    assert_int_equal(phial_prompt_split(prompt, &EMPTY, 1, write_piece, &out, &err),
                     PHIAL_ERR_ARGUMENT);
    /* Segments alternate and add up. */
    size_t n, sum = 0;
    const phial_prompt_segment *seg = phial_prompt_segments(prompt, &n);
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(seg[i].literal, i % 2 == 0);
        assert_ptr_equal(seg[i].text.p, all.p + sum);
        sum += seg[i].text.n;
    }
    assert_int_equal(sum, all.n);
    ph_buf_free(&out);
    phial_prompt_free(prompt);
    phial_preset_free(p);
}

/* --- presets ---------------------------------------------------------------------------------- */

static void built_in_presets_are_files_too(void **state)
{
    (void)state;
    size_t n = 0;
    for (const char *name; (name = phial_preset_builtin(n)) != NULL; n++) {
        phial_preset *p = open_preset(name, ""), *again = NULL;
        phial_preset_info info = info_of(p);
        assert_string_equal(info.name, name);
        assert_true(info.description.n > 0);
        assert_true(info.n_stop_tokens == 1);
        assert_text(info.stop_tokens[0], "<|endoftext|>");
        assert_int_equal(info.n_stop > 0, strcmp(name, "plain") != 0);
        assert_int_equal(info.clean == PHIAL_CLEAN_CODE, strcmp(name, "code") == 0);
        assert_int_equal(phial_preset_parse(&again, name, info.json, strlen(info.json), "", &err),
                         PHIAL_OK);
        assert_string_equal(info_of(again).json, info.json);
        /* What it suggests is accepted, and so are its stop strings. */
        phial_sampler_options o;
        phial_sampler_options_default(&o);
        assert_int_equal(phial_sampler_options_preset(&o, p, &err), PHIAL_OK);
        phial_sampler *s = NULL;
        assert_int_equal(phial_sampler_new(&s, 100, &o, &err), PHIAL_OK);
        phial_sampler_free(s);
        phial_stopper *stopper = NULL;
        assert_int_equal(phial_stopper_new(&stopper, info.stop, info.n_stop, &err), PHIAL_OK);
        phial_stopper_free(stopper);
        phial_preset_free(again);
        phial_preset_free(p);
    }
    assert_int_equal(n, 5);
}

static void found_by_name_and_path(void **state)
{
    (void)state;
    write_file("mine.json", "{\"user_prefix\": \"Me: \", \"sampling\": {\"top_k\": 3, "
                            "\"top_p\": 0.5, \"samplers\": \"top_k;temperature\"}}");
    write_file("qa.json", "{\"extends\": \"qa\", \"assistant_prefix\": \"A:\"}");
    write_file("two.json", "{\"extends\": \"mine\", \"user_suffix\": \"!\", \"stop\": [\"a\"], "
                           "\"sampling\": {\"top_k\": 4}}");
    phial_preset *p = open_preset("mine", folder);
    assert_string_equal(info_of(p).name, "mine");
    assert_text(info_of(p).user_prefix, "Me: ");
    assert_text(info_of(p).system, "");
    phial_preset_free(p);
    p = open_preset("qa", folder); /* the user's own, over the built-in one */
    assert_text(info_of(p).assistant_prefix, "A:");
    assert_text(info_of(p).user_suffix, "\n\n");
    phial_preset_free(p);
    p = open_preset("qa", "");
    assert_text(info_of(p).assistant_prefix, "Answer:");
    phial_preset_free(p);
    char path[128];
    snprintf(path, sizeof path, "%s/two.json", folder);
    p = open_preset(path, folder);
    assert_string_equal(info_of(p).name, "two");
    assert_text(info_of(p).user_prefix, "Me: ");
    assert_text(info_of(p).user_suffix, "!");
    assert_int_equal(info_of(p).n_stop, 1);
    phial_sampler_options o;
    phial_sampler_options_default(&o);
    assert_int_equal(phial_sampler_options_preset(&o, p, &err), PHIAL_OK);
    assert_int_equal(o.top_k, 4);
    assert_true(o.top_p == 0.5 && o.min_p == 0.05);
    assert_string_equal(o.samplers, "top_k;temperature");
    /* Shared: the flattened text alone is the same preset. */
    phial_preset *flat = NULL;
    const char *json = info_of(p).json;
    assert_null(strstr(json, "extends"));
    assert_int_equal(phial_preset_parse(&flat, "two", json, strlen(json), "", &err), PHIAL_OK);
    assert_string_equal(info_of(flat).json, json);
    phial_preset_free(flat);
    phial_preset_free(p);

    char own[128], want[128];
    snprintf(own, sizeof own, "%s/config", folder);
    setenv("XDG_CONFIG_HOME", own, 1);
    snprintf(want, sizeof want, "%s/config/phial/presets", folder);
    char got[256];
    assert_int_equal(phial_preset_folder(got, sizeof got, &err), PHIAL_OK);
    assert_string_equal(got, want);
    assert_int_equal(phial_preset_folder(got, 10, &err), PHIAL_ERR_LIMIT);
    p = open_preset("chat", NULL); /* there is no such folder: built in */
    phial_preset_free(p);
    setenv("XDG_CONFIG_HOME", "relative", 1);
    setenv("HOME", folder, 1);
    assert_int_equal(phial_preset_folder(got, sizeof got, &err), PHIAL_OK);
    snprintf(want, sizeof want, "%s/.config/phial/presets", folder);
    assert_string_equal(got, want);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    assert_int_equal(phial_preset_folder(got, sizeof got, &err), PHIAL_ERR_IO);
    p = open_preset("chat", NULL);
    phial_preset_free(p);
    remove_file("mine.json");
    remove_file("qa.json");
    remove_file("two.json");
}

static void assert_refused(const char *name, phial_status want, const char *part)
{
    phial_preset *p = NULL;
    assert_int_equal(phial_preset_open(&p, name, folder, &err), want);
    assert_null(p);
    if (strstr(err.message, part) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, part);
}

static void loops_and_depth(void **state)
{
    (void)state;
    write_file("a.json", "{\"extends\": \"b\"}");
    write_file("b.json", "{\"extends\": \"c\"}");
    write_file("c.json", "{\"extends\": \"a\"}");
    assert_refused("a", PHIAL_ERR_BAD_INPUT, "in a loop: a extends b extends c extends a");
    write_file("c.json", "{\"extends\": \"c\"}"); /* no built-in c to mean */
    assert_refused("a", PHIAL_ERR_BAD_INPUT, "c.json: \"extends\": no preset is named 'c'");
    write_file("c.json", "{\"extends\": \"../c\"}");
    assert_refused("a", PHIAL_ERR_BAD_INPUT, "not a path");
    write_file("c.json", "{\"extends\": 1}");
    assert_refused("a", PHIAL_ERR_BAD_INPUT, "\"extends\"");
    write_file("c.json", "{\"extends\": \"chta\"}");
    assert_refused("a", PHIAL_ERR_BAD_INPUT, "did you mean 'chat'");
    for (int i = 0; i < 9; i++) {
        char name[32], text[40];
        snprintf(name, sizeof name, "d%d.json", i);
        snprintf(text, sizeof text, "{\"extends\": \"d%d\"}", i + 1);
        write_file(name, i < 8 ? text : "{}");
    }
    assert_refused("d0", PHIAL_ERR_LIMIT, "more than 8 presets");
    phial_preset *p = open_preset("d1", folder);
    phial_preset_free(p);
    for (int i = 0; i < 9; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d.json", i);
        remove_file(name);
    }
    remove_file("a.json");
    remove_file("b.json");
    remove_file("c.json");
}

static void broken_files(void **state)
{
    (void)state;
    static const struct {
        const char *json, *part;
    } ROWS[] = {
        {"", "JSON"},
        {"{", "line 1"},
        {"[]", "a preset is a JSON object, this is of type array"},
        {"3", "this is of type integer"},
        {"{\"stop\": [\"x\"]} x", "JSON"},
        {"{\"stop\": [\"x\"], \"stop\": [\"y\"]}", "duplicate"},
        {"{\"stops\": [\"x\"]}", "no field is named \"stops\" (did you mean \"stop\"?)"},
        {"{\"nonsense_at_all\": 1}", "no field is named \"nonsense_at_all\""},
        {"{\"stop\": \"x\"}", "\"stop\" is of type string; it takes a list of texts"},
        {"{\"stop\": [\"x\", 3]}", "\"stop[1]\" is of type integer; it takes a text"},
        {"{\"stop\": [\"x\", \"\"]}", "\"stop[1]\" is empty"},
        {"{\"stop_tokens\": {}}", "\"stop_tokens\" is of type object"},
        {"{\"user_prefix\": null}", "\"user_prefix\" is of type null; it takes a text"},
        {"{\"system\": [\"a\"]}", "\"system\" is of type array"},
        {"{\"clean\": \"cod\"}", "\"clean\" takes"},
        {"{\"clean\": true}", "\"clean\" takes"},
        {"{\"sampling\": []}", "\"sampling\" is of type array; it takes an object"},
        {"{\"sampling\": {\"topk\": 3}}", "did you mean \"top_k\"?"},
        {"{\"sampling\": {\"top_k\": \"3\"}}", "\"top_k\" is of type string; it takes a number"},
        {"{\"sampling\": {\"top_k\": 3.5}}", "\"top_k\" is 3.5; it takes a whole number"},
        {"{\"sampling\": {\"top_k\": 1e300}}", "it takes a whole number"},
        {"{\"sampling\": {\"top_p\": 1e999}}", "JSON"},
        {"{\"sampling\": {\"samplers\": 1}}", "\"samplers\" is of type integer"},
        {"{\"sampling\": {\"samplers\": \"a\\u0000b\"}}", "NUL"},
        {"{\"user_prefix\": \"\\ud800\"}", "JSON"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        write_file("broken.json", ROWS[i].json);
        assert_refused("broken", PHIAL_ERR_BAD_INPUT, ROWS[i].part);
        assert_non_null(strstr(err.message, "broken.json: ")); /* the file is named */
    }
    remove_file("broken.json");
    assert_refused("broken", PHIAL_ERR_ARGUMENT, "built in are plain, instruct, chat, code, qa");
    assert_refused("instrct", PHIAL_ERR_ARGUMENT, "did you mean 'instruct'?");
    assert_refused("", PHIAL_ERR_ARGUMENT, "cannot be the name");
    assert_refused(".hidden", PHIAL_ERR_ARGUMENT, "cannot be the name");
    assert_refused("a b", PHIAL_ERR_ARGUMENT, "cannot be the name");
    assert_refused("./no/such.json", PHIAL_ERR_IO, "such.json");
    char long_name[PHIAL_PRESET_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_refused(long_name, PHIAL_ERR_ARGUMENT, "cannot be the name");
}

static void sizes_are_limited(void **state)
{
    (void)state;
    ph_buf json;
    ph_buf_init(&json, 0);
    phial_preset *p = NULL;
    ph_buf_add_str(&json, "{\"stop\": [\"x\"");
    for (int i = 1; i < PHIAL_PRESET_STOPS_MAX; i++)
        ph_buf_add_str(&json, ",\"x\"");
    size_t len = json.len;
    ph_buf_add_str(&json, "]}");
    assert_int_equal(phial_preset_parse(&p, "x", json.data, json.len, "", &err), PHIAL_OK);
    phial_preset_free(p);
    p = NULL;
    json.len = len;
    ph_buf_add_str(&json, ",\"x\"]}");
    assert_int_equal(phial_preset_parse(&p, "x", json.data, json.len, "", &err), PHIAL_ERR_LIMIT);
    ph_buf_clear(&json);
    ph_buf_add_str(&json, "{}");
    while (json.len <= PHIAL_PRESET_FILE_MAX)
        ph_buf_add_byte(&json, ' ');
    assert_int_equal(phial_preset_parse(&p, "x", json.data, json.len, "", &err), PHIAL_ERR_LIMIT);
    write_file("large.json", json.data);
    assert_refused("large", PHIAL_ERR_LIMIT, "large.json");
    remove_file("large.json");
    ph_buf_free(&json);
}

/* Each example of the manual is a preset. */
static void examples_of_the_manual(void **state)
{
    (void)state;
    ph_buf page;
    ph_buf_init(&page, 0);
    assert_int_equal(ph_file_read(&page, PHIAL_SOURCE_DIR "/docs/PRESETS.md", 1 << 20, &err),
                     PHIAL_OK);
    int n = 0;
    for (const char *at = page.data; (at = strstr(at, "```json\n")) != NULL; n++) {
        at += strlen("```json\n");
        const char *end = strstr(at, "```");
        assert_non_null(end);
        phial_preset *p = NULL;
        phial_sampler_options o;
        phial_sampler *s = NULL;
        phial_sampler_options_default(&o);
        if (phial_preset_parse(&p, "example", at, (size_t)(end - at), "", &err) != PHIAL_OK ||
            phial_sampler_options_preset(&o, p, &err) != PHIAL_OK ||
            phial_sampler_new(&s, 100, &o, &err) != PHIAL_OK)
            fail_msg("%s", err.message);
        phial_sampler_free(s);
        phial_preset_free(p);
        at = end + 3;
    }
    assert_int_equal(n, 2);
    ph_buf_free(&page);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/phial_test_prompt_XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_the_model_cards),
        cmocka_unit_test(variations),
        cmocka_unit_test(special_tokens_of_the_template_only),
        cmocka_unit_test(built_in_presets_are_files_too),
        cmocka_unit_test(found_by_name_and_path),
        cmocka_unit_test(loops_and_depth),
        cmocka_unit_test(broken_files),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(examples_of_the_manual),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
