/* Command lines by table; contract in args.h. */
#include "cli/args.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define PH_ARG_LIST_MAX (1u << 20)

static bool has_int_range(const ph_opt *opt)
{
    return opt->min_int != 0 || opt->max_int != 0;
}

static void describe_int(const ph_opt *opt, const char *noun, char *out, size_t out_bytes)
{
    if (!has_int_range(opt))
        snprintf(out, out_bytes, "%s", noun);
    else if (opt->max_int == INT64_MAX)
        snprintf(out, out_bytes, "%s of at least %" PRId64, noun, opt->min_int);
    else
        snprintf(out, out_bytes, "%s from %" PRId64 " to %" PRId64, noun, opt->min_int,
                 opt->max_int);
}

static void describe_double(const ph_opt *opt, char *out, size_t out_bytes)
{
    if (opt->min_double == 0 && opt->max_double == 0)
        snprintf(out, out_bytes, "a number");
    else if (opt->max_double >= DBL_MAX)
        snprintf(out, out_bytes, "a number of at least %g", opt->min_double);
    else
        snprintf(out, out_bytes, "a number from %g to %g", opt->min_double, opt->max_double);
}

static void describe_choice(const ph_opt *opt, char *out, size_t out_bytes)
{
    size_t len = 0;
    for (size_t i = 0; opt->choices[i] && len < out_bytes; i++) {
        const char *join = i == 0 ? "" : opt->choices[i + 1] ? ", " : " or ";
        len += (size_t)snprintf(out + len, out_bytes - len, "%s%s", join, opt->choices[i]);
    }
}

void ph_opt_describe(const ph_opt *opt, char *out, size_t out_bytes)
{
    switch (opt->kind) {
    case PH_OPT_FLAG:
        snprintf(out, out_bytes, "no value");
        return;
    case PH_OPT_STRING:
    case PH_OPT_STRINGS:
        snprintf(out, out_bytes, "a text");
        return;
    case PH_OPT_INT:
        describe_int(opt, "a whole number", out, out_bytes);
        return;
    case PH_OPT_U64:
        snprintf(out, out_bytes, "a whole number from 0 to %" PRIu64, UINT64_MAX);
        return;
    case PH_OPT_DOUBLE:
        describe_double(opt, out, out_bytes);
        return;
    case PH_OPT_CHOICE:
        describe_choice(opt, out, out_bytes);
        return;
    case PH_OPT_LIST:
        describe_int(opt, "whole numbers separated by commas, each", out, out_bytes);
        if (!has_int_range(opt))
            snprintf(out, out_bytes, "whole numbers separated by commas");
        return;
    }
    out[0] = 0;
}

static phial_status bad_value(const ph_opt *opt, ph_str text, phial_error *err)
{
    char takes[256];
    uint64_t number;
    /* Help does not tell the largest number that can be held; who exceeds it wants to know. */
    if (has_int_range(opt) && opt->max_int == INT64_MAX && ph_str_parse_u64(text, &number) &&
        number > INT64_MAX)
        snprintf(takes, sizeof takes, "a whole number up to %" PRId64, INT64_MAX);
    else
        ph_opt_describe(opt, takes, sizeof takes);
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "option --%s: '%.*s' will not do, it takes %s",
                      opt->name, PH_STR_ARG(text), takes);
}

static bool parse_int(const ph_opt *opt, ph_str text, int64_t *out)
{
    return ph_str_parse_i64(text, out) &&
           (!has_int_range(opt) || (*out >= opt->min_int && *out <= opt->max_int));
}

static phial_status parse_list(const ph_opt *opt, const char *text, ph_arg_value *value,
                               phial_error *err)
{
    size_t n = 1;
    for (const char *p = text; *p; p++)
        n += *p == ',';
    if (n > PH_ARG_LIST_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "option --%s: more than %u numbers", opt->name,
                          PH_ARG_LIST_MAX);
    value->list = ph_alloc(n, sizeof *value->list, err);
    if (!value->list)
        return PHIAL_ERR_NO_MEMORY;
    const char *p = text;
    for (size_t i = 0; i < n; i++) {
        ph_str item = {p, strcspn(p, ",")};
        if (!parse_int(opt, item, &value->list[i]))
            return bad_value(opt, item, err);
        p += item.n + 1;
    }
    value->n_list = n;
    return PHIAL_OK;
}

