/* Examples from texts; contract in corpus.h. */
#include "train/corpus.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"

#define TELL_MAX   10
/* Parts of 2^16 that are held out. */
#define HASH_PARTS 65536

typedef struct reader {
    ph_corpus *corpus;
    const ph_corpus_options *options;
    ph_corpus_part part;
    phial_encoder *encoder; /* owned */
    uint32_t file;
    uint64_t line;
    uint32_t *prompt; /* owned; ids of a conversation so far */
    size_t cap_prompt;
    uint64_t n_told;
} reader;

/* --- tokens and examples --- */

static phial_status reserve(ph_corpus *c, uint64_t more, phial_error *err)
{
    uint64_t want = c->n_tokens + more;
    if (want > PH_CORPUS_MAX_TOKENS)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %" PRIu64 " tokens",
                          PH_CORPUS_MAX_TOKENS);
    if (want <= c->cap_tokens)
        return PHIAL_OK;
    uint64_t cap = c->cap_tokens + c->cap_tokens / 2 + 4096;
    cap = cap < want ? want : cap;
    uint32_t *grown = ph_realloc(c->tokens, (size_t)cap, sizeof *grown, err);
    if (!grown)
        return PHIAL_ERR_NO_MEMORY;
    c->tokens = grown;
    c->cap_tokens = cap;
    return PHIAL_OK;
}

/* Puts ids behind the others; each with `flags`. */
static phial_status put(ph_corpus *c, const uint32_t *ids, size_t n, uint32_t flags,
                        phial_error *err)
{
    phial_status st = reserve(c, n, err);
    for (size_t i = 0; i < n && st == PHIAL_OK; i++)
        c->tokens[c->n_tokens++] = ids[i] | flags;
    return st;
}

static uint32_t of_prompt(const reader *r)
{
    return r->options->learn_prompts ? PH_TOKEN_NEXT : 0;
}

static uint64_t hash_of(const ph_corpus *c, uint64_t at, uint64_t n)
{
    return ph_hash64(c->tokens + at, (size_t)n * sizeof *c->tokens, 0);
}

static ph_examples *side_of(const reader *r, uint64_t hash)
{
    bool held = r->part == PH_CORPUS_HELD_OUT ||
                (double)(hash % HASH_PARTS) < r->options->held_out * HASH_PARTS;
    return held ? &r->corpus->held : &r->corpus->train;
}

