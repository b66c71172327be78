/* Reading texts to learn from; contract in records.h. */
#include "train/records.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tok/pretok.h"

/* Bad lines of one file that are told one by one. */
#define TELL_MAX 10

typedef struct reader {
    const char *name;
    const ph_records_options *options;
    ph_records_stats *stats;
    ph_record_fn fn;
    void *user;
    uint64_t n_told;
} reader;

/* What is wrong with a line. */
typedef struct fault {
    bool is_empty, no_memory;
    char why[200];
} fault;

/* --- one line --- */

static bool bad(fault *f, const char *why)
{
    snprintf(f->why, sizeof f->why, "%s", why);
    return false;
}

static bool empty(fault *f, const char *why)
{
    f->is_empty = true;
    return bad(f, why);
}

static bool get_text(const ph_json *object, const char *key, ph_str *out, fault *f)
{
    const ph_json *v = ph_json_get(object, key);
    if (ph_json_str(v, out))
        return true;
    snprintf(f->why, sizeof f->why, "\"%s\" must be a string, not %s", key, ph_json_type_name(v));
    return false;
}

/* One message; a system message goes to the record. */
static bool take_message(const ph_json *message, size_t i, ph_record *r, phial_turn *turns,
                         fault *f)
{
    ph_str role, content;
    if (!get_text(message, "role", &role, f) || !get_text(message, "content", &content, f))
        return false;
    if (ph_str_eq_c(role, "system")) {
        if (i > 0)
            return bad(f, "a system message must be the first");
        r->system = content;
        return true;
    }
    bool user = ph_str_eq_c(role, "user");
    if (!user && !ph_str_eq_c(role, "assistant")) {
        snprintf(f->why, sizeof f->why, "message %zu has the role '%.*s'", i,
                 (int)(role.n > 40 ? 40 : role.n), role.p);
        return false;
    }
    turns[r->n_turns++] = (phial_turn){user ? PHIAL_ROLE_USER : PHIAL_ROLE_ASSISTANT,
                                       (phial_text){content.p, content.n}};
    return true;
}

static bool take_messages(const ph_json *list, ph_record *r, phial_turn *turns, fault *f)
{
    size_t n = ph_json_count(list);
    for (size_t i = 0; i < n; i++) {
        if (!take_message(ph_json_at(list, i), i, r, turns, f))
            return false;
    }
    /* What the user says behind the last answer teaches nothing. */
    while (r->n_turns > 0 && turns[r->n_turns - 1].role == PHIAL_ROLE_USER)
        r->n_turns--;
    bool any = false;
    for (size_t i = 0; i < r->n_turns; i++)
        any = any || (turns[i].role == PHIAL_ROLE_ASSISTANT && turns[i].text.n > 0);
    r->kind = PH_RECORD_MESSAGES;
    r->turns = turns;
    return any || empty(f, "no message of the assistant to learn from");
}

/* *turns: owned by the caller, made if there are messages. */
static bool take_object(const ph_json *root, ph_record *r, phial_turn **turns, fault *f)
{
    const ph_json *messages = ph_json_get(root, "messages");
    bool has_prompt = ph_json_get(root, "prompt") || ph_json_get(root, "completion");
    bool has_text = ph_json_get(root, "text") != NULL;
    if (!ph_json_is_object(root)) {
        snprintf(f->why, sizeof f->why, "must be an object, not %s", ph_json_type_name(root));
        return false;
    }
    if ((messages != NULL) + has_prompt + has_text > 1)
        return bad(f, "has more than one of \"text\", \"prompt\" and \"messages\"");
    if (messages) {
        size_t n = ph_json_count(messages);
        if (!ph_json_is_array(messages) || n > PH_RECORDS_MAX_MESSAGES)
            return bad(f, "\"messages\" must be an array of at most 4096 messages");
        *turns = ph_alloc(n, sizeof **turns, NULL);
        f->no_memory = !*turns;
        return *turns && take_messages(messages, r, *turns, f);
    }
    if (has_prompt) {
        r->kind = PH_RECORD_COMPLETION;
        if (!get_text(root, "prompt", &r->prompt, f) ||
            !get_text(root, "completion", &r->completion, f))
            return false;
        return r->completion.n > 0 || empty(f, "\"completion\" is empty");
    }
    if (!has_text)
        return bad(f, "has none of \"text\", \"prompt\" and \"messages\"");
    r->kind = PH_RECORD_TEXT;
    if (!get_text(root, "text", &r->text, f))
        return false;
    return r->text.n > 0 || empty(f, "\"text\" is empty");
}

/* Counts and tells a line that is skipped; strict: the error. */
static phial_status skip(reader *r, uint64_t line, const fault *f, phial_error *err)
{
    if (r->options->strict)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: line %" PRIu64 ": %s", r->name, line,
                          f->why);
    if (f->is_empty)
        r->stats->n_empty++;
    else
        r->stats->n_malformed++;
    if (r->n_told++ < TELL_MAX) {
        phial_error sentence = {0};
        ph_err_set(&sentence, PHIAL_ERR_BAD_INPUT, "%s: line %" PRIu64 " skipped: %s", r->name,
                   line, f->why);
        ph_log_write(&r->options->log, PH_LOG_WARN, "%s", sentence.message);
    }
    return PHIAL_OK;
}

static bool is_blank(ph_str line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            return false;
    }
    return true;
}

