/* A command line, parsed by a command's tables.
 *
 * --option VALUE, --option=VALUE, -o VALUE, -oVALUE; options and positionals mix; "--" ends the
 * options; "-" alone is a positional. Long names are not abbreviated. An option that is not
 * repeatable and given twice is an error: whoever wrote it meant one of two things.
 * Every error is PHIAL_ERR_ARGUMENT with a sentence that names the option and says what it takes.
 * Texts are borrowed from argv, the tables and the environment.
 */
#ifndef PH_CLI_ARGS_H
#define PH_CLI_ARGS_H

#include "base/err.h"
#include "cli/cmd.h"

typedef struct ph_arg_value {
    const ph_opt *opt;
    bool given; /* false: from the fallback or the environment */
    const char *text;
    int64_t int_value;
    uint64_t u64_value;
    double double_value;
    int64_t *list; /* owned */
    size_t n_list;
} ph_arg_value;

typedef struct ph_args {
    const ph_cmd *cmd;
    const char *name; /* of the command */
    bool help;        /* --help was seen; nothing else was checked then */
    ph_arg_value *values;
    size_t n_values;
    const char **positionals;
    size_t n_positionals;
} ph_args;

/* argv holds what follows the command's name. On failure *out is empty; ph_args_free() is fine. */
phial_status ph_args_parse(ph_args *out, const ph_cmd_row *row, int argc, char **argv,
                           phial_error *err);
void ph_args_free(ph_args *args);

/* All take an option's long name, which must be in the command's table (else the program stops: the
 * command is wrong, not its user). Without a value, fallback or environment: false, NULL, 0. */
bool ph_args_given(const ph_args *args, const char *name); /* on the command line itself */
bool ph_args_has(const ph_args *args, const char *name);   /* from anywhere */
bool ph_args_flag(const ph_args *args, const char *name);
const char *ph_args_str(const ph_args *args, const char *name); /* strings and choices */
int64_t ph_args_int(const ph_args *args, const char *name);
uint64_t ph_args_u64(const ph_args *args, const char *name);
double ph_args_double(const ph_args *args, const char *name);
int ph_args_choice(const ph_args *args, const char *name); /* index into choices; -1: none */
const int64_t *ph_args_list(const ph_args *args, const char *name, size_t *n);
/* The i-th value of a repeatable option, NULL behind the last. */
const char *ph_args_nth(const ph_args *args, const char *name, size_t i);

/* The i-th positional, NULL behind the last. */
const char *ph_args_positional(const ph_args *args, size_t i);

/* "a whole number from 1 to 512": what an option takes, for messages and help. */
void ph_opt_describe(const ph_opt *opt, char *out, size_t out_bytes);

#endif
