/* Contract in warm_up.h. Plain reads of a buffer that is thrown away: what counts is that the pages
 * are in the system's cache, where the mapping finds them. The disk is kept busy by asking for some
 * megabytes ahead. Source: preadv2(2) on RWF_NOWAIT. */
#include "cli/warm_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli_io.h"
#include "cli/memory_room.h"

#define BLOCK_BYTES  ((size_t)1 << 20)
#define AHEAD_BYTES  (16 * BLOCK_BYTES) /* asked for before it is read */
#define PAGE_BYTES   4096
#define SAMPLE_EVERY 8            /* blocks */
#define SHOW_NS      500000000ull /* a bar from here on */
#define FILES_MAX    1024

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

static void read_all(const warm_files *files, char *block, ph_progress *bar)
{
    uint64_t begin_ns = ph_clock_ns(), done = 0;
    for (size_t f = 0; f < files->n; f++) {
        posix_fadvise(files->fd[f], 0, AHEAD_BYTES, POSIX_FADV_WILLNEED);
        for (size_t at = 0; at < files->bytes[f]; at += BLOCK_BYTES) {
            posix_fadvise(files->fd[f], (off_t)(at + AHEAD_BYTES), BLOCK_BYTES,
                          POSIX_FADV_WILLNEED);
            ssize_t n = pread(files->fd[f], block, BLOCK_BYTES, (off_t)at);
            if (n <= 0)
                break;
            done += (uint64_t)n;
            if (ph_clock_ns() - begin_ns > SHOW_NS)
                ph_progress_step(bar, done, files->total);
        }
    }
}

/* Asks for a page of every SAMPLE_EVERY blocks that need not be waited for. Where the file system
 * cannot tell, the file counts as cached and is left to the order of computing. */
static bool is_cached(const warm_files *files, char *block)
{
    struct iovec page = {block, PAGE_BYTES};
    for (size_t f = 0; f < files->n; f++) {
        for (size_t at = 0; at < files->bytes[f]; at += SAMPLE_EVERY * BLOCK_BYTES) {
            if (preadv2(files->fd[f], &page, 1, (off_t)at, RWF_NOWAIT) < 0 && errno == EAGAIN)
                return false;
        }
    }
    return true;
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
            read_all(files, block, &bar);
            ph_progress_end(&bar);
            ph_buf_free(&what);
        }
        for (size_t f = 0; f < files->n; f++)
            close(files->fd[f]);
    }
    ph_free(files);
    ph_free(block);
}
