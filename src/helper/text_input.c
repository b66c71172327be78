/* Contract in text_input.h. */
#include "helper/text_input.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <uchardet/uchardet.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "proc/sandbox.h"
#include "rag/extract_format.h"

enum {
    STEP = 64 << 10,
    GUESS_BYTES = 1 << 20, /* of the parts that are not plain ASCII */
    UNREAD_MAX = 64,       /* the longest beginning of a character that iconv() waits with */
};

struct ph_text_input {
    int fd;               /* -1: memory */
    const uint8_t *bytes; /* borrowed */
    size_t n_bytes;
    uint64_t at; /* of the next read */
    char charset[64];
    iconv_t conv; /* (iconv_t)-1: the text is UTF-8 already */
    size_t unit;  /* bytes of a code unit: what is bad is skipped by so many */
    uint64_t n_bad;
    uint8_t in[STEP + UNREAD_MAX];
    size_t n_in; /* not yet converted, at the beginning of in */
    bool ended, finished;
    bool after_cr, began;
    ph_buf out;
};

/* What iconv() should be asked for instead of what uchardet or a document says: mostly the larger
 * charset that everybody means. */
static const struct {
    const char *said, *meant;
} meanings[] = {
    {"GB2312", "GB18030"},
    {"GBK", "GB18030"},
    {"HZ-GB-2312", "HZ"},
    {"ISO-8859-1", "CP1252"},
    {"WINDOWS-1252", "CP1252"},
    {"LATIN1", "CP1252"},
    {"US-ASCII", "CP1252"},
    {"ASCII", "CP1252"},
    {"SHIFT_JIS", "CP932"},
    {"SJIS", "CP932"},
    {"X-SJIS", "CP932"},
    {"WINDOWS-31J", "CP932"},
    {"EUC-KR", "UHC"},
    {"BIG5", "BIG5-HKSCS"},
    {"TIS-620", "CP874"},
    {"ISO-8859-9", "CP1254"},
    {"MAC-CYRILLIC", "MAC-CYRILLIC"},
    {"ISO-8859-8", "CP1255"},
};

static const char *const preloaded[] = {"CP1250",
                                        "CP1251",
                                        "CP1252",
                                        "CP1253",
                                        "CP1254",
                                        "CP1255",
                                        "CP1256",
                                        "CP1257",
                                        "CP1258",
                                        "CP852",
                                        "CP855",
                                        "CP862",
                                        "CP866",
                                        "CP874",
                                        "CP932",
                                        "ISO-8859-2",
                                        "ISO-8859-3",
                                        "ISO-8859-4",
                                        "ISO-8859-5",
                                        "ISO-8859-6",
                                        "ISO-8859-7",
                                        "ISO-8859-8",
                                        "ISO-8859-10",
                                        "ISO-8859-11",
                                        "ISO-8859-13",
                                        "ISO-8859-15",
                                        "ISO-8859-16",
                                        "KOI8-R",
                                        "KOI8-U",
                                        "MAC-CYRILLIC",
                                        "MAC-CENTRALEUROPE",
                                        "VISCII",
                                        "GB18030",
                                        "BIG5-HKSCS",
                                        "EUC-JP",
                                        "EUC-TW",
                                        "UHC",
                                        "JOHAB",
                                        "ISO-2022-JP",
                                        "ISO-2022-KR",
                                        "ISO-2022-CN",
                                        "SHIFT_JIS"};

void ph_text_prepare(void)
{
    if (ph_sandbox_landlock_abi() > 0)
        return;
    /* Modules that are loaded stay loaded as long as one converter uses them. */
    for (size_t i = 0; i < sizeof preloaded / sizeof preloaded[0]; i++)
        (void)iconv_open("UTF-8", preloaded[i]);
}

