/* vocab.json, merges.txt, added_tokens.json, tokenizer_config.json, special_tokens_map.json, in
 * this order with a line "===" between them; whatever loads is written as tokenizer.json and read
 * again.
 */
#include <stdlib.h>
#include <string.h>

#include "tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char separator[] = "\n===\n";

/* The next text; one that is not there has a NULL pointer. */
static ph_str next_text(ph_str *rest)
{
    ph_str text = *rest;
    size_t n = sizeof separator - 1;
    const char *at = rest->p ? memmem(rest->p, rest->n, separator, n) : NULL;
    if (at) {
        text.n = (size_t)(at - rest->p);
        *rest = (ph_str){at + n, rest->n - text.n - n};
    } else {
        *rest = (ph_str){NULL, 0};
    }
    return text;
}

static void write_and_read(const ph_vocab *v)
{
    phial_error err = {0};
    ph_vocab again;
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_vocab_init(&again);
    if (ph_vocab_write_json(&text, v, &err) != PHIAL_OK ||
        ph_vocab_read_json(&again, text.data, text.len, "again", &err) != PHIAL_OK ||
        again.n_merges != v->n_merges)
        abort();
    ph_vocab_free(&again);
    ph_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    phial_error err = {0};
    ph_vocab v;
    ph_vocab_init(&v);
    ph_str rest = {(const char *)data, size};
    ph_vocab_files f;
    f.vocab = next_text(&rest);
    f.merges = next_text(&rest);
    f.added = next_text(&rest);
    f.config = next_text(&rest);
    f.special = next_text(&rest);
    if (!f.merges.p)
        f.merges = (ph_str){"", 0};
    if (ph_vocab_read_files(&v, &f, "fuzz", &err) == PHIAL_OK &&
        ph_vocab_read_roles(&v, f.config, f.special, "fuzz", &err) == PHIAL_OK) {
        phial_tokenizer *t = NULL;
        write_and_read(&v);
        ph_tokenizer_build(&t, &v, "fuzz", &err);
        phial_tokenizer_close(t);
    }
    ph_vocab_free(&v);
    return 0;
}
