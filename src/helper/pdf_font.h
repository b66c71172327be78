/* What a font's name says about it. */
#ifndef PH_HELPER_PDF_FONT_H
#define PH_HELPER_PDF_FONT_H

#include <stdint.h>

/* PH_WORD_BOLD, _ITALIC, _MONO, _SYMBOL (fmt/doc_stream.h) for a PDF font's name, which may have a
 * subset's prefix ("ABCDEF+"). NULL: none. */
uint8_t ph_pdf_font_flags(const char *name);

#endif