/* The bytes from offset at on; *n = 0 at the end. */
static phial_status read_at(ph_text_input *in, uint64_t at, uint8_t *buf, size_t cap, size_t *n,
                            phial_error *err)
{
    if (in->fd < 0) {
        size_t left = at < in->n_bytes ? in->n_bytes - (size_t)at : 0;
        *n = left < cap ? left : cap;
        memcpy(buf, in->bytes + (left ? (size_t)at : 0), *n);
        return PHIAL_OK;
    }
    ssize_t got;
    do
        got = pread(in->fd, buf, cap, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ph_err_errno(err, errno, "reading the document");
    *n = (size_t)got;
    return PHIAL_OK;
}

/* --- which charset --- */

typedef struct survey {
    bool utf8;  /* everything so far is */
    bool plain; /* ASCII without escapes */
    size_t guessed;
    size_t n_c1; /* bytes 0x80 to 0x9f */
    uchardet_t guess;
} survey;

/* Valid UTF-8 is skipped in whole characters; what is cut at the end is left for the next step. */
static size_t check_utf8(survey *s, const uint8_t *p, size_t n, bool last)
{
    size_t tail = last ? 0 : ph_utf8_incomplete_tail(p, n);
    s->utf8 = s->utf8 && ph_utf8_valid(p, n - tail);
    return tail;
}

/* False if the bytes are ASCII without escapes, and so UTF-8 whatever stands around them. */
static bool survey_step(survey *s, const uint8_t *p, size_t n)
{
    bool plain = true;
    for (size_t i = 0; i < n && plain; i++)
        plain = p[i] < 0x80 && p[i] != 0x1b && p[i] != 0x0e;
    s->plain = s->plain && plain;
    for (size_t i = 0; i < n && !plain; i++)
        s->n_c1 += p[i] >= 0x80 && p[i] < 0xa0;
    if (!plain && s->guess && s->guessed < GUESS_BYTES) {
        uchardet_handle_data(s->guess, (const char *)p, n);
        s->guessed += n;
    }
    return !plain;
}

static phial_status survey_all(ph_text_input *in, survey *s, phial_error *err)
{
    size_t kept = 0, n = 1;
    uint64_t at = in->at;
    while (n > 0) {
        phial_status status = read_at(in, at, in->in + kept, STEP - kept, &n, err);
        if (status != PHIAL_OK)
            return status;
        const uint8_t *nul = memchr(in->in + kept, 0, n);
        if (nul)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "binary data, not text (a NUL at byte %llu)",
                              (unsigned long long)(at + (uint64_t)(nul - in->in) - kept));
        bool look = survey_step(s, in->in + kept, n) || kept > 0;
        size_t tail = look ? check_utf8(s, in->in, kept + n, n == 0) : 0;
        memmove(in->in, in->in + kept + n - tail, tail);
        at += n;
        kept = tail;
    }
    return PHIAL_OK;
}

static void set_charset(ph_text_input *in, const char *name)
{
    snprintf(in->charset, sizeof in->charset, "%s", name);
}

static const char *meant(const char *said)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (strcasecmp(said, meanings[i].said) == 0)
            return meanings[i].meant;
    }
    return said;
}

/* True if iconv() knows it; then it is the charset. */
static bool take(ph_text_input *in, const char *name)
{
    if (!name || !name[0])
        return false;
    in->conv = iconv_open("UTF-8", meant(name));
    if (in->conv == (iconv_t)-1)
        return false;
    set_charset(in, name);
    return true;
}

/* Of text without NULs it cannot be true. */
static bool is_wide(const char *name)
{
    static const char *const wide[] = {"UTF-16",        "UTF16",  "UTF-32", "UTF32",
                                       "UCS-2",         "UCS2",   "UCS-4",  "UCS4",
                                       "ISO-10646-UCS", "CSUCS4", "UNICODE"};
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        if (strncasecmp(name, wide[i], strlen(wide[i])) == 0)
            return true;
    }
    return false;
}

static phial_status guess_charset(ph_text_input *in, const char *said, phial_error *err)
{
    survey s = {.utf8 = true, .plain = true, .guess = uchardet_new()};
    phial_status status = survey_all(in, &s, err);
    if (s.guess)
        uchardet_data_end(s.guess);
    const char *guess = s.guess ? uchardet_get_charset(s.guess) : "";
    /* These two differ in where the letters of Central Europe stand, one of them in that range. */
    if (strcasecmp(guess, "WINDOWS-1250") == 0 && s.n_c1 == 0)
        guess = "ISO-8859-2";
    bool escapes = s.utf8 && !s.plain && strncasecmp(guess, "ISO-2022", 8) == 0;
    if (status == PHIAL_OK && s.utf8 && !escapes)
        set_charset(in, "UTF-8");
    else if (status == PHIAL_OK && (!said || is_wide(said) || !take(in, said)) &&
             !take(in, guess) && !take(in, "WINDOWS-1252"))
        status = ph_err_set(err, PHIAL_ERR_IO, "iconv() knows no charset that would fit");
    if (s.guess)
        uchardet_delete(s.guess);
    return status;
}

static phial_status find_charset(ph_text_input *in, const char *said, phial_error *err)
{
    static const char *const wide[] = {
        [PH_TEXT_UTF16LE] = "UTF-16LE",
        [PH_TEXT_UTF16BE] = "UTF-16BE",
        [PH_TEXT_UTF32LE] = "UTF-32LE",
        [PH_TEXT_UTF32BE] = "UTF-32BE",
    };
    size_t n, mark = 0;
    phial_status status = read_at(in, 0, in->in, STEP, &n, err);
    if (status != PHIAL_OK)
        return status;
    ph_text_form form = ph_text_form_of(in->in, n, &mark);
    in->at = mark;
    if (form == PH_TEXT_NONE)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "binary data, not text");
    if (form == PH_TEXT_BYTES)
        return guess_charset(in, said, err);
    if (!take(in, wide[form]))
        return ph_err_set(err, PHIAL_ERR_IO, "iconv() does not know %s", wide[form]);
    in->unit = form == PH_TEXT_UTF16LE || form == PH_TEXT_UTF16BE ? 2 : 4;
    return PHIAL_OK;
}

