/* phial_collection_index(): what is read by ingest.h comes into the collection, one document a
 * transaction.
 *
 * A file is known by its absolute path, a record by its _id. A file's document is called as the
 * file was named on the command line, or, if another file has that name already, by its absolute
 * path. The connection is used by the writing thread and, to look up what is known, by readers:
 * under a lock, which nobody holds while waiting.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/thread.h"
#include "rag/collection_lex.h"
#include "rag/collection_write.h"
#include "rag/ingest.h"
#include "rag/ingest_jsonl.h"
#include "rag/ingest_walk.h"

#define RECIPE_VERSION    1
#define PROGRESS_EVERY_NS 100000000u
#define SEGMENTS_AT_REST  8

typedef struct id_set {
    int64_t *slots; /* 0: free */
    size_t n, cap;
} id_set;

typedef struct run {
    phial_collection *c;
    const phial_index_options *o;
    phial_index_result *result;
    ph_mutex *lock; /* of c */
    ph_walk *walk;
    ph_jsonl *jsonl;
    ph_buf origin;       /* the JSONL file's absolute path */
    ph_buf self;         /* the collection's */
    bool unnamed_failed; /* a line without _id: what it was is not known */
    id_set seen;         /* documents that the JSONL file has */
    ph_doc_writer writer;
    bool writing;
    uint64_t in_segments; /* chunks of this document whose index is written */
    phial_index_progress progress;
    bool changed;
} run;

void phial_index_options_default(phial_index_options *o)
{
    *o = (phial_index_options){.size = sizeof *o};
}

static ph_str str_of(const ph_buf *b)
{
    return (ph_str){b->data ? b->data : "", b->len};
}

/* --- documents that were seen --- */

static bool set_add(id_set *set, int64_t id, phial_error *err)
{
    if (set->n * 2 >= set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 1024;
        id_set bigger = {ph_alloc(cap, sizeof *set->slots, err), 0, cap};
        if (!bigger.slots)
            return false;
        for (size_t i = 0; i < set->cap; i++) {
            if (set->slots[i])
                set_add(&bigger, set->slots[i], err);
        }
        ph_free(set->slots);
        *set = bigger;
    }
    size_t at = ph_hash64(&id, sizeof id, 0) & (set->cap - 1);
    while (set->slots[at] && set->slots[at] != id)
        at = (at + 1) & (set->cap - 1);
    set->n += set->slots[at] == 0;
    set->slots[at] = id;
    return true;
}

static bool set_has(const id_set *set, int64_t id)
{
    size_t at = set->cap ? ph_hash64(&id, sizeof id, 0) & (set->cap - 1) : 0;
    while (set->cap && set->slots[at]) {
        if (set->slots[at] == id)
            return true;
        at = (at + 1) & (set->cap - 1);
    }
    return false;
}

/* --- what is known --- */

/* name: gets the document's name, if wanted. */
static phial_status look_up(phial_collection *c, ph_sql which, ph_str key, ph_task_known *known,
                            ph_buf *name, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    *known = (ph_task_known){0};
    phial_status st = ph_sql_get(c, which, &s, err);
    if (st != PHIAL_OK)
        return st;
    ph_sql_bind_blob(s, 1, key);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && row) {
        ph_str hash = ph_sql_text(s, 1);
        *known = (ph_task_known){.id = sqlite3_column_int64(s, 0),
                                 .recipe = sqlite3_column_int64(s, 2),
                                 .bytes = (uint64_t)sqlite3_column_int64(s, 3),
                                 .mtime_ns = sqlite3_column_int64(s, 4)};
        for (size_t i = 0; i < 8 && hash.n == 16; i++) {
            known->hash.lo |= (uint64_t)(uint8_t)hash.p[i] << (8 * i);
            known->hash.hi |= (uint64_t)(uint8_t)hash.p[8 + i] << (8 * i);
        }
        if (name && which == PH_SQL_DOC_FIND_SOURCE) {
            ph_str text = ph_sql_text(s, 5);
            ph_buf_clear(name);
            ph_buf_add(name, text.p, text.n);
            st = ph_buf_status(name, err);
        }
    }
    sqlite3_reset(s);
    return st;
}

