/* Recognising formats; contract in extract_format.h. */
#include "rag/extract_format.h"

#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "rag/extract.h"

static const ph_format formats[] = {
#define PH_FORMAT(name, helper, pages, content, mark, endings)                                     \
    {#name, PH_HELPER_##helper, PH_PAGES_##pages, PH_CONTENT_##content, mark, endings},
#include "rag/extract.def"
#undef PH_FORMAT
};
enum { N_FORMATS = sizeof formats / sizeof formats[0], MAGIC_WITHIN = 1024 };

static const struct {
    const char *name, *endings;
} languages[] = {
#define PH_LANGUAGE(name, endings) {name, endings},
#include "rag/code_languages.def"
#undef PH_LANGUAGE
};

/* True if the word stands in a list of words apart by blanks. */
static bool listed(const char *list, ph_str word)
{
    while (word.n > 0 && *list) {
        size_t n = strcspn(list, " ");
        if (ph_str_eq((ph_str){list, n}, word))
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

const char *ph_format_language(ph_str ending)
{
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++) {
        if (listed(languages[i].endings, ending))
            return languages[i].name;
    }
    return NULL;
}

void ph_format_ending(char out[16], const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    out[0] = '\0';
    if (!dot || dot == base || strlen(dot + 1) > 15)
        return;
    size_t n = strlen(dot + 1);
    for (size_t i = 0; i <= n; i++)
        out[i] = (char)(dot[1 + i] >= 'A' && dot[1 + i] <= 'Z' ? dot[1 + i] + 32 : dot[1 + i]);
}

/* --- text or not --- */

static ph_text_form by_mark(const uint8_t *p, size_t n, size_t *mark)
{
    static const struct {
        const char *bytes;
        uint8_t n;
        ph_text_form form;
    } marks[] = {{"\xef\xbb\xbf", 3, PH_TEXT_BYTES},
                 {"\xff\xfe\0\0", 4, PH_TEXT_UTF32LE},
                 {"\0\0\xfe\xff", 4, PH_TEXT_UTF32BE},
                 {"\xff\xfe", 2, PH_TEXT_UTF16LE},
                 {"\xfe\xff", 2, PH_TEXT_UTF16BE}};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (n >= marks[i].n && memcmp(p, marks[i].bytes, marks[i].n) == 0) {
            *mark = marks[i].n;
            return marks[i].form;
        }
    }
    *mark = 0;
    return PH_TEXT_NONE;
}

/* Text in UTF-16 has its NULs at odd places, or at even ones, and many of them. */
static ph_text_form by_nuls(const uint8_t *p, size_t n)
{
    size_t nuls[2] = {0, 0};
    for (size_t i = 0; i < n; i++)
        nuls[i & 1] += p[i] == 0;
    if (nuls[1] > n / 8 && nuls[0] <= n / 256)
        return PH_TEXT_UTF16LE;
    if (nuls[0] > n / 8 && nuls[1] <= n / 256)
        return PH_TEXT_UTF16BE;
    return PH_TEXT_NONE;
}

ph_text_form ph_text_form_of(const uint8_t *head, size_t n, size_t *mark)
{
    ph_text_form form = by_mark(head, n, mark);
    if (form != PH_TEXT_NONE)
        return form;
    size_t odd = 0;
    for (size_t i = 0; i < n; i++) {
        if (head[i] == 0)
            return by_nuls(head, n);
        odd += head[i] < 0x20 && !strchr("\t\n\v\f\r\b\x1b\x0e\x0f\x1a", head[i]);
    }
    /* ISO-2022 needs escapes; a stray control character makes nothing binary, many do. */
    return odd > n / 64 ? PH_TEXT_NONE : PH_TEXT_BYTES;
}

/* --- contents --- */

static bool is_zip(const uint8_t *p, size_t n)
{
    return n >= 4 && (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "PK\5\6", 4) == 0);
}

/* Local headers: signature, 22 bytes, two lengths, name. What lies between them is skipped by
 * looking for the next signature, as sizes may be missing. */
static bool has_member(const uint8_t *p, size_t n, const char *prefix)
{
    size_t n_prefix = strlen(prefix);
    const uint8_t *end = p + n;
    while ((p = memmem(p, (size_t)(end - p), "PK\3\4", 4)) != NULL) {
        if (end - p >= (ptrdiff_t)(30 + n_prefix) && memcmp(p + 30, prefix, n_prefix) == 0)
            return true;
        p += 4;
    }
    return false;
}

static bool same_word(const uint8_t *p, const uint8_t *end, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(end - p) < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (tolower(p[i]) != word[i])
            return false;
    }
    return true;
}

static const uint8_t *skip_blanks(const uint8_t *p, const uint8_t *end)
{
    while (p < end && strchr(" \t\r\n\f", *p) && *p)
        p++;
    return p;
}

/* True if the first element, behind declarations and comments, has that name; *xml: there was an
 * XML declaration. A document type of that name will do. */
