/* The house rules that a machine can check, over all sources of the repository: floors
 * (src/LAYERS), one door for each outside thing, banned calls, unique names, length and layout of
 * files, guards. Each check is a function from files to complaints, and is first tried on a snippet
 * that breaks its rule, so that a check that sees nothing is noticed.
 */
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define FILES_MAX   4096
#define LINES_MAX   1000
#define COLUMNS_MAX 100

typedef struct source {
    char *path; /* from the root of the repository */
    char *text;
    char *code; /* text with comments and what is between quotes as blanks */
} source;

static source tree[FILES_MAX];
static size_t n_tree;

typedef int (*check_fn)(const source *files, size_t n);

static bool starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, const char *suffix)
{
    return ph_str_ends_with(ph_str_from(s), suffix);
}

static bool is_c(const source *f)
{
    return ends(f->path, ".c") || ends(f->path, ".h") || ends(f->path, ".def");
}

static bool in_src(const source *f)
{
    return is_c(f) && starts(f->path, "src/");
}

static bool in_library(const source *f)
{
    return in_src(f) && !starts(f->path, "src/cli/") && !starts(f->path, "src/helper/");
}

static bool quiet;

static int complain(const source *f, const char *at, const char *what)
{
    int line = 1;
    for (const char *p = f->text; p && at && p < at; p++)
        line += *p == '\n';
    if (!quiet)
        print_error("%s:%d: %s\n", f->path, line, what);
    return 1;
}

/* Blanks out comments, strings and character constants; #include lines keep their names. */
static char *strip(const char *text)
{
    size_t n = strlen(text);
    char *code = ph_strndup(text, n, NULL);
    assert_non_null(code);
    bool include = false;
    for (size_t i = 0; i < n;) {
        size_t from = i;
        if (i == 0 || text[i - 1] == '\n')
            include = starts(text + i, "#include");
        if (starts(text + i, "/*")) {
            const char *end = strstr(text + i + 2, "*/");
            i = end ? (size_t)(end - text) + 2 : n;
        } else if (starts(text + i, "//")) {
            i += strcspn(text + i, "\n");
        } else if (!include && (text[i] == '"' || text[i] == '\'')) {
            char quote = text[i++];
            while (i < n && text[i] != quote && text[i] != '\n')
                i += text[i] == '\\' && i + 1 < n ? 2 : 1;
            i = i < n && text[i] == quote ? i + 1 : i;
        } else {
            i++;
            continue;
        }
        for (; from < i; from++) {
            if (code[from] != '\n')
                code[from] = ' ';
        }
    }
    return code;
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The next whole word `word` in code, or NULL. */
static const char *find_word(const char *code, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = code; (p = strstr(p, word)) != NULL; p += n) {
        if ((p == code || !word_char(p[-1])) && !word_char(p[n]))
            return p;
    }
    return NULL;
}

/* A call: the word, not behind "." or "->" or "struct ", and then "(". */
static const char *find_call(const char *code, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = code; (p = find_word(p, word)) != NULL; p += n) {
        const char *behind = p + n + strspn(p + n, " \n");
        bool member = p > code && (p[-1] == '.' || (p[-1] == '>' && p - 1 > code && p[-2] == '-'));
        if (*behind == '(' && !member)
            return p;
    }
    return NULL;
}

/* --- floors --- */

static int floor_of(const char *layers, ph_str wing)
{
    int floor = 0;
    for (const char *p = layers; *p; floor++) {
        size_t line = strcspn(p, "\n");
        for (const char *end = p + line; p < end;) {
            size_t n = strcspn(p, " \n");
            if (ph_str_eq((ph_str){p, n}, wing))
                return floor;
            p += n;
            p += p < end;
        }
        p += *p == '\n';
    }
    return -1;
}

static const source *find_file(const source *files, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    }
    return NULL;
}

