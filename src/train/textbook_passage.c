/* Passages: units (a subject of a frame and some of its facts, or single events), told in
 * sentences. Every fact keeps its environment, so that questions can be filled from it later.
 *
 * A question without an answer is one of four: the fact's own list of what it does not say; a fact
 * of the subject's frame that was left out; the same question about somebody else; the same
 * question with one thing in it changed. In each case nothing in the passage answers it, because
 * all values of an example are different and the wording is compared with every question that the
 * passage does answer.
 *
 * Rows of one frame and key are one fact, told in several ways: a subject is told it once, and
 * asked about it in the words of any of them.
 */
#include "train/textbook_passage.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "train/textbook_clause.h"

#define FACTS 40 /* of all passages of an example */
#define UNITS 24
#define MADE  12 /* sentences of the grammar among them, not counting those told twice */

typedef struct fact_row {
    const char *frame, *key, *sentences, *questions, *absent;
} fact_row;

typedef struct frame_row {
    const char *name, *lead, *pronoun;
    unsigned share;
} frame_row;

static const fact_row rows[] = {
#define PH_FRAME(name, lead, pronoun, share)
#define PH_FACT(frame, key, sentences, questions, absent)                                          \
    {#frame, #key, sentences, questions, absent},
#include "train/textbook_facts.def"
#undef PH_FRAME
#undef PH_FACT
};

static const frame_row frames[] = {
#define PH_FRAME(name, lead, pronoun, share) {#name, lead, pronoun, share},
#define PH_FACT(frame, key, sentences, questions, absent)
#include "train/textbook_facts.def"
#undef PH_FRAME
#undef PH_FACT
};

#define N_ROWS   (sizeof rows / sizeof rows[0])
#define N_FRAMES (sizeof frames / sizeof frames[0])

typedef struct fact {
    const fact_row *row;
    ph_tb_env env; /* its outer is the unit's */
    size_t unit;
    ph_buf sentence;
} fact;

typedef struct unit {
    const frame_row *frame;
    ph_tb_env env;
    bool leads; /* its last sentence began with it or its pronoun */
} unit;

/* A row that is made for an example. */
typedef struct made_row {
    fact_row row; /* its texts are the clause's */
    ph_tb_clause clause;
    char key[16];
} made_row;

struct ph_tb_passage {
    fact facts[FACTS];
    unit units[UNITS];
    made_row made[MADE];
    size_t n_facts, n_units, n_made;
    ph_buf scratch, other;
};

/* Room for all texts is there from the start; sentences and questions are far shorter. */
#define TEXT_BYTES 2048

static bool reserve(ph_buf *b)
{
    ph_buf_init(b, TEXT_BYTES);
    return ph_buf_reserve(b, TEXT_BYTES);
}

ph_tb_passage *ph_tb_passage_new(phial_error *err)
{
    ph_tb_passage *p = ph_alloc(1, sizeof *p, err);
    bool ok = p && reserve(&p->scratch) && reserve(&p->other);
    for (size_t i = 0; ok && i < FACTS; i++)
        ok = reserve(&p->facts[i].sentence);
    for (size_t i = 0; ok && i < MADE; i++)
        ok = ph_tb_clause_init(&p->made[i].clause);
    if (!ok) {
        ph_err_set(err, PHIAL_ERR_NO_MEMORY, "textbook: out of memory");
        ph_tb_passage_free(p);
        return NULL;
    }
    return p;
}

void ph_tb_passage_free(ph_tb_passage *p)
{
    for (size_t i = 0; p && i < FACTS; i++)
        ph_buf_free(&p->facts[i].sentence);
    for (size_t i = 0; p && i < MADE; i++)
        ph_tb_clause_free(&p->made[i].clause);
    if (p) {
        ph_buf_free(&p->scratch);
        ph_buf_free(&p->other);
    }
    ph_free(p);
}

void ph_tb_passage_clear(ph_tb_passage *p)
{
    p->n_facts = 0;
    p->n_units = 0;
    p->n_made = 0;
}

static bool of_frame(const fact_row *row, const frame_row *frame)
{
    return strcmp(row->frame, frame->name) == 0;
}

static bool is_event(const frame_row *frame)
{
    return frame->lead[0] == 0;
}

/* First row and number of rows of a frame; they lie together. */
static size_t frame_rows(const frame_row *frame, size_t *first)
{
    size_t n = 0;
    *first = N_ROWS;
    for (size_t i = 0; i < N_ROWS; i++) {
        if (of_frame(&rows[i], frame)) {
            *first = n == 0 ? i : *first;
            n++;
        }
    }
    return n;
}

static bool is_made(const fact_row *row)
{
    return strcmp(row->frame, PH_TB_CLAUSE_FRAME) == 0;
}

static bool same_fact(const fact_row *a, const fact_row *b)
{
    return a == b || (strcmp(a->key, b->key) == 0 && strcmp(a->frame, b->frame) == 0);
}

/* One of the rows of the fact; they lie together. */
static const fact_row *draw_way(ph_tb *t, const fact_row *row)
{
    size_t n = 1;
    if (is_made(row))
        return row;
    while (row > rows && same_fact(row - 1, row))
        row--;
    while (row + n < rows + N_ROWS && same_fact(row + n, row))
        n++;
    return row + ph_tb_below(t, n);
}

/* One of a row's alternatives. What is made for an example holds none out: that was seen to when it
 * was made. */
static ph_str pick_of(ph_tb *t, const fact_row *row, ph_str group, char separator)
{
    ph_str rest = group, part = group;
    size_t n = 1;
    if (!is_made(row))
        return ph_tb_pick_part(t, group, separator);
    for (size_t i = 0; i < group.n; i++)
        n += group.p[i] == separator;
    for (size_t at = ph_tb_below(t, n) + 1; at > 0; at--)
        ph_tb_split(&rest, separator, &part);
    return part;
}

/* --- telling --- */

static void capitalize(ph_buf *b, size_t at)
{
    if (at < b->len && b->data[at] >= 'a' && b->data[at] <= 'z')
        b->data[at] = (char)(b->data[at] - 'a' + 'A');
}

/* The template with its lead replaced: "{name} is" becomes "He is", "{name}'s hat" "His hat". */
static bool with_pronoun(ph_tb *t, fact *f, const frame_row *frame, ph_str template)
{
    size_t n = strlen(frame->lead);
    if (!ph_str_starts_with(template, frame->lead) || template.n <= n)
        return false;
    ph_str rest = {template.p + n, template.n - n};
    bool person = frame->pronoun[0] == 'h';
    bool whose = ph_str_starts_with(rest, "'s ");
    if (!whose && rest.p[0] != ' ')
        return false;
    ph_str with = ph_str_from(person ? (whose ? "{His}" : "{He}") : whose ? "Its" : "It");
    rest = whose ? (ph_str){rest.p + 2, rest.n - 2} : rest;
    return ph_tb_fill(t, &f->env, &f->sentence, with, PH_TB_TELL) &&
           ph_tb_fill(t, &f->env, &f->sentence, rest, PH_TB_TELL);
}

/* "Anna works in Rome." and "{name} is ..." become "Anna works in Rome and is ...". */
static bool joined(ph_tb *t, fact *f, const frame_row *frame, ph_str template, ph_buf *out)
{
    size_t n = strlen(frame->lead);
    if (out->len < 2 || out->data[out->len - 1] != '.' ||
        !ph_str_starts_with(template, frame->lead) || template.n <= n || template.p[n] != ' ')
        return false;
    ph_str rest = {template.p + n, template.n - n};
    if (ph_str_starts_with(rest, " and ") || /* it has a subject more */
        !ph_tb_fill(t, &f->env, &f->sentence, rest, PH_TB_TELL))
        return false;
    out->len--;
    ph_buf_add_str(out, " and");
    return true;
}

/* "A did this." before another event becomes "A did this, and". */
static bool joined_events(ph_tb *t, ph_buf *out, size_t from)
{
    static const char words[] = "and|but|and then|so|and|while";
    if (out->len < from + 2 || out->data[out->len - 1] != '.')
        return false;
    out->len--;
    ph_str word = ph_tb_pick(t, words, '|');
    return ph_buf_add_byte(out, ',') && ph_buf_add_byte(out, ' ') &&
           ph_buf_add(out, word.p, word.n);
}

/* Does the template name the subject? Its slot is the first one of the lead. */
static bool names_subject(const frame_row *frame, ph_str template)
{
    const char *slot = strchr(frame->lead, '{');
    size_t n = slot ? strcspn(slot, "}") : 0; /* with the brace */
    for (size_t i = 1; n > 0 && i + n <= template.n; i++) {
        bool begins = template.p[i - 1] == '{' || template.p[i - 1] == ':';
        if (begins && (template.p[i] | 0x20) == (slot[1] | 0x20) &&
            memcmp(template.p + i + 1, slot + 2, n - 1) == 0)
            return true;
    }
    return n == 0;
}

/* Tells row as a fact of unit u. first: nothing was told about its subject yet. False, with
 * nothing told, where that does not go. */
static bool tell(ph_tb *t, ph_tb_passage *p, ph_buf *out, size_t u, const fact_row *row, bool first,
                 size_t from)
{
    if (p->n_facts == FACTS)
        return false;
    fact *f = &p->facts[p->n_facts];
    const frame_row *frame = p->units[u].frame;
    f->row = row;
    f->unit = u;
    f->env.n_slots = 0;
    f->env.outer = &p->units[u].env;
    ph_buf_clear(&f->sentence);
    ph_str template = pick_of(t, row, ph_str_from(row->sentences), '|');
    if (first && !names_subject(frame, template))
        return false;
    bool follows = !first && !is_event(frame), done = false;
    if (follows && p->units[u].leads && ph_tb_chance(t, 25))
        done = joined(t, f, frame, template, out);
    if (!done && follows && ph_tb_chance(t, 60))
        done = with_pronoun(t, f, frame, template);
    size_t n_lead = strlen(frame->lead); /* "Anna's hat is" does not lead */
    p->units[u].leads = ph_str_starts_with(template, frame->lead) && template.n > n_lead &&
                        template.p[n_lead] == ' ';
    if (!done) {
        f->env.n_slots = 0;
        ph_buf_clear(&f->sentence);
        if (!ph_tb_fill(t, &f->env, &f->sentence, template, PH_TB_TELL) || f->sentence.failed)
            return false;
    }
    if (!done && is_event(frame) && ph_tb_chance(t, 15) && joined_events(t, out, from)) {
        if (template.p[0] != '{')
            f->sentence.data[0] |= 0x20; /* the sentence's own "The", no name */
        ph_buf_add_byte(out, ' ');
    } else if (f->sentence.data[0] != ' ') {
        capitalize(&f->sentence, 0);
        if (out->len > from)
            ph_buf_add_byte(out, ' ');
    }
    ph_buf_add(out, f->sentence.data, f->sentence.len);
    p->n_facts++;
    return true;
}

static size_t new_unit(ph_tb *t, ph_tb_passage *p, const frame_row *frame)
{
    unit *u = &p->units[p->n_units];
    u->frame = frame;
    u->env.n_slots = 0;
    u->env.outer = NULL;
    u->leads = false;
    ph_buf_clear(&p->scratch);
    /* Draws the subject. Its names count as told only where they stand in a sentence. */
    ph_tb_fill(t, &u->env, &p->scratch, ph_str_from(frame->lead), PH_TB_DRAW);
    return p->n_units++;
}

static const frame_row *draw_frame(ph_tb *t)
{
    size_t total = 0, i = 0;
    for (size_t k = 0; k < N_FRAMES; k++)
        total += frames[k].share;
    for (size_t at = ph_tb_below(t, total); at >= frames[i].share; i++)
        at -= frames[i].share;
    return &frames[i];
}

static bool has_verb(const ph_tb_passage *p, size_t verb)
{
    for (size_t i = 0; i < p->n_made; i++) {
        for (size_t k = 0; k < PH_TB_CLAUSE_VERBS; k++) {
            if (p->made[i].clause.verbs[k] == verb && verb != PH_TB_DRAWN_VERB)
                return true;
        }
    }
    return false;
}

/* A sentence of the grammar whose verbs nothing else has, or one that was told with other words:
 * then somebody else did the same. NULL: no room. */
static const fact_row *make_row(ph_tb *t, ph_tb_passage *p)
{
    if (p->n_made > 0 && ph_tb_chance(t, 35))
        return &p->made[ph_tb_below(t, p->n_made)].row;
    if (p->n_made == MADE)
        return NULL;
    made_row *made = &p->made[p->n_made];
    ph_tb_clause *c = &made->clause;
    ph_tb_clause_write(t, c);
    if (c->sentences.failed || c->questions.failed || c->absent.failed ||
        has_verb(p, c->verbs[0]) || has_verb(p, c->verbs[1]))
        return NULL;
    snprintf(made->key, sizeof made->key, "made%zu", p->n_made);
    made->row = (fact_row){PH_TB_CLAUSE_FRAME, made->key, c->sentences.data, c->questions.data,
                           c->absent.data};
    p->n_made++;
    return &made->row;
}

/* A row of the frame whose fact the unit has not told yet; a second unit of the same frame likes to
 * tell what the first one told. */
static const fact_row *draw_row(ph_tb *t, ph_tb_passage *p, size_t u, size_t first_fact)
{
    const frame_row *frame = p->units[u].frame;
    size_t first, n = frame_rows(frame, &first);
    if (strcmp(frame->name, PH_TB_CLAUSE_FRAME) == 0)
        return make_row(t, p);
    for (int tries = 0; tries < 20; tries++) {
        const fact_row *row = &rows[first + ph_tb_below(t, n)];
        if (tries == 0 && p->n_facts > first_fact && ph_tb_chance(t, 60)) {
            const fact *f = &p->facts[first_fact + ph_tb_below(t, p->n_facts - first_fact)];
            row = of_frame(f->row, frame) ? draw_way(t, f->row) : row;
        }
        bool told = false;
        for (size_t i = 0; i < p->n_facts; i++)
            told = told || (p->facts[i].unit == u && same_fact(p->facts[i].row, row));
        if (!told)
            return row;
    }
    return NULL;
}

static void add_filler(ph_tb *t, ph_buf *out, size_t from)
{
    ph_str filler = ph_tb_pick(t, ph_tb_phrase(ph_str_from("filler")), '|');
    if (out->len > from)
        ph_buf_add_byte(out, ' ');
    ph_buf_add(out, filler.p, filler.n);
}

bool ph_tb_passage_add(ph_tb *t, ph_buf *out, size_t n_sentences)
{
    ph_tb_passage *p = t->passage;
    size_t from = out->len, first_fact = p->n_facts, left = n_sentences;
    const frame_row *frame = draw_frame(t);
    if (ph_tb_chance(t, 12))
        add_filler(t, out, from);
    while (left > 0) {
        if (p->n_units == UNITS)
            return false;
        size_t u = new_unit(t, p, frame);
        size_t n = is_event(frame) ? 1 : 1 + ph_tb_below(t, left < 4 ? left : 4);
        for (size_t i = 0; i < n; i++) {
            bool told = false;
            for (int tries = 0; tries < 12 && !told; tries++) {
                const fact_row *row = draw_row(t, p, u, first_fact);
                told = row && tell(t, p, out, u, row, i == 0, from);
            }
            if (!told)
                break;
        }
        left -= n;
        if (ph_tb_chance(t, 10))
            add_filler(t, out, from);
        if (ph_tb_chance(t, 25))
            frame = draw_frame(t);
    }
    return p->n_facts > first_fact;
}

/* --- asking --- */

static bool contains(const ph_buf *text, const char *p, size_t n)
{
    return n > 0 && memmem(text->data, text->len, p, n) != NULL;
}

/* Would the wording, filled from another fact, be the same question? Then two sentences answer it,
 * or one that was thought not to. ask: filled from `fact`. */
static bool also_asks(ph_tb *t, const fact *except, const fact_row *row, ph_str wording,
                      const ph_buf *ask)
{
    ph_tb_passage *p = t->passage;
    for (size_t i = 0; i < p->n_facts; i++) {
        fact *f = &p->facts[i];
        if (f == except || !same_fact(f->row, row))
            continue;
        /* People have two names: compare in full. */
        ph_buf_clear(&p->other);
        if (ph_tb_fill(t, &f->env, &p->other, wording, PH_TB_ANSWER) && p->other.len == ask->len &&
            memcmp(p->other.data, ask->data, ask->len) == 0)
            return true;
    }
    return false;
}

/* The first of the answers ("a~b") that stands in the sentence, as it stands there. */
static bool add_answer(ph_tb *t, fact *f, ph_str answers, ph_buf *out)
{
    ph_tb_passage *p = t->passage;
    ph_str one;
    while (ph_tb_split(&answers, '~', &one)) {
        ph_buf_clear(&p->other);
        if (!ph_tb_fill(t, &f->env, &p->other, one, PH_TB_ANSWER) || p->other.len == 0)
            continue;
        bool there = contains(&f->sentence, p->other.data, p->other.len);
        if (!there) {
            capitalize(&p->other, 0);
            there = contains(&f->sentence, p->other.data, p->other.len);
        }
        if (there)
            return ph_buf_add(out, p->other.data, p->other.len);
    }
    return false;
}

/* The subject of a sentence is often "He" there, its name told before. */
static bool add_subject(ph_tb *t, fact *f, ph_str answers, ph_buf *out)
{
    ph_tb_passage *p = t->passage;
    const frame_row *frame = p->units[f->unit].frame;
    ph_str one;
    while (!is_event(frame) && ph_tb_split(&answers, '~', &one)) {
        const ph_tb_slot *slot = &p->units[f->unit].env.slots[0];
        ph_buf_clear(&p->other);
        if (!ph_tb_fill(t, &p->units[f->unit].env, &p->other, one, PH_TB_ANSWER) || !slot->name[0])
            continue;
        for (size_t i = 0; i < p->n_facts; i++) {
            if (p->facts[i].unit == f->unit &&
                contains(&p->facts[i].sentence, p->other.data, p->other.len))
                return ph_buf_add(out, p->other.data, p->other.len);
        }
        capitalize(&p->other, 0);
        for (size_t i = 0; i < p->n_facts; i++) {
            if (p->facts[i].unit == f->unit &&
                contains(&p->facts[i].sentence, p->other.data, p->other.len))
                return ph_buf_add(out, p->other.data, p->other.len);
        }
    }
    return false;
}

/* "question/other=>answers", in the words of any row of the fact */
static bool draw_question(ph_tb *t, const fact_row *row, ph_str *wording, ph_str *answers)
{
    ph_str group = ph_str_from(draw_way(t, row)->questions), rest = group, part;
    size_t n = 0;
    while (ph_tb_split(&rest, '|', &part))
        n++;
    rest = group;
    for (size_t at = 1 + ph_tb_below(t, n); at > 0; at--)
        ph_tb_split(&rest, '|', &part);
    const char *arrow = memmem(part.p, part.n, "=>", 2);
    if (!arrow)
        return false;
    ph_str asks = {part.p, (size_t)(arrow - part.p)};
    *answers = (ph_str){arrow + 2, part.n - asks.n - 2};
    *wording = pick_of(t, row, asks, '/');
    return true;
}

/* Does it begin as a question does, perhaps with a preposition: "From whom ..."? */
static bool begins_as_question(const ph_buf *question)
{
    static const char *const words[] = {"who",   "whom", "whose", "what", "which",
                                        "where", "when", "why",   "how"};
    const char *at = question->data;
    for (int word = 0; word < 2; word++) {
        size_t n = strcspn(at, " ");
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            if (strlen(words[i]) == n && strncasecmp(at, words[i], n) == 0)
                return true;
        }
        at += n + (at[n] == ' ');
    }
    return false;
}

