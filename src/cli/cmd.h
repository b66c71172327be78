/* What a command is: one file cmd_<name>.c that defines one `const ph_cmd ph_cmd_<name>`, and one
 * row in cmd.def. Its tables say everything about its command line: the parser (args.c), --help
 * (usage.c), and whatever else describes commands (man pages, shell completions) read the same
 * rows.
 */
#ifndef PH_CLI_CMD_H
#define PH_CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"

typedef enum ph_opt_kind {
    PH_OPT_FLAG,    /* given or not */
    PH_OPT_STRING,  /* any text */
    PH_OPT_STRINGS, /* any text, may be given again */
    PH_OPT_INT,     /* int64 in min_int .. max_int (both 0: any) */
    PH_OPT_U64,     /* 0 .. 2^64-1 */
    PH_OPT_DOUBLE,  /* finite, in min_double .. max_double (both 0: any) */
    PH_OPT_CHOICE,  /* one of `choices` */
    PH_OPT_LIST     /* int64s in min_int .. max_int, separated by commas */
} ph_opt_kind;

/* A table of options ends with a row whose name is NULL. --help and -h are every command's. */
typedef struct ph_opt {
    const char *name; /* without the dashes */
    char letter;      /* of the short form, or 0 */
    ph_opt_kind kind;
    const char *arg;      /* what the value is called in help, "FILE"; NULL for flags */
    const char *help;     /* one phrase, lower case, no full stop */
    const char *fallback; /* the value when it is not given, as text; NULL: none */
    const char *env;      /* environment variable that stands in for it; NULL: none */
    /* Where the value comes from when all that says nothing; it may give NULL. NULL: nowhere. */
    const char *(*otherwise)(void);
    bool required;
    int64_t min_int, max_int;
    double min_double, max_double;
    const char *const *choices; /* ends with NULL */
} ph_opt;

/* Ends with a row whose name is NULL. Optional ones follow mandatory ones, `many` is the last. */
typedef struct ph_positional {
    const char *name; /* upper case, "FILE" */
    const char *help;
    bool optional;
    bool many; /* this one and all further arguments; with optional, also none */
} ph_positional;

/* Ends with a row whose line is NULL. */
typedef struct ph_cmd_example {
    const char *line; /* as typed, "phial tokenize -m phi-2.gguf 'Hello'" */
    const char *what; /* what it does, one phrase */
} ph_cmd_example;

struct ph_args;

typedef struct ph_cmd {
    const char *details;              /* paragraphs for --help; NULL: none */
    const ph_opt *opts;               /* NULL: none */
    const ph_positional *positionals; /* NULL: none */
    const ph_cmd_example *examples;   /* NULL: none */
    /* Does it. On failure returns the status with a sentence in err; main prints the sentence and
     * turns the status into the exit code. */
    phial_status (*run)(const struct ph_args *args, phial_error *err);
} ph_cmd;

/* A row of cmd.def. */
typedef struct ph_cmd_row {
    const char *name;    /* of two words for a command of a family: "train tokenizer" */
    const char *summary; /* one phrase, capital first, no full stop */
    const ph_cmd *cmd;
} ph_cmd_row;

size_t ph_cmd_count(void);
const ph_cmd_row *ph_cmd_at(size_t i);
/* NULL if there is none. */
const ph_cmd_row *ph_cmd_find(const char *name);
/* The command of these two words, NULL if there is none; second may be NULL. */
const ph_cmd_row *ph_cmd_find_pair(const char *first, const char *second);
/* Whether it is the first word of commands of two: "collection". */
bool ph_cmd_is_family(const char *word);
/* "phial-train-tokenizer": what the command's manual page is called; cut to fit. */
void ph_cmd_page_name(char *out, size_t out_bytes, const ph_cmd_row *row);
/* The command whose name is nearest to a mistyped one; NULL if none is near. */
const ph_cmd_row *ph_cmd_nearest(const char *name);

#endif
