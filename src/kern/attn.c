/* Attention: the walk over pages, and keys and values inside them. Contract: kern/attn.h; the
 * arithmetic of one page is the table's attn.
 *
 * Work is handed out in pieces (job, query head, tile of queries), the last queries of a prompt
 * first because they see the most keys. For many queries a page's keys and values become f32 once
 * for all of a tile; a single query, bound by memory, takes them as they lie. q8 numbers are scaled
 * while they become f32, so that what is used is what ph_kv_load() shows. */
#include "kern/attn.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define PAD          16 /* columns of values and outputs: the widest vector */
#define ROWS_AHEAD   8  /* rows fetched before they are needed */
#define QUERIES_STEP 12 /* tiles are a multiple: whole groups of the vector kernels */

static const size_t elem_bytes[] = {[PH_KV_F32] = 4, [PH_KV_F16] = 2, [PH_KV_Q8] = 1};

/* Places of one KV head inside a layer's part of a page. The scales are there for q8 only. */
typedef struct head_places {
    size_t k_scale, k, v_scale, v, bytes;
} head_places;

static head_places places_of(const ph_kv_shape *shape)
{
    size_t scales = shape->type == PH_KV_Q8 ? PH_KV_PAGE * sizeof(float) : 0;
    size_t numbers = PH_KV_PAGE * shape->head_dim * elem_bytes[shape->type];
    return (head_places){.k_scale = 0,
                         .k = scales,
                         .v_scale = scales + numbers,
                         .v = 2 * scales + numbers,
                         .bytes = 2 * (scales + numbers)};
}

size_t ph_kv_layer_bytes(const ph_kv_shape *shape)
{
    size_t bytes;
    if (shape->head_dim == 0 || shape->head_dim > PH_HEAD_MAX || shape->n_kv_head == 0 ||
        !ph_mul_size(&bytes, places_of(shape).bytes, shape->n_kv_head)) {
        return 0;
    }
    return bytes;
}

/* Rounds one number for each head element and writes it `stride` elements apart. */
static void put_row(const ph_kern *kern, unsigned char *dst, size_t stride, unsigned char *scale_at,
                    ph_kv_type type, const float *src, size_t n)
{
    uint16_t halves[PH_HEAD_MAX];
    float largest = 0;
    switch (type) {
    case PH_KV_F32:
        for (size_t i = 0; i < n; i++) {
            memcpy(dst + i * stride * 4, &src[i], 4);
        }
        return;
    case PH_KV_F16:
        kern->quantize[PH_QUANT_F16](halves, src, n);
        for (size_t i = 0; i < n; i++) {
            memcpy(dst + i * stride * 2, &halves[i], 2);
        }
        return;
    case PH_KV_Q8:
        for (size_t i = 0; i < n; i++) {
            largest = fmaxf(largest, fabsf(src[i]));
        }
        float scale = largest / 127.0f;
        float inverse = scale > 0 ? 127.0f / largest : 0.0f;
        memcpy(scale_at, &scale, sizeof scale);
        for (size_t i = 0; i < n; i++) {
            float q = rintf(src[i] * inverse);
            q = q >= 127.0f ? 127.0f : q >= -127.0f ? q : q < -127.0f ? -127.0f : 0.0f;
            dst[i * stride] = (unsigned char)(signed char)q;
        }
        return;
    }
}

static float get_number(const unsigned char *src, ph_kv_type type, float scale)
{
    float f;
    uint16_t h;
    switch (type) {
    case PH_KV_F32:
        memcpy(&f, src, 4);
        return f;
    case PH_KV_F16:
        memcpy(&h, src, 2);
        return ph_f16_to_f32(h);
    case PH_KV_Q8:
        break;
    }
    return (float)(signed char)*src * scale;
}

void ph_kv_load(const ph_kv_shape *shape, const unsigned char *layer, size_t kv_head, size_t pos,
                float *k, float *v)
{
    head_places at = places_of(shape);
    const unsigned char *head = layer + kv_head * at.bytes;
    size_t slot = pos % PH_KV_PAGE;
    size_t elem = elem_bytes[shape->type];
    float k_scale = 0, v_scale = 0;
    if (shape->type == PH_KV_Q8) {
        memcpy(&k_scale, head + at.k_scale + slot * sizeof(float), sizeof(float));
        memcpy(&v_scale, head + at.v_scale + slot * sizeof(float), sizeof(float));
    }
    for (size_t i = 0; i < shape->head_dim; i++) {
        if (k != NULL) {
            k[i] = get_number(head + at.k + (i * PH_KV_PAGE + slot) * elem, shape->type, k_scale);
        }
        if (v != NULL) {
            v[i] =
                get_number(head + at.v + (slot * shape->head_dim + i) * elem, shape->type, v_scale);
        }
    }
}

