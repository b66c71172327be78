/* A text that need not end in NUL and may hold any bytes: a pointer and a length. */
#ifndef PHIAL_TEXT_H
#define PHIAL_TEXT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct phial_text {
    const char *p; /* borrowed */
    size_t n;      /* bytes */
} phial_text;

#ifdef __cplusplus
}
#endif

#endif
