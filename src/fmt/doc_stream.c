/* The library's end of the stream: a reader that believes nothing. Contract and format in
 * doc_stream.h. */
#include "fmt/doc_stream.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "fmt/doc_stream_records.h"

typedef enum reading { NOWHERE, BETWEEN, IN_PAGE, IN_WORDS, COMPLETE, BROKEN } reading;

struct ph_doc_reader {
    ph_doc_events events;
    uint64_t max_text, text_bytes;
    uint32_t max_pages, n_pages, last_page;
    size_t n_infos;
    reading state;
    ph_buf record; /* head and what there is of the payload */
    ph_buf text;   /* of the open page */
    ph_buf label;
    ph_buf value; /* a repaired text for an event */
    ph_doc_block *blocks;
    size_t n_blocks, cap_blocks;
    ph_doc_word *words;
    size_t n_words, cap_words;
    float width, height;
    uint16_t turn;
};

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static unsigned get_u16(const uint8_t *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static float get_f32(const uint8_t *p)
{
    uint32_t bits = get_u32(p);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static phial_status bad(phial_error *err, const char *what)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the helper's stream: %s", what);
}

/* Appends n bytes as UTF-8 without NUL: what is not, becomes U+FFFD. */
static phial_status add_text(ph_buf *out, const uint8_t *p, size_t n, phial_error *err)
{
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        size_t len;
        if (p[i] > 0 && p[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t cp = ph_utf8_decode(p + i, n - i, &len);
        if (cp == PH_UTF8_INVALID || cp == 0) {
            ph_buf_add(out, p + from, i - from);
            ph_buf_add(out, "\xef\xbf\xbd", 3);
            from = i + len;
        }
        i += len;
    }
    ph_buf_add(out, p + from, n - from);
    if (out->failed)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (text of a page)");
    return PHIAL_OK;
}

static ph_str text_of(const ph_buf *buf)
{
    return (ph_str){buf->data ? buf->data : "", buf->len};
}

phial_status ph_doc_reader_new(ph_doc_reader **out, const ph_doc_events *events, uint64_t max_text,
                               uint32_t max_pages, phial_error *err)
{
    ph_doc_reader *r = ph_alloc(1, sizeof *r, err);
    *out = r;
    if (!r)
        return PHIAL_ERR_NO_MEMORY;
    r->events = *events;
    r->max_text = max_text;
    r->max_pages = max_pages && max_pages < PH_DOC_PAGES_LIMIT ? max_pages : PH_DOC_PAGES_LIMIT;
    ph_buf_init(&r->record, 0);
    ph_buf_init(&r->text, 0);
    ph_buf_init(&r->label, 0);
    ph_buf_init(&r->value, 0);
    return PHIAL_OK;
}

void ph_doc_reader_free(ph_doc_reader *r)
{
    if (!r)
        return;
    ph_buf_free(&r->record);
    ph_buf_free(&r->text);
    ph_buf_free(&r->label);
    ph_buf_free(&r->value);
    ph_free(r->blocks);
    ph_free(r->words);
    ph_free(r);
}

bool ph_doc_reader_complete(const ph_doc_reader *r)
{
    return r->state == COMPLETE;
}

/* Room for one more item behind the n that are there. */
static phial_status grow(void **items, size_t n, size_t *cap, size_t size, phial_error *err)
{
    if (n < *cap)
        return PHIAL_OK;
    size_t more = *cap ? *cap * 2 : 64;
    void *grown = ph_realloc(*items, more, size, err);
    if (!grown)
        return PHIAL_ERR_NO_MEMORY;
    *items = grown;
    *cap = more;
    return PHIAL_OK;
}

/* Counts text against the limits of page and document. */
static phial_status count_text(ph_doc_reader *r, size_t n, phial_error *err)
{
    r->text_bytes += n;
    if (r->max_text && r->text_bytes > r->max_text)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %llu bytes of text",
                          (unsigned long long)r->max_text);
    if (n > PH_DOC_PAGE_LIMIT || r->text.len > PH_DOC_PAGE_LIMIT - n)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "page %u has more than %u bytes of text",
                          r->last_page, PH_DOC_PAGE_LIMIT);
    return PHIAL_OK;
}

