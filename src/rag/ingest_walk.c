/* Contract in ingest_walk.h. A level of the walk is a folder with the batch of names that come
 * next; a batch is the smallest names above the last one of the batch before, kept in a heap with
 * the largest on top while the folder is read. */
#include "rag/ingest_walk.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

typedef struct level {
    size_t n_path; /* of the folder, in walk->path */
    char **names;  /* owned, in order */
    size_t n, next;
    bool cut;   /* there are more names than these */
    char *last; /* the last name of the batch before; owned */
} level;

struct ph_walk {
    const char *const *paths;
    size_t n_paths, next_path, batch;
    ph_buf path;
    level levels[PH_WALK_DEPTH_MAX];
    size_t depth;
};

phial_status ph_walk_new(ph_walk **out, const char *const *paths, size_t n_paths, size_t batch,
                         phial_error *err)
{
    ph_walk *w = ph_alloc(1, sizeof *w, err);
    if (!w)
        return PHIAL_ERR_NO_MEMORY;
    w->paths = paths;
    w->n_paths = n_paths;
    w->batch = batch ? batch : PH_WALK_BATCH;
    ph_buf_init(&w->path, 0);
    *out = w;
    return PHIAL_OK;
}

static void drop_names(level *l)
{
    for (size_t i = 0; i < l->n; i++)
        ph_free(l->names[i]);
    ph_free(l->names);
    l->names = NULL;
    l->n = l->next = 0;
}

static void leave(ph_walk *w)
{
    level *l = &w->levels[--w->depth];
    drop_names(l);
    ph_free(l->last);
    *l = (level){0};
}

void ph_walk_free(ph_walk *w)
{
    if (!w)
        return;
    while (w->depth > 0)
        leave(w);
    ph_buf_free(&w->path);
    ph_free(w);
}

/* Heap with the greatest name on top. */
static void sift_down(char **heap, size_t n, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && strcmp(heap[child + 1], heap[child]) > 0)
            child++;
        if (strcmp(heap[i], heap[child]) >= 0)
            return;
        char *t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