/* Bytes from a page's start to the keys and values of a query head. */
static size_t head_offset_of(const ph_kv_shape *shape, const ph_attn_job *job, size_t query_head)
{
    size_t kv_head = query_head / (shape->n_head / shape->n_kv_head);
    return job->layer_offset + kv_head * places_of(shape).bytes;
}

typedef struct attn_run {
    ph_ticket ticket;
    const ph_work *work;
    const ph_kv_shape *shape;
    const ph_attn_job *jobs;
    size_t n_jobs;
    float scale;
} attn_run;

static void store(void *arg, int thread, int n_threads)
{
    const attn_run *run = arg;
    const ph_kv_shape *shape = run->shape;
    head_places at = places_of(shape);
    size_t elem = elem_bytes[shape->type];
    size_t d = shape->head_dim;
    size_t begin, end;
    ph_pool_split(shape->n_kv_head, 1, thread, n_threads, &begin, &end);
    for (size_t j = 0; j < run->n_jobs; j++) {
        const ph_attn_job *job = &run->jobs[j];
        for (size_t i = 0; i < job->n; i++) {
            size_t pos = job->pos0 + i;
            size_t slot = pos % PH_KV_PAGE;
            unsigned char *layer = job->pages[pos / PH_KV_PAGE] + job->layer_offset;
            for (size_t h = begin; h < end; h++) {
                unsigned char *head = layer + h * at.bytes;
                const float *k = job->k + i * job->ld_kv + h * d;
                const float *v = job->v + i * job->ld_kv + h * d;
                put_row(run->work->kern, head + at.k + slot * elem, PH_KV_PAGE,
                        head + at.k_scale + slot * sizeof(float), shape->type, k, d);
                put_row(run->work->kern, head + at.v + slot * d * elem, 1,
                        head + at.v_scale + slot * sizeof(float), shape->type, v, d);
            }
        }
    }
}

void ph_kv_store(const ph_work *work, const ph_kv_shape *shape, const ph_attn_job *jobs,
                 size_t n_jobs)
{
    attn_run run = {.work = work, .shape = shape, .jobs = jobs, .n_jobs = n_jobs};
    size_t tokens = 0;
    for (size_t j = 0; j < n_jobs; j++) {
        tokens += jobs[j].n;
    }
    if (tokens > 1) {
        ph_pool_run(work->pool, store, &run);
    } else {
        store(&run, 0, 1);
    }
}

/* A thread's room in attention: numbers of PH_WORK_BYTES, cut for the head size. */
typedef struct attn_room {
    float *k;         /* [head_dim][PH_KV_PAGE] */
    float *v;         /* [PH_KV_PAGE][wide] */
    float *q;         /* [queries][wide] */
    float *out;       /* [queries][wide] */
    float *p;         /* [queries][PH_KV_PAGE] */
    float *max, *sum; /* [queries] */
    size_t wide;      /* head_dim rounded up to PAD */
    size_t queries;   /* that fit */
} attn_room;

#define QUERY_FLOATS(wide) (2 * (wide) + PH_KV_PAGE + 2)

_Static_assert(2 * PH_KV_PAGE * PH_HEAD_MAX + QUERIES_STEP * QUERY_FLOATS(PH_HEAD_MAX) <=
                   PH_WORK_BYTES / sizeof(float),
               "a page and some queries of the largest head fit a thread's room");

static attn_room room_at(const ph_work *work, int thread, size_t head_dim)
{
    attn_room room = {.k = ph_work_at(work, thread), .wide = ph_align_up(head_dim, PAD)};
    size_t page = PH_KV_PAGE * room.wide;
    size_t fit = (PH_WORK_BYTES / sizeof(float) - 2 * page) / QUERY_FLOATS(room.wide);
    room.queries = fit < PH_ATTN_QUERIES ? fit - fit % QUERIES_STEP : PH_ATTN_QUERIES;
    room.v = room.k + page;
    room.q = room.v + page;
    room.out = room.q + room.queries * room.wide;
    room.p = room.out + room.queries * room.wide;
    room.max = room.p + room.queries * PH_KV_PAGE;
    room.sum = room.max + room.queries;
    return room;
}

