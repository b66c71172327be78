/* Code without fence and chatter, line by line; rules in phial/prompt.h.
 *
 * It knows no language. Strings, comments and brackets are followed as Python and the C family
 * write them, roughly: where that goes wrong a line too many is kept, never one lost in the middle.
 */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "phial/prompt.h"

#define LINE_BYTES_MAX ((size_t)1 << 20)

typedef enum stage {
    PREFACE, /* nothing kept yet */
    CODE,
    FENCED,
    DONE
} stage;

struct phial_code_cleaner {
    stage stage;
    bool continues; /* the next line is the rest of the prompt's last one */
    bool fresh;     /* no prompt, and no line yet: blanks in front of the answer mean nothing */
    char fence;     /* of an open fence: its character and its length */
    size_t fence_len;
    char triple;  /* the quote of an open triple-quoted string, or 0 */
    size_t depth; /* open brackets */
    ph_buf line;  /* not complete yet */
    ph_buf blank; /* blank lines that wait for another line */
    ph_buf out;
};

/* --- following strings and brackets ----------------------------------------------------------- */

static bool three(ph_str s, size_t i, char quote)
{
    return i + 2 < s.n && s.p[i] == quote && s.p[i + 1] == quote && s.p[i + 2] == quote;
}

/* Past the string that begins at i; an unclosed one ends with the line, unless it is triple. */
static size_t skip_string(phial_code_cleaner *c, ph_str s, size_t i)
{
    char quote = s.p[i];
    if (three(s, i, quote)) {
        c->triple = quote;
        return i + 3;
    }
    for (i++; i < s.n && s.p[i] != quote && s.p[i] != '\n'; i++) {
        i += s.p[i] == '\\';
    }
    return i + 1;
}

static size_t skip_comment(ph_str s, size_t i)
{
    while (i < s.n && s.p[i] != '\n') {
        i++;
    }
    return i;
}

static void follow(phial_code_cleaner *c, ph_str s)
{
    for (size_t i = 0; i < s.n;) {
        char x = s.p[i];
        if (c->triple != 0) {
            bool closes = three(s, i, c->triple);
            c->triple = closes ? 0 : c->triple;
            i += closes ? 3 : x == '\\' ? 2 : 1;
        } else if (x == '"' || x == '\'') {
            i = skip_string(c, s, i);
        } else if (x == '#' || (x == '/' && i + 1 < s.n && s.p[i + 1] == '/')) {
            i = skip_comment(s, i);
        } else {
            if (strchr("([{", x) != NULL && x != '\0') {
                c->depth++;
            } else if (strchr(")]}", x) != NULL && x != '\0' && c->depth > 0) {
                c->depth--;
            }
            i++;
        }
    }
}

/* --- what a line looks like ------------------------------------------------------------------- */

static bool is_blank(char x)
{
    return x == ' ' || x == '\t' || x == '\r' || x == '\n' || x == '\f';
}

static ph_str without_end(ph_str s)
{
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

static bool word_char(char x)
{
    return isalnum((unsigned char)x) || x == '_' || (x & 0x80) != 0;
}

static bool contains(ph_str s, const char *what)
{
    return memmem(s.p, s.n, what, strlen(what)) != NULL;
}

/* Length of the name at the beginning, with its ".parts"; 0 if there is none. */
static size_t name_len(ph_str s)
{
    size_t n = 0;
    while (n < s.n && !isdigit((unsigned char)s.p[n])) {
        size_t part = n;
        while (n < s.n && word_char(s.p[n])) {
            n++;
        }
        if (n == part || n + 1 >= s.n || s.p[n] != '.' || !word_char(s.p[n + 1])) {
            break;
        }
        n++;
    }
    return n;
}

/* The rest of a line behind a name: a call, an index, an assignment to this or several names, or a
 * declaration with a value. */
static bool is_assignment_or_call(ph_str s)
{
    size_t n = name_len(s);
    if (n == 0 || n == s.n) {
        return false;
    }
    if (s.p[n] == '(' || s.p[n] == '[') {
        return true;
    }
    while (n < s.n && s.p[n] == ',') {
        n++;
        while (n < s.n && s.p[n] == ' ') {
            n++;
        }
        n += name_len((ph_str){s.p + n, s.n - n});
    }
    if (n < s.n && s.p[n] == ':' && (n + 1 == s.n || s.p[n + 1] != '=')) {
        return contains((ph_str){s.p + n, s.n - n}, " = ");
    }
    while (n < s.n && s.p[n] == ' ') {
        n++;
    }
    while (n < s.n && strchr("+-*/%|&^<>:@", s.p[n]) != NULL) {
        n++;
    }
    return n < s.n && s.p[n] == '=';
}

static bool ends_in(ph_str s, const char *chars)
{
    return s.n > 0 && s.p[s.n - 1] != '\0' && strchr(chars, s.p[s.n - 1]) != NULL;
}

static bool in_list(ph_str word, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (ph_str_eq_c(word, *list)) {
            return true;
        }
    }
    return false;
}

