/* Sentence boundaries; contract in sentence.h. Names like SB8 are the rules of UAX #29.
 *
 * One pass with a small state. The only look ahead, that of SB8, ends at the next full stop, so
 * that all of them together are linear.
 */
#include "rag/sentence.h"

#include "base/utf8.h"

/* The longest word that is looked up, and how far back its beginning is searched. */
#define WORD_BYTES 16

ph_sentence_class ph_sentence_class_at(ph_str text, size_t at, size_t *len)
{
    uint32_t cp = ph_utf8_decode((const uint8_t *)text.p + at, text.n - at, len);
    return cp == PH_UTF8_INVALID ? PH_SB_OTHER : ph_sentence_class_of(cp);
}

/* --- the tailoring --- */

static bool is_ascii_letter(char c)
{
    return (unsigned)((c | 32) - 'a') < 26;
}

static bool is_ascii_digit(char c)
{
    return (unsigned)(c - '0') < 10;
}

static bool in_list(const char *const *list, size_t n, ph_str word)
{
    char lower[WORD_BYTES + 1];
    if (word.n == 0 || word.n > WORD_BYTES)
        return false;
    for (size_t i = 0; i < word.n; i++)
        lower[i] = (char)(word.p[i] >= 'A' && word.p[i] <= 'Z' ? word.p[i] + 32 : word.p[i]);
    lower[word.n] = 0;
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(list[mid], lower);
        if (order == 0)
            return true;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static bool is_abbreviation(ph_str word)
{
    static const char *const LIST[] = {
#define PH_ABBREVIATION(w) #w,
#include "rag/sentence_words.def"
#undef PH_ABBREVIATION
    };
    return in_list(LIST, sizeof LIST / sizeof LIST[0], word);
}

static bool is_title(ph_str word)
{
    static const char *const LIST[] = {
#define PH_TITLE(w) #w,
#include "rag/sentence_words.def"
#undef PH_TITLE
    };
    bool capital = word.n > 0 && word.p[0] >= 'A' && word.p[0] <= 'Z';
    return capital && in_list(LIST, sizeof LIST / sizeof LIST[0], word);
}

static bool is_reference(ph_str word)
{
    static const char *const LIST[] = {
#define PH_REFERENCE(w) #w,
#include "rag/sentence_words.def"
#undef PH_REFERENCE
    };
    return in_list(LIST, sizeof LIST / sizeof LIST[0], word);
}

static bool is_starter(ph_str word)
{
    static const char *const LIST[] = {
#define PH_STARTER(w) #w,
#include "rag/sentence_words.def"
#undef PH_STARTER
    };
    return in_list(LIST, sizeof LIST / sizeof LIST[0], word);
}

/* What stands before the full stop at `stop`, back to a blank or a mark; not before `from`. Longer
 * words are cut, and so are in no list. */
static ph_str word_before(ph_str text, size_t from, size_t stop)
{
    size_t start = stop;
    while (start > from && stop - start <= WORD_BYTES) {
        char c = text.p[start - 1];
        if (!is_ascii_letter(c) && !is_ascii_digit(c) && c != '.' && (uint8_t)c < 0x80)
            break;
        start--;
    }
    return (ph_str){text.p + start, stop - start};
}

static ph_str word_at(ph_str text, size_t at)
{
    size_t end = at;
    while (end < text.n && end - at <= WORD_BYTES &&
           (is_ascii_letter(text.p[end]) || (uint8_t)text.p[end] >= 0x80))
        end++;
    return (ph_str){text.p + at, end - at};
}

static bool is_roman(ph_str word)
{
    for (size_t i = 0; i < word.n; i++) {
        if (!memchr("IVXLC", word.p[i], 5))
            return false;
    }
    return word.n > 0;
}

/* Capitals with full stops between them: "J", "J.R.R", "U.S". */
static bool is_initials(ph_str word)
{
    size_t at = 0;
    while (at < word.n) {
        size_t len;
        if (ph_sentence_class_at(word, at, &len) != PH_SB_UPPER)
            return false;
        at += len;
        if (at < word.n && word.p[at++] != '.')
            return false;
    }
    return word.n > 0 && word.p[word.n - 1] != '.';
}

static bool all_digits(ph_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_ascii_digit(s.p[i]))
            return false;
    }
    return s.n > 0;
}

/* Whether the full stop at `stop` belongs to the word before it, where `next` is what follows it
 * and its blanks. */
static bool stop_of_word(ph_str text, size_t from, size_t stop, size_t next)
{
    if (text.p[stop] != '.')
        return false;
    ph_str word = word_before(text, from, stop), then = word_at(text, next);
    while (word.n > 0 && word.p[0] == '.') {
        word.p++;
        word.n--;
    }
    bool first = word.p == text.p + from || word.p[-1] == '\n';
    if (first && word.n <= 4 && all_digits(word))
        return true;
    if (is_abbreviation(word) || is_title(word))
        return true;
    size_t len;
    bool number = ph_sentence_class_at(text, next, &len) == PH_SB_NUMERIC || is_roman(then);
    if (is_reference(word) && number)
        return true;
    return is_initials(word) && !ph_str_eq_c(word, "I") && then.n > 0 && !is_starter(then);
}

