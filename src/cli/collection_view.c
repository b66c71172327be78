/* Contract in collection_view.h. */
#include "cli/collection_view.h"

#include <inttypes.h>

#include "base/str.h"
#include "base/utf8.h"
#include "cli/cli_io.h"

static ph_str str_of(phial_text t)
{
    return (ph_str){t.p ? t.p : "", t.n};
}

ph_json *ph_collection_json_name(phial_text name)
{
    ph_str s = str_of(name);
    if (ph_utf8_valid((const uint8_t *)s.p, s.n))
        return ph_json_str_new(s);
    ph_buf shown;
    ph_buf_init(&shown, 0);
    ph_str_escape(&shown, s, true);
    ph_json *v = ph_json_str_new((ph_str){shown.data ? shown.data : "", shown.len});
    ph_buf_free(&shown);
    return v;
}

void ph_collection_say(const char *before, phial_text name, phial_text reason)
{
    ph_buf line;
    ph_buf_init(&line, 0);
    ph_buf_add_str(&line, before);
    ph_str_escape(&line, str_of(name), false);
    ph_buf_add_str(&line, name.n > 0 ? ": " : "");
    ph_str_escape(&line, str_of(reason), false);
    ph_say("%s", line.data ? line.data : before);
    ph_buf_free(&line);
}

ph_json *ph_collection_json_hit(const phial_hit *hit, size_t rank)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "rank", ph_json_int_new((int64_t)rank));
    ph_json_set(o, "score", ph_json_f64_new(hit->score));
    ph_json_set(o, "doc", ph_collection_json_name(hit->doc));
    ph_json_set(o, "title", ph_json_str_new(str_of(hit->title)));
    ph_json_set(o, "context", ph_json_str_new(str_of(hit->context)));
    ph_json_set(o, "page", ph_json_int_new(hit->page));
    ph_json_set(o, "start", ph_json_int_new((int64_t)hit->start));
    ph_json_set(o, "end", ph_json_int_new((int64_t)hit->end));
    ph_json_set(o, "text", ph_json_str_new(str_of(hit->text)));
    return o;
}

void ph_collection_show_hit(const phial_hit *hit, size_t rank)
{
    ph_outf("%zu. ", rank);
    ph_out_foreign(str_of(hit->doc), false);
    ph_outf(", page %" PRIu32 " (%.2f)\n", hit->page, hit->score);
    if (hit->title.n > 0 || hit->context.n > 0) {
        ph_out_str("   ");
        ph_out_foreign(str_of(hit->title), false);
        ph_out_str(hit->title.n > 0 && hit->context.n > 0 ? " > " : "");
        ph_out_foreign(str_of(hit->context), false);
        ph_out_str("\n");
    }
    ph_out_foreign(str_of(hit->text), true);
    ph_out_str("\n\n");
}
