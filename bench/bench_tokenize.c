/* Tokenizer speed, one thread: bench_tokenize MODEL FILE ROUNDS [IDS]
 *
 * Prints one JSON object: nanoseconds of CPU time (neighbours on the machine change it less than
 * the time on the wall) to open the tokenizer and to encode the file, as one document and line by
 * line, in the fastest of ROUNDS rounds and in the first (an encoder that has seen nothing), and
 * the number of tokens. IDS gets the ids of the one document as 32-bit numbers, so that whoever
 * compares programs sees that they did the same work. bench_tokenizer.py runs it beside other
 * tokenizers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/str.h"
#include "phial/tokenizer.h"

typedef struct timing {
    uint64_t first_ns, best_ns;
    size_t n_ids;
} timing;

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const phial_error *err)
{
    fprintf(stderr, "bench_tokenize: %s\n", err->message);
    exit(1);
}

static void encode(timing *t, phial_encoder *e, const char *text, size_t n)
{
    phial_error err = {0};
    size_t n_ids;
    if (phial_encoder_run(e, text, n, PHIAL_ENCODE_SPECIAL, &err) != PHIAL_OK)
        die(&err);
    phial_encoder_ids(e, &n_ids);
    t->n_ids += n_ids;
}

static void measure(timing *t, const phial_tokenizer *tokenizer, const ph_buf *text, bool by_line,
                    int64_t rounds, const char *ids_path)
{
    phial_error err = {0};
    phial_encoder *e = NULL;
    if (phial_encoder_new(&e, tokenizer, &err) != PHIAL_OK)
        die(&err);
    for (int64_t r = 0; r < rounds; r++) {
        t->n_ids = 0;
        uint64_t begin = cpu_ns();
        if (!by_line)
            encode(t, e, text->data, text->len);
        for (size_t i = 0; by_line && i < text->len;) {
            const char *newline = memchr(text->data + i, '\n', text->len - i);
            size_t n = newline ? (size_t)(newline - text->data) - i : text->len - i;
            encode(t, e, text->data + i, n);
            i += n + 1;
        }
        uint64_t ns = cpu_ns() - begin;
        t->first_ns = r == 0 ? ns : t->first_ns;
        t->best_ns = r == 0 || ns < t->best_ns ? ns : t->best_ns;
    }
    if (ids_path) {
        size_t n_ids;
        const uint32_t *ids = phial_encoder_ids(e, &n_ids);
        FILE *f = fopen(ids_path, "wb");
        if (!f || fwrite(ids, sizeof *ids, n_ids, f) != n_ids || fclose(f) != 0) {
            perror(ids_path);
            exit(1);
        }
    }
    phial_encoder_free(e);
}

int main(int argc, char **argv)
{
    phial_error err = {0};
    phial_tokenizer *tokenizer = NULL;
    ph_buf text;
    int64_t rounds = 0;
    if ((argc != 4 && argc != 5) || !ph_str_parse_i64(ph_str_from(argv[3]), &rounds) ||
        rounds < 1) {
        fprintf(stderr, "usage: bench_tokenize MODEL FILE ROUNDS [IDS]\n");
        return 2;
    }
    uint64_t open_ns = UINT64_MAX;
    for (int64_t r = 0; r < rounds; r++) {
        phial_tokenizer_close(tokenizer);
        uint64_t begin = cpu_ns();
        if (phial_tokenizer_open(&tokenizer, argv[1], &err) != PHIAL_OK)
            die(&err);
        uint64_t ns = cpu_ns() - begin;
        open_ns = ns < open_ns ? ns : open_ns;
    }
    ph_buf_init(&text, 0);
    if (ph_file_read(&text, argv[2], PHIAL_TEXT_MAX, &err) != PHIAL_OK)
        die(&err);
    timing whole = {0}, lines = {0};
    measure(&whole, tokenizer, &text, false, rounds, argc == 5 ? argv[4] : NULL);
    measure(&lines, tokenizer, &text, true, rounds, NULL);
    printf("{\"bytes\":%zu,\"open_ns\":%" PRIu64 ",\"n_ids\":%zu,\"first_ns\":%" PRIu64
           ",\"best_ns\":%" PRIu64 ",\"lines_n_ids\":%zu,\"lines_first_ns\":%" PRIu64
           ",\"lines_best_ns\":%" PRIu64 "}\n",
           text.len, open_ns, whole.n_ids, whole.first_ns, whole.best_ns, lines.n_ids,
           lines.first_ns, lines.best_ns);
    ph_buf_free(&text);
    phial_tokenizer_close(tokenizer);
    return 0;
}