/* F16 is f16: no table has choices that differ by case alone. */
static phial_status parse_choice(const ph_opt *opt, ph_arg_value *value, phial_error *err)
{
    for (int i = 0; opt->choices[i]; i++) {
        if (strcasecmp(opt->choices[i], value->text) == 0) {
            value->text = opt->choices[i];
            value->int_value = i;
            return PHIAL_OK;
        }
    }
    return bad_value(opt, ph_str_from(value->text), err);
}

static phial_status parse_value(ph_arg_value *value, phial_error *err)
{
    const ph_opt *opt = value->opt;
    if (opt->kind == PH_OPT_FLAG)
        return PHIAL_OK;
    ph_str text = ph_str_from(value->text);
    bool ok = true;
    switch (opt->kind) {
    case PH_OPT_FLAG:
    case PH_OPT_STRING:
    case PH_OPT_STRINGS:
        break;
    case PH_OPT_INT:
        ok = parse_int(opt, text, &value->int_value);
        break;
    case PH_OPT_U64:
        ok = ph_str_parse_u64(text, &value->u64_value);
        break;
    case PH_OPT_DOUBLE:
        ok = ph_str_parse_f64(text, &value->double_value) &&
             ((opt->min_double == 0 && opt->max_double == 0) ||
              (value->double_value >= opt->min_double && value->double_value <= opt->max_double));
        break;
    case PH_OPT_CHOICE:
        return parse_choice(opt, value, err);
    case PH_OPT_LIST:
        return parse_list(opt, value->text, value, err);
    }
    return ok ? PHIAL_OK : bad_value(opt, text, err);
}

static const ph_arg_value *find_value(const ph_args *args, const ph_opt *opt, size_t nth)
{
    for (size_t i = 0; i < args->n_values; i++) {
        if (args->values[i].opt == opt && nth-- == 0)
            return &args->values[i];
    }
    return NULL;
}

static phial_status add_value(ph_args *args, const ph_opt *opt, const char *text, bool given,
                              phial_error *err)
{
    if (opt->kind != PH_OPT_STRINGS && find_value(args, opt, 0))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "option --%s is given twice", opt->name);
    ph_arg_value *value = &args->values[args->n_values++];
    *value = (ph_arg_value){.opt = opt, .given = given, .text = text};
    return parse_value(value, err);
}

static const ph_opt *find_opt(const ph_cmd *cmd, ph_str name)
{
    for (const ph_opt *opt = cmd->opts; opt && opt->name; opt++) {
        if (ph_str_eq_c(name, opt->name))
            return opt;
    }
    return NULL;
}

static const ph_opt *find_letter(const ph_cmd *cmd, char letter)
{
    for (const ph_opt *opt = cmd->opts; opt && opt->name; opt++) {
        if (opt->letter && opt->letter == letter)
            return opt;
    }
    return NULL;
}

static phial_status unknown_option(const ph_args *args, ph_str name, phial_error *err)
{
    ph_nearest near = {.name = name};
    for (const ph_opt *opt = args->cmd->opts; opt && opt->name; opt++)
        ph_nearest_try(&near, opt->name);
    ph_nearest_try(&near, "help");
    if (near.best)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown option --%.*s; did you mean --%s?",
                          PH_STR_ARG(name), near.best);
    return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                      "unknown option --%.*s; 'phial %s --help' lists what there is",
                      PH_STR_ARG(name), args->name);
}

/* What is left to read. */
typedef struct cursor {
    int argc, at;
    char **argv;
} cursor;

