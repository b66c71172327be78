/* The KV cache of one session: pages of PH_KV_PAGE token positions.
 *
 * All pages are taken at once as zeroed memory, which the system backs as it is touched; a session
 * with a long context costs what it uses. Pages are addressed one by one so that sequences can come
 * to share them.
 */
#ifndef PH_RT_KVCACHE_H
#define PH_RT_KVCACHE_H

#include "model/forward.h"

typedef struct ph_kvcache {
    const ph_kv_layout *layout; /* borrowed from the engine */
    size_t n_ctx;
    size_t n_pages;
    uint8_t *memory; /* owned */
    uint8_t **pages; /* [n_pages], each aligned to a cache line */
} ph_kvcache;

phial_status ph_kvcache_init(ph_kvcache *cache, const ph_kv_layout *layout, size_t n_ctx,
                             phial_error *err);
void ph_kvcache_free(ph_kvcache *cache);

/* Pages that hold n positions. */
size_t ph_kvcache_pages_for(size_t n);

#endif