static phial_status add_example(reader *r, uint64_t at, uint64_t n, uint64_t hash, phial_error *err)
{
    ph_corpus *c = r->corpus;
    uint64_t n_targets = 0;
    for (uint64_t i = at; i < at + n; i++)
        n_targets += (c->tokens[i] & (PH_TOKEN_NEXT | PH_TOKEN_END)) != 0;
    if (n_targets == 0)
        return PHIAL_OK;
    ph_examples *e = side_of(r, hash);
    if (e->n == e->cap) {
        size_t cap = e->cap + e->cap / 2 + 256;
        ph_example *grown = ph_realloc(e->list, cap, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        e->list = grown;
        e->cap = cap;
    }
    e->list[e->n++] = (ph_example){at, (uint32_t)n, r->file, r->line};
    e->n_tokens += n;
    e->n_targets += n_targets;
    return PHIAL_OK;
}

/* The end of a text or an answer is to be predicted from its last token. */
static void mark_end(ph_corpus *c)
{
    uint32_t *last = &c->tokens[c->n_tokens - 1];
    *last &= ~PH_TOKEN_NEXT;
    if (c->end != PHIAL_TOKEN_NONE)
        *last |= PH_TOKEN_END;
}

static phial_status encode(reader *r, ph_str text, bool special, const uint32_t **ids, size_t *n,
                           phial_error *err)
{
    phial_status st =
        phial_encoder_run(r->encoder, text.p, text.n, special ? PHIAL_ENCODE_SPECIAL : 0, err);
    *ids = phial_encoder_ids(r->encoder, n);
    return st;
}

static void tell(reader *r, const char *what)
{
    if (r->n_told++ < TELL_MAX)
        ph_log_write(&r->options->log, PH_LOG_WARN, "%s: line %" PRIu64 ": %s",
                     r->corpus->files[r->file], r->line, what);
}

/* --- the three kinds --- */

/* Tokens at .. n_tokens are one text. */
static phial_status add_text(reader *r, uint64_t at, phial_error *err)
{
    ph_corpus *c = r->corpus;
    uint64_t n_ctx = r->options->n_ctx, n = c->n_tokens - at;
    if (n == 0)
        return PHIAL_OK;
    mark_end(c);
    c->stats.n_cut += n > n_ctx;
    uint64_t whole = hash_of(c, at, n);
    phial_status st = PHIAL_OK;
    for (uint64_t i = 0; i < n && st == PHIAL_OK; i += n_ctx) {
        uint64_t part = n - i < n_ctx ? n - i : n_ctx;
        /* Pieces of a file of plain text may fall on either side, or one file would be all. */
        st = add_example(r, at + i, part, r->line ? whole : hash_of(c, at + i, part), err);
    }
    return st;
}

static phial_status take_text(reader *r, ph_str text, phial_error *err)
{
    ph_corpus *c = r->corpus;
    const uint32_t *ids;
    size_t n;
    bool special = r->options->parse_special;
    phial_status st = encode(r, text, special, &ids, &n, err);
    for (size_t i = 0; i < n && st == PHIAL_OK;) {
        size_t end = i;
        while (end < n && !(special && ids[end] == c->end))
            end++;
        uint64_t at = c->n_tokens;
        st = put(c, ids + i, end - i, PH_TOKEN_NEXT, err);
        if (st == PHIAL_OK)
            st = add_text(r, at, err);
        i = end + 1;
    }
    return st;
}

static phial_status too_long(reader *r, uint64_t n, phial_error *err)
{
    char what[120];
    snprintf(what, sizeof what, "%" PRIu64 " tokens are more than the context of %u", n,
             r->options->n_ctx);
    if (r->options->strict)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: line %" PRIu64 ": %s",
                          r->corpus->files[r->file], r->line, what);
    r->corpus->stats.n_too_long++;
    size_t length = strlen(what);
    snprintf(what + length, sizeof what - length, "; left out");
    tell(r, what);
    return PHIAL_OK;
}

static phial_status take_completion(reader *r, const ph_record *record, phial_error *err)
{
    ph_corpus *c = r->corpus;
    uint64_t at = c->n_tokens;
    const uint32_t *ids;
    size_t n;
    phial_status st = encode(r, record->prompt, r->options->parse_special, &ids, &n, err);
    if (st == PHIAL_OK)
        st = put(c, ids, n, of_prompt(r), err);
    if (st == PHIAL_OK && n > 0)
        c->tokens[c->n_tokens - 1] |= PH_TOKEN_NEXT;
    if (st == PHIAL_OK)
        st = encode(r, record->completion, r->options->parse_special, &ids, &n, err);
    if (st == PHIAL_OK)
        st = put(c, ids, n, PH_TOKEN_NEXT, err);
    if (st != PHIAL_OK)
        return st;
    mark_end(c);
    n = c->n_tokens - at;
    if (n > r->options->n_ctx) {
        c->n_tokens = at;
        return too_long(r, n, err);
    }
    return add_example(r, at, n, hash_of(c, at, n), err);
}