static phial_status read_hello(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (r->state != NOWHERE || n != 4)
        return bad(err, "a second beginning");
    if (get_u32(p) != PH_DOC_STREAM_VERSION)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "the helper speaks version %u of the stream, not %u: it belongs to "
                          "another version of Phial",
                          get_u32(p), PH_DOC_STREAM_VERSION);
    r->state = BETWEEN;
    return PHIAL_OK;
}

static phial_status read_info(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    const uint8_t *end = memchr(p, 0, n);
    if (!end || end == p || n > PH_DOC_INFO_LIMIT || !ph_utf8_valid(p, (size_t)(end - p)))
        return bad(err, "an info record that is none");
    if (r->n_infos++ >= PH_DOC_INFOS_LIMIT)
        return bad(err, "too many info records and notes");
    size_t n_key = (size_t)(end - p);
    ph_buf_clear(&r->value);
    phial_status status = add_text(&r->value, end + 1, n - n_key - 1, err);
    if (status == PHIAL_OK && r->events.info)
        status = r->events.info(r->events.user, (ph_str){(const char *)p, n_key},
                                text_of(&r->value), err);
    return status;
}

static phial_status read_note(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (r->n_infos++ >= PH_DOC_INFOS_LIMIT || n > PH_DOC_INFO_LIMIT)
        return bad(err, "too many info records and notes");
    ph_buf_clear(&r->value);
    phial_status status = add_text(&r->value, p, n, err);
    if (status == PHIAL_OK && r->events.note)
        status = r->events.note(r->events.user, text_of(&r->value), err);
    return status;
}

static phial_status set_label(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (n > PH_DOC_LABEL_LIMIT)
        return bad(err, "a label that is too long");
    ph_buf_clear(&r->label);
    return add_text(&r->label, p, n, err);
}

static phial_status open_page(ph_doc_reader *r, uint32_t number, phial_error *err)
{
    if (r->state != BETWEEN)
        return bad(err, "a page inside another");
    if (number <= r->last_page || number > PH_DOC_PAGES_LIMIT)
        return bad(err, "pages that do not rise");
    if (r->n_pages++ >= r->max_pages)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %u pages", r->max_pages);
    r->last_page = number;
    r->n_blocks = r->n_words = 0;
    ph_buf_clear(&r->text);
    return PHIAL_OK;
}

static phial_status read_page(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (n < 4)
        return bad(err, "a page without a number");
    phial_status status = open_page(r, get_u32(p), err);
    if (status == PHIAL_OK)
        status = set_label(r, p + 4, n - 4, err);
    r->state = IN_PAGE;
    return status;
}

static phial_status read_block(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (r->state != IN_PAGE || n < 3 || p[0] >= PH_BLOCK_N)
        return bad(err, "a block that is none, or has no page");
    if (r->n_blocks >= PH_DOC_BLOCKS_LIMIT)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "page %u has more than %u blocks", r->last_page,
                          PH_DOC_BLOCKS_LIMIT);
    phial_status status = count_text(r, n - 2, err);
    void *blocks = r->blocks;
    if (status == PHIAL_OK)
        status = grow(&blocks, r->n_blocks, &r->cap_blocks, sizeof *r->blocks, err);
    r->blocks = blocks;
    if (status != PHIAL_OK)
        return status;
    size_t start = r->text.len;
    status = add_text(&r->text, p + 2, n - 2, err);
    r->blocks[r->n_blocks++] = (ph_doc_block){start, r->text.len, p[0], p[1]};
    return status;
}

static phial_status read_more(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (r->state != IN_PAGE || r->n_blocks == 0)
        return bad(err, "more of a block that is not there");
    phial_status status = count_text(r, n, err);
    if (status == PHIAL_OK)
        status = add_text(&r->text, p, n, err);
    r->blocks[r->n_blocks - 1].end = r->text.len;
    return status;
}

/* Finite, and no further out than any page can be. */
static bool sane(float f)
{
    return isfinite(f) && fabsf(f) <= 1e6f;
}

