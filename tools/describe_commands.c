/* describe_commands FOLDER VERSION: writes man pages and shell completions of phial into a folder,
 * from its table of commands. Run by the build; what it writes is installed. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/describe.h"

static phial_status write_file(const char *folder, const char *name, ph_buf *text, phial_error *err)
{
    ph_writer *writer = NULL;
    char *path = ph_path_join(folder, name, err);
    phial_status st = path ? ph_buf_status(text, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = ph_writer_open(&writer, path, err);
    if (st == PHIAL_OK)
        st = ph_writer_write(writer, text->data, text->len, err);
    if (st == PHIAL_OK)
        st = ph_writer_commit(writer, err);
    ph_writer_close(writer);
    ph_free(path);
    ph_buf_clear(text);
    return st;
}

int main(int argc, char **argv)
{
    static const char *const shells[][2] = {
        {"bash", "phial.bash"}, {"zsh", "_phial"}, {"fish", "phial.fish"}};
    if (argc != 3) {
        fputs("usage: describe_commands FOLDER VERSION\n", stderr);
        return 2;
    }
    phial_error err = {0};
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_describe_man_overview(&text, argv[2]);
    phial_status st = write_file(argv[1], "phial.1", &text, &err);
    for (size_t i = 0; i < ph_cmd_count() && st == PHIAL_OK; i++) {
        char name[128];
        char page[120];
        ph_cmd_page_name(page, sizeof page, ph_cmd_at(i));
        snprintf(name, sizeof name, "%s.1", page);
        ph_describe_man(&text, ph_cmd_at(i), argv[2]);
        st = write_file(argv[1], name, &text, &err);
    }
    for (size_t i = 0; i < 3 && st == PHIAL_OK; i++) {
        ph_describe_completion(&text, shells[i][0]);
        st = write_file(argv[1], shells[i][1], &text, &err);
    }
    if (st != PHIAL_OK)
        fprintf(stderr, "describe_commands: %s\n", err.message);
    ph_buf_free(&text);
    return st == PHIAL_OK ? 0 : 1;
}
