/* KV cache pages; contract in kvcache.h. */
#include "rt/kvcache.h"

#include "base/mem.h"

size_t ph_kvcache_pages_for(size_t n)
{
    return (n + PH_KV_PAGE - 1) / PH_KV_PAGE;
}

phial_status ph_kvcache_init(ph_kvcache *cache, const ph_kv_layout *layout, size_t n_ctx,
                             phial_error *err)
{
    *cache = (ph_kvcache){.layout = layout, .n_ctx = n_ctx};
    cache->n_pages = ph_kvcache_pages_for(n_ctx);
    size_t bytes;
    if (!ph_mul_size(&bytes, cache->n_pages, layout->page_bytes) ||
        !ph_add_size(&bytes, bytes, PH_CACHE_LINE)) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "a KV cache of %zu tokens", n_ctx);
    }
    cache->memory = ph_alloc(bytes, 1, err);
    cache->pages = ph_alloc(cache->n_pages, sizeof *cache->pages, err);
    if (cache->memory == NULL || cache->pages == NULL) {
        ph_kvcache_free(cache);
        return ph_err_context(err, PHIAL_ERR_NO_MEMORY, "a KV cache of %zu tokens", n_ctx);
    }
    uintptr_t start = (uintptr_t)cache->memory;
    uint8_t *first = cache->memory + (ph_align_up(start, PH_CACHE_LINE) - start);
    for (size_t i = 0; i < cache->n_pages; i++) {
        cache->pages[i] = first + i * layout->page_bytes;
    }
    return PHIAL_OK;
}

void ph_kvcache_free(ph_kvcache *cache)
{
    ph_free(cache->memory);
    ph_free(cache->pages);
    *cache = (ph_kvcache){0};
}
