/* Small collections with vectors by the repository's random models, for tests. */
#ifndef PH_TESTS_VECTORS_UTIL_H
#define PH_TESTS_VECTORS_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli_run.h"
#include "phial/vectors.h"

#define BERT PHIAL_SOURCE_DIR "/tests/data/tiny-bert"
#define PHI  PHIAL_SOURCE_DIR "/tests/data/tiny-phi"

static char folder[] = "/tmp/phial-vectors-XXXXXX";
static phial_error err;

static inline const char *in_folder(const char *name)
{
    static char paths[8][256];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void ok(phial_status st)
{
    if (st != PHIAL_OK)
        fail_msg("%s", err.message);
}

/* Records from .. from + n - 1, in words that repeat; with n_sentences > 1 of several chunks. */
static inline void put_records(const char *name, int from, int n, int n_sentences)
{
    static const char *const words[] = {"people", "water", "time",  "light", "place",
                                        "word",   "oil",   "first", "day",   "number"};
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    for (int i = from; i < from + n; i++) {
        fprintf(f, "{\"_id\":\"d%d\",\"title\":\"%s\",\"text\":\"", i, words[i % 10]);
        for (int s = 0; s < n_sentences; s++)
            fprintf(f, "The %s has come down to the %s in the %s of %s and they find %d. ",
                    words[i % 10], words[(i / 10 + s) % 10], words[(i * 3 + s) % 10],
                    words[(i * 7 + s * s) % 10], i);
        fprintf(f, "\"}\n");
    }
    fclose(f);
}

static inline phial_collection *open_as(const char *name, phial_collection_access access)
{
    phial_collection *c = NULL;
    ok(phial_collection_open(&c, in_folder(name), access, &err));
    return c;
}

static inline void index_texts(const char *collection, const char *jsonl, uint32_t chunk_tokens)
{
    phial_index_options o;
    phial_index_options_default(&o);
    o.jsonl = in_folder(jsonl);
    o.n_jobs = 1;
    o.chunk_tokens = chunk_tokens;
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_CREATE);
    ok(phial_collection_index(c, &o, NULL, &err));
    phial_collection_close(c);
}

static inline phial_embedder *open_embedder(const char *path, phial_pooling pooling, bool unit)
{
    phial_embedder *e = NULL;
    phial_embedder_options o;
    phial_embedder_options_default(&o);
    o.pooling = pooling;
    o.n_threads = 1;
    if (unit)
        o.normalize = PHIAL_NORMALIZE_YES;
    ok(phial_embedder_open(&e, path, &o, &err));
    return e;
}

static inline phial_vectors_result embed_all(const char *collection, phial_embedder *e,
                                             phial_whiten whiten)
{
    phial_vectors_options o;
    phial_vectors_result r = {.size = sizeof r};
    phial_vectors_options_default(&o);
    o.whiten = whiten;
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_WRITE);
    ok(phial_collection_embed(c, e, &o, &r, &err));
    phial_collection_close(c);
    return r;
}

static inline phial_vectors_info info_of(phial_collection *c)
{
    phial_vectors_info info = {.size = sizeof info, .count = true};
    ok(phial_collection_get_vectors(c, &info, &err));
    return info;
}

static inline phial_status search_for(phial_collection *c, phial_hits **hits, const char *query,
                                      const phial_search_options *o)
{
    return phial_collection_search(c, hits, (phial_text){query, strlen(query)}, o, &err);
}

static inline void sql(const char *name, const char *text)
{
    char line[4000];
    snprintf(line, sizeof line, "sqlite3 %s \"%s\"", in_folder(name), text);
    const cli_result *r = cli_run(line);
    if (r->code != 0)
        fail_msg("%s: %s", line, r->err);
}

static inline void copy_file(const char *from, const char *to)
{
    char line[600];
    snprintf(line, sizeof line, "cp %s %s", in_folder(from), in_folder(to));
    assert_int_equal(cli_run(line)->code, 0);
}

static inline int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    setenv("D", folder, 1);
    return setenv("XDG_CACHE_HOME", in_folder("cache"), 1);
}

static inline int remove_folder(void **state)
{
    (void)state;
    return cli_run("chmod -R u+w $D; rm -rf $D")->code;
}

#endif
