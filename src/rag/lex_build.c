/* Contract in lex_build.h. Terms are numbered as they come, postings are kept in order of chunks;
 * the end sorts the terms and deals the postings out to them. */
#include "rag/lex_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define NONE UINT32_MAX

typedef struct term {
    uint32_t at;   /* in `texts` */
    uint32_t last; /* its newest posting */
    uint32_t n;    /* its postings */
    uint8_t bytes;
} term;

typedef struct posting {
    uint32_t term;
    ph_lex_posting p;
} posting;

struct ph_lex_builder {
    term *terms;
    size_t n_terms, cap_terms;
    uint32_t *slots; /* term numbers by hash; NONE: free */
    size_t n_slots;
    ph_buf texts;
    posting *postings;
    size_t n_postings, cap_postings;
    size_t chunk_first; /* the first posting of the chunk at hand */
    uint32_t n_chunks;
    ph_buf title;
    bool in_head;
    ph_lex_chunk length;
    phial_status status;
    phial_error *err;
};

static bool grow(void **list, size_t *cap, size_t n, size_t size, phial_error *err)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 1024;
    void *p = more < *cap ? NULL : ph_realloc(*list, more, size, err);
    if (!p)
        return false;
    *list = p;
    *cap = more;
    return true;
}

static ph_str text_of(const ph_lex_builder *b, const term *t)
{
    return (ph_str){b->texts.data + t->at, t->bytes};
}

static bool rehash(ph_lex_builder *b, size_t n_slots)
{
    uint32_t *slots = ph_alloc(n_slots, sizeof *slots, b->err);
    if (!slots)
        return false;
    memset(slots, 0xff, n_slots * sizeof *slots);
    for (size_t i = 0; i < b->n_terms; i++) {
        ph_str s = text_of(b, &b->terms[i]);
        size_t at = ph_hash64(s.p, s.n, 0) & (n_slots - 1);
        while (slots[at] != NONE)
            at = (at + 1) & (n_slots - 1);
        slots[at] = (uint32_t)i;
    }
    ph_free(b->slots);
    b->slots = slots;
    b->n_slots = n_slots;
    return true;
}

static term *find_or_add(ph_lex_builder *b, ph_str s)
{
    if (b->n_terms * 2 >= b->n_slots && !rehash(b, b->n_slots * 2))
        return NULL;
    size_t at = ph_hash64(s.p, s.n, 0) & (b->n_slots - 1);
    for (; b->slots[at] != NONE; at = (at + 1) & (b->n_slots - 1)) {
        if (ph_str_eq(text_of(b, &b->terms[b->slots[at]]), s))
            return &b->terms[b->slots[at]];
    }
    size_t offset = b->texts.len;
    if (!grow((void **)&b->terms, &b->cap_terms, b->n_terms, sizeof *b->terms, b->err) ||
        offset > UINT32_MAX || !ph_buf_add(&b->texts, s.p, s.n))
        return NULL;
    b->slots[at] = (uint32_t)b->n_terms;
    b->terms[b->n_terms] = (term){.at = (uint32_t)offset, .last = NONE, .bytes = (uint8_t)s.n};
    return &b->terms[b->n_terms++];
}

static bool take(void *user, const ph_lex_token *token)
{
    ph_lex_builder *b = user;
    term *t = find_or_add(b, token->term);
    if (!t || !grow((void **)&b->postings, &b->cap_postings, b->n_postings, sizeof *b->postings,
                    b->err)) {
        b->status = PHIAL_ERR_NO_MEMORY;
        return false;
    }
    if (t->last == NONE || t->last < b->chunk_first) {
        b->postings[b->n_postings] = (posting){(uint32_t)(t - b->terms), {b->n_chunks, 0, 0}};
        t->last = (uint32_t)b->n_postings++;
        t->n++;
    }
    ph_lex_posting *p = &b->postings[t->last].p;
    if (b->in_head) {
        p->head++;
        b->length.head++;
    } else {
        p->body++;
        b->length.body++;
    }
    return b->length.body < PH_LEX_COUNT_MAX && b->length.head < PH_LEX_COUNT_MAX;
}

phial_status ph_lex_builder_new(ph_lex_builder **out, phial_error *err)
{
    ph_lex_builder *b = ph_alloc(1, sizeof *b, err);
    if (!b)
        return PHIAL_ERR_NO_MEMORY;
    ph_buf_init(&b->texts, UINT32_MAX);
    ph_buf_init(&b->title, 1u << 20);
    b->err = err;
    if (!rehash(b, 4096)) {
        ph_lex_builder_free(b);
        return PHIAL_ERR_NO_MEMORY;
    }
    *out = b;
    return PHIAL_OK;
}

void ph_lex_builder_free(ph_lex_builder *b)
{
    if (!b)
        return;
    ph_free(b->terms);
    ph_free(b->slots);
    ph_free(b->postings);
    ph_buf_free(&b->texts);
    ph_buf_free(&b->title);
    ph_free(b);
}

phial_status ph_lex_builder_title(ph_lex_builder *b, ph_str title, phial_error *err)
{
    ph_buf_clear(&b->title);
    ph_buf_add(&b->title, title.p, title.n);
    return ph_buf_status(&b->title, err);
}