static phial_status take_option(ph_args *args, const ph_opt *opt, const char *attached, cursor *c,
                                phial_error *err)
{
    if (opt->kind == PH_OPT_FLAG) {
        if (attached)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "option --%s takes no value", opt->name);
        return add_value(args, opt, NULL, true, err);
    }
    if (!attached) {
        if (c->at >= c->argc) {
            char takes[256];
            ph_opt_describe(opt, takes, sizeof takes);
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "option --%s needs a value %s: %s",
                              opt->name, opt->arg, takes);
        }
        attached = c->argv[c->at++];
    }
    return add_value(args, opt, attached, true, err);
}

static phial_status take_long(ph_args *args, const char *word, cursor *c, phial_error *err)
{
    ph_str name = {word, strcspn(word, "=")};
    const char *attached = word[name.n] == '=' ? word + name.n + 1 : NULL;
    const ph_opt *opt = find_opt(args->cmd, name);
    if (opt)
        return take_option(args, opt, attached, c, err);
    if (ph_str_eq_c(name, "help") && !attached) {
        args->help = true;
        return PHIAL_OK;
    }
    return unknown_option(args, name, err);
}

static phial_status take_letters(ph_args *args, const char *letters, cursor *c, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (const char *p = letters; *p && st == PHIAL_OK; p++) {
        const ph_opt *opt = find_letter(args->cmd, *p);
        if (!opt && *p == 'h') {
            args->help = true;
            return PHIAL_OK;
        }
        if (!opt)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "unknown option -%c; 'phial %s --help' lists what there is", *p,
                              args->name);
        if (opt->kind != PH_OPT_FLAG)
            return take_option(args, opt, p[1] ? p + 1 : NULL, c, err);
        st = take_option(args, opt, NULL, c, err);
    }
    return st;
}

static phial_status take_words(ph_args *args, cursor *c, phial_error *err)
{
    phial_status st = PHIAL_OK;
    bool options = true;
    while (c->at < c->argc && st == PHIAL_OK && !args->help) {
        const char *word = c->argv[c->at++];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && word[0] == '-' && word[1] == '-')
            st = take_long(args, word + 2, c, err);
        else if (options && word[0] == '-' && word[1])
            st = take_letters(args, word + 1, c, err);
        else
            args->positionals[args->n_positionals++] = word;
    }
    return st;
}

static phial_status missing_option(const ph_opt *opt, phial_error *err)
{
    char letter[8] = "";
    if (opt->letter)
        snprintf(letter, sizeof letter, "-%c, ", opt->letter);
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "missing option %s--%s %s (%s)%s%s", letter,
                      opt->name, opt->arg ? opt->arg : "", opt->help,
                      opt->env ? "; or set the environment variable " : "",
                      opt->env ? opt->env : "");
}

/* Values from the environment and the table. */
static phial_status fill_in(ph_args *args, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (const ph_opt *opt = args->cmd->opts; opt && opt->name && st == PHIAL_OK; opt++) {
        if (find_value(args, opt, 0))
            continue;
        const char *env = opt->env ? getenv(opt->env) : NULL;
        if (env && env[0]) {
            st = add_value(args, opt, env, false, err);
            if (st != PHIAL_OK)
                st = ph_err_context(err, st, "environment variable %s", opt->env);
        } else if (opt->fallback) {
            st = add_value(args, opt, opt->fallback, false, err);
        } else if (opt->required && !opt->otherwise) {
            st = missing_option(opt, err);
        }
    }
    return st;
}

/* Last, since it may tell what it takes: nobody wants to hear of a model before a wrong option. */
static phial_status fill_otherwise(ph_args *args, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (const ph_opt *opt = args->cmd->opts; opt && opt->name && st == PHIAL_OK; opt++) {
        if (!opt->otherwise || find_value(args, opt, 0))
            continue;
        const char *other = opt->otherwise();
        if (other)
            st = add_value(args, opt, other, false, err);
        else if (opt->required)
            st = missing_option(opt, err);
    }
    return st;
}

