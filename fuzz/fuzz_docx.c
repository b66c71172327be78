/* helper/docx_styles and helper/docx_body: the same input as styles and as text. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "helper/docx_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_body(const ph_docx_styles *styles, int fd, const char *p, size_t n)
{
    enum { PIECE = 100 };
    ph_doc_writer out;
    ph_flow flow;
    ph_docx_body body;
    ph_xml *xml = NULL;
    phial_error err = {0};
    ph_doc_writer_init(&out, fd, NULL);
    ph_flow_init(&flow, &out);
    ph_docx_body_init(&body, &flow, styles);
    const ph_xml_events events = ph_docx_body_events(&body);
    phial_status status = ph_xml_new(&xml, &events, NULL, &err);
    for (size_t at = 0; at < n && status == PHIAL_OK; at += PIECE) {
        size_t piece = n - at < PIECE ? n - at : PIECE;
        status = ph_xml_feed(xml, p + at, piece, at + piece == n, &err);
    }
    if (status != PHIAL_OK && err.message[0] == '\0')
        abort();
    if (ph_flow_finish(&flow, &err) == PHIAL_OK)
        ph_doc_write_end(&out, NULL);
    ph_xml_free(xml);
    ph_flow_free(&flow);
    ph_doc_writer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_docx_styles styles;
    phial_error err = {0};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ph_docx_styles_init(&styles);
    ph_docx_styles_read(&styles, (ph_str){(const char *)data, size}, &err);
    read_body(&styles, fd, (const char *)data, size);
    ph_docx_styles_free(&styles);
    close(fd);
    return 0;
}