/* A keyword alone is no proof ("for example, ..."): a compound statement has its colon or an open
 * end, a simple one does not end like a sentence. */
static bool is_statement(ph_str s)
{
    static const char *const COMPOUND[] = {"def",     "class", "if",    "elif", "else",
                                           "for",     "while", "with",  "try",  "except",
                                           "finally", "async", "match", "case", NULL};
    static const char *const SIMPLE[] = {
        "return", "pass",     "break", "continue", "raise",    "assert", "del",   "global",
        "yield",  "nonlocal", "await", "import",   "function", "const",  "print", NULL};
    ph_str word = {s.p, name_len(s)};
    if (in_list(word, COMPOUND)) {
        return ends_in(s, "([{,\\;") || contains(s, ":");
    }
    if (ph_str_eq_c(word, "from")) {
        return contains(s, " import ");
    }
    return in_list(word, SIMPLE) && !ends_in(s, ".:!?");
}

/* The head of a function with its brace on the next line: "static int *f(int a)". */
static bool is_function_head(ph_str s)
{
    size_t i = 0;
    while (i < s.n && (word_char(s.p[i]) || memchr(" *&:<>,~", s.p[i], 8) != NULL)) {
        i++;
    }
    return i > 0 && i < s.n && s.p[i] == '(' && word_char(s.p[i - 1]) && ends_in(s, ")");
}

static bool looks_like_code(ph_str s)
{
    if (s.n == 0) {
        return false;
    }
    char x = s.p[0];
    switch (x) {
    case '[':
    case ']':
    case ')':
    case '{':
    case '}':
    case '/':
    case '<':
    case '@':
        return true;
    case '#': /* two are a heading */
        return s.n < 2 || s.p[1] != '#';
    case '"':
    case '\'':
        return three(s, 0, x);
    case '(':
        return contains(s, " = ");
    default:
        return ends_in(s, "{};\\") || is_statement(s) || is_assignment_or_call(s) ||
               is_function_head(s);
    }
}

/* The length of a fence's marks, 0 if the line is none; *bare: nothing stands behind them. */
static size_t fence_of(ph_str s, char *mark, bool *bare)
{
    size_t i = 0;
    while (i < s.n && i < 3 && s.p[i] == ' ') {
        i++;
    }
    size_t from = i;
    if (i < s.n && (s.p[i] == '`' || s.p[i] == '~')) {
        *mark = s.p[i];
        while (i < s.n && s.p[i] == *mark) {
            i++;
        }
    }
    *bare = i == s.n;
    return i - from >= 3 ? i - from : 0;
}

/* --- deciding --------------------------------------------------------------------------------- */

static void keep(phial_code_cleaner *c, ph_str line)
{
    if (c->blank.len > 0) {
        ph_buf_add(&c->out, c->blank.data, c->blank.len);
        ph_buf_clear(&c->blank);
    }
    ph_buf_add(&c->out, line.p, line.n);
}

static void settle_fenced(phial_code_cleaner *c, ph_str line, ph_str bare_line)
{
    char mark = 0;
    bool bare;
    size_t len = fence_of(bare_line, &mark, &bare);
    if (len >= c->fence_len && mark == c->fence && bare) {
        c->stage = DONE;
    } else if (bare_line.n == 0) {
        ph_buf_add(&c->blank, line.p, line.n);
    } else {
        keep(c, line);
    }
}

/* A line outside a fence that is neither blank nor a fence. */
static bool is_wanted(const phial_code_cleaner *c, ph_str bare_line, bool continues)
{
    bool inside = c->triple != 0 || c->depth > 0;
    return continues || inside || is_blank(bare_line.p[0]) || looks_like_code(bare_line);
}

