/* Stop strings on a stream; contract in phial/stop.h. */
#include "phial/stop.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "rt/matcher.h"

#define PUSH_BYTES 4096 /* pushes up to this size find their memory ready */

struct phial_stopper {
    ph_matcher *matcher;
    ph_buf buf;     /* what is held back, from `start` on; before it what was shown */
    size_t start;   /* in buf */
    uint64_t taken; /* bytes of the stream looked at */
    uint32_t state;
    bool found; /* a stop string is complete, beginning at `begin` of the stream */
    bool done;  /* and nothing that begins earlier can come any more */
    uint64_t begin;
    size_t which;
};

const char *phial_finish_name(phial_finish finish)
{
    switch (finish) {
    case PHIAL_FINISH_NONE:
        break;
    case PHIAL_FINISH_STOP:
        return "stop";
    case PHIAL_FINISH_STOP_STRING:
        return "stop_string";
    case PHIAL_FINISH_LENGTH:
        return "length";
    case PHIAL_FINISH_CONTEXT:
        return "context";
    case PHIAL_FINISH_CANCELLED:
        return "cancelled";
    }
    return "none";
}

phial_status phial_stopper_new(phial_stopper **out, const phial_text *strings, size_t n,
                               phial_error *err)
{
    phial_stopper *s = ph_alloc(1, sizeof *s, err);
    if (s == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_buf_init(&s->buf, 0);
    phial_status status = ph_matcher_new(&s->matcher, strings, n, "stop string",
                                         PHIAL_STOP_STRINGS_MAX, PHIAL_STOP_BYTES_MAX, err);
    if (status != PHIAL_OK) {
        goto done;
    }
    /* Twice what can be held: half of the buffer may be shown already. */
    if (!ph_buf_reserve(&s->buf, 2 * (ph_matcher_longest(s->matcher) + PUSH_BYTES))) {
        status = ph_buf_status(&s->buf, err);
    }
done:
    if (status == PHIAL_OK) {
        *out = s;
    } else {
        phial_stopper_free(s);
    }
    return status;
}

void phial_stopper_free(phial_stopper *s)
{
    if (s != NULL) {
        ph_matcher_free(s->matcher);
        ph_buf_free(&s->buf);
        ph_free(s);
    }
}

void phial_stopper_reset(phial_stopper *s)
{
    ph_buf_clear(&s->buf);
    s->start = 0;
    s->taken = 0;
    s->state = 0;
    s->found = s->done = false;
}

/* Looks at one more byte of the stream. */
static void take(phial_stopper *s, uint8_t byte)
{
    s->state = ph_matcher_step(s->matcher, s->state, byte);
    s->taken++;
    size_t which;
    size_t len = ph_matcher_found(s->matcher, s->state, &which);
    if (len > 0 && (!s->found || s->taken - len < s->begin)) {
        s->found = true;
        s->begin = s->taken - len;
        s->which = which;
    }
    /* A longer string under way that began earlier would win. */
    s->done = s->found && s->taken - ph_matcher_depth(s->matcher, s->state) >= s->begin;
}

/* Moves what is held to the front once that is no more than what was shown: amortized constant. */
static void compact(phial_stopper *s)
{
    size_t held = s->buf.len - s->start;
    if (held <= s->start && s->start > 0) {
        memmove(s->buf.data, s->buf.data + s->start, held);
        s->buf.len = held;
        s->start = 0;
    }
}

static void show(phial_stopper *s, uint64_t upto, phial_text *shown)
{
    size_t held = s->buf.len - s->start;
    uint64_t first = s->taken - held; /* of the stream */
    size_t n = upto > first ? (size_t)(upto - first) : 0;
    *shown = (phial_text){n > 0 ? s->buf.data + s->start : "", n};
    s->start += n;
}

phial_status phial_stopper_push(phial_stopper *s, const void *bytes, size_t n, phial_text *shown,
                                phial_error *err)
{
    *shown = (phial_text){"", 0};
    if (s->done || n == 0) {
        return PHIAL_OK;
    }
    compact(s);
    if (!ph_buf_reserve(&s->buf, n)) {
        phial_status status = ph_buf_status(&s->buf, err);
        s->buf.failed = s->buf.starved = false;
        return status;
    }
    const uint8_t *p = bytes;
    size_t used = 0;
    while (used < n && !s->done) {
        take(s, p[used++]);
    }
    ph_buf_add(&s->buf, bytes, used);
    uint64_t upto = s->taken - ph_matcher_depth(s->matcher, s->state);
    show(s, s->done ? s->begin : upto, shown);
    return PHIAL_OK;
}

void phial_stopper_flush(phial_stopper *s, phial_text *shown)
{
    *shown = (phial_text){"", 0};
    if (!s->done) {
        show(s, s->found ? s->begin : s->taken, shown);
    }
    s->done = s->found;
    s->state = 0;
}

bool phial_stopper_stopped(const phial_stopper *s, size_t *which)
{
    if (s->done && which != NULL) {
        *which = s->which;
    }
    return s->done;
}
