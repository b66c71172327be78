/* Lines to text: what stands between them, and which hyphens at their ends belong to the word.
 * Contract: layout_parts.h.
 *
 * A soft hyphen goes. A hard one goes if the word without it stands elsewhere in the document;
 * stays if the word with it does; stays if, in English, both halves are words of the document
 * ("long-term": other languages write such compounds together); goes otherwise. In front of a
 * capital or a digit it always stays.
 */
#include <math.h>
#include <string.h>

#include "rag/layout_parts.h"

#define HALF_MAX   200 /* bytes of half a word that are looked at */
#define INDENT_MAX 120 /* blanks in a row, in code */

/* The last word of what is written, back to `from` at most. */
static ph_str written_word(const ph_buf *out, size_t from)
{
    size_t at = out->len;
    if (at == 0)
        return (ph_str){"", 0};
    while (at > from && out->len - at < HALF_MAX && (uint8_t)out->data[at - 1] > ' ')
        at--;
    return (ph_str){out->data + at, out->len - at};
}

/* The first word of a line, over the pieces that stand together. */
static size_t first_word(const ph_lay_work *w, const ph_lay_line *line, char word[HALF_MAX])
{
    size_t n = 0;
    for (uint32_t i = line->first; i < line->first + line->n; i++) {
        ph_str piece = ph_lay_word_text(w, i);
        const char *blank = memchr(piece.p, ' ', piece.n);
        size_t take = blank ? (size_t)(blank - piece.p) : piece.n;
        if (take > HALF_MAX - n)
            break;
        memcpy(word + n, piece.p, take);
        n += take;
        if (blank || i + 1 == line->first + line->n || ph_lay_between(w, line, i) != 0)
            break;
    }
    return n;
}

static bool known(const ph_layout *layout, ph_str word)
{
    uint64_t hash = ph_lay_word_hash(word);
    return hash != 0 && ph_lay_set_has(&layout->vocab, hash);
}

static bool is_english(const ph_layout *layout)
{
    return known(layout, ph_str_from("the")) && known(layout, ph_str_from("of")) &&
           known(layout, ph_str_from("and"));
}

/* left ends before the hyphen. */
static bool hyphen_stays(const ph_layout *layout, ph_str left, ph_str right)
{
    char both[2 * HALF_MAX + 1];
    memcpy(both, left.p, left.n);
    memcpy(both + left.n, right.p, right.n);
    if (known(layout, (ph_str){both, left.n + right.n}))
        return false;
    both[left.n] = '-';
    memcpy(both + left.n + 1, right.p, right.n);
    if (known(layout, (ph_str){both, left.n + 1 + right.n}))
        return true;
    return left.n >= 3 && right.n >= 3 && known(layout, left) && known(layout, right) &&
           is_english(layout);
}

/* Appends what belongs between the text written so far and the line. */
static void join_line(ph_lay_work *w, size_t from, const ph_lay_line *line)
{
    char next[HALF_MAX];
    size_t hyphen_bytes;
    ph_str left = written_word(&w->out, from);
    ph_str right = {next, first_word(w, line, next)};
    uint32_t last = ph_lay_last_char(left, &hyphen_bytes), first = ph_lay_first_char(right, NULL);
    if (ph_lay_is_hyphen(last) && left.n > hyphen_bytes) {
        ph_str half = {left.p, left.n - hyphen_bytes};
        bool letters = ph_lay_is_letter(ph_lay_last_char(half, NULL));
        if (last == 0xad ||
            (letters && ph_lay_is_lower(first) && !hyphen_stays(w->layout, half, right)))
            w->out.len -= hyphen_bytes;
        if (last == 0xad || letters || ph_lay_kind_of(first) == PH_LAY_DIGITS)
            return;
    }
    bool cjk = ph_lay_kind_of(last) == PH_LAY_CJK && ph_lay_kind_of(first) == PH_LAY_CJK;
    if (!cjk)
        ph_buf_add_byte(&w->out, ' ');
}

static void write_words(ph_lay_work *w, const ph_lay_line *line, bool cells)
{
    for (uint32_t i = line->first; i < line->first + line->n; i++) {
        ph_str text = ph_lay_word_text(w, i);
        ph_buf_add(&w->out, text.p, text.n);
        char between = i + 1 < line->first + line->n ? ph_lay_between(w, line, i) : 0;
        if (between)
            ph_buf_add_byte(&w->out, between == '\t' && cells ? '\t' : ' ');
    }
}

static void add_blanks(ph_buf *out, float n)
{
    for (int left = n > INDENT_MAX ? INDENT_MAX : (int)n; left > 0; left--)
        ph_buf_add_byte(out, ' ');
}

