/* The token list and its hash; contract in vocab.h. */
#include "tok/vocab.h"

#include "base/hash.h"
#include "tok/alphabet.h"

void ph_vocab_init(ph_vocab *v)
{
    *v = (ph_vocab){.bos = PHIAL_TOKEN_NONE, .eos = PHIAL_TOKEN_NONE, .unk = PHIAL_TOKEN_NONE};
    ph_arena_init(&v->arena, PH_VOCAB_MAX_MEMORY);
}

void ph_vocab_free(ph_vocab *v)
{
    ph_free(v->tokens);
    ph_free(v->merges);
    ph_free(v->slots);
    ph_arena_free(&v->arena);
    ph_vocab_init(v);
}

static ph_word key_of(ph_str bytes)
{
    if (bytes.n <= PH_WORD_MAX)
        return ph_word_from((const uint8_t *)bytes.p, bytes.n);
    return (ph_word){ph_hash64(bytes.p, bytes.n, 0), PH_KEY_HASHED | bytes.n};
}

/* The slot that holds these bytes, or the empty one where they belong. NULL behind so many others
 * that the tokens were chosen to collide. */
static ph_vocab_slot *probe(const ph_vocab *v, ph_word key, ph_str bytes)
{
    uint32_t i = (uint32_t)(ph_word_hash(key) >> v->slot_shift);
    for (uint32_t n = 0; n < PH_VOCAB_MAX_PROBES; n++, i = (i + 1) & v->slot_mask) {
        ph_vocab_slot *slot = &v->slots[i];
        if (slot->key.hi == 0)
            return slot;
        if (slot->key.lo == key.lo && slot->key.hi == key.hi &&
            (!(key.hi & PH_KEY_HASHED) || ph_str_eq(v->tokens[slot->id].text, bytes)))
            return slot;
    }
    return NULL;
}

ph_vocab_slot *ph_vocab_slot_of(const ph_vocab *v, ph_str bytes)
{
    if (!v->slots || bytes.n == 0)
        return NULL;
    ph_vocab_slot *slot = probe(v, key_of(bytes), bytes);
    return slot && slot->key.hi != 0 ? slot : NULL;
}

uint32_t ph_vocab_find(const ph_vocab *v, ph_str bytes)
{
    const ph_vocab_slot *slot = ph_vocab_slot_of(v, bytes);
    return slot ? slot->id : PHIAL_TOKEN_NONE;
}

static phial_status collision(uint64_t id, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_LIMIT, "token %llu: too many tokens with the same hash",
                      (unsigned long long)id);
}

static phial_status grow_slots(ph_vocab *v, size_t want, phial_error *err)
{
    size_t n = 1024;
    int shift = 64 - 10;
    for (; n < want * 2; n *= 2)
        shift--;
    if (v->slots && n <= (size_t)v->slot_mask + 1)
        return PHIAL_OK;
    ph_vocab_slot *old = v->slots;
    size_t n_old = old ? (size_t)v->slot_mask + 1 : 0;
    ph_vocab_slot *slots = ph_alloc(n, sizeof *slots, err);
    if (!slots)
        return PHIAL_ERR_NO_MEMORY;
    v->slots = slots;
    v->slot_mask = (uint32_t)(n - 1);
    v->slot_shift = shift;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n_old && st == PHIAL_OK; i++) {
        if (old[i].key.hi == 0)
            continue;
        ph_vocab_slot *slot = probe(v, old[i].key, v->tokens[old[i].id].text);
        if (slot)
            *slot = old[i];
        else
            st = collision(old[i].id, err);
    }
    ph_free(old);
    return st;
}

static phial_status grow_tokens(ph_vocab *v, size_t want, phial_error *err)
{
    if (want <= v->cap_tokens)
        return PHIAL_OK;
    size_t cap = v->cap_tokens + v->cap_tokens / 2;
    cap = cap < want ? want : cap;
    ph_vocab_token *tokens = ph_realloc(v->tokens, cap, sizeof *tokens, err);
    if (tokens == NULL)
        return PHIAL_ERR_NO_MEMORY;
    v->tokens = tokens;
    v->cap_tokens = (uint32_t)cap;
    return PHIAL_OK;
}

static phial_status grow_merges(ph_vocab *v, size_t want, phial_error *err)
{
    if (want <= v->cap_merges)
        return PHIAL_OK;
    size_t cap = v->cap_merges + v->cap_merges / 2 + 256;
    cap = cap < want ? want : cap;
    ph_vocab_merge *merges = ph_realloc(v->merges, cap, sizeof *merges, err);
    if (merges == NULL)
        return PHIAL_ERR_NO_MEMORY;
    v->merges = merges;
    v->cap_merges = (uint32_t)cap;
    return PHIAL_OK;
}

