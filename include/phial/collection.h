/* Collections: documents in one file, found again by search.
 *
 * A collection is an SQLite database: documents, their pages, chunks of the pages with byte
 * offsets, a full-text index, and a place for vectors (docs/RAG.md describes the file). One
 * document is one transaction; a process that is killed at any moment loses at most the document it
 * was at. The file is never trusted: it may come from a stranger.
 *
 * Threads: a collection belongs to one thread at a time; several may be open on the same file, in
 * any processes. A second writer waits, and is told when it waited too long (PHIAL_ERR_BUSY).
 */
#ifndef PHIAL_COLLECTION_H
#define PHIAL_COLLECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/embed.h"
#include "phial/error.h"
#include "phial/text.h"
#include "phial/tokenizer.h"

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
/* What was written lies in the one file afterwards, unless another writer is at it. NULL is fine.
 */
PHIAL_API void phial_collection_close(phial_collection *collection);

/* --- indexing -----------------------------------------------------------------------------------
 */

typedef enum phial_index_outcome {
    PHIAL_INDEX_ADDED = 0,
    PHIAL_INDEX_SKIPPED = 1, /* unchanged */
    PHIAL_INDEX_REPLACED = 2,
    PHIAL_INDEX_FAILED = 3, /* what was there of it before stays */
    PHIAL_INDEX_PRUNED = 4, /* its file is no more */
    PHIAL_INDEX_NOTE = 5    /* it was indexed, and there is something to tell: no text on page 3 */
} phial_index_outcome;

typedef struct phial_index_event {
    phial_index_outcome outcome;
    phial_text path;   /* any bytes */
    phial_text reason; /* of a failure or a note, a sentence of UTF-8; otherwise empty */
    bool locked;       /* a failure for want of a password */
    bool missing;      /* a failure: one of the paths that were named is not there */
} phial_index_event;

typedef struct phial_index_progress {
    uint64_t files, bytes;             /* dealt with so far; records, for JSONL */
    uint64_t total_files, total_bytes; /* 0: not known */
} phial_index_progress;

typedef struct phial_index_options {
    size_t size; /* set by phial_index_options_default() */
    /* Files, and folders with everything below in order of the names' bytes. What begins with a dot
     * is left out, links to folders are not followed. */
    const char *const *paths;
    size_t n_paths;
    /* Lines {"_id","title","text", anything else}; "-" is standard input. NULL: none. */
    const char *jsonl;
    bool prune; /* remove documents whose file below one of paths is no more, or which the JSONL
                   file does not have any more */
    bool quick; /* believe size and time of a file that say it is unchanged; otherwise every file is
                   read and its hash compared, so that no change is missed */
    int n_jobs; /* files that are read at the same time; 0: as many as there are CPUs. The result
                   does not depend on it */
    uint32_t chunk_tokens, chunk_overlap; /* 0: as in this collection so far, at first 256 and 32.
                                             Others re-read the documents that are met. */
    const phial_tokenizer *tokenizer;     /* what tokens are; NULL: an estimate from words */
    const char *helper_dir;               /* of the programs that read documents; NULL: as usual */
    const char *const *passwords;         /* tried in turn on encrypted documents */
    size_t n_passwords;
    bool count_first; /* walk the folders once before, so that progress knows totals */
    /* Called from the caller's thread. progress: false stops the run (PHIAL_ERR_CANCELLED); it is
     * called several times a second. Both may be NULL. */
    void (*event)(void *user, const phial_index_event *event);
    bool (*progress)(void *user, const phial_index_progress *progress);
    void *user;
} phial_index_options;

typedef struct phial_index_result {
    size_t size; /* set by the caller: sizeof */
    uint64_t n_indexed, n_skipped, n_replaced, n_failed, n_pruned;
    uint64_t n_pages, n_chunks, n_bytes; /* of what was indexed or replaced */
} phial_index_result;

PHIAL_API void phial_index_options_default(phial_index_options *options);

/* Brings the collection up to date. A file that cannot be read is an event and a count, not an
 * error. Errors: those of the collection itself (IO, NO_MEMORY, BUSY, ...) and CANCELLED; what was
 * committed until then stays, and result tells it. */
PHIAL_API phial_status phial_collection_index(phial_collection *collection,
                                              const phial_index_options *options,
                                              phial_index_result *result, phial_error *err);

/* PHIAL_ERR_ARGUMENT if there is no such document. */
PHIAL_API phial_status phial_collection_remove(phial_collection *collection, phial_text doc,
                                               phial_error *err);

/* --- search -------------------------------------------------------------------------------------
 */

typedef enum phial_search_mode {
    PHIAL_SEARCH_HYBRID = 0, /* the default; lexical where a collection has no vectors, or no
                                embedder is given */
    PHIAL_SEARCH_LEXICAL = 1,
    PHIAL_SEARCH_DENSE = 2 /* needs vectors and the embedder */
} phial_search_mode;

