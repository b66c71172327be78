/* Prompts over passages; contract in answer_prompt.h.
 *
 * The request is that of tok/passages.h, which small models are trained on. In a thread the
 * passages stand in its first turn, so that they stay where they are when the next question comes.
 */
#include "rag/answer_prompt.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "tok/passages.h"

#define MARKS_MAX 64
/* Words of forms that models were trained on, whatever the preset. */
static const char *const known_marks[] = {
    "Instruct:",  "Output:", "Question:", "Answer:",      "Alice:",    "Bob:",   "User:",
    "Assistant:", "System:", "Human:",    "Instruction:", "Response:", "Input:", "###",
    "[INST]",     "[/INST]", "<<SYS>>",   "<s>",          "</s>"};

typedef struct marks {
    ph_str at[MARKS_MAX];
    size_t n;
} marks;

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool word_char(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || (uint8_t)c >= 0x80;
}

/* A word of the language ("Exercise") marks a turn only at the beginning of a line. */
static bool plain_word(ph_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!word_char(s.p[i]) && s.p[i] != ' ')
            return false;
    }
    return true;
}

/* Without blanks around it. */
static void add_mark(marks *m, phial_text t)
{
    ph_str s = {t.p, t.n};
    while (s.n > 0 && is_blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    if (s.n >= 2 && !plain_word(s) && m->n < MARKS_MAX)
        m->at[m->n++] = s;
}

static phial_status list_marks(marks *m, const phial_preset *preset, phial_error *err)
{
    phial_preset_info info = {.size = sizeof info};
    m->n = 0;
    for (size_t i = 0; i < sizeof known_marks / sizeof known_marks[0]; i++)
        m->at[m->n++] = ph_str_from(known_marks[i]);
    if (!preset)
        return PHIAL_OK;
    phial_status st = phial_preset_get_info(preset, &info, err);
    if (st != PHIAL_OK)
        return st;
    add_mark(m, info.user_prefix);
    add_mark(m, info.user_suffix);
    add_mark(m, info.assistant_prefix);
    add_mark(m, info.assistant_suffix);
    for (size_t i = 0; i < info.n_stop; i++)
        add_mark(m, info.stop[i]);
    for (size_t i = 0; i < info.n_stop_tokens; i++)
        add_mark(m, info.stop_tokens[i]);
    return PHIAL_OK;
}

/* Bytes of s from `at` on that read like the mark, 0: they do not. Blanks of s are single ones; any
 * number of them in the mark is the same, as a document may have had any there. */
static size_t reads_like(ph_str mark, ph_str s, size_t at)
{
    size_t from = at;
    for (size_t k = 0; k < mark.n; at++) {
        bool blank = is_blank(mark.p[k]);
        char c = blank ? ' ' : lower(mark.p[k]);
        if (at == s.n || lower(s.p[at]) != c)
            return 0;
        do
            k++;
        while (blank && k < mark.n && is_blank(mark.p[k]));
    }
    return at - from;
}

/* Length of the longest mark that stands at s.p[at]; inside: an ASCII letter or digit stands right
 * before it, so that what begins with one is a part of a word. 0: none. */
static size_t mark_at(const marks *m, ph_str s, size_t at, bool inside)
{
    size_t most = 0;
    for (size_t i = 0; i < m->n; i++) {
        size_t n = inside && word_char(m->at[i].p[0]) ? 0 : reads_like(m->at[i], s, at);
        most = n > most ? n : most;
    }
    return most;
}

/* "[12]": its length; 0: no. */
static size_t number_at(ph_str s, size_t at)
{
    size_t end = at + 1;
    while (end < s.n && s.p[end] >= '0' && s.p[end] <= '9')
        end++;
    return s.p[at] == '[' && end > at + 1 && end < s.n && s.p[end] == ']' ? end + 1 - at : 0;
}

static bool breaks_line(uint32_t cp)
{
    return cp <= 0x20 || (cp >= 0x7F && cp <= 0xA0) || cp == 0x2028 || cp == 0x2029;
}

/* One line with single blanks, none at its ends. */
static void add_line(ph_buf *out, ph_str s)
{
    bool blank = false, begun = false;
    for (size_t at = 0, len; at < s.n; at += len) {
        uint32_t cp = ph_utf8_decode((const uint8_t *)s.p + at, s.n - at, &len);
        if (cp != PH_UTF8_INVALID && breaks_line(cp)) {
            blank = begun;
            continue;
        }
        if (blank)
            ph_buf_add_byte(out, ' ');
        blank = false;
        begun = true;
        ph_buf_add(out, s.p + at, len);
    }
}

static void add_escaped(ph_buf *out, ph_str s, const marks *m)
{
    for (size_t at = 0, len; at < s.n; at += len) {
        bool inside = at > 0 && (uint8_t)s.p[at - 1] < 0x80 && word_char(s.p[at - 1]);
        size_t number = number_at(s, at), mark = number ? 0 : mark_at(m, s, at, inside);
        if (number) {
            ph_buf_addf(out, "(%.*s)", (int)(number - 2), s.p + at + 1);
            len = number;
        } else if (mark) {
            /* Before its last character if that is a colon, otherwise behind its first; what
             * follows is looked at again ("####"). */
            len = s.p[at + mark - 1] == ':' ? mark - 1 : 1;
            ph_buf_add(out, s.p + at, len);
            ph_buf_add_byte(out, ' ');
        } else if (s.p[at] == '<' && at + 1 < s.n && s.p[at + 1] == '|') {
            ph_buf_add_str(out, "< ");
            len = 1;
        } else {
            ph_utf8_decode((const uint8_t *)s.p + at, s.n - at, &len);
            ph_buf_add(out, s.p + at, len);
        }
    }
}

phial_status ph_answer_escape(ph_buf *out, ph_str s, const phial_preset *preset, phial_error *err)
{
    marks m;
    ph_buf line;
    ph_buf_init(&line, 0);
    phial_status st = list_marks(&m, preset, err);
    if (st == PHIAL_OK) {
        add_line(&line, s);
        st = ph_buf_status(&line, err);
    }
    if (st == PHIAL_OK) {
        add_escaped(out, (ph_str){line.data ? line.data : "", line.len}, &m);
        st = ph_buf_status(out, err);
    }
    ph_buf_free(&line);
    return st;
}

/* --- the prompt --- */

static phial_status encode(uint32_t **ids, size_t *n, const ph_ask_prompt *p,
                           const phial_turn *turns, size_t n_turns, phial_error *err)
{
    phial_prompt *prompt = NULL;
    phial_status st = phial_prompt_new(&prompt, p->preset, turns, n_turns, p->options, err);
    if (st == PHIAL_OK) {
        /* Text has at most a token for each byte; one more for bos. */
        size_t cap = phial_prompt_text(prompt).n + 1;
        *ids = ph_alloc(cap, sizeof **ids, err);
        st = *ids ? phial_prompt_encode(prompt, p->encoder, p->tokenizer, *ids, cap, n, err)
                  : PHIAL_ERR_NO_MEMORY;
    }
    if (st != PHIAL_OK) {
        ph_free(*ids);
        *ids = NULL;
    }
    phial_prompt_free(prompt);
    return st;
}

static phial_text text_of(const ph_buf *b)
{
    return (phial_text){b->data ? b->data : "", b->len};
}

/* Passages escaped, one behind the other; where they end is in ends. */
static phial_status escape_all(ph_buf *out, size_t *ends, const ph_ask_prompt *p,
                               const ph_str *passages, size_t n, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++) {
        st = ph_answer_escape(out, passages[i], p->preset, err);
        ends[i] = out->len;
    }
    return st;
}

