/* How much memory can be taken without driving others, or the weights' own pages, out. */
#ifndef PH_CLI_MEMORY_ROOM_H
#define PH_CLI_MEMORY_ROOM_H

#include <stdint.h>

/* Bytes: what the system calls available, or what the cgroup (v2) still allows if that is less.
 * UINT64_MAX: nobody says. */
uint64_t ph_memory_room(void);

#endif
