/* ph_glob_match(); contract in collection_search.h. A star that fails is tried one byte further,
 * and only the last star: the time is at most the product of both lengths. */
#include "rag/collection_search.h"

/* One element of the pattern at *p against a byte; *p moves behind it. */
static bool match_one(const char **p, uint8_t byte)
{
    const char *g = *p;
    if (*g == '?') {
        *p = g + 1;
        return true;
    }
    if (*g != '[') {
        *p = g + 1;
        return (uint8_t)*g == byte;
    }
    bool negated = g[1] == '!' || g[1] == '^', in = false;
    const char *s = g + 1 + negated, *first = s;
    for (; *s && (*s != ']' || s == first); s++) {
        uint8_t from = (uint8_t)*s, to = from;
        if (s[1] == '-' && s[2] && s[2] != ']') {
            to = (uint8_t)s[2];
            s += 2;
        }
        in = in || (byte >= from && byte <= to);
    }
    if (!*s) { /* no end: the bracket is a byte like others */
        *p = g + 1;
        return byte == '[';
    }
    *p = s + 1;
    return in != negated;
}

bool ph_glob_match(const char *glob, ph_str name)
{
    const char *p = glob, *star = NULL;
    size_t i = 0, again = 0;
    while (i < name.n) {
        if (*p == '*') {
            star = ++p;
            again = i;
            continue;
        }
        const char *next = p;
        if (*p && match_one(&next, (uint8_t)name.p[i])) {
            p = next;
            i++;
        } else if (star) {
            p = star;
            i = ++again;
        } else {
            return false;
        }
    }
    while (*p == '*')
        p++;
    return *p == 0;
}
