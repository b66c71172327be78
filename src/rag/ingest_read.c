/* One task: a file or a record becomes pages, chunks and an index of them; contract in ingest.h.
 *
 * Whether a file is unchanged is decided by the hash of its bytes. Its size and times are looked at
 * before and after: a file that changes while it is read fails, so that a hash never stands for
 * another text.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "rag/collection_write.h"
#include "rag/ingest.h"
#include "rag/ingest_jsonl.h"
#include "rag/lex_build.h"

#define PART_BYTES    ((size_t)8 << 20)  /* of pages and chunks, then the part is handed on */
#define BUILDER_BYTES ((size_t)48 << 20) /* of the index being made */
#define READ_BYTES    (256u << 10)
#define NOTES_MAX     (64u << 10)

struct ph_reader {
    const ph_ingest_options *options;
    const ph_ingest_source *source;
    const atomic_bool *cancel;
    ph_chunker *chunker;
    ph_lex_builder *builder;
    ph_jsonl_record record;
    ph_buf heading, read_buffer;
    /* the task at hand */
    const ph_task *task;
    ph_part_fn emit;
    void *emit_user;
    ph_part *part;
    size_t cap_lengths;
    uint32_t last_page;
    bool begun;
    size_t page_bytes;
    bool broken; /* not the document's fault: memory, or cancelled */
};

/* --- parts --- */

void ph_part_free(ph_part *p)
{
    if (!p)
        return;
    ph_buf *bufs[] = {&p->pages,  &p->blocks,   &p->name,  &p->format,   &p->title,
                      &p->author, &p->language, &p->notes, &p->metadata, &p->why};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        ph_buf_free(bufs[i]);
    ph_free(p->lengths);
    ph_free(p);
}

size_t ph_part_bytes(const ph_part *p)
{
    return p->pages.len + p->blocks.len + p->n_chunks * sizeof *p->lengths;
}

void ph_task_free(ph_task *t)
{
    ph_buf *bufs[] = {&t->name, &t->path, &t->source, &t->origin, &t->line, &t->why};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        ph_buf_free(bufs[i]);
    *t = (ph_task){0};
}

static bool get_str(const uint8_t **p, const uint8_t *end, ph_str *out)
{
    uint64_t n;
    if (!ph_varint_get(p, end, &n))
        return false;
    *out = (ph_str){(const char *)*p, n};
    *p += n;
    return true;
}

bool ph_part_read(const ph_part *part, size_t *at, ph_part_record *r)
{
    const uint8_t *begin = (const uint8_t *)part->pages.data;
    if (*at >= part->pages.len)
        return false;
    const uint8_t *p = begin + *at, *end = begin + part->pages.len;
    uint64_t v[6] = {0};
    *r = (ph_part_record){.is_page = *p++ == 'P'};
    for (int i = 0; i < (r->is_page ? 1 : 5); i++)
        ph_varint_get(&p, end, &v[i]);
    r->page = (uint32_t)v[0];
    if (r->is_page) {
        get_str(&p, end, &r->label);
        get_str(&p, end, &r->text);
    } else {
        r->start = v[1];
        r->end = v[2];
        r->n_tokens = (uint32_t)v[3];
        r->kind = (uint32_t)v[4];
        get_str(&p, end, &r->context);
    }
    *at = (size_t)(p - begin);
    return true;
}

static void put_str(ph_buf *out, ph_str s)
{
    ph_varint_add(out, s.n);
    ph_buf_add(out, s.p, s.n);
}

