/* The table of commands, made from cmd.def. */
#include "cli/cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define PH_CMD(name, summary)                      extern const ph_cmd ph_cmd_##name;
#define PH_SUBCMD(family, name, summary)           extern const ph_cmd ph_cmd_##family##_##name;
#define PH_SUBCMD_AS(family, name, shown, summary) PH_SUBCMD(family, name, summary)
#include "cli/cmd.def"
#undef PH_CMD
#undef PH_SUBCMD
#undef PH_SUBCMD_AS

static const ph_cmd_row rows[] = {
#define PH_CMD(name, summary)            {#name, summary, &ph_cmd_##name},
#define PH_SUBCMD(family, name, summary) {#family " " #name, summary, &ph_cmd_##family##_##name},
#define PH_SUBCMD_AS(family, name, shown, summary)                                                 \
    {#family " " shown, summary, &ph_cmd_##family##_##name},
#include "cli/cmd.def"
#undef PH_CMD
#undef PH_SUBCMD
#undef PH_SUBCMD_AS
};

size_t ph_cmd_count(void)
{
    return sizeof rows / sizeof rows[0];
}

const ph_cmd_row *ph_cmd_at(size_t i)
{
    return i < ph_cmd_count() ? &rows[i] : NULL;
}

const ph_cmd_row *ph_cmd_find(const char *name)
{
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

const ph_cmd_row *ph_cmd_find_pair(const char *first, const char *second)
{
    size_t n = strlen(first);
    for (size_t i = 0; second && i < ph_cmd_count(); i++) {
        const char *name = rows[i].name;
        if (strncmp(name, first, n) == 0 && name[n] == ' ' && strcmp(name + n + 1, second) == 0)
            return &rows[i];
    }
    return NULL;
}

bool ph_cmd_is_family(const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        if (strncmp(rows[i].name, word, n) == 0 && rows[i].name[n] == ' ')
            return true;
    }
    return false;
}

void ph_cmd_page_name(char *out, size_t out_bytes, const ph_cmd_row *row)
{
    snprintf(out, out_bytes, "phial-%s", row->name);
    for (char *p = out; *p; p++)
        *p = *p == ' ' ? '-' : *p;
}

const ph_cmd_row *ph_cmd_nearest(const char *name)
{
    ph_nearest near = {.name = ph_str_from(name)};
    for (size_t i = 0; i < ph_cmd_count(); i++)
        ph_nearest_try(&near, rows[i].name);
    return near.best ? ph_cmd_find(near.best) : NULL;
}