/* The ids of a conversation up to the place where answer number `turn` begins, in r->prompt. */
static phial_status encode_until(reader *r, const ph_record *record, size_t turn, size_t *n,
                                 phial_error *err)
{
    phial_prompt_options o;
    phial_prompt *prompt = NULL;
    const phial_text system = {record->system.p, record->system.n};
    phial_prompt_options_default(&o);
    o.system = record->system.p ? &system : NULL;
    phial_status st = phial_prompt_new(&prompt, r->options->preset, record->turns, turn, &o, err);
    for (bool again = true; again && st == PHIAL_OK;) {
        st = phial_prompt_encode(prompt, r->encoder, r->options->tokenizer, r->prompt,
                                 r->cap_prompt, n, err);
        again = st == PHIAL_OK && *n > r->cap_prompt;
        if (again) {
            uint32_t *grown = ph_realloc(r->prompt, *n, sizeof *grown, err);
            st = grown ? st : PHIAL_ERR_NO_MEMORY;
            r->prompt = grown ? grown : r->prompt;
            r->cap_prompt = grown ? *n : r->cap_prompt;
        }
    }
    phial_prompt_free(prompt);
    return st;
}

/* Puts an answer, with the blank that the preset wants before it. */
static phial_status put_answer(reader *r, phial_text answer, phial_error *err)
{
    phial_preset_info info = {.size = sizeof info};
    ph_buf text;
    const uint32_t *ids;
    size_t n;
    ph_buf_init(&text, 0);
    phial_status st = phial_preset_get_info(r->options->preset, &info, err);
    bool blank = answer.n > 0 && (answer.p[0] == ' ' || answer.p[0] == '\n' || answer.p[0] == '\t');
    if (st == PHIAL_OK && !blank)
        ph_buf_add(&text, info.assistant_lead.p, info.assistant_lead.n);
    ph_buf_add(&text, answer.p, answer.n);
    if (st == PHIAL_OK)
        st = ph_buf_status(&text, err);
    if (st == PHIAL_OK)
        st = encode(r, (ph_str){text.data, text.len}, false, &ids, &n, err);
    if (st == PHIAL_OK)
        st = put(r->corpus, ids, n, PH_TOKEN_NEXT, err);
    ph_buf_free(&text);
    return st;
}

static bool begins_alike(const ph_corpus *c, uint64_t at, const uint32_t *ids, size_t n)
{
    uint64_t have = c->n_tokens - at;
    if (have > n)
        return false;
    for (uint64_t i = 0; i < have; i++) {
        if ((c->tokens[at + i] & PH_TOKEN_ID) != ids[i])
            return false;
    }
    return true;
}

/* Adds the turns up to the answer number `turn` to the example that begins at *at; a new one where
 * the conversation, written down with more turns, is no longer what the example begins with. */
static phial_status take_answer(reader *r, const ph_record *record, size_t turn, uint64_t *at,
                                phial_error *err)
{
    ph_corpus *c = r->corpus;
    size_t n;
    phial_status st = encode_until(r, record, turn, &n, err);
    if (st == PHIAL_OK && !begins_alike(c, *at, r->prompt, n)) {
        st = add_example(r, *at, c->n_tokens - *at, hash_of(c, *at, c->n_tokens - *at), err);
        *at = c->n_tokens;
    }
    uint64_t have = c->n_tokens - *at;
    if (st == PHIAL_OK)
        st = put(c, r->prompt + have, n - (size_t)have, of_prompt(r), err);
    if (st == PHIAL_OK && n > 0)
        c->tokens[c->n_tokens - 1] |= PH_TOKEN_NEXT;
    if (st == PHIAL_OK)
        st = put_answer(r, record->turns[turn].text, err);
    if (st == PHIAL_OK)
        mark_end(c);
    return st;
}

static phial_status take_messages(reader *r, const ph_record *record, phial_error *err)
{
    ph_corpus *c = r->corpus;
    uint64_t at = c->n_tokens, n_ctx = r->options->n_ctx;
    bool any = false;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < record->n_turns && st == PHIAL_OK; i++) {
        if (record->turns[i].role != PHIAL_ROLE_ASSISTANT || record->turns[i].text.n == 0)
            continue;
        uint64_t before = c->n_tokens;
        st = take_answer(r, record, i, &at, err);
        uint64_t n = c->n_tokens - at;
        if (st == PHIAL_OK && n > n_ctx) {
            bool whole_is_gone = at >= before;
            c->n_tokens = whole_is_gone ? at : before;
            if (!any || r->options->strict)
                return too_long(r, n, err);
            c->stats.n_shortened++;
            tell(r, "longer than the context; the last turns are left out");
            break;
        }
        any = any || st == PHIAL_OK;
    }
    if (st != PHIAL_OK || c->n_tokens == at)
        return st;
    return add_example(r, at, c->n_tokens - at, hash_of(c, at, c->n_tokens - at), err);
}

