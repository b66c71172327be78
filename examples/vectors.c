/* Gives a collection vectors, and searches it by meaning: vectors COLLECTION JSONL EMBEDDER QUERY
 *
 * The first run makes the vectors; later ones find them, and the embedder that the collection
 * remembers. What is scanned is kept in the user's cache folder.
 * run: @BUILD@/vectors.phial @SOURCE@/examples/records.jsonl @SOURCE@/tests/data/tiny-bert "a bear"
 */
#include <phial/vectors.h>
#include <stdio.h>
#include <string.h>

static bool on_progress(void *user, const phial_vectors_progress *p)
{
    (void)user;
    fprintf(stderr, "%llu of %llu\n", (unsigned long long)p->done, (unsigned long long)p->total);
    return true; /* false would stop, and a later run go on here */
}

static phial_status make_vectors(phial_collection *collection, const char *jsonl,
                                 phial_embedder *embedder, phial_error *err)
{
    phial_index_options texts;
    phial_vectors_options options;
    phial_vectors_result result = {.size = sizeof result};
    phial_index_options_default(&texts);
    texts.jsonl = jsonl;
    phial_status status = phial_collection_index(collection, &texts, NULL, err);
    phial_vectors_options_default(&options);
    options.progress = on_progress;
    if (status == PHIAL_OK)
        status = phial_collection_embed(collection, embedder, &options, &result, err);
    if (status == PHIAL_OK)
        printf("%llu new vectors of %u numbers\n", (unsigned long long)result.n_embedded,
               (unsigned)phial_embedder_dim(embedder));
    return status;
}

static phial_status search(phial_collection *collection, phial_embedder *embedder,
                           const char *query, phial_error *err)
{
    phial_search_options options;
    phial_hits *hits = NULL;
    phial_search_options_default(&options);
    options.mode = PHIAL_SEARCH_HYBRID; /* words and vectors */
    options.embedder = embedder;
    phial_status status = phial_collection_search(
        collection, &hits, (phial_text){query, strlen(query)}, &options, err);
    for (size_t i = 0; status == PHIAL_OK && i < phial_hits_count(hits); i++) {
        const phial_hit *hit = phial_hits_at(hits, i);
        printf("%.3f %.*s: %.*s\n", hit->score, (int)hit->doc.n, hit->doc.p, (int)hit->text.n,
               hit->text.p);
    }
    phial_hits_free(hits);
    return status;
}

int main(int argc, char **argv)
{
    phial_error err = {0};
    phial_collection *collection = NULL;
    phial_embedder *embedder = NULL;
    if (argc != 5) {
        fprintf(stderr, "usage: vectors COLLECTION JSONL EMBEDDER QUERY\n");
        return 2;
    }
    phial_status status =
        phial_collection_open(&collection, argv[1], PHIAL_COLLECTION_CREATE, &err);
    if (status == PHIAL_OK)
        status = phial_embedder_open(&embedder, argv[3], NULL, &err);
    if (status == PHIAL_OK)
        status = make_vectors(collection, argv[2], embedder, &err);
    if (status == PHIAL_OK)
        status = search(collection, embedder, argv[4], &err);
    if (status != PHIAL_OK)
        fprintf(stderr, "%s\n", err.message);
    phial_embedder_close(embedder);
    phial_collection_close(collection);
    return status == PHIAL_OK ? 0 : 1;
}
