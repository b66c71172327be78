/* Records of a JSONL file, in BEIR's layout: {"_id", "title", "text", anything else} a line.
 *
 * _id is a string or a whole number, text a string, title a string or absent; what else there is
 * becomes the document's metadata.
 */
#ifndef PH_RAG_INGEST_JSONL_H
#define PH_RAG_INGEST_JSONL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define PH_JSONL_LINE_MAX ((size_t)256 << 20)

typedef struct ph_jsonl ph_jsonl;

/* path "-": standard input. */
phial_status ph_jsonl_open(ph_jsonl **out, const char *path, phial_error *err);
void ph_jsonl_close(ph_jsonl *j);
/* The next line that is not blank, without its end; borrowed until the next call. number: from 1.
 * *more is false behind the last. */
phial_status ph_jsonl_next(ph_jsonl *j, ph_str *line, uint64_t *number, bool *more,
                           phial_error *err);
uint64_t ph_jsonl_size(const ph_jsonl *j); /* bytes of the file; 0: not known */

typedef struct ph_jsonl_record {
    ph_buf id, title, text, metadata; /* metadata: a JSON object, or empty */
} ph_jsonl_record;

void ph_jsonl_record_init(ph_jsonl_record *r);
void ph_jsonl_record_free(ph_jsonl_record *r);
/* PHIAL_ERR_BAD_INPUT with a sentence; id may be set then too. */
phial_status ph_jsonl_parse(ph_jsonl_record *r, ph_str line, phial_error *err);

#endif
