/* Packing atoms into chunks; contract in chunk.h.
 *
 * From where a chunk begins, everything that fits is looked at, and the best boundary in it ends
 * the chunk: a new section if enough stands before it, else a block, else a sentence, each only if
 * it leaves the chunk reasonably full. What has no such boundary (a sentence longer than a chunk)
 * is cut behind a comma, else at a word, else at a character. The page's tokens are counted once; a
 * chunk by itself may need a few more (its first and last word are cut differently), so it is
 * counted again and made shorter if it is too long: the limit is kept exactly.
 *
 * Each chunk ends at least LEAST_FILL of a chunk behind the one before, or at an atom's end, so
 * that the whole is linear in the page for a given size of chunks.
 */
#include "rag/chunk.h"

#include "base/mem.h"
#include "rag/chunk_atoms.h"
#include "rag/chunk_headings.h"
#include "rag/sentence.h"

#define TOKENS_DEFAULT  256
#define OVERLAP_DEFAULT 32
/* No single character has more tokens than that. */
#define TOKENS_LEAST    8
#define TOKENS_MOST     (1u << 20)

/* Hundredths of a full chunk that stand before a boundary, at least, for it to be chosen. */
#define FILL_SECTION  35
#define FILL_SCENE    20
#define FILL_BLOCK    50
#define FILL_SENTENCE 30
#define LEAST_FILL    30
/* A rest of the page that is a little longer than a chunk is divided, not cut down to its end. */
#define REST_DIVIDED  150
#define REST_FIRST    60

struct ph_chunker {
    phial_encoder *encoder; /* owned; NULL: tokens are estimated */
    uint32_t n_tokens, n_overlap;
    ph_headings headings;
    ph_page_atoms page;
    ph_buf context;
};

/* The page that is being cut. */
typedef struct cutter {
    ph_chunker *c;
    const ph_doc_page *page;
    const ph_atom *atoms;
    size_t n_atoms;
    size_t passed; /* blocks whose headings were passed */
} cutter;

/* Where a chunk may end: at atoms[atom], or inside atoms[atom - 1]. */
typedef struct cut {
    size_t at;
    size_t atom;
    bool inside;
} cut;

void ph_chunk_options_default(ph_chunk_options *options)
{
    *options = (ph_chunk_options){.n_tokens = TOKENS_DEFAULT, .n_overlap = OVERLAP_DEFAULT};
}

phial_status ph_chunker_new(ph_chunker **out, const ph_chunk_options *options, phial_error *err)
{
    ph_chunk_options o = *options;
    *out = NULL;
    if (o.n_tokens == 0)
        o.n_tokens = TOKENS_DEFAULT;
    if (o.n_tokens < TOKENS_LEAST || o.n_tokens > TOKENS_MOST)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "chunks of %u tokens; %u to %u will do",
                          (unsigned)o.n_tokens, TOKENS_LEAST, TOKENS_MOST);
    if (o.n_overlap > o.n_tokens / 2)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "an overlap of %u tokens is more than half of a chunk of %u",
                          (unsigned)o.n_overlap, (unsigned)o.n_tokens);
    ph_chunker *c = ph_alloc(1, sizeof *c, err);
    if (!c)
        return PHIAL_ERR_NO_MEMORY;
    c->n_tokens = o.n_tokens;
    c->n_overlap = o.n_overlap;
    ph_headings_init(&c->headings);
    ph_buf_init(&c->context, 0);
    phial_status st = PHIAL_OK;
    if (o.tokenizer)
        st = phial_encoder_new(&c->encoder, o.tokenizer, err);
    if (st != PHIAL_OK) {
        ph_chunker_free(c);
        return st;
    }
    *out = c;
    return PHIAL_OK;
}

void ph_chunker_free(ph_chunker *c)
{
    if (!c)
        return;
    phial_encoder_free(c->encoder);
    ph_headings_free(&c->headings);
    ph_page_atoms_free(&c->page);
    ph_buf_free(&c->context);
    ph_free(c);
}

