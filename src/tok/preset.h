/* The inside of a preset: fields by table, and finding one by name. Contract: phial/prompt.h. */
#ifndef PH_TOK_PRESET_H
#define PH_TOK_PRESET_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "phial/prompt.h"

enum {
#define PH_SAMPLING_F64(name) PH_SAMPLING_ROW_##name,
#define PH_SAMPLING_I32(name) PH_SAMPLING_ROW_##name,
#include "tok/sampling.def"
#undef PH_SAMPLING_F64
#undef PH_SAMPLING_I32
    PH_N_SAMPLING
};

struct phial_preset {
    ph_arena arena; /* all texts */
    phial_preset_info info;
    double sampling[PH_N_SAMPLING];
    bool has_sampling[PH_N_SAMPLING];
    const char *samplers; /* NULL: not suggested */
};

/* A document on the way to a preset. */
typedef struct ph_preset_source {
    char *label;   /* owned: path or name, for messages */
    char *name;    /* owned: what "extends" would call it */
    ph_json *root; /* owned, an object */
    bool built_in;
} ph_preset_source;

void ph_preset_source_free(ph_preset_source *source);

/* Reads text to source, which was zeroed; label and name are copied. */
phial_status ph_preset_source_parse(ph_preset_source *source, const char *label, const char *name,
                                    const char *json, size_t n, phial_error *err);

/* The document of this name; folder NULL: no folder. */
phial_status ph_preset_source_find(ph_preset_source *source, const char *name, const char *folder,
                                   phial_error *err);
phial_status ph_preset_source_built_in(ph_preset_source *source, const char *name,
                                       phial_error *err);
phial_status ph_preset_source_file(ph_preset_source *source, const char *path, phial_error *err);

/* What "extends" says, *n 0 if nothing; borrowed from the document. */
phial_status ph_preset_source_extends(const ph_preset_source *source, const char **name,
                                      phial_error *err);

/* Letters, digits, '-', '_', '.', not '.' in front, at most PHIAL_PRESET_NAME_MAX. */
bool ph_preset_name_valid(ph_str name);

/* Lays the document's fields over the preset. */
phial_status ph_preset_apply(phial_preset *preset, const ph_preset_source *source,
                             phial_error *err);

/* Fills info.json. */
phial_status ph_preset_write(phial_preset *preset, phial_error *err);

#endif
