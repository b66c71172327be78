/* Which sentence is nearest to a question: nearest MODEL QUESTION SENTENCE...
 *
 * MODEL is an embedding model's folder or GGUF file (or a language model's). Prints the sentences'
 * cosine similarities to the question, and the nearest one. Texts that the model is told are
 * questions or passages get the words it wants in front of them.
 *
 * run: @SOURCE@/tests/data/tiny-bert "where is the water" "follow the water down" "a new word"
 */
#include <phial/embed.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const phial_error *err)
{
    fprintf(stderr, "nearest: %s\n", err->message);
    return 1;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static void show(const float *vectors, size_t dim, char **sentences, size_t n)
{
    size_t best = 0;
    double most = -2;
    for (size_t i = 0; i < n; i++) {
        double cosine = dot(vectors, vectors + (i + 1) * dim, dim);
        printf("%7.4f  %s\n", cosine, sentences[i]);
        if (cosine > most) {
            most = cosine;
            best = i;
        }
    }
    printf("nearest: %s\n", sentences[best]);
}

int main(int argc, char **argv)
{
    phial_error err = {PHIAL_ERR_NO_MEMORY, "out of memory"};
    phial_embedder *embedder = NULL;
    if (argc < 4) {
        fprintf(stderr, "usage: nearest MODEL QUESTION SENTENCE...\n");
        return 2;
    }
    phial_embedder_options options;
    phial_embedder_options_default(&options);
    options.normalize = PHIAL_NORMALIZE_YES; /* so that dot products are cosines */
    phial_status status = phial_embedder_open(&embedder, argv[1], &options, &err);
    if (status != PHIAL_OK)
        return fail(&err);
    size_t n = (size_t)argc - 3, dim = phial_embedder_dim(embedder);
    float *vectors = calloc((n + 1) * dim, sizeof *vectors);
    phial_text *texts = calloc(n + 1, sizeof *texts);
    if (vectors && texts) {
        for (size_t i = 0; i <= n; i++)
            texts[i] = (phial_text){argv[2 + i], strlen(argv[2 + i])};
        status = phial_embed(embedder, vectors, NULL, texts, 1, PHIAL_EMBED_QUERY, NULL, &err);
        if (status == PHIAL_OK)
            status = phial_embed(embedder, vectors + dim, NULL, texts + 1, n, PHIAL_EMBED_PASSAGE,
                                 NULL, &err);
        if (status == PHIAL_OK)
            show(vectors, dim, argv + 3, n);
    }
    bool done = vectors && texts && status == PHIAL_OK;
    free(texts);
    free(vectors);
    phial_embedder_close(embedder);
    return done ? 0 : fail(&err);
}