void ph_chunker_reset(ph_chunker *c)
{
    ph_headings_clear(&c->headings);
}

/* --- tokens of the page --- */

/* Tokens that begin before `at`. */
static size_t token_at(const cutter *k, size_t at)
{
    const ph_page_atoms *p = &k->c->page;
    size_t low = 0, high = p->n_tokens;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->tokens[mid] < at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Where the token with this number begins. */
static size_t place_of(const cutter *k, size_t token)
{
    const ph_page_atoms *p = &k->c->page;
    return token < p->n_tokens ? p->tokens[token] : k->page->text.n;
}

/* --- cutting inside an atom --- */

static size_t back_to_character(ph_str text, size_t at, size_t from)
{
    size_t back = at;
    while (back > from && at - back < 3 && ((uint8_t)text.p[back] & 0xC0) == 0x80)
        back--;
    return back;
}

/* Not before a character that belongs to the one before it. */
static size_t back_to_base(ph_str text, size_t at, size_t from)
{
    size_t len;
    for (int steps = 0; steps < 32 && at > from; steps++) {
        at = back_to_character(text, at, from);
        ph_sentence_class c = ph_sentence_class_at(text, at, &len);
        if ((c != PH_SB_EXTEND && c != PH_SB_FORMAT) || at == from)
            return at;
        at--;
    }
    return back_to_character(text, at, from);
}

/* The best place to cut in (from, most]: behind a comma, at a word, at a character; the first two
 * not before `least`. */
static size_t cut_inside(const cutter *k, size_t from, size_t least, size_t most)
{
    ph_str text = k->page->text;
    size_t comma = 0, word = 0, len = 1;
    ph_sentence_class before = PH_SB_OTHER, solid = PH_SB_OTHER;
    for (size_t at = from; at <= most && at < text.n; at += len) {
        ph_sentence_class c = ph_sentence_class_at(text, at, &len);
        bool blank = ph_sentence_is_blank(c);
        bool wide = at > from && len >= 3 && ph_sentence_is_letter(c);
        if (at >= least && !blank) {
            bool behind_blank = ph_sentence_is_blank(before);
            if (behind_blank)
                word = at;
            if (solid == PH_SB_SCONTINUE && (behind_blank || wide))
                comma = at;
        }
        before = c;
        if (!blank)
            solid = c;
    }
    if (comma > from)
        return comma;
    if (word > from)
        return word;
    size_t at = most < text.n ? back_to_base(text, most, from) : most;
    if (at <= from)
        at = most < text.n ? back_to_character(text, most, from) : most;
    if (at > from)
        return at;
    ph_sentence_class_at(text, from, &len);
    return from + len;
}

/* --- choosing the end --- */

typedef struct best {
    size_t section, scene, block, sentence, any; /* numbers of atoms; 0: none */
} best;

static void consider(best *b, const ph_atom *atoms, size_t j, size_t fill)
{
    uint8_t bound = atoms[j].bound;
    if (bound == PH_BOUND_GLUE)
        return;
    b->any = j;
    if (bound >= PH_BOUND_SECTION && fill >= FILL_SECTION &&
        (b->section == 0 || bound >= atoms[b->section].bound))
        b->section = j;
    if (bound == PH_BOUND_SCENE && fill >= FILL_SCENE)
        b->scene = j;
    if (bound >= PH_BOUND_PART && fill >= FILL_BLOCK &&
        (b->block == 0 || bound >= atoms[b->block].bound))
        b->block = j;
    if (fill >= FILL_SENTENCE)
        b->sentence = j;
}

static size_t pick(const cutter *k, const best *b, size_t room)
{
    if (b->section)
        return b->section;
    if (b->scene)
        return b->scene;
    if (b->block)
        return b->block;
    if (b->sentence)
        return b->sentence;
    /* A short beginning is better than a sentence cut in two, unless it has to be cut anyway. */
    if (b->any && k->atoms[b->any + 1].token - k->atoms[b->any].token <= room)
        return b->any;
    return 0;
}

/* The end of the chunk that begins at `from` and has to go beyond `done`; `first` is the first atom
 * that begins behind `done`. At most `room` tokens, as the page counts them. */
static cut choose(const cutter *k, size_t from, size_t done, size_t first, size_t room)
{
    size_t base = token_at(k, from), full = k->c->n_tokens, j = first;
    size_t rest = k->atoms[k->n_atoms].token - base;
    if (rest > room && rest * 100 < room * REST_DIVIDED)
        room = rest * REST_FIRST / 100;
    best b = {0};
    for (; j < k->n_atoms && k->atoms[j].token - base <= room; j++)
        consider(&b, k->atoms, j, (k->atoms[j].token - base) * 100 / full);
    if (rest <= room) {
        size_t s = b.section ? b.section : b.scene;
        size_t behind = s ? (k->atoms[k->n_atoms].token - k->atoms[s].token) * 100 / full : 0;
        size_t least = b.section ? FILL_SECTION : FILL_SCENE;
        return s && behind >= least ? (cut){k->atoms[s].start, s, false}
                                    : (cut){k->page->text.n, k->n_atoms, false};
    }
    size_t at = pick(k, &b, room);
    if (at)
        return (cut){k->atoms[at].start, at, false};
    size_t most = place_of(k, base + room);
    size_t least = place_of(k, base + room * LEAST_FILL / 100);
    if (most <= done)
        most = done + 1;
    size_t behind = from > done ? from : done;
    if (least <= done)
        least = done + 1;
    size_t place = cut_inside(k, behind, least, most);
    /* The atom it lies in, or begins: those up to j begin at or before `most`. */
    while (j > first && k->atoms[j - 1].start >= place)
        j--;
    if (place == k->atoms[j].start && k->atoms[j].bound == PH_BOUND_GLUE && place > behind + 1)
        place = cut_inside(k, behind, least, place - 1);
    bool inside = place < k->atoms[j].start;
    return (cut){place, j, inside};
}

/* The same, with the chunk counted by itself. */
static phial_status fit(const cutter *k, cut *out, size_t *n_tokens, size_t from, size_t done,
                        size_t first, phial_error *err)
{
    size_t full = k->c->n_tokens, room = full;
    for (;;) {
        *out = choose(k, from, done, first, room);
        phial_status st = ph_chunk_count(n_tokens, (ph_str){k->page->text.p + from, out->at - from},
                                         k->c->encoder, err);
        if (st != PHIAL_OK || *n_tokens <= full || room <= 1)
            return st;
        size_t over = *n_tokens - full, had = token_at(k, out->at) - token_at(k, from);
        if (had < room)
            room = had;
        room = room > over + 1 ? room - over : room / 2;
    }
}

/* --- overlap --- */

static bool repeats(uint8_t kind)
{
    return kind == PH_BLOCK_PARAGRAPH || kind == PH_BLOCK_LIST_ITEM || kind == PH_BLOCK_QUOTE ||
           kind == PH_BLOCK_SPEECH;
}

/* Where the next chunk begins, given that the last one was [from, end.at): earlier by whole
 * sentences, as many as the overlap holds, and so that the first new atom still fits. */
static size_t next_start(const cutter *k, size_t from, cut end)
{
    if (end.inside || end.atom >= k->n_atoms || k->atoms[end.atom].bound >= PH_BOUND_SCENE)
        return end.at;
    size_t start = end.atom, full = k->c->n_tokens;
    size_t next_end = k->atoms[end.atom + 1].token;
    while (start > 0 && k->atoms[start - 1].start > from && repeats(k->atoms[start - 1].kind) &&
           k->atoms[start].bound < PH_BOUND_SCENE &&
           k->atoms[end.atom].token - k->atoms[start - 1].token <= k->c->n_overlap)
        start--;
    while (start < end.atom && next_end - k->atoms[start].token > full)
        start++;
    return k->atoms[start].start;
}

/* --- what stands beside a chunk --- */

static size_t atom_of(const cutter *k, size_t at)
{
    size_t low = 0, high = k->n_atoms;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (k->atoms[mid].start <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* The kind that most bytes are of; running heads count only where there is nothing else. */
static uint8_t main_kind(const cutter *k, size_t from, size_t end)
{
    size_t bytes[PH_BLOCK_N] = {0};
    for (size_t i = atom_of(k, from); i < k->n_atoms && k->atoms[i].start < end; i++) {
        size_t a = k->atoms[i].start > from ? k->atoms[i].start : from;
        size_t b = k->atoms[i + 1].start < end ? k->atoms[i + 1].start : end;
        bytes[k->atoms[i].kind] += b - a;
    }
    bytes[PH_BLOCK_FURNITURE] = bytes[PH_BLOCK_FURNITURE] > 0;
    uint8_t most = PH_BLOCK_PARAGRAPH;
    for (uint8_t kind = 0; kind < PH_BLOCK_N; kind++) {
        if (bytes[kind] > bytes[most])
            most = kind;
    }
    return most;
}

static phial_status pass_headings(cutter *k, size_t n_blocks, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (; k->passed < n_blocks && k->passed < k->page->n_blocks && st == PHIAL_OK; k->passed++)
        st = ph_headings_pass(&k->c->headings, k->page->text, &k->page->blocks[k->passed], err);
    return st;
}

static phial_status emit_chunk(cutter *k, size_t from, size_t end, size_t n_tokens,
                               ph_chunk_fn emit, void *user, phial_error *err)
{
    const ph_atom *first = &k->atoms[atom_of(k, from)];
    while (first->kind == PH_BLOCK_FURNITURE && first[1].start < end)
        first++;
    phial_status st = pass_headings(k, first->block, err);
    const ph_doc_block *block = NULL;
    if (first->block < k->page->n_blocks)
        block = &k->page->blocks[first->block];
    /* The rest of a heading that was cut stands under it. */
    if (st == PHIAL_OK && block && from > block->start) {
        st = pass_headings(k, first->block + 1, err);
        block = block->kind == PH_BLOCK_HEADING || block->kind == PH_BLOCK_SCENE ? NULL : block;
    }
    if (st == PHIAL_OK)
        st = ph_headings_path(&k->c->headings, &k->c->context, block, err);
    if (st != PHIAL_OK)
        return st;
    ph_chunk chunk = {
        .page = k->page->number,
        .start = from,
        .end = end,
        .n_tokens = (uint32_t)n_tokens,
        .context = {k->c->context.data ? k->c->context.data : "", k->c->context.len},
        .kind = main_kind(k, from, end),
    };
    return emit(user, &chunk, err);
}

phial_status ph_chunker_page(ph_chunker *c, const ph_doc_page *page, ph_chunk_fn emit, void *user,
                             phial_error *err)
{
    phial_status st = ph_page_atoms_make(&c->page, page, c->encoder, err);
    if (st != PHIAL_OK)
        return st;
    cutter k = {.c = c, .page = page, .atoms = c->page.atoms, .n_atoms = c->page.n_atoms};
    size_t from = 0, done = 0, first = 1;
    while (done < page->text.n && st == PHIAL_OK) {
        cut end;
        size_t n_tokens = 0;
        st = fit(&k, &end, &n_tokens, from, done, first, err);
        if (st == PHIAL_OK)
            st = emit_chunk(&k, from, end.at, n_tokens, emit, user, err);
        from = next_start(&k, from, end);
        done = end.at;
        first = end.inside ? end.atom : end.atom + 1;
    }
    return st == PHIAL_OK ? pass_headings(&k, page->n_blocks, err) : st;
}
