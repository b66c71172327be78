/* Shows what becomes of a document: bench_extract [--kinds] FILE [PASSWORD...]. Pages go to
 * standard output, each behind a form feed as with pdftotext, with --kinds each block behind its
 * kind; notes and the reason of a failure go to standard error. bench/pdf_compare.py compares it
 * with others'. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rag/extract.h"

static bool kinds;

static phial_status on_info(void *user, const char *key, ph_str value, phial_error *err)
{
    (void)user;
    (void)err;
    if (kinds)
        printf("<info %s> %.*s\n", key, PH_STR_ARG(value));
    return PHIAL_OK;
}

static phial_status on_page(void *user, const ph_doc_page *page, phial_error *err)
{
    static const char *const names[PH_BLOCK_N] = {"paragraph", "heading", "list",     "code",
                                                  "row",       "quote",   "caption",  "scene",
                                                  "speaker",   "speech",  "furniture"};
    (void)err;
    if ((*(size_t *)user)++ > 0)
        putchar('\f');
    if (kinds)
        printf("<page %u \"%.*s\">\n", page->number, PH_STR_ARG(page->label));
    for (size_t i = 0; i < page->n_blocks; i++) {
        const ph_doc_block *b = &page->blocks[i];
        if (kinds)
            printf("<%s %u> ", names[b->kind < PH_BLOCK_N ? b->kind : 0], b->level);
        fwrite(page->text.p + b->start, 1, b->end - b->start, stdout);
    }
    return PHIAL_OK;
}

static phial_status on_note(void *user, ph_str sentence, phial_error *err)
{
    (void)user;
    (void)err;
    fprintf(stderr, "note: %.*s\n", PH_STR_ARG(sentence));
    return PHIAL_OK;
}

int main(int argc, char **argv)
{
    size_t n_pages = 0;
    phial_error err = {0};
    ph_extract_options options;
    const ph_extract_sink sink = {&n_pages, on_info, on_page, on_note};
    int at = 1;
    ph_extract_options_default(&options);
    if (at < argc && strcmp(argv[at], "--kinds") == 0) {
        kinds = true;
        at++;
    }
    if (at == argc) {
        fprintf(stderr, "bench_extract [--kinds] FILE [PASSWORD...]\n");
        return 2;
    }
    /* The helpers stand in the folder above this program's. */
    char dir[4096];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[n > 0 ? n : 0] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(dir, '/');
        if (slash)
            *slash = 0;
    }
    options.helper_dir = dir;
    options.passwords = (const char *const *)(argv + at + 1);
    options.n_passwords = (size_t)(argc - at - 1);
    int fd = open(argv[at], O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        perror(argv[at]);
        return 1;
    }
    phial_status status = ph_extract(fd, argv[at], &options, &sink, &err);
    if (status != PHIAL_OK)
        fprintf(stderr, "%s\n", err.message);
    close(fd);
    return status == PHIAL_OK ? 0 : 1;
}