static int check_include(const source *f, const char *layers, const char *at)
{
    const char *name = at + strlen("#include");
    name += strspn(name, " \"<");
    ph_str other = {name, strcspn(name, "/\"\n>")};
    if (name[other.n] != '/')
        return at[strlen("#include") + 1] == '"' ? complain(f, at, "include without a wing") : 0;
    const char *own_name = f->path + strlen("src/");
    ph_str own = {own_name, strcspn(own_name, "/")};
    int other_floor = floor_of(layers, other);
    if (ph_str_eq(own, other))
        return 0;
    if (other_floor < 0) /* a system's header, or our public ones, unless it is quoted */
        return at[strlen("#include") + 1] == '"' && !ph_str_eq_c(other, "phial")
                   ? complain(f, at, "include of a wing that src/LAYERS does not name")
                   : 0;
    if (other_floor >= floor_of(layers, own))
        return complain(f, at, "include of a higher floor or a neighbour (src/LAYERS)");
    return 0;
}

static int check_layers(const source *files, size_t n)
{
    int bad = 0;
    const source *layers = find_file(files, n, "src/LAYERS");
    assert_non_null(layers);
    for (size_t i = 0; i < n; i++) {
        const source *f = &files[i];
        if (!in_src(f))
            continue;
        const char *own = f->path + strlen("src/");
        if (floor_of(layers->text, (ph_str){own, strcspn(own, "/")}) < 0)
            bad += complain(f, NULL, "its folder is not in src/LAYERS");
        for (const char *p = f->code; (p = strstr(p, "#include")) != NULL; p++)
            bad += check_include(f, layers->text, f->text + (p - f->code));
    }
    return bad;
}

/* --- doors and banned calls --- */

/* `names` apart by blanks, only in paths that begin with one of `doors`. */
typedef struct door {
    const char *names;
    const char *doors;
} door;

static const door header_doors[] = {
    {"pthread.h semaphore.h threads.h", "src/base/thread.c src/base/pool.c"},
    {"sys/mman.h", "src/base/file.c src/base/mem.c"},
    {"jansson.h", "src/base/json.c"},
    {"xxhash.h", "src/base/hash.c"},
    {"immintrin.h x86intrin.h emmintrin.h smmintrin.h xmmintrin.h", "src/kern/x86/"},
    {"arm_neon.h arm_sve.h", "src/kern/arm/"},
    {"cpuid.h sys/auxv.h", "src/kern/"},
    {"sys/socket.h netinet/in.h arpa/inet.h netdb.h microhttpd.h", "src/serve/http"},
    {"curl/curl.h", "src/net/"},
    {"spawn.h sys/wait.h sys/prctl.h seccomp.h linux/seccomp.h linux/landlock.h "
     "linux/capability.h",
     "src/proc/"},
    {"sqlite3.h", "src/rag/collection"},
    {"gumbo.h md4c.h archive.h archive_entry.h expat.h uchardet/uchardet.h iconv.h "
     "poppler.h glib.h",
     "src/helper/"},
    {"histedit.h editline/readline.h", "src/cli/line_edit.c"},
};

static const door call_doors[] = {
    {"mmap munmap mremap", "src/base/file.c"},
    {"madvise", "src/base/file.c src/base/mem.c"},
    {"fork vfork execv execve execvp execl execlp posix_spawn posix_spawnp popen", "src/proc/"},
    {"malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign strdup strndup",
     "src/base/mem.c"},
    {"signal sigaction sigprocmask", "src/base/file.c src/cli/ src/proc/"},
    {"_exit", "src/proc/ src/cli/ src/helper/helper.c"},
    {"pthread_create pthread_mutex_lock", "src/base/thread.c src/base/pool.c"},
};

static const char banned_everywhere[] =
    "strcpy strcat sprintf vsprintf gets strtok atoi atol atoll atof alloca tmpnam mktemp";
static const char banned_in_src[] = "system rand srand strtol strtoul setlocale";
static const char banned_in_library[] =
    "exit _Exit quick_exit abort assert printf vprintf puts putchar fprintf vfprintf fputs "
    "fputc perror";

/* The next of the words in a list; false at its end. */
static bool next_word(const char **list, char word[64])
{
    *list += strspn(*list, " ");
    size_t n = strcspn(*list, " ");
    if (n == 0 || n >= 64)
        return false;
    memcpy(word, *list, n);
    word[n] = 0;
    *list += n;
    return true;
}

static bool allowed(const char *path, const char *doors)
{
    char prefix[64];
    while (next_word(&doors, prefix)) {
        if (starts(path, prefix))
            return true;
    }
    return false;
}

