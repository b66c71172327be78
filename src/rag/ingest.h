/* Reading files and records on several threads: text, chunks and index of one document after the
 * other, for whoever writes them.
 *
 * Workers take tasks in order, each document's results come in parts of bounded size, and the
 * caller's thread gets the parts of task 0, then of task 1, ...: the order in which documents are
 * written does not depend on the number of threads. A worker that is ahead waits.
 *
 * Threads: next() of the source is called by any thread, one at a time; known() by any, at any
 * time; the functions of ph_ingest_sink by the thread that called ph_ingest_run().
 */
#ifndef PH_RAG_INGEST_H
#define PH_RAG_INGEST_H

#include <stdatomic.h>

#include "base/hash.h"
#include "rag/chunk.h"
#include "rag/extract.h"
#include "rag/lex_block.h"

typedef enum ph_task_kind {
    PH_TASK_FILE,
    PH_TASK_RECORD, /* a line of JSONL */
    PH_TASK_FAILED  /* nothing to read: why says it */
} ph_task_kind;

/* What the collection has of it already. */
typedef struct ph_task_known {
    int64_t id; /* 0: nothing */
    ph_hash128 hash;
    int64_t recipe, mtime_ns;
    uint64_t bytes;
} ph_task_known;

typedef struct ph_task {
    ph_task_kind kind;
    ph_buf name;   /* of the document; of a line: file and number, until its _id is known */
    ph_buf path;   /* of the file */
    ph_buf source; /* the file's absolute path */
    ph_buf origin; /* the JSONL file's */
    ph_buf line;
    ph_buf why;
    bool missing;        /* FAILED because it is not there */
    bool named;          /* on the command line, not found in a folder */
    uint64_t done_bytes; /* of the source, for progress */
    ph_task_known known;
} ph_task;

typedef enum ph_doc_outcome {
    PH_DOC_READ,      /* here it is */
    PH_DOC_UNCHANGED, /* the collection has it */
    PH_DOC_FAILED     /* why says it */
} ph_doc_outcome;

/* A piece of a document, or with `last` its end. */
typedef struct ph_part {
    struct ph_part *next;
    ph_buf pages;  /* records for ph_part_read() */
    ph_buf blocks; /* of the index: ph_lex_part_emit() */
    ph_lex_chunk *lengths;
    uint32_t n_chunks;
    bool last;
    ph_doc_outcome outcome;
    bool touch;        /* UNCHANGED, but its time is another */
    bool locked;       /* FAILED for want of a password */
    ph_task_known now; /* hash, recipe, size, time of what was read */
    ph_buf name, format, title, author, language, notes, metadata, why;
} ph_part;

typedef struct ph_part_record {
    bool is_page;
    uint32_t page;
    ph_str label, text;  /* of a page */
    uint64_t start, end; /* of a chunk */
    uint32_t n_tokens, kind;
    ph_str context;
} ph_part_record;

/* Walks the records of a part; *at begins at 0. False at the end. */
bool ph_part_read(const ph_part *part, size_t *at, ph_part_record *record);

typedef struct ph_ingest_source {
    void *user;
    /* Fills an empty task; *more is false when there is none left. */
    phial_status (*next)(void *user, ph_task *task, bool *more, phial_error *err);
    /* What the collection has under a record's _id. */
    phial_status (*known)(void *user, ph_str name, ph_task_known *known, phial_error *err);
} ph_ingest_source;

typedef struct ph_ingest_sink {
    void *user;
    /* A failure ends the run. */
    phial_status (*part)(void *user, const ph_task *task, const ph_part *part, phial_error *err);
    /* Several times a second, also while nothing comes; false ends the run. */
    bool (*tick)(void *user);
} ph_ingest_sink;

typedef struct ph_ingest_options {
    int n_jobs;
    bool quick;
    int64_t recipe;
    ph_chunk_options chunks;
    ph_extract_options extract;
} ph_ingest_options;

/* CANCELLED if tick said false. */
phial_status ph_ingest_run(const ph_ingest_source *source, const ph_ingest_sink *sink,
                           const ph_ingest_options *options, phial_error *err);

/* --- ingest_read.c: what a worker does with a task --- */

typedef struct ph_reader ph_reader;

/* Hands on a part, which is consumed. */
typedef phial_status (*ph_part_fn)(void *user, ph_part *part, phial_error *err);

phial_status ph_reader_new(ph_reader **out, const ph_ingest_options *options,
                           const ph_ingest_source *source, const atomic_bool *cancel,
                           phial_error *err);
void ph_reader_free(ph_reader *reader);
/* All parts of the task, the last one with its outcome. Fails only for want of memory, or when
 * cancelled. */
phial_status ph_reader_run(ph_reader *reader, const ph_task *task, ph_part_fn emit, void *user,
                           phial_error *err);
void ph_part_free(ph_part *part);
size_t ph_part_bytes(const ph_part *part);
void ph_task_free(ph_task *task);

#endif
