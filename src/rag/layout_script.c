/* Lines of a screenplay to blocks. Contract: layout_parts.h.
 *
 * A screenplay says what a line is by where it begins: scene headings and action at the left,
 * speeches indented, names of speakers in capitals farther in. Two speeches side by side are taken
 * apart, the left one first. Source: the layout that the Fountain documentation and most producers
 * ask for (action at 1.5 inches, speech at 2.5, names at 3.7, in 12-point type); only the order of
 * the indents is relied on, in units of the type's size.
 */
#include <math.h>
#include <string.h>

#include "rag/layout_parts.h"

#define SPEECH_INDENT  3.0f /* of the size, at least */
#define SPEAKER_INDENT 8.0f
#define PITCH_MAX      1.6f /* more is an empty line */
#define SPEAKER_CHARS  60

static const uint8_t no_role = 0;

bool ph_lay_is_scene(ph_str line)
{
    static const char *const names[] = {"INT.", "EXT.", "EST.",    "INT ",
                                        "EXT ", "I/E",  "INT/EXT", "EXT/INT"};
    size_t n = 0;
    /* The number of the scene. */
    while (n < line.n && ((line.p[n] >= '0' && line.p[n] <= '9') || (n > 0 && line.p[n] == '.')))
        n++;
    if (n > 0) {
        if (n < line.n && line.p[n] >= 'A' && line.p[n] <= 'Z')
            n++;
        if (n == line.n || (line.p[n] != ' ' && line.p[n] != '\t'))
            return false;
        line.p += n + 1;
        line.n -= n + 1;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (ph_str_starts_with(line, names[i]) && line.n > strlen(names[i]))
            return true;
    }
    return false;
}

static float middle(const ph_lay_line *line)
{
    return (line->y0 + line->y1) / 2;
}

/* b follows a without an empty line. */
static bool follows(const ph_lay_line *a, const ph_lay_line *b)
{
    float pitch = middle(b) - middle(a);
    return pitch > 0 && pitch <= PITCH_MAX * ph_lay_max(a->size, b->size);
}

static bool capitals(const ph_lay_work *w, uint32_t first, uint32_t n)
{
    unsigned letters = 0;
    for (uint32_t i = first; i < first + n; i++) {
        ph_str word = ph_lay_word_text(w, i);
        if (word.p[0] == '(') /* (V.O.), (cont'd) */
            break;
        if (!ph_lay_all_caps(word, 0))
            return false;
        letters += ph_lay_all_caps(word, 1);
    }
    return letters > 0;
}

/* --- two speeches side by side --- */

/* The word of a line that begins behind its widest gap between x0 and x1; 0: none. */
static uint32_t second_cell(const ph_lay_work *w, const ph_lay_line *line, float x0, float x1)
{
    uint32_t at = 0;
    float widest = 0.9f * line->size;
    for (uint32_t i = line->first; i + 1 < line->first + line->n; i++) {
        float from = ph_lay_word_at(w, i)->x1, to = ph_lay_word_at(w, i + 1)->x0;
        if (to > x0 && from < x1 && to - from > widest) {
            widest = to - from;
            at = i + 1;
        }
    }
    return at;
}

static phial_status push(ph_lay_work *w, ph_lay_line line, uint32_t first, uint32_t n,
                         unsigned role, phial_error *err)
{
    phial_status status =
        ph_lay_grow(&w->lines, &w->cap_lines, w->n_lines + 1, sizeof *w->lines, err);
    if (status != PHIAL_OK || n == 0)
        return status;
    line.first = first;
    line.n = n;
    line.role = (uint8_t)role;
    ph_lay_measure(w, &line);
    w->lines[w->n_lines++] = line;
    return PHIAL_OK;
}

/* Lines i .. of a pair of speeches, whose first line holds both names: appended as two speeches.
 * *next is the line behind them. */
static phial_status take_apart(ph_lay_work *w, size_t i, size_t end, size_t *next, phial_error *err)
{
    float x0 = w->lines[i].x0, x1 = w->lines[i].x1;
    size_t j = i + 1;
    while (j < end && follows(&w->lines[j - 1], &w->lines[j]))
        j++;
    *next = j;
    for (unsigned side = 0; side < 2; side++) {
        unsigned role = PH_BLOCK_SPEAKER + 1;
        for (size_t k = i; k < j; k++) {
            ph_lay_line line = w->lines[k];
            uint32_t cut = second_cell(w, &line, x0, x1);
            if (cut == 0)
                cut = line.x0 > (x0 + x1) / 2 ? line.first : line.first + line.n;
            uint32_t from = side ? cut : line.first;
            uint32_t to = side ? line.first + line.n : cut;
            phial_status status = push(w, line, from, to - from, role, err);
            if (status != PHIAL_OK)
                return status;
            role = to > from ? PH_BLOCK_SPEECH + 1 : role;
        }
    }
    return PHIAL_OK;
}

