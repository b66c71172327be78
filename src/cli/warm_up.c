/* Contract in warm_up.h. Plain reads of a buffer that is thrown away: what counts is that the pages
 * are in the system's cache, where the mapping finds them. */
#include "cli/warm_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli_io.h"
#include "cli/memory_room.h"

#define BLOCK_BYTES         ((size_t)1 << 20)
#define SAMPLE_EVERY        64           /* blocks */
#define SHOW_NS             500000000ull /* a bar from here on */
/* Slower than this, a sample did not come from memory. */
#define CACHED_BYTES_PER_NS 1.0
#define FILES_MAX           1024

typedef struct warm_files {
    int fd[FILES_MAX];
    size_t bytes[FILES_MAX];
    size_t n;
    uint64_t total;
} warm_files;

static void add_file(warm_files *files, const char *path)
{
    struct stat st;
    int fd = files->n < FILES_MAX ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0) {
        close(fd);
        return;
    }
    files->fd[files->n] = fd;
    files->bytes[files->n++] = (size_t)st.st_size;
    files->total += (uint64_t)st.st_size;
}

static void add_folder(warm_files *files, const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char *full = NULL;
        if (ph_str_ends_with(ph_str_from(e->d_name), ".safetensors"))
            full = ph_path_join(path, e->d_name, NULL);
        if (full)
            add_file(files, full);
        ph_free(full);
    }
    if (dir)
        closedir(dir);
}

/* Reads every step-th block; with a bar if there is one. */
static void read_blocks(const warm_files *files, size_t step, char *block, ph_progress *bar)
{
    uint64_t begin_ns = ph_clock_ns(), done = 0;
    for (size_t f = 0; f < files->n; f++) {
        for (size_t at = 0; at < files->bytes[f]; at += step * BLOCK_BYTES) {
            ssize_t n = pread(files->fd[f], block, BLOCK_BYTES, (off_t)at);
            if (n <= 0)
                break;
            done += (uint64_t)n;
            if (bar && ph_clock_ns() - begin_ns > SHOW_NS)
                ph_progress_step(bar, done, files->total);
        }
    }
}

static bool is_cached(const warm_files *files, char *block)
{
    uint64_t begin_ns = ph_clock_ns(), n_blocks = 0;
    for (size_t f = 0; f < files->n; f++)
        n_blocks += files->bytes[f] / (SAMPLE_EVERY * BLOCK_BYTES) + 1;
    read_blocks(files, SAMPLE_EVERY, block, NULL);
    double ns = (double)(ph_clock_ns() - begin_ns);
    return (double)(n_blocks * BLOCK_BYTES) >= ns * CACHED_BYTES_PER_NS;
}

void ph_warm_up(const char *path)
{
    warm_files *files = ph_alloc(1, sizeof *files, NULL);
    char *block = ph_alloc(BLOCK_BYTES, 1, NULL);
    if (files && block) {
        if (ph_file_kind_of(path) == PH_FILE_DIRECTORY)
            add_folder(files, path);
        else
            add_file(files, path);
        if (files->total > SAMPLE_EVERY * BLOCK_BYTES && files->total < ph_memory_room() &&
            !is_cached(files, block)) {
            ph_progress bar;
            ph_buf what;
            ph_buf_init(&what, 0);
            ph_buf_addf(&what, "loading %s", ph_path_base(path));
            ph_progress_start(&bar, what.data ? what.data : "loading");
            read_blocks(files, 1, block, &bar);
            ph_progress_end(&bar);
            ph_buf_free(&what);
        }
        for (size_t f = 0; f < files->n; f++)
            close(files->fd[f]);
    }
    ph_free(files);
    ph_free(block);
}
