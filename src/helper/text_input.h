/* Text in any charset, as UTF-8 with new lines as "\n", read in pieces.
 *
 * The charset is found from a byte order mark, from the bytes being valid UTF-8 (all of them are
 * looked at), from where NULs stand (UTF-16), and otherwise by uchardet's guess; what iconv()
 * cannot convert becomes U+FFFD and is counted. Memory does not depend on the size of the text.
 */
#ifndef PH_HELPER_TEXT_INPUT_H
#define PH_HELPER_TEXT_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "helper/helper.h"

typedef struct ph_text_input ph_text_input;

/* Opens what iconv() may need later, where nothing can be opened from inside the sandbox. */
void ph_text_prepare(void);

/* fd is borrowed, seekable. Errors: BAD_INPUT (binary data). */
phial_status ph_text_open(ph_text_input **out, int fd, phial_error *err);
/* From memory, borrowed. charset: what the document says of itself, or NULL; it is not believed
 * where it is unknown or where the text is valid UTF-8. */
phial_status ph_text_open_bytes(ph_text_input **out, const void *bytes, size_t n,
                                const char *charset, phial_error *err);
void ph_text_close(ph_text_input *in);

/* The next piece, whole characters; *n = 0 at the end. Borrowed until the next call. */
phial_status ph_text_next(ph_text_input *in, const char **p, size_t *n, phial_error *err);
/* The same for ph_lines_init(): user is a ph_text_input. */
phial_status ph_text_source(void *user, const char **p, size_t *n, phial_error *err);

/* All that is left, at most limit bytes. */
phial_status ph_text_all(ph_text_input *in, ph_buf *out, size_t limit, phial_error *err);

/* Writes what there is to tell of the charset: info "charset", and a note if something could not be
 * converted. Called at the end. */
phial_status ph_text_report(const ph_text_input *in, ph_doc_writer *out, phial_error *err);

#endif
