/* helper/epub_package: the same input as container and as package; the folder of the package is the
 * first line. */
#include <stdlib.h>
#include <string.h>

#include "helper/epub_package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_epub_package package;
    phial_error err = {0};
    const char *path;
    char folder[64] = "";
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    if (!newline)
        return 0;
    size_t n = (size_t)(newline - data);
    memcpy(folder, data, n < 63 ? n : 63);
    ph_str xml = {(const char *)newline + 1, size - n - 1};
    ph_epub_package_init(&package);
    phial_status status = ph_epub_read_container(&package, &path, xml, &err);
    if ((status == PHIAL_OK) != (path != NULL))
        abort();
    status = ph_epub_read_package(&package, folder, xml, &err);
    if (status != PHIAL_OK && err.message[0] == '\0')
        abort();
    for (size_t i = 0; i < package.n_items; i++) {
        const char *p = package.items[i].path;
        if (*p == '/' || strncmp(p, "../", 3) == 0 || strstr(p, "/../") || strchr(p, '#'))
            abort();
    }
    for (size_t i = 0; i < package.n_spine; i++) {
        if (package.spine[i] >= package.n_items)
            abort();
    }
    ph_epub_package_free(&package);
    return 0;
}
