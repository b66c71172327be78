/* Contract in ingest.h.
 *
 * A ring of slots, one for each task under way: task n is in slot n mod size until its last part
 * was written. Thread 0 writes, the others read. The source has a lock of its own, so that finding
 * the next file does not hold up the writer.
 */
#include "rag/ingest.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/thread.h"

#define SLOTS_PER_JOB 4
#define SLOT_BYTES    ((size_t)32 << 20) /* of parts that wait; then the worker waits */
#define TICK_MS       100
#define JOBS_MAX      64

typedef struct slot {
    ph_task task;
    ph_part *first, **end;
    size_t bytes;
} slot;

typedef struct ingest {
    const ph_ingest_source *source;
    const ph_ingest_sink *sink;
    const ph_ingest_options *options;
    atomic_bool cancel;
    ph_mutex *source_lock, *lock;
    ph_cond *changed;
    slot *slots;
    size_t n_slots;
    /* under `lock` */
    uint64_t taken, written;
    bool exhausted;
    phial_status status; /* of the first that failed */
    phial_error error;
} ingest;

static void fail(ingest *in, phial_status st, const phial_error *err)
{
    ph_mutex_lock(in->lock);
    if (in->status == PHIAL_OK) {
        in->status = st;
        in->error = *err;
    }
    atomic_store(&in->cancel, true);
    ph_cond_wake_all(in->changed);
    ph_mutex_unlock(in->lock);
}

/* For ph_reader: a part for the slot. */
typedef struct outlet {
    ingest *in;
    slot *slot;
} outlet;

static phial_status put_part(void *user, ph_part *part, phial_error *err)
{
    outlet *o = user;
    ingest *in = o->in;
    size_t bytes = ph_part_bytes(part);
    ph_mutex_lock(in->lock);
    while (o->slot->bytes > SLOT_BYTES && !atomic_load(&in->cancel))
        ph_cond_wait(in->changed, in->lock);
    bool cancelled = atomic_load(&in->cancel);
    if (!cancelled) {
        *o->slot->end = part;
        o->slot->end = &part->next;
        o->slot->bytes += bytes;
        ph_cond_wake_all(in->changed);
    }
    ph_mutex_unlock(in->lock);
    if (!cancelled)
        return PHIAL_OK;
    ph_part_free(part);
    return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
}

/* Waits for a slot and fills its task; NULL: there is no more to do. */
static slot *take_task(ingest *in)
{
    phial_error err = {0};
    bool more = false;
    slot *s = NULL;
    ph_mutex_lock(in->source_lock);
    ph_mutex_lock(in->lock);
    while (in->taken - in->written >= in->n_slots && !atomic_load(&in->cancel))
        ph_cond_wait(in->changed, in->lock);
    bool stop = in->exhausted || atomic_load(&in->cancel);
    uint64_t number = in->taken;
    ph_mutex_unlock(in->lock);
    if (!stop) {
        s = &in->slots[number % in->n_slots];
        phial_status st = in->source->next(in->source->user, &s->task, &more, &err);
        if (st != PHIAL_OK)
            fail(in, st, &err);
        ph_mutex_lock(in->lock);
        in->exhausted = !more;
        in->taken += more;
        ph_cond_wake_all(in->changed);
        ph_mutex_unlock(in->lock);
    }
    ph_mutex_unlock(in->source_lock);
    return more ? s : NULL;
}

static void work(ingest *in)
{
    phial_error err = {0};
    ph_reader *reader = NULL;
    phial_status st = ph_reader_new(&reader, in->options, in->source, &in->cancel, &err);
    if (st != PHIAL_OK)
        fail(in, st, &err);
    for (slot *s; st == PHIAL_OK && (s = take_task(in)) != NULL;) {
        outlet o = {in, s};
        st = ph_reader_run(reader, &s->task, put_part, &o, &err);
        if (st != PHIAL_OK)
            fail(in, st, &err);
    }
    ph_reader_free(reader);
    ph_mutex_lock(in->lock);

    ph_cond_wake_all(in->changed);
    ph_mutex_unlock(in->lock);
}

