/* An event of a clause: its parts as templates with slots (textbook_grammar.h). */
#ifndef PH_TRAIN_TEXTBOOK_CLAUSE_EVENT_H
#define PH_TRAIN_TEXTBOOK_CLAUSE_EVENT_H

#include "train/textbook_clause.h"

#define PH_TB_PART     96 /* bytes of a part, NUL included */
#define PH_TB_ADJUNCTS 2

typedef enum ph_tb_tense { PH_TB_PAST, PH_TB_PRESENT, PH_TB_FUTURE, PH_TB_PERFECT } ph_tb_tense;
typedef enum ph_tb_doer { PH_TB_PERSON, PH_TB_ANIMAL, PH_TB_THING } ph_tb_doer;

typedef struct ph_tb_adjunct {
    char kind; /* 'w' where, 't' when, 'o' how often, 'c' with whom, 'p' what for, 'b' because */
    char text[PH_TB_PART];
} ph_tb_adjunct;

typedef struct ph_tb_event {
    size_t verb; /* its first row in textbook_clause.def, or PH_TB_DRAWN_VERB */
    ph_tb_tense tense;
    ph_tb_doer doer;
    bool many_subjects, many_objects, passive; /* passive: the verb has one */
    bool named;                                /* the subject is {name}, for whom {he} stands */
    char base[PH_TB_PART], past[PH_TB_PART], participle[PH_TB_PART], third[PH_TB_PART];
    char told[PH_TB_PART], subject[PH_TB_PART]; /* in the sentence; in questions and answers */
    char called[PH_TB_PART];                    /* "the {job4}" of "a baker called Ann"; or "" */
    char how_many[PH_TB_PART], subject_count[PH_TB_PART];            /* of "two bakers", or "" */
    char object[PH_TB_PART], definite[PH_TB_PART], bare[PH_TB_PART]; /* "a hat", "the hat", "hat" */
    char object_count[PH_TB_PART];                                   /* the number told, or "" */
    char complement[PH_TB_PART];
    char asked_by; /* the complement's letter in textbook_clause.def */
    ph_tb_adjunct adjuncts[PH_TB_ADJUNCTS];
    size_t n_adjuncts;
} ph_tb_event;

/* Draws an event that is told in the tense. plain: without adjuncts. */
void ph_tb_event_draw(ph_tb *t, ph_tb_event *e, ph_tb_tense tense, bool plain);

/* Gives all slots of the event names of their own, by one digit more, but for the subject's if
 * that is kept. */
void ph_tb_event_renumber(ph_tb_event *e, bool keep_subject);

/* Appends the shape with the event's parts for its marks:
 *   %s subject as told     %S subject as asked for   %f finite verb      %g the same of "who"
 *   %t object as told      %q object, a or the       %O object, the      %c complement
 *   %a adjuncts            %A the first, as a head   %B all but the first
 *   %d did, does, ...      %b the verb behind it     %i infinitive
 *   %p was done            %P was, will, ...         %N done, be done, ...
 *   %r preposition of the complement, %R with a capital, %k the complement without it
 *   %x one thing more that tells the event apart, but not that of kind `without`, or nothing
 */
void ph_tb_event_say(ph_tb *t, const ph_tb_event *e, ph_buf *out, ph_str shape, char without);

/* Parts may be empty: takes out double blanks, and those before marks, from `from` on. */
void ph_tb_event_tidy(ph_buf *out, size_t from);

/* Is there an adjunct or a complement of the kind? */
bool ph_tb_event_has(const ph_tb_event *e, char kind);

#endif
