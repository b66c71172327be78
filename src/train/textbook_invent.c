/* Words that nobody has seen: syllables, and pieces of the tables' words spliced. */
#include <string.h>
#include <strings.h>

#include "train/textbook_value.h"

/* Simple sounds stand several times: invented words should cost few tokens. */
static const char onsets[][4] = {"b",  "b",  "c",  "d",  "d",  "f",  "g",  "h",  "j",  "k",  "k",
                                 "l",  "l",  "m",  "m",  "n",  "n",  "p",  "p",  "r",  "r",  "s",
                                 "s",  "t",  "t",  "v",  "v",  "w",  "z",  "",   "",   "bl", "br",
                                 "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "pl", "pr", "qu",
                                 "sh", "sk", "sl", "sp", "st", "th", "tr", "y"};
static const char vowels[][3] = {"a", "e", "i", "o", "u", "a",  "e",  "i",  "o",  "a",  "e", "o",
                                 "u", "a", "e", "i", "o", "ai", "ea", "oo", "ou", "ee", "y"};
static const char codas[][4] = {"",  "",  "",   "",   "",   "n",  "n",  "l", "l",
                                "r", "r", "s",  "m",  "t",  "d",  "k",  "x", "n",
                                "l", "r", "nd", "rn", "st", "sh", "ck", "ng"};
static const char town_ends[][8] = {"ton",  "ville", "burg", "ford",    "mouth", "field",  "by",
                                    "ham",  "port",  "dale", "haven",   "stad",  "bridge", "wick",
                                    "mere", "wood",  "more", "minster", "a",     "o"};

static size_t add_piece(char *out, size_t n, const char *piece)
{
    size_t len = strlen(piece);
    memcpy(out + n, piece, len);
    return n + len;
}

/* What nobody wants to read in an invented word. */
static bool is_rude(const char *word, size_t n)
{
    static const char *const parts[] = {"fuck", "fuk",  "shit", "cunt", "dick", "cock", "nig",
                                        "slut", "rape", "twat", "jew",  "nazi", "tit",  "cum",
                                        "poo",  "piss", "fag",  "homo", "queer"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t at = 0; at + strlen(parts[i]) <= n; at++) {
            if (strncasecmp(word + at, parts[i], strlen(parts[i])) == 0)
                return true;
        }
    }
    return false;
}

static size_t add_syllables(ph_tb *t, char *out, size_t n_syllables)
{
    size_t n = 0;
    for (size_t i = 0; i < n_syllables; i++) {
        n = add_piece(out, n, PH_TB_ANY(t, onsets));
        n = add_piece(out, n, PH_TB_ANY(t, vowels));
        if (i + 1 == n_syllables || ph_tb_chance(t, 20))
            n = add_piece(out, n, PH_TB_ANY(t, codas));
    }
    return n;
}

#define SPLICE_PART  9 /* letters of a word at most */
#define SPLICE_TRIES 20

/* Any word for training, each as likely as the others; empty where its table has none. */
static ph_str draw_known(ph_tb *t)
{
    size_t n = 0, tables = ph_tb_table_count();
    for (size_t i = 0; i < tables; i++)
        n += t->tables[i].n_train;
    size_t at = n > 0 ? ph_tb_below(t, n) : 0;
    for (size_t i = 0; i < tables; i++) {
        if (at < t->tables[i].n_train)
            return t->tables[i].words[at];
        at -= t->tables[i].n_train;
    }
    return (ph_str){NULL, 0};
}

/* One that is letters alone; empty if none was found. */
static ph_str draw_letters(ph_tb *t)
{
    for (int i = 0; i < SPLICE_TRIES; i++) {
        ph_str word = draw_known(t);
        size_t n = 0;
        while (n < word.n &&
               ((word.p[n] >= 'a' && word.p[n] <= 'z') || (word.p[n] >= 'A' && word.p[n] <= 'Z')))
            n++;
        if (n >= 4 && n == word.n)
            return word;
    }
    return (ph_str){NULL, 0};
}

/* The beginning of one word and the end of another: the pieces that real words are made of, in an
 * order that nobody knows by heart. Often nearly all of one word: "fr" and "ountain". A tokenizer
 * has pieces of such length that stand in one common word alone, so nothing else teaches a model to
 * write them in another. 0: none was found. */
static size_t add_splice(ph_tb *t, char *out)
{
    ph_str a = draw_letters(t), b = draw_letters(t);
    if (a.n == 0 || b.n == 0)
        return 0;
    unsigned whole = (unsigned)ph_tb_below(t, 3); /* 0: most of b, 1: most of a */
    size_t head = whole == 0   ? 1 + ph_tb_below(t, 3)
                  : whole == 1 ? a.n - 1 - ph_tb_below(t, 2)
                               : 2 + ph_tb_below(t, a.n - 2);
    size_t tail = whole == 0   ? b.n - 1 - ph_tb_below(t, 2)
                  : whole == 1 ? 1 + ph_tb_below(t, 3)
                               : 2 + ph_tb_below(t, b.n - 2);
    head = head < SPLICE_PART ? head : SPLICE_PART;
    tail = tail < SPLICE_PART ? tail : SPLICE_PART;
    memcpy(out, a.p, head);
    memcpy(out + head, b.p + b.n - tail, tail);
    for (size_t i = 0; i < head + tail; i++)
        out[i] = out[i] >= 'A' && out[i] <= 'Z' ? (char)(out[i] - 'A' + 'a') : out[i];
    return head + tail;
}

/* Drawn until it is on this split's side, which takes five tries on average at most. At most 3 x (2
 * + 2 + 2) + 8 bytes. The test split makes none by splicing: that is for learning. */
ph_str ph_tb_invent(ph_tb *t, char out[PH_TB_INVENTED], size_t n_syllables, bool proper, bool town)
{
    bool want = t->options->split == PH_TEXTBOOK_TEST;
    bool splice = !want && ph_tb_chance(t, 50);
    size_t n;
    do {
        n = splice ? add_splice(t, out) : add_syllables(t, out, n_syllables);
        if (town)
            n = add_piece(out, n, PH_TB_ANY(t, town_ends));
        if (proper && out[0] >= 'a' && out[0] <= 'z')
            out[0] = (char)(out[0] - 'a' + 'A');
    } while (n < 3 || ph_tb_word_held(out, n) != want || is_rude(out, n));
    return (ph_str){out, n};
}

size_t ph_tb_invent_length(ph_tb *t)
{
    static const unsigned char lengths[] = {1, 1, 1, 2, 2, 2, 2, 2, 3};
    return lengths[ph_tb_below(t, sizeof lengths)];
}
