/* From a file to the pages of a document (fmt/doc.h).
 *
 * Every parser that is not ours runs in a helper program of its own for each document, without
 * network, with limits, seeing nothing but the document: a hostile file can cost its own text and
 * nothing else. extract.def lists the formats; extract_<name>.c is one of them.
 *
 * Threads: any; calls share nothing.
 */
#ifndef PH_RAG_EXTRACT_H
#define PH_RAG_EXTRACT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fmt/doc.h"
#include "phial/error.h"

typedef struct ph_extract_options {
    const char *helper_dir;       /* where the helper programs are; NULL: beside the program, then
                                     <prefix>/libexec/phial, or PHIAL_HELPERS in the environment */
    const char *const *passwords; /* tried in turn on encrypted documents */
    size_t n_passwords;
    uint64_t max_memory;       /* bytes of a helper; 0: 1 GiB */
    uint64_t max_seconds;      /* of a helper's CPU time, and five times that of waiting for
                                  it; 0: 120 */
    uint64_t max_text;         /* bytes of text; 0: 4 GiB */
    uint32_t max_pages;        /* 0: PH_DOC_PAGES_LIMIT */
    const atomic_bool *cancel; /* looked at between pages and while waiting; may be NULL */
} ph_extract_options;

void ph_extract_options_default(ph_extract_options *options);

/* Called in order: info any number of times ("title", "author", "language", "format", "charset"),
 * pages in rising order, notes whenever there is something to tell ("no text on pages 1-3").
 * What is handed over is borrowed for the call. A status other than OK stops the extraction, which
 * returns it. */
typedef struct ph_extract_sink {
    void *user;
    phial_status (*info)(void *user, const char *key, ph_str value, phial_error *err);
    phial_status (*page)(void *user, const ph_doc_page *page, phial_error *err);
    phial_status (*note)(void *user, ph_str sentence, phial_error *err);
} ph_extract_sink;

/* Reads a file. fd is open for reading at its beginning, belongs to the caller and may not be
 * seekable; name is for the format's recognition (by content first, then by its ending) and for
 * messages. Errors: BAD_INPUT (unknown kind; damaged; encrypted and no password fits; no text at
 * all; a limit was reached, which is named), IO (no helper program, ...), CANCELLED, NO_MEMORY. */
phial_status ph_extract(int fd, const char *name, const ph_extract_options *options,
                        const ph_extract_sink *sink, phial_error *err);

/* What the contents say it is: "pdf", "markdown", ..., or NULL. head: the first n bytes of the
 * file (64 KiB are enough). */
const char *ph_extract_format(const void *head, size_t n, const char *name);

#endif
