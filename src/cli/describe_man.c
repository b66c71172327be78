/* Man pages: man(7) macros, nothing but .TH .SH .TP .PP .B, so that every man program reads them.
 * Contract in describe.h. */
#include <ctype.h>
#include <string.h>

#include "cli/args.h"
#include "cli/describe.h"
#include "cli/usage.h"

/* Text for roff: backslashes, hyphens and leading dots mean themselves. */
static void add_text(ph_buf *out, const char *text)
{
    bool line_start = out->len == 0 || out->data[out->len - 1] == '\n';
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\''))
            ph_buf_add_str(out, "\\&");
        if (*p == '\\')
            ph_buf_add_str(out, "\\e");
        else if (*p == '-')
            ph_buf_add_str(out, "\\-");
        else if (*p == '\'')
            ph_buf_add_str(out, "\\(aq");
        else if (*p == '"')
            ph_buf_add_str(out, "\\(dq");
        else
            ph_buf_add_byte(out, (uint8_t)*p);
        line_start = *p == '\n';
    }
}

static void add_upper(ph_buf *out, const char *text)
{
    for (const char *p = text; *p; p++)
        ph_buf_add_byte(out, (uint8_t)toupper((unsigned char)*p));
}

static void add_head(ph_buf *out, const char *name, const char *summary, const char *version)
{
    ph_buf_add_str(out, ".TH ");
    add_upper(out, name);
    ph_buf_addf(out, " 1 \"\" \"Phial %s\" \"Phial\"\n.SH NAME\n", version);
    add_text(out, name);
    ph_buf_add_str(out, " \\- ");
    add_text(out, summary);
    ph_buf_add_byte(out, '\n');
}

void ph_describe_man_overview(ph_buf *out, const char *version)
{
    add_head(out, "phial", "run small language models on your own machine", version);
    ph_buf_add_str(out, ".SH SYNOPSIS\n.B phial\nCOMMAND [options] [arguments]\n.SH COMMANDS\n");
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        char page[128];
        ph_cmd_page_name(page, sizeof page, ph_cmd_at(i));
        ph_buf_add_str(out, ".TP\n.B ");
        add_text(out, page);
        ph_buf_add_str(out, "(1)\n");
        add_text(out, ph_cmd_at(i)->summary);
        ph_buf_add_byte(out, '\n');
    }
    ph_buf_add_str(out,
                   ".SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 bad input, 4 out of resources, "
                   "130 interrupted.\n"
                   ".SH ENVIRONMENT\n.TP\n.B PHIAL_MODEL\nThe model of commands that take one.\n"
                   ".TP\n.B PHIAL_CPU\nKernels to use: ref, avx2, avx512, avx512vnni.\n");
}

static void add_option(ph_buf *out, const ph_opt *opt)
{
    ph_buf help;
    ph_buf_init(&help, 0);
    ph_usage_option(&help, opt);
    ph_buf_add_str(out, ".TP\n.B ");
    if (opt->letter)
        ph_buf_addf(out, "\\-%c, ", opt->letter);
    ph_buf_add_str(out, "\\-\\-");
    add_text(out, opt->name);
    if (opt->arg) {
        ph_buf_add_byte(out, ' ');
        add_text(out, opt->arg);
    }
    ph_buf_add_byte(out, '\n');
    add_text(out, help.data ? help.data : "");
    ph_buf_add_byte(out, '\n');
    ph_buf_free(&help);
}

static void add_paragraphs(ph_buf *out, const char *details)
{
    for (const char *p = details; *p;) {
        ph_buf one;
        ph_buf_init(&one, 0);
        size_t n = strcspn(p, "\n");
        ph_buf_add(&one, p, n);
        add_text(out, one.data ? one.data : "");
        ph_buf_free(&one);
        p += n;
        p += *p == '\n';
        ph_buf_add_str(out, *p ? "\n.PP\n" : "\n");
    }
}

void ph_describe_man(ph_buf *out, const ph_cmd_row *row, const char *version)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    char page[128];
    ph_cmd_page_name(page, sizeof page, row);
    add_head(out, page, row->summary, version);
    ph_usage_line(&text, row);
    ph_buf_add_str(out, ".SH SYNOPSIS\n");
    add_text(out, text.data ? text.data : "");
    ph_buf_free(&text);
    if (row->cmd->details) {
        ph_buf_add_str(out, "\n.SH DESCRIPTION\n");
        add_paragraphs(out, row->cmd->details);
    } else {
        ph_buf_add_byte(out, '\n');
    }
    const ph_positional *pos = row->cmd->positionals;
    if (pos && pos->name)
        ph_buf_add_str(out, ".SH ARGUMENTS\n");
    for (; pos && pos->name; pos++) {
        ph_buf_addf(out, ".TP\n.B %s\n", pos->name);
        add_text(out, pos->help);
        ph_buf_add_byte(out, '\n');
    }
    ph_buf_add_str(out, ".SH OPTIONS\n");
    for (const ph_opt *opt = row->cmd->opts; opt && opt->name; opt++)
        add_option(out, opt);
    ph_buf_add_str(out, ".TP\n.B \\-h, \\-\\-help\nshow this\n");
    const ph_cmd_example *ex = row->cmd->examples;
    if (ex && ex->line)
        ph_buf_add_str(out, ".SH EXAMPLES\n");
    for (; ex && ex->line; ex++) {
        ph_buf_add_str(out, ".TP\n.B ");
        add_text(out, ex->line);
        ph_buf_add_byte(out, '\n');
        add_text(out, ex->what);
        ph_buf_add_byte(out, '\n');
    }
    ph_buf_add_str(out, ".SH SEE ALSO\n.BR phial (1)\n");
}
