/* The helper's end of the stream; contract and format in doc_stream.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "fmt/doc_stream.h"
#include "fmt/doc_stream_records.h"

enum { FLUSH_AT = 48 << 10 }; /* below what a pipe holds: the reader works beside us */

/* The failure that there was, once more. */
static phial_status again(const ph_doc_writer *w, phial_error *err)
{
    if (w->status == PHIAL_OK)
        return PHIAL_OK;
    return ph_err_set(err, w->status, "%s", w->failure.message);
}

static phial_status fail(ph_doc_writer *w, phial_status status, phial_error *err, const char *what)
{
    if (w->status == PHIAL_OK)
        w->status = ph_err_set(&w->failure, status, "%s", what);
    return again(w, err);
}

phial_status ph_doc_writer_flush(ph_doc_writer *w, phial_error *err)
{
    size_t done = 0;
    if (w->fd == PH_DOC_IN_MEMORY)
        return again(w, err);
    while (w->status == PHIAL_OK && done < w->pending.len) {
        ssize_t n = write(w->fd, w->pending.data + done, w->pending.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            w->status = ph_err_errno(&w->failure, errno, "writing the document's stream");
        else
            done += (size_t)n;
    }
    ph_buf_clear(&w->pending);
    return again(w, err);
}

/* The head of a record whose payload has n bytes. */
static phial_status begin(ph_doc_writer *w, uint8_t type, size_t n, phial_error *err)
{
    if (w->status != PHIAL_OK)
        return again(w, err);
    if (w->fd != PH_DOC_IN_MEMORY && w->pending.len >= FLUSH_AT &&
        ph_doc_writer_flush(w, err) != PHIAL_OK)
        return w->status;
    if (n > PH_DOC_RECORD_LIMIT)
        return fail(w, PHIAL_ERR_LIMIT, err, "a record of the stream is too long");
    if (!ph_buf_reserve(&w->pending, n + PH_DOC_HEAD_BYTES))
        return fail(w, PHIAL_ERR_NO_MEMORY, err, "out of memory (a record of the stream)");
    ph_buf_add_byte(&w->pending, type);
    ph_buf_add_u32(&w->pending, (uint32_t)n);
    return PHIAL_OK;
}

/* The longest beginning of s with at most limit bytes and no character cut. */
static ph_str cut(ph_str s, size_t limit)
{
    return (ph_str){s.p, ph_utf8_cut(s.p, s.n, limit)};
}

phial_status ph_doc_writer_init(ph_doc_writer *w, int fd, phial_error *err)
{
    *w = (ph_doc_writer){.fd = fd};
    ph_buf_init(&w->pending, 0);
    if (begin(w, PH_DOC_HELLO, 4, err) == PHIAL_OK)
        ph_buf_add_u32(&w->pending, PH_DOC_STREAM_VERSION);
    return w->status;
}

void ph_doc_writer_free(ph_doc_writer *w)
{
    ph_buf_free(&w->pending);
}

phial_status ph_doc_write_info(ph_doc_writer *w, const char *key, ph_str value, phial_error *err)
{
    size_t n_key = strlen(key);
    if (n_key + 1 >= PH_DOC_INFO_LIMIT)
        return fail(w, PHIAL_ERR_ARGUMENT, err, "a key of an info record is too long");
    if (w->n_infos >= PH_DOC_INFOS_LIMIT / 2)
        return again(w, err);
    w->n_infos++;
    value = cut(value, PH_DOC_INFO_LIMIT - n_key - 1);
    if (begin(w, PH_DOC_INFO, n_key + 1 + value.n, err) == PHIAL_OK) {
        ph_buf_add(&w->pending, key, n_key + 1);
        ph_buf_add(&w->pending, value.p, value.n);
    }
    return w->status;
}

static phial_status write_text(ph_doc_writer *w, uint8_t type, ph_str text, size_t limit,
                               phial_error *err)
{
    text = cut(text, limit);
    if (begin(w, type, text.n, err) == PHIAL_OK)
        ph_buf_add(&w->pending, text.p, text.n);
    return w->status;
}

phial_status ph_doc_write_note(ph_doc_writer *w, ph_str sentence, phial_error *err)
{
    if (w->n_notes >= PH_DOC_INFOS_LIMIT / 2)
        return again(w, err);
    if (++w->n_notes == PH_DOC_INFOS_LIMIT / 2)
        sentence = ph_str_from("there is more to tell, which is left out");
    return write_text(w, PH_DOC_NOTE, sentence, PH_DOC_INFO_LIMIT, err);
}

static phial_status open_page(ph_doc_writer *w, phial_error *err)
{
    uint32_t most = w->max_pages ? w->max_pages : PH_DOC_PAGES_LIMIT;
    char what[64];
    w->page_bytes = 0;
    if (w->status != PHIAL_OK || ++w->n_pages <= most)
        return again(w, err);
    snprintf(what, sizeof what, "more than %u pages", most);
    return fail(w, PHIAL_ERR_LIMIT, err, what);
}

phial_status ph_doc_write_page(ph_doc_writer *w, uint32_t number, ph_str label, phial_error *err)
{
    label = cut(label, PH_DOC_LABEL_LIMIT);
    if (w->in_page)
        return fail(w, PHIAL_ERR_ARGUMENT, err, "a page begins inside another");
    if (open_page(w, err) == PHIAL_OK && begin(w, PH_DOC_PAGE, 4 + label.n, err) == PHIAL_OK) {
        ph_buf_add_u32(&w->pending, number);
        ph_buf_add(&w->pending, label.p, label.n);
        w->in_page = true;
    }
    return w->status;
}

phial_status ph_doc_write_label(ph_doc_writer *w, ph_str label, phial_error *err)
{
    return write_text(w, PH_DOC_LABEL, label, PH_DOC_LABEL_LIMIT, err);
}

/* Counts n bytes of text against the document's limit. */
static phial_status count_text(ph_doc_writer *w, size_t n, phial_error *err)
{
    char what[64];
    if (w->status != PHIAL_OK)
        return again(w, err);
    w->text_bytes += n;
    w->page_bytes += n;
    if (w->max_text && w->text_bytes > w->max_text) {
        snprintf(what, sizeof what, "more than %llu bytes of text",
                 (unsigned long long)w->max_text);
        return fail(w, PHIAL_ERR_LIMIT, err, what);
    }
    if (w->page_bytes > PH_DOC_PAGE_LIMIT)
        return fail(w, PHIAL_ERR_LIMIT, err, "a page has too much text");
    return PHIAL_OK;
}

phial_status ph_doc_write_block(ph_doc_writer *w, ph_block_kind kind, unsigned level, ph_str text,
                                phial_error *err)
{
    enum { PIECE = PH_DOC_RECORD_LIMIT / 2 };
    ph_str piece = cut(text, PIECE);
    if (text.n == 0 || count_text(w, text.n, err) != PHIAL_OK ||
        begin(w, PH_DOC_BLOCK, 2 + piece.n, err) != PHIAL_OK)
        return w->status;
    ph_buf_add_byte(&w->pending, (uint8_t)kind);
    ph_buf_add_byte(&w->pending, (uint8_t)(level > 255 ? 255 : level));
    ph_buf_add(&w->pending, piece.p, piece.n);
    for (size_t at = piece.n; at < text.n && w->status == PHIAL_OK; at += piece.n) {
        piece = cut((ph_str){text.p + at, text.n - at}, PIECE);
        write_text(w, PH_DOC_MORE, piece, PIECE, err);
    }
    return w->status;
}

phial_status ph_doc_write_page_end(ph_doc_writer *w, phial_error *err)
{
    w->in_page = false;
    return write_text(w, PH_DOC_PAGE_END, (ph_str){"", 0}, 0, err);
}

static void add_f32(ph_buf *buf, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    ph_buf_add_u32(buf, bits);
}

static void add_u16(ph_buf *buf, unsigned v)
{
    ph_buf_add_byte(buf, (uint8_t)(v & 255));
    ph_buf_add_byte(buf, (uint8_t)(v >> 8 & 255));
}

static phial_status write_word(ph_doc_writer *w, const ph_doc_word *word, ph_str text,
                               phial_error *err)
{
    ph_buf *out = &w->pending;
    if (begin(w, PH_DOC_WORDS, PH_DOC_WORD_BYTES + text.n, err) != PHIAL_OK)
        return w->status;
    add_f32(out, word->x0);
    add_f32(out, word->y0);
    add_f32(out, word->x1);
    add_f32(out, word->y1);
    add_f32(out, word->size);
    add_u16(out, word->font);
    ph_buf_add_byte(out, word->flags);
    ph_buf_add_byte(out, word->turn);
    add_u16(out, (unsigned)text.n);
    ph_buf_add(out, text.p, text.n);
    return PHIAL_OK;
}

phial_status ph_doc_write_words(ph_doc_writer *w, const ph_doc_words *page, phial_error *err)
{
    ph_str label = cut(page->label, PH_DOC_LABEL_LIMIT);
    if (open_page(w, err) != PHIAL_OK || count_text(w, page->text.n, err) != PHIAL_OK ||
        begin(w, PH_DOC_WORDS_PAGE, 4 + 4 + 4 + 2 + label.n, err) != PHIAL_OK)
        return w->status;
    ph_buf_add_u32(&w->pending, page->number);
    add_f32(&w->pending, page->width);
    add_f32(&w->pending, page->height);
    add_u16(&w->pending, page->turn);
    ph_buf_add(&w->pending, label.p, label.n);
    for (size_t i = 0; i < page->n_words && w->status == PHIAL_OK; i++) {
        const ph_doc_word *word = &page->words[i];
        ph_str text = cut((ph_str){page->text.p + word->start, word->bytes}, PH_DOC_WORD_LIMIT);
        if (text.n > 0)
            write_word(w, word, text, err);
    }
    return write_text(w, PH_DOC_PAGE_END, (ph_str){"", 0}, 0, err);
}

phial_status ph_doc_write_failed(ph_doc_writer *w, phial_status status, const char *sentence)
{
    ph_str text = cut(ph_str_from(sentence), PHIAL_ERROR_MESSAGE_BYTES);
    /* The failure of the document outlives one of the writer, unless nobody reads any more. */
    if (w->status != PHIAL_ERR_IO)
        w->status = PHIAL_OK;
    if (begin(w, PH_DOC_FAILED, 4 + text.n, NULL) == PHIAL_OK) {
        ph_buf_add_u32(&w->pending, (uint32_t)status);
        ph_buf_add(&w->pending, text.p, text.n);
    }
    return ph_doc_writer_flush(w, NULL);
}

phial_status ph_doc_write_end(ph_doc_writer *w, phial_error *err)
{
    write_text(w, PH_DOC_END, (ph_str){"", 0}, 0, err);
    return ph_doc_writer_flush(w, err);
}
