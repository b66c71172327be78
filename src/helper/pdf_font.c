/* Contract: pdf_font.h. PDF has flags for weight and pitch in font descriptors, but poppler-glib
 * shows the name only, and the flags are wrong more often than names are. Source of the names:
 * TeX's fonts (Computer Modern, EC, Latin Modern, the URW base fonts) and common foundries' habits.
 */
#include "helper/pdf_font.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "fmt/doc_stream.h"

typedef struct part {
    const char *text;
    uint8_t flags;
    bool at_start; /* of the name, and followed by a digit: TeX's names */
} part;

static const part parts[] = {
    {"bold", PH_WORD_BOLD, false},
    {"black", PH_WORD_BOLD, false},
    {"heavy", PH_WORD_BOLD, false},
    {"demi", PH_WORD_BOLD, false},
    {"-medi", PH_WORD_BOLD, false}, /* URW: Times and Helvetica in bold */
    {"cmbx", PH_WORD_BOLD, true},
    {"cmb", PH_WORD_BOLD, true},
    {"sfbx", PH_WORD_BOLD, true},
    {"ecbx", PH_WORD_BOLD, true},
    {"cmssbx", PH_WORD_BOLD, true},
    {"sfsx", PH_WORD_BOLD, true},
    {"italic", PH_WORD_ITALIC, false},
    {"oblique", PH_WORD_ITALIC, false},
    {"slant", PH_WORD_ITALIC, false},
    {"ital", PH_WORD_ITALIC, false},
    {"cmti", PH_WORD_ITALIC, true},
    {"cmsl", PH_WORD_ITALIC, true},
    {"sfti", PH_WORD_ITALIC, true},
    {"ecti", PH_WORD_ITALIC, true},
    {"cmbxti", PH_WORD_BOLD | PH_WORD_ITALIC, true},
    {"mono", PH_WORD_MONO, false},
    {"courier", PH_WORD_MONO, false},
    {"consol", PH_WORD_MONO, false},
    {"typewriter", PH_WORD_MONO, false},
    {"menlo", PH_WORD_MONO, false},
    {"lettergothic", PH_WORD_MONO, false},
    {"ocr-", PH_WORD_MONO, false},
    {"cmtt", PH_WORD_MONO, true},
    {"cmsltt", PH_WORD_MONO, true},
    {"sftt", PH_WORD_MONO, true},
    {"ectt", PH_WORD_MONO, true},
    {"symbol", PH_WORD_SYMBOL, false},
    {"dingbat", PH_WORD_SYMBOL, false},
    {"wingding", PH_WORD_SYMBOL, false},
    {"math", PH_WORD_SYMBOL, false},
    {"cmsy", PH_WORD_SYMBOL, true},
    {"cmex", PH_WORD_SYMBOL, true},
    {"cmmi", PH_WORD_SYMBOL, true},
    {"msam", PH_WORD_SYMBOL, true},
    {"msbm", PH_WORD_SYMBOL, true},
};

uint8_t ph_pdf_font_flags(const char *name)
{
    uint8_t flags = 0;
    if (!name)
        return 0;
    if (strlen(name) > 7 && name[6] == '+')
        name += 7;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t n = strlen(parts[i].text);
        bool has = parts[i].at_start ? strncasecmp(name, parts[i].text, n) == 0 && name[n] >= '0' &&
                                           name[n] <= '9'
                                     : strcasestr(name, parts[i].text) != NULL;
        if (has)
            flags |= parts[i].flags;
    }
    return flags;
}
