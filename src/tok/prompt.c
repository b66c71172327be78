/* Conversations as prompts, and how to cut them for the tokenizer; contract in phial/prompt.h. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "phial/prompt.h"

struct phial_prompt {
    ph_buf text;
    phial_prompt_segment *segments;
    size_t n_segments;
};

void phial_prompt_options_default(phial_prompt_options *options)
{
    *options = (phial_prompt_options){.size = sizeof *options};
}

/* Neighbours of one kind become one segment: a special token may reach over both. */
static void add(phial_prompt *prompt, phial_text text, bool literal)
{
    if (text.n == 0 || !ph_buf_add(&prompt->text, text.p, text.n)) {
        return;
    }
    phial_prompt_segment *last = &prompt->segments[prompt->n_segments];
    if (prompt->n_segments > 0 && last[-1].literal == literal) {
        last[-1].text.n += text.n;
        return;
    }
    *last = (phial_prompt_segment){.text = {NULL, text.n}, .literal = literal};
    prompt->n_segments++;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void add_turn(phial_prompt *prompt, const phial_preset_info *info,
                     const phial_prompt_options *o, const phial_turn *turn, bool open)
{
    if (turn->role == PHIAL_ROLE_USER) {
        add(prompt, o->user_prefix != NULL ? *o->user_prefix : info->user_prefix, true);
        add(prompt, turn->text, false);
        add(prompt, o->user_suffix != NULL ? *o->user_suffix : info->user_suffix, true);
        return;
    }
    add(prompt, info->assistant_prefix, true);
    if (turn->text.n > 0 && !is_blank(turn->text.p[0])) {
        add(prompt, info->assistant_lead, true);
    }
    add(prompt, turn->text, false);
    if (!open) {
        add(prompt, info->assistant_suffix, true);
    }
}

static phial_status check(const phial_turn *turns, size_t n_turns, const phial_prompt_options *o,
                          phial_error *err)
{
    if (o->size != sizeof *o) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "phial_prompt_options.size is not set");
    }
    for (size_t i = 0; i < n_turns; i++) {
        if (turns[i].role != PHIAL_ROLE_USER && turns[i].role != PHIAL_ROLE_ASSISTANT) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "turn %zu has no known role", i + 1);
        }
    }
    if (o->continue_last && (n_turns == 0 || turns[n_turns - 1].role != PHIAL_ROLE_ASSISTANT)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "there is no answer at the end of the conversation to go on with");
    }
    return PHIAL_OK;
}

phial_status phial_prompt_new(phial_prompt **out, const phial_preset *preset,
                              const phial_turn *turns, size_t n_turns,
                              const phial_prompt_options *options, phial_error *err)
{
    phial_prompt_options o;
    phial_prompt_options_default(&o);
    o = options != NULL ? *options : o;
    phial_preset_info info = {.size = sizeof info};
    phial_status status = check(turns, n_turns, &o, err);
    if (status == PHIAL_OK) {
        status = phial_preset_get_info(preset, &info, err);
    }
    if (status != PHIAL_OK) {
        return status;
    }
    phial_prompt *p = ph_alloc(1, sizeof *p, err);
    size_t most = 0;
    if (p == NULL || !ph_mul_size(&most, n_turns, 3) || !ph_add_size(&most, most, 4)) {
        ph_free(p);
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (%zu turns)", n_turns);
    }
    ph_buf_init(&p->text, PHIAL_PROMPT_BYTES_MAX);
    p->segments = ph_alloc(most, sizeof *p->segments, err);
    if (p->segments == NULL) {
        status = PHIAL_ERR_NO_MEMORY;
        goto done;
    }
    phial_text system = o.system != NULL ? *o.system : info.system;
    add(p, system, o.system == NULL);
    if (system.n > 0) {
        add(p, info.system_suffix, true);
    }
    for (size_t i = 0; i < n_turns; i++) {
        add_turn(p, &info, &o, &turns[i], o.continue_last && i + 1 == n_turns);
    }
    if (!o.continue_last) {
        add(p, info.assistant_prefix, true);
    }
    status = ph_buf_status(&p->text, err);
    size_t at = 0;
    for (size_t i = 0; i < p->n_segments && status == PHIAL_OK; i++) {
        p->segments[i].text.p = p->text.data + at;
        at += p->segments[i].text.n;
    }
done:
    if (status == PHIAL_OK) {
        *out = p;
    } else {
        phial_prompt_free(p);
    }
    return status;
}

void phial_prompt_free(phial_prompt *prompt)
{
    if (prompt != NULL) {
        ph_buf_free(&prompt->text);
        ph_free(prompt->segments);
        ph_free(prompt);
    }
}

phial_text phial_prompt_text(const phial_prompt *prompt)
{
    return (phial_text){prompt->text.len > 0 ? prompt->text.data : "", prompt->text.len};
}

const phial_prompt_segment *phial_prompt_segments(const phial_prompt *prompt, size_t *n)
{
    *n = prompt->n_segments;
    return prompt->segments;
}

/* The longest special that begins at p; NULL if none. */
static const phial_special *special_at(const phial_special *specials, size_t n_specials,
                                       const char *p, size_t n)
{
    const phial_special *best = NULL;
    for (size_t i = 0; i < n_specials; i++) {
        const phial_text *t = &specials[i].text;
        if (t->n <= n && t->p[0] == p[0] && memcmp(t->p, p, t->n) == 0 &&
            (best == NULL || t->n > best->text.n)) {
            best = &specials[i];
        }
    }
    return best;
}

static phial_status emit(phial_piece_fn fn, void *user, const char *from, const char *to,
                         uint32_t special, phial_error *err)
{
    phial_prompt_piece piece = {{from, (size_t)(to - from)}, special};
    return from == to ? PHIAL_OK : fn(user, &piece, err);
}

phial_status phial_prompt_split(const phial_prompt *prompt, const phial_special *specials,
                                size_t n_specials, phial_piece_fn fn, void *user, phial_error *err)
{
    for (size_t i = 0; i < n_specials; i++) {
        if (specials[i].text.n == 0) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "special token %u has no text",
                              (unsigned)specials[i].id);
        }
    }
    phial_text all = phial_prompt_text(prompt);
    const char *from = all.p; /* of the piece under way */
    for (size_t i = 0; i < prompt->n_segments; i++) {
        const phial_prompt_segment *seg = &prompt->segments[i];
        const char *end = seg->text.p + seg->text.n;
        for (const char *p = seg->text.p; seg->literal && p < end;) {
            const phial_special *s = special_at(specials, n_specials, p, (size_t)(end - p));
            if (s == NULL) {
                p++;
                continue;
            }
            phial_status status = emit(fn, user, from, p, PHIAL_TOKEN_NONE, err);
            if (status == PHIAL_OK) {
                status = emit(fn, user, p, p + s->text.n, s->id, err);
            }
            if (status != PHIAL_OK) {
                return status;
            }
            p += s->text.n;
            from = p;
        }
    }
    return emit(fn, user, from, all.p + all.n, PHIAL_TOKEN_NONE, err);
}