static phial_status known_record(void *user, ph_str name, ph_task_known *known, phial_error *err)
{
    run *r = user;
    ph_mutex_lock(r->lock);
    phial_status st = look_up(r->c, PH_SQL_DOC_FIND, name, known, NULL, err);
    ph_mutex_unlock(r->lock);
    return st;
}

/* A file that is known keeps its name; a new one gets what it was called, if nobody has that. */
static phial_status name_file(run *r, ph_task *t, phial_error *err)
{
    ph_task_known other;
    phial_status st =
        look_up(r->c, PH_SQL_DOC_FIND_SOURCE, str_of(&t->source), &t->known, &t->name, err);
    if (st != PHIAL_OK || t->known.id > 0)
        return st;
    st = look_up(r->c, PH_SQL_DOC_FIND, str_of(&t->path), &other, NULL, err);
    const ph_buf *from = other.id > 0 ? &t->source : &t->path;
    ph_buf_add(&t->name, from->data, from->len);
    return st == PHIAL_OK ? ph_buf_status(&t->name, err) : st;
}

/* The collection, or what SQLite keeps beside it. */
static bool is_self(const run *r, ph_str source)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    size_t n = r->self.len;
    if (source.n < n || memcmp(source.p, r->self.data, n) != 0)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (ph_str_eq((ph_str){source.p + n, source.n - n}, ph_str_from(ends[i])))
            return true;
    }
    return false;
}

/* The next of the walk, without the collection itself where it lies in one of the folders. */
static phial_status walk_on(run *r, ph_walk_item *item, ph_buf *source, bool *more,
                            phial_error *err)
{
    phial_status st;
    do {
        st = ph_walk_next(r->walk, item, more, err);
        if (st == PHIAL_OK && *more)
            st = ph_walk_absolute(source, item->path, err);
    } while (st == PHIAL_OK && *more && !item->named && is_self(r, str_of(source)));
    return st;
}

static phial_status next_file(run *r, ph_task *t, bool *more, phial_error *err)
{
    ph_walk_item item;
    phial_status st = walk_on(r, &item, &t->source, more, err);
    if (st != PHIAL_OK || !*more)
        return st;
    ph_buf_add_str(&t->path, item.path);
    st = ph_buf_status(&t->path, err);
    if (st != PHIAL_OK)
        return st;
    t->kind = item.reason ? PH_TASK_FAILED : PH_TASK_FILE;
    t->missing = item.missing;
    t->named = item.named;
    if (item.reason)
        ph_buf_add_str(&t->why, item.reason);
    if (t->path.len > PH_NAME_MAX) {
        t->kind = PH_TASK_FAILED;
        ph_buf_clear(&t->why);
        ph_buf_add_str(&t->why, "its path is too long");
    }
    struct stat s;
    if (t->kind == PH_TASK_FILE && stat(t->path.data, &s) == 0)
        t->done_bytes = (uint64_t)s.st_size;
    st = ph_buf_status(&t->why, err);
    if (st != PHIAL_OK)
        return st;
    ph_mutex_lock(r->lock);
    st = name_file(r, t, err);
    ph_mutex_unlock(r->lock);
    return st;
}

static phial_status next_record(run *r, ph_task *t, bool *more, phial_error *err)
{
    ph_str line;
    uint64_t number;
    phial_status st = ph_jsonl_next(r->jsonl, &line, &number, more, err);
    if (st != PHIAL_OK || !*more)
        return st;
    t->kind = PH_TASK_RECORD;
    t->done_bytes = line.n + 1;
    ph_buf_addf(&t->name, "%s:%llu", r->o->jsonl, (unsigned long long)number);
    ph_buf_add(&t->line, line.p, line.n);
    ph_buf_add(&t->origin, r->origin.data, r->origin.len);
    const ph_buf *all[] = {&t->name, &t->line, &t->origin};
    for (size_t i = 0; i < sizeof all / sizeof all[0] && st == PHIAL_OK; i++)
        st = ph_buf_status(all[i], err);
    return st;
}