/* Now and then something is said around the question: "Tell me: Who ...?" */
static void add_framing(ph_tb *t, ph_buf *question)
{
    ph_tb_env env = {.n_slots = 0};
    if (!ph_tb_chance(t, 25) || !begins_as_question(question) ||
        question->data[question->len - 1] != '?')
        return;
    question->data[0] |= 0x20; /* {Q} makes it a capital again */
    bool fits = ph_tb_slot_set(&env, "q", question->data) != NULL;
    if (fits) {
        ph_str framing = ph_tb_pick(t, ph_tb_phrase(ph_str_from("framing")), '|');
        ph_buf_clear(question);
        ph_tb_fill(t, &env, question, framing, PH_TB_ASK);
    }
    capitalize(question, 0);
}

/* How likely a choice among facts is to succeed is small for some; 60 tries miss almost none. */
#define TRIES 60

bool ph_tb_passage_ask(ph_tb *t, ph_buf *question, ph_buf *answer)
{
    ph_tb_passage *p = t->passage;
    for (int tries = 0; tries < TRIES && p->n_facts > 0; tries++) {
        fact *f = &p->facts[ph_tb_below(t, p->n_facts)];
        ph_str wording, answers;
        ph_buf_clear(&p->scratch);
        if (!draw_question(t, f->row, &wording, &answers) ||
            !ph_tb_fill(t, &f->env, &p->scratch, wording, PH_TB_ANSWER) ||
            also_asks(t, f, f->row, wording, &p->scratch))
            continue;
        ph_buf_clear(answer);
        if (!add_answer(t, f, answers, answer) && !add_subject(t, f, answers, answer))
            continue;
        ph_buf_clear(question);
        if (!ph_tb_fill(t, &f->env, question, wording, PH_TB_ASK))
            return false;
        capitalize(question, 0);
        add_framing(t, question);
        return true;
    }
    return false;
}

