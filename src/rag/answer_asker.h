/* The inside of an asker; contract in include/phial/answer.h. One answer goes through three files:
 * answer_find.c (passages), answer.c (prompt and model), answer_cite.c (sentences and citations).
 */
#ifndef PH_RAG_ANSWER_ASKER_H
#define PH_RAG_ANSWER_ASKER_H

#include "base/mem.h"
#include "phial/answer.h"
#include "rag/answer_prompt.h"
#include "rag/answer_support.h"

/* A passage that was in the last prompt. */
typedef struct ph_kept_passage {
    int64_t chunk;
    uint64_t start, end;
} ph_kept_passage;

struct phial_asker {
    phial_collection *collection; /* borrowed; NULL: passages are given */
    phial_ask_options options;
    ph_support *support;
    const phial_tokenizer *tokenizer; /* that the encoder is for */
    phial_encoder *encoder;
    ph_thread_turn thread[PH_THREAD_TURNS];
    size_t n_thread;
    ph_kept_passage kept[PHIAL_ANSWER_PASSAGES_MAX]; /* in the order of the last prompt */
    size_t n_kept;

    /* Of the answer that was given last. */
    ph_arena arena;
    phial_hits *hits;
    phial_passage *passages;                 /* [answer.n_passages], in the arena */
    size_t order[PHIAL_ANSWER_PASSAGES_MAX]; /* passages in the prompt */
    size_t n_order;
    uint32_t *ids; /* the prompt */
    phial_answer answer;
};

/* A copy in the arena, with a NUL behind. */
phial_status ph_asker_copy(phial_asker *a, phial_text *out, const char *p, size_t n,
                           phial_error *err);

/* Whether the question goes on from the thread. */
phial_status ph_asker_follows_up(phial_asker *a, bool *out, ph_str question, phial_error *err);
/* Passages from the collection, best first. */
phial_status ph_asker_search(phial_asker *a, ph_str question, phial_error *err);
/* Passages from the caller. */
phial_status ph_asker_take(phial_asker *a, const phial_passage *passages, size_t n,
                           phial_error *err);
/* Cuts long passages to what is most about the question, at most n_tokens each, and prepares
 * support; tokens are not counted if there is no encoder. */
phial_status ph_asker_prepare(phial_asker *a, ph_str question, size_t n_tokens, phial_error *err);
/* Support begins anew, with the question and what the thread adds to it. */
phial_status ph_asker_question(phial_asker *a, ph_str question, phial_error *err);
/* In which order they stand in the prompt: those of the last prompt as they stood, then new ones.
 */
void ph_asker_order(phial_asker *a);

/* Whether a text says that the passages do not tell. */
bool ph_answer_declines(ph_str text);
/* From answer.said: sentences, citations, and whether it is an answer at all. */
phial_status ph_asker_cite(phial_asker *a, phial_error *err);

#endif