static phial_status read_words_page(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (n < PH_DOC_WORDS_PAGE_BYTES || !r->events.words)
        return bad(err, "a page of words that is none, or not wanted");
    phial_status status = open_page(r, get_u32(p), err);
    r->width = get_f32(p + 4);
    r->height = get_f32(p + 8);
    r->turn = (uint16_t)(get_u16(p + 12) % 4);
    if (status == PHIAL_OK && (!sane(r->width) || !sane(r->height)))
        status = bad(err, "a page of impossible size");
    if (status == PHIAL_OK)
        status = set_label(r, p + PH_DOC_WORDS_PAGE_BYTES, n - PH_DOC_WORDS_PAGE_BYTES, err);
    r->state = IN_WORDS;
    return status;
}

static phial_status read_word(ph_doc_reader *r, const uint8_t *p, size_t n_text, phial_error *err)
{
    float x0 = get_f32(p), y0 = get_f32(p + 4), x1 = get_f32(p + 8), y1 = get_f32(p + 12);
    float size = get_f32(p + 16);
    if (!sane(x0) || !sane(y0) || !sane(x1) || !sane(y1) || !sane(size))
        return bad(err, "a word in an impossible place");
    if (r->n_words >= PH_DOC_WORDS_LIMIT)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "page %u has more than %u words", r->last_page,
                          PH_DOC_WORDS_LIMIT);
    phial_status status = count_text(r, n_text, err);
    void *words = r->words;
    if (status == PHIAL_OK)
        status = grow(&words, r->n_words, &r->cap_words, sizeof *r->words, err);
    r->words = words;
    if (status != PHIAL_OK)
        return status;
    size_t start = r->text.len;
    status = add_text(&r->text, p + PH_DOC_WORD_BYTES, n_text, err);
    r->words[r->n_words++] = (ph_doc_word){
        .x0 = x0 < x1 ? x0 : x1,
        .y0 = y0 < y1 ? y0 : y1,
        .x1 = x0 < x1 ? x1 : x0,
        .y1 = y0 < y1 ? y1 : y0,
        .size = size > 0 ? size : 0,
        .font = (uint16_t)get_u16(p + 20),
        .flags = p[22],
        .turn = p[23] % 4,
        .start = (uint32_t)start,
        .bytes = (uint32_t)(r->text.len - start),
    };
    return status;
}

static phial_status read_words(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (r->state != IN_WORDS)
        return bad(err, "words without a page");
    for (size_t at = 0; at < n;) {
        size_t left = n - at;
        size_t n_text = left < PH_DOC_WORD_BYTES ? 0 : get_u16(p + at + PH_DOC_WORD_BYTES - 2);
        if (left < PH_DOC_WORD_BYTES || n_text == 0 || n_text > PH_DOC_WORD_LIMIT ||
            n_text > left - PH_DOC_WORD_BYTES)
            return bad(err, "a word that is none");
        phial_status status = read_word(r, p + at, n_text, err);
        if (status != PHIAL_OK)
            return status;
        at += PH_DOC_WORD_BYTES + n_text;
    }
    return PHIAL_OK;
}

static phial_status read_page_end(ph_doc_reader *r, phial_error *err)
{
    phial_status status = PHIAL_OK;
    if (r->state == IN_PAGE) {
        ph_doc_page page = {r->last_page, text_of(&r->label), text_of(&r->text), r->blocks,
                            r->n_blocks};
        if (r->events.page)
            status = r->events.page(r->events.user, &page, err);
    } else if (r->state == IN_WORDS) {
        ph_doc_words page = {
            .number = r->last_page,
            .width = r->width,
            .height = r->height,
            .turn = r->turn,
            .label = text_of(&r->label),
            .text = text_of(&r->text),
            .words = r->words,
            .n_words = r->n_words,
        };
        status = r->events.words(r->events.user, &page, err);
    } else {
        return bad(err, "the end of a page that did not begin");
    }
    r->state = BETWEEN;
    return status;
}

