/* The curve of a run's loss as SVG; contract in train_log.h.
 *
 * One file without scripts or fonts of its own. The thin line is the loss of each step (of runs of
 * steps, where there are more than the picture is wide), the thick one its average with a weight
 * that fades over a fortieth of the run, dots are the held-out part. */
#include <math.h>

#include "base/buf.h"
#include "base/file.h"
#include "train/train_log.h"

#define WIDTH   800
#define HEIGHT  400
#define LEFT    60
#define RIGHT   20
#define TOP     40
#define BOTTOM  50
#define POINTS  700 /* of a line */
#define Y_TICKS 6
#define X_TICKS 6

typedef struct axes {
    double x_max, y_min, y_max;
} axes;

static double x_of(const axes *a, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * x / a->x_max;
}

static double y_of(const axes *a, double y)
{
    y = y > a->y_max ? a->y_max : y;
    return TOP + (HEIGHT - TOP - BOTTOM) * (a->y_max - y) / (a->y_max - a->y_min);
}

/* A step of 1, 2 or 5 times a power of ten that makes about n ticks of a span. */
static double tick_step(double span, int n)
{
    double raw = span / n, power = pow(10, floor(log10(raw)));
    double m = raw / power;
    return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

static axes find_axes(const ph_train_log *h)
{
    axes a = {.x_max = 1, .y_min = INFINITY, .y_max = -INFINITY};
    for (size_t i = 0; i < h->n; i++) {
        const ph_train_log_row *r = &h->rows[i];
        a.x_max = r->n_tokens > a.x_max ? r->n_tokens : a.x_max;
        a.y_min = fmin(a.y_min, fmin(r->loss, r->held_out_loss));
        a.y_max = fmax(a.y_max, fmax(r->loss, r->held_out_loss));
    }
    if (!(a.y_max > a.y_min)) {
        a.y_min = isfinite(a.y_min) ? a.y_min - 0.5 : 0;
        a.y_max = a.y_min + 1;
    }
    double step = tick_step(a.y_max - a.y_min, Y_TICKS);
    a.y_min = floor(a.y_min / step) * step;
    a.y_max = ceil(a.y_max / step) * step;
    return a;
}

static void add_number(ph_buf *out, double v)
{
    if (v >= 1e9)
        ph_buf_addf(out, "%gG", v / 1e9);
    else if (v >= 1e6)
        ph_buf_addf(out, "%gM", v / 1e6);
    else if (v >= 1e3)
        ph_buf_addf(out, "%gk", v / 1e3);
    else
        ph_buf_addf(out, "%g", v);
}

static void add_axes(ph_buf *out, const axes *a)
{
    double step = tick_step(a->y_max - a->y_min, Y_TICKS);
    for (int i = 0; a->y_min + i * step <= a->y_max + step / 2; i++) {
        double y = a->y_min + i * step;
        ph_buf_addf(out,
                    "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f' stroke='#ddd'/>"
                    "<text x='%d' y='%.1f' text-anchor='end'>",
                    LEFT, y_of(a, y), WIDTH - RIGHT, y_of(a, y), LEFT - 6, y_of(a, y) + 4);
        ph_buf_addf(out, "%g</text>\n", fabs(y) < step / 2 ? 0 : y);
    }
    step = tick_step(a->x_max, X_TICKS);
    for (int i = 0; i * step <= a->x_max; i++) {
        ph_buf_addf(out, "<text x='%.1f' y='%d' text-anchor='middle'>", x_of(a, i * step),
                    HEIGHT - BOTTOM + 18);
        add_number(out, i * step);
        ph_buf_add_str(out, "</text>\n");
    }
    ph_buf_addf(out,
                "<text x='%d' y='%d' text-anchor='middle'>tokens seen</text>"
                "<text x='16' y='%d' text-anchor='middle' transform='rotate(-90 16 %d)'>loss "
                "(nats per token)</text>\n",
                (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, (TOP + HEIGHT - BOTTOM) / 2,
                (TOP + HEIGHT - BOTTOM) / 2);
}

/* The steps' losses; smooth: averaged. */
static void add_line(ph_buf *out, const ph_train_log *h, const axes *a, bool smooth)
{
    size_t run = (h->n + POINTS - 1) / POINTS;
    double fade = 1 - 1 / fmax(2, (double)h->n / 40), mean = 0, weight = 0;
    ph_buf_addf(out, "<polyline fill='none' stroke='%s' stroke-width='%s' points='",
                smooth ? "#1f77b4" : "#aec7e8", smooth ? "2" : "1");
    for (size_t i = 0; i < h->n; i += run) {
        double sum = 0;
        size_t n = h->n - i < run ? h->n - i : run;
        for (size_t k = i; k < i + n; k++) {
            sum += h->rows[k].loss;
            mean = fade * mean + (1 - fade) * h->rows[k].loss;
            weight = fade * weight + (1 - fade);
        }
        ph_buf_addf(out, "%.1f,%.1f ", x_of(a, h->rows[i + n - 1].n_tokens),
                    y_of(a, smooth ? mean / weight : sum / (double)n));
    }
    ph_buf_add_str(out, "'/>\n");
}

static void add_held_out(ph_buf *out, const ph_train_log *h, const axes *a)
{
    for (size_t i = 0; i < h->n; i++) {
        const ph_train_log_row *r = &h->rows[i];
        if (!isnan(r->held_out_loss))
            ph_buf_addf(out, "<circle cx='%.1f' cy='%.1f' r='3' fill='#d62728'/>\n",
                        x_of(a, r->n_tokens), y_of(a, r->held_out_loss));
    }
}

static void add_text(ph_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '<' || *p == '&')
            ph_buf_add_str(out, *p == '<' ? "&lt;" : "&amp;");
        else if ((uint8_t)*p >= ' ')
            ph_buf_add_byte(out, (uint8_t)*p);
    }
}

phial_status ph_train_log_write_svg(const ph_train_log *h, const char *title, const char *path,
                                    phial_error *err)
{
    axes a = find_axes(h);
    ph_writer *w = NULL;
    ph_buf out;
    ph_buf_init(&out, 0);
    ph_buf_addf(&out,
                "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family="
                "'sans-serif' font-size='12'>\n<rect width='100%%' height='100%%' fill='#fff'/>\n"
                "<text x='%d' y='22' font-size='14'>",
                WIDTH, HEIGHT, LEFT);
    add_text(&out, title);
    ph_buf_add_str(&out, "</text>\n");
    add_axes(&out, &a);
    add_line(&out, h, &a, false);
    add_line(&out, h, &a, true);
    add_held_out(&out, h, &a);
    ph_buf_addf(&out,
                "<text x='%d' y='22' text-anchor='end'><tspan fill='#1f77b4'>training</tspan> "
                "<tspan fill='#d62728'>held out</tspan></text>\n</svg>\n",
                WIDTH - RIGHT);
    phial_status st = ph_buf_status(&out, err);
    if (st == PHIAL_OK)
        st = ph_writer_open(&w, path, err);
    if (st == PHIAL_OK)
        st = ph_writer_write(w, out.data, out.len, err);
    if (st == PHIAL_OK)
        st = ph_writer_commit(w, err);
    ph_writer_close(w);
    ph_buf_free(&out);
    return st;
}