static int check_doors(const source *files, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const source *f = &files[i];
        char word[64];
        for (size_t d = 0; in_src(f) && d < sizeof header_doors / sizeof header_doors[0]; d++) {
            const char *list = header_doors[d].names;
            while (!allowed(f->path, header_doors[d].doors) && next_word(&list, word)) {
                char line[80];
                snprintf(line, sizeof line, "#include <%s>", word);
                const char *at = strstr(f->code, line);
                if (at)
                    bad += complain(f, f->text + (at - f->code), "this header has another door");
            }
        }
        for (size_t d = 0; in_src(f) && d < sizeof call_doors / sizeof call_doors[0]; d++) {
            const char *list = call_doors[d].names;
            while (!allowed(f->path, call_doors[d].doors) && next_word(&list, word)) {
                const char *at = find_call(f->code, word);
                if (at)
                    bad += complain(f, f->text + (at - f->code), "this call has another door");
            }
        }
    }
    return bad;
}

static int check_list(const source *f, const char *list, const char *what)
{
    int bad = 0;
    char word[64];
    while (next_word(&list, word)) {
        const char *at = find_call(f->code, word);
        if (at)
            bad += complain(f, f->text + (at - f->code), what);
    }
    return bad;
}

static int check_banned(const source *files, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const source *f = &files[i];
        if (is_c(f))
            bad += check_list(f, banned_everywhere, "banned call");
        if (in_src(f))
            bad += check_list(f, banned_in_src, "banned call");
        if (in_library(f)) {
            bad += check_list(f, banned_in_library, "the library does not print or exit");
            if (find_word(f->code, "stdout") || find_word(f->code, "stderr"))
                bad += complain(f, NULL, "the library does not print");
        }
    }
    return bad;
}

/* --- files --- */

static int check_unique(const source *files, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = ph_path_base(files[i].path);
        if (strcmp(name, "CMakeLists.txt") == 0 || strcmp(name, "README.md") == 0)
            continue;
        for (size_t j = i + 1; j < n; j++) {
            if (strcmp(name, ph_path_base(files[j].path)) == 0)
                bad += complain(&files[j], NULL, "another file has this name");
        }
    }
    return bad;
}

static int check_length(const source *files, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        size_t lines = 0;
        for (const char *p = files[i].text; *p; p++)
            lines += *p == '\n';
        if (lines > LINES_MAX && !ends(files[i].path, "_table.c"))
            bad += complain(&files[i], NULL, "more than 1000 lines");
    }
    return bad;
}

/* Columns, counted in characters; blanks at the end; tabs and carriage returns. */
static int check_layout(const source *files, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const source *f = &files[i];
        size_t column = 0;
        bool tabs_fine = !is_c(f);
        for (const char *p = f->text; *p; p++) {
            if (*p == '\r' || (*p == '\t' && !tabs_fine))
                bad += complain(f, p, "tab or carriage return");
            if (*p == '\n' && is_c(f) && column > COLUMNS_MAX && !ends(f->path, "_table.c"))
                bad += complain(f, p, "more than 100 columns");
            if (*p == '\n' && p > f->text && (p[-1] == ' ' || p[-1] == '\t'))
                bad += complain(f, p, "blank at the end of the line");
            column = *p == '\n' ? 0 : column + ((*p & 0xc0) != 0x80);
        }
        size_t len = strlen(f->text);
        if (len > 0 && f->text[len - 1] != '\n')
            bad += complain(f, f->text + len, "no newline at the end");
        if (is_c(f) && !starts(f->text, "/*"))
            bad += complain(f, NULL, "no comment at its head that says what it is");
    }
    return bad;
}

static int check_words(const source *files, size_t n)
{
    /* In two parts, so that this file keeps its own rule. */
    static const char *const words[] = {"/wo"
                                        "rk/",
                                        "/ho"
                                        "me/",
                                        "/ro"
                                        "ot/",
                                        "TO"
                                        "DO",
                                        "FIX"
                                        "ME"};
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
            const char *at = strstr(files[i].text, words[w]);
            if (at)
                bad += complain(&files[i], at, "a path of one machine, or a note to oneself");
        }
    }
    return bad;
}