static bool two_names(const ph_lay_work *w, size_t i, size_t end)
{
    const ph_lay_line *line = &w->lines[i];
    if (line->n_cells != 2 || i + 1 == end || !follows(line, line + 1) || line->n_chars > 80)
        return false;
    uint32_t cut = second_cell(w, line, line->x0, line->x1);
    return cut > line->first && capitals(w, line->first, cut - line->first) &&
           capitals(w, cut, line->first + line->n - cut) && w->lines[i + 1].n_cells >= 2;
}

/* Copies the lines behind each other with pairs of speeches taken apart; they begin at *from. */
static phial_status rearrange(ph_lay_work *w, size_t first, size_t n, size_t *from,
                              phial_error *err)
{
    phial_status status = PHIAL_OK;
    *from = w->n_lines;
    for (size_t i = first; i < first + n && status == PHIAL_OK;) {
        if (two_names(w, i, first + n)) {
            status = take_apart(w, i, first + n, &i, err);
        } else {
            ph_lay_line line = w->lines[i++];
            status = push(w, line, line.first, line.n, no_role, err);
        }
    }
    return status;
}

/* --- what a line is --- */

static bool line_is_scene(ph_lay_work *w, const ph_lay_line *line)
{
    /* Looked at in the output buffer's free end, to have one text of several words. */
    size_t len = w->out.len;
    if (line->n_chars > 200 || ph_lay_line_text(&w->out, w, line, NULL) != PHIAL_OK)
        return false;
    bool scene = ph_lay_is_scene((ph_str){w->out.data + len, w->out.len - len});
    w->out.len = len;
    return scene;
}

static ph_block_kind role_of(ph_lay_work *w, size_t i, size_t from, ph_block_kind before)
{
    const ph_lay_line *line = &w->lines[i];
    const ph_lay_line *next = i + 1 < w->n_lines ? line + 1 : NULL;
    float indent = line->x0 - w->layout->action_x, size = line->size;
    bool close = i > from && follows(line - 1, line);
    if (line->role != no_role)
        return (ph_block_kind)(line->role - 1);
    if (line_is_scene(w, line))
        return PH_BLOCK_SCENE;
    if (close && (before == PH_BLOCK_SPEAKER || before == PH_BLOCK_SPEECH) &&
        indent > SPEECH_INDENT * size)
        return PH_BLOCK_SPEECH;
    if (indent > SPEAKER_INDENT * size && !close && line->n_chars <= SPEAKER_CHARS && next &&
        follows(line, next) && next->x0 - w->layout->action_x > SPEECH_INDENT * size &&
        capitals(w, line->first, line->n))
        return PH_BLOCK_SPEAKER;
    /* A scene heading without the usual beginning: bold capitals by themselves at the left. */
    uint32_t last = ph_lay_last_char(ph_lay_word_text(w, line->first + line->n - 1), NULL);
    if (line->bold && line->upper && line->n_chars >= 4 && fabsf(indent) < size && !close &&
        !(next && follows(line, next)) && !strchr(".!?:", (int)(last < 128 ? last : 'x')))
        return PH_BLOCK_SCENE;
    return PH_BLOCK_PARAGRAPH;
}

phial_status ph_lay_script_blocks(ph_lay_work *w, size_t first, size_t n, phial_error *err)
{
    size_t from;
    bool any = false;
    for (size_t i = first; i < first + n; i++) {
        if (!line_is_scene(w, &w->lines[i]))
            continue;
        if (w->layout->action_x < 0)
            w->layout->action_x = w->lines[i].x0;
        any = true;
    }
    if (!any && w->layout->action_x < 0) /* a title page */
        return ph_lay_blocks(w, first, n, err);
    phial_status status = rearrange(w, first, n, &from, err);
    ph_block_kind before = PH_BLOCK_PARAGRAPH, kind;
    for (size_t i = from, j; i < w->n_lines && status == PHIAL_OK; i = j) {
        kind = role_of(w, i, from, before);
        for (j = i + 1; j < w->n_lines && kind != PH_BLOCK_SPEAKER && kind != PH_BLOCK_SCENE; j++) {
            if (!follows(&w->lines[j - 1], &w->lines[j]) || role_of(w, j, from, kind) != kind)
                break;
        }
        before = kind;
        status = ph_lay_write(w, i, j - i, PH_LAY_FLOW, (ph_lay_block){.kind = (uint8_t)kind}, err);
    }
    return status;
}
