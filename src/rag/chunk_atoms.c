/* Pages to atoms and tokens; contract in chunk_atoms.h.
 *
 * Without a tokenizer tokens are estimated: a word of Latin letters is one token for every
 * WORD_LETTERS of them begun, a number one for every three digits, any other character one. On
 * English prose and Markdown that is between 4% less and 11% more than Phi-2's tokenizer makes
 * (docs/RAG.md).
 */
#include "rag/chunk_atoms.h"

#include "base/mem.h"
#include "rag/sentence.h"

#define WORD_LETTERS  6
/* Bytes that are encoded at a time: what an encoder holds grows with it. */
#define ENCODED_BYTES ((size_t)1 << 20)

void ph_page_atoms_free(ph_page_atoms *p)
{
    ph_free(p->atoms);
    ph_free(p->tokens);
    *p = (ph_page_atoms){0};
}

/* --- tokens --- */

/* Calls for each estimated token of the text; counts them into *n, and writes starts if there is
 * room for them. */
static void estimate(ph_str text, size_t base, uint32_t *starts, size_t *n)
{
    unsigned run = 0;
    ph_sentence_class last = PH_SB_OTHER;
    for (size_t at = 0, len; at < text.n; at += len) {
        ph_sentence_class c = ph_sentence_class_at(text, at, &len);
        bool latin = ph_sentence_is_letter(c) && len <= 2;
        bool same = latin ? ph_sentence_is_letter(last) && run > 0 : c == last;
        if (c == PH_SB_EXTEND)
            continue;
        last = c;
        if (c == PH_SB_SP) {
            run = 0;
            continue;
        }
        unsigned most = latin ? WORD_LETTERS : c == PH_SB_NUMERIC ? 3 : 1;
        run = same ? run + 1 : 1;
        if (run > most || !same) {
            run = 1;
            if (starts)
                starts[*n] = (uint32_t)(base + at);
            ++*n;
        }
    }
}

phial_status ph_chunk_count(size_t *n, ph_str text, phial_encoder *encoder, phial_error *err)
{
    *n = 0;
    if (!encoder) {
        estimate(text, 0, NULL, n);
        return PHIAL_OK;
    }
    phial_status st = phial_encoder_run(encoder, text.p, text.n, 0, err);
    if (st == PHIAL_OK)
        phial_encoder_ids(encoder, n);
    return st;
}

static phial_status room_for_tokens(ph_page_atoms *p, size_t more, phial_error *err)
{
    if (p->cap_tokens - p->n_tokens >= more)
        return PHIAL_OK;
    size_t cap = p->n_tokens + more + p->n_tokens / 2;
    uint32_t *grown = ph_realloc(p->tokens, cap, sizeof *grown, err);
    if (!grown)
        return PHIAL_ERR_NO_MEMORY;
    p->tokens = grown;
    p->cap_tokens = cap;
    return PHIAL_OK;
}

static phial_status add_tokens(ph_page_atoms *p, ph_str piece, size_t base, phial_encoder *encoder,
                               phial_error *err)
{
    size_t n = 0;
    phial_status st = ph_chunk_count(&n, piece, encoder, err);
    if (st == PHIAL_OK)
        st = room_for_tokens(p, n, err);
    if (st != PHIAL_OK || n == 0)
        return st;
    if (!encoder) {
        estimate(piece, base, p->tokens, &p->n_tokens);
        return PHIAL_OK;
    }
    const size_t *offsets = phial_encoder_offsets(encoder, err);
    if (!offsets)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        p->tokens[p->n_tokens++] = (uint32_t)(base + offsets[i]);
    return PHIAL_OK;
}

/* Blanks, marks and words that a tokenizer does not know have few tokens or none: so that a chunk
 * has an end, a stretch counts for a token every PH_TOKEN_BYTES. */
static phial_status fill_gaps(ph_page_atoms *p, size_t n_text, phial_error *err)
{
    size_t n = p->n_tokens, missing = 0, next = n_text;
    for (size_t i = n + 1; i-- > 0;) {
        size_t at = i > 0 ? p->tokens[i - 1] : 0;
        missing += next > at ? (next - at - 1) / PH_TOKEN_BYTES : 0;
        next = at;
    }
    if (missing == 0)
        return PHIAL_OK;
    phial_status st = room_for_tokens(p, missing, err);
    if (st != PHIAL_OK)
        return st;
    size_t to = p->n_tokens = n + missing;
    next = n_text;
    for (size_t i = n + 1; i-- > 0;) { /* from behind, where there is room */
        size_t at = i > 0 ? p->tokens[i - 1] : 0;
        for (size_t k = next > at ? (next - at - 1) / PH_TOKEN_BYTES : 0; k > 0; k--)
            p->tokens[--to] = (uint32_t)(at + k * PH_TOKEN_BYTES);
        if (i > 0)
            p->tokens[--to] = (uint32_t)at;
        next = at;
    }
    return PHIAL_OK;
}