/* Keeps what belongs to the whole document for the last part. */
static phial_status flush(ph_reader *r, bool last, phial_error *err)
{
    ph_part *next = NULL, *part = r->part;
    phial_status st = PHIAL_OK;
    if (ph_lex_builder_count(r->builder) > 0)
        st = ph_lex_builder_end(r->builder, ph_lex_part_emit, &part->blocks, err);
    if (st == PHIAL_OK)
        st = ph_buf_status(&part->pages, err);
    if (st == PHIAL_OK && !last && !(next = ph_alloc(1, sizeof *next, err)))
        st = PHIAL_ERR_NO_MEMORY;
    if (st != PHIAL_OK) {
        r->broken = true;
        return st;
    }
    if (next) {
        ph_buf *from[] = {&part->format,   &part->title, &part->author,
                          &part->language, &part->notes, &part->metadata},
               *to[] = {&next->format,   &next->title, &next->author,
                        &next->language, &next->notes, &next->metadata};
        for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
            *to[i] = *from[i];
            *from[i] = (ph_buf){0};
        }
        next->now = part->now;
    }
    part->last = last;
    r->part = next;
    r->cap_lengths = 0;
    st = r->emit(r->emit_user, part, err);
    r->broken = st != PHIAL_OK;
    return st;
}

/* --- pages and chunks --- */

typedef struct page_at_hand {
    ph_reader *r;
    const ph_doc_page *page;
} page_at_hand;

static phial_status take_chunk(void *user, const ph_chunk *chunk, phial_error *err)
{
    page_at_hand *at = user;
    ph_reader *r = at->r;
    ph_part *part = r->part;
    ph_str context = chunk->context;
    if (chunk->start > chunk->end || chunk->end > at->page->text.n || context.n > PH_CONTEXT_MAX)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a chunk is not inside its page");
    if (part->n_chunks == r->cap_lengths) {
        size_t cap = r->cap_lengths ? 2 * r->cap_lengths : 16;
        ph_lex_chunk *more = ph_realloc(part->lengths, cap, sizeof *more, err);
        r->broken = !more;
        if (!more)
            return PHIAL_ERR_NO_MEMORY;
        part->lengths = more;
        r->cap_lengths = cap;
    }
    ph_str text = {at->page->text.p + chunk->start, chunk->end - chunk->start};
    phial_status st =
        ph_lex_builder_add(r->builder, text, context, &part->lengths[part->n_chunks], err);
    if (st != PHIAL_OK) {
        r->broken = true;
        return st;
    }
    part->n_chunks++;
    ph_buf_add_byte(&part->pages, 'C');
    ph_varint_add(&part->pages, at->page->number);
    ph_varint_add(&part->pages, chunk->start);
    ph_varint_add(&part->pages, chunk->end);
    ph_varint_add(&part->pages, chunk->n_tokens);
    ph_varint_add(&part->pages, chunk->kind);
    put_str(&part->pages, context);
    return PHIAL_OK;
}

static phial_status begin_text(ph_reader *r, phial_error *err)
{
    const ph_part *part = r->part;
    ph_doc_facts facts = {.title = {part->title.data, part->title.len},
                          .source = {r->task->source.data, r->task->source.len}};
    r->begun = true;
    phial_status st = ph_doc_heading(&r->heading, &facts, err);
    if (st == PHIAL_OK)
        st = ph_lex_builder_title(r->builder, (ph_str){r->heading.data, r->heading.len}, err);
    r->broken = st != PHIAL_OK;
    return st;
}

static phial_status take_page(void *user, const ph_doc_page *page, phial_error *err)
{
    ph_reader *r = user;
    page_at_hand at = {r, page};
    phial_status st = PHIAL_OK;
    if (r->cancel && atomic_load(r->cancel)) {
        r->broken = true;
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
    }
    if (page->number <= r->last_page || page->number > PH_DOC_PAGES_LIMIT ||
        page->text.n > PH_DOC_PAGE_LIMIT || page->label.n > PH_TEXT_MAX ||
        !ph_utf8_valid((const uint8_t *)page->text.p, page->text.n) ||
        !ph_utf8_valid((const uint8_t *)page->label.p, page->label.n))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "page %u is not as a page should be",
                          (unsigned)page->number);
    r->last_page = page->number;
    if (!r->begun)
        st = begin_text(r, err);
    if (st == PHIAL_OK &&
        (r->part->pages.len > PART_BYTES || ph_lex_builder_bytes(r->builder) > BUILDER_BYTES))
        st = flush(r, false, err);
    if (st != PHIAL_OK)
        return st;
    ph_buf_add_byte(&r->part->pages, 'P');
    ph_varint_add(&r->part->pages, page->number);
    put_str(&r->part->pages, page->label);
    put_str(&r->part->pages, page->text);
    return ph_chunker_page(r->chunker, page, take_chunk, &at, err);
}