static void settle(phial_code_cleaner *c, ph_str line)
{
    bool continues = c->continues;
    c->continues = false;
    if (c->fresh) {
        while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
            line.p++;
            line.n--;
        }
    }
    ph_str bare_line = without_end(line);
    c->fresh = c->fresh && bare_line.n == 0;
    if (c->stage == FENCED) {
        settle_fenced(c, line, bare_line);
        return;
    }
    char mark = 0;
    bool bare;
    size_t fence = c->triple == 0 ? fence_of(bare_line, &mark, &bare) : 0;
    if (fence > 0) {
        c->stage = c->stage == PREFACE ? FENCED : DONE;
        c->fence = mark;
        c->fence_len = fence;
        ph_buf_clear(&c->blank);
    } else if (bare_line.n == 0) {
        /* The end of the prompt's last line matters even before any code. */
        if (c->stage == CODE || continues || c->blank.len > 0) {
            ph_buf_add(&c->blank, line.p, line.n);
        }
    } else if (is_wanted(c, bare_line, continues)) {
        c->stage = CODE;
        keep(c, line);
        follow(c, line);
    } else if (c->stage == CODE) {
        c->stage = DONE;
    }
}

/* --- the interface ---------------------------------------------------------------------------- */

phial_status phial_code_cleaner_new(phial_code_cleaner **out, phial_text prompt, phial_error *err)
{
    phial_code_cleaner *c = ph_alloc(1, sizeof *c, err);
    if (c == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_buf_init(&c->line, 0);
    ph_buf_init(&c->blank, 0);
    ph_buf_init(&c->out, 0);
    c->continues = prompt.n > 0 && prompt.p[prompt.n - 1] != '\n';
    c->fresh = prompt.n == 0;
    follow(c, (ph_str){prompt.p, prompt.n});
    *out = c;
    return PHIAL_OK;
}

void phial_code_cleaner_free(phial_code_cleaner *c)
{
    if (c != NULL) {
        ph_buf_free(&c->line);
        ph_buf_free(&c->blank);
        ph_buf_free(&c->out);
        ph_free(c);
    }
}

static phial_status hand_out(phial_code_cleaner *c, phial_text *shown, phial_error *err)
{
    *shown = (phial_text){"", 0};
    if (c->line.len > LINE_BYTES_MAX) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "a line of code of more than %zu bytes",
                          LINE_BYTES_MAX);
    }
    phial_status status = PHIAL_OK;
    const ph_buf *bufs[] = {&c->line, &c->blank, &c->out};
    for (size_t i = 0; i < 3 && status == PHIAL_OK; i++) {
        status = ph_buf_status(bufs[i], err);
    }
    if (status == PHIAL_OK && c->out.len > 0) {
        *shown = (phial_text){c->out.data, c->out.len};
    }
    return status;
}

static void settle_line(phial_code_cleaner *c)
{
    if (!c->line.failed && c->line.len > 0 && c->line.len <= LINE_BYTES_MAX) {
        settle(c, (ph_str){c->line.data, c->line.len});
        ph_buf_clear(&c->line);
    }
}

phial_status phial_code_cleaner_push(phial_code_cleaner *c, const void *bytes, size_t n,
                                     phial_text *shown, phial_error *err)
{
    ph_buf_clear(&c->out);
    for (const char *p = bytes; n > 0 && c->stage != DONE && c->line.len <= LINE_BYTES_MAX;) {
        const char *end = memchr(p, '\n', n);
        size_t len = end != NULL ? (size_t)(end - p) + 1 : n;
        ph_buf_add(&c->line, p, len);
        if (end != NULL) {
            settle_line(c);
        }
        p += len;
        n -= len;
    }
    return hand_out(c, shown, err);
}

phial_status phial_code_cleaner_flush(phial_code_cleaner *c, phial_text *shown, phial_error *err)
{
    ph_buf_clear(&c->out);
    if (c->stage != DONE) {
        settle_line(c);
    }
    c->stage = DONE;
    return hand_out(c, shown, err);
}

bool phial_code_cleaner_done(const phial_code_cleaner *c)
{
    return c->stage == DONE;
}
