/* The formats of phial-extract: rows of rag/extract.def, each with a file format_<name>.c that
 * defines ph_format_<name>_read(). */
#ifndef PH_HELPER_FORMATS_H
#define PH_HELPER_FORMATS_H

#include "helper/helper.h"

/* Reads the document and writes its pages; what it returns ends the stream. */
typedef phial_status (*ph_format_read_fn)(ph_helper *helper, phial_error *err);

#define PH_HELPER_FORMAT_EXTRACT(name)                                                             \
    phial_status ph_format_##name##_read(ph_helper *helper, phial_error *err);
#define PH_HELPER_FORMAT_PDF(name)
#define PH_FORMAT(name, helper, pages, content, mark, endings) PH_HELPER_FORMAT_##helper(name)
#include "rag/extract.def"
#undef PH_FORMAT
#undef PH_HELPER_FORMAT_EXTRACT
#undef PH_HELPER_FORMAT_PDF

/* What must be opened before the sandbox is entered. */
void ph_formats_prepare(void);

/* The format that helper->format names. */
phial_status ph_formats_run(ph_helper *helper, phial_error *err);

#endif