phial_status ph_vocab_reserve(ph_vocab *v, size_t n_tokens, size_t n_merges, phial_error *err)
{
    if (n_tokens > PHIAL_VOCAB_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu tokens; at most %u are supported", n_tokens,
                          PHIAL_VOCAB_MAX);
    if (n_merges > PH_VOCAB_MAX_MERGES)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu merges; at most %u are supported", n_merges,
                          PH_VOCAB_MAX_MERGES);
    phial_status st = grow_tokens(v, n_tokens, err);
    if (st == PHIAL_OK)
        st = grow_slots(v, n_tokens, err);
    if (st == PHIAL_OK)
        st = grow_merges(v, n_merges, err);
    return st;
}

phial_status ph_vocab_extend(ph_vocab *v, uint64_t n_tokens, phial_error *err)
{
    if (n_tokens > PHIAL_VOCAB_MAX)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%llu ids; at most %u are supported",
                          (unsigned long long)n_tokens, PHIAL_VOCAB_MAX);
    if (n_tokens <= v->n_tokens)
        return PHIAL_OK;
    phial_status st = grow_tokens(v, (size_t)n_tokens, err);
    if (st != PHIAL_OK)
        return st;
    for (uint32_t i = v->n_tokens; i < n_tokens; i++)
        v->tokens[i] = (ph_vocab_token){.text = {"", 0}, .type = PH_TOKEN_UNUSED};
    v->n_tokens = (uint32_t)n_tokens;
    return PHIAL_OK;
}

/* An id from a file, which may be anything. */
static phial_status extend_to(ph_vocab *v, uint64_t id, phial_error *err)
{
    if (id >= PHIAL_VOCAB_MAX)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "id %llu is not below %u",
                          (unsigned long long)id, PHIAL_VOCAB_MAX);
    return ph_vocab_extend(v, id + 1, err);
}

static phial_status check_length(ph_str text, uint64_t id, phial_error *err)
{
    if (text.n == 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "token %llu is empty", (unsigned long long)id);
    if (text.n > PH_VOCAB_MAX_TOKEN_BYTES)
        return ph_err_set(err, PHIAL_ERR_LIMIT,
                          "token %llu has %zu bytes; at most %d are supported",
                          (unsigned long long)id, text.n, PH_VOCAB_MAX_TOKEN_BYTES);
    return PHIAL_OK;
}

/* A token of the model; text is in the arena. */
static phial_status add_text(ph_vocab *v, uint64_t id, ph_str text, bool continues,
                             phial_error *err)
{
    ph_vocab_token *token = &v->tokens[id];
    ph_word key = key_of(text);
    ph_vocab_slot *slot = probe(v, key, text);
    if (!slot)
        return collision(id, err);
    if (slot->key.hi != 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tokens %u and %llu are the same, '%.*s'",
                          (unsigned)slot->id, (unsigned long long)id, PH_STR_ARG(text));
    *token = (ph_vocab_token){
        .text = text, .type = PH_TOKEN_NORMAL, .in_model = true, .continues = continues};
    *slot = (ph_vocab_slot){.key = key, .id = (uint32_t)id};
    v->n_slots_used++;
    return PHIAL_OK;
}

/* Makes room for a token of the model, which must be new. */
static phial_status make_place(ph_vocab *v, uint64_t id, ph_str spelling, phial_error *err)
{
    phial_status st = check_length(spelling, id, err);
    if (st == PHIAL_OK)
        st = extend_to(v, id, err);
    if (st == PHIAL_OK)
        st = grow_slots(v, (size_t)v->n_slots_used + 1, err);
    if (st == PHIAL_OK && v->tokens[id].type != PH_TOKEN_UNUSED)
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "id %llu stands twice, last as '%.*s'",
                        (unsigned long long)id, PH_STR_ARG(spelling));
    return st;
}

phial_status ph_vocab_add_model(ph_vocab *v, uint64_t id, ph_str alphabet, phial_error *err)
{
    phial_status st = make_place(v, id, alphabet, err);
    if (st != PHIAL_OK)
        return st;
    char *bytes = ph_arena_alloc(&v->arena, alphabet.n, 1, err);
    if (bytes == NULL)
        return err != NULL ? err->status : PHIAL_ERR_NO_MEMORY;
    size_t n;
    if (!ph_alphabet_decode(bytes, &n, alphabet))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "token %llu '%.*s' holds a character outside GPT-2's byte alphabet",
                          (unsigned long long)id, PH_STR_ARG(alphabet));
    return add_text(v, id, (ph_str){bytes, n}, false, err);
}

phial_status ph_vocab_add_piece(ph_vocab *v, uint64_t id, ph_str piece, bool continues,
                                phial_error *err)
{
    phial_status st = make_place(v, id, piece, err);
    if (st != PHIAL_OK)
        return st;
    size_t blank = !continues;
    char *bytes = ph_arena_alloc(&v->arena, piece.n + blank, 1, err);
    if (bytes == NULL)
        return err != NULL ? err->status : PHIAL_ERR_NO_MEMORY;
    bytes[0] = ' ';
    memcpy(bytes + blank, piece.p, piece.n);
    return add_text(v, id, (ph_str){bytes, piece.n + blank}, continues, err);
}

