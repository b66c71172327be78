/* Contract in html_document.h. */
#include <errno.h>
#include <unistd.h>

#include "helper/html_document.h"

phial_status ph_document_read(ph_buf *out, int fd, size_t limit, phial_error *err)
{
    enum { STEP = 64 << 10 };
    for (;;) {
        if (!ph_buf_reserve(out, STEP))
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (the document)");
        ssize_t n = read(fd, out->data + out->len, STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ph_err_errno(err, errno, "reading the document");
        if (n == 0)
            return PHIAL_OK;
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (out->len > limit)
            return ph_err_set(err, PHIAL_ERR_LIMIT, "this kind of document is read up to %zu MiB",
                              limit >> 20);
    }
}