/* True if the file's first directives are the guard `name`, with _ for what a name cannot hold. */
static bool has_guard(const source *f, const char *prefix, const char *name)
{
    char guard[128], text[512];
    snprintf(guard, sizeof guard, "%s_%s", prefix, name);
    for (char *p = guard; *p; p++)
        *p = word_char(*p) ? (char)toupper((unsigned char)*p) : '_';
    snprintf(text, sizeof text, "\n#ifndef %s\n#define %s\n", guard, guard);
    const char *first = strstr(f->text, "\n#");
    return first && starts(first, text);
}

/* PHIAL_<FILE>_H for public headers, otherwise PH_<WING>_<FILE>_H, with or without the folders
 * between them. */
static int check_guards(const source *files, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const source *f = &files[i];
        char brief[256];
        if (!ends(f->path, ".h"))
            continue;
        const char *base = ph_path_base(f->path);
        const char *full = starts(f->path, "src/") ? f->path + strlen("src/") : f->path;
        snprintf(brief, sizeof brief, "%.*s_%s", (int)strcspn(full, "/"), full, base);
        bool ok = starts(f->path, "include/phial/")
                      ? has_guard(f, "PHIAL", base)
                      : has_guard(f, "PH", full) || has_guard(f, "PH", brief);
        if (!ok)
            bad += complain(f, NULL, "include guard missing or not named after the file");
    }
    return bad;
}

/* CMake reads these lines of head comments, and only where a line begins with them. */
static int check_head_lines(const source *files, size_t n)
{
    static const char *const keys[] = {"labels: ", "wrap: "};
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        const source *f = &files[i];
        const char *end = strstr(f->text, "*/");
        if (!starts(f->path, "tests/test_") || !ends(f->path, ".c") || !end)
            continue;
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            for (const char *p = f->text; (p = strstr(p, keys[k])) != NULL && p < end; p++) {
                if (p - f->text < 4 || !starts(p - 4, "\n * "))
                    bad +=
                        complain(f, p, "not at the beginning of its line: CMake does not see it");
            }
        }
    }
    return bad;
}

/* --- the tree --- */