/* Fixed pitch: blanks are counted. */
static void write_code(ph_lay_work *w, const ph_lay_line *line, float left, float pitch)
{
    add_blanks(&w->out, roundf((line->x0 - left) / pitch));
    for (uint32_t i = line->first; i < line->first + line->n; i++) {
        ph_str text = ph_lay_word_text(w, i);
        ph_buf_add(&w->out, text.p, text.n);
        if (i + 1 == line->first + line->n || !ph_lay_between(w, line, i))
            continue;
        float gap = (ph_lay_word_at(w, i + 1)->x0 - ph_lay_word_at(w, i)->x1) / pitch;
        add_blanks(&w->out, ph_lay_max(1, roundf(gap)));
    }
}

static float pitch_of(const ph_lay_work *w, size_t first, size_t n)
{
    float width = 0, chars = 0;
    for (size_t i = first; i < first + n; i++) {
        const ph_lay_line *line = &w->lines[i];
        for (uint32_t k = line->first; k < line->first + line->n; k++) {
            width += ph_lay_word_at(w, k)->x1 - ph_lay_word_at(w, k)->x0;
            chars += ph_lay_word_at(w, k)->n_chars;
        }
    }
    float pitch = chars > 0 ? width / chars : 1;
    return pitch > 0.1f ? pitch : 0.1f;
}

/* Blocks of one kind that belong together stand on lines of their own; an empty line is between
 * all others. It belongs to the block before. */
static void separate(ph_lay_work *w, const ph_lay_block *block)
{
    ph_lay_page *page = w->page;
    if (page->n_blocks == 0)
        return;
    ph_lay_block *before = &page->blocks[page->n_blocks - 1];
    bool close = (before->kind == block->kind &&
                  (block->kind == PH_BLOCK_TABLE_ROW || block->kind == PH_BLOCK_LIST_ITEM ||
                   block->kind == PH_BLOCK_FURNITURE)) ||
                 (before->kind == PH_BLOCK_SPEAKER && block->kind == PH_BLOCK_SPEECH);
    ph_buf_add_str(&w->out, close ? "\n" : "\n\n");
    before->end = w->out.len;
}

/* A paragraph that was interrupted by the end of a column. */
static bool goes_on(const ph_lay_work *w, const ph_lay_block *block, const ph_lay_line *line)
{
    const ph_lay_page *page = w->page;
    char next[HALF_MAX];
    if (page->n_blocks == 0 || w->tail_region == w->region || block->kind != PH_BLOCK_PARAGRAPH)
        return false;
    const ph_lay_block *before = &page->blocks[page->n_blocks - 1];
    const ph_lay_line *tail = &w->lines[w->tail];
    if (before->kind != PH_BLOCK_PARAGRAPH && before->kind != PH_BLOCK_LIST_ITEM)
        return false;
    uint32_t last = ph_lay_last_char(written_word(&w->out, before->start), NULL);
    uint32_t first = ph_lay_first_char((ph_str){next, first_word(w, line, next)}, NULL);
    return fabsf(tail->size - line->size) < 0.3f && ph_lay_is_lower(first) && last != '.' &&
           last != '!' && last != '?' && last != ':';
}

phial_status ph_lay_write(ph_lay_work *w, size_t first, size_t n, ph_lay_join join,
                          ph_lay_block block, phial_error *err)
{
    ph_lay_page *page = w->page;
    bool on = join == PH_LAY_FLOW && goes_on(w, &block, &w->lines[first]);
    float left = w->lines[first].x0, pitch = join == PH_LAY_CODE ? pitch_of(w, first, n) : 1;
    phial_status status =
        ph_lay_grow(&page->blocks, &page->cap_blocks, page->n_blocks + 1, sizeof block, err);
    if (status != PHIAL_OK)
        return status;
    if (!on) {
        if (page->n_blocks == PH_DOC_BLOCKS_LIMIT)
            return ph_err_set(err, PHIAL_ERR_LIMIT, "page %u: too many blocks (limit %u)",
                              page->number, PH_DOC_BLOCKS_LIMIT);
        separate(w, &block);
        block.start = w->out.len;
        page->blocks[page->n_blocks++] = block;
    }
    ph_lay_block *open = &page->blocks[page->n_blocks - 1];
    for (size_t i = first; i < first + n; i++)
        left = ph_lay_min(left, w->lines[i].x0);
    for (size_t i = first; i < first + n; i++) {
        bool flows = join == PH_LAY_FLOW || join == PH_LAY_ROW;
        if (flows && (i > first || on))
            join_line(w, open->start, &w->lines[i]);
        else if (i > first)
            ph_buf_add_byte(&w->out, '\n');
        if (join == PH_LAY_CODE)
            write_code(w, &w->lines[i], left, pitch);
        else
            write_words(w, &w->lines[i], join == PH_LAY_ROW);
    }
    open->end = w->out.len;
    w->tail = first + n - 1;
    w->tail_region = w->region;
    return ph_buf_status(&w->out, err);
}
