/* EPUB: the chapters of the spine, in its order, each a page with its title as the label. All of
 * them are unpacked in one walk over the archive, whose order is another. */
#include <stdio.h>
#include <string.h>

#include "helper/epub_package.h"
#include "helper/formats.h"
#include "helper/html_document.h"
#include "helper/unzip.h"
#include "helper/xhtml.h"

#define PART_MAX     ((size_t)32 << 20)  /* bytes of a chapter, of the package */
#define CHAPTERS_MAX ((size_t)256 << 20) /* of all chapters together */

typedef struct loader {
    ph_epub_package *package;
    ph_epub_item *item; /* the one that is being unpacked */
    size_t total;
} loader;

static bool want_chapter(void *user, const char *name)
{
    loader *l = user;
    l->item = NULL;
    for (size_t i = 0; i < l->package->n_items && !l->item; i++) {
        ph_epub_item *item = &l->package->items[i];
        if (item->in_spine && !item->loaded && strcmp(item->path, name) == 0)
            l->item = item;
    }
    return l->item != NULL;
}

static phial_status load_chapter(void *user, const char *name, const char *p, size_t n,
                                 phial_error *err)
{
    loader *l = user;
    l->item->loaded = true;
    l->total += n;
    if (l->item->text.len + n > PART_MAX || l->total > CHAPTERS_MAX)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: larger than %zu MiB, or %zu MiB together",
                          name, PART_MAX >> 20, CHAPTERS_MAX >> 20);
    if (!ph_buf_add(&l->item->text, p, n))
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (%s)", name);
    return PHIAL_OK;
}

static phial_status load(ph_unzip *zip, ph_epub_package *package, phial_error *err)
{
    ph_buf xml;
    bool found;
    const char *path = NULL;
    loader l = {.package = package};
    const ph_unzip_visitor visitor = {&l, want_chapter, load_chapter};
    ph_buf_init(&xml, 0);
    phial_status status =
        ph_unzip_member(zip, "META-INF/container.xml", &xml, PART_MAX, &found, err);
    if (status == PHIAL_OK && !found)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                            "no EPUB: there is no META-INF/container.xml in it");
    if (status == PHIAL_OK)
        status = ph_epub_read_container(package, &path, (ph_str){xml.data ? xml.data : "", xml.len},
                                        err);
    ph_buf_clear(&xml);
    if (status == PHIAL_OK)
        status = ph_unzip_member(zip, path, &xml, PART_MAX, &found, err);
    if (status == PHIAL_OK && !found)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "its package %s is missing", path);
    if (status == PHIAL_OK)
        status =
            ph_epub_read_package(package, path, (ph_str){xml.data ? xml.data : "", xml.len}, err);
    if (status == PHIAL_OK)
        status = ph_unzip_walk(zip, &visitor, err);
    ph_buf_free(&xml);
    return status;
}

static phial_status read_chapter(ph_flow *flow, ph_epub_item *item, const char *book,
                                 phial_error *err)
{
    ph_text_input *input = NULL;
    ph_html_walk walk;
    ph_buf text;
    ph_html_walk_init(&walk, flow);
    ph_buf_init(&text, 0);
    ph_flow_page(flow, (ph_str){"", 0});
    phial_status status = ph_html_load(&text, &input, &item->text, err);
    ph_text_close(input);
    if (status == PHIAL_OK)
        status = ph_xhtml_read_text(&walk, (ph_str){text.data ? text.data : "", text.len}, err);
    if (status != PHIAL_OK)
        status = ph_err_context(err, status, "%s", item->path);
    ph_flow_end(flow);
    ph_str title = ph_html_title(&walk);
    /* Many books give each of their files the book's own title. */
    if (title.n == 0 || (book && ph_str_eq_c(title, book)))
        title = (ph_str){flow->heading.data ? flow->heading.data : "", flow->heading.len};
    ph_flow_label(flow, title);
    ph_html_walk_free(&walk);
    ph_buf_free(&text);
    ph_buf_free(&item->text);
    return status;
}

static phial_status read_chapters(ph_flow *flow, ph_epub_package *package, ph_doc_writer *out,
                                  phial_error *err)
{
    size_t n_missing = package->n_unknown;
    for (size_t i = 0; i < package->n_spine; i++) {
        ph_epub_item *item = &package->items[package->spine[i]];
        if (!item->loaded || item->text.len == 0) {
            n_missing++;
            continue;
        }
        phial_status status = read_chapter(flow, item, package->title, err);
        if (status != PHIAL_OK)
            return status;
    }
    if (n_missing == 0)
        return PHIAL_OK;
    char text[64];
    snprintf(text, sizeof text, "%zu %s missing or empty", n_missing,
             n_missing == 1 ? "chapter of its list is" : "chapters of its list are");
    return ph_doc_write_note(out, ph_str_from(text), err);
}

static phial_status write_infos(const ph_epub_package *package, ph_doc_writer *out,
                                phial_error *err)
{
    const char *const infos[][2] = {
        {"title", package->title}, {"author", package->author}, {"language", package->language}};
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < 3 && status == PHIAL_OK; i++) {
        if (infos[i][1])
            status = ph_doc_write_info(out, infos[i][0], ph_str_from(infos[i][1]), err);
    }
    return status;
}

phial_status ph_format_epub_read(ph_helper *helper, phial_error *err)
{
    ph_unzip zip;
    ph_epub_package package;
    ph_flow flow;
    ph_epub_package_init(&package);
    ph_flow_init(&flow, &helper->out);
    phial_status status = ph_unzip_init(&zip, helper->doc, err);
    if (status == PHIAL_OK)
        status = load(&zip, &package, err);
    if (status == PHIAL_OK)
        status = write_infos(&package, &helper->out, err);
    if (status == PHIAL_OK)
        status = read_chapters(&flow, &package, &helper->out, err);
    if (status == PHIAL_OK)
        status = ph_flow_finish(&flow, err);
    ph_flow_free(&flow);
    ph_epub_package_free(&package);
    return status;
}