static bool wanted(const char *name)
{
    static const char *const suffixes[] = {".c",  ".h",  ".def", ".cmake", ".sh",  ".awk",
                                           ".py", ".md", ".txt", ".in",    ".json"};
    static const char *const names[] = {"LAYERS", "run", "test"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (ends(name, suffixes[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Data, not sources: written by programs or meant to be odd. */
static bool skipped_folder(const char *path)
{
    return strcmp(path, "build") == 0 || strcmp(path, ".git") == 0 || strcmp(path, ".ci") == 0 ||
           strcmp(path, "fuzz/corpus") == 0 || strcmp(path, "tests/golden/data") == 0 ||
           strcmp(path, "tests/data") == 0 || ends(path, "__pycache__");
}

static void add_file(const char *path)
{
    char *full = ph_path_join(PHIAL_SOURCE_DIR, path, NULL);
    ph_buf text;
    ph_buf_init(&text, 64u << 20);
    assert_int_equal(ph_file_read(&text, full, 64u << 20, NULL), PHIAL_OK);
    assert_true(n_tree < FILES_MAX);
    tree[n_tree].path = ph_strdup(path, NULL);
    tree[n_tree].text = ph_strndup(text.data ? text.data : "", text.len, NULL);
    tree[n_tree].code = strip(tree[n_tree].text);
    n_tree++;
    ph_buf_free(&text);
    ph_free(full);
}

static void add_folder(const char *path)
{
    char *full = ph_path_join(PHIAL_SOURCE_DIR, path, NULL);
    DIR *dir = opendir(full);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *below = path[0] ? ph_path_join(path, e->d_name, NULL) : ph_strdup(e->d_name, NULL);
        char *below_full = ph_path_join(PHIAL_SOURCE_DIR, below, NULL);
        ph_file_kind kind = ph_file_kind_of(below_full);
        if (kind == PH_FILE_DIRECTORY && !skipped_folder(below))
            add_folder(below);
        else if (kind == PH_FILE_REGULAR && wanted(e->d_name))
            add_file(below);
        ph_free(below);
        ph_free(below_full);
    }
    closedir(dir);
    ph_free(full);
}

static int load_tree(void **state)
{
    (void)state;
    add_folder("");
    return n_tree > 0 ? 0 : -1;
}

static int free_tree(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_tree; i++) {
        ph_free(tree[i].path);
        ph_free(tree[i].text);
        ph_free(tree[i].code);
    }
    return 0;
}

/* --- the tests: each check on a good file, on bad ones, on the tree --- */

static int complaints(check_fn check, const char *path, const char *text)
{
    char layers_text[] = "base\nfmt kern\nmodel\ncli\n";
    char layers_path[] = "src/LAYERS";
    char *copy = ph_strdup(text, NULL), *name = ph_strdup(path, NULL), *code = strip(text);
    source files[] = {{layers_path, layers_text, layers_text}, {name, copy, code}};
    quiet = true;
    int bad = check(files, 2);
    quiet = false;
    ph_free(copy);
    ph_free(name);
    ph_free(code);
    return bad;
}

static void test_layers(void **state)
{
    (void)state;
    const char *at = "src/fmt/a.c";
    assert_int_equal(complaints(check_layers, at, "/**/\n#include \"base/err.h\"\n"), 0);
    assert_int_equal(complaints(check_layers, at, "#include \"fmt/b.h\"\n#include <phial/x.h>\n"),
                     0);
    assert_int_equal(complaints(check_layers, at, "/* #include \"model/x.h\" */\n"), 0);
    assert_int_equal(complaints(check_layers, at, "#include \"kern/kern.h\"\n"), 1);
    assert_int_equal(complaints(check_layers, at, "#include \"model/x.h\"\n"), 1);
    assert_int_equal(complaints(check_layers, at, "#include <model/x.h>\n"), 1);
    assert_int_equal(complaints(check_layers, at, "#include \"attic/x.h\"\n"), 1);
    assert_int_equal(complaints(check_layers, at, "#include \"b.h\"\n"), 1);
    assert_int_equal(complaints(check_layers, "src/attic/a.c", "/**/\n"), 1);
    assert_int_equal(check_layers(tree, n_tree), 0);
}

static void test_doors(void **state)
{
    (void)state;
    assert_int_equal(complaints(check_doors, "src/base/pool.c", "#include <pthread.h>\n"), 0);
    assert_int_equal(complaints(check_doors, "src/fmt/a.c", "#include <pthread.h>\n"), 1);
    assert_int_equal(complaints(check_doors, "src/kern/x86/a.c", "#include <immintrin.h>\n"), 0);
    assert_int_equal(complaints(check_doors, "src/kern/a.c", "#include <immintrin.h>\n"), 1);
    assert_int_equal(complaints(check_doors, "src/fmt/a.c", "x = mmap (0);"), 1);
    assert_int_equal(complaints(check_doors, "src/cli/a.c", "free(x);"), 1);
    assert_int_equal(
        complaints(check_doors, "src/cli/a.c", "ph_free(x); v->free(x); s = \"free(\";"), 0);
    assert_int_equal(complaints(check_doors, "tests/a.c", "free(x);"), 0);
    assert_int_equal(check_doors(tree, n_tree), 0);
}

static void test_banned(void **state)
{
    (void)state;
    assert_int_equal(complaints(check_banned, "tests/a.c", "strcpy(a, b);"), 1);
    assert_int_equal(complaints(check_banned, "tests/a.c", "ph_strcpy(a, b); /* strcpy(a) */"), 0);
    assert_int_equal(complaints(check_banned, "src/fmt/a.c", "abort();"), 1);
    assert_int_equal(complaints(check_banned, "src/fmt/a.c", "x(stderr, 1);"), 1);
    assert_int_equal(complaints(check_banned, "src/cli/a.c", "printf(\"x\"); abort();"), 0);
    assert_int_equal(complaints(check_banned, "src/cli/a.c", "system(\"x\");"), 1);
    assert_int_equal(complaints(check_banned, "src/cli/a.c", "x = '\"'; atoi(\"x\");"), 1);
    assert_int_equal(check_banned(tree, n_tree), 0);
}

static void test_unique_names(void **state)
{
    (void)state;
    assert_int_equal(complaints(check_unique, "docs/LAYERS", "x"), 1);
    assert_int_equal(complaints(check_unique, "docs/OTHER", "x"), 0);
    assert_int_equal(check_unique(tree, n_tree), 0);
}

static void test_length(void **state)
{
    (void)state;
    char lines[LINES_MAX + 3];
    memset(lines, '\n', sizeof lines);
    lines[LINES_MAX + 2] = 0;
    assert_int_equal(complaints(check_length, "src/fmt/a.c", lines), 1);
    assert_int_equal(complaints(check_length, "src/fmt/a_table.c", lines), 0);
    lines[LINES_MAX] = 0;
    assert_int_equal(complaints(check_length, "src/fmt/a.c", lines), 0);
    assert_int_equal(check_length(tree, n_tree), 0);
}

static void test_layout(void **state)
{
    (void)state;
    char wide[COLUMNS_MAX + 16] = "/**/\n";
    memset(wide + 5, 'x', COLUMNS_MAX);
    wide[5 + COLUMNS_MAX] = '\n';
    assert_int_equal(complaints(check_layout, "src/fmt/a.c", wide), 0);
    wide[5 + COLUMNS_MAX] = 'x';
    wide[6 + COLUMNS_MAX] = '\n';
    assert_int_equal(complaints(check_layout, "src/fmt/a.c", wide), 1);
    assert_int_equal(complaints(check_layout, "src/fmt/a.c", "/**/ \n"), 1);
    assert_int_equal(complaints(check_layout, "src/fmt/a.c", "/**/\n\tx;\n"), 1);
    assert_int_equal(complaints(check_layout, "src/fmt/a.c", "/**/\nx;"), 1);
    assert_int_equal(complaints(check_layout, "src/fmt/a.c", "int x;\n"), 1);
    assert_int_equal(check_layout(tree, n_tree), 0);
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(complaints(check_words, "docs/a.md",
                                "see /ho"
                                "me/me/x\n"),
                     1);
    assert_int_equal(complaints(check_words, "docs/a.md", "see src/x\n"), 0);
    assert_int_equal(check_words(tree, n_tree), 0);
}

static void test_guards(void **state)
{
    (void)state;
    const char *good = "/**/\n#ifndef PH_FMT_A_H\n#define PH_FMT_A_H\n#endif\n";
    assert_int_equal(complaints(check_guards, "src/fmt/a.h", good), 0);
    assert_int_equal(complaints(check_guards, "src/fmt/below/a.h", good), 0);
    assert_int_equal(complaints(check_guards, "src/fmt/b.h", good), 1);
    assert_int_equal(complaints(check_guards, "src/tok/a.h", good), 1);
    assert_int_equal(complaints(check_guards, "src/fmt/a.h", "/**/\n#pragma once\n"), 1);
    assert_int_equal(complaints(check_guards, "include/phial/a.h",
                                "/**/\n#ifndef PHIAL_A_H\n#define PHIAL_A_H\n#endif\n"),
                     0);
    assert_int_equal(check_guards(tree, n_tree), 0);
}

static void test_head_lines(void **state)
{
    (void)state;
    const char *at = "tests/test_a.c";
    assert_int_equal(complaints(check_head_lines, at, "/* A test.\n * labels: slow\n */\n"), 0);
    assert_int_equal(complaints(check_head_lines, at, "/* A test. labels: slow\n */\n"), 1);
    assert_int_equal(complaints(check_head_lines, at, "/* A\n * test. wrap: free\n */\n"), 1);
    assert_int_equal(complaints(check_head_lines, "tests/a.c", "/* A test. labels: x */\n"), 0);
    assert_int_equal(complaints(check_head_lines, at, "/* A test. */\n/* labels: x */\n"), 0);
    assert_int_equal(check_head_lines(tree, n_tree), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),     cmocka_unit_test(test_doors),
        cmocka_unit_test(test_banned),     cmocka_unit_test(test_unique_names),
        cmocka_unit_test(test_length),     cmocka_unit_test(test_layout),
        cmocka_unit_test(test_words),      cmocka_unit_test(test_guards),
        cmocka_unit_test(test_head_lines),
    };
    return cmocka_run_group_tests(tests, load_tree, free_tree);
}