/* Points t at the keys and values of a page as f32, converting n_keys of them if need be. */
static void page_to_f32(const attn_run *run, ph_attn_tile *t, const unsigned char *head,
                        size_t n_keys, const attn_room *room)
{
    const ph_kv_shape *shape = run->shape;
    const ph_kern *kern = run->work->kern;
    head_places at = places_of(shape);
    size_t d = shape->head_dim;
    const unsigned char *v = head + at.v;
    t->k = room->k;
    t->v = room->v;
    switch (shape->type) {
    case PH_KV_F32:
        t->k = (const float *)(const void *)(head + at.k);
        if (d == t->ld_v) {
            t->v = (const float *)(const void *)v;
            return;
        }
        for (size_t i = 0; i < n_keys; i++) {
            memcpy(room->v + i * t->ld_v, v + i * d * 4, d * 4);
        }
        return;
    case PH_KV_F16:
        kern->dequantize[PH_QUANT_F16](room->k, head + at.k, d * PH_KV_PAGE);
        for (size_t i = 0; i < n_keys; i++) {
            kern->dequantize[PH_QUANT_F16](room->v + i * t->ld_v, v + i * d * 2, d);
        }
        return;
    case PH_KV_Q8:
        kern->scale_lanes_i8(room->k, (const int8_t *)(head + at.k),
                             (const float *)(const void *)(head + at.k_scale), d);
        kern->scale_rows_i8(room->v, t->ld_v, (const int8_t *)v,
                            (const float *)(const void *)(head + at.v_scale), n_keys, d);
        return;
    }
}

/* A head's row of queries or outputs is a few lines of a memory page of its own. */
static void fetch_row(const float *row, size_t d)
{
    for (size_t c = 0; c < d; c += PH_CACHE_LINE / sizeof *row) {
        __builtin_prefetch(row + c);
    }
}

static void finish(const attn_run *run, const ph_attn_job *job, size_t query_head, size_t first,
                   size_t n, const attn_room *room)
{
    size_t d = run->shape->head_dim;
    for (size_t i = 0; i < n; i++) {
        if (i + ROWS_AHEAD < n) {
            fetch_row(job->out + (first + i + ROWS_AHEAD) * job->ld_out + query_head * d, d);
        }
        run->work->kern->divide(job->out + (first + i) * job->ld_out + query_head * d,
                                room->out + i * room->wide, room->sum[i], d);
    }
}

/* n queries of a head, from `first` on. Queries lie together in the room: in the job they are so
 * far apart that they would evict each other from the first-level cache. */
static void attend(const attn_run *run, const ph_attn_job *job, size_t query_head, size_t first,
                   size_t n, const attn_room *room)
{
    const ph_kv_shape *shape = run->shape;
    size_t d = shape->head_dim;
    size_t head_offset = head_offset_of(shape, job, query_head);
    size_t n_seen = job->pos0 + first + n; /* keys the last query sees */
    ph_attn_tile t = {.q = room->q,
                      .out = room->out,
                      .max = room->max,
                      .sum = room->sum,
                      .p = room->p,
                      .ld_q = room->wide,
                      .ld_v = room->wide,
                      .ld_out = room->wide,
                      .d = d,
                      .n = n,
                      .scale = run->scale};
    for (size_t i = 0; i < n; i++) {
        if (i + ROWS_AHEAD < n) {
            fetch_row(job->q + (first + i + ROWS_AHEAD) * job->ld_q + query_head * d, d);
        }
        memcpy(room->q + i * room->wide, job->q + (first + i) * job->ld_q + query_head * d,
               d * sizeof(float));
        t.max[i] = -INFINITY;
        t.sum[i] = 0;
    }
    memset(t.out, 0, n * t.ld_out * sizeof(float));
    /* Columns behind d enter sums nobody reads; they are cleared so that those stay finite. */
    for (size_t i = 0; i < PH_KV_PAGE && d != t.ld_v; i++) {
        memset(room->v + i * t.ld_v + d, 0, (t.ld_v - d) * sizeof(float));
    }
    for (size_t key = 0; key < n_seen; key += PH_KV_PAGE) {
        size_t n_keys = n_seen - key < PH_KV_PAGE ? n_seen - key : PH_KV_PAGE;
        page_to_f32(run, &t, job->pages[key / PH_KV_PAGE] + head_offset, n_keys, room);
        t.n_keys = (ptrdiff_t)(job->pos0 + first + 1) - (ptrdiff_t)key;
        t.ahead_bytes = n_seen - key > PH_KV_PAGE ? places_of(shape).bytes : 0;
        t.ahead = t.ahead_bytes > 0 ? job->pages[key / PH_KV_PAGE + 1] + head_offset : NULL;
        run->work->kern->attn(&t);
    }
    finish(run, job, query_head, first, n, room);
}