static void sift_up(char **heap, size_t i)
{
    while (i > 0 && strcmp(heap[(i - 1) / 2], heap[i]) < 0) {
        char *t = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool keep_name(ph_walk *w, level *l, size_t *cap, const char *name, phial_error *err)
{
    if (name[0] == '.' || (l->last && strcmp(name, l->last) <= 0))
        return true;
    if (l->n == w->batch && strcmp(name, l->names[0]) >= 0) {
        l->cut = true;
        return true;
    }
    char *copy = ph_strdup(name, err);
    if (!copy)
        return false;
    if (l->n == w->batch) {
        l->cut = true;
        ph_free(l->names[0]);
        l->names[0] = copy;
        sift_down(l->names, l->n, 0);
        return true;
    }
    if (l->n == *cap) {
        *cap = *cap ? 2 * *cap : 64;
        char **more = ph_realloc(l->names, *cap, sizeof *more, err);
        if (!more) {
            ph_free(copy);
            return false;
        }
        l->names = more;
    }
    l->names[l->n++] = copy;
    sift_up(l->names, l->n - 1);
    return true;
}

/* The next batch of the folder at w->path; *problem is errno or 0. */
static phial_status read_batch(ph_walk *w, level *l, int *problem, phial_error *err)
{
    size_t cap = 0;
    phial_status st = PHIAL_OK;
    drop_names(l);
    l->cut = false;
    DIR *dir = opendir(w->path.len ? w->path.data : "/");
    *problem = dir ? 0 : errno;
    if (!dir)
        return PHIAL_OK;
    errno = 0;
    for (const struct dirent *e; st == PHIAL_OK && (e = readdir(dir)) != NULL;) {
        if (!keep_name(w, l, &cap, e->d_name, err))
            st = PHIAL_ERR_NO_MEMORY;
    }
    closedir(dir);
    if (l->n > 0)
        qsort(l->names, l->n, sizeof *l->names, by_name);
    return st;
}

static phial_status set_path(ph_walk *w, size_t n, const char *name, phial_error *err)
{
    w->path.len = n;
    if (w->path.data)
        w->path.data[n] = 0;
    if (n > 0 && name && w->path.data[n - 1] != '/')
        ph_buf_add_str(&w->path, "/");
    if (name)
        ph_buf_add_str(&w->path, name);
    return ph_buf_status(&w->path, err);
}

/* What the entry at w->path is: a folder to go into, or an item. */
static phial_status enter(ph_walk *w, bool named, ph_walk_item *item, bool *is_item,
                          phial_error *err)
{
    struct stat st, link;
    *item = (ph_walk_item){.path = w->path.data ? w->path.data : "", .named = named};
    *is_item = true;
    if (lstat(item->path, &link) != 0 || stat(item->path, &st) != 0) {
        item->missing = errno == ENOENT;
        item->reason = errno == ENOENT         ? "no such file"
                       : errno == EACCES       ? "permission denied"
                       : errno == ELOOP        ? "a link that leads to itself"
                       : errno == ENAMETOOLONG ? "its path is too long"
                                               : "cannot be looked at";
        return PHIAL_OK;
    }
    if (!S_ISDIR(st.st_mode)) {
        *is_item = S_ISREG(st.st_mode) || named;
        return PHIAL_OK;
    }
    *is_item = false;
    if (S_ISLNK(link.st_mode) && !named)
        return PHIAL_OK;
    if (w->depth == PH_WALK_DEPTH_MAX) {
        *is_item = true;
        item->reason = "folders are nested too deeply";
        return PHIAL_OK;
    }
    int problem;
    level *l = &w->levels[w->depth++];
    *l = (level){.n_path = w->path.len};
    phial_status status = read_batch(w, l, &problem, err);
    if (problem) {
        leave(w);
        *is_item = true;
        item->reason = problem == EACCES ? "permission denied" : "the folder cannot be read";
    }
    return status;
}

static phial_status next_batch(ph_walk *w, level *l, phial_error *err)
{
    int problem = 0;
    phial_status st = PHIAL_OK;
    if (!l->cut) {
        leave(w);
        return st;
    }
    ph_free(l->last);
    l->last = l->names[l->n - 1];
    l->n--;
    st = set_path(w, l->n_path, NULL, err);
    if (st == PHIAL_OK)
        st = read_batch(w, l, &problem, err);
    if (st == PHIAL_OK && l->n == 0)
        leave(w);
    return st;
}

phial_status ph_walk_next(ph_walk *w, ph_walk_item *item, bool *more, phial_error *err)
{
    bool is_item = false;
    phial_status st = PHIAL_OK;
    *more = false;
    while (st == PHIAL_OK && !is_item) {
        level *l = w->depth ? &w->levels[w->depth - 1] : NULL;
        if (l && l->next == l->n) {
            st = next_batch(w, l, err);
            continue;
        }
        bool named = !l;
        if (named && w->next_path == w->n_paths)
            return PHIAL_OK;
        if (named) {
            ph_buf_clear(&w->path);
            st = ph_walk_clean(&w->path, w->paths[w->next_path++], err);
        } else {
            st = set_path(w, l->n_path, l->names[l->next++], err);
        }
        if (st == PHIAL_OK)
            st = enter(w, named, item, &is_item, err);
    }
    *more = st == PHIAL_OK;
    return st;
}

phial_status ph_walk_clean(ph_buf *out, const char *path, phial_error *err)
{
    const char *p = path;
    if (*p == '/')
        ph_buf_add_str(out, "/");
    while (*p) {
        size_t n = strcspn(p, "/");
        if (n > 0 && !(n == 1 && p[0] == '.')) {
            if (out->len > 0 && out->data[out->len - 1] != '/')
                ph_buf_add_str(out, "/");
            ph_buf_add(out, p, n);
        }
        p += n;
        p += strspn(p, "/");
    }
    if (out->len == 0 && *path)
        ph_buf_add_str(out, ".");
    return ph_buf_status(out, err);
}

phial_status ph_walk_absolute(ph_buf *out, const char *path, phial_error *err)
{
    char real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    bool folder = base[0] == 0 || strcmp(base, ".") == 0 || strcmp(base, "..") == 0;
    char *dir = folder ? ph_strdup(path, err) : ph_strndup(path, (size_t)(base - path), err);
    if (!dir)
        return PHIAL_ERR_NO_MEMORY;
    ph_buf_clear(out);
    if (realpath(dir[0] ? dir : ".", real)) {
        ph_buf_add_str(out, real);
        if (!folder && !out->failed && out->data[out->len - 1] != '/')
            ph_buf_add_str(out, "/");
    } else {
        ph_buf_add_str(out, dir);
    }
    if (!folder)
        ph_buf_add_str(out, base);
    ph_free(dir);
    return ph_buf_status(out, err);
}
