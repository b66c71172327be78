/* Texts to learn from, as they lie in files: plain text, or JSONL with one record a line.
 *
 *   {"text": "..."}                                      a document
 *   {"prompt": "...", "completion": "..."}               only the completion is to be learnt
 *   {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", ...}]}
 *                                                        only what the assistant says; a message of
 *                                                        the role "system" may stand in front
 * Other keys are ignored. A plain text file is one document; a very large one comes in parts, cut
 * at the end of a line.
 *
 * A line that is no such record, or an empty one, is told to the log by number (the first few of a
 * file) and counted; with `strict` it is an error.
 * Threads: any.
 */
#ifndef PH_TRAIN_RECORDS_H
#define PH_TRAIN_RECORDS_H

#include "base/log.h"
#include "base/str.h"
#include "phial/prompt.h"

#define PH_RECORDS_MAX_LINE     ((size_t)64 << 20) /* bytes of a line of JSONL */
#define PH_RECORDS_MAX_MESSAGES 4096
#define PH_RECORDS_PART_BYTES   ((size_t)64 << 20) /* of a plain text */
#define PH_RECORDS_MAX_PIPE     PHIAL_TEXT_MAX     /* from what is no regular file */

typedef enum ph_record_kind {
    PH_RECORD_TEXT,
    PH_RECORD_COMPLETION,
    PH_RECORD_MESSAGES
} ph_record_kind;

/* Everything is borrowed until the function returns. */
typedef struct ph_record {
    ph_record_kind kind;
    uint64_t line; /* from 1; 0: a plain text file, or a part of one */
    ph_str text;
    ph_str prompt, completion;
    ph_str system; /* p NULL: none */
    const phial_turn *turns;
    size_t n_turns; /* the last one is the assistant's */
} ph_record;

typedef enum ph_records_format {
    PH_RECORDS_AUTO, /* JSONL if the name ends in .jsonl or .ndjson */
    PH_RECORDS_PLAIN,
    PH_RECORDS_JSONL
} ph_records_format;

typedef struct ph_records_options {
    ph_records_format format;
    bool strict;
    ph_log log;
} ph_records_options;

typedef struct ph_records_stats {
    uint64_t n_records, n_bytes;
    uint64_t n_empty;     /* blank lines, records without text */
    uint64_t n_malformed; /* lines that are no record */
} ph_records_stats;

typedef phial_status (*ph_record_fn)(void *user, const ph_record *record, phial_error *err);

/* Calls fn for each record, until it returns something else than PHIAL_OK, which is returned. stats
 * are added to. path "-" is standard input. */
phial_status ph_records_read(const char *path, const ph_records_options *options,
                             ph_records_stats *stats, ph_record_fn fn, void *user,
                             phial_error *err);
/* The same for JSONL in memory; name stands in messages. */
phial_status ph_records_parse(const char *text, size_t n, const char *name,
                              const ph_records_options *options, ph_records_stats *stats,
                              ph_record_fn fn, void *user, phial_error *err);

bool ph_records_is_jsonl(const char *path, ph_records_format format);

#endif
