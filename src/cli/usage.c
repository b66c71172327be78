/* Help texts from the tables of cmd.h. Lines are broken at 80 columns whatever the terminal's
 * width, so that help read in a pipe, a file or a terminal is the same text. */
#include "cli/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/args.h"

#define WIDTH       80
#define HELP_COLUMN 26

/* Appends words, breaking lines at WIDTH; continuation lines start at `indent`. */
static void add_wrapped(ph_buf *out, const char *text, size_t column, size_t indent)
{
    bool first = true;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");
        if (!first && column + 1 + n > WIDTH) {
            ph_buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            ph_buf_add_byte(out, ' ');
            column++;
        }
        ph_buf_add(out, p, n);
        column += n;
        first = false;
        p += n;
        p += strspn(p, " ");
    }
    ph_buf_add_byte(out, '\n');
}

static void add_entry(ph_buf *out, const char *left, const char *help)
{
    size_t n = strlen(left) + 2;
    ph_buf_addf(out, "  %s", left);
    if (n + 2 > HELP_COLUMN) {
        ph_buf_addf(out, "\n%*s", HELP_COLUMN, "");
    } else {
        ph_buf_addf(out, "%*s", (int)(HELP_COLUMN - n), "");
    }
    add_wrapped(out, help, HELP_COLUMN, HELP_COLUMN);
}

void ph_usage_overview(ph_buf *out)
{
    ph_buf_add_str(out, "Phial runs small language models on your own machine.\n\n"
                        "Usage: phial COMMAND [options] [arguments]\n\nCommands:\n");
    for (size_t i = 0; i < ph_cmd_count(); i++)
        add_entry(out, ph_cmd_at(i)->name, ph_cmd_at(i)->summary);
    ph_buf_add_str(out, "\n'phial help COMMAND' or 'phial COMMAND --help' explains a command.\n");
}

void ph_usage_family(ph_buf *out, const char *family)
{
    size_t n = strlen(family);
    ph_buf_addf(out, "Usage: phial %s COMMAND [options] [arguments]\n\nCommands:\n", family);
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        const ph_cmd_row *row = ph_cmd_at(i);
        if (strncmp(row->name, family, n) == 0 && row->name[n] == ' ')
            add_entry(out, row->name + n + 1, row->summary);
    }
    ph_buf_addf(out, "\n'phial %s COMMAND --help' explains a command.\n", family);
}

static void add_option_use(ph_buf *out, const ph_opt *opt)
{
    if (opt->letter)
        ph_buf_addf(out, " -%c", opt->letter);
    else
        ph_buf_addf(out, " --%s", opt->name);
    if (opt->arg)
        ph_buf_addf(out, " %s", opt->arg);
}

void ph_usage_line(ph_buf *out, const ph_cmd_row *row)
{
    bool others = false;
    ph_buf_addf(out, "phial %s", row->name);
    for (const ph_opt *opt = row->cmd->opts; opt && opt->name; opt++) {
        if (opt->required && !opt->otherwise)
            add_option_use(out, opt);
        else
            others = true;
    }
    if (others)
        ph_buf_add_str(out, " [options]");
    for (const ph_positional *pos = row->cmd->positionals; pos && pos->name; pos++)
        ph_buf_addf(out, pos->optional ? " [%s%s]" : " %s%s", pos->name, pos->many ? "..." : "");
}

void ph_usage_option(ph_buf *text, const ph_opt *opt)
{
    char takes[256];
    ph_buf_add_str(text, opt->help);
    bool ranged = opt->min_int != 0 || opt->max_int != 0 || opt->min_double != 0 ||
                  opt->max_double != 0 || opt->kind == PH_OPT_CHOICE;
    if (ranged) {
        ph_opt_describe(opt, takes, sizeof takes);
        ph_buf_addf(text, ": %s", takes);
    }
    if (opt->kind == PH_OPT_STRINGS)
        ph_buf_add_str(text, " (may be given again)");
    if (opt->env)
        ph_buf_addf(text, " (or %s in the environment)", opt->env);
    if (opt->fallback)
        ph_buf_addf(text, " (default: %s)", opt->fallback);
}

static void add_options(ph_buf *out, const ph_cmd *cmd)
{
    ph_buf_add_str(out, "\nOptions:\n");
    ph_buf text;
    ph_buf_init(&text, 0);
    for (const ph_opt *opt = cmd->opts; opt && opt->name; opt++) {
        char left[128];
        char letter[8] = "    ";
        if (opt->letter)
            snprintf(letter, sizeof letter, "-%c, ", opt->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, opt->name, opt->arg ? " " : "",
                 opt->arg ? opt->arg : "");
        ph_buf_clear(&text);
        ph_usage_option(&text, opt);
        add_entry(out, left, text.data ? text.data : "");
    }
    add_entry(out, "-h, --help", "show this");
    ph_buf_free(&text);
}

void ph_usage_command(ph_buf *out, const ph_cmd_row *row)
{
    const ph_cmd *cmd = row->cmd;
    ph_buf_addf(out, "%s.\n\nUsage: ", row->summary);
    ph_usage_line(out, row);
    ph_buf_add_byte(out, '\n');
    if (cmd->details) {
        ph_buf_add_byte(out, '\n');
        for (const char *p = cmd->details; *p;) {
            char line[1024];
            size_t n = strcspn(p, "\n");
            snprintf(line, sizeof line, "%.*s", (int)n, p);
            add_wrapped(out, line, 0, 0);
            p += n;
            p += *p == '\n';
        }
    }
    if (cmd->positionals && cmd->positionals->name) {
        ph_buf_add_str(out, "\nArguments:\n");
        for (const ph_positional *pos = cmd->positionals; pos->name; pos++)
            add_entry(out, pos->name, pos->help);
    }
    add_options(out, cmd);
    if (cmd->examples && cmd->examples->line) {
        ph_buf_add_str(out, "\nExamples:\n");
        for (const ph_cmd_example *ex = cmd->examples; ex->line; ex++)
            ph_buf_addf(out, "  %s\n      %s\n", ex->line, ex->what);
    }
}
