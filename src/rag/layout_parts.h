/* The steps of layout.h, in the order in which a page goes through them:
 *
 *   layout_intake   words are cleaned, turned so that their lines run along x and follow each other
 *                   along y, and counted (sizes, vocabulary)
 *   layout_margins  running heads and page numbers are found over the pages of a window
 *   layout_columns  the words of a page become regions in reading order
 *   layout_lines    the words of a region become lines
 *   layout_blocks   lines become paragraphs, headings, rows of tables, ...
 *   layout_script   the same for screenplays
 *   layout_text     blocks become text; hyphenation is joined
 *
 * A frame is what is read in one direction: text that runs upwards in the margin is another frame
 * than the text beside it. Coordinates of a frame run in its reading direction (mirrored where the
 * script runs from right to left), so that all later steps see lines from left to right.
 */
#ifndef PH_RAG_LAYOUT_PARTS_H
#define PH_RAG_LAYOUT_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "rag/layout.h"

#define PH_LAY_FRAMES  4
#define PH_LAY_SIZES   512        /* bins of a quarter point */
#define PH_LAY_MARGINS 3          /* lines at the top, and at the bottom, that may be furniture */
#define PH_LAY_CLASSES 64         /* looks that headings have in a document */
#define PH_LAY_VOCAB   (1u << 20) /* different words that are remembered */

typedef enum ph_lay_kind {
    PH_LAY_OTHER,
    PH_LAY_DIGITS,
    PH_LAY_LTR,
    PH_LAY_RTL,
    PH_LAY_CJK
} ph_lay_kind;

typedef struct ph_lay_word {
    float x0, y0, x1, y1, size; /* of the frame */
    uint32_t start, bytes;      /* in the page's cleaned text; bytes >= 1 */
    uint32_t order;             /* place in the source */
    uint16_t n_chars;
    uint16_t n_digits;
    uint8_t flags;  /* PH_WORD_... */
    uint8_t frame;  /* 0 is read first */
    uint8_t kind;   /* ph_lay_kind */
    uint8_t margin; /* 0, or 1 + index of the margin line it is in */
} ph_lay_word;

/* A line near the top or bottom of a page that may be furniture. */
typedef struct ph_lay_margin {
    uint64_t text;  /* hash with numbers left out */
    uint64_t place; /* hash of side, height on the page and size */
    int32_t value;  /* number in it, for page numbers; 0: none */
    bool only_number;
    bool apart;  /* more space to the rest of the page than between its lines */
    bool bottom; /* else top */
    bool marked;
} ph_lay_margin;

typedef struct ph_lay_line {
    uint32_t first, n;    /* in the words' order */
    float x0, x1, y0, y1; /* y: of the tallest words */
    float size;           /* of most characters */
    uint32_t n_chars;
    uint16_t n_cells;
    bool bold, mono, upper;
    uint8_t kind; /* ph_lay_kind of most characters */
    uint8_t role; /* ph_block_kind + 1 where the words side by side say it; 0 */
} ph_lay_line;

typedef struct ph_lay_block {
    size_t start, end;
    uint8_t kind, level; /* ph_block_kind */
    uint8_t look;        /* of a heading: index in ph_layout.looks */
} ph_lay_block;

typedef struct ph_lay_page {
    uint32_t number;
    float width[PH_LAY_FRAMES], height[PH_LAY_FRAMES];
    bool rtl[PH_LAY_FRAMES];
    ph_buf label, text; /* text: of all words, then, once laid out, of the page */
    ph_lay_word *words; /* owned, by frame and then source order */
    size_t n_words;
    ph_lay_margin margins[2 * PH_LAY_MARGINS];
    size_t n_margins;
    ph_lay_block *blocks; /* owned */
    size_t n_blocks, cap_blocks;
} ph_lay_page;

typedef struct ph_lay_look {
    float size;
    bool bold;
} ph_lay_look;

/* A set of 64-bit hashes. */
typedef struct ph_lay_set {
    uint64_t *slots; /* owned; 0 is empty */
    size_t n, cap;
} ph_lay_set;

bool ph_lay_set_has(const ph_lay_set *set, uint64_t hash);
/* Silently full at PH_LAY_VOCAB. */
phial_status ph_lay_set_add(ph_lay_set *set, uint64_t hash, phial_error *err);

struct ph_layout {
    ph_layout_page_fn emit; /* borrowed with user */
    void *user;
    ph_lay_page *pages; /* [PH_LAYOUT_WINDOW] owned */
    size_t n_pages, held_bytes;
    /* learnt so far */
    ph_lay_set vocab;
    uint64_t size_chars[PH_LAY_SIZES];
    uint64_t n_chars, n_mono_chars;
    uint64_t n_scenes; /* lines that begin as scene headings do */
    uint64_t n_pages_seen;
    ph_lay_set margin_texts, margin_places; /* of pages before this window */
    ph_lay_look looks[PH_LAY_CLASSES];
    size_t n_looks;
    float body_size;
    bool mono_body, screenplay;
    float action_x;           /* of a screenplay; -1: unknown */
    struct ph_lay_work *work; /* owned */
};

