/* Runs a fuzz target without libFuzzer: over every file of the folders named on the command line,
 * as it is, and then over damaged variants of it (bytes changed, cut short, a piece doubled) that
 * are the same on every run. Each input lies in a block of exactly its size, so that
 * AddressSanitizer and valgrind see a read past its end.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"

#define VARIANTS         64
#define INPUT_BYTES_MAX  (64u << 20)
/* Large inputs are there for their size; their variants would only cost time. */
#define VARIED_BYTES_MAX (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_input(const char *data, size_t size)
{
    uint8_t *block = malloc(size ? size : 1);
    if (!block) {
        fprintf(stderr, "replay: out of memory\n");
        exit(1);
    }
    if (size)
        memcpy(block, data, size);
    LLVMFuzzerTestOneInput(block, size);
    free(block);
}

static void damage(ph_rng *rng, const ph_buf *input, ph_buf *out)
{
    ph_buf_clear(out);
    ph_buf_add(out, input->data, input->len);
    size_t at = (size_t)ph_rng_below(rng, input->len);
    switch (ph_rng_below(rng, 4)) {
    case 0:
        out->len = at;
        return;
    case 1:
        ph_buf_add(out, input->data + at, input->len - at);
        return;
    default:
        for (uint64_t n = 1 + ph_rng_below(rng, 8); n; n--) {
            static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '"', '[', '{'};
            uint64_t pick = ph_rng_below(rng, 16);
            uint8_t byte = pick < 8 ? edges[pick] : (uint8_t)ph_rng_u64(rng);
            out->data[ph_rng_below(rng, out->len)] = (char)byte;
        }
    }
}

static int run_file(const char *path)
{
    phial_error err = {0};
    ph_buf input, variant;
    ph_buf_init(&input, INPUT_BYTES_MAX);
    ph_buf_init(&variant, 0);
    phial_status st = ph_file_read(&input, path, INPUT_BYTES_MAX, &err);
    if (st != PHIAL_OK) {
        fprintf(stderr, "replay: %s\n", err.message);
        goto done;
    }
    run_input(input.data, input.len);
    if (input.len > 0 && input.len <= VARIED_BYTES_MAX) {
        ph_rng rng;
        ph_rng_seed(&rng, input.len, 1);
        for (int i = 0; i < VARIANTS; i++) {
            damage(&rng, &input, &variant);
            run_input(variant.data, variant.len);
        }
    }
done:
    ph_buf_free(&input);
    ph_buf_free(&variant);
    return st == PHIAL_OK ? 0 : 1;
}

static int run_folder(const char *folder, size_t *n_run)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        return 1;
    }
    int failed = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = ph_path_join(folder, entry->d_name, NULL);
        failed |= !path || run_file(path);
        ph_free(path);
        ++*n_run;
    }
    closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    size_t n_run = 0;
    for (int i = 1; i < argc; i++)
        failed |= run_folder(argv[i], &n_run);
    if (n_run == 0) {
        fprintf(stderr, "replay: no inputs\n");
        failed = 1;
    }
    printf("%zu inputs, %d variants of each\n", n_run, VARIANTS);
    return failed;
}