/* What the fact's own table says it does not answer. */
static bool ask_unsaid(ph_tb *t, fact *f, ph_buf *question)
{
    const fact_row *row = draw_way(t, f->row);
    return row->absent[0] && ph_tb_fill(t, &f->env, question,
                                        pick_of(t, row, ph_str_from(row->absent), '|'), PH_TB_ASK);
}

/* True if one of the facts answers the question when it is filled from that fact. */
static bool is_answered(ph_tb *t, const fact_row *row, ph_str wording, ph_tb_env *env)
{
    ph_tb_passage *p = t->passage;
    ph_buf_clear(&p->scratch);
    return !ph_tb_fill(t, env, &p->scratch, wording, PH_TB_ANSWER) ||
           also_asks(t, NULL, row, wording, &p->scratch);
}

/* A fact that the subject's passage left out. */
static bool ask_left_out(ph_tb *t, fact *f, ph_buf *question)
{
    ph_tb_passage *p = t->passage;
    const frame_row *frame = p->units[f->unit].frame;
    if (is_event(frame))
        return false;
    size_t first, n = frame_rows(frame, &first);
    const fact_row *row = &rows[first + ph_tb_below(t, n)];
    for (size_t i = 0; i < p->n_facts; i++) {
        if (p->facts[i].unit == f->unit && same_fact(p->facts[i].row, row))
            return false;
    }
    ph_str wording, answers;
    ph_tb_env env = {.outer = f->env.outer};
    return draw_question(t, row, &wording, &answers) &&
           ph_tb_fill(t, &env, question, wording, PH_TB_DRAW) &&
           !is_answered(t, row, wording, &env);
}

