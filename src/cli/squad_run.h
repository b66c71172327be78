/* Answering SQuAD v2's questions and measuring the answers, for `phial eval squad2`.
 *
 * Every question is answered with all thresholds open, once; what thresholds would have made of it
 * is worked out afterwards. They are chosen on the articles whose title's hash is even, and
 * reported on the others.
 */
#ifndef PH_CLI_SQUAD_RUN_H
#define PH_CLI_SQUAD_RUN_H

#include "cli/gen_setup.h"
#include "phial/answer.h"
#include "rag/squad.h"

typedef struct ph_squad_result {
    double about, not_told, support;
    ph_buf said; /* empty: nothing, or that the passages do not tell */
    ph_squad_score score;
    uint32_t n_citations, n_right; /* of the best sentence; those that cover a marked answer */
    double swapped, swapped_near;  /* support of the answer for another question: of another
                                      article, of the same paragraph; negative: not looked at */
} ph_squad_result;

typedef struct ph_squad_run {
    const ph_squad *squad;
    size_t n;                 /* questions that are asked, the first of the file */
    ph_squad_result *results; /* owned, [n] */
    const ph_gen *gen;        /* NULL: the marked answers are held against the passages */
    ph_gen_config *config;
    const phial_preset *preset;
    phial_collection *collection; /* NULL: the paragraph is given */
    uint32_t k;
    bool (*progress)(void *user, size_t done, size_t n);
    void *user;
} ph_squad_run;

phial_status ph_squad_run_all(ph_squad_run *run, phial_error *err);
void ph_squad_run_free(ph_squad_run *run);

typedef struct ph_squad_thresholds {
    double min_about, max_not_told, min_support;
} ph_squad_thresholds;

typedef struct ph_squad_figures {
    size_t n, n_possible, n_impossible;
    double exact, f1;                   /* of all, in per cent, as all that follow */
    double exact_possible, f1_possible; /* of those that have an answer */
    double wrong_answers;               /* of impossible questions: answered */
    double wrong_abstentions;           /* of possible questions: not answered */
    double citation_precision;          /* of citations: cover a marked answer */
    double citation_recall;       /* of possible questions that were answered right (F1 at least
                                     one half): a citation covers a marked answer */
    double swapped, swapped_near; /* of answers held against another question: supported */
} ph_squad_figures;

/* half: 0 or 1; -1: both. */
void ph_squad_figures_of(ph_squad_figures *out, const ph_squad_run *run,
                         const ph_squad_thresholds *t, int half);
/* On half 0. min_support: the most that leaves 98% of the right answers supported; the other two
 * where F1 is best. The defaults, if no question is in half 0. */
void ph_squad_calibrate(ph_squad_thresholds *out, const ph_squad_run *run);

bool ph_squad_answered(const ph_squad_result *r, const ph_squad_thresholds *t);

#endif