static phial_status take_info(void *user, const char *key, ph_str value, phial_error *err)
{
    ph_reader *r = user;
    ph_part *p = r->part;
    const struct {
        const char *key;
        ph_buf *to;
    } keys[] = {{"title", &p->title},
                {"author", &p->author},
                {"language", &p->language},
                {"format", &p->format}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(key, keys[i].key) != 0 || value.n > PH_TEXT_MAX ||
            !ph_utf8_valid((const uint8_t *)value.p, value.n))
            continue;
        /* A title that comes late is not in the index of the pages before. */
        if (r->begun && keys[i].to == &p->title)
            return PHIAL_OK;
        ph_buf_clear(keys[i].to);
        ph_buf_add(keys[i].to, value.p, value.n);
        return ph_buf_status(keys[i].to, err);
    }
    return PHIAL_OK;
}

static phial_status take_note(void *user, ph_str sentence, phial_error *err)
{
    ph_reader *r = user;
    if (r->part->notes.len + sentence.n > NOTES_MAX)
        return PHIAL_OK;
    if (r->part->notes.len > 0)
        ph_buf_add_str(&r->part->notes, "\n");
    ph_str_escape(&r->part->notes, sentence, false);
    return ph_buf_status(&r->part->notes, err);
}

/* --- a file --- */

