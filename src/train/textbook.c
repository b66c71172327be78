/* The textbook writer: which kind comes next, and the line it becomes. */
#include "train/textbook.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "train/textbook_grammar.h"
#include "train/textbook_kinds.h"
#include "train/textbook_passage.h"
#include "train/textbook_value.h"

/* Of each text of an example; the longest are numbered passages with a few thousand bytes. */
#define EXAMPLE_BYTES ((size_t)1 << 16)

typedef struct kind {
    ph_textbook_kind_info info;
    bool (*write)(ph_tb *t);
} kind;

static const kind kinds[] = {
#define PH_TEXTBOOK(name, weight, summary) {{#name, summary, weight}, ph_textbook_write_##name},
#include "train/textbook.def"
#undef PH_TEXTBOOK
};

struct ph_textbook {
    ph_textbook_options options;
    uint64_t index, total_weight;
    ph_textbook_example example;
    ph_tb_words *tables;
    ph_str *words;
    ph_tb_passage *passage;
    ph_tb *tb;
    ph_tb_room room;
};

void ph_textbook_options_default(ph_textbook_options *options)
{
    *options = (ph_textbook_options){.seed = 1, .split = PH_TEXTBOOK_TRAIN, .absent = 30};
    for (size_t i = 0; i < PH_TEXTBOOK_N_KINDS; i++)
        options->weights[i] = kinds[i].info.weight;
}

const ph_textbook_kind_info *ph_textbook_kind_at(size_t i)
{
    return i < PH_TEXTBOOK_N_KINDS ? &kinds[i].info : NULL;
}

static ph_buf *part_of(ph_textbook_example *ex, size_t i)
{
    ph_buf *const parts[] = {&ex->prompt,   &ex->completion, &ex->dialog, &ex->passage,
                             &ex->question, &ex->answer,     &ex->topic,  &ex->check};
    return i < sizeof parts / sizeof parts[0] ? parts[i] : NULL;
}

static phial_status check_options(const ph_textbook_options *o, uint64_t *total, phial_error *err)
{
    *total = 0;
    for (size_t i = 0; i < PH_TEXTBOOK_N_KINDS; i++) {
        if (o->weights[i] > PH_TEXTBOOK_WEIGHT_MAX)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "textbook: weight of %s is above %u",
                              kinds[i].info.name, PH_TEXTBOOK_WEIGHT_MAX);
        *total += o->weights[i];
    }
    if (*total == 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "textbook: no kind of example is wanted");
    if (o->absent > 100)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "textbook: %u%% of questions without an answer",
                          (unsigned)o->absent);
    return PHIAL_OK;
}

static bool reserve(ph_buf *b, size_t bytes)
{
    ph_buf_init(b, bytes);
    return ph_buf_reserve(b, bytes);
}

static phial_status make_room(ph_textbook *b, phial_error *err)
{
    bool ok = reserve(&b->room.request, EXAMPLE_BYTES) && reserve(&b->room.earlier, EXAMPLE_BYTES);
    for (size_t i = 0; ok && part_of(&b->example, i); i++)
        ok = reserve(part_of(&b->example, i), EXAMPLE_BYTES);
    for (size_t i = 0; ok && i < PH_TB_DEPTH; i++)
        ok = reserve(&b->room.values[i], PH_TB_VALUE_BYTES);
    return ok ? PHIAL_OK : ph_err_set(err, PHIAL_ERR_NO_MEMORY, "textbook: out of memory");
}