/* A single query reads the pages as they are. */
static void attend_one(const attn_run *run, const ph_attn_job *job, size_t query_head,
                       const attn_room *room)
{
    const ph_kv_shape *shape = run->shape;
    head_places at = places_of(shape);
    size_t head_offset = head_offset_of(shape, job, query_head);
    size_t n_seen = job->pos0 + 1;
    bool scaled = shape->type == PH_KV_Q8;
    ph_attn_row a = {.q = job->q + query_head * shape->head_dim,
                     .out = room->out,
                     .max = room->max,
                     .sum = room->sum,
                     .p = room->p,
                     .d = shape->head_dim,
                     .scale = run->scale};
    *a.max = -INFINITY;
    *a.sum = 0;
    memset(a.out, 0, a.d * sizeof(float));
    for (size_t key = 0; key < n_seen; key += PH_KV_PAGE) {
        size_t page = key / PH_KV_PAGE;
        size_t next = n_seen - key > PH_KV_PAGE ? page + 1 : page;
        const unsigned char *head = job->pages[page] + head_offset;
        a.k = head + at.k;
        a.v = head + at.v;
        a.k_scale = scaled ? (const float *)(const void *)(head + at.k_scale) : NULL;
        a.v_scale = scaled ? (const float *)(const void *)(head + at.v_scale) : NULL;
        a.next = job->pages[next] + head_offset + at.k;
        a.n_keys = n_seen - key < PH_KV_PAGE ? n_seen - key : PH_KV_PAGE;
        run->work->kern->attn_row[shape->type](&a);
    }
    finish(run, job, query_head, 0, 1, room);
}

/* Queries of a tile: as many as fit, in tiles of about equal size. */
static size_t tile_queries(const ph_attn_job *job, const attn_room *room)
{
    size_t n_tiles = (job->n + room->queries - 1) / room->queries;
    size_t each = n_tiles == 0 ? 1 : (job->n + n_tiles - 1) / n_tiles;
    return (each + QUERIES_STEP - 1) / QUERIES_STEP * QUERIES_STEP;
}

static void attention(void *arg, int thread, int n_threads)
{
    attn_run *run = arg;
    size_t n_head = run->shape->n_head;
    attn_room room = room_at(run->work, thread, run->shape->head_dim);
    bool direct =
        run->work->kern->attn_row[run->shape->type] != NULL && run->shape->head_dim % PAD == 0;
    (void)n_threads;
    size_t index = ph_ticket_take(&run->ticket);
    size_t before = 0; /* pieces of the jobs before j */
    for (size_t j = 0; j < run->n_jobs; j++) {
        const ph_attn_job *job = &run->jobs[j];
        size_t queries = tile_queries(job, &room);
        size_t n_tiles = (job->n + queries - 1) / queries;
        for (; index < before + n_tiles * n_head; index = ph_ticket_take(&run->ticket)) {
            size_t first = (n_tiles - 1 - (index - before) / n_head) * queries;
            size_t n = job->n - first < queries ? job->n - first : queries;
            size_t head = (index - before) % n_head;
            if (job->n == 1 && direct) {
                attend_one(run, job, head, &room);
            } else {
                attend(run, job, head, first, n, &room);
            }
        }
        before += n_tiles * n_head;
    }
}

void ph_attn_run(const ph_work *work, const ph_kv_shape *shape, const ph_attn_job *jobs,
                 size_t n_jobs, float scale)
{
    attn_run run = {.work = work, .shape = shape, .jobs = jobs, .n_jobs = n_jobs, .scale = scale};
    ph_pool_run_tickets(work->pool, attention, &run);
}
