/* The formats of phial-extract that are texts: the first byte chooses one, the rest is the
 * document. Their output is read back by fmt/doc_stream, which must find nothing wrong with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    ph_format_read_fn read;
    const char *ending;
} formats[] = {
    {ph_format_text_read, "txt"},    {ph_format_code_read, "c"},
    {ph_format_markdown_read, "md"}, {ph_format_html_read, "html"},
    {ph_format_xhtml_read, "xhtml"}, {ph_format_fountain_read, "fountain"},
};

static void read_back(int fd)
{
    const ph_doc_events events = {.user = NULL};
    ph_doc_reader *r = NULL;
    phial_error err = {0};
    char buf[4096];
    phial_status status = ph_doc_reader_new(&r, &events, 0, 0, &err);
    for (off_t at = 0; status == PHIAL_OK;) {
        ssize_t n = pread(fd, buf, sizeof buf, at);
        if (n <= 0)
            break;
        status = ph_doc_reader_feed(r, buf, (size_t)n, &err);
        at += n;
    }
    if (status != PHIAL_OK || !ph_doc_reader_complete(r)) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    ph_doc_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t which = data[0] % (sizeof formats / sizeof formats[0]);
    FILE *doc = tmpfile(), *out = tmpfile();
    if (!doc || !out)
        abort();
    phial_error err = {0};
    ph_helper helper = {.doc = fileno(doc), .format = "x", .ending = formats[which].ending};
    fwrite(data + 1, 1, size - 1, doc);
    rewind(doc);
    ph_doc_writer_init(&helper.out, fileno(out), NULL);
    phial_status status = formats[which].read(&helper, &err);
    if (status != PHIAL_OK && err.message[0] == '\0')
        abort();
    if (status == PHIAL_OK && ph_doc_write_end(&helper.out, &err) == PHIAL_OK)
        read_back(fileno(out));
    ph_doc_writer_free(&helper.out);
    fclose(doc);
    fclose(out);
    return 0;
}