phial_status ph_lex_builder_add(ph_lex_builder *b, ph_str text, ph_str context,
                                ph_lex_chunk *length, phial_error *err)
{
    b->err = err;
    b->status = PHIAL_OK;
    b->chunk_first = b->n_postings;
    b->length = (ph_lex_chunk){0};
    b->in_head = true;
    ph_lex_analyze((ph_str){b->title.data, b->title.len}, take, b);
    if (b->status == PHIAL_OK)
        ph_lex_analyze(context, take, b);
    b->in_head = false;
    if (b->status == PHIAL_OK)
        ph_lex_analyze(text, take, b);
    if (b->status == PHIAL_OK && b->n_postings >= NONE)
        b->status = PHIAL_ERR_LIMIT;
    if (b->status != PHIAL_OK)
        return ph_err_set(err, b->status, "out of memory for the full-text index");
    b->length.begins = b->n_chunks % PH_LEX_SECTION_CHUNKS == 0;
    *length = b->length;
    b->n_chunks++;
    return PHIAL_OK;
}

uint32_t ph_lex_builder_count(const ph_lex_builder *b)
{
    return b->n_chunks;
}

size_t ph_lex_builder_bytes(const ph_lex_builder *b)
{
    return b->n_postings * sizeof *b->postings + b->texts.len + b->n_terms * sizeof *b->terms +
           b->n_slots * sizeof *b->slots;
}

typedef struct sort_row {
    ph_str text;
    uint32_t term;
} sort_row;

static int compare(const void *a, const void *b)
{
    const ph_str *x = &((const sort_row *)a)->text, *y = &((const sort_row *)b)->text;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->p, y->p, n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* places: where the postings of each term begin in `dealt`. */
static phial_status write_terms(ph_lex_builder *b, const sort_row *rows, const size_t *places,
                                const ph_lex_posting *dealt, ph_lex_writer *writer,
                                phial_error *err)
{
    phial_status st = PHIAL_OK;
    ph_buf bytes;
    ph_buf_init(&bytes, PH_LEX_BLOCK_MAX / 2);
    for (size_t i = 0; st == PHIAL_OK && i < b->n_terms; i++) {
        const term *t = &b->terms[rows[i].term];
        uint32_t next = 0;
        ph_buf_clear(&bytes);
        for (size_t k = 0; k < t->n; k++)
            ph_lex_posting_add(&bytes, &next, &dealt[places[rows[i].term] + k]);
        st = ph_buf_status(&bytes, err);
        if (st == PHIAL_OK)
            st =
                ph_lex_writer_add(writer, rows[i].text, t->n, (ph_str){bytes.data, bytes.len}, err);
    }
    ph_buf_free(&bytes);
    return st == PHIAL_OK ? ph_lex_writer_end(writer, err) : st;
}

static void forget(ph_lex_builder *b)
{
    memset(b->slots, 0xff, b->n_slots * sizeof *b->slots);
    b->n_terms = b->n_postings = b->chunk_first = 0;
    b->n_chunks = 0;
    ph_buf_clear(&b->texts);
}

phial_status ph_lex_builder_end(ph_lex_builder *b,
                                phial_status (*emit)(void *user, ph_str first, ph_str block,
                                                     phial_error *err),
                                void *user, phial_error *err)
{
    phial_status st = PHIAL_ERR_NO_MEMORY;
    ph_lex_writer writer;
    ph_lex_writer_init(&writer, emit, user);
    sort_row *rows = ph_alloc(b->n_terms, sizeof *rows, err);
    size_t *places = ph_alloc(b->n_terms + 1, sizeof *places, err);
    ph_lex_posting *dealt = ph_alloc(b->n_postings, sizeof *dealt, err);
    if (!rows || !places || !dealt)
        goto done;
    for (size_t i = 0; i < b->n_terms; i++) {
        rows[i] = (sort_row){text_of(b, &b->terms[i]), (uint32_t)i};
        places[i + 1] = places[i] + b->terms[i].n;
    }
    qsort(rows, b->n_terms, sizeof *rows, compare);
    for (size_t i = 0; i < b->n_postings; i++)
        dealt[places[b->postings[i].term]++] = b->postings[i].p;
    for (size_t i = 0; i < b->n_terms; i++)
        places[i] -= b->terms[i].n;
    st = write_terms(b, rows, places, dealt, &writer, err);
done:
    ph_lex_writer_free(&writer);
    ph_free(rows);
    ph_free(places);
    ph_free(dealt);
    forget(b);
    return st;
}

uint64_t ph_lex_posting_sum(int64_t chunk_id, ph_str name, uint32_t body, uint32_t head)
{
    uint64_t counts = (uint64_t)head << 32 | body;
    return ph_hash64(name.p, name.n, ph_hash64(&counts, sizeof counts, (uint64_t)chunk_id));
}

uint64_t ph_lex_builder_sum(const ph_lex_builder *b, int64_t chunk_id)
{
    uint64_t sum = 0;
    for (size_t i = b->chunk_first; i < b->n_postings; i++) {
        const posting *p = &b->postings[i];
        sum += ph_lex_posting_sum(chunk_id, text_of(b, &b->terms[p->term]), p->p.body, p->p.head);
    }
    return sum;
}
