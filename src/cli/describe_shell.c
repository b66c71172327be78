/* Completions for bash, zsh and fish; contract in describe.h. Each script holds the commands with
 * their options as plain text, made from the tables; values that are one of a few are completed to
 * them, everything else to files. */
#include <string.h>

#include "cli/describe.h"

/* Text between single quotes of a shell. */
static void add_quoted(ph_buf *out, const char *text, bool fish)
{
    ph_buf_add_byte(out, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            ph_buf_add_str(out, fish ? "\\'" : "'\\''");
        else if (*p == '\\' && fish)
            ph_buf_add_str(out, "\\\\");
        else
            ph_buf_add_byte(out, (uint8_t)*p);
    }
    ph_buf_add_byte(out, '\'');
}

static void add_choices(ph_buf *out, const ph_opt *opt)
{
    for (size_t i = 0; opt->choices[i]; i++)
        ph_buf_addf(out, "%s%s", i > 0 ? " " : "", opt->choices[i]);
}

/* The second word of a command of two words, or NULL. */
static const char *second_word(const ph_cmd_row *row)
{
    const char *blank = strchr(row->name, ' ');
    return blank ? blank + 1 : NULL;
}

static void add_command_names(ph_buf *out)
{
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        if (!second_word(ph_cmd_at(i)))
            ph_buf_addf(out, "%s%s", i > 0 ? " " : "", ph_cmd_at(i)->name);
    }
}

/* --- bash --- */

static void add_bash_command(ph_buf *out, const ph_cmd_row *row)
{
    ph_buf_addf(out, "    '%s')\n        options='--help", row->name);
    for (const ph_opt *opt = row->cmd->opts; opt && opt->name; opt++)
        ph_buf_addf(out, " --%s", opt->name);
    ph_buf_add_str(out, "'\n        case $previous in\n");
    for (const ph_opt *opt = row->cmd->opts; opt && opt->name; opt++) {
        if (opt->kind != PH_OPT_CHOICE)
            continue;
        ph_buf_addf(out, "        --%s) values='", opt->name);
        add_choices(out, opt);
        ph_buf_add_str(out, "' ;;\n");
    }
    if (strcmp(row->name, "help") == 0) {
        ph_buf_add_str(out, "        *) values='");
        add_command_names(out);
        ph_buf_add_str(out, "' ;;\n");
    }
    ph_buf_add_str(out, "        esac\n        ;;\n");
}

