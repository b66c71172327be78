/* A running helper program, as proc/spawn.c starts it and proc/child.c looks after it. */
#ifndef PH_PROC_CHILD_STRUCT_H
#define PH_PROC_CHILD_STRUCT_H

#include <sys/types.h>

#include "proc/spawn.h"

struct ph_child {
    pid_t pid; /* also of its process group; 0: none, or reaped */
    int out, err;
    bool ended;       /* status holds how */
    bool status_lost; /* somebody else reaped it */
    int status;
    uint64_t waited_ns; /* for it, so far */
    uint64_t n_read;
    ph_child_options limits; /* argv, document and input are not valid any more */
    char words[PH_CHILD_WORDS_MAX];
    size_t n_words;
    char name[64];
};

#endif