phial_status ph_textbook_new(ph_textbook **out, const ph_textbook_options *options,
                             phial_error *err)
{
    uint64_t total;
    phial_status st = check_options(options, &total, err);
    ph_textbook *b = st == PHIAL_OK ? ph_alloc(1, sizeof *b, err) : NULL;
    if (!b)
        return st != PHIAL_OK ? st : PHIAL_ERR_NO_MEMORY;
    b->options = *options;
    b->total_weight = total;
    b->passage = ph_tb_passage_new(err);
    b->tb = ph_alloc(1, sizeof *b->tb, err);
    st = b->passage && b->tb ? ph_tb_words_new(&b->tables, &b->words, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = make_room(b, err);
    if (st != PHIAL_OK) {
        ph_textbook_free(b);
        return st;
    }
    *out = b;
    return PHIAL_OK;
}

void ph_textbook_free(ph_textbook *book)
{
    if (!book)
        return;
    for (size_t i = 0; part_of(&book->example, i); i++)
        ph_buf_free(part_of(&book->example, i));
    for (size_t i = 0; i < PH_TB_DEPTH; i++)
        ph_buf_free(&book->room.values[i]);
    ph_buf_free(&book->room.request);
    ph_buf_free(&book->room.earlier);
    ph_tb_passage_free(book->passage);
    ph_free(book->tables);
    ph_free(book->words);
    ph_free(book->tb);
    ph_free(book);
}

void ph_textbook_seek(ph_textbook *book, uint64_t index)
{
    book->index = index;
}

static ph_textbook_kind draw_kind(ph_textbook *b)
{
    uint64_t at = ph_rng_below(&b->tb->rng, b->total_weight);
    size_t i = 0;
    while (at >= b->options.weights[i])
        at -= b->options.weights[i++];
    return (ph_textbook_kind)i;
}

/* Whoever knows the words of all tables guesses instead of reading. So in some examples for
 * training most words are ones that nobody knows. */
static unsigned draw_strangeness(ph_textbook *b)
{
    static const unsigned char percent[] = {0, 0, 0, 25, 60};
    return b->options.split == PH_TEXTBOOK_TRAIN ? percent[ph_tb_below(b->tb, sizeof percent)] : 0;
}

/* A kind may find that it has drawn nothing sensible; the next numbers of the same stream then
 * give something else. */
#define TRIES 200

phial_status ph_textbook_next(ph_textbook *book, const ph_textbook_example **out, phial_error *err)
{
    static const char *const split_names[] = {"train", "dev", "test"};
    ph_textbook_example *ex = &book->example;
    ph_tb *t = book->tb;
    *t = (ph_tb){.options = &book->options,
                 .tables = book->tables,
                 .passage = book->passage,
                 .room = &book->room,
                 .ex = ex};
    ph_rng_seed(&t->rng, book->options.seed, book->index * 3 + (uint64_t)book->options.split);
    ex->kind = draw_kind(book);
    t->strange = draw_strangeness(book);
    bool done = false;
    for (int tries = 0; tries < TRIES && !done; tries++) {
        for (size_t i = 0; part_of(ex, i); i++)
            ph_buf_clear(part_of(ex, i));
        t->env.n_slots = 0;
        t->n_used = 0;
        done = kinds[ex->kind].write(t);
        for (size_t i = 0; part_of(ex, i); i++)
            done = done && !part_of(ex, i)->failed;
    }
    if (!done)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY,
                          "textbook: %s example %llu of %s did not come about",
                          kinds[ex->kind].info.name, (unsigned long long)book->index,
                          split_names[book->options.split]);
    book->index++;
    *out = ex;
    return PHIAL_OK;
}

static void add_json_text(ph_buf *out, ph_str text)
{
    ph_buf_add_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = (uint8_t)text.p[i];
        if (c == '\n')
            ph_buf_add_str(out, "\\n");
        else if (c == '"' || c == '\\')
            ph_buf_addf(out, "\\%c", c);
        else if (c < 0x20)
            ph_buf_addf(out, "\\u%04x", c);
        else
            ph_buf_add_byte(out, c);
    }
    ph_buf_add_byte(out, '"');
}

static void add_json_fact(ph_buf *out, const char *key, const ph_buf *text)
{
    if (text->len > 0) {
        ph_buf_addf(out, ",\"%s\":", key);
        add_json_text(out, (ph_str){text->data, text->len});
    }
}

static void add_json_dialog(ph_buf *out, const ph_buf *dialog)
{
    ph_buf_add_str(out, "\"messages\":[");
    for (size_t i = 0, turn = 0; i < dialog->len; turn++) {
        ph_str says = ph_str_from(dialog->data + i);
        ph_buf_addf(out, "%s{\"role\":\"%s\",\"content\":", turn > 0 ? "," : "",
                    turn % 2 == 0 ? "user" : "assistant");
        add_json_text(out, says);
        ph_buf_add_byte(out, '}');
        i += says.n + 1;
    }
    ph_buf_add_byte(out, ']');
}

phial_status ph_textbook_add_json(ph_buf *out, const ph_textbook_example *example, bool facts,
                                  phial_error *err)
{
    ph_str prompt = {example->prompt.data, example->prompt.len};
    ph_str completion = {example->completion.data, example->completion.len};
    ph_buf_add_byte(out, '{');
    if (example->dialog.len > 0) {
        add_json_dialog(out, &example->dialog);
    } else if (prompt.n > 0) {
        ph_buf_add_str(out, "\"prompt\":");
        add_json_text(out, prompt);
        ph_buf_add_str(out, ",\"completion\":");
        add_json_text(out, completion);
    } else {
        ph_buf_add_str(out, "\"text\":");
        add_json_text(out, completion);
    }
    if (facts) {
        ph_buf_addf(out, ",\"kind\":\"%s\"", kinds[example->kind].info.name);
        add_json_fact(out, "passage", &example->passage);
        add_json_fact(out, "question", &example->question);
        add_json_fact(out, "answer", &example->answer);
        add_json_fact(out, "topic", &example->topic);
        add_json_fact(out, "check", &example->check);
    }
    ph_buf_add_str(out, "}\n");
    return ph_buf_status(out, err);
}
