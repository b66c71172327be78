/* SQuAD v2; contract in squad.h. */
#include "rag/squad.h"

#include "base/utf8.h"
#include "rag/sentence.h"

/* Words of one answer that are compared. */
#define WORDS_MAX 1024

/* --- the file --- */

typedef struct counts {
    size_t articles, paragraphs, items, answers;
} counts;

static phial_status missing(phial_error *err, const char *what, size_t article)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "SQuAD: article %zu: no %s", article + 1, what);
}

static void count_one(counts *n, const ph_json *article)
{
    const ph_json *paragraphs = ph_json_get(article, "paragraphs");
    n->articles++;
    n->paragraphs += ph_json_count(paragraphs);
    for (size_t p = 0; p < ph_json_count(paragraphs); p++) {
        const ph_json *qas = ph_json_get(ph_json_at(paragraphs, p), "qas");
        n->items += ph_json_count(qas);
        for (size_t q = 0; q < ph_json_count(qas); q++) {
            const ph_json *item = ph_json_at(qas, q);
            n->answers += ph_json_count(ph_json_get(item, "answers")) +
                          ph_json_count(ph_json_get(item, "plausible_answers"));
        }
    }
}

/* Where it is being filled. */
typedef struct filler {
    ph_squad *s;
    ph_str *titles;
    ph_squad_paragraph *paragraphs;
    ph_squad_item *items;
    ph_squad_answer *answers;
    size_t n_answers;
} filler;

static phial_status make_room(filler *f, const counts *n, phial_error *err)
{
    ph_arena *a = &f->s->arena;
    f->titles = ph_arena_alloc(a, n->articles + 1, sizeof *f->titles, err);
    f->paragraphs = ph_arena_alloc(a, n->paragraphs + 1, sizeof *f->paragraphs, err);
    f->items = ph_arena_alloc(a, n->items + 1, sizeof *f->items, err);
    f->answers = ph_arena_alloc(a, n->answers + 1, sizeof *f->answers, err);
    f->s->titles = f->titles;
    f->s->paragraphs = f->paragraphs;
    f->s->items = f->items;
    return f->titles && f->paragraphs && f->items && f->answers ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

/* The file counts characters. */
static bool byte_of(ph_str text, int64_t character, size_t *at)
{
    *at = 0;
    for (int64_t i = 0; i < character; i++) {
        size_t len;
        if (*at >= text.n)
            return false;
        ph_utf8_decode((const uint8_t *)text.p + *at, text.n - *at, &len);
        *at += len;
    }
    return character >= 0;
}

static phial_status add_answers(filler *f, ph_squad_item *item, const ph_json *list, ph_str context,
                                phial_error *err)
{
    item->answers = &f->answers[f->n_answers];
    for (size_t i = 0; i < ph_json_count(list); i++) {
        ph_squad_answer *a = &f->answers[f->n_answers];
        int64_t start;
        if (!ph_json_str(ph_json_get(ph_json_at(list, i), "text"), &a->text) ||
            !ph_json_int(ph_json_get(ph_json_at(list, i), "answer_start"), &start))
            return missing(err, "text or answer_start of an answer", item->article);
        if (!byte_of(context, start, &a->start) || a->text.n > context.n - a->start ||
            memcmp(context.p + a->start, a->text.p, a->text.n) != 0)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "SQuAD: question %.*s: its answer does not stand where it says",
                              PH_STR_ARG(item->id));
        f->n_answers++;
        item->n_answers++;
    }
    return PHIAL_OK;
}

