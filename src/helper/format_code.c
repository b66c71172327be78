/* Source code, with its charset and its ends of lines made ours; its blocks are fmt/text_blocks.h.
 */
#include "fmt/text_blocks.h"
#include "helper/formats.h"
#include "helper/text_input.h"
#include "rag/extract_format.h"

phial_status ph_format_code_read(ph_helper *helper, phial_error *err)
{
    ph_text_input *input = NULL;
    ph_line_reader lines;
    ph_flow flow;
    const char *language = ph_format_language(ph_str_from(helper->ending));
    ph_flow_init(&flow, &helper->out);
    phial_status status = ph_text_open(&input, helper->doc, err);
    ph_lines_init(&lines, ph_text_source, input);
    if (status == PHIAL_OK && language)
        status =
            ph_doc_write_info(&helper->out, "programming-language", ph_str_from(language), err);
    if (status == PHIAL_OK)
        status = ph_text_code(&flow, &lines, err);
    if (status == PHIAL_OK)
        status = ph_text_report(input, &helper->out, err);
    ph_lines_free(&lines);
    ph_text_close(input);
    ph_flow_free(&flow);
    return status;
}
