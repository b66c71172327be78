/* The raw facts of a tokenizer, the same whatever file they came from: the list of tokens with
 * their bytes and types, the merges in order of rank or the rules of WordPiece, the ids with a
 * role. A tokenizer is made from this, and other file formats are written from it.
 *
 * Readers fill it: vocab_json.c (tokenizer.json), vocab_files.c (vocab.json, merges.txt,
 * added_tokens.json), vocab_gguf.c, and vocab_wordpiece.c for the parts of them that WordPiece has,
 * and vocab.txt. All check everything they use; merges that name unknown tokens, duplicate tokens,
 * ids out of range are errors with the place in the message.
 * Threads: immutable once read.
 */
#ifndef PH_TOK_VOCAB_H
#define PH_TOK_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "fmt/gguf.h"
#include "phial/tokenizer.h"
#include "tok/word.h"

/* Limits on what a file may claim, with PHIAL_VOCAB_MAX. */
#define PH_VOCAB_MAX_TOKEN_BYTES 4096
#define PH_VOCAB_MAX_MERGES      (1u << 22)
#define PH_VOCAB_MAX_FILE_BYTES  ((size_t)256 << 20)
/* A lookup in a hash table of this wing looks at no more slots: honest keys need a few. */
#define PH_VOCAB_MAX_PROBES      4096
#define PH_VOCAB_MAX_MEMORY      ((size_t)1 << 30)

/* GGUF's numbers. */
typedef enum ph_token_type {
    PH_TOKEN_NORMAL = 1,
    PH_TOKEN_CONTROL = 3, /* special: parsed only if the caller wants it */
    PH_TOKEN_USER = 4,    /* added, but not special: always parsed */
    PH_TOKEN_UNUSED = 5   /* an id without text */
} ph_token_type;

typedef struct ph_vocab_token {
    ph_str text;      /* the bytes it stands for; empty for an unused id */
    uint8_t type;     /* ph_token_type */
    bool in_model;    /* BPE knows it: merges may name it; or it is a piece of WordPiece */
    bool continues;   /* WordPiece: goes on with a word; all others begin with a blank */
    bool second_pass; /* an added token that is searched for after the others have been cut out
                         (tokenizer.json: "normalized": true) */
} ph_vocab_token;

/* Ids of the parts and of what they become. Rank is the index in the list. */
typedef struct ph_vocab_merge {
    uint32_t left, right, result;
} ph_vocab_merge;

/* A token that BPE knows, by its bytes. Longer ones than PH_WORD_MAX have a hash for a key, marked
 * by PH_KEY_HASHED in hi, and their bytes must be compared. */
#define PH_KEY_HASHED ((uint64_t)1 << 63)
typedef struct ph_vocab_slot {
    ph_word key; /* hi 0: empty */
    uint32_t id;
    bool whole; /* BPE makes exactly this token of its bytes; set by ph_bpe_build() */
} ph_vocab_slot;

typedef enum ph_vocab_kind { PH_VOCAB_BPE, PH_VOCAB_WORDPIECE } ph_vocab_kind;

/* Of BERT's basic tokenizer. */
#define PH_WORDPIECE_CHARS_MAX 256
typedef struct ph_wordpiece_rules {
    bool clean; /* control characters are dropped */
    bool cjk;   /* ideographs are words of their own */
    bool strip; /* accents go */
    bool lower;
    uint32_t max_chars; /* of a word, 1 .. PH_WORDPIECE_CHARS_MAX */
} ph_wordpiece_rules;

typedef struct ph_vocab {
    ph_vocab_kind kind;
    ph_wordpiece_rules rules; /* of WORDPIECE */
    ph_arena arena;           /* owns the texts */
    ph_vocab_token *tokens;   /* owned */
    uint32_t n_tokens;
    uint32_t cap_tokens;
    ph_vocab_merge *merges; /* owned */
    uint32_t n_merges;
    uint32_t cap_merges;
    ph_vocab_slot *slots; /* owned; open addressing, slot of a hash: hash >> slot_shift */
    uint32_t slot_mask;
    int slot_shift;
    uint32_t n_slots_used;
    uint32_t bos, eos, unk; /* PHIAL_TOKEN_NONE if not named; [CLS] and [SEP] of WordPiece */
    bool add_bos;
} ph_vocab;

void ph_vocab_init(ph_vocab *v);
void ph_vocab_free(ph_vocab *v);

