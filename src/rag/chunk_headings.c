/* Paths of headings; contract in chunk_headings.h. */
#include "rag/chunk_headings.h"

void ph_headings_init(ph_headings *h)
{
    for (size_t i = 0; i < PH_HEADING_LEVELS; i++)
        ph_buf_init(&h->level[i], 0);
}

void ph_headings_free(ph_headings *h)
{
    for (size_t i = 0; i < PH_HEADING_LEVELS; i++)
        ph_buf_free(&h->level[i]);
}

void ph_headings_clear(ph_headings *h)
{
    for (size_t i = 0; i < PH_HEADING_LEVELS; i++)
        ph_buf_clear(&h->level[i]);
}

/* Where a block stands in the path; PH_HEADING_LEVELS: it is no heading. */
static size_t level_of(const ph_doc_block *b)
{
    switch (b->kind) {
    case PH_BLOCK_HEADING:
        return b->level < 1 ? 0 : b->level > 6 ? 5 : b->level - 1u;
    case PH_BLOCK_SCENE:
        return 6;
    case PH_BLOCK_SPEAKER:
        return 7;
    default:
        return PH_HEADING_LEVELS;
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\v';
}

/* One line without blanks around it, cut at a character. */
static void add_line(ph_buf *out, ph_str s)
{
    bool blank = false;
    for (size_t i = 0; i < s.n; i++) {
        if (is_blank(s.p[i])) {
            blank = out->len > 0;
            continue;
        }
        bool first = ((uint8_t)s.p[i] & 0xC0) != 0x80;
        if (first && out->len + 5 > PH_HEADING_BYTES) {
            ph_buf_add_str(out, "\xE2\x80\xA6");
            return;
        }
        if (blank)
            ph_buf_add_byte(out, ' ');
        ph_buf_add_byte(out, (uint8_t)s.p[i]);
        blank = false;
    }
}

phial_status ph_headings_pass(ph_headings *h, ph_str text, const ph_doc_block *block,
                              phial_error *err)
{
    size_t level = level_of(block);
    if (level == PH_HEADING_LEVELS) {
        /* A page number between the halves of a speech does not end it. */
        if (block->kind != PH_BLOCK_SPEECH && block->kind != PH_BLOCK_FURNITURE)
            ph_buf_clear(&h->level[7]);
        return ph_buf_status(&h->level[7], err);
    }
    for (size_t i = level; i < PH_HEADING_LEVELS; i++)
        ph_buf_clear(&h->level[i]);
    add_line(&h->level[level], (ph_str){text.p + block->start, block->end - block->start});
    return ph_buf_status(&h->level[level], err);
}

phial_status ph_headings_path(const ph_headings *h, ph_buf *out, const ph_doc_block *block,
                              phial_error *err)
{
    size_t below = block ? level_of(block) : PH_HEADING_LEVELS;
    if (block && below == PH_HEADING_LEVELS && block->kind != PH_BLOCK_SPEECH &&
        block->kind != PH_BLOCK_FURNITURE)
        below = 7;
    ph_buf_clear(out);
    for (size_t i = 0; i < below; i++) {
        const ph_buf *one = &h->level[i];
        if (one->len == 0 || out->len + one->len + 3 > PH_CONTEXT_BYTES)
            continue;
        if (out->len > 0)
            ph_buf_add_str(out, " > ");
        ph_buf_add(out, one->data, one->len);
    }
    return ph_buf_status(out, err);
}