/* A question that has an answer, with one of its slots (or the subject) drawn anew. */
static bool ask_changed(ph_tb *t, fact *f, ph_buf *question)
{
    ph_tb_passage *p = t->passage;
    ph_str wording, answers;
    ph_tb_env env = f->env, subject = p->units[f->unit].env;
    ph_tb_env *from = subject.n_slots > 0 && ph_tb_chance(t, 60) ? &subject : &env;
    env.outer = &subject;
    if (from->n_slots == 0 || !draw_question(t, f->row, &wording, &answers))
        return false;
    if (from == &subject) {
        subject.n_slots = 0;
    } else {
        size_t at = ph_tb_below(t, env.n_slots);
        env.n_slots--;
        env.slots[at] = env.slots[env.n_slots];
    }
    return ph_tb_fill(t, &env, question, wording, PH_TB_DRAW) &&
           !is_answered(t, f->row, wording, &env);
}

bool ph_tb_passage_ask_absent(ph_tb *t, ph_buf *question)
{
    ph_tb_passage *p = t->passage;
    for (int tries = 0; tries < TRIES && p->n_facts > 0; tries++) {
        fact *f = &p->facts[ph_tb_below(t, p->n_facts)];
        unsigned way = (unsigned)ph_tb_below(t, 3);
        ph_buf_clear(question);
        if (way == 0   ? ask_unsaid(t, f, question)
            : way == 1 ? ask_left_out(t, f, question)
                       : ask_changed(t, f, question)) {
            capitalize(question, 0);
            add_framing(t, question);
            return true;
        }
    }
    return false;
}

bool ph_tb_passage_told(const ph_tb_passage *p, size_t i, ph_tb_told *out)
{
    if (i >= p->n_facts)
        return false;
    const fact *f = &p->facts[i];
    *out = (ph_tb_told){f->row->frame, f->row->key, f->row->sentences, f->unit};
    return true;
}
