/* A chat: a line in, an answer out, until the input ends.
 * run: @SOURCE@/tests/data/tiny-phi @SOURCE@/examples/chat.txt
 */
#include <phial/phial.h>
#include <stdio.h>
#include <string.h>

#define TRY(call)                                                                                  \
    if ((call) != PHIAL_OK)                                                                        \
    return fprintf(stderr, "chat: %s\n", err.message), 1

static bool show(void *user, const char *text, size_t n)
{
    return fwrite(text, 1, n, user) == n && fflush(user) == 0;
}

int main(int argc, char **argv)
{
    static uint32_t ids[1 << 16];
    static char lines[32][4096];
    const char *path = argc > 1 ? argv[1] : "phi-2";
    FILE *in = argc > 2 ? fopen(argv[2], "r") : stdin;
    phial_error err;
    static phial_model *model;
    static phial_engine *engine;
    static phial_session *session;
    static phial_tokenizer *tokenizer;
    static phial_encoder *encoder;
    static phial_preset *preset;
    phial_prompt *prompt;
    static phial_sampler *sampler;
    static phial_generation *answers[32]; /* they hold the texts of their turns */
    phial_turn turns[64];
    phial_preset_info form = {.size = sizeof form};
    phial_generation_result r = {.size = sizeof r};
    phial_generation_options o;
    phial_generation_options_default(&o);
    TRY(phial_model_open(&model, path, NULL, &err));
    TRY(phial_engine_new(&engine, model, NULL, &err));
    TRY(phial_session_new(&session, engine, 0, &err));
    TRY(phial_tokenizer_open(&tokenizer, path, &err));
    TRY(phial_encoder_new(&encoder, tokenizer, &err));
    TRY(phial_sampler_new(&sampler, phial_tokenizer_n_vocab(tokenizer), NULL, &err));
    TRY(phial_preset_open(&preset, "chat", NULL, &err));
    TRY(phial_preset_get_info(preset, &form, &err));
    o.session = session, o.tokenizer = tokenizer, o.sampler = sampler, o.prompt.ids = ids;
    o.stop = form.stop, o.n_stop = form.n_stop, o.n_new = 64, o.on_text = show, o.user = stdout;
    for (size_t i = 0; i < 32 && in && fgets(lines[i], sizeof lines[i], in); i++, puts("")) {
        turns[2 * i] = (phial_turn){PHIAL_ROLE_USER, {lines[i], strcspn(lines[i], "\n")}};
        TRY(phial_prompt_new(&prompt, preset, turns, 2 * i + 1, NULL, &err));
        TRY(phial_prompt_encode(prompt, encoder, tokenizer, ids, 1 << 16, &o.prompt.n, &err));
        phial_prompt_free(prompt);
        TRY(phial_generation_new(&answers[i], &o, &err));
        TRY(phial_generation_run(answers[i], &err));
        TRY(phial_generation_get_result(answers[i], &r, &err));
        turns[2 * i + 1] = (phial_turn){PHIAL_ROLE_ASSISTANT, r.text};
    }
    return in == NULL; /* the system takes everything back; a longer program frees it */
}
