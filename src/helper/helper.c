/* The way in and out of every helper program; contract in helper.h. */
#include "helper/helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proc/spawn.h"

static void say(const char *name, const char *text)
{
    const char *parts[] = {name, ": ", text, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        ssize_t ignored = write(PH_HELPER_FD_ERR, parts[i], strlen(parts[i]));
        (void)ignored;
    }
}

/* The passwords stay where they are read to: text must live as long as the helper. */
static bool read_passwords(ph_helper *helper, char *text, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(PH_HELPER_FD_IN, text + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    for (size_t at = 0; at < len && helper->n_passwords < PH_HELPER_PASSWORDS_MAX;) {
        const char *end = memchr(text + at, 0, len - at);
        if (!end)
            return false;
        helper->passwords[helper->n_passwords++] = text + at;
        at = (size_t)(end - text) + 1;
    }
    return true;
}

static bool read_arguments(ph_helper *helper, int argc, char **argv)
{
    uint64_t pages = 0;
    if (argc != 5 || !ph_str_parse_u64(ph_str_from(argv[3]), &helper->out.max_text) ||
        !ph_str_parse_u64(ph_str_from(argv[4]), &pages) || pages > PH_DOC_PAGES_LIMIT)
        return false;
    helper->format = argv[1];
    helper->ending = argv[2];
    helper->out.max_pages = (uint32_t)pages;
    return true;
}

/* Memory that ran out is a limit of ours: its size belongs into the sentence. */
static void name_memory(phial_error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        ph_err_set(err, PHIAL_ERR_LIMIT, "it needs more than %llu MiB of memory",
                   (unsigned long long)limit.rlim_cur >> 20);
    else
        ph_err_set(err, PHIAL_ERR_LIMIT, "out of memory");
}

static int run(ph_helper *helper, const ph_helper_program *program)
{
    phial_error err = {0};
    const ph_sandbox_view view = {program->read_paths};
    phial_status status = ph_sandbox_enter(&view, &helper->files_readable, &err);
    if (status != PHIAL_OK) {
        say(program->name, err.message);
        return 1;
    }
    status = program->run(helper, &err);
    if (status == PHIAL_OK)
        status = ph_doc_write_end(&helper->out, &err);
    if (status == PHIAL_ERR_NO_MEMORY)
        name_memory(&err);
    if (status != PHIAL_OK)
        status = ph_doc_write_failed(&helper->out, err.status, err.message);
    return status == PHIAL_OK ? 0 : 1;
}

_Noreturn void ph_helper_main(int argc, char **argv, const ph_helper_program *program)
{
    char passwords[PH_CHILD_INPUT_MAX];
    ph_helper helper = {.doc = PH_HELPER_FD_DOC};
    phial_error err = {0};
    if (ph_doc_writer_init(&helper.out, PH_HELPER_FD_OUT, &err) != PHIAL_OK) {
        say(program->name, err.message);
        _exit(1);
    }
    if (!read_arguments(&helper, argc, argv)) {
        say(program->name, "a helper of Phial, which is started by phial index and not by hand");
        _exit(1);
    }
    if (!read_passwords(&helper, passwords, sizeof passwords)) {
        say(program->name, "cannot read its input");
        _exit(1);
    }
    if (program->prepare)
        program->prepare();
    _exit(run(&helper, program));
}
