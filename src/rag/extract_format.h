/* Which format a file has: rows of extract.def, and how they are recognised. */
#ifndef PH_RAG_EXTRACT_FORMAT_H
#define PH_RAG_EXTRACT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define PH_EXTRACT_HEAD (64u << 10) /* bytes at the beginning of a file that are looked at */

typedef enum ph_format_helper { PH_HELPER_EXTRACT, PH_HELPER_PDF } ph_format_helper;
typedef enum ph_format_pages { PH_PAGES_BLOCKS, PH_PAGES_WORDS } ph_format_pages;
typedef enum ph_format_content {
    PH_CONTENT_MAGIC,
    PH_CONTENT_ZIP,
    PH_CONTENT_ROOT,
    PH_CONTENT_XML,
    PH_CONTENT_TEXT
} ph_format_content;

typedef struct ph_format {
    const char *name;
    ph_format_helper helper;
    ph_format_pages pages;
    ph_format_content content;
    const char *mark;
    const char *endings;
} ph_format;

/* By contents first, then by ending. NULL: unknown. head: the first n bytes. */
const ph_format *ph_format_find(const void *head, size_t n, const char *name);

/* For a file of unknown kind, what it seems to be: "a PNG image", "binary data". */
const char *ph_format_describe(const void *head, size_t n);

/* The language whose files have that ending; NULL: none. */
const char *ph_format_language(ph_str ending);

/* Part of the file's name behind its last dot in lower case; "" where there is none or it is too
 * long to be one. */
void ph_format_ending(char out[16], const char *name);

typedef enum ph_text_form {
    PH_TEXT_NONE,  /* binary */
    PH_TEXT_BYTES, /* UTF-8, or a charset of single or double bytes */
    PH_TEXT_UTF16LE,
    PH_TEXT_UTF16BE,
    PH_TEXT_UTF32LE,
    PH_TEXT_UTF32BE
} ph_text_form;

/* Whether bytes are text, by byte order mark, by where their NULs stand, by control characters.
 * *mark: bytes of the byte order mark, 0 to 4. */
ph_text_form ph_text_form_of(const uint8_t *head, size_t n, size_t *mark);

#endif