static phial_status next_task(void *user, ph_task *t, bool *more, phial_error *err)
{
    run *r = user;
    phial_status st = PHIAL_OK;
    *more = false;
    if (r->walk)
        st = next_file(r, t, more, err);
    if (st == PHIAL_OK && !*more && r->jsonl)
        st = next_record(r, t, more, err);
    return st;
}

/* --- writing --- */

static void tell(run *r, phial_index_outcome outcome, ph_str path, ph_str reason)
{
    phial_index_event e = {
        .outcome = outcome, .path = {path.p, path.n}, .reason = {reason.p, reason.n}};
    if (r->o->event)
        r->o->event(r->o->user, &e);
}

static phial_status write_records(run *r, const ph_part *part, phial_error *err)
{
    phial_status st = PHIAL_OK;
    ph_part_record rec;
    size_t at = 0;
    if (!r->writing) {
        st = ph_doc_begin(&r->writer, r->c, err);
        r->writing = st == PHIAL_OK;
        r->in_segments = 0;
    }
    while (st == PHIAL_OK && ph_part_read(part, &at, &rec)) {
        st = rec.is_page ? ph_doc_put_page(&r->writer, rec.page, rec.label, rec.text, err)
                         : ph_doc_put_chunk(&r->writer, rec.page, rec.start, rec.end, rec.n_tokens,
                                            rec.kind, rec.context, err);
        r->result->n_bytes += rec.is_page ? rec.text.n : 0;
    }
    if (st == PHIAL_OK)
        st = ph_doc_put_segment(&r->writer, r->in_segments, part->lengths, part->n_chunks,
                                str_of(&part->blocks), err);
    r->in_segments += part->n_chunks;
    return st;
}

static phial_status end_document(run *r, const ph_task *task, const ph_part *part, phial_error *err)
{
    ph_task_known before = {0};
    bool record = task->kind == PH_TASK_RECORD;
    ph_doc_facts facts = {
        .name = str_of(record ? &part->name : &task->name),
        .source = str_of(&task->source),
        .origin = str_of(&task->origin),
        .bytes = part->now.bytes,
        .mtime_ns = part->now.mtime_ns,
        .hash = part->now.hash,
        .recipe = part->now.recipe,
        .format = str_of(&part->format),
        .title = str_of(&part->title),
        .author = str_of(&part->author),
        .language = str_of(&part->language),
        .notes = str_of(&part->notes),
        .metadata = str_of(&part->metadata),
    };
    /* Looked up again: another writer, or the same _id twice in a file, may have been faster. */
    phial_status st = record
                          ? look_up(r->c, PH_SQL_DOC_FIND, facts.name, &before, NULL, err)
                          : look_up(r->c, PH_SQL_DOC_FIND_SOURCE, facts.source, &before, NULL, err);
    if (st == PHIAL_OK && !record && before.id == 0) {
        ph_task_known other;
        st = look_up(r->c, PH_SQL_DOC_FIND, facts.name, &other, NULL, err);
        if (st == PHIAL_OK && other.id > 0)
            facts.name = facts.source;
    }
    int64_t id = r->writer.id;
    ph_doc_counts counts = r->writer.counts;
    if (st == PHIAL_OK)
        st = ph_doc_end(&r->writer, &facts, before.id, err);
    if (st != PHIAL_OK)
        return st;
    r->writing = false;
    r->changed = true;
    r->result->n_indexed += before.id == 0;
    r->result->n_replaced += before.id != 0;
    r->result->n_pages += counts.n_pages;
    r->result->n_chunks += counts.n_chunks;
    if (record && r->o->prune && !set_add(&r->seen, id, err))
        return PHIAL_ERR_NO_MEMORY;
    tell(r, before.id ? PHIAL_INDEX_REPLACED : PHIAL_INDEX_ADDED, facts.name, (ph_str){"", 0});
    if (facts.notes.n > 0)
        tell(r, PHIAL_INDEX_NOTE, facts.name, facts.notes);
    return PHIAL_OK;
}