/* In pieces that end with atoms, or where an atom is longer, anywhere: a token too many. */
static phial_status make_tokens(ph_page_atoms *p, ph_str text, phial_encoder *encoder,
                                phial_error *err)
{
    p->n_tokens = 0;
    size_t atom = 0;
    for (size_t from = 0; from < text.n;) {
        size_t end = text.n;
        while (atom < p->n_atoms && p->atoms[atom + 1].start - from <= ENCODED_BYTES)
            atom++;
        if (end - from > ENCODED_BYTES)
            end = p->atoms[atom].start > from ? p->atoms[atom].start : from + ENCODED_BYTES;
        phial_status st = add_tokens(p, (ph_str){text.p + from, end - from}, from, encoder, err);
        if (st != PHIAL_OK)
            return st;
        from = end;
    }
    phial_status st = fill_gaps(p, text.n, err);
    if (st != PHIAL_OK)
        return st;
    size_t token = 0;
    for (size_t i = 0; i <= p->n_atoms; i++) {
        while (token < p->n_tokens && p->tokens[token] < p->atoms[i].start)
            token++;
        p->atoms[i].token = (uint32_t)token;
    }
    return PHIAL_OK;
}

/* --- atoms --- */

static phial_status add_atom(ph_page_atoms *p, size_t start, ph_bound bound, uint8_t kind,
                             size_t block, phial_error *err)
{
    if (p->n_atoms + 1 >= p->cap_atoms) {
        size_t cap = p->cap_atoms ? p->cap_atoms * 2 : 256;
        ph_atom *grown = ph_realloc(p->atoms, cap, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        p->atoms = grown;
        p->cap_atoms = cap;
    }
    p->atoms[p->n_atoms++] = (ph_atom){
        .start = (uint32_t)start, .block = (uint32_t)block, .bound = (uint8_t)bound, .kind = kind};
    return PHIAL_OK;
}

static bool is_row(uint8_t kind)
{
    return kind == PH_BLOCK_TABLE_ROW || kind == PH_BLOCK_LIST_ITEM;
}

static ph_bound bound_between(const ph_doc_block *before, const ph_doc_block *b)
{
    if (b->kind == PH_BLOCK_FURNITURE || (before && before->kind == PH_BLOCK_FURNITURE))
        return PH_BOUND_GLUE;
    if (b->kind == PH_BLOCK_HEADING) {
        bool run_on = before && before->kind == PH_BLOCK_HEADING && before->level <= b->level;
        unsigned level = b->level < 1 ? 1 : b->level > 6 ? 6 : b->level;
        return run_on ? PH_BOUND_GLUE : (ph_bound)(PH_BOUND_SECTION + (6 - level));
    }
    if (before && (before->kind == PH_BLOCK_HEADING || before->kind == PH_BLOCK_SCENE ||
                   before->kind == PH_BLOCK_SPEAKER))
        return b->kind == PH_BLOCK_SCENE && before->kind != PH_BLOCK_HEADING ? PH_BOUND_SCENE
                                                                             : PH_BOUND_GLUE;
    if (b->kind == PH_BLOCK_SCENE)
        return PH_BOUND_SCENE;
    if (before && is_row(b->kind) && before->kind == b->kind)
        return PH_BOUND_SENTENCE;
    if (is_row(b->kind) || b->kind == PH_BLOCK_CAPTION)
        return PH_BOUND_PART;
    return PH_BOUND_BLOCK;
}

/* --- the atoms of one block --- */

static bool has_blank_line(ph_str text, size_t from, size_t to)
{
    unsigned breaks = 0;
    for (size_t at = to; at > from; at--) {
        char c = text.p[at - 1];
        if (c == '\n' && ++breaks == 2)
            return true;
        if (c != '\n' && c != ' ' && c != '\t' && c != '\r')
            return false;
    }
    return false;
}

static phial_status add_sentences(ph_page_atoms *p, ph_str text, const ph_doc_block *b,
                                  ph_bound bound, size_t block, phial_error *err)
{
    ph_str all = {text.p, b->end};
    phial_status st = PHIAL_OK;
    for (size_t from = b->start; from < b->end && st == PHIAL_OK;) {
        size_t end = ph_sentence_end(all, from, PH_SENTENCE_WRAPPED | PH_SENTENCE_ABBREVIATIONS);
        if (from > b->start)
            bound = has_blank_line(text, b->start, from) ? PH_BOUND_BLOCK : PH_BOUND_SENTENCE;
        st = add_atom(p, from, bound, b->kind, block, err);
        from = end;
    }
    return st;
}

/* Lines of code. Behind a blank line something new begins: a block if it stands at the margin. */
static phial_status add_lines(ph_page_atoms *p, ph_str text, const ph_doc_block *b, ph_bound bound,
                              size_t block, phial_error *err)
{
    phial_status st = PHIAL_OK;
    bool blank_before = false;
    for (size_t from = b->start; from < b->end && st == PHIAL_OK;) {
        const char *newline = memchr(text.p + from, '\n', b->end - from);
        size_t end = newline ? (size_t)(newline - text.p) + 1 : b->end;
        size_t first = from;
        while (first < end && memchr(" \t\r\n", text.p[first], 4))
            first++;
        bool blank = first == end;
        if (from > b->start) {
            bool margin = first == from && !memchr("})]", text.p[first], 3);
            bound = blank          ? PH_BOUND_GLUE
                    : blank_before ? (margin ? PH_BOUND_BLOCK : PH_BOUND_PART)
                                   : PH_BOUND_LINE;
        }
        st = add_atom(p, from, bound, b->kind, block, err);
        blank_before = blank;
        from = end;
    }
    return st;
}

static phial_status add_block(ph_page_atoms *p, ph_str text, const ph_doc_block *before,
                              const ph_doc_block *b, size_t block, phial_error *err)
{
    ph_bound bound = bound_between(before, b);
    switch (b->kind) {
    case PH_BLOCK_HEADING:
    case PH_BLOCK_SCENE:
    case PH_BLOCK_SPEAKER:
    case PH_BLOCK_TABLE_ROW:
    case PH_BLOCK_FURNITURE:
        return add_atom(p, b->start, bound, b->kind, block, err);
    case PH_BLOCK_CODE:
        return add_lines(p, text, b, bound, block, err);
    default:
        return add_sentences(p, text, b, bound, block, err);
    }
}

static bool on_boundary(ph_str text, size_t at)
{
    return at == text.n || ((uint8_t)text.p[at] & 0xC0) != 0x80;
}

static phial_status check_page(const ph_doc_page *page, phial_error *err)
{
    if (page->text.n > PH_DOC_PAGE_LIMIT)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "page %u: %zu bytes of text, more than %u",
                          (unsigned)page->number, page->text.n, PH_DOC_PAGE_LIMIT);
    if (page->n_blocks > PH_DOC_BLOCKS_LIMIT)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "page %u: %zu blocks, more than %u",
                          (unsigned)page->number, page->n_blocks, PH_DOC_BLOCKS_LIMIT);
    size_t at = 0;
    for (size_t i = 0; i < page->n_blocks; i++) {
        const ph_doc_block *b = &page->blocks[i];
        if (b->start != at || b->end < at || b->end > page->text.n || b->kind >= PH_BLOCK_N ||
            !on_boundary(page->text, b->end))
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "page %u: block %zu (%zu to %zu) does not go on where the one before "
                              "it ends",
                              (unsigned)page->number, i, b->start, b->end);
        at = b->end;
    }
    if (page->n_blocks > 0 && at != page->text.n)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "page %u: its blocks end at byte %zu of %zu",
                          (unsigned)page->number, at, page->text.n);
    return PHIAL_OK;
}

phial_status ph_page_atoms_make(ph_page_atoms *p, const ph_doc_page *page, phial_encoder *encoder,
                                phial_error *err)
{
    ph_doc_block whole = {0, page->text.n, PH_BLOCK_PARAGRAPH, 0};
    const ph_doc_block *blocks = page->n_blocks ? page->blocks : &whole, *before = NULL;
    size_t n_blocks = page->n_blocks ? page->n_blocks : 1;
    p->n_atoms = 0;
    phial_status st = check_page(page, err);
    for (size_t i = 0; i < n_blocks && st == PHIAL_OK; i++) {
        if (blocks[i].start == blocks[i].end)
            continue;
        st = add_block(p, page->text, before, &blocks[i], i, err);
        before = &blocks[i];
    }
    if (st == PHIAL_OK) {
        st = add_atom(p, page->text.n, PH_BOUND_SECTION, PH_BLOCK_PARAGRAPH, n_blocks, err);
        p->n_atoms -= st == PHIAL_OK;
    }
    return st == PHIAL_OK ? make_tokens(p, page->text, encoder, err) : st;
}