static void add_bash(ph_buf *out)
{
    ph_buf_add_str(out,
                   "# bash completion for phial, made from its table of commands\n"
                   "_phial() {\n"
                   "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                   "    local options='' values=''\n"
                   "    COMPREPLY=()\n"
                   "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                   "        COMPREPLY=($(compgen -W '");
    add_command_names(out);
    ph_buf_add_str(out, "' -- \"$word\"))\n        return\n    fi\n"
                        "    local command=${COMP_WORDS[1]}\n"
                        "    case \"$command ${COMP_WORDS[2]}\" in\n");
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        if (second_word(ph_cmd_at(i)))
            ph_buf_addf(out, "    '%s') command='%s' ;;\n", ph_cmd_at(i)->name, ph_cmd_at(i)->name);
    }
    ph_buf_add_str(out, "    esac\n    case $command in\n");
    for (size_t i = 0; i < ph_cmd_count(); i++)
        add_bash_command(out, ph_cmd_at(i));
    ph_buf_add_str(out, "    esac\n"
                        "    if [ -n \"$values\" ]; then\n"
                        "        COMPREPLY=($(compgen -W \"$values\" -- \"$word\"))\n"
                        "    elif [ \"${word#-}\" != \"$word\" ]; then\n"
                        "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
                        "    else\n"
                        "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                        "    fi\n"
                        "}\n"
                        "complete -o filenames -F _phial phial\n");
}

/* --- zsh --- */

/* A description inside an _arguments specification: brackets and colons mean themselves. */
static void add_zsh_text(ph_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            ph_buf_add_str(out, "'\\''");
        else if (strchr("[]:\\", *p))
            ph_buf_addf(out, "\\%c", *p);
        else
            ph_buf_add_byte(out, (uint8_t)*p);
    }
}

static void add_zsh_option(ph_buf *out, const ph_opt *opt)
{
    ph_buf_addf(out, " \\\n            '%s--%s[", opt->kind == PH_OPT_STRINGS ? "*" : "",
                opt->name);
    add_zsh_text(out, opt->help);
    ph_buf_add_byte(out, ']');
    if (opt->kind == PH_OPT_CHOICE) {
        ph_buf_addf(out, ":%s:(", opt->arg);
        add_choices(out, opt);
        ph_buf_add_byte(out, ')');
    } else if (opt->kind != PH_OPT_FLAG) {
        ph_buf_add_byte(out, ':');
        add_zsh_text(out, opt->arg);
        ph_buf_add_str(out, ":_files");
    }
    ph_buf_add_byte(out, '\'');
}

static void add_zsh(ph_buf *out)
{
    ph_buf_add_str(out, "#compdef phial\n# made from phial's table of commands\n"
                        "_phial() {\n    local -a commands\n    commands=(\n");
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        if (second_word(ph_cmd_at(i)))
            continue;
        ph_buf_addf(out, "        '%s:", ph_cmd_at(i)->name);
        add_zsh_text(out, ph_cmd_at(i)->summary);
        ph_buf_add_str(out, "'\n");
    }
    ph_buf_add_str(out, "    )\n    if (( CURRENT == 2 )); then\n"
                        "        _describe command commands\n        return\n    fi\n"
                        "    local command=$words[2]\n    case \"$command $words[3]\" in\n");
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        if (second_word(ph_cmd_at(i)))
            ph_buf_addf(out, "    '%s') command='%s'; shift words; (( CURRENT-- )) ;;\n",
                        ph_cmd_at(i)->name, ph_cmd_at(i)->name);
    }
    ph_buf_add_str(out, "    esac\n    shift words\n    (( CURRENT-- ))\n"
                        "    case $command in\n");
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        ph_buf_addf(out, "    '%s')\n        _arguments '--help[show help]'", ph_cmd_at(i)->name);
        for (const ph_opt *opt = ph_cmd_at(i)->cmd->opts; opt && opt->name; opt++)
            add_zsh_option(out, opt);
        ph_buf_add_str(out, " \\\n            '*:file:_files'\n        ;;\n");
    }
    ph_buf_add_str(out, "    esac\n}\n_phial \"$@\"\n");
}

/* --- fish --- */

static void add_fish_command(ph_buf *out, const ph_cmd_row *row)
{
    const char *second = second_word(row);
    if (second)
        ph_buf_addf(out, "complete -c phial -n '__fish_seen_subcommand_from %.*s' -a %s -d ",
                    (int)(second - 1 - row->name), row->name, second);
    else
        ph_buf_addf(out, "complete -c phial -n __fish_use_subcommand -f -a %s -d ", row->name);
    add_quoted(out, row->summary, true);
    ph_buf_add_byte(out, '\n');
    for (const ph_opt *opt = row->cmd->opts; opt && opt->name; opt++) {
        ph_buf_addf(out, "complete -c phial -n '__fish_seen_subcommand_from %s' -l %s", row->name,
                    opt->name);
        if (opt->letter)
            ph_buf_addf(out, " -s %c", opt->letter);
        if (opt->kind == PH_OPT_CHOICE) {
            ph_buf_add_str(out, " -x -a '");
            add_choices(out, opt);
            ph_buf_add_byte(out, '\'');
        } else if (opt->kind != PH_OPT_FLAG) {
            ph_buf_add_str(out, " -r");
        }
        ph_buf_add_str(out, " -d ");
        add_quoted(out, opt->help, true);
        ph_buf_add_byte(out, '\n');
    }
}

static void add_fish(ph_buf *out)
{
    ph_buf_add_str(out, "# fish completion for phial, made from its table of commands\n");
    for (size_t i = 0; i < ph_cmd_count(); i++)
        add_fish_command(out, ph_cmd_at(i));
}

bool ph_describe_completion(ph_buf *out, const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        add_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        add_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        add_fish(out);
    else
        return false;
    return true;
}
