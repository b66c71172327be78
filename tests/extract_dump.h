/* ph_extract() of a file into one text that tests can compare: a line for each info, note, page and
 * block. Checks on the way what fmt/doc.h promises of every page. */
#ifndef PH_TESTS_EXTRACT_DUMP_H
#define PH_TESTS_EXTRACT_DUMP_H

#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "rag/extract.h"

typedef struct extract_dump {
    ph_buf lines; /* see above */
    ph_buf text;  /* of all pages, one behind the other */
    uint32_t last_page;
    size_t n_pages, n_blocks;
    const char *broken; /* what a page did not keep; NULL: nothing */
    phial_status status;
    phial_error err;
} extract_dump;

static inline phial_status dump_info(void *user, const char *key, ph_str value, phial_error *err)
{
    extract_dump *d = user;
    (void)err;
    ph_buf_addf(&d->lines, "%s: ", key);
    ph_str_escape(&d->lines, value, false);
    ph_buf_add_byte(&d->lines, '\n');
    return PHIAL_OK;
}

static inline phial_status dump_note(void *user, ph_str sentence, phial_error *err)
{
    return dump_info(user, "note", sentence, err);
}

static inline phial_status dump_page(void *user, const ph_doc_page *page, phial_error *err)
{
    static const char *const kinds[PH_BLOCK_N] = {"paragraph", "heading", "item",     "code",
                                                  "row",       "quote",   "caption",  "scene",
                                                  "speaker",   "speech",  "furniture"};
    extract_dump *d = user;
    size_t at = 0;
    (void)err;
    if (page->number <= d->last_page)
        d->broken = "pages do not rise";
    if (!ph_utf8_valid((const uint8_t *)page->text.p, page->text.n))
        d->broken = "a page is not UTF-8";
    d->last_page = page->number;
    d->n_pages++;
    d->n_blocks += page->n_blocks;
    ph_buf_addf(&d->lines, "page %u", page->number);
    if (page->label.n)
        ph_buf_addf(&d->lines, " '%.*s'", (int)page->label.n, page->label.p);
    ph_buf_add_byte(&d->lines, '\n');
    for (size_t i = 0; i < page->n_blocks; i++) {
        const ph_doc_block *b = &page->blocks[i];
        if (b->start != at || b->end < b->start || b->end > page->text.n || b->kind >= PH_BLOCK_N) {
            d->broken = "blocks do not follow each other";
            return PHIAL_OK;
        }
        at = b->end;
        ph_buf_addf(&d->lines, "%s %u: ", kinds[b->kind], b->level);
        ph_str_escape(&d->lines, (ph_str){page->text.p + b->start, b->end - b->start}, false);
        ph_buf_add_byte(&d->lines, '\n');
    }
    if (at != page->text.n)
        d->broken = "blocks do not cover the page";
    ph_buf_add(&d->text, page->text.p, page->text.n);
    return PHIAL_OK;
}

/* options may be NULL. The helpers are those of this build. Free with extract_dump_free(). */
static inline void extract_dump_file(extract_dump *d, const char *path,
                                     const ph_extract_options *options)
{
    ph_extract_options usual;
    *d = (extract_dump){.status = PHIAL_ERR_IO};
    ph_buf_init(&d->lines, 0);
    ph_buf_init(&d->text, 0);
    ph_extract_options_default(&usual);
    if (options)
        usual = *options;
    usual.helper_dir = usual.helper_dir ? usual.helper_dir : PHIAL_BUILD_DIR;
    const ph_extract_sink sink = {d, dump_info, dump_page, dump_note};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    d->status = ph_extract(fd, path, &usual, &sink, &d->err);
    close(fd);
}

static inline void extract_dump_free(extract_dump *d)
{
    ph_buf_free(&d->lines);
    ph_buf_free(&d->text);
}

#endif
