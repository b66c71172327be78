/* rag/ingest_jsonl and rag/lex_analyze: a record, and the terms of its text. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "rag/ingest_jsonl.h"
#include "rag/lex_analyze.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool look(void *user, const ph_lex_token *t)
{
    const size_t *n = user;
    if (t->term.n == 0 || t->term.n > PH_LEX_TERM_MAX || t->start >= t->end || t->end > *n ||
        !ph_utf8_valid((const uint8_t *)t->term.p, t->term.n))
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_jsonl_record r;
    phial_error err = {0};
    ph_jsonl_record_init(&r);
    if (ph_jsonl_parse(&r, (ph_str){(const char *)data, size}, &err) == PHIAL_OK) {
        if (r.id.len == 0)
            abort();
        ph_lex_analyze((ph_str){r.text.data ? r.text.data : "", r.text.len}, look, &r.text.len);
    } else if (err.message[0] == '\0') {
        abort();
    }
    ph_lex_analyze((ph_str){(const char *)data, size}, look, &size);
    ph_jsonl_record_free(&r);
    return 0;
}
