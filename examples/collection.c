/* Makes a collection of records, searches it, and reads the page a hit is on.
 * run: @BUILD@/example.phial @SOURCE@/examples/records.jsonl "how do pandas eat"
 */
#include <phial/collection.h>
#include <stdio.h>
#include <string.h>

static void on_event(void *user, const phial_index_event *event)
{
    (void)user;
    if (event->outcome == PHIAL_INDEX_FAILED)
        fprintf(stderr, "%.*s: %.*s\n", (int)event->path.n, event->path.p, (int)event->reason.n,
                event->reason.p);
}

static phial_status show_page(phial_collection *collection, const phial_hit *hit, phial_error *err)
{
    char *text = NULL;
    size_t n = 0;
    phial_status status = phial_collection_page(collection, hit->doc, hit->page, &text, &n, err);
    if (status == PHIAL_OK)
        printf("its page has %zu bytes; bytes %llu to %llu are the passage\n", n,
               (unsigned long long)hit->start, (unsigned long long)hit->end);
    phial_text_free(text);
    return status;
}

static phial_status run(phial_collection *collection, const char *jsonl, const char *question,
                        phial_error *err)
{
    phial_index_options options;
    phial_index_result result = {.size = sizeof result};
    phial_hits *hits = NULL;
    phial_index_options_default(&options);
    options.jsonl = jsonl;
    options.event = on_event;
    phial_status status = phial_collection_index(collection, &options, &result, err);
    if (status != PHIAL_OK)
        return status;
    printf("%llu new, %llu unchanged\n", (unsigned long long)result.n_indexed,
           (unsigned long long)result.n_skipped);
    status = phial_collection_search(collection, &hits, (phial_text){question, strlen(question)},
                                     NULL, err);
    if (status != PHIAL_OK)
        return status;
    for (size_t i = 0; i < phial_hits_count(hits); i++) {
        const phial_hit *hit = phial_hits_at(hits, i);
        printf("%zu. %.*s: %.*s\n", i + 1, (int)hit->doc.n, hit->doc.p, (int)hit->text.n,
               hit->text.p);
    }
    if (phial_hits_count(hits) > 0)
        status = show_page(collection, phial_hits_at(hits, 0), err);
    phial_hits_free(hits);
    return status;
}

int main(int argc, char **argv)
{
    phial_error err = {0};
    phial_collection *collection = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: collection FILE RECORDS.jsonl QUESTION\n");
        return 2;
    }
    phial_status status =
        phial_collection_open(&collection, argv[1], PHIAL_COLLECTION_CREATE, &err);
    if (status == PHIAL_OK)
        status = run(collection, argv[2], argv[3], &err);
    if (status != PHIAL_OK)
        fprintf(stderr, "collection: %s\n", err.message);
    phial_collection_close(collection);
    return status == PHIAL_OK ? 0 : 1;
}