static phial_status end_unchanged(run *r, const ph_task *task, const ph_part *part,
                                  phial_error *err)
{
    phial_status st = PHIAL_OK;
    bool record = task->kind == PH_TASK_RECORD;
    r->result->n_skipped++;
    if (record && r->o->prune && !set_add(&r->seen, part->now.id, err))
        return PHIAL_ERR_NO_MEMORY;
    if (part->touch && r->c->writable) {
        st = ph_collection_begin_writing(r->c, err);
        if (st == PHIAL_OK)
            st = ph_sql_do(r->c, PH_SQL_DOC_TOUCH, task->known.id, part->now.mtime_ns, err);
    }
    tell(r, PHIAL_INDEX_SKIPPED, str_of(record ? &part->name : &task->name), (ph_str){"", 0});
    return st;
}

static phial_status end_failed(run *r, const ph_task *task, const ph_part *part, phial_error *err)
{
    phial_status st = PHIAL_OK;
    bool record = task->kind == PH_TASK_RECORD;
    if (r->writing)
        ph_doc_abort(&r->writer);
    r->writing = false;
    if (task->missing && r->o->prune)
        return st; /* pruning will tell */
    r->result->n_failed++;
    if (record && part->name.len > 0 && r->o->prune) {
        ph_task_known known;
        st = look_up(r->c, PH_SQL_DOC_FIND, str_of(&part->name), &known, NULL, err);
        if (st == PHIAL_OK && known.id > 0 && !set_add(&r->seen, known.id, err))
            st = PHIAL_ERR_NO_MEMORY;
    }
    r->unnamed_failed = r->unnamed_failed || (record && part->name.len == 0);
    if (r->o->event) {
        ph_str path = str_of(record ? &task->name : &task->path), why = str_of(&part->why);
        const phial_index_event e = {.outcome = PHIAL_INDEX_FAILED,
                                     .path = {path.p, path.n},
                                     .reason = {why.p, why.n},
                                     .locked = part->locked,
                                     .missing = task->missing && task->named};
        r->o->event(r->o->user, &e);
    }
    return st;
}

static phial_status take_part(void *user, const ph_task *task, const ph_part *part,
                              phial_error *err)
{
    run *r = user;
    phial_status st = PHIAL_OK;
    ph_mutex_lock(r->lock);
    if (part->outcome == PH_DOC_READ)
        st = write_records(r, part, err);
    if (st == PHIAL_OK && part->last) {
        switch (part->outcome) {
        case PH_DOC_READ:
            st = end_document(r, task, part, err);
            break;
        case PH_DOC_UNCHANGED:
            st = end_unchanged(r, task, part, err);
            break;
        case PH_DOC_FAILED:
            st = end_failed(r, task, part, err);
            break;
        }
        r->progress.files++;
        r->progress.bytes += task->done_bytes;
    }
    if (st != PHIAL_OK && r->writing) {
        ph_doc_abort(&r->writer);
        r->writing = false;
    }
    ph_mutex_unlock(r->lock);
    return st;
}

static bool tick(void *user)
{
    run *r = user;
    return !r->o->progress || r->o->progress(r->o->user, &r->progress);
}

/* --- pruning --- */

static bool below(ph_str path, ph_str root)
{
    return path.n >= root.n && root.n > 0 && memcmp(path.p, root.p, root.n) == 0 &&
           (path.n == root.n || path.p[root.n] == '/' || root.p[root.n - 1] == '/');
}

