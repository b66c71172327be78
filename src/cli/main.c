/* The program: finds the command, parses its line, runs it, and turns the outcome into an exit code
 * (COMMANDS: 0 done, 1 failed, 2 usage, 3 bad input, 4 out of resources, 130 interrupted). */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/usage.h"

static int no_command(void)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_usage_overview(&text);
    fputs(text.data ? text.data : "", stderr);
    ph_buf_free(&text);
    return PH_EXIT_USAGE;
}

/* "phial collection" alone is incomplete; with --help it is a question. */
static int family_of_commands(const char *family, const char *next)
{
    bool asked = next && (strcmp(next, "--help") == 0 || strcmp(next, "-h") == 0);
    ph_buf text, shown;
    ph_buf_init(&text, 0);
    ph_buf_init(&shown, 0);
    ph_usage_family(&text, family);
    if (next && !asked) {
        ph_str_escape(&shown, ph_str_from(next), false);
        ph_say("there is no command '%s %s'", family, shown.data ? shown.data : "");
    }
    if (asked)
        ph_out_bytes(text.data, text.len);
    else
        fputs(text.data ? text.data : "", stderr);
    ph_buf_free(&text);
    ph_buf_free(&shown);
    return asked ? PH_EXIT_DONE : PH_EXIT_USAGE;
}

static int unknown_command(const char *name)
{
    ph_buf shown;
    ph_buf_init(&shown, 0);
    ph_str_escape(&shown, ph_str_from(name), false);
    const ph_cmd_row *near = ph_cmd_nearest(name);
    const char *what = name[0] == '-' ? "option" : "command";
    if (near)
        ph_say("unknown %s '%s'; did you mean '%s'?", what, shown.data, near->name);
    else
        ph_say("unknown %s '%s'; 'phial help' lists what there is", what,
               shown.data ? shown.data : "");
    ph_buf_free(&shown);
    return PH_EXIT_USAGE;
}

static phial_status show_help(const ph_cmd_row *row, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_usage_command(&text, row);
    phial_status st = ph_buf_status(&text, err);
    if (st == PHIAL_OK)
        ph_out_bytes(text.data, text.len);
    ph_buf_free(&text);
    return st;
}

static int run_command(const ph_cmd_row *row, int argc, char **argv)
{
    phial_error err = {0};
    ph_args args;
    phial_status st = ph_args_parse(&args, row, argc, argv, &err);
    if (st != PHIAL_OK) {
        ph_say("%s: %s", row->name, err.message);
        return ph_exit_code(st);
    }
    st = args.help ? show_help(row, &err) : row->cmd->run(&args, &err);
    ph_args_free(&args);
    if (st != PHIAL_OK)
        ph_say("%s", err.message[0] ? err.message : phial_status_name(st));
    return ph_exit_code(st);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2)
        return no_command();
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const ph_cmd_row *row = ph_cmd_find_pair(name, argc > 2 ? argv[2] : NULL);
    if (row)
        return run_command(row, argc - 3, argv + 3);
    row = ph_cmd_find(name);
    if (!row && ph_cmd_is_family(name))
        return family_of_commands(name, argc > 2 ? argv[2] : NULL);
    if (!row)
        return unknown_command(name);
    return run_command(row, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    /* A reader that went away shows up as a failed write, so that commands can tidy up. */
    signal(SIGPIPE, SIG_IGN);
    int code = dispatch(argc, argv);
    phial_error err = {0};
    bool closed_pipe = false;
    if (ph_out_finish(&closed_pipe, &err) != PHIAL_OK) {
        if (!closed_pipe)
            ph_say("%s", err.message);
        if (code == PH_EXIT_DONE)
            code = PH_EXIT_FAILED;
    }
    return code;
}
