/* Fountain, the plain text form of screenplays (fountain.io/syntax): scene headings, speakers,
 * speeches, action, transitions; notes and what is struck out by boneyard marks is left out. */
#include <ctype.h>
#include <string.h>

#include "fmt/flow.h"
#include "fmt/line_reader.h"
#include "helper/formats.h"
#include "helper/text_input.h"
#include "rag/sentence.h"

enum { SPEAKER_MAX = 120 };

typedef struct reader {
    ph_flow flow;
    ph_buf speaker; /* a line that is a speaker's name if a speech follows */
    ph_buf clean;   /* the line without comments */
    bool after_blank, in_speech, in_title, began;
    bool in_boneyard, in_note;
    ph_doc_writer *out;
} reader;

/* Capitals, and no small letters, in any script; one that has no capitals needs the "@". */
static bool is_upper_line(ph_str s)
{
    bool letters = false;
    for (size_t i = 0, len; i < s.n && s.p[i] != '('; i += len) {
        ph_sentence_class c = ph_sentence_class_at(s, i, &len);
        if (c == PH_SB_LOWER)
            return false;
        letters = letters || c == PH_SB_UPPER;
    }
    return letters;
}

static bool is_scene(ph_str s)
{
    static const char *const words[] = {"INT", "EXT", "EST", "I/E"};
    if (s.n > 1 && s.p[0] == '.' && s.p[1] != '.')
        return true;
    for (size_t i = 0; i < 4; i++) {
        if (s.n > 3 && strncasecmp(s.p, words[i], 3) == 0 && strchr(". /", s.p[3]))
            return true;
    }
    return false;
}

static ph_str trimmed(ph_str s)
{
    while (s.n > 0 && isspace((uint8_t)s.p[s.n - 1]))
        s.n--;
    while (s.n > 0 && isspace((uint8_t)*s.p)) {
        s.p++;
        s.n--;
    }
    return s;
}

/* The line without emphasis marks, as text of a block of that kind. */
static void put(reader *r, ph_block_kind kind, unsigned level, ph_str s)
{
    if (!r->flow.open || r->flow.kind != kind)
        ph_flow_begin(&r->flow, kind, level, false);
    else
        ph_flow_line_break(&r->flow);
    size_t from = 0;
    for (size_t i = 0; i <= s.n; i++) {
        bool mark = i < s.n && (s.p[i] == '*' || (s.p[i] == '\\' && i + 1 < s.n));
        if (i == s.n || mark)
            ph_flow_text(&r->flow, s.p + from, i - from);
        if (mark) {
            from = i + 1;
            i += s.p[i] == '\\';
        }
    }
}

/* Removes boneyard and notes, which may go over lines; true if something of it was removed. */
static bool without_comments(reader *r, ph_str s)
{
    bool removed = r->in_boneyard || r->in_note;
    ph_buf_clear(&r->clean);
    for (size_t i = 0; i < s.n;) {
        ph_str rest = {s.p + i, s.n - i};
        if (r->in_boneyard || r->in_note) {
            bool end = ph_str_starts_with(rest, r->in_boneyard ? "*/" : "]]");
            i += end ? 2 : 1;
            if (end)
                r->in_boneyard = r->in_note = false;
        } else if (ph_str_starts_with(rest, "/*") || ph_str_starts_with(rest, "[[")) {
            *(s.p[i] == '/' ? &r->in_boneyard : &r->in_note) = true;
            removed = true;
            i += 2;
        } else {
            ph_buf_add_byte(&r->clean, (uint8_t)s.p[i++]);
        }
    }
    return removed;
}

/* The line that waited was no speaker's name after all. */
static void release_speaker(reader *r, bool speech_follows)
{
    ph_str name = trimmed((ph_str){r->speaker.data ? r->speaker.data : "", r->speaker.len});
    if (name.n == 0)
        return;
    if (speech_follows && name.p[name.n - 1] == '^') /* spoken beside the speech before */
        name = trimmed((ph_str){name.p, name.n - 1});
    if (speech_follows && name.p[0] == '@')
        name = (ph_str){name.p + 1, name.n - 1};
    put(r, speech_follows ? PH_BLOCK_SPEAKER : PH_BLOCK_PARAGRAPH, 0, name);
    r->in_speech = speech_follows;
    ph_buf_clear(&r->speaker);
}

/* "Title: Brick & Steel" and what is indented below such a line. */
static phial_status read_title(reader *r, ph_str s, ph_str line, phial_error *err)
{
    static const char *const keys[] = {"title", "author", "authors"};
    const char *colon = memchr(s.p, ':', s.n);
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < 3 && colon && !isspace((uint8_t)line.p[0]); i++) {
        ph_str value = trimmed((ph_str){colon + 1, s.n - (size_t)(colon + 1 - s.p)});
        if ((size_t)(colon - s.p) == strlen(keys[i]) &&
            strncasecmp(s.p, keys[i], strlen(keys[i])) == 0 && value.n > 0)
            status = ph_doc_write_info(r->out, i == 0 ? "title" : "author", value, err);
    }
    put(r, PH_BLOCK_PARAGRAPH, 0, s);
    return status;
}

