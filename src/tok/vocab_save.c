/* A vocabulary as the files of a folder; contract in vocab.h. */
#include "base/file.h"
#include "tok/vocab.h"

static phial_status save(const char *dir, const char *name, ph_buf *text, phial_error *err)
{
    ph_writer *w = NULL;
    phial_status st = ph_buf_status(text, err);
    char *path = st == PHIAL_OK ? ph_path_join(dir, name, err) : NULL;
    if (st == PHIAL_OK && !path)
        st = PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = ph_writer_open(&w, path, err);
    if (st == PHIAL_OK)
        st = ph_writer_write(w, text->data, text->len, err);
    if (st == PHIAL_OK)
        st = ph_writer_commit(w, err);
    ph_writer_close(w);
    ph_free(path);
    ph_buf_clear(text);
    return st;
}

static phial_status save_object(const char *dir, const char *name, ph_json *root, ph_buf *text,
                                phial_error *err)
{
    phial_status st = ph_json_write(text, root, 2, err);
    ph_json_free(root);
    ph_buf_add_byte(text, '\n');
    return st == PHIAL_OK ? save(dir, name, text, err) : st;
}

static void set_roles(ph_json *o, const ph_vocab *v)
{
    const struct {
        const char *key;
        uint32_t id;
    } roles[] = {{"bos_token", v->bos}, {"eos_token", v->eos}, {"unk_token", v->unk}};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (roles[i].id != PHIAL_TOKEN_NONE)
            ph_json_set(o, roles[i].key, ph_json_str_new(v->tokens[roles[i].id].text));
    }
}

static ph_json *config(const ph_vocab *v)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "add_bos_token", ph_json_bool_new(v->add_bos));
    ph_json_set(o, "add_prefix_space", ph_json_bool_new(false));
    set_roles(o, v);
    ph_json_set(o, "clean_up_tokenization_spaces", ph_json_bool_new(false));
    ph_json_set(o, "tokenizer_class", ph_json_str_new(ph_str_from("CodeGenTokenizer")));
    return o;
}

/* vocab.json and merges.txt, for programs that know no tokenizer.json. */
static phial_status save_pair(const char *dir, const ph_vocab *v, ph_buf *text, phial_error *err)
{
    ph_json *words = ph_json_object_new();
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        if (!v->tokens[id].in_model)
            continue;
        ph_buf_clear(text);
        ph_vocab_spell_token(text, v, id);
        ph_json_set(words, text->data ? text->data : "", ph_json_int_new(id));
    }
    ph_buf_clear(text);
    phial_status st = save_object(dir, "vocab.json", words, text, err);
    if (st != PHIAL_OK)
        return st;
    ph_buf_add_str(text, "#version: 0.2\n");
    for (uint32_t rank = 0; rank < v->n_merges; rank++) {
        ph_vocab_spell_merge(text, v, rank);
        ph_buf_add_byte(text, '\n');
    }
    return save(dir, "merges.txt", text, err);
}

phial_status ph_vocab_save(const ph_vocab *v, const char *dir, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status st = ph_dir_make(dir, err);
    if (st == PHIAL_OK)
        st = save_pair(dir, v, &text, err);
    ph_json *special = ph_json_object_new();
    set_roles(special, v);
    phial_status one =
        save_object(dir, "special_tokens_map.json", special, &text, st == PHIAL_OK ? err : NULL);
    st = st == PHIAL_OK ? one : st;
    if (st == PHIAL_OK)
        st = save_object(dir, "tokenizer_config.json", config(v), &text, err);
    /* The one that Phial reads comes last: where it is, the others are. */
    if (st == PHIAL_OK)
        st = ph_vocab_write_json(&text, v, err);
    if (st == PHIAL_OK)
        st = save(dir, "tokenizer.json", &text, err);
    ph_buf_free(&text);
    return st;
}