static phial_status open_input(ph_text_input **out, int fd, const void *bytes, size_t n,
                               const char *charset, phial_error *err)
{
    ph_text_input *in = ph_alloc(1, sizeof *in, err);
    *out = NULL;
    if (!in)
        return PHIAL_ERR_NO_MEMORY;
    in->fd = fd;
    in->bytes = bytes;
    in->n_bytes = n;
    in->conv = (iconv_t)-1;
    in->unit = 1;
    ph_buf_init(&in->out, 0);
    phial_status status = find_charset(in, charset, err);
    if (status != PHIAL_OK) {
        ph_text_close(in);
        return status;
    }
    *out = in;
    return PHIAL_OK;
}

phial_status ph_text_open(ph_text_input **out, int fd, phial_error *err)
{
    return open_input(out, fd, NULL, 0, NULL, err);
}

phial_status ph_text_open_bytes(ph_text_input **out, const void *bytes, size_t n,
                                const char *charset, phial_error *err)
{
    return open_input(out, -1, bytes, n, charset, err);
}

void ph_text_close(ph_text_input *in)
{
    if (!in)
        return;
    if (in->conv != (iconv_t)-1)
        iconv_close(in->conv);
    ph_buf_free(&in->out);
    ph_free(in);
}

/* --- conversion --- */

/* Appends with "\r\n" and "\r" as "\n", and without a byte order mark at the beginning. */
static void add_lines(ph_text_input *in, const char *p, size_t n)
{
    if (!in->began && n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
        n -= 3;
    }
    in->began = in->began || n > 0;
    if (n == 0)
        return;
    if (in->after_cr && *p == '\n') {
        p++;
        n--;
    }
    in->after_cr = n > 0 && p[n - 1] == '\r';
    while (n > 0) {
        const char *cr = memchr(p, '\r', n);
        size_t plain = cr ? (size_t)(cr - p) : n;
        ph_buf_add(&in->out, p, plain);
        if (!cr)
            return;
        ph_buf_add_byte(&in->out, '\n');
        size_t used = plain + 1 + (plain + 1 < n && p[plain + 1] == '\n');
        p += used;
        n -= used;
    }
}

/* Text that was UTF-8 when it was looked at. */
static size_t pass_utf8(ph_text_input *in)
{
    size_t tail = in->ended ? 0 : ph_utf8_incomplete_tail(in->in, in->n_in);
    add_lines(in, (const char *)in->in, in->n_in - tail);
    return tail;
}

static size_t convert(ph_text_input *in)
{
    char buf[4096];
    char *from = (char *)in->in;
    size_t left = in->n_in;
    while (left > 0) {
        char *to = buf;
        size_t room = sizeof buf;
        size_t done = iconv(in->conv, &from, &left, &to, &room);
        int code = errno;
        add_lines(in, buf, sizeof buf - room);
        if (done != (size_t)-1 || code == E2BIG)
            continue;
        if (code == EINVAL && !in->ended && left < UNREAD_MAX)
            break;
        /* By whole units, or the rest of a text in UTF-16 would be read between its characters. */
        size_t bad = left < in->unit ? left : in->unit;
        add_lines(in, "\xef\xbf\xbd", 3);
        in->n_bad += bad;
        from += bad;
        left -= bad;
    }
    return left;
}

phial_status ph_text_next(ph_text_input *in, const char **p, size_t *n, phial_error *err)
{
    ph_buf_clear(&in->out);
    *p = "";
    *n = 0;
    while (in->out.len == 0 && !in->finished) {
        size_t got;
        phial_status status =
            read_at(in, in->at, in->in + in->n_in, sizeof in->in - in->n_in, &got, err);
        if (status != PHIAL_OK)
            return status;
        in->at += got;
        in->n_in += got;
        in->ended = got == 0;
        size_t left = in->conv == (iconv_t)-1 ? pass_utf8(in) : convert(in);
        memmove(in->in, in->in + in->n_in - left, left);
        in->n_in = left;
        in->finished = in->ended;
        if (in->out.failed)
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (text)");
    }
    if (in->out.len > 0)
        *p = in->out.data;
    *n = in->out.len;
    return PHIAL_OK;
}

phial_status ph_text_source(void *user, const char **p, size_t *n, phial_error *err)
{
    return ph_text_next(user, p, n, err);
}

phial_status ph_text_all(ph_text_input *in, ph_buf *out, size_t limit, phial_error *err)
{
    const char *p;
    size_t n = 1;
    while (n > 0) {
        phial_status status = ph_text_next(in, &p, &n, err);
        if (status != PHIAL_OK)
            return status;
        if (n > limit - out->len)
            return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %zu bytes in one piece", limit);
        if (!ph_buf_add(out, p, n))
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (text)");
    }
    return PHIAL_OK;
}

phial_status ph_text_report(const ph_text_input *in, ph_doc_writer *out, phial_error *err)
{
    char text[128];
    phial_status status = ph_doc_write_info(out, "charset", ph_str_from(in->charset), err);
    if (status != PHIAL_OK || in->n_bad == 0)
        return status;
    snprintf(text, sizeof text, "%llu bytes are not %s and were replaced by U+FFFD",
             (unsigned long long)in->n_bad, in->charset);
    return ph_doc_write_note(out, ph_str_from(text), err);
}
