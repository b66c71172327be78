/* Contract in ask_view.h. */
#include "cli/ask_view.h"

#include "base/utf8.h"

/* Bytes of a passage that are shown when nothing was found. */
#define PASSAGE_SHOWN 200

static ph_str str_of(phial_text t)
{
    return (ph_str){t.p ? t.p : "", t.n};
}

/* Text of a document or a model on one line. */
static void show_line(phial_text t)
{
    ph_buf line;
    ph_buf_init(&line, 0);
    bool blank = false;
    for (size_t i = 0; i < t.n; i++) {
        bool b = t.p[i] == ' ' || t.p[i] == '\n' || t.p[i] == '\r' || t.p[i] == '\t';
        if (b && !blank)
            ph_buf_add_byte(&line, ' ');
        else if (!b)
            ph_buf_add_byte(&line, (uint8_t)t.p[i]);
        blank = b;
    }
    if (line.len > 0)
        ph_out_foreign((ph_str){line.data, line.len}, false);
    ph_buf_free(&line);
}

static void show_place(phial_text doc, uint32_t page)
{
    ph_out_foreign(str_of(doc), false);
    ph_outf(" p. %u ", (unsigned)page);
}

static void show_sentences(const phial_answer *answer)
{
    size_t number = 0;
    for (size_t i = 0; i < answer->n_sentences; i++) {
        const phial_cited_sentence *s = &answer->sentences[i];
        ph_out_str(i ? " " : "");
        show_line(s->text);
        for (size_t k = 0; k < s->n_citations; k++)
            ph_outf(" [%zu]", ++number);
        if (s->n_citations == 0)
            ph_out_str(" [?]");
    }
    ph_out_str("\n");
}

static void show_citations(const phial_answer *answer)
{
    size_t number = 0;
    for (size_t i = 0; i < answer->n_sentences; i++) {
        const phial_cited_sentence *s = &answer->sentences[i];
        for (size_t k = 0; k < s->n_citations; k++) {
            ph_outf("[%zu] ", ++number);
            show_place(s->citations[k].doc, s->citations[k].page);
            ph_out_str("\"");
            show_line(s->citations[k].quote);
            ph_out_str("\"\n");
        }
        if (s->n_citations == 0) {
            ph_out_str("[?] not supported: \"");
            show_line(s->text);
            ph_out_str("\"\n");
        }
    }
}

void ph_ask_show_passages(const phial_answer *answer)
{
    for (size_t i = 0; i < answer->n_passages; i++) {
        const phial_passage *p = &answer->passages[i];
        phial_text t = p->text;
        t.n = ph_utf8_cut(t.p, t.n, PASSAGE_SHOWN);
        ph_out_str("  ");
        show_place(p->doc, p->page);
        ph_out_str("\"");
        show_line(t);
        ph_out_str(t.n < p->text.n ? "...\"\n" : "\"\n");
    }
}

void ph_ask_show(const phial_answer *answer, bool streamed)
{
    if (answer->abstained) {
        if (streamed && answer->abstained == PHIAL_ABSTAIN_UNSUPPORTED)
            ph_out_str("(none of this stands in the passages)\n");
        ph_out_str(PHIAL_ANSWER_NOT_FOUND "\n");
        if (answer->n_passages > 0) {
            ph_out_str("Nearest:\n");
            ph_ask_show_passages(answer);
        }
    } else {
        if (!streamed)
            show_sentences(answer);
        show_citations(answer);
    }
    if (answer->n_dropped > 0)
        ph_say("%zu of %zu passages did not fit into the context; --ctx or fewer (-k) help",
               answer->n_dropped, answer->n_passages);
    ph_out_flush();
}

/* --- JSON --- */

static ph_json *text_json(phial_text t)
{
    return ph_json_str_new(str_of(t));
}

static ph_json *short_number(double v)
{
    return ph_json_f64_new(ph_f32_decimal((float)v));
}

static void set_place(ph_json *o, phial_text doc, uint32_t page, uint64_t start, uint64_t end)
{
    ph_json_set(o, "doc", text_json(doc));
    ph_json_set(o, "page", ph_json_int_new(page));
    ph_json_set(o, "start", ph_json_int_new((int64_t)start));
    ph_json_set(o, "end", ph_json_int_new((int64_t)end));
}

static ph_json *sentence_json(const phial_cited_sentence *s)
{
    ph_json *o = ph_json_object_new(), *list = ph_json_array_new();
    for (size_t i = 0; i < s->n_citations; i++) {
        const phial_citation *c = &s->citations[i];
        ph_json *one = ph_json_object_new();
        set_place(one, c->doc, c->page, c->start, c->end);
        ph_json_set(one, "quote", text_json(c->quote));
        ph_json_push(list, one);
    }
    ph_json_set(o, "text", text_json(s->text));
    ph_json_set(o, "support", short_number(s->support));
    ph_json_set(o, "citations", list);
    return o;
}

static ph_json *passage_json(const phial_passage *p)
{
    ph_json *o = ph_json_object_new();
    set_place(o, p->doc, p->page, p->start, p->end);
    ph_json_set(o, "score", short_number(p->score));
    ph_json_set(o, "number", p->number ? ph_json_int_new((int64_t)p->number) : ph_json_null_new());
    ph_json_set(o, "text", text_json(p->text));
    return o;
}

static ph_json *timings_json(const phial_answer *a)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "search_ms", short_number(a->search_ms));
    ph_json_set(o, "prefill_ms", short_number(a->prefill_ms));
    ph_json_set(o, "ttft_ms", short_number(a->first_ms));
    ph_json_set(o, "decode_ms", short_number(a->decode_ms));
    ph_json_set(o, "align_ms", short_number(a->align_ms));
    ph_json_set(o, "n_prompt", ph_json_int_new((int64_t)a->prompt.n));
    ph_json_set(o, "n_reused", ph_json_int_new((int64_t)a->n_reused));
    ph_json_set(o, "n_generated", ph_json_int_new((int64_t)a->n_generated));
    return o;
}

ph_json *ph_ask_json(const phial_answer *a)
{
    ph_json *o = ph_json_object_new(), *sentences = ph_json_array_new(),
            *passages = ph_json_array_new();
    for (size_t i = 0; i < a->n_sentences; i++)
        ph_json_push(sentences, sentence_json(&a->sentences[i]));
    for (size_t i = 0; i < a->n_passages; i++)
        ph_json_push(passages, passage_json(&a->passages[i]));
    ph_json_set(o, "answer", text_json(a->text));
    ph_json_set(o, "abstained", ph_json_bool_new(a->abstained != PHIAL_ABSTAIN_NOT));
    ph_json_set(o, "reason",
                a->abstained ? ph_json_str_new(ph_str_from(phial_abstention_name(a->abstained)))
                             : ph_json_null_new());
    ph_json_set(o, "said", text_json(a->said));
    ph_json_set(o, "about", short_number(a->about));
    ph_json_set(o, "not_told", a->not_told < 0 ? ph_json_null_new() : short_number(a->not_told));
    ph_json_set(o, "sentences", sentences);
    ph_json_set(o, "passages", passages);
    ph_json_set(o, "dropped", ph_json_int_new((int64_t)a->n_dropped));
    if (!ph_json_set(o, "timings", timings_json(a))) {
        ph_json_free(o);
        return NULL;
    }
    return o;
}
