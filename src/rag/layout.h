/* From words on paper to text in reading order: pages of words (fmt/doc_stream.h) go in, pages of
 * text and blocks (fmt/doc.h) come out.
 *
 * Some of it can only be known from several pages (running heads, page numbers, which size is the
 * body's and which a heading's, whether a hyphen at a line's end is part of the word), so pages are
 * held back in windows of PH_LAYOUT_WINDOW pages or PH_LAYOUT_WINDOW_BYTES bytes, whichever comes
 * first; what was learnt from one window is kept for the next. Each word of a page stands in its
 * text once, except that ligatures and presentation forms are written as letters, that a hyphen at
 * a line's end may go, and that control and direction characters are left out.
 *
 * It does not look at pictures, lines or colours, and does not take a table's cells of several
 * lines apart.
 *
 * Words are untrusted: any numbers and texts are fine, and time is bounded by about n log n in the
 * words of a page.
 *
 * Threads: a layout belongs to one thread at a time.
 */
#ifndef PH_RAG_LAYOUT_H
#define PH_RAG_LAYOUT_H

#include "fmt/doc.h"
#include "fmt/doc_stream.h"
#include "phial/error.h"

#define PH_LAYOUT_WINDOW       256u        /* pages */
#define PH_LAYOUT_WINDOW_BYTES (64u << 20) /* of words and their texts */

typedef phial_status (*ph_layout_page_fn)(void *user, const ph_doc_page *page, phial_error *err);

typedef struct ph_layout ph_layout;

/* emit gets each page, in order, borrowed for the call; a status other than OK ends the call that
 * led to it. */
phial_status ph_layout_new(ph_layout **out, ph_layout_page_fn emit, void *user, phial_error *err);
void ph_layout_free(ph_layout *layout);

/* The next page, copied. Errors: NO_MEMORY, LIMIT, what emit returns; then only free. */
phial_status ph_layout_add(ph_layout *layout, const ph_doc_words *page, phial_error *err);

/* No more pages: emits what is held back. */
phial_status ph_layout_finish(ph_layout *layout, phial_error *err);

#endif