static phial_status hash_file(ph_reader *r, int fd, ph_hash128 *out, phial_error *err)
{
    ph_hasher *h = NULL;
    phial_status st = ph_hasher_new(&h, err);
    ph_buf_clear(&r->read_buffer);
    if (st == PHIAL_OK && !ph_buf_reserve(&r->read_buffer, READ_BYTES))
        st = ph_buf_status(&r->read_buffer, err);
    r->broken = st != PHIAL_OK;
    while (st == PHIAL_OK) {
        ssize_t n = read(fd, r->read_buffer.data, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            st = ph_err_errno(err, errno, "reading");
        if (n <= 0)
            break;
        ph_hasher_add(h, r->read_buffer.data, (size_t)n);
        if (r->cancel && atomic_load(r->cancel)) {
            r->broken = true;
            st = ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
        }
    }
    if (st == PHIAL_OK)
        *out = ph_hasher_end(h);
    ph_hasher_free(h);
    return st;
}

static int64_t time_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool unchanged(const ph_task_known *before, const ph_task_known *now)
{
    return before->id > 0 && before->hash.lo == now->hash.lo && before->hash.hi == now->hash.hi &&
           before->recipe == now->recipe;
}

static phial_status read_open_file(ph_reader *r, int fd, phial_error *err)
{
    struct stat before, after;
    const ph_task_known *known = &r->task->known;
    ph_task_known *now = &r->part->now;
    ph_extract_sink sink = {r, take_info, take_page, take_note};
    if (fstat(fd, &before) != 0)
        return ph_err_errno(err, errno, "looking at it");
    if (!S_ISREG(before.st_mode))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is not a regular file");
    now->bytes = (uint64_t)before.st_size;
    now->mtime_ns = time_ns(before.st_mtim);
    now->recipe = r->options->recipe;
    if (r->options->quick && known->id > 0 && known->bytes == now->bytes &&
        known->mtime_ns == now->mtime_ns && known->recipe == now->recipe) {
        r->part->outcome = PH_DOC_UNCHANGED;
        return PHIAL_OK;
    }
    phial_status st = hash_file(r, fd, &now->hash, err);
    if (st == PHIAL_OK && unchanged(known, now)) {
        r->part->outcome = PH_DOC_UNCHANGED;
        r->part->touch = known->mtime_ns != now->mtime_ns;
        return PHIAL_OK;
    }
    if (st == PHIAL_OK && lseek(fd, 0, SEEK_SET) != 0)
        st = ph_err_errno(err, errno, "going back to its beginning");
    if (st == PHIAL_OK)
        st = ph_extract(fd, r->task->path.data, &r->options->extract, &sink, err);
    if (st == PHIAL_OK && (fstat(fd, &after) != 0 || after.st_size != before.st_size ||
                           time_ns(after.st_mtim) != time_ns(before.st_mtim) ||
                           time_ns(after.st_ctim) != time_ns(before.st_ctim)))
        st = ph_err_set(err, PHIAL_ERR_IO, "it changed while it was read; index it again");
    return st;
}

static phial_status read_file(ph_reader *r, phial_error *err)
{
    int fd = open(r->task->path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ph_err_errno(err, errno, "opening");
    phial_status st = read_open_file(r, fd, err);
    close(fd);
    return st;
}

/* --- a record --- */

/* Where the page ends that begins at `from`: at a line's end, or at a character's. */
static size_t page_end(ph_str text, size_t from)
{
    size_t end = from + PH_DOC_PAGE_MAX;
    if (end >= text.n)
        return text.n;
    for (size_t i = end; i > from + PH_DOC_PAGE_MAX / 2; i--) {
        if (text.p[i - 1] == '\n')
            return i;
    }
    return from + ph_utf8_cut(text.p + from, text.n - from, PH_DOC_PAGE_MAX);
}

/* Paragraphs are apart by blank lines. blocks has room for text.n / 2 + 1. */
static size_t cut_blocks(ph_str text, ph_doc_block *blocks)
{
    size_t n = 0, start = 0;
    for (size_t i = 0; i + 1 < text.n; i++) {
        if (text.p[i] != '\n' || text.p[i + 1] != '\n')
            continue;
        while (i + 1 < text.n && (text.p[i + 1] == '\n' || text.p[i + 1] == ' '))
            i++;
        if (i + 1 < text.n) {
            blocks[n++] = (ph_doc_block){.start = start, .end = i + 1};
            start = i + 1;
        }
    }
    blocks[n++] = (ph_doc_block){.start = start, .end = text.n};
    return n;
}

static phial_status read_text(ph_reader *r, ph_str text, phial_error *err)
{
    phial_status st = PHIAL_OK;
    size_t longest = text.n < PH_DOC_PAGE_MAX ? text.n : PH_DOC_PAGE_MAX;
    ph_doc_block *blocks = ph_alloc(longest / 2 + 2, sizeof *blocks, err);
    r->broken = !blocks;
    if (!blocks)
        return PHIAL_ERR_NO_MEMORY;
    uint32_t number = 1;
    for (size_t at = 0; st == PHIAL_OK && (at < text.n || number == 1); number++) {
        size_t end = page_end(text, at);
        ph_doc_page page = {.number = number, .text = {text.p + at, end - at}, .label = {"", 0}};
        page.blocks = blocks;
        page.n_blocks = page.text.n ? cut_blocks(page.text, blocks) : 0;
        st = take_page(r, &page, err);
        at = end;
    }
    ph_free(blocks);
    return st;
}

static phial_status copy(ph_buf *to, const ph_buf *from, phial_error *err)
{
    ph_buf_clear(to);
    ph_buf_add(to, from->data, from->len);
    return ph_buf_status(to, err);
}

static phial_status read_record(ph_reader *r, phial_error *err)
{
    ph_part *part = r->part;
    ph_task_known known = {0};
    ph_str line = {r->task->line.data, r->task->line.len};
    phial_status st = ph_jsonl_parse(&r->record, line, err);
    if (st == PHIAL_OK && (r->record.id.len > PH_NAME_MAX || r->record.title.len > PH_TEXT_MAX ||
                           r->record.metadata.len > PH_METADATA_MAX))
        st = ph_err_set(err, PHIAL_ERR_LIMIT, "_id, title or metadata is too long");
    if (st == PHIAL_OK)
        st = copy(&part->name, &r->record.id, err);
    if (st == PHIAL_OK)
        st = r->source->known(r->source->user, (ph_str){part->name.data, part->name.len}, &known,
                              err);
    if (st != PHIAL_OK)
        return st;
    part->now.bytes = line.n;
    part->now.recipe = r->options->recipe;
    part->now.hash = ph_hash128_of(line.p, line.n);
    if (unchanged(&known, &part->now)) {
        part->outcome = PH_DOC_UNCHANGED;
        part->now.id = known.id;
        return PHIAL_OK;
    }
    ph_buf_add_str(&part->format, "jsonl");
    st = ph_buf_status(&part->format, err);
    if (st == PHIAL_OK)
        st = copy(&part->title, &r->record.title, err);
    if (st == PHIAL_OK)
        st = copy(&part->metadata, &r->record.metadata, err);
    return st == PHIAL_OK ? read_text(r, (ph_str){r->record.text.data, r->record.text.len}, err)
                          : st;
}

/* --- tasks --- */

phial_status ph_reader_new(ph_reader **out, const ph_ingest_options *options,
                           const ph_ingest_source *source, const atomic_bool *cancel,
                           phial_error *err)
{
    ph_reader *r = ph_alloc(1, sizeof *r, err);
    if (!r)
        return PHIAL_ERR_NO_MEMORY;
    r->options = options;
    r->source = source;
    r->cancel = cancel;
    phial_status st = ph_chunker_new(&r->chunker, &options->chunks, err);
    if (st == PHIAL_OK)
        st = ph_lex_builder_new(&r->builder, err);
    if (st == PHIAL_OK)
        *out = r;
    else
        ph_reader_free(r);
    return st;
}

void ph_reader_free(ph_reader *r)
{
    if (!r)
        return;
    ph_chunker_free(r->chunker);
    ph_lex_builder_free(r->builder);
    ph_jsonl_record_free(&r->record);
    ph_buf_free(&r->heading);
    ph_buf_free(&r->read_buffer);
    ph_part_free(r->part);
    ph_free(r);
}

phial_status ph_reader_run(ph_reader *r, const ph_task *task, ph_part_fn emit, void *user,
                           phial_error *err)
{
    phial_error why = {0};
    phial_status st = PHIAL_OK;
    r->task = task;
    r->emit = emit;
    r->emit_user = user;
    r->last_page = 0;
    r->begun = r->broken = false;
    r->cap_lengths = 0;
    if (!(r->part = ph_alloc(1, sizeof *r->part, err)))
        return PHIAL_ERR_NO_MEMORY;
    ph_chunker_reset(r->chunker);
    if (task->kind == PH_TASK_FAILED)
        st = ph_err_set(&why, PHIAL_ERR_IO, "%s", task->why.data);
    else
        st = task->kind == PH_TASK_FILE ? read_file(r, &why) : read_record(r, &why);
    if (r->broken || st == PHIAL_ERR_CANCELLED || st == PHIAL_ERR_NO_MEMORY) {
        if (err)
            *err = why;
        ph_part_free(r->part);
        r->part = NULL;
        return st == PHIAL_OK ? PHIAL_ERR_NO_MEMORY : st;
    }
    if (st != PHIAL_OK) {
        r->part->outcome = PH_DOC_FAILED;
        r->part->locked = st == PHIAL_ERR_LOCKED;
        ph_buf_add_str(&r->part->why, why.message);
    }
    return flush(r, true, err);
}