static phial_status read_failed(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    if (n < 4)
        return bad(err, "a failure without a reason");
    ph_buf_clear(&r->value);
    phial_status status = add_text(&r->value, p + 4, n - 4, err);
    if (status != PHIAL_OK)
        return status;
    switch (get_u32(p)) {
    case PHIAL_ERR_UNSUPPORTED:
        status = PHIAL_ERR_UNSUPPORTED;
        break;
    case PHIAL_ERR_LOCKED:
        status = PHIAL_ERR_LOCKED;
        break;
    case PHIAL_ERR_LIMIT:
        status = PHIAL_ERR_LIMIT;
        break;
    default:
        status = PHIAL_ERR_BAD_INPUT;
    }
    ph_str sentence = text_of(&r->value);
    if (sentence.n == 0)
        return bad(err, "a failure without a reason");
    return ph_err_set(err, status, "%.*s", (int)sentence.n, sentence.p);
}

static phial_status read_record(ph_doc_reader *r, uint8_t type, const uint8_t *p, size_t n,
                                phial_error *err)
{
    if (r->state == NOWHERE && type != PH_DOC_HELLO)
        return bad(err, "it has no beginning");
    switch (type) {
    case PH_DOC_HELLO:
        return read_hello(r, p, n, err);
    case PH_DOC_INFO:
        return read_info(r, p, n, err);
    case PH_DOC_NOTE:
        return read_note(r, p, n, err);
    case PH_DOC_PAGE:
        return read_page(r, p, n, err);
    case PH_DOC_LABEL:
        return r->state == IN_PAGE || r->state == IN_WORDS ? set_label(r, p, n, err)
                                                           : bad(err, "a label without a page");
    case PH_DOC_BLOCK:
        return read_block(r, p, n, err);
    case PH_DOC_MORE:
        return read_more(r, p, n, err);
    case PH_DOC_PAGE_END:
        return read_page_end(r, err);
    case PH_DOC_WORDS_PAGE:
        return read_words_page(r, p, n, err);
    case PH_DOC_WORDS:
        return read_words(r, p, n, err);
    case PH_DOC_FAILED:
        return read_failed(r, p, n, err);
    case PH_DOC_END:
        if (r->state != BETWEEN)
            return bad(err, "its end inside a page");
        r->state = COMPLETE;
        return PHIAL_OK;
    default:
        return bad(err, "a record of unknown type");
    }
}

/* Adds to r->record what is missing up to `need` bytes of it; true when they are there. */
static bool fill(ph_doc_reader *r, const uint8_t **p, size_t *n, size_t need)
{
    size_t more = need - r->record.len < *n ? need - r->record.len : *n;
    ph_buf_add(&r->record, *p, more);
    *p += more;
    *n -= more;
    return r->record.len == need;
}

static phial_status feed(ph_doc_reader *r, const uint8_t *p, size_t n, phial_error *err)
{
    while (n > 0) {
        if (r->state == COMPLETE)
            return bad(err, "more behind its end");
        bool head = r->record.len >= PH_DOC_HEAD_BYTES || fill(r, &p, &n, PH_DOC_HEAD_BYTES);
        if (r->record.failed)
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a record of the stream)");
        if (!head)
            return PHIAL_OK;
        size_t n_payload = get_u32((const uint8_t *)r->record.data + 1);
        if (n_payload > PH_DOC_RECORD_LIMIT)
            return bad(err, "a record that is too long");
        bool whole = fill(r, &p, &n, PH_DOC_HEAD_BYTES + n_payload);
        if (r->record.failed)
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a record of the stream)");
        if (!whole)
            return PHIAL_OK;
        const uint8_t *record = (const uint8_t *)r->record.data;
        phial_status status = read_record(r, record[0], record + PH_DOC_HEAD_BYTES, n_payload, err);
        if (status != PHIAL_OK)
            return status;
        ph_buf_clear(&r->record);
    }
    return PHIAL_OK;
}

phial_status ph_doc_reader_feed(ph_doc_reader *r, const void *bytes, size_t n, phial_error *err)
{
    if (r->state == BROKEN)
        return bad(err, "it is broken already");
    phial_status status = feed(r, bytes, n, err);
    if (status != PHIAL_OK)
        r->state = BROKEN;
    return status;
}