static phial_status add_item(filler *f, const ph_json *qa, phial_error *err)
{
    ph_squad *s = f->s;
    const ph_squad_paragraph *p = &f->paragraphs[s->n_paragraphs - 1];
    ph_squad_item *item = &f->items[s->n_items];
    *item = (ph_squad_item){.article = p->article, .paragraph = s->n_paragraphs - 1};
    if (!ph_json_str(ph_json_get(qa, "id"), &item->id) ||
        !ph_json_str(ph_json_get(qa, "question"), &item->question))
        return missing(err, "id or question", item->article);
    ph_json_bool(ph_json_get(qa, "is_impossible"), &item->impossible);
    const ph_json *answers = ph_json_get(qa, item->impossible ? "plausible_answers" : "answers");
    if (!item->impossible && ph_json_count(answers) == 0)
        return missing(err, "answers of a question that is not impossible", item->article);
    s->n_items++;
    return add_answers(f, item, answers, p->context, err);
}

static phial_status add_article(filler *f, const ph_json *article, phial_error *err)
{
    ph_squad *s = f->s;
    size_t number = s->n_articles;
    const ph_json *paragraphs = ph_json_get(article, "paragraphs");
    if (!ph_json_str(ph_json_get(article, "title"), &f->titles[s->n_articles++]))
        return missing(err, "title", number);
    for (size_t i = 0; i < ph_json_count(paragraphs); i++) {
        const ph_json *one = ph_json_at(paragraphs, i), *qas = ph_json_get(one, "qas");
        ph_squad_paragraph *p = &f->paragraphs[s->n_paragraphs++];
        p->article = number;
        if (!ph_json_str(ph_json_get(one, "context"), &p->context))
            return missing(err, "context of a paragraph", number);
        for (size_t q = 0; q < ph_json_count(qas); q++) {
            phial_status st = add_item(f, ph_json_at(qas, q), err);
            if (st != PHIAL_OK)
                return st;
        }
    }
    return PHIAL_OK;
}

phial_status ph_squad_parse(ph_squad *out, const char *text, size_t n, phial_error *err)
{
    *out = (ph_squad){0};
    ph_arena_init(&out->arena, 0);
    filler f = {.s = out};
    counts c = {0};
    out->root = ph_json_parse(text, n, err);
    if (!out->root)
        return PHIAL_ERR_BAD_INPUT;
    const ph_json *data = ph_json_get(out->root, "data");
    for (size_t i = 0; i < ph_json_count(data); i++)
        count_one(&c, ph_json_at(data, i));
    phial_status st =
        c.items > 0 ? make_room(&f, &c, err)
                    : ph_err_set(err, PHIAL_ERR_BAD_INPUT, "SQuAD: no questions below \"data\"");
    for (size_t i = 0; i < c.articles && st == PHIAL_OK; i++)
        st = add_article(&f, ph_json_at(data, i), err);
    if (st != PHIAL_OK)
        ph_squad_free(out);
    return st;
}

void ph_squad_free(ph_squad *s)
{
    ph_json_free(s->root);
    ph_arena_free(&s->arena);
    *s = (ph_squad){0};
}

/* --- comparing answers --- */

static uint32_t lower(uint32_t cp)
{
    if ((cp >= 'A' && cp <= 'Z') || (cp >= 0xC0 && cp <= 0xDE && cp != 0xD7) ||
        (cp >= 0x391 && cp <= 0x3A9) || (cp >= 0x410 && cp <= 0x42F))
        return cp + 32;
    if (cp >= 0x400 && cp <= 0x40F)
        return cp + 80;
    bool odd_below = (cp >= 0x139 && cp <= 0x148) || (cp >= 0x179 && cp <= 0x17E);
    if (cp >= 0x100 && cp <= 0x17E && cp != 0x130 && cp != 0x131 && cp != 0x138 && cp != 0x149 &&
        cp != 0x178)
        return odd_below ? cp + (cp & 1) : cp | 1;
    return cp;
}

static bool is_punctuation(uint32_t cp)
{
    return cp > ' ' && cp < 0x7F && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)cp) != NULL;
}

static bool is_word(ph_str s, size_t at)
{
    size_t len;
    ph_sentence_class c = ph_sentence_class_at(s, at, &len);
    return ph_sentence_is_letter(c) || c == PH_SB_NUMERIC || s.p[at] == '_';
}

