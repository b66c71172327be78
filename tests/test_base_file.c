/* base/file: mappings and what happens when the file shrinks under them, whole reads, atomic
 * writes. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

static char folder[] = "/tmp/phial-test-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *path, size_t bytes, int fill)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < bytes; i++)
        fputc(fill, f);
    assert_int_equal(fclose(f), 0);
}

static int count_files(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.' || (e->d_name[1] != 0 && e->d_name[1] != '.');
    closedir(dir);
    return n;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void test_map(void **state)
{
    (void)state;
    ph_map *map = NULL;
    phial_error err = {0};
    write_file(path_of("a"), 10000, 'a');
    assert_int_equal(ph_map_open(&map, path_of("a"), &err), PHIAL_OK);
    assert_int_equal(ph_map_size(map), 10000);
    assert_int_equal(ph_map_data(map)[9999], 'a');
    assert_string_equal(ph_map_path(map), path_of("a"));
    for (int advice = PH_MAP_NORMAL; advice <= PH_MAP_RELEASE; advice++) {
        ph_map_advise(map, 5000, SIZE_MAX, (ph_map_advice)advice);
        ph_map_advise(map, 20000, 1, (ph_map_advice)advice);
    }
    assert_int_equal(ph_map_data(map)[6000], 'a');
    assert_int_equal(ph_map_check(map, &err), PHIAL_OK);
    assert_false(ph_map_lost(map));
    ph_map_close(map);
    ph_map_close(NULL);
    write_file(path_of("empty"), 0, 0);
    assert_int_equal(ph_map_open(&map, path_of("empty"), &err), PHIAL_OK);
    assert_int_equal(ph_map_size(map), 0);
    assert_non_null(ph_map_data(map));
    assert_int_equal(ph_map_check(map, &err), PHIAL_OK);
    ph_map_close(map);
}

static void test_map_refuses(void **state)
{
    (void)state;
    ph_map *map = NULL;
    phial_error err = {0};
    assert_int_equal(ph_map_open(&map, path_of("none"), &err), PHIAL_ERR_IO);
    assert_non_null(strstr(err.message, "none: No such file"));
    assert_int_equal(ph_map_open(&map, folder, &err), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_int_equal(ph_map_open(&map, path_of("fifo"), &err), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(ph_map_open(&map, "/dev/zero", &err), PHIAL_ERR_BAD_INPUT);
    assert_null(map);
}

static void test_shrinking_file(void **state)
{
    (void)state;
    enum { BYTES = 64 << 10 };
    ph_map *map = NULL, *other = NULL;
    phial_error err = {0};
    write_file(path_of("shrinks"), BYTES, 's');
    write_file(path_of("stays"), BYTES, 't');
    assert_int_equal(ph_map_open(&map, path_of("shrinks"), &err), PHIAL_OK);
    assert_int_equal(ph_map_open(&other, path_of("stays"), &err), PHIAL_OK);
    assert_int_equal(truncate(path_of("shrinks"), 4096), 0);
    /* Noticed before a missing page is touched ... */
    assert_int_equal(ph_map_check(map, &err), PHIAL_ERR_FILE_CHANGED);
    assert_false(ph_map_lost(map));
    /* ... and when one is. */
    const volatile uint8_t *data = ph_map_data(map);
    unsigned sum = 0;
    for (size_t i = 4096; i < BYTES; i++)
        sum += data[i];
    assert_int_equal(sum, 0);
    assert_int_equal(data[4095], 's');
    assert_true(ph_map_lost(map));
    assert_false(ph_map_lost(other));
    assert_int_equal(ph_map_check(map, &err), PHIAL_ERR_FILE_CHANGED);
    assert_non_null(strstr(err.message, "shrinks: the file became shorter"));
    assert_int_equal(ph_map_check(other, &err), PHIAL_OK);
    ph_map_close(map);
    ph_map_close(other);
}

static volatile sig_atomic_t foreign_faults;
static sigjmp_buf behind_fault;

static void on_foreign_fault(int sig)
{
    (void)sig;
    foreign_faults++;
    siglongjmp(behind_fault, 1);
}

/* A SIGBUS that is not ours goes to whom it would have gone to, and the handler is given back. */
static void test_foreign_sigbus(void **state)
{
    (void)state;
    struct sigaction mine = {.sa_handler = on_foreign_fault}, before, now;
    sigaction(SIGBUS, &mine, &before);
    ph_map *map = NULL;
    write_file(path_of("b"), 100, 'b');
    assert_int_equal(ph_map_open(&map, path_of("b"), NULL), PHIAL_OK);
    if (sigsetjmp(behind_fault, 1) == 0)
        raise(SIGBUS);
    assert_int_equal(foreign_faults, 1);
    ph_map_close(map);
    sigaction(SIGBUS, &before, &now);
    assert_ptr_equal(now.sa_handler, on_foreign_fault);
}