static phial_status check_positionals(const ph_args *args, phial_error *err)
{
    size_t n = 0;
    const ph_positional *pos = args->cmd->positionals;
    for (; pos && pos->name; pos++) {
        if (n >= args->n_positionals && !pos->optional)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "missing argument %s (%s)", pos->name,
                              pos->help);
        if (pos->many)
            return PHIAL_OK;
        n++;
    }
    if (n < args->n_positionals)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unexpected argument '%s'",
                          args->positionals[n]);
    return PHIAL_OK;
}

phial_status ph_args_parse(ph_args *out, const ph_cmd_row *row, int argc, char **argv,
                           phial_error *err)
{
    *out = (ph_args){.cmd = row->cmd, .name = row->name};
    size_t n_opts = 0;
    while (row->cmd->opts && row->cmd->opts[n_opts].name)
        n_opts++;
    /* Each letter of each word may be an option of its own. */
    size_t n_values = n_opts + 1;
    for (int i = 0; i < argc; i++)
        n_values += argv[i][0] == '-' && argv[i][1] != '-' ? strlen(argv[i]) : 1;

    phial_status st = PHIAL_ERR_NO_MEMORY;
    cursor c = {.argc = argc, .argv = argv};
    out->values = ph_alloc(n_values, sizeof *out->values, err);
    out->positionals = ph_alloc((size_t)argc + 1, sizeof *out->positionals, err);
    if (!out->values || !out->positionals)
        goto done;
    st = take_words(out, &c, err);
    if (st != PHIAL_OK || out->help)
        goto done;
    st = fill_in(out, err);
    if (st == PHIAL_OK)
        st = check_positionals(out, err);
    if (st == PHIAL_OK)
        st = fill_otherwise(out, err);
done:
    if (st != PHIAL_OK)
        ph_args_free(out);
    return st;
}

void ph_args_free(ph_args *args)
{
    for (size_t i = 0; i < args->n_values; i++)
        ph_free(args->values[i].list);
    ph_free(args->values);
    ph_free((void *)args->positionals);
    args->values = NULL;
    args->positionals = NULL;
    args->n_values = args->n_positionals = 0;
}

static const ph_arg_value *value_of(const ph_args *args, const char *name, size_t nth)
{
    const ph_opt *opt = find_opt(args->cmd, ph_str_from(name));
    if (!opt) {
        fprintf(stderr, "phial: command '%s' asks for an option --%s it does not declare\n",
                args->name, name);
        abort();
    }
    return find_value(args, opt, nth);
}

bool ph_args_given(const ph_args *args, const char *name)
{
    const ph_arg_value *value = value_of(args, name, 0);
    return value && value->given;
}

bool ph_args_has(const ph_args *args, const char *name)
{
    return value_of(args, name, 0) != NULL;
}

bool ph_args_flag(const ph_args *args, const char *name)
{
    return value_of(args, name, 0) != NULL;
}

const char *ph_args_str(const ph_args *args, const char *name)
{
    return ph_args_nth(args, name, 0);
}

int64_t ph_args_int(const ph_args *args, const char *name)
{
    const ph_arg_value *value = value_of(args, name, 0);
    return value ? value->int_value : 0;
}

uint64_t ph_args_u64(const ph_args *args, const char *name)
{
    const ph_arg_value *value = value_of(args, name, 0);
    return value ? value->u64_value : 0;
}

double ph_args_double(const ph_args *args, const char *name)
{
    const ph_arg_value *value = value_of(args, name, 0);
    return value ? value->double_value : 0;
}

int ph_args_choice(const ph_args *args, const char *name)
{
    const ph_arg_value *value = value_of(args, name, 0);
    return value ? (int)value->int_value : -1;
}

const int64_t *ph_args_list(const ph_args *args, const char *name, size_t *n)
{
    const ph_arg_value *value = value_of(args, name, 0);
    *n = value ? value->n_list : 0;
    return value ? value->list : NULL;
}

const char *ph_args_nth(const ph_args *args, const char *name, size_t i)
{
    const ph_arg_value *value = value_of(args, name, i);
    return value ? value->text : NULL;
}

const char *ph_args_positional(const ph_args *args, size_t i)
{
    return i < args->n_positionals ? args->positionals[i] : NULL;
}