static phial_status take_line(reader *r, ph_str line, uint64_t number, phial_error *err)
{
    fault f = {0};
    phial_error parse = {0};
    ph_record record = {.line = number};
    phial_turn *turns = NULL;
    ph_json *root = NULL;
    bool ok = false;
    phial_status st = PHIAL_OK;
    if (is_blank(line)) {
        empty(&f, "it is empty");
    } else if (line.n > PH_RECORDS_MAX_LINE) {
        bad(&f, "it is longer than 64 MB");
    } else if (!(root = ph_json_parse(line.p, line.n, &parse))) {
        if (parse.status == PHIAL_ERR_NO_MEMORY)
            st = ph_err_set(err, PHIAL_ERR_NO_MEMORY, "%s", parse.message);
        snprintf(f.why, sizeof f.why, "%.190s", parse.message);
    } else {
        ok = take_object(root, &record, &turns, &f);
    }
    if (f.no_memory)
        st = ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory for messages");
    if (st == PHIAL_OK && ok) {
        r->stats->n_records++;
        st = r->fn(r->user, &record, err);
    } else if (st == PHIAL_OK) {
        st = skip(r, number, &f, err);
    }
    ph_free(turns);
    ph_json_free(root);
    return st;
}

/* --- files --- */

static phial_status read_lines(reader *r, const char *text, size_t n, const ph_map *map,
                               phial_error *err)
{
    size_t at = n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    size_t kept = 0;
    phial_status st = PHIAL_OK;
    for (uint64_t number = 1; at < n && st == PHIAL_OK; number++) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t length = newline ? (size_t)(newline - text) - at : n - at;
        st = take_line(r, (ph_str){text + at, length}, number, err);
        at += length + (newline != NULL);
        if (map && at - kept > PH_RECORDS_PART_BYTES) {
            ph_map_advise(map, kept, at - kept, PH_MAP_RELEASE);
            kept = at;
        }
    }
    if (st == PHIAL_OK && r->n_told > TELL_MAX)
        ph_log_write(&r->options->log, PH_LOG_WARN, "%s: %" PRIu64 " more lines skipped", r->name,
                     r->n_told - TELL_MAX);
    return st;
}

static phial_status read_plain(reader *r, const char *text, size_t n, const ph_map *map,
                               phial_error *err)
{
    phial_status st = PHIAL_OK;
    if (n == 0) {
        fault f = {.is_empty = true, .why = "the file is empty"};
        st = skip(r, 1, &f, err);
    }
    for (size_t at = 0; at < n && st == PHIAL_OK;) {
        size_t part = ph_pretok_cut(text + at, n - at, PH_RECORDS_PART_BYTES);
        /* Letters without end in a line without end: anywhere will do. */
        part = part > PHIAL_TEXT_MAX ? PHIAL_TEXT_MAX : part;
        ph_record record = {.kind = PH_RECORD_TEXT, .text = {text + at, part}};
        r->stats->n_records++;
        st = r->fn(r->user, &record, err);
        if (map)
            ph_map_advise(map, at, part, PH_MAP_RELEASE);
        at += part;
    }
    return st;
}

bool ph_records_is_jsonl(const char *path, ph_records_format format)
{
    ph_str s = ph_str_from(path);
    return format == PH_RECORDS_JSONL ||
           (format == PH_RECORDS_AUTO &&
            (ph_str_ends_with(s, ".jsonl") || ph_str_ends_with(s, ".ndjson")));
}

static phial_status read_bytes(reader *r, const char *text, size_t n, bool jsonl, const ph_map *map,
                               phial_error *err)
{
    r->stats->n_bytes += n;
    return jsonl ? read_lines(r, text, n, map, err) : read_plain(r, text, n, map, err);
}

phial_status ph_records_parse(const char *text, size_t n, const char *name,
                              const ph_records_options *options, ph_records_stats *stats,
                              ph_record_fn fn, void *user, phial_error *err)
{
    reader r = {.name = name, .options = options, .stats = stats, .fn = fn, .user = user};
    return read_bytes(&r, text, n, true, NULL, err);
}

phial_status ph_records_read(const char *path, const ph_records_options *options,
                             ph_records_stats *stats, ph_record_fn fn, void *user, phial_error *err)
{
    reader r = {.name = path, .options = options, .stats = stats, .fn = fn, .user = user};
    bool jsonl = ph_records_is_jsonl(path, options->format);
    if (strcmp(path, "-") != 0 && ph_file_kind_of(path) == PH_FILE_REGULAR) {
        ph_map *map = NULL;
        phial_status st = ph_map_open(&map, path, err);
        if (st != PHIAL_OK)
            return st;
        ph_map_advise(map, 0, ph_map_size(map), PH_MAP_SEQUENTIAL);
        st = read_bytes(&r, (const char *)ph_map_data(map), ph_map_size(map), jsonl, map, err);
        phial_status whole = ph_map_check(map, st == PHIAL_OK ? err : NULL);
        ph_map_close(map);
        return st == PHIAL_OK ? whole : st;
    }
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status st = ph_file_read(&text, path, PH_RECORDS_MAX_PIPE, err);
    if (st == PHIAL_OK)
        st = read_bytes(&r, text.data ? text.data : "", text.len, jsonl, NULL, err);
    ph_buf_free(&text);
    return st;
}
