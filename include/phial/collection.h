/* Collections: documents in one file, found again by search.
 *
 * A collection is an SQLite database: documents, their pages, chunks of the pages with byte offsets,
 * a full-text index, and a place for vectors. One document is one transaction; a process that is
 * killed at any moment loses at most the document it was at. The file is never trusted: it may come
 * from a stranger.
 *
 * Threads: a collection belongs to one thread at a time; several may be open on the same file, in
 * any processes. A second writer waits, and is told when it waited too long (PHIAL_ERR_BUSY).
 */
#ifndef PHIAL_COLLECTION_H
#define PHIAL_COLLECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"
#include "phial/text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct phial_collection phial_collection;

typedef enum phial_collection_access {
    PHIAL_COLLECTION_READ = 0,
    PHIAL_COLLECTION_WRITE = 1, /* it must be there */
    PHIAL_COLLECTION_CREATE = 2 /* made if it is not there */
} phial_collection_access;

PHIAL_API phial_status phial_collection_open(phial_collection **out, const char *path,
                                             phial_collection_access access, phial_error *err);
PHIAL_API void phial_collection_close(phial_collection *collection);

typedef enum phial_search_mode {
    PHIAL_SEARCH_HYBRID = 0, /* the default; lexical where a collection has no vectors */
    PHIAL_SEARCH_LEXICAL = 1,
    PHIAL_SEARCH_DENSE = 2
} phial_search_mode;

typedef struct phial_search_options {
    size_t size; /* set by phial_search_options_default() */
    phial_search_mode mode;
    uint32_t k;           /* hits at most, 1 .. 10,000; default 3 */
    const char *doc_glob; /* only documents whose name matches; NULL: all */
} phial_search_options;

PHIAL_API void phial_search_options_default(phial_search_options *options);

typedef struct phial_hit {
    double score;   /* higher is better; comparable within one search only */
    int64_t chunk;  /* its id in the collection */
    phial_text doc; /* the document's name: the path it was indexed from, or its _id */
    phial_text title;
    phial_text context; /* headings above it, outermost first, " > " between them */
    uint32_t page;
    uint64_t start, end; /* bytes in the page's text */
    phial_text text;     /* the chunk */
} phial_hit;

typedef struct phial_hits phial_hits; /* owned, with all texts in it */

PHIAL_API phial_status phial_collection_search(phial_collection *collection, phial_hits **out,
                                               phial_text query,
                                               const phial_search_options *options,
                                               phial_error *err);
PHIAL_API size_t phial_hits_count(const phial_hits *hits);
PHIAL_API const phial_hit *phial_hits_at(const phial_hits *hits, size_t i); /* best first */
PHIAL_API void phial_hits_free(phial_hits *hits);

/* The text of a page, owned by the caller (phial_string_free() or as the other texts here). */
PHIAL_API phial_status phial_collection_page(phial_collection *collection, phial_text doc,
                                             uint32_t page, char **text, size_t *n,
                                             phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