/* How vectors are compared. */
typedef enum phial_metric {
    PHIAL_METRIC_COSINE = 0,
    PHIAL_METRIC_L2 = 1, /* the score is minus the squared distance */
    PHIAL_METRIC_IP = 2  /* inner product */
} phial_metric;

typedef struct phial_search_options {
    size_t size; /* set by phial_search_options_default() */
    phial_search_mode mode;
    uint32_t k;           /* hits at most, 1 .. 10,000; default 3 */
    const char *doc_glob; /* only documents whose name matches (* any bytes, ? one, [a-z]); exact:
                             the same ranking, others left out. NULL: all */
    bool by_doc;          /* at most one hit a document, its best chunk */
    /* Vectors (phial/vectors.h). */
    phial_embedder *embedder; /* makes the query's vector; borrowed; the collection's own, else
                                 ARGUMENT with the reason */
    phial_metric metric;
    bool exact; /* the true nearest vectors, always; otherwise very large collections are searched
                   so that 95 of 100 are found */
    double dense_share; /* hybrid: weight of vectors, 0 .. 1; negative (default): as chosen for this
                           collection */
    double diversity;   /* 0 (default) .. 1: how much a hit loses for being like one before it
                           (maximal marginal relevance); needs vectors */
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
/* Chunks by their ids, in the order given, as hits with score 0. PHIAL_ERR_ARGUMENT for an id that
 * is not there. */
PHIAL_API phial_status phial_collection_chunks(phial_collection *collection, phial_hits **out,
                                               const int64_t *ids, size_t n, phial_error *err);
PHIAL_API size_t phial_hits_count(const phial_hits *hits);
/* What the search was: HYBRID only if words and vectors were asked. */
PHIAL_API phial_search_mode phial_hits_mode(const phial_hits *hits);
PHIAL_API const phial_hit *phial_hits_at(const phial_hits *hits, size_t i); /* best first */
PHIAL_API void phial_hits_free(phial_hits *hits);

/* --- looking into it ----------------------------------------------------------------------------
 */

typedef struct phial_document {
    phial_text name;   /* any bytes */
    phial_text source; /* where it was indexed from: an absolute path; any bytes */
    phial_text format, title, author, language;
    phial_text notes;    /* what there was to tell at indexing, a line each */
    phial_text metadata; /* JSON: what else the record had; empty: nothing */
    uint64_t bytes;      /* of the source */
    int64_t mtime_ns;    /* of the source, since 1970; 0: not known */
    char hash[33];       /* XXH3-128 of the source, hexadecimal */
    uint64_t n_pages, n_chunks, n_tokens;
} phial_document;

/* In the order of the names' bytes. What fn gets is borrowed for the call; false stops. doc_glob
 * may be NULL. */
PHIAL_API phial_status phial_collection_documents(
    phial_collection *collection, const char *doc_glob,
    bool (*fn)(void *user, const phial_document *document), void *user, phial_error *err);

/* The text of a page, owned by the caller: phial_text_free(). It ends in a NUL that *n does not
 * count. PHIAL_ERR_ARGUMENT if there is no such document or page. */
PHIAL_API phial_status phial_collection_page(phial_collection *collection, phial_text doc,
                                             uint32_t page, char **text, size_t *n,
                                             phial_error *err);
PHIAL_API void phial_text_free(char *text);

typedef struct phial_collection_info {
    size_t size; /* set by the caller: sizeof */
    uint64_t n_documents, n_pages, n_chunks, n_tokens, n_vectors;
    uint64_t file_bytes, index_bytes; /* index_bytes: part of file_bytes */
    uint32_t chunk_tokens, chunk_overlap;
    uint32_t format; /* of the file, docs/RAG.md */
} phial_collection_info;

PHIAL_API phial_status phial_collection_get_info(phial_collection *collection,
                                                 phial_collection_info *info, phial_error *err);

/* --- looking after it ---------------------------------------------------------------------------
 */

typedef struct phial_check_result {
    size_t size; /* set by the caller: sizeof */
    uint64_t n_documents, n_damaged;
    bool index_fine; /* the full-text index says what the texts say */
    bool index_rebuilt;
    uint64_t n_vectors, n_bad_vectors;
} phial_check_result;

/* Reads everything: the database's own structure, each document and each vector against its
 * checksum, the index against the texts. What is wrong is told as FAILED events, a document's by
 * its name. With rebuild (the collection is open for writing) the index is made again. OK if it
 * could be checked: look at the result. */
PHIAL_API phial_status phial_collection_check(phial_collection *collection, bool rebuild,
                                              void (*event)(void *user,
                                                            const phial_index_event *event),
                                              void *user, phial_check_result *result,
                                              phial_error *err);

/* A compact copy; path must not be there yet. */
PHIAL_API phial_status phial_collection_export(phial_collection *collection, const char *path,
                                               phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