/* A question as a turn by itself, as it stands at the end of a request. */
static void add_question(ph_buf *out, ph_str question)
{
    ph_buf_add_str(out, PH_PASSAGES_QUESTION);
    for (size_t i = 0; i < question.n; i++)
        ph_buf_add_byte(out, is_blank(question.p[i]) ? ' ' : (uint8_t)question.p[i]);
}

static ph_str str_of(const ph_buf *b)
{
    return (ph_str){b->data ? b->data : "", b->len};
}

/* The first question with the passages, and what followed. asked[i] becomes the user's i-th turn.
 */
static phial_status make_turns(phial_turn *turns, size_t *n_turns, ph_buf *asked,
                               const ph_ask_prompt *p, const ph_str *passages, size_t n_passages,
                               phial_error *err)
{
    phial_status st = PHIAL_OK;
    *n_turns = 0;
    for (size_t i = 0; i <= p->n_thread && st == PHIAL_OK; i++) {
        ph_str question = i < p->n_thread ? str_of(&p->thread[i].question) : p->question;
        if (i == 0)
            ph_passages_add_request(&asked[i], passages, n_passages, question);
        else
            add_question(&asked[i], question);
        st = ph_buf_status(&asked[i], err);
        turns[(*n_turns)++] = (phial_turn){PHIAL_ROLE_USER, text_of(&asked[i])};
        if (i < p->n_thread)
            turns[(*n_turns)++] = (phial_turn){PHIAL_ROLE_ASSISTANT, text_of(&p->thread[i].answer)};
    }
    return st;
}

phial_status ph_ask_prompt_encode(uint32_t **ids, size_t *n, const ph_ask_prompt *p,
                                  const ph_str *passages, size_t n_passages, phial_error *err)
{
    phial_turn turns[2 * PH_THREAD_TURNS + 1];
    size_t ends[PHIAL_ANSWER_PASSAGES_MAX], n_turns = 0;
    ph_str escaped[PHIAL_ANSWER_PASSAGES_MAX];
    ph_buf all, asked[PH_THREAD_TURNS + 1];
    ph_buf_init(&all, 0);
    for (size_t i = 0; i <= PH_THREAD_TURNS; i++)
        ph_buf_init(&asked[i], 0);
    *ids = NULL;
    phial_status st = escape_all(&all, ends, p, passages, n_passages, err);
    if (st != PHIAL_OK)
        goto done;
    for (size_t i = 0; i < n_passages; i++) {
        size_t from = i ? ends[i - 1] : 0;
        escaped[i] = (ph_str){(all.data ? all.data : "") + from, ends[i] - from};
    }
    st = make_turns(turns, &n_turns, asked, p, escaped, n_passages, err);
    if (st == PHIAL_OK)
        st = encode(ids, n, p, turns, n_turns, err);
done:
    for (size_t i = 0; i <= PH_THREAD_TURNS; i++)
        ph_buf_free(&asked[i]);
    ph_buf_free(&all);
    return st;
}

phial_status ph_ask_prompt_passage_tokens(size_t *n, const ph_ask_prompt *p, ph_str passage,
                                          phial_error *err)
{
    ph_buf line;
    ph_buf_init(&line, 0);
    ph_buf_add_str(&line, "\n[10] ");
    *n = 0;
    phial_status st = ph_answer_escape(&line, passage, p->preset, err);
    if (st == PHIAL_OK)
        st = phial_encoder_run(p->encoder, line.data, line.len, 0, err);
    if (st == PHIAL_OK)
        phial_encoder_ids(p->encoder, n);
    ph_buf_free(&line);
    return st;
}