static phial_status take(void *user, const ph_record *record, phial_error *err)
{
    reader *r = user;
    r->line = record->line;
    switch (record->kind) {
    case PH_RECORD_TEXT:
        return take_text(r, record->text, err);
    case PH_RECORD_COMPLETION:
        return take_completion(r, record, err);
    case PH_RECORD_MESSAGES:
        return take_messages(r, record, err);
    }
    return PHIAL_OK;
}

/* --- the whole --- */

static phial_status add_file_name(ph_corpus *c, const char *path, phial_error *err)
{
    if (c->n_files == PH_CORPUS_MAX_FILES)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %d files", PH_CORPUS_MAX_FILES);
    char **grown = ph_realloc(c->files, c->n_files + 1, sizeof *grown, err);
    if (!grown)
        return PHIAL_ERR_NO_MEMORY;
    c->files = grown;
    c->files[c->n_files] = ph_strdup(path, err);
    if (!c->files[c->n_files])
        return PHIAL_ERR_NO_MEMORY;
    c->n_files++;
    return PHIAL_OK;
}

phial_status ph_corpus_add(ph_corpus *c, const char *path, ph_corpus_part part,
                           const ph_corpus_options *options, phial_error *err)
{
    reader r = {.corpus = c, .options = options, .part = part, .file = (uint32_t)c->n_files};
    const ph_records_options ro = {options->format, options->strict, options->log};
    c->end = phial_tokenizer_eos(options->tokenizer);
    phial_status st = add_file_name(c, path, err);
    if (st == PHIAL_OK)
        st = phial_encoder_new(&r.encoder, options->tokenizer, err);
    if (st == PHIAL_OK)
        st = ph_records_read(path, &ro, &c->stats.records, take, &r, err);
    if (st == PHIAL_OK && r.n_told > TELL_MAX)
        ph_log_write(&options->log, PH_LOG_WARN, "%s: %" PRIu64 " more examples were too long",
                     path, r.n_told - TELL_MAX);
    phial_encoder_free(r.encoder);
    ph_free(r.prompt);
    return st;
}

void ph_corpus_init(ph_corpus *c)
{
    *c = (ph_corpus){.end = PHIAL_TOKEN_NONE};
}

void ph_corpus_free(ph_corpus *c)
{
    ph_free(c->tokens);
    ph_free(c->train.list);
    ph_free(c->held.list);
    for (size_t i = 0; i < c->n_files; i++)
        ph_free(c->files[i]);
    ph_free(c->files);
    ph_corpus_init(c);
}

uint64_t ph_corpus_hash(const ph_corpus *c)
{
    uint64_t h = ph_hash64(c->tokens, (size_t)c->n_tokens * sizeof *c->tokens, c->end);
    const ph_examples *sides[] = {&c->train, &c->held};
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < sides[s]->n; i++) {
            const ph_example *e = &sides[s]->list[i];
            const uint64_t facts[] = {e->at, e->n};
            h = ph_hash64(facts, sizeof facts, h + (uint64_t)s);
        }
    }
    return h;
}

void ph_corpus_name(const ph_corpus *c, const ph_example *e, char *out, size_t out_bytes)
{
    if (e->line > 0)
        snprintf(out, out_bytes, "%s:%" PRIu64, c->files[e->file], e->line);
    else
        snprintf(out, out_bytes, "%s", c->files[e->file]);
}