/* Memory for one page after the other. */
typedef struct ph_lay_work {
    ph_layout *layout;
    ph_lay_page *page;
    uint32_t *order; /* indices of words; regions and lines are ranges of it */
    size_t n_order, cap_order;
    uint32_t *spare; /* [cap_order] */
    ph_lay_line *lines;
    size_t n_lines, cap_lines;
    struct ph_lay_region *regions;
    size_t n_regions, cap_regions;
    size_t region;            /* that is being written */
    size_t tail, tail_region; /* the line and region written last */
    unsigned fuel;            /* searches for columns that are still allowed on this page */
    ph_buf out;
    ph_doc_block *emitted;
    size_t cap_emitted;
} ph_lay_work;

typedef struct ph_lay_region {
    size_t first, n; /* in order */
} ph_lay_region;

/* As fminf() and fmaxf() but for NaN, of which there is none behind the intake; inlined. */
static inline float ph_lay_min(float a, float b)
{
    return a < b ? a : b;
}

static inline float ph_lay_max(float a, float b)
{
    return a > b ? a : b;
}

/* Room for n elements; keeps what there is. */
phial_status ph_lay_grow(void *array, size_t *cap, size_t n, size_t size, phial_error *err);

/* --- intake --- */
phial_status ph_lay_intake(ph_layout *layout, ph_lay_page *page, const ph_doc_words *source,
                           phial_error *err);
void ph_lay_page_clear(ph_lay_page *page); /* memory is kept */
void ph_lay_page_free(ph_lay_page *page);

/* --- characters (layout_chars) --- */
/* Appends the text of a word with ligatures unfolded; counts by kind. */
typedef struct ph_lay_count {
    uint32_t n_chars, by_kind[PH_LAY_CJK + 1];
} ph_lay_count;
phial_status ph_lay_clean(ph_buf *out, ph_str text, ph_lay_count *count, phial_error *err);
ph_lay_kind ph_lay_kind_of(uint32_t cp);
uint32_t ph_lay_fold(uint32_t cp); /* lower case of bicameral scripts */
bool ph_lay_is_upper(uint32_t cp);
bool ph_lay_is_lower(uint32_t cp);
bool ph_lay_is_letter(uint32_t cp);
uint32_t ph_lay_first_char(ph_str s, size_t *len); /* 0: empty */
uint32_t ph_lay_last_char(ph_str s, size_t *len);
bool ph_lay_is_hyphen(uint32_t cp);
/* Hash of a word without case and without what is not letters or digits at its ends; 0: nothing is
 * left. */
uint64_t ph_lay_word_hash(ph_str word);
/* Letters without an uppercase counterpart among them: false. At least `least` capitals. */
bool ph_lay_all_caps(ph_str s, unsigned least);

/* --- margins --- */
phial_status ph_lay_find_margins(ph_lay_work *w, phial_error *err);
phial_status ph_lay_mark_margins(ph_layout *layout, phial_error *err);

/* --- columns --- */
/* Orders w->order[first .. first + n) into regions, appended to w->regions. */
phial_status ph_lay_columns(ph_lay_work *w, size_t first, size_t n, phial_error *err);

/* --- lines --- */
/* Orders w->order[first .. first + n) into lines, appended to w->lines. */
phial_status ph_lay_lines(ph_lay_work *w, size_t first, size_t n, phial_error *err);
/* Counts what a line, whose words are in order, holds. */
void ph_lay_measure(const ph_lay_work *w, ph_lay_line *line);
/* What stands between two neighbours of a line: 0 nothing, ' ', or '\t' between cells. */
char ph_lay_between(const ph_lay_work *w, const ph_lay_line *line, uint32_t i);
ph_str ph_lay_word_text(const ph_lay_work *w, uint32_t i); /* i in order */
const ph_lay_word *ph_lay_word_at(const ph_lay_work *w, uint32_t i);
/* Appends a line's words with what stands between them. */
phial_status ph_lay_line_text(ph_buf *out, const ph_lay_work *w, const ph_lay_line *line,
                              phial_error *err);

/* --- blocks --- */
/* Lines [first, first + n) of one region to blocks, written behind each other into w->out. */
phial_status ph_lay_blocks(ph_lay_work *w, size_t first, size_t n, phial_error *err);
phial_status ph_lay_script_blocks(ph_lay_work *w, size_t first, size_t n, phial_error *err);
bool ph_lay_is_scene(ph_str line);

/* --- text --- */
typedef enum ph_lay_join { PH_LAY_FLOW, PH_LAY_LINES, PH_LAY_ROW, PH_LAY_CODE } ph_lay_join;
/* Writes lines [first, first + n) as one block and appends it to the page's. */
phial_status ph_lay_write(ph_lay_work *w, size_t first, size_t n, ph_lay_join join,
                          ph_lay_block block, phial_error *err);

#endif