static size_t article_at(ph_str s, size_t at)
{
    static const char *const articles[] = {"the", "an", "a"};
    size_t back = at;
    while (back > 0 && ((uint8_t)s.p[--back] & 0xC0) == 0x80)
        continue;
    if (at > 0 && is_word(s, back))
        return 0;
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(articles[i]);
        if (n <= s.n - at && memcmp(s.p + at, articles[i], n) == 0 &&
            (at + n == s.n || !is_word(s, at + n)))
            return n;
    }
    return 0;
}

static void add_without_articles(ph_buf *out, ph_str s)
{
    size_t begun = out->len;
    bool blank = false;
    for (size_t at = 0, len; at < s.n; at += len) {
        len = article_at(s, at);
        if (len > 0) {
            blank = true;
            continue;
        }
        if (ph_sentence_is_blank(ph_sentence_class_at(s, at, &len))) {
            blank = true;
            continue;
        }
        if (blank && out->len > begun)
            ph_buf_add_byte(out, ' ');
        blank = false;
        ph_buf_add(out, s.p + at, len);
    }
}

phial_status ph_squad_normalize(ph_buf *out, ph_str text, phial_error *err)
{
    ph_buf plain;
    ph_buf_init(&plain, 0);
    for (size_t at = 0, len; at < text.n; at += len) {
        uint8_t bytes[4];
        uint32_t cp = ph_utf8_decode((const uint8_t *)text.p + at, text.n - at, &len);
        if (cp == PH_UTF8_INVALID)
            ph_buf_add(&plain, text.p + at, len);
        else if (!is_punctuation(cp))
            ph_buf_add(&plain, bytes, ph_utf8_encode(lower(cp), bytes));
    }
    phial_status st = ph_buf_status(&plain, err);
    if (st == PHIAL_OK && plain.len > 0)
        add_without_articles(out, (ph_str){plain.data, plain.len});
    ph_buf_free(&plain);
    return st == PHIAL_OK ? ph_buf_status(out, err) : st;
}

static size_t split(ph_str *words, ph_str s)
{
    size_t n = 0;
    for (size_t at = 0; at < s.n && n < WORDS_MAX; at++) {
        size_t from = at;
        while (at < s.n && s.p[at] != ' ')
            at++;
        words[n++] = (ph_str){s.p + from, at - from};
    }
    return n;
}

/* Both normalized, neither empty. */
static double f1_of(ph_str a, ph_str b)
{
    ph_str left[WORDS_MAX], right[WORDS_MAX];
    size_t n = split(left, a), m = split(right, b), same = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < m; j++) {
            if (right[j].p && ph_str_eq(left[i], right[j])) {
                right[j].p = NULL;
                same++;
                break;
            }
        }
    }
    return same ? 2.0 * (double)same / (double)(n + m) : 0;
}

static ph_str str_of(const ph_buf *b)
{
    return (ph_str){b->data ? b->data : "", b->len};
}

phial_status ph_squad_compare(ph_squad_score *out, const ph_squad_item *item, ph_str prediction,
                              phial_error *err)
{
    ph_buf said, gold;
    ph_buf_init(&said, 0);
    ph_buf_init(&gold, 0);
    *out = (ph_squad_score){0};
    phial_status st = ph_squad_normalize(&said, prediction, err);
    if (item->impossible)
        out->exact = out->f1 = said.len == 0;
    for (size_t i = 0; i < item->n_answers && !item->impossible && st == PHIAL_OK; i++) {
        ph_buf_clear(&gold);
        st = ph_squad_normalize(&gold, item->answers[i].text, err);
        bool same = ph_str_eq(str_of(&said), str_of(&gold));
        double f1 = same ? 1 : said.len && gold.len ? f1_of(str_of(&said), str_of(&gold)) : 0;
        out->exact = same ? 1 : out->exact;
        out->f1 = f1 > out->f1 ? f1 : out->f1;
    }
    ph_buf_free(&said);
    ph_buf_free(&gold);
    return st;
}
