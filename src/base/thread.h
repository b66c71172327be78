/* Threads, locks, and how many threads make sense here. With base/pool the only user of pthread.h.
 */
#ifndef PH_BASE_THREAD_H
#define PH_BASE_THREAD_H

#include "base/err.h"

#define PH_THREADS_MAX 512

/* CPUs this process may really use: the affinity mask, cut down to the cgroup's CPU quota (v1 and
 * v2, rounded up, every level up to the root). At least 1. */
int ph_cpu_count(void);

/* CPU the calling thread runs on at this moment; -1: unknown. */
int ph_cpu_current(void);
/* Moves the calling thread to an allowed CPU that is none of taken[0..n), if there is one, and
 * leaves it free to go elsewhere from there. */
void ph_cpu_avoid(const int *taken, int n);

typedef struct ph_mutex ph_mutex;
phial_status ph_mutex_new(ph_mutex **out, phial_error *err);
void ph_mutex_free(ph_mutex *m);
void ph_mutex_lock(ph_mutex *m);
void ph_mutex_unlock(ph_mutex *m);

/* A condition: what waits holds the mutex, which is free while it waits. Waking up says nothing
 * about the reason: look again. */
typedef struct ph_cond ph_cond;
phial_status ph_cond_new(ph_cond **out, phial_error *err);
void ph_cond_free(ph_cond *c);
void ph_cond_wait(ph_cond *c, ph_mutex *m);
/* No longer than so many milliseconds. */
void ph_cond_wait_ms(ph_cond *c, ph_mutex *m, unsigned ms);
void ph_cond_wake_all(ph_cond *c);

#endif
