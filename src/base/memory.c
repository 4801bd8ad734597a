/* Arenas over mapped blocks, and what memory there is.
 * SPDX-License-Identifier: MIT */
#include "base/base.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

size_t mem_map_bytes(size_t bytes)
{
    return size_round_up(bytes, bytes >= HUGE_PAGE ? HUGE_PAGE : 4096);
}

ponder_status mem_map(void **out, size_t bytes, ponder_error *err)
{
    *out = NULL;
    size_t total;
    if (bytes == 0 || !size_add(&total, bytes, 2 * (size_t)HUGE_PAGE))
        return err_set(err, PONDER_EARG, "cannot map %zu bytes", bytes);
    size_t want = mem_map_bytes(bytes);
    size_t slack = bytes >= HUGE_PAGE ? HUGE_PAGE : 0;
    uint8_t *p = mmap(NULL, want + slack, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return err_set(err, PONDER_ENOMEM, "cannot map %.1f MB of memory: %s",
                       (double)bytes * 1e-6, strerror(errno));
    if (slack) {
        /* Keep the aligned middle, give the ends back. */
        size_t head = size_round_up((size_t)(uintptr_t)p, HUGE_PAGE) - (size_t)(uintptr_t)p;
        if (head) munmap(p, head);
        if (slack - head) munmap(p + head + want, slack - head);
        p += head;
        madvise(p, want, MADV_HUGEPAGE); /* advice: without it the pages are merely small */
    }
    *out = p;
    return PONDER_OK;
}

void mem_unmap(void *p, size_t bytes)
{
    if (p) munmap(p, mem_map_bytes(bytes));
}

ponder_status arena_open(arena *a, size_t cap, ponder_error *err)
{
    *a = (arena){0};
    void *p;
    TRY(mem_map(&p, size_max(cap, ARENA_ALIGN), err));
    *a = (arena){.base = p, .cap = size_max(cap, ARENA_ALIGN)};
    return PONDER_OK;
}

void arena_close(arena *a)
{
    if (a->base) mem_unmap(a->base, a->cap);
    *a = (arena){0};
}

void *arena_alloc(arena *a, size_t bytes)
{
    size_t end;
    size_t start = a->used;
    if (!size_add(&end, start, bytes) || end > SIZE_MAX - ARENA_ALIGN) return NULL;
    end = size_round_up(end, ARENA_ALIGN);
    if (!a->base) { /* counting */
        a->used = end;
        if (end > a->peak) a->peak = end;
        return (void *)(uintptr_t)(ARENA_ALIGN + start);
    }
    if (end > size_round_up(a->cap, ARENA_ALIGN)) return NULL;
    a->used = end;
    if (end > a->peak) a->peak = end;
    return a->base + start;
}

void *arena_array(arena *a, size_t count, size_t size)
{
    size_t bytes;
    return size_mul(&bytes, count, size) ? arena_alloc(a, bytes) : NULL;
}

/* One number from a small file such as /sys/fs/cgroup/memory.max; false for "max" or no file. */
static bool read_number(const char *path, size_t *out)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    unsigned long long v;
    bool ok = fscanf(f, "%llu", &v) == 1;
    fclose(f);
    if (ok) *out = (size_t)v;
    return ok;
}

/* Memory the tightest control group still allows, or SIZE_MAX. Page cache is reclaimable, so it
 * does not count as used. */
static size_t cgroup_left(void)
{
    size_t limit, used, left = SIZE_MAX;
    if (read_number("/sys/fs/cgroup/memory.max", &limit) &&
        read_number("/sys/fs/cgroup/memory.current", &used)) {
        FILE *f = fopen("/sys/fs/cgroup/memory.stat", "re");
        char key[64];
        unsigned long long v, cache = 0;
        while (f && fscanf(f, "%63s %llu", key, &v) == 2)
            if (strcmp(key, "file") == 0) cache = v;
        if (f) fclose(f);
        used -= size_min(used, (size_t)cache);
        left = limit > used ? limit - used : 0;
    }
    return left;
}

size_t mem_available_bytes(void)
{
    size_t avail = SIZE_MAX;
    FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kb;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1) avail = (size_t)kb * 1024;
    if (f) fclose(f);
    return size_min(avail, cgroup_left());
}

size_t mem_resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long long total, resident = 0;
    if (f && fscanf(f, "%llu %llu", &total, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}