/* A path that was named. */
typedef struct root {
    char *path; /* absolute; owned */
    bool known; /* a document lies there, or did until now */
} root;

static void free_roots(root *roots, size_t n)
{
    for (size_t i = 0; roots && i < n; i++)
        ph_free(roots[i].path);
    ph_free(roots);
}

static phial_status list_roots(const run *r, root **out, phial_error *err)
{
    ph_buf clean, absolute;
    ph_buf_init(&clean, 0);
    ph_buf_init(&absolute, 0);
    phial_status st = PHIAL_OK;
    root *roots = ph_alloc(r->o->n_paths + 1, sizeof *roots, err);
    if (!roots)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; st == PHIAL_OK && i < r->o->n_paths; i++) {
        ph_buf_clear(&clean);
        ph_buf_clear(&absolute);
        st = ph_walk_clean(&clean, r->o->paths[i], err);
        if (st == PHIAL_OK && clean.len > 0)
            st = ph_walk_absolute(&absolute, clean.data, err);
        if (st == PHIAL_OK && !(roots[i].path = ph_strndup(str_of(&absolute).p, absolute.len, err)))
            st = PHIAL_ERR_NO_MEMORY;
    }
    ph_buf_free(&clean);
    ph_buf_free(&absolute);
    if (st != PHIAL_OK)
        free_roots(roots, r->o->n_paths);
    else
        *out = roots;
    return st;
}

static phial_status is_vanished(const run *r, ph_str source, root *roots, bool *vanished,
                                phial_error *err)
{
    struct stat s;
    bool wanted = false;
    *vanished = false;
    for (size_t i = 0; i < r->o->n_paths; i++) {
        if (below(source, ph_str_from(roots[i].path)))
            wanted = roots[i].known = true;
    }
    if (!wanted)
        return PHIAL_OK;
    char *path = ph_strndup(source.p, source.n, err);
    if (!path)
        return PHIAL_ERR_NO_MEMORY;
    *vanished = stat(path, &s) != 0 && (errno == ENOENT || errno == ENOTDIR);
    ph_free(path);
    return PHIAL_OK;
}

/* Pruning tells what is no more; what never was is a mistake, and told as one. */
static void tell_unknown(run *r, const root *roots)
{
    struct stat s;
    for (size_t i = 0; i < r->o->n_paths; i++) {
        const char *path = r->o->paths[i];
        if (roots[i].known || lstat(path, &s) == 0 || errno != ENOENT)
            continue;
        const phial_index_event e = {.outcome = PHIAL_INDEX_FAILED,
                                     .path = {path, strlen(path)},
                                     .reason = {"no such file", strlen("no such file")},
                                     .missing = true};
        r->result->n_failed++;
        if (r->o->event)
            r->o->event(r->o->user, &e);
    }
}

