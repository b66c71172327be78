/* tok/preset: a text as a preset. One that is accepted must come out as a text that gives the same
 * preset, make a prompt, and split into pieces that add up to it. */
#include <stdlib.h>
#include <string.h>

#include "phial/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static phial_status add_up(void *user, const phial_prompt_piece *piece, phial_error *err)
{
    (void)err;
    *(size_t *)user += piece->text.n;
    return PHIAL_OK;
}

static void make_prompt(const phial_preset *preset, const phial_preset_info *info, size_t size)
{
    phial_turn turns[] = {
        {PHIAL_ROLE_USER, {"hello <|endoftext|>", 19}},
        {PHIAL_ROLE_ASSISTANT, {"there", 5}},
        {PHIAL_ROLE_USER, {"", 0}},
    };
    phial_special specials[8];
    size_t n_specials = 0, sum = 0;
    for (size_t i = 0; i < info->n_stop_tokens && i < 8; i++)
        specials[n_specials++] = (phial_special){info->stop_tokens[i], (uint32_t)i};
    phial_prompt *prompt = NULL;
    if (phial_prompt_new(&prompt, preset, turns, size % 4, NULL, NULL) != PHIAL_OK)
        abort();
    if (phial_prompt_split(prompt, specials, n_specials, add_up, &sum, NULL) != PHIAL_OK ||
        sum != phial_prompt_text(prompt).n)
        abort();
    phial_prompt_free(prompt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    phial_error err;
    phial_preset *first = NULL, *second = NULL;
    if (phial_preset_parse(&first, "fuzz", (const char *)data, size, "", &err) != PHIAL_OK)
        return 0;
    phial_preset_info info = {.size = sizeof info}, again = {.size = sizeof again};
    if (phial_preset_get_info(first, &info, &err) != PHIAL_OK ||
        phial_preset_parse(&second, "fuzz", info.json, strlen(info.json), "", &err) != PHIAL_OK ||
        phial_preset_get_info(second, &again, &err) != PHIAL_OK ||
        strcmp(info.json, again.json) != 0)
        abort();
    make_prompt(first, &info, size);
    phial_preset_free(first);
    phial_preset_free(second);
    return 0;
}
