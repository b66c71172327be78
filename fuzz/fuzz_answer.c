/* Escaping and alignment on any bytes: what is escaped is one line without marks of the prompt's
 * form and stays as it is when it is escaped again; spans lie in their passage.
 *
 * The input is passage, answer and question, apart by 0xFF.
 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "rag/answer_prompt.h"
#include "rag/answer_support.h"
#include "rag/squad.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_escape(ph_str s)
{
    ph_buf once, twice;
    ph_buf_init(&once, 0);
    ph_buf_init(&twice, 0);
    if (ph_answer_escape(&once, s, NULL, NULL) != PHIAL_OK)
        abort();
    for (size_t i = 0; i < once.len; i++) {
        if ((uint8_t)once.data[i] < 0x20)
            abort();
        if (i + 1 < once.len && memcmp(once.data + i, "<|", 2) == 0)
            abort();
    }
    if (ph_answer_escape(&twice, (ph_str){once.data, once.len}, NULL, NULL) != PHIAL_OK ||
        twice.len != once.len || (once.len > 0 && memcmp(once.data, twice.data, once.len) != 0))
        abort();
    ph_buf_free(&once);
    ph_buf_free(&twice);
}

static void check_align(ph_str passage, ph_str sentence, ph_str question)
{
    ph_support *s = NULL;
    ph_support_result r;
    if (ph_support_new(&s, NULL) != PHIAL_OK ||
        ph_support_question(s, question, NULL) != PHIAL_OK ||
        ph_support_add(s, passage, NULL) != PHIAL_OK ||
        ph_support_align(s, sentence, true, &r, NULL) != PHIAL_OK)
        abort();
    double about = ph_support_about(s);
    if (!(r.score >= 0 && r.score <= 1 && about >= 0 && about <= 1) || (r.stray && r.score > 0))
        abort();
    for (size_t i = 0; i < r.n; i++) {
        const ph_support_span *p = &r.spans[i];
        if (p->passage != 0 || p->start >= p->end || p->end > passage.n ||
            p->end - p->start > PH_QUOTE_BYTES + passage.n * (passage.n < PH_QUOTE_BYTES))
            abort();
    }
    ph_str focus = ph_support_focus(s, 0, 1 + passage.n / 2);
    if (focus.p < passage.p || focus.p + focus.n > passage.p + passage.n)
        abort();
    ph_support_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_str parts[3] = {{"", 0}, {"", 0}, {"", 0}};
    const char *p = (const char *)data, *end = p + size;
    if (size > (1u << 16))
        return 0;
    for (size_t i = 0; i < 3 && p && p <= end && size > 0; i++) {
        const char *cut = i < 2 ? memchr(p, 0xFF, (size_t)(end - p)) : NULL;
        parts[i] = (ph_str){p, (size_t)((cut ? cut : end) - p)};
        p = cut ? cut + 1 : NULL;
    }
    check_escape(parts[0]);
    check_align(parts[0], parts[1], parts[2]);
    ph_squad squad;
    if (ph_squad_parse(&squad, parts[0].p, parts[0].n, NULL) == PHIAL_OK)
        ph_squad_free(&squad);
    return 0;
}