/* The next part in order; NULL when all is written, or the run is cancelled. */
static ph_part *get_part(ingest *in, slot **from)
{
    ph_part *part = NULL;
    ph_mutex_lock(in->lock);
    for (;;) {
        slot *s = &in->slots[in->written % in->n_slots];
        bool done = in->exhausted && in->written == in->taken;
        if (done || atomic_load(&in->cancel))
            break;
        if (in->written < in->taken && s->first) {
            part = s->first;
            s->first = part->next;
            if (!s->first)
                s->end = &s->first;
            s->bytes -= ph_part_bytes(part);
            *from = s;
            ph_cond_wake_all(in->changed);
            break;
        }
        ph_cond_wait_ms(in->changed, in->lock, TICK_MS);
        ph_mutex_unlock(in->lock);
        if (in->sink->tick && !in->sink->tick(in->sink->user)) {
            phial_error err = {0};
            ph_err_set(&err, PHIAL_ERR_CANCELLED, "interrupted");
            fail(in, PHIAL_ERR_CANCELLED, &err);
        }
        ph_mutex_lock(in->lock);
    }
    ph_mutex_unlock(in->lock);
    return part;
}

static void write_all(ingest *in)
{
    slot *s;
    for (ph_part *part; (part = get_part(in, &s)) != NULL;) {
        phial_error err = {0};
        bool last = part->last;
        phial_status st = in->sink->part(in->sink->user, &s->task, part, &err);
        ph_part_free(part);
        if (st != PHIAL_OK)
            fail(in, st, &err);
        else if (in->sink->tick && !in->sink->tick(in->sink->user)) {
            ph_err_set(&err, PHIAL_ERR_CANCELLED, "interrupted");
            fail(in, PHIAL_ERR_CANCELLED, &err);
        }
        if (last) {
            ph_task_free(&s->task);
            ph_mutex_lock(in->lock);
            in->written++;
            ph_cond_wake_all(in->changed);
            ph_mutex_unlock(in->lock);
        }
    }
}

static void run_thread(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    if (thread == 0)
        write_all(arg);
    else
        work(arg);
}

static void free_slots(ingest *in)
{
    for (size_t i = 0; in->slots && i < in->n_slots; i++) {
        for (ph_part *p = in->slots[i].first, *next; p; p = next) {
            next = p->next;
            ph_part_free(p);
        }
        ph_task_free(&in->slots[i].task);
    }
    ph_free(in->slots);
}

phial_status ph_ingest_run(const ph_ingest_source *source, const ph_ingest_sink *sink,
                           const ph_ingest_options *options, phial_error *err)
{
    ingest in = {.source = source, .sink = sink, .options = options};
    ph_pool *pool = NULL;
    int jobs = options->n_jobs > 0 ? options->n_jobs : ph_cpu_count();
    jobs = jobs > JOBS_MAX ? JOBS_MAX : jobs;
    in.n_slots = (size_t)jobs * SLOTS_PER_JOB;
    phial_status st = ph_mutex_new(&in.source_lock, err);
    if (st == PHIAL_OK)
        st = ph_mutex_new(&in.lock, err);
    if (st == PHIAL_OK)
        st = ph_cond_new(&in.changed, err);
    if (st == PHIAL_OK && !(in.slots = ph_alloc(in.n_slots, sizeof *in.slots, err)))
        st = PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; st == PHIAL_OK && i < in.n_slots; i++)
        in.slots[i].end = &in.slots[i].first;
    if (st == PHIAL_OK)
        st = ph_pool_new(&pool, jobs + 1, err);
    if (st == PHIAL_OK) {
        ph_pool_run(pool, run_thread, &in);
        st = in.status;
        if (st != PHIAL_OK && err)
            *err = in.error;
    }
    ph_pool_free(pool);
    free_slots(&in);
    ph_cond_free(in.changed);
    ph_mutex_free(in.lock);
    ph_mutex_free(in.source_lock);
    return st;
}