/* --- Unicode's rules --- */

/* What stands before a place: nothing of interest, or SATerm Close* Sp*. */
typedef enum behind { BEHIND_OTHER, BEHIND_TERM, BEHIND_CLOSE, BEHIND_SP } behind;

typedef struct scan {
    ph_str text;
    size_t from;
    unsigned flags;
    behind behind;
    bool aterm;                    /* the SATerm is an ATerm */
    size_t stop;                   /* where it stands */
    ph_sentence_class before_term; /* the character before it */
    ph_sentence_class prev;        /* the character before this place (SB5) */
    unsigned n_breaks;             /* line breaks in the blanks before this place */
} scan;

static bool is_para_sep(ph_sentence_class c)
{
    return c == PH_SB_CR || c == PH_SB_LF || c == PH_SB_SEP;
}

static bool is_term(ph_sentence_class c)
{
    return c == PH_SB_ATERM || c == PH_SB_STERM;
}

/* SB8: a lower-case letter follows before any other letter, separator or full stop. */
static bool lower_follows(const scan *s, size_t at)
{
    while (at < s->text.n) {
        size_t len;
        ph_sentence_class c = ph_sentence_class_at(s->text, at, &len);
        if (c == PH_SB_LOWER)
            return true;
        bool line_end = is_para_sep(c) && !(s->flags & PH_SENTENCE_WRAPPED);
        if (ph_sentence_is_letter(c) || line_end || is_term(c))
            return false;
        at += len;
    }
    return false;
}

/* Whether a sentence ends before the character of class c at `at`; it is no Extend or Format. */
static bool ends_before(const scan *s, size_t at, ph_sentence_class c)
{
    if (s->behind == BEHIND_OTHER)
        return false;
    if (s->aterm && s->behind == BEHIND_TERM) {
        bool cased = s->before_term == PH_SB_UPPER || s->before_term == PH_SB_LOWER;
        if (c == PH_SB_NUMERIC || (c == PH_SB_UPPER && cased)) /* SB6, SB7 */
            return false;
    }
    if (c == PH_SB_SCONTINUE || is_term(c)) /* SB8a */
        return false;
    if (c == PH_SB_SP || is_para_sep(c) || (c == PH_SB_CLOSE && s->behind != BEHIND_SP))
        return false;                     /* SB9, SB10 */
    if (s->aterm && lower_follows(s, at)) /* SB8 */
        return false;
    if (!(s->flags & PH_SENTENCE_ABBREVIATIONS))
        return true;
    return s->aterm ? !stop_of_word(s->text, s->from, s->stop, at) : c != PH_SB_LOWER;
}

static void step(scan *s, size_t at, ph_sentence_class c)
{
    if (is_term(c)) {
        s->behind = BEHIND_TERM;
        s->aterm = c == PH_SB_ATERM;
        s->stop = at;
        s->before_term = s->prev;
    } else if (c == PH_SB_CLOSE && s->behind != BEHIND_SP && s->behind != BEHIND_OTHER) {
        s->behind = BEHIND_CLOSE;
    } else if (c == PH_SB_SP && s->behind != BEHIND_OTHER) {
        s->behind = BEHIND_SP;
    } else {
        s->behind = BEHIND_OTHER;
    }
    s->prev = c;
}

size_t ph_sentence_end(ph_str text, size_t from, unsigned flags)
{
    scan s = {.text = text, .from = from, .flags = flags};
    bool wrapped = (flags & PH_SENTENCE_WRAPPED) != 0, ended_line = false, began = false;
    for (size_t at = from, len; at < text.n; at += len) {
        ph_sentence_class c = ph_sentence_class_at(text, at, &len);
        if (wrapped && is_para_sep(c)) {
            bool crlf = c == PH_SB_LF && at > from && text.p[at - 1] == '\r';
            /* U+2029 separates paragraphs by itself. */
            bool paragraph = c == PH_SB_SEP && len == 3 && text.p[at + 2] == '\xA9';
            s.n_breaks += paragraph ? 2 : !crlf;
            c = PH_SB_SP;
        } else if (c != PH_SB_SP) {
            if (s.n_breaks > 1 && began)
                return at;
            s.n_breaks = 0;
            began = true;
        }
        if (ended_line && !(s.prev == PH_SB_CR && c == PH_SB_LF)) /* SB4 */
            return at;
        if (c == PH_SB_EXTEND || c == PH_SB_FORMAT) /* SB5 */
            continue;
        if (at > from && ends_before(&s, at, c))
            return at;
        ended_line = is_para_sep(c);
        step(&s, at, c);
    }
    return text.n;
}
