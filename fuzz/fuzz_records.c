/* JSONL of training examples: every line is a record or is counted, strict refuses exactly what is
 * counted otherwise, and records hold what they promise. */
#include <stdlib.h>
#include <string.h>

#include "train/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Looks at every byte, so that a pointer that leads astray is found. */
static void touch(ph_str s, uint64_t *sum)
{
    for (size_t i = 0; i < s.n; i++)
        *sum += (uint8_t)s.p[i];
}

static phial_status take(void *user, const ph_record *r, phial_error *err)
{
    uint64_t *sum = user;
    (void)err;
    if (r->line == 0)
        abort();
    touch(r->text, sum);
    touch(r->prompt, sum);
    touch(r->completion, sum);
    touch(r->system, sum);
    for (size_t i = 0; i < r->n_turns; i++)
        touch((ph_str){r->turns[i].text.p, r->turns[i].text.n}, sum);
    if ((r->kind == PH_RECORD_TEXT && r->text.n == 0) ||
        (r->kind == PH_RECORD_COMPLETION && r->completion.n == 0) ||
        (r->kind == PH_RECORD_MESSAGES &&
         (r->n_turns == 0 || r->turns[r->n_turns - 1].role != PHIAL_ROLE_ASSISTANT)))
        abort();
    return PHIAL_OK;
}

static uint64_t n_lines(const char *text, size_t n)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n' || i + 1 == n;
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    phial_error err = {0};
    uint64_t sum = 0;
    ph_records_stats stats = {0}, strict = {0};
    ph_records_options o = {.format = PH_RECORDS_JSONL};
    if (ph_records_parse(text, size, "fuzz", &o, &stats, take, &sum, &err) != PHIAL_OK)
        abort();
    size_t mark = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    if (stats.n_records + stats.n_empty + stats.n_malformed != n_lines(text + mark, size - mark))
        abort();
    o.strict = true;
    phial_status st = ph_records_parse(text, size, "fuzz", &o, &strict, take, &sum, &err);
    if ((st == PHIAL_OK) != (stats.n_empty + stats.n_malformed == 0))
        abort();
    if (st != PHIAL_OK && (st != PHIAL_ERR_BAD_INPUT || err.message[0] == 0))
        abort();
    return 0;
}