/* Whether a token of the model is what an added one of the same id says. */
static bool same_spelling(const ph_vocab *v, const ph_vocab_token *token, ph_str literal)
{
    ph_str text = token->text;
    if (v->kind == PH_VOCAB_WORDPIECE && !token->continues)
        text = (ph_str){text.p + 1, text.n - 1};
    return ph_str_eq(text, literal);
}

phial_status ph_vocab_add_added(ph_vocab *v, uint64_t id, ph_str literal, ph_token_type type,
                                bool second_pass, phial_error *err)
{
    phial_status st = check_length(literal, id, err);
    if (st == PHIAL_OK)
        st = extend_to(v, id, err);
    if (st != PHIAL_OK)
        return st;
    ph_vocab_token *token = &v->tokens[id];
    if (token->type == PH_TOKEN_CONTROL || token->type == PH_TOKEN_USER)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "id %llu is added twice, last as '%.*s'",
                          (unsigned long long)id, PH_STR_ARG(literal));
    char *bytes = ph_arena_strndup(&v->arena, literal.p, literal.n, err);
    if (bytes == NULL)
        return err != NULL ? err->status : PHIAL_ERR_NO_MEMORY;
    ph_str text = {bytes, literal.n};
    if (token->type == PH_TOKEN_NORMAL && !same_spelling(v, token, text)) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "added token '%.*s' has id %llu, which is another token's",
                          PH_STR_ARG(literal), (unsigned long long)id);
    }
    token->text = text;
    token->type = (uint8_t)type;
    token->second_pass = second_pass;
    return PHIAL_OK;
}

uint32_t ph_vocab_find_added(const ph_vocab *v, ph_str literal)
{
    for (uint32_t i = v->n_tokens; i-- > 0;) {
        uint8_t type = v->tokens[i].type;
        if ((type == PH_TOKEN_CONTROL || type == PH_TOKEN_USER) &&
            ph_str_eq(v->tokens[i].text, literal))
            return i;
    }
    return PHIAL_TOKEN_NONE;
}

static phial_status find_part(uint32_t *id, ph_str *bytes, char *buf, const ph_vocab *v,
                              ph_str part, phial_error *err)
{
    *id = PHIAL_TOKEN_NONE;
    if (part.n > 0 && part.n <= PH_VOCAB_MAX_TOKEN_BYTES &&
        ph_alphabet_decode(buf, &bytes->n, part)) {
        bytes->p = buf;
        *id = ph_vocab_find(v, *bytes);
    }
    if (*id == PHIAL_TOKEN_NONE)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "merge %u names '%.*s', which is no token",
                          v->n_merges, PH_STR_ARG(part));
    return PHIAL_OK;
}

phial_status ph_vocab_add_merge(ph_vocab *v, ph_str left, ph_str right, phial_error *err)
{
    char joined[2 * PH_VOCAB_MAX_TOKEN_BYTES];
    uint32_t a, b;
    ph_str pa, pb;
    phial_status st = find_part(&a, &pa, joined, v, left, err);
    if (st == PHIAL_OK)
        st = find_part(&b, &pb, joined + pa.n, v, right, err);
    if (st != PHIAL_OK)
        return st;
    /* Files list tokens in the order of the merges that make them: the guess is nearly always
     * right and saves a hash. */
    ph_str whole = {joined, pa.n + pb.n};
    uint32_t guess = v->n_merges == 0 ? 256 : v->merges[v->n_merges - 1].result + 1;
    uint32_t result = guess;
    if (guess >= v->n_tokens || !v->tokens[guess].in_model ||
        !ph_str_eq(v->tokens[guess].text, whole))
        result = ph_vocab_find(v, whole);
    if (result == PHIAL_TOKEN_NONE)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "merge %u makes '%.*s%.*s', which is no token",
                          v->n_merges, PH_STR_ARG(left), PH_STR_ARG(right));
    if (v->n_merges == PH_VOCAB_MAX_MERGES)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %u merges", PH_VOCAB_MAX_MERGES);
    st = grow_merges(v, (size_t)v->n_merges + 1, err);
    if (st == PHIAL_OK)
        v->merges[v->n_merges++] = (ph_vocab_merge){a, b, result};
    return st;
}

phial_status ph_vocab_add_merge_line(ph_vocab *v, ph_str line, phial_error *err)
{
    const char *space = line.n == 0 ? NULL : memchr(line.p, ' ', line.n);
    size_t n = space == NULL ? 0 : (size_t)(space - line.p);
    if (n == 0 || n + 1 == line.n || memchr(space + 1, ' ', line.n - n - 1) != NULL)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "merge %u '%.*s' is not two tokens and a space",
                          v->n_merges, PH_STR_ARG(line));
    return ph_vocab_add_merge(v, (ph_str){line.p, n}, (ph_str){space + 1, line.n - n - 1}, err);
}
