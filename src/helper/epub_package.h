/* The list of contents of an EPUB: where META-INF/container.xml says the package is, and from the
 * package (OPF) title, author, language, files, and the order in which they are read (the spine).
 * Source: EPUB 3.3, 4.2.6 and 5. */
#ifndef PH_HELPER_EPUB_PACKAGE_H
#define PH_HELPER_EPUB_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"

#define PH_EPUB_ITEMS_MAX 10000u
#define PH_EPUB_SPINE_MAX 10000u

typedef struct ph_epub_item {
    const char *id, *path; /* in the arena; path from the root of the archive */
    bool markup;           /* XHTML or the like */
    bool in_spine;
    ph_buf text; /* for whoever loads it */
    bool loaded;
} ph_epub_item;

typedef struct ph_epub_package {
    ph_arena arena;
    const char *title, *author, *language; /* NULL: not said */
    ph_epub_item *items;                   /* owned */
    size_t n_items, cap_items;
    uint32_t *spine; /* owned; indices of items */
    size_t n_spine, cap_spine;
    size_t
        n_unknown; /* of the spine: names that the manifest does not have, or out of the archive */
} ph_epub_package;

void ph_epub_package_init(ph_epub_package *package);
void ph_epub_package_free(ph_epub_package *package);

/* The path of the package in container.xml, into the arena. BAD_INPUT: it says none. */
phial_status ph_epub_read_container(ph_epub_package *package, const char **path, ph_str xml,
                                    phial_error *err);

/* The package itself; path is where it lies, what it names is relative to that. */
phial_status ph_epub_read_package(ph_epub_package *package, const char *path, ph_str xml,
                                  phial_error *err);

#endif