static phial_status prune_one(run *r, int64_t id, phial_error *err)
{
    phial_status st = ph_collection_begin_writing(r->c, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(r->c, true, err);
    if (st == PHIAL_OK)
        st = ph_doc_delete(r->c, id, err);
    if (st == PHIAL_OK)
        st = ph_lex_changed(r->c, err);
    if (st == PHIAL_OK)
        st = ph_tx_commit(r->c, err);
    if (st != PHIAL_OK)
        ph_tx_rollback(r->c);
    r->changed = true;
    return st;
}

static phial_status prune(run *r, phial_error *err)
{
    int64_t id = 0;
    bool row = true;
    ph_buf name;
    root *roots = NULL;
    ph_buf_init(&name, 0);
    phial_status st = list_roots(r, &roots, err);
    while (st == PHIAL_OK && row) {
        sqlite3_stmt *s;
        bool gone = false;
        st = ph_sql_get(r->c, PH_SQL_DOC_AFTER, &s, err);
        if (st != PHIAL_OK)
            break;
        sqlite3_bind_int64(s, 1, id);
        st = ph_sql_step(r->c, s, &row, err);
        if (st != PHIAL_OK || !row)
            break;
        id = sqlite3_column_int64(s, 0);
        ph_str text = ph_sql_text(s, 1), source = ph_sql_text(s, 2), origin = ph_sql_text(s, 3);
        ph_buf_clear(&name);
        ph_buf_add(&name, text.p, text.n);
        st = ph_buf_status(&name, err);
        if (st == PHIAL_OK && source.n > 0)
            st = is_vanished(r, source, roots, &gone, err);
        else if (st == PHIAL_OK && origin.n > 0 && r->jsonl && !r->unnamed_failed)
            gone = ph_str_eq(origin, str_of(&r->origin)) && !set_has(&r->seen, id);
        sqlite3_reset(s);
        if (st == PHIAL_OK && gone) {
            st = prune_one(r, id, err);
            r->result->n_pruned += st == PHIAL_OK;
            if (st == PHIAL_OK)
                tell(r, PHIAL_INDEX_PRUNED, str_of(&name), (ph_str){"", 0});
        }
        if (st == PHIAL_OK && !tick(r))
            st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    if (st == PHIAL_OK)
        tell_unknown(r, roots);
    free_roots(roots, r->o->n_paths);
    ph_buf_free(&name);
    return st;
}

/* --- the run --- */

static phial_status settle(run *r, phial_error *err)
{
    int64_t n = 0, of_a_level = 0;
    bool changed = r->changed;
    phial_status st = ph_lex_growing(r->c, &n, &of_a_level, err);
    if (st != PHIAL_OK || (!r->changed && n <= SEGMENTS_AT_REST))
        return st;
    st = ph_collection_begin_writing(r->c, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(r->c, true, err);
    if (st == PHIAL_OK)
        st = ph_lex_merge_due(r->c, true, &changed, err);
    if (st == PHIAL_OK && changed)
        st = ph_lex_changed(r->c, err);
    if (st == PHIAL_OK && changed)
        st = ph_tx_commit(r->c, err);
    if (st != PHIAL_OK || !changed)
        ph_tx_rollback(r->c);
    return st;
}

/* The collection's size of chunks, which options may change. */
static phial_status chunk_sizes(run *r, ph_chunk_options *chunks, phial_error *err)
{
    const struct {
        const char *name;
        uint32_t asked, first, limit;
    } sizes[] = {{"chunk_tokens", r->o->chunk_tokens, 256, 1u << 16},
                 {"chunk_overlap", r->o->chunk_overlap, 32, 1u << 15}};
    int64_t values[2];
    phial_status st = PHIAL_OK;
    for (int i = 0; st == PHIAL_OK && i < 2; i++) {
        st = ph_setting_get(r->c, sizes[i].name, &values[i], -1, err);
        if (st == PHIAL_OK && (values[i] > sizes[i].limit || sizes[i].asked > sizes[i].limit))
            st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: %s is more than %u", r->c->path,
                            sizes[i].name, sizes[i].limit);
        int64_t wanted = sizes[i].asked ? sizes[i].asked : values[i];
        wanted = wanted < 0 ? sizes[i].first : wanted;
        if (i == 1 && wanted > values[0] / 2)
            wanted = values[0] / 2;
        if (st == PHIAL_OK && wanted != values[i]) {
            st = ph_collection_begin_writing(r->c, err);
            if (st == PHIAL_OK)
                st = ph_setting_put(r->c, sizes[i].name, wanted, err);
        }
        values[i] = wanted;
    }
    if (st != PHIAL_OK)
        return st;
    chunks->tokenizer = r->o->tokenizer;
    chunks->n_tokens = (uint32_t)values[0];
    chunks->n_overlap = (uint32_t)values[1];
    return PHIAL_OK;
}

static phial_status count_files(run *r, phial_error *err)
{
    ph_walk *walk = NULL;
    ph_walk_item item;
    bool more = true;
    phial_status st = ph_walk_new(&walk, r->o->paths, r->o->n_paths, 0, err);
    while (st == PHIAL_OK && (st = ph_walk_next(walk, &item, &more, err)) == PHIAL_OK && more) {
        struct stat s;
        r->progress.total_files++;
        if (!item.reason && stat(item.path, &s) == 0)
            r->progress.total_bytes += (uint64_t)s.st_size;
        if (r->progress.total_files % 1024 == 0 && !tick(r))
            st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    ph_walk_free(walk);
    return st;
}

static phial_status open_sources(run *r, phial_error *err)
{
    phial_status st = PHIAL_OK;
    if (r->o->n_paths > 0)
        st = ph_walk_new(&r->walk, r->o->paths, r->o->n_paths, 0, err);
    if (st == PHIAL_OK && r->o->n_paths > 0 && r->o->count_first)
        st = count_files(r, err);
    if (st == PHIAL_OK && r->o->jsonl) {
        st = ph_jsonl_open(&r->jsonl, r->o->jsonl, err);
        if (st == PHIAL_OK && strcmp(r->o->jsonl, "-") != 0)
            st = ph_walk_absolute(&r->origin, r->o->jsonl, err);
        if (st == PHIAL_OK && r->progress.total_files == 0)
            r->progress.total_bytes = ph_jsonl_size(r->jsonl);
    }
    return st;
}

phial_status phial_collection_index(phial_collection *c, const phial_index_options *options,
                                    phial_index_result *result, phial_error *err)
{
    phial_index_options o;
    phial_index_result own = {.size = sizeof own};
    phial_index_options_default(&o);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    run r = {.c = c, .o = &o, .result = &own};
    ph_buf_init(&r.origin, 0);
    ph_buf_init(&r.self, 0);
    ph_ingest_options io = {.n_jobs = o.n_jobs, .quick = o.quick};
    ph_extract_options_default(&io.extract);
    ph_chunk_options_default(&io.chunks);
    io.extract.helper_dir = o.helper_dir;
    io.extract.passwords = o.passwords;
    io.extract.n_passwords = o.n_passwords;
    phial_status st = c->writable
                          ? ph_mutex_new(&r.lock, err)
                          : ph_err_set(err, PHIAL_ERR_ARGUMENT,
                                       "%s: the collection is open for reading only", c->path);
    if (st == PHIAL_OK)
        st = ph_walk_absolute(&r.self, c->path, err);
    if (st == PHIAL_OK)
        st = chunk_sizes(&r, &io.chunks, err);
    if (st == PHIAL_OK) {
        uint64_t recipe[] = {RECIPE_VERSION, io.chunks.n_tokens, io.chunks.n_overlap,
                             o.tokenizer ? phial_tokenizer_n_vocab(o.tokenizer) : 0};
        io.recipe = (int64_t)(ph_hash64(recipe, sizeof recipe, 0) >> 1);
        st = open_sources(&r, err);
    }
    ph_ingest_source source = {&r, next_task, known_record};
    ph_ingest_sink sink = {&r, take_part, tick};
    if (st == PHIAL_OK)
        st = ph_ingest_run(&source, &sink, &io, err);
    if (r.writing)
        ph_doc_abort(&r.writer);
    if (st == PHIAL_OK && o.prune)
        st = prune(&r, err);
    if (st == PHIAL_OK)
        st = settle(&r, err);
    if (result) {
        own.size = result->size;
        memcpy(result, &own, own.size < sizeof own ? own.size : sizeof own);
    }
    ph_walk_free(r.walk);
    ph_jsonl_close(r.jsonl);
    ph_mutex_free(r.lock);
    ph_buf_free(&r.origin);
    ph_buf_free(&r.self);
    ph_free(r.seen.slots);
    return st;
}
