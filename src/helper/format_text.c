/* Plain text, with its charset and its ends of lines made ours; its blocks are fmt/text_blocks.h.
 */
#include "fmt/text_blocks.h"
#include "helper/formats.h"
#include "helper/text_input.h"

phial_status ph_format_text_read(ph_helper *helper, phial_error *err)
{
    ph_text_input *input = NULL;
    ph_line_reader lines;
    ph_flow flow;
    ph_flow_init(&flow, &helper->out);
    phial_status status = ph_text_open(&input, helper->doc, err);
    ph_lines_init(&lines, ph_text_source, input);
    if (status == PHIAL_OK)
        status = ph_text_paragraphs(&flow, &lines, err);
    if (status == PHIAL_OK)
        status = ph_text_report(input, &helper->out, err);
    ph_lines_free(&lines);
    ph_text_close(input);
    ph_flow_free(&flow);
    return status;
}
