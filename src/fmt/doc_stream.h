/* The stream that a helper program writes and the library reads: a document on its way from a
 * parser that is not trusted to fmt/doc.h.
 *
 * A stream is a list of records: type (1 byte), length of the payload (u32), payload; all numbers
 * little-endian, all texts UTF-8 without NUL. The payloads are:
 *
 *   HELLO      u32 PH_DOC_STREAM_VERSION; the first record, and only that
 *   INFO       key, 0x00, value
 *   NOTE       sentence
 *   PAGE       u32 number, label; opens a page of blocks
 *   LABEL      label; replaces the label of the open page
 *   BLOCK      u8 kind, u8 level, text; text with the separator behind it. The texts of a page's
 *              blocks, put together, are the page's text
 *   MORE       text; goes on with the block before
 *   PAGE_END   nothing
 *   WORDS_PAGE u32 number, f32 width, f32 height, u16 quarter turns of the page, label; opens a
 * page of words WORDS      words one behind the other: f32 x0, y0, x1, y1, f32 font size, u16 font,
 * u8 flags, u8 turn, u16 length of the text, text FAILED     u32 status, sentence; the last record
 * of a helper that gives up END        nothing; the last record of a complete document
 *
 * The reader takes the bytes as they come and trusts none of them: lengths have limits, bad UTF-8
 * and NULs become U+FFFD, pages rise, what is out of place ends the reading with a sentence.
 *
 * Threads: a writer or reader belongs to one thread at a time.
 */
#ifndef PH_FMT_DOC_STREAM_H
#define PH_FMT_DOC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "fmt/doc.h"

#define PH_DOC_STREAM_VERSION 1u
#define PH_DOC_RECORD_LIMIT   (1u << 20) /* bytes of a payload */
#define PH_DOC_LABEL_LIMIT    (1u << 10) /* bytes of a label; what is longer is cut */
#define PH_DOC_INFO_LIMIT     (64u << 10)
#define PH_DOC_INFOS_LIMIT    256        /* info records, and notes, of a document */
#define PH_DOC_WORDS_LIMIT    (1u << 20) /* words of a page */
#define PH_DOC_WORD_LIMIT     4096       /* bytes of a word */

enum {
    PH_WORD_BOLD = 1,
    PH_WORD_ITALIC = 2,
    PH_WORD_MONO = 4,     /* fixed pitch */
    PH_WORD_SYMBOL = 8,   /* a font of symbols or mathematics */
    PH_WORD_SPACE = 16,   /* the parser sees a space behind it */
    PH_WORD_LINE = 32,    /* the parser sees the end of a line behind it */
    PH_WORD_VERTICAL = 64 /* characters stand below each other */
};

/* Points, from the upper left corner of the page as it is shown, y downwards; finite, and x0 <= x1,
 * y0 <= y1 (the reader sees to it). */
typedef struct ph_doc_word {
    float x0, y0, x1, y1;
    float size;    /* of the font, in points; 0: unknown */
    uint16_t font; /* the same number is the same font, in all of the document; 0: unknown */
    uint8_t flags; /* PH_WORD_... */
    uint8_t turn;  /* quarter turns clockwise of its baseline, as shown: 0 .. 3 */
    uint32_t start, bytes; /* of its text, in ph_doc_words.text */
} ph_doc_word;

typedef struct ph_doc_words {
    uint32_t number;
    float width, height; /* as shown */
    uint16_t turn;       /* quarter turns of the page, already applied to the boxes */
    ph_str label;
    ph_str text; /* of all words, without anything between them */
    const ph_doc_word *words;
    size_t n_words;
} ph_doc_words;

/* --- writer, for helpers --- */

typedef struct ph_doc_writer {
    int fd;
    ph_buf pending;
    phial_status status; /* of the first failure; all calls behind it return it again */
    phial_error failure;
    uint64_t text_bytes; /* of blocks and words so far */
    uint64_t max_text;   /* 0: none; more is PHIAL_ERR_LIMIT */
    uint32_t n_infos, n_notes;
    uint32_t n_pages;
    uint32_t max_pages; /* 0: PH_DOC_PAGES_LIMIT */
    size_t page_bytes;  /* of the open page */
    bool in_page;
} ph_doc_writer;

/* Instead of a descriptor: nothing is written anywhere, the stream grows in w->pending. */
#define PH_DOC_IN_MEMORY (-2)

/* Writes HELLO. fd is borrowed. */
phial_status ph_doc_writer_init(ph_doc_writer *w, int fd, phial_error *err);
void ph_doc_writer_free(ph_doc_writer *w);

/* All return the first failure of the writer, also of calls before. Texts that are longer than
 * their limit are cut at a character; empty blocks are left out, and so are infos and notes beyond
 * half of PH_DOC_INFOS_LIMIT each: a document with many is not refused for them. */
phial_status ph_doc_write_info(ph_doc_writer *w, const char *key, ph_str value, phial_error *err);
phial_status ph_doc_write_note(ph_doc_writer *w, ph_str sentence, phial_error *err);
phial_status ph_doc_write_page(ph_doc_writer *w, uint32_t number, ph_str label, phial_error *err);
phial_status ph_doc_write_label(ph_doc_writer *w, ph_str label, phial_error *err);
phial_status ph_doc_write_block(ph_doc_writer *w, ph_block_kind kind, unsigned level, ph_str text,
                                phial_error *err);
phial_status ph_doc_write_page_end(ph_doc_writer *w, phial_error *err);
/* A whole page of words; words[i].start and bytes are in page->text. */
phial_status ph_doc_write_words(ph_doc_writer *w, const ph_doc_words *page, phial_error *err);
phial_status ph_doc_write_failed(ph_doc_writer *w, phial_status status, const char *sentence);
phial_status ph_doc_write_end(ph_doc_writer *w, phial_error *err);
/* What is pending goes to fd, unless it stays in memory. */
phial_status ph_doc_writer_flush(ph_doc_writer *w, phial_error *err);

/* --- reader --- */

/* What is handed over is borrowed for the call. A status other than OK ends the reading. */
typedef struct ph_doc_events {
    void *user;
    phial_status (*info)(void *user, ph_str key, ph_str value, phial_error *err);
    phial_status (*note)(void *user, ph_str sentence, phial_error *err);
    phial_status (*page)(void *user, const ph_doc_page *page, phial_error *err);
    phial_status (*words)(void *user, const ph_doc_words *page, phial_error *err); /* may be NULL:
                                                     pages of words are then out of place */
} ph_doc_events;

typedef struct ph_doc_reader ph_doc_reader;

/* max_text: bytes of text of the whole document, 0: no limit; max_pages 0: PH_DOC_PAGES_LIMIT.
 * events is copied. */
phial_status ph_doc_reader_new(ph_doc_reader **out, const ph_doc_events *events, uint64_t max_text,
                               uint32_t max_pages, phial_error *err);
void ph_doc_reader_free(ph_doc_reader *r);

/* The next n bytes, split anywhere. Errors: BAD_INPUT (not such a stream; what the helper says in
 * FAILED, in its words), LIMIT, NO_MEMORY, what an event returns. After an error only free. */
phial_status ph_doc_reader_feed(ph_doc_reader *r, const void *bytes, size_t n, phial_error *err);

/* True once END was read: a stream that stops before is not a complete document. */
bool ph_doc_reader_complete(const ph_doc_reader *r);

#endif
