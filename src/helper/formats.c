/* Contract in formats.h. */
#include "helper/formats.h"

#include <string.h>

#include "helper/text_input.h"

static const struct {
    const char *name;
    ph_format_read_fn read;
} formats[] = {
#define PH_HELPER_FORMAT_EXTRACT(name) {#name, ph_format_##name##_read},
#define PH_HELPER_FORMAT_PDF(name)
#define PH_FORMAT(name, helper, pages, content, mark, endings) PH_HELPER_FORMAT_##helper(name)
#include "rag/extract.def"
#undef PH_FORMAT
#undef PH_HELPER_FORMAT_EXTRACT
#undef PH_HELPER_FORMAT_PDF
};

void ph_formats_prepare(void)
{
    ph_text_prepare();
}

phial_status ph_formats_run(ph_helper *helper, phial_error *err)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(formats[i].name, helper->format) == 0)
            return formats[i].read(helper, err);
    }
    return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "this helper does not know the format '%s'",
                      helper->format);
}
