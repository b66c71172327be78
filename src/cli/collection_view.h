/* What the commands about collections share: names of any bytes on terminals and in JSON, hits. */
#ifndef PH_CLI_COLLECTION_VIEW_H
#define PH_CLI_COLLECTION_VIEW_H

#include "base/json.h"
#include "phial/collection.h"

/* A name as it is if it is UTF-8; otherwise what is not as \xNN. */
ph_json *ph_collection_json_name(phial_text name);
/* "phial: <before><name>: <reason>" on standard error, escaped. */
void ph_collection_say(const char *before, phial_text name, phial_text reason);
ph_json *ph_collection_json_hit(const phial_hit *hit, size_t rank);
void ph_collection_show_hit(const phial_hit *hit, size_t rank);

#endif
