/* Finds the tokenizer's files below a path and reads them with the right reader. */
#include "tok/vocab.h"

/* Reads dir/name if it is there; out->data stays NULL otherwise. */
static phial_status read_optional(ph_buf *out, const char *dir, const char *name, phial_error *err)
{
    char *path = ph_path_join(dir, name, err);
    if (path == NULL)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = PHIAL_OK;
    if (ph_file_kind_of(path) == PH_FILE_REGULAR) {
        st = ph_file_read_regular(out, path, PH_VOCAB_MAX_FILE_BYTES, err);
        if (st == PHIAL_OK && !ph_buf_reserve(out, 1))
            st = ph_buf_status(out, err);
    }
    ph_free(path);
    return st;
}

static ph_str text_of(const ph_buf *buf)
{
    return (ph_str){buf->data, buf->len};
}

static phial_status open_directory(ph_vocab *v, const char *dir, phial_error *err)
{
    enum { JSON, VOCAB, MERGES, ADDED, PIECES, CONFIG, SPECIAL, N_FILES };
    static const char *const names[N_FILES] = {
        "tokenizer.json",         "vocab.json", "merges.txt",
        "added_tokens.json",      "vocab.txt",  "tokenizer_config.json",
        "special_tokens_map.json"};
    ph_buf files[N_FILES];
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < N_FILES; i++)
        ph_buf_init(&files[i], 0);
    for (size_t i = 0; i < N_FILES && st == PHIAL_OK; i++) {
        bool needed = i == JSON || i >= CONFIG || files[JSON].data == NULL;
        if (needed)
            st = read_optional(&files[i], dir, names[i], err);
    }
    if (st != PHIAL_OK)
        goto done;
    if (files[JSON].data != NULL) {
        char *path = ph_path_join(dir, names[JSON], err);
        st = path == NULL ? PHIAL_ERR_NO_MEMORY
                          : ph_vocab_read_json(v, files[JSON].data, files[JSON].len, path, err);
        ph_free(path);
    } else if (files[VOCAB].data != NULL && files[MERGES].data != NULL) {
        ph_vocab_files f = {text_of(&files[VOCAB]), text_of(&files[MERGES]), text_of(&files[ADDED]),
                            text_of(&files[CONFIG]), text_of(&files[SPECIAL])};
        st = ph_vocab_read_files(v, &f, dir, err);
    } else if (files[PIECES].data != NULL) {
        st = ph_vocab_read_pieces(v, text_of(&files[PIECES]), text_of(&files[CONFIG]), dir, err);
    } else {
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                        "%s: neither tokenizer.json nor vocab.json with merges.txt nor vocab.txt "
                        "is in it",
                        dir);
    }
    if (st == PHIAL_OK && v->kind == PH_VOCAB_BPE)
        st = ph_vocab_read_roles(v, text_of(&files[CONFIG]), text_of(&files[SPECIAL]), dir, err);

done:
    for (size_t i = 0; i < N_FILES; i++)
        ph_buf_free(&files[i]);
    return st;
}

static phial_status open_gguf(ph_vocab *v, const char *path, phial_error *err)
{
    ph_gguf *g = NULL;
    phial_status st = ph_gguf_open(&g, path, err);
    if (st == PHIAL_OK)
        st = ph_vocab_read_gguf(v, g, path, err);
    if (st == PHIAL_OK && ph_gguf_map(g) != NULL)
        st = ph_map_check(ph_gguf_map(g), err);
    ph_gguf_close(g);
    return st;
}

static phial_status open_json(ph_vocab *v, const char *path, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status st = ph_file_read_regular(&text, path, PH_VOCAB_MAX_FILE_BYTES, err);
    if (st == PHIAL_OK)
        st = ph_vocab_read_json(v, text.len == 0 ? "" : text.data, text.len, path, err);
    ph_buf_free(&text);
    static const ph_str none = {NULL, 0};
    bool roles = st == PHIAL_OK && v->kind == PH_VOCAB_BPE;
    return roles ? ph_vocab_read_roles(v, none, none, path, err) : st;
}

static phial_status open_pieces(ph_vocab *v, const char *path, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status st = ph_file_read_regular(&text, path, PH_VOCAB_MAX_FILE_BYTES, err);
    static const ph_str none = {NULL, 0};
    if (st == PHIAL_OK)
        st = ph_vocab_read_pieces(v, text_of(&text), none, path, err);
    ph_buf_free(&text);
    return st;
}

phial_status ph_vocab_open(ph_vocab *v, const char *path, phial_error *err)
{
    switch (ph_file_kind_of(path)) {
    case PH_FILE_DIRECTORY:
        return open_directory(v, path, err);
    case PH_FILE_REGULAR:
        if (ph_str_ends_with(ph_str_from(path), ".json"))
            return open_json(v, path, err);
        if (ph_str_ends_with(ph_str_from(path), ".txt"))
            return open_pieces(v, path, err);
        return open_gguf(v, path, err);
    case PH_FILE_MISSING:
        return ph_err_set(err, PHIAL_ERR_IO, "%s: there is no such file or directory", path);
    case PH_FILE_OTHER:
        break;
    }
    return ph_err_set(err, PHIAL_ERR_IO, "%s: neither a file nor a directory", path);
}