static bool has_root(const uint8_t *p, size_t n, const char *root, bool *xml)
{
    const uint8_t *end = p + n;
    *xml = false;
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3;
    for (;;) {
        p = skip_blanks(p, end);
        if (end - p < 2 || *p != '<')
            return false;
        const uint8_t *close;
        if (same_word(p, end, "<!--")) {
            close = memmem(p, (size_t)(end - p), "-->", 3);
            p = close ? close + 3 : end;
        } else if (same_word(p, end, "<?")) {
            *xml = *xml || same_word(p, end, "<?xml");
            close = memmem(p, (size_t)(end - p), "?>", 2);
            p = close ? close + 2 : end;
        } else if (same_word(p, end, "<!doctype")) {
            return same_word(skip_blanks(p + 9, end), end, root);
        } else {
            p++;
            return same_word(p, end, root) &&
                   (p + strlen(root) == end || !isalnum(p[strlen(root)]));
        }
    }
}

static bool fits(const ph_format *f, const uint8_t *p, size_t n)
{
    bool xml = false, root;
    switch (f->content) {
    case PH_CONTENT_MAGIC:
        return memmem(p, n < MAGIC_WITHIN ? n : MAGIC_WITHIN, f->mark, strlen(f->mark)) != NULL;
    case PH_CONTENT_ZIP:
        return is_zip(p, n) && has_member(p, n, f->mark);
    case PH_CONTENT_ROOT:
    case PH_CONTENT_XML:
        root = has_root(p, n, f->mark, &xml);
        return root && xml == (f->content == PH_CONTENT_XML);
    case PH_CONTENT_TEXT:
        return false;
    }
    return false;
}

static bool binary(const ph_format *f)
{
    return f->content == PH_CONTENT_MAGIC || f->content == PH_CONTENT_ZIP;
}

static const ph_format *by_ending(const char *ending, bool text)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        const ph_format *f = &formats[i];
        bool ends = f->endings ? listed(f->endings, ph_str_from(ending))
                               : ph_format_language(ph_str_from(ending)) != NULL;
        if (ends && (text || binary(f)))
            return f;
    }
    return NULL;
}

const ph_format *ph_format_find(const void *head, size_t n, const char *name)
{
    const uint8_t *p = head;
    char ending[16];
    size_t mark;
    ph_format_ending(ending, name);
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (binary(&formats[i]) && fits(&formats[i], p, n))
            return &formats[i];
    }
    bool text = n > 0 && ph_text_form_of(p, n, &mark) != PH_TEXT_NONE;
    const ph_format *named = by_ending(ending, text);
    /* What the ending says of a text holds, unless the text is plainly markup and the ending says
     * nothing in particular. */
    bool vague = !named || named == &formats[N_FORMATS - 1] || named->content == PH_CONTENT_ROOT ||
                 named->content == PH_CONTENT_XML;
    for (size_t i = 0; i < N_FORMATS && text && vague; i++) {
        if (fits(&formats[i], p, n))
            return &formats[i];
    }
    return named || !text ? named : &formats[N_FORMATS - 1];
}

const char *ph_extract_format(const void *head, size_t n, const char *name)
{
    const ph_format *f = ph_format_find(head, n, name);
    return f ? f->name : NULL;
}

const char *ph_format_describe(const void *head, size_t n)
{
    static const struct {
        const char *bytes;
        uint8_t at, n;
        const char *what;
    } kinds[] = {
        {"PK\3\4", 0, 4, "a ZIP archive"},
        {"PK\5\6", 0, 4, "an empty ZIP archive"},
        {"\xd0\xcf\x11\xe0", 0, 4, "an Office document in the old or in an encrypted form"},
        {"\x89PNG", 0, 4, "a PNG image"},
        {"\xff\xd8\xff", 0, 3, "a JPEG image"},
        {"GIF8", 0, 4, "a GIF image"},
        {"II*\0", 0, 4, "a TIFF image"},
        {"MM\0*", 0, 4, "a TIFF image"},
        {"WEBP", 8, 4, "a WebP image"},
        {"RIFF", 0, 4, "sound or video (RIFF)"},
        {"ftyp", 4, 4, "video or an image (MP4 family)"},
        {"ID3", 0, 3, "MP3 sound"},
        {"OggS", 0, 4, "Ogg sound or video"},
        {"fLaC", 0, 4, "FLAC sound"},
        {"\x1a\x45\xdf\xa3", 0, 4, "video (Matroska)"},
        {"\x1f\x8b", 0, 2, "gzip data"},
        {"BZh", 0, 3, "bzip2 data"},
        {"\xfd"
         "7zXZ",
         0, 5, "xz data"},
        {"\x28\xb5\x2f\xfd", 0, 4, "zstd data"},
        {"7z\xbc\xaf", 0, 4, "a 7z archive"},
        {"Rar!", 0, 4, "a RAR archive"},
        {"ustar", 0, 5, "a tar archive"},
        {"\x7f"
         "ELF",
         0, 4, "a program or library (ELF)"},
        {"MZ", 0, 2, "a program or library for Windows"},
        {"GGUF", 0, 4, "a model (GGUF)"},
        {"SQLite format 3", 0, 15, "an SQLite database"},
        {"wOF", 0, 3, "a font"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (n >= (size_t)kinds[i].at + kinds[i].n &&
            memcmp((const char *)head + kinds[i].at, kinds[i].bytes, kinds[i].n) == 0)
            return kinds[i].what;
    }
    return "binary data";
}
