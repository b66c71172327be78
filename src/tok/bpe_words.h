/* Counting the words of a text, for training a tokenizer: a hash table from the pieces of
 * pre-tokenization to how often they occur.
 *
 * Texts are handed over in segments, each a text of its own for the pre-tokenizer; threads count a
 * batch of them into tables of their own, which are then added up. The sums do not depend on who
 * counted what, so the number of threads cannot change a result.
 *
 * Memory is bounded: the batch is of a fixed size, and a table that grows beyond its limit behind a
 * batch loses its rarest words (all that occur once, then twice, ...), which is counted and told.
 * Batches end at the same places whatever the threads, so this too is the same every time.
 *
 * Threads: a counter belongs to one thread; it runs its own.
 */
#ifndef PH_TOK_BPE_WORDS_H
#define PH_TOK_BPE_WORDS_H

#include "base/mem.h"
#include "base/pool.h"
#include "base/str.h"

/* Bytes of text that are counted between two looks at the limit. */
#define PH_WORDS_BATCH_BYTES ((size_t)16 << 20)
/* Longer pieces (letters without end: a gene, a damaged file) are left out, and counted. */
#define PH_WORDS_MAX_BYTES   ((size_t)1 << 20)

typedef struct ph_words_entry {
    uint64_t hash;
    uint64_t count; /* 0: empty */
    const char *p;  /* borrowed from the text, or from the table's arena */
    size_t n;
} ph_words_entry;

typedef struct ph_words_table {
    ph_words_entry *slots; /* owned; open addressing */
    size_t n_slots;        /* a power of two, or 0 */
    size_t n_used;
    size_t text_bytes; /* that all words take in an arena */
} ph_words_table;

/* What was seen; for people. */
typedef struct ph_words_stats {
    uint64_t n_bytes;       /* of text */
    uint64_t n_pieces;      /* words, repetitions counted */
    uint64_t n_invalid;     /* bytes that are no valid UTF-8 */
    uint64_t n_too_long;    /* pieces left out for their length */
    uint64_t n_dropped;     /* different words left out to stay within the limit ... */
    uint64_t n_occurrences; /* ... and how often these had occurred by then */
} ph_words_stats;

typedef struct ph_words ph_words;

/* limit_bytes: of the table of words, at least a megabyte; 0: a gigabyte. pool: borrowed. */
phial_status ph_words_new(ph_words **out, ph_pool *pool, size_t limit_bytes, phial_error *err);
void ph_words_free(ph_words *w);

/* A text of its own, of any length; borrowed until ph_words_finish(), or, if copy, not at all. */
phial_status ph_words_add(ph_words *w, const char *text, size_t n, bool copy, phial_error *err);
/* The same for a text each line of which, with its newline, is a text of its own. */
phial_status ph_words_add_lines(ph_words *w, const char *text, size_t n, phial_error *err);
/* Counts what is still waiting; texts need not be kept any longer. Also in between. */
phial_status ph_words_finish(ph_words *w, phial_error *err);

const ph_words_table *ph_words_counts(const ph_words *w); /* after finish */
const ph_words_stats *ph_words_get_stats(const ph_words *w);

#endif
