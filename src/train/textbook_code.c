/* Short functions in Python and C, with a program that checks each. */
#include <string.h>

#include "train/textbook_kinds.h"
#include "train/textbook_tales.h"

typedef struct task {
    const char *what, *names, *args, *python, *c, *check;
} task;

static const task tasks[] = {
#define PH_TASK(what, names, args, python, c, check) {what, names, args, python, c, check},
#include "train/textbook_code.def"
#undef PH_TASK
};

static const char python_requests[] =
    "Write a Python function that {what}.|Write a function in Python that {what}.|Python function "
    "that {what}.|"
    "Show me a Python function that {what}.|Can you write a Python function that {what}?|Please "
    "write Python code that {what}.|"
    "Write a Python function called {f} that {what}.|I need a Python function that {what}.";
static const char c_requests[] =
    "Write a C function that {what}.|Write a function in C that {what}.|C function that {what}.|"
    "Show me a C function that {what}.|Can you write a C function that {what}?|Please write C code "
    "that {what}.|"
    "Write a C function called {f} that {what}.|I need a C function that {what}.";

/* What $f, $x, $y, $z stand for. */
typedef struct binding {
    ph_str name, args[3];
    size_t n_args;
} binding;

static void add_code(ph_buf *out, const binding *b, ph_str code, const char *indent)
{
    ph_buf_add_str(out, indent);
    for (size_t i = 0; i < code.n; i++) {
        if (code.p[i] == '$') {
            char which = code.p[++i];
            ph_str with = which == 'f' ? b->name : b->args[which - 'x'];
            ph_buf_add(out, with.p, with.n);
        } else {
            ph_buf_add_byte(out, (uint8_t)code.p[i]);
            if (code.p[i] == '\n')
                ph_buf_add_str(out, indent);
        }
    }
}

static void add_args(ph_buf *out, const binding *b, const char *type)
{
    for (size_t i = 0; i < b->n_args; i++)
        ph_buf_addf(out, "%s%s%.*s", i > 0 ? ", " : "", type, (int)b->args[i].n, b->args[i].p);
}

/* "not" is "!" in C. */
static void add_check(ph_buf *out, const binding *b, const char *check, bool is_c)
{
    ph_str rest = ph_str_from(check), one;
    ph_buf_add_str(out, is_c ? "\nint main(void)\n{\n    return !(1" : "\n");
    while (ph_tb_split(&rest, ';', &one)) {
        one = ph_str_starts_with(one, "py:") ? (ph_str){one.p + 3, one.n - 3} : one;
        bool negated = ph_str_starts_with(one, "not ");
        one = negated ? (ph_str){one.p + 4, one.n - 4} : one;
        ph_buf_add_str(out, is_c ? " && " : "assert ");
        ph_buf_add_str(out, !negated ? "(" : is_c ? "!(" : "not (");
        add_code(out, b, one, "");
        ph_buf_add_str(out, is_c ? ")" : ")\n");
    }
    if (is_c)
        ph_buf_add_str(out, ");\n}\n");
}

bool ph_textbook_write_code(ph_tb *t)
{
    ph_textbook_example *ex = t->ex;
    const task *k = &tasks[ph_tb_below(t, sizeof tasks / sizeof tasks[0])];
    binding b = {.name = ph_tb_pick(t, k->names, '|')};
    ph_str args = ph_tb_pick(t, k->args, '|'), arg;
    char name[32];
    ex->is_c = k->c[0] && ph_tb_chance(t, 45);
    while (b.n_args < 3 && ph_tb_split(&args, ',', &arg))
        b.args[b.n_args++] = arg;
    if (b.name.n >= sizeof name)
        return false;
    memcpy(name, b.name.p, b.name.n);
    name[b.name.n] = 0;
    ph_tb_slot_set(&t->env, "f", name);
    ph_tb_slot_set(&t->env, "what", k->what);
    if (!ph_tb_request(t, ex->is_c ? c_requests : python_requests))
        return false;
    ph_buf *out = &ex->completion;
    ph_buf_addf(out, ex->is_c ? "\nint %s(" : "\ndef %s(", name);
    add_args(out, &b, ex->is_c ? "int " : "");
    ph_buf_add_str(out, ex->is_c ? ")\n{\n" : "):\n");
    add_code(out, &b, ph_str_from(ex->is_c ? k->c : k->python), "    ");
    if (ex->is_c)
        ph_buf_add_str(out, "\n}");
    ph_buf_add(&ex->check, out->data + 1, out->len - 1);
    ph_buf_add_byte(&ex->check, '\n');
    add_check(&ex->check, &b, k->check, ex->is_c);
    return true;
}