static void test_many_maps(void **state)
{
    (void)state;
    ph_map *maps[PH_MAP_MAX + 1] = {0};
    phial_error err = {0};
    write_file(path_of("m"), 100, 'm');
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PH_MAP_MAX; i++)
            assert_int_equal(ph_map_open(&maps[i], path_of("m"), &err), PHIAL_OK);
        assert_int_equal(ph_map_open(&maps[PH_MAP_MAX], path_of("m"), &err), PHIAL_ERR_LIMIT);
        for (int i = 0; i < PH_MAP_MAX; i++)
            ph_map_close(maps[i]);
    }
}

static void test_read(void **state)
{
    (void)state;
    ph_buf buf;
    phial_error err = {0};
    ph_buf_init(&buf, 0);
    write_file(path_of("r"), 200000, 0);
    assert_int_equal(ph_file_read(&buf, path_of("r"), 200000, &err), PHIAL_OK);
    assert_int_equal(buf.len, 200000);
    ph_buf_clear(&buf);
    assert_int_equal(ph_file_read(&buf, path_of("r"), 199999, &err), PHIAL_ERR_LIMIT);
    assert_non_null(strstr(err.message, "199999"));
    ph_buf_clear(&buf);
    assert_int_equal(ph_file_read(&buf, "/dev/zero", 1000, &err), PHIAL_ERR_LIMIT);
    assert_int_equal(ph_file_read(&buf, path_of("none"), 1, &err), PHIAL_ERR_IO);
    assert_int_equal(ph_file_read(&buf, folder, 1, &err), PHIAL_ERR_IO);
    ph_buf_free(&buf);
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < 4; i++) {
        char *path = ph_path_join(cases[i][0], cases[i][1], NULL);
        assert_string_equal(path, cases[i][2]);
        assert_string_equal(ph_path_base(path), "b");
        ph_free(path);
    }
    assert_int_equal(ph_file_kind_of(folder), PH_FILE_DIRECTORY);
    assert_int_equal(ph_file_kind_of("/dev/null"), PH_FILE_OTHER);
    assert_int_equal(ph_file_kind_of(path_of("none")), PH_FILE_MISSING);
    phial_error err;
    assert_int_equal(ph_dir_make(path_of("dir"), &err), PHIAL_OK);
    assert_int_equal(ph_dir_make(path_of("dir"), &err), PHIAL_OK);
    write_file(path_of("not-a-dir"), 1, 0);
    assert_int_equal(ph_dir_make(path_of("not-a-dir"), &err), PHIAL_ERR_IO);
    assert_int_equal(ph_dir_make(path_of("no/such"), &err), PHIAL_ERR_IO);
}

static void test_writer(void **state)
{
    (void)state;
    ph_writer *w = NULL;
    phial_error err = {0};
    ph_buf want, got;
    ph_buf_init(&want, 0);
    ph_buf_init(&got, 0);
    static uint8_t block[400000];
    memset(block, 7, sizeof block);
    assert_int_equal(ph_writer_open(&w, path_of("w"), &err), PHIAL_OK);
    static const size_t sizes[] = {0, 1, 100, 262143, 262144, 262145, 400000, 3};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(ph_writer_write(w, block, sizes[i], &err), PHIAL_OK);
        assert_int_equal(ph_writer_zeros(w, sizes[i] % 1000, &err), PHIAL_OK);
        ph_buf_add(&want, block, sizes[i]);
        ph_buf_add_zeros(&want, sizes[i] % 1000);
        assert_int_equal(ph_writer_offset(w), want.len);
    }
    assert_int_equal(ph_writer_patch(w, 2, "head", 4, &err), PHIAL_OK);
    assert_int_equal(ph_writer_patch(w, want.len - 4, "tail", 4, &err), PHIAL_OK);
    assert_int_equal(ph_writer_patch(w, want.len - 3, "tail", 4, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_writer_patch(w, UINT64_MAX, "tail", 4, &err), PHIAL_ERR_ARGUMENT);
    memcpy(want.data + 2, "head", 4);
    memcpy(want.data + want.len - 4, "tail", 4);
    assert_int_equal(ph_file_kind_of(path_of("w")), PH_FILE_MISSING);
    assert_int_equal(ph_writer_commit(w, &err), PHIAL_OK);
    ph_writer_close(w);
    assert_int_equal(ph_file_read(&got, path_of("w"), SIZE_MAX, &err), PHIAL_OK);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    ph_buf_free(&want);
    ph_buf_free(&got);
}

static void test_writer_is_atomic(void **state)
{
    (void)state;
    ph_writer *w = NULL;
    phial_error err = {0};
    write_file(path_of("old"), 5, 'o');
    int before = count_files();
    assert_int_equal(ph_writer_open(&w, path_of("old"), &err), PHIAL_OK);
    assert_int_equal(ph_writer_write(w, "new", 3, &err), PHIAL_OK);
    ph_writer_close(w); /* no commit */
    ph_writer_close(NULL);
    ph_buf got;
    ph_buf_init(&got, 0);
    assert_int_equal(ph_file_read(&got, path_of("old"), 100, &err), PHIAL_OK);
    assert_string_equal(got.data, "ooooo");
    assert_int_equal(count_files(), before);
    assert_int_equal(ph_writer_open(&w, path_of("no/such"), &err), PHIAL_ERR_IO);
    ph_buf_free(&got);
}

