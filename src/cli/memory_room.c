/* Contract in memory_room.h. Source: proc(5) on MemAvailable; the kernel's cgroup-v2 document on
 * memory.max and memory.current. Only the cgroup's root as this process sees it is asked, which is
 * the container's own limit inside of one. */
#include "cli/memory_room.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The first number in the first line of the file that begins with `key`. */
static uint64_t read_number(const char *path, const char *key)
{
    char line[256];
    uint64_t value = UINT64_MAX;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *p = line + strlen(key);
        p += strspn(p, " \t");
        ph_str digits = {p, strspn(p, "0123456789")};
        if (!ph_str_parse_u64(digits, &value))
            value = UINT64_MAX;
        break;
    }
    if (f)
        fclose(f);
    return value;
}

uint64_t ph_memory_room(void)
{
    uint64_t kib = read_number("/proc/meminfo", "MemAvailable:");
    uint64_t room = kib < UINT64_MAX / 1024 ? kib * 1024 : UINT64_MAX;
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max", "");
    uint64_t used = read_number("/sys/fs/cgroup/memory.current", "");
    if (limit != UINT64_MAX && used != UINT64_MAX) {
        uint64_t left = limit > used ? limit - used : 0;
        room = left < room ? left : room;
    }
    return room;
}
