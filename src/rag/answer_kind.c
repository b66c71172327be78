/* Contract in answer_kind.h. The lists were made on one half of SQuAD v2's articles (docs/RAG.md).
 */
#include "rag/answer_kind.h"

#include <string.h>

enum { HEAD_WORDS = 3 };

#define WORD_BYTES 24 /* longer ones are in no list */

static const char before[] = " in on by since until at during from for to around about ";
static const char spans[] = " year years date day month century decade period ";
static const char sizes[] = " many much long old far tall large big high deep wide fast often few ";
static const char plain[] = " who whom whose why where ";
static const char little[] = " of the and in about to s th st nd rd ";
static const char numbers[] =
    " one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred hundreds thousand thousands million millions billion billions trillion dozen dozens "
    "half third quarter first second once twice none no zero both single double triple a an ";
static const char times[] =
    " century centuries decade decades year years month months week weeks day days hour hours "
    "minute minutes second seconds january february march april may june july august september "
    "october november december monday tuesday wednesday thursday friday saturday sunday mondays "
    "tuesdays wednesdays thursdays fridays saturdays sundays spring summer autumn winter fall "
    "after before during since until age era period time times early late later ago always never "
    "when while once upon as soon following prior end start beginning morning night evening noon "
    "midnight today now then eve reign war ";
static const char amounts[] =
    " all many most some few several every couple majority minority least more less large larger "
    "huge small smaller little long longer fully great greater infinite significant low high "
    "higher free indefinitely forever permanent any each half entire whole almost nearly ";

/* A word in lower case; letters of other scripts belong to it, so that it is in no list. */
typedef struct word {
    char text[WORD_BYTES + 1];
    size_t n;
    bool digit, roman; /* has a digit; is "XIV" or the like, as it stands in the text */
} word;

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The word at or behind *at; false at the end. Letters and digits side by side are two words. */
static bool next_word(ph_str s, size_t *at, word *w)
{
    size_t i = *at;
    while (i < s.n && !is_letter(s.p[i]) && !is_digit(s.p[i]))
        i++;
    *w = (word){.roman = true};
    bool digits = i < s.n && is_digit(s.p[i]);
    for (; i < s.n && (digits ? is_digit(s.p[i]) : is_letter(s.p[i])); i++) {
        char c = s.p[i];
        w->roman = w->roman && (c == 'I' || c == 'V' || c == 'X');
        if (w->n < WORD_BYTES)
            w->text[w->n] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        w->n++;
    }
    *at = i;
    w->digit = digits;
    return w->n > 0;
}

static bool is_one_of(const word *w, const char *list)
{
    if (w->n == 0 || w->n >= WORD_BYTES)
        return false;
    char wanted[WORD_BYTES + 3];
    wanted[0] = ' ';
    memcpy(wanted + 1, w->text, w->n);
    memcpy(wanted + 1 + w->n, " ", 2);
    return strstr(list, wanted) != NULL;
}

static bool is_word(const word *w, const char *text)
{
    return w->n < WORD_BYTES && strcmp(w->text, text) == 0;
}

ph_answer_kind ph_answer_kind_asked(ph_str question)
{
    word head[HEAD_WORDS] = {0}, w, last = {0};
    size_t at = 0, n = 0;
    bool many = false;
    while (next_word(question, &at, &w)) {
        if (n < HEAD_WORDS && (n > 0 || !is_one_of(&w, before)))
            head[n++] = w;
        many = many || (is_word(&last, "how") && is_word(&w, "many"));
        last = w;
    }
    bool which = is_word(&head[0], "what") || is_word(&head[0], "which");
    if (is_word(&head[0], "when") || (which && is_one_of(&head[1], spans)))
        return PH_ANSWER_TIME;
    if (many || (is_word(&head[0], "how") && is_one_of(&head[1], sizes)))
        return PH_ANSWER_AMOUNT;
    return is_one_of(&head[0], plain) ? PH_ANSWER_NO_NUMBER : PH_ANSWER_ANY;
}

bool ph_answer_kind_fits(ph_answer_kind kind, ph_str answer)
{
    word w;
    size_t at = 0;
    bool number = false, time = false, amount = false, other = false;
    while (next_word(answer, &at, &w)) {
        bool own_number = w.digit || is_one_of(&w, numbers);
        bool own_time = is_one_of(&w, times);
        number = number || own_number || w.roman;
        time = time || own_time;
        amount = amount || is_one_of(&w, amounts);
        other = other || !(own_number || own_time || is_one_of(&w, little));
    }
    switch (kind) {
    case PH_ANSWER_TIME:
        return number || time;
    case PH_ANSWER_AMOUNT:
        return number || time || amount;
    case PH_ANSWER_NO_NUMBER:
        return other;
    case PH_ANSWER_ANY:
        break;
    }
    return true;
}