/* Out of room in the middle (a limit on file size stands in for a full disk): a sentence, the old
 * file untouched, no temporary file left. In a process of its own, which the limit dies with. */
static void test_writer_out_of_room(void **state)
{
    (void)state;
    write_file(path_of("kept"), 5, 'k');
    int before = count_files();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static uint8_t block[1 << 20];
        struct rlimit limit = {100000, 100000};
        ph_writer *w = NULL;
        phial_error err = {0};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        int code = 1;
        if (ph_writer_open(&w, path_of("kept"), &err) == PHIAL_OK &&
            ph_writer_write(w, block, sizeof block, &err) == PHIAL_ERR_IO &&
            strstr(err.message, "kept: writing: File too large"))
            code = 0;
        ph_writer_close(w);
        _exit(code);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(count_files(), before);
    struct stat st;
    assert_int_equal(stat(path_of("kept"), &st), 0);
    assert_int_equal(st.st_size, 5);
}

/* Whoever writes to a pipe or a device by its name must find it there afterwards. */
static void test_writer_into_pipe(void **state)
{
    (void)state;
    ph_writer *w = NULL;
    phial_error err = {0};
    char got[8] = "";
    struct stat st;
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    int before = count_files();
    int reader = open(path_of("pipe"), O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(ph_writer_open(&w, path_of("pipe"), &err), PHIAL_OK);
    assert_int_equal(ph_writer_write(w, "abcd", 4, &err), PHIAL_OK);
    assert_int_equal(ph_writer_patch(w, 0, "x", 1, &err), PHIAL_ERR_IO);
    assert_int_equal(ph_writer_commit(w, &err), PHIAL_OK);
    ph_writer_close(w);
    assert_int_equal(read(reader, got, sizeof got), 4);
    assert_memory_equal(got, "abcd", 4);
    close(reader);
    assert_int_equal(count_files(), before);
    assert_int_equal(lstat(path_of("pipe"), &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(ph_writer_open(&w, "/dev/full", &err), PHIAL_OK);
    assert_int_equal(ph_writer_write(w, "abcd", 4, &err), PHIAL_OK);
    assert_int_equal(ph_writer_commit(w, &err), PHIAL_ERR_IO);
    assert_non_null(strstr(err.message, "/dev/full: writing: No space left"));
    ph_writer_close(w);
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

/* The file behind a link is replaced; the mask of the process decides about permissions; a name as
 * long as a folder allows has room for the temporary one. */
static void test_writer_names(void **state)
{
    (void)state;
    char longest[256] = "";
    struct stat st;
    memset(longest, 'n', 255);
    write_file(path_of("target"), 1, 't');
    assert_int_equal(symlink("target", path_of("link")), 0);
    mode_t mask = umask(027);
    const char *const names[] = {"link", longest};
    for (size_t i = 0; i < 2; i++) {
        ph_writer *w = NULL;
        phial_error err = {0};
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(ph_writer_open(&w, path, &err), PHIAL_OK);
        assert_int_equal(ph_writer_write(w, "new", 3, &err), PHIAL_OK);
        assert_int_equal(ph_writer_commit(w, &err), PHIAL_OK);
        ph_writer_close(w);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, 3);
        assert_int_equal(st.st_mode & 0777, 0640);
    }
    umask(mask);
    assert_int_equal(lstat(path_of("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path_of("target"), &st), 0);
    assert_int_equal(st.st_size, 3);
}

/* A folder that came from elsewhere may hold a pipe under a name that is read: nobody waits. */
static void test_read_regular(void **state)
{
    (void)state;
    phial_error err = {0};
    ph_buf got;
    ph_buf_init(&got, 0);
    assert_int_equal(mkfifo(path_of("silent"), 0600), 0);
    assert_int_equal(ph_file_read_regular(&got, path_of("silent"), 10, &err), PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "silent: is not a regular file"));
    assert_int_equal(ph_file_read_regular(&got, folder, 10, &err), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(ph_file_read_regular(&got, path_of("absent"), 10, &err), PHIAL_ERR_IO);
    write_file(path_of("regular"), 5, 'r');
    assert_int_equal(ph_file_read_regular(&got, path_of("regular"), 10, &err), PHIAL_OK);
    assert_string_equal(got.data, "rrrrr");
    ph_buf_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_map_refuses),
        cmocka_unit_test(test_shrinking_file),
        cmocka_unit_test(test_foreign_sigbus),
        cmocka_unit_test(test_many_maps),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_is_atomic),
        cmocka_unit_test(test_writer_out_of_room),
        cmocka_unit_test(test_writer_into_pipe),
        cmocka_unit_test(test_writer_names),
        cmocka_unit_test(test_read_regular),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