static void read_action(reader *r, ph_str s)
{
    if (*s.p == '>' || *s.p == '!' || *s.p == '~')
        s = trimmed((ph_str){s.p + 1, s.n - 1});
    if (s.n > 0 && s.p[s.n - 1] == '<')
        s = trimmed((ph_str){s.p, s.n - 1});
    if (s.n > 0)
        put(r, PH_BLOCK_PARAGRAPH, 0, s);
}

static void read_heading(reader *r, ph_str s)
{
    unsigned level = 0;
    while (level < s.n && s.p[level] == '#')
        level++;
    ph_flow_begin(&r->flow, PH_BLOCK_HEADING, level > 6 ? 6 : level, false);
    ph_flow_text(&r->flow, s.p + level, s.n - level);
    ph_flow_end(&r->flow);
}

static bool maybe_speaker(const reader *r, ph_str s)
{
    return r->after_blank && s.n <= SPEAKER_MAX &&
           (*s.p == '@' ||
            (is_upper_line(s) && !ph_str_ends_with(s, "TO:") && !strchr(">!~=#", *s.p)));
}

static phial_status read_line(reader *r, ph_str line, phial_error *err)
{
    /* A note does not go over an empty line: one that is never closed takes no more with it. */
    if (r->in_note && ph_str_eq_c(line, "\n"))
        r->in_note = false;
    bool removed = without_comments(r, line);
    if (r->clean.failed)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a line)");
    ph_str s = trimmed((ph_str){r->clean.data ? r->clean.data : "", r->clean.len});
    if (s.n == 0) {
        if (removed)
            return PHIAL_OK;
        release_speaker(r, false);
        ph_flow_end(&r->flow);
        r->after_blank = true;
        r->in_speech = r->in_title = false;
        return PHIAL_OK;
    }
    if (!r->began) {
        const char *colon = memchr(s.p, ':', s.n);
        r->began = true;
        r->after_blank = true;
        r->in_title = colon && colon > s.p && colon - s.p < 30 && !is_scene(s) && !is_upper_line(s);
    }
    if (r->in_title)
        return read_title(r, s, line, err);
    release_speaker(r, true);
    if (r->in_speech) {
        put(r, PH_BLOCK_SPEECH, 0, s);
    } else if (*s.p == '#') {
        read_heading(r, s);
    } else if (r->after_blank && is_scene(s)) {
        put(r, PH_BLOCK_SCENE, 0, *s.p == '.' ? (ph_str){s.p + 1, s.n - 1} : s);
    } else if (maybe_speaker(r, s)) {
        ph_buf_add(&r->speaker, s.p, s.n);
    } else if (*s.p == '=' && !ph_str_starts_with(s, "===")) {
        put(r, PH_BLOCK_CAPTION, 0, trimmed((ph_str){s.p + 1, s.n - 1}));
    } else if (!ph_str_starts_with(s, "===")) {
        read_action(r, s);
    }
    r->after_blank = false;
    if (r->speaker.failed)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a line)");
    return PHIAL_OK;
}

phial_status ph_format_fountain_read(ph_helper *helper, phial_error *err)
{
    ph_text_input *input = NULL;
    ph_line_reader lines;
    reader r = {.after_blank = true, .out = &helper->out};
    ph_str line = {"", 1};
    ph_flow_init(&r.flow, &helper->out);
    ph_buf_init(&r.speaker, 0);
    ph_buf_init(&r.clean, 0);
    phial_status status = ph_text_open(&input, helper->doc, err);
    ph_lines_init(&lines, ph_text_source, input);
    while (status == PHIAL_OK && line.n > 0 && r.flow.status == PHIAL_OK) {
        status = ph_lines_next(&lines, &line, err);
        if (status == PHIAL_OK && line.n > 0)
            status = read_line(&r, line, err);
    }
    if (status == PHIAL_OK) {
        release_speaker(&r, false);
        status = ph_flow_finish(&r.flow, err);
    }
    if (status == PHIAL_OK && r.in_boneyard)
        status = ph_doc_write_note(
            &helper->out,
            ph_str_from("a comment that begins with /* has no end; what follows is left out"), err);
    if (status == PHIAL_OK)
        status = ph_text_report(input, &helper->out, err);
    ph_lines_free(&lines);
    ph_text_close(input);
    ph_buf_free(&r.speaker);
    ph_buf_free(&r.clean);
    ph_flow_free(&r.flow);
    return status;
}