/* Readers. The vocab is initialised by the caller, who frees it also when they fail. `name` stands
 * at the beginning of messages. */
phial_status ph_vocab_read_json(ph_vocab *v, const char *text, size_t n, const char *name,
                                phial_error *err);
phial_status ph_vocab_read_gguf(ph_vocab *v, const ph_gguf *g, const char *name, phial_error *err);

/* WordPiece: vocab.txt, a piece a line, with tokenizer_config.json (p NULL: not there); the model
 * and pipeline of a tokenizer.json; the tokenizer.ggml keys of a GGUF file whose model is "bert".
 */
phial_status ph_vocab_read_pieces(ph_vocab *v, ph_str vocab, ph_str config, const char *name,
                                  phial_error *err);
phial_status ph_vocab_json_wordpiece(ph_vocab *v, const ph_json *root, phial_error *err);
phial_status ph_vocab_gguf_wordpiece(ph_vocab *v, const ph_gguf *g, phial_error *err);

/* Texts of the files of one folder; NULL p: not there. */
typedef struct ph_vocab_files {
    ph_str vocab, merges, added, config, special;
} ph_vocab_files;
phial_status ph_vocab_read_files(ph_vocab *v, const ph_vocab_files *f, const char *name,
                                 phial_error *err);
/* bos, eos, unk from tokenizer_config.json and special_tokens_map.json (either may be absent). If
 * neither names an eos, <|endoftext|> takes the roles where it is a token. */
phial_status ph_vocab_read_roles(ph_vocab *v, ph_str config, ph_str special, const char *name,
                                 phial_error *err);
/* A folder or file of any kind, as phial_tokenizer_open() takes it. */
phial_status ph_vocab_open(ph_vocab *v, const char *path, phial_error *err);

/* Building, for the readers. Messages name the id or the merge, not the file. */
phial_status ph_vocab_reserve(ph_vocab *v, size_t n_tokens, size_t n_merges, phial_error *err);
/* Makes at least n_tokens ids exist; new ones are unused. */
phial_status ph_vocab_extend(ph_vocab *v, uint64_t n_tokens, phial_error *err);
/* A token of the model, in the byte alphabet. */
phial_status ph_vocab_add_model(ph_vocab *v, uint64_t id, ph_str alphabet, phial_error *err);
/* A piece of WordPiece, literal and without the sign of one that continues. */
phial_status ph_vocab_add_piece(ph_vocab *v, uint64_t id, ph_str piece, bool continues,
                                phial_error *err);
/* An added token, literal; a token of the model with the same id must have the same spelling. */
phial_status ph_vocab_add_added(ph_vocab *v, uint64_t id, ph_str literal, ph_token_type type,
                                bool second_pass, phial_error *err);
/* One merge by the spelling of its parts in the byte alphabet. */
phial_status ph_vocab_add_merge(ph_vocab *v, ph_str left, ph_str right, phial_error *err);
/* "left right"; exactly one space. */
phial_status ph_vocab_add_merge_line(ph_vocab *v, ph_str line, phial_error *err);
/* The slot of a model token, NULL if there is none with these bytes. */
ph_vocab_slot *ph_vocab_slot_of(const ph_vocab *v, ph_str bytes);
/* The id of a model token with these bytes, or PHIAL_TOKEN_NONE. */
uint32_t ph_vocab_find(const ph_vocab *v, ph_str bytes);
/* The id of an added token with exactly this text, or PHIAL_TOKEN_NONE; a walk over all. */
uint32_t ph_vocab_find_added(const ph_vocab *v, ph_str literal);

/* Writing: a token and a merge as GGUF spells them (byte alphabet for normal tokens, literal for
 * added ones, [PADn] for unused ids). n ids from n_tokens up to a padded vocabulary may be asked
 * for too. */
bool ph_vocab_spell_token(ph_buf *out, const ph_vocab *v, uint32_t id);
bool ph_vocab_spell_merge(ph_buf *out, const ph_vocab *v, uint32_t rank);
/* The whole as a tokenizer.json that other programs read. */
phial_status ph_vocab_write_json(ph_buf *out, const ph_vocab *v, phial_error *err);
/* tokenizer.json, tokenizer_config.json, special_tokens_map.json, vocab.json and merges.txt into a
 * folder, which is made if it is not there; each whole or not at all. */
phial_status ph_vocab_save(const ph_vocab *v, const char *dir, phial_error *err);

#endif
