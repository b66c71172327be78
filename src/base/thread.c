/* Locks and the CPU count; contract in thread.h. */
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

struct ph_mutex {
    pthread_mutex_t native;
};

phial_status ph_mutex_new(ph_mutex **out, phial_error *err)
{
    ph_mutex *m = ph_alloc(1, sizeof *m, err);
    if (m == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    int code = pthread_mutex_init(&m->native, NULL);
    if (code != 0) {
        ph_free(m);
        return ph_err_errno(err, code, "making a lock");
    }
    *out = m;
    return PHIAL_OK;
}

void ph_mutex_free(ph_mutex *m)
{
    if (m != NULL) {
        pthread_mutex_destroy(&m->native);
        ph_free(m);
    }
}

void ph_mutex_lock(ph_mutex *m)
{
    pthread_mutex_lock(&m->native);
}

void ph_mutex_unlock(ph_mutex *m)
{
    pthread_mutex_unlock(&m->native);
}

struct ph_cond {
    pthread_cond_t native;
};

phial_status ph_cond_new(ph_cond **out, phial_error *err)
{
    pthread_condattr_t attr;
    ph_cond *c = ph_alloc(1, sizeof *c, err);
    if (c == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    int code = pthread_condattr_init(&attr);
    if (code == 0) {
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        code = pthread_cond_init(&c->native, &attr);
        pthread_condattr_destroy(&attr);
    }
    if (code != 0) {
        ph_free(c);
        return ph_err_errno(err, code, "making a condition");
    }
    *out = c;
    return PHIAL_OK;
}

void ph_cond_free(ph_cond *c)
{
    if (c != NULL) {
        pthread_cond_destroy(&c->native);
        ph_free(c);
    }
}

void ph_cond_wait(ph_cond *c, ph_mutex *m)
{
    pthread_cond_wait(&c->native, &m->native);
}

void ph_cond_wait_ms(ph_cond *c, ph_mutex *m, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&c->native, &m->native, &until);
}

void ph_cond_wake_all(ph_cond *c)
{
    pthread_cond_broadcast(&c->native);
}

int ph_cpu_current(void)
{
    return sched_getcpu();
}

void ph_cpu_avoid(const int *taken, int n)
{
    cpu_set_t allowed, wanted;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        return;
    }
    wanted = allowed;
    for (int i = 0; i < n; i++) {
        if (taken[i] >= 0 && taken[i] < CPU_SETSIZE) {
            CPU_CLR(taken[i], &wanted);
        }
    }
    if (CPU_COUNT(&wanted) > 0 && sched_setaffinity(0, sizeof wanted, &wanted) == 0) {
        sched_setaffinity(0, sizeof allowed, &allowed);
    }
}

static int affinity_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) {
        return CPU_COUNT(&set);
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* CPUs that quota/period allow, rounded up; 0: no limit stated. */
static int quota_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) {
        return 0;
    }
    long long n = (quota + period - 1) / period;
    return n < PH_THREADS_MAX ? (int)n : PH_THREADS_MAX;
}

/* The quota of one control group folder (v2: cpu.max, v1: cpu.cfs_quota_us); 0: none. */
static int folder_quota(const char *folder)
{
    char path[4096 + 32];
    long long quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        if (fscanf(f, "%lld %lld", &quota, &period) != 2) {
            quota = 0; /* "max" */
        }
        fclose(f);
        return quota_cpus(quota, period);
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    f = fopen(path, "re");
    if (f == NULL) {
        return 0;
    }
    int ok = fscanf(f, "%lld", &quota) == 1;
    fclose(f);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    f = ok ? fopen(path, "re") : NULL;
    if (f == NULL) {
        return 0;
    }
    ok = fscanf(f, "%lld", &period) == 1;
    fclose(f);
    return ok ? quota_cpus(quota, period) : 0;
}

/* Least quota from root/sub up to root; `sub` is cut as we climb. */
static int climb(const char *root, char *sub, int best)
{
    for (;;) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%.1000s%.3000s", root, sub);
        int n = folder_quota(folder);
        if (n > 0 && n < best) {
            best = n;
        }
        char *slash = strrchr(sub, '/');
        if (slash == NULL || sub[0] == '\0') {
            return best;
        }
        *slash = '\0';
    }
}

/* Is the controller "cpu" in a list such as "cpu,cpuacct"? */
static bool lists_cpu(const char *controllers)
{
    for (const char *p = controllers; *p != '\0'; p += p[0] == ',') {
        size_t n = strcspn(p, ",");
        if (n == 3 && memcmp(p, "cpu", 3) == 0) {
            return true;
        }
        p += n;
    }
    return false;
}

static int cgroup_count(int best)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (f == NULL) {
        return best;
    }
    char line[4096];
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *sub = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (sub == NULL) {
            continue;
        }
        *sub++ = '\0';
        controllers++;
        if (strcmp(sub, "/") == 0) {
            sub[0] = '\0';
        }
        if (controllers[0] == '\0') {
            best = climb("/sys/fs/cgroup", sub, best);
        } else if (lists_cpu(controllers)) {
            best = climb("/sys/fs/cgroup/cpu", sub, best);
        }
    }
    fclose(f);
    return best;
}

int ph_cpu_count(void)
{
    int n = cgroup_count(affinity_count());
    return n < 1 ? 1 : (n > PH_THREADS_MAX ? PH_THREADS_MAX : n);
}
