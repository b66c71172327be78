/* Contract in collection_near.h.
 *
 * For each two different terms of the query that stand within the window in the text, nearest
 * occurrences only, 1 / distance is summed, saturated as a term's count is, and weighed by the
 * rarer halves of both. That needs the text, not positions in the index: a hundred chunks are read
 * and cut into words again in less than a millisecond.
 */
#include "rag/collection_near.h"

#include <string.h>

#include "base/mem.h"

static phial_status read_slice(phial_collection *c, int64_t page, ph_chunk_place *place,
                               ph_buf *out, phial_error *err)
{
    sqlite3_blob *blob = NULL;
    int code = sqlite3_blob_open(c->db, "main", "pages", "text", page, 0, &blob);
    if (code != SQLITE_OK) {
        sqlite3_blob_close(blob);
        return code == SQLITE_ERROR ? ph_damaged(c, "the page of a chunk is missing", err)
                                    : ph_sql_error(c, code, "reading", err);
    }
    phial_status st = PHIAL_OK;
    uint64_t size = (uint64_t)sqlite3_blob_bytes(blob);
    place->text = out->len;
    place->n_text = (size_t)(place->end - place->start);
    if (place->end > size)
        st = ph_damaged(c, "a chunk reaches over the end of its page", err);
    else if (!ph_buf_reserve(out, place->n_text + 1))
        st = ph_buf_status(out, err);
    if (st == PHIAL_OK && place->n_text > 0) {
        code = sqlite3_blob_read(blob, out->data + out->len, (int)place->n_text, (int)place->start);
        if (code != SQLITE_OK)
            st = ph_sql_error(c, code, "reading", err);
    }
    if (st == PHIAL_OK) {
        out->len += place->n_text;
        out->data[out->len] = 0;
        ph_buf_add_byte(out, 0);
        st = ph_buf_status(out, err);
    }
    sqlite3_blob_close(blob);
    return st;
}

phial_status ph_chunk_read(phial_collection *c, int64_t id, bool with_context, ph_buf *out,
                           ph_chunk_place *place, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    int64_t page = 0;
    phial_status st = ph_sql_get(c, PH_SQL_CHUNK, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, id);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && !row)
        st = ph_damaged(c, "the full-text index names a chunk that is not there", err);
    if (st == PHIAL_OK) {
        int64_t start = sqlite3_column_int64(s, 1), end = sqlite3_column_int64(s, 2);
        ph_str context = with_context ? ph_sql_text(s, 3) : (ph_str){"", 0};
        page = sqlite3_column_int64(s, 0);
        *place = (ph_chunk_place){.doc = page >> PH_PAGES_BITS,
                                  .page = (uint32_t)(page & ((1 << PH_PAGES_BITS) - 1)),
                                  .start = (uint64_t)start,
                                  .end = (uint64_t)end,
                                  .context = out->len,
                                  .n_context = context.n};
        if (page <= 0 || start < 0 || end < start || end > PH_CELL_MAX ||
            context.n > PH_CONTEXT_MAX)
            st = ph_damaged(c, "the place of a chunk", err);
        ph_buf_add(out, context.p, context.n);
        ph_buf_add_byte(out, 0);
    }
    sqlite3_reset(s);
    return st == PHIAL_OK ? read_slice(c, page, place, out, err) : st;
}

typedef struct near {
    const ph_lex_query *q;
    uint32_t window, position;
    uint32_t last[PH_QUERY_TERMS_MAX]; /* position + 1 of the newest occurrence; 0: none */
    double sums[PH_QUERY_TERMS_MAX];
    const double *weights;
} near;

static int find_term(const ph_lex_query *q, ph_str term)
{
    size_t from = 0, to = q->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        const ph_lex_term *t = &q->terms[mid];
        int order = memcmp(t->text, term.p, t->n < term.n ? t->n : term.n);
        order = order ? order : (t->n > term.n) - (t->n < term.n);
        if (order == 0)
            return (int)mid;
        if (order < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return -1;
}

static bool look_near(void *user, const ph_lex_token *token)
{
    near *n = user;
    n->position += !token->pair;
    int at = find_term(n->q, token->term);
    if (at < 0)
        return true;
    for (size_t i = 0; i < n->q->n; i++) {
        uint32_t distance = n->position - (n->last[i] - 1);
        if ((int)i == at || n->last[i] == 0 || distance > n->window || distance == 0)
            continue;
        n->sums[at] += n->weights[i] / distance;
        n->sums[i] += n->weights[at] / distance;
    }
    n->last[at] = n->position + 1;
    return true;
}

phial_status ph_lex_rescore(phial_collection *c, const ph_lex_query *q, const double *weights,
                            const ph_lex_params *params, ph_scored *list, size_t n,
                            phial_error *err)
{
    phial_status st = PHIAL_OK;
    ph_buf text;
    near *at = ph_alloc(1, sizeof *at, err);
    if (!at)
        return PHIAL_ERR_NO_MEMORY;
    ph_buf_init(&text, PH_CELL_MAX);
    for (size_t i = 0; st == PHIAL_OK && q->n > 1 && i < n; i++) {
        ph_chunk_place place;
        ph_buf_clear(&text);
        st = ph_chunk_read(c, list[i].chunk, false, &text, &place, err);
        if (st != PHIAL_OK)
            break;
        memset(at, 0, sizeof *at);
        at->q = q;
        at->window = params->near_window;
        at->weights = weights;
        ph_lex_analyze((ph_str){text.data + place.text, place.n_text}, look_near, at);
        double sum = 0;
        for (size_t t = 0; t < q->n; t++) {
            if (at->sums[t] > 0)
                sum += (weights[t] < 1 ? weights[t] : 1) * at->sums[t] * (params->k1 + 1) /
                       (at->sums[t] + params->k1);
        }
        list[i].score += params->near_weight * sum;
    }
    ph_buf_free(&text);
    ph_free(at);
    return st;
}
