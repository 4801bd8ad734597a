/* What this processor can do, and how much of it this process may use.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/base.h"

#include <sched.h>
#include <unistd.h>

unsigned cpu_features(void)
{
    unsigned f = 0;
#if defined(__x86_64__)
    /* These builtins also check that the system saves the wide registers. */
    __builtin_cpu_init();
    /* F16C came with the generation before AVX2; clang 14 has no name for it. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) f |= CPU_AVX2;
    if ((f & CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        f |= CPU_AVX512;
    if ((f & CPU_AVX512) && __builtin_cpu_supports("avx512vnni")) f |= CPU_AVX512_VNNI;
    if ((f & CPU_AVX512) && __builtin_cpu_supports("avx512bf16")) f |= CPU_AVX512_BF16;
#elif defined(__aarch64__)
    f |= CPU_NEON;
#endif
    return f;
}

static const struct {
    const char *name;
    unsigned mask;
} LEVELS[] = {
    {"ref", 0},
    {"avx2", CPU_AVX2},
    {"avx512", CPU_AVX2 | CPU_AVX512},
    {"avx512_vnni", CPU_AVX2 | CPU_AVX512 | CPU_AVX512_VNNI},
    {"avx512_bf16", CPU_AVX2 | CPU_AVX512 | CPU_AVX512_VNNI | CPU_AVX512_BF16},
    {"neon", CPU_NEON},
    {"native", ~0u},
};

bool cpu_mask_by_name(unsigned *mask, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(LEVELS); i++) {
        if (strcmp(LEVELS[i].name, name) != 0) continue;
        *mask = LEVELS[i].mask;
        return true;
    }
    return false;
}

const char *cpu_level_name(unsigned mask)
{
    const char *best = "ref";
    for (size_t i = 0; i + 1 < COUNT_OF(LEVELS); i++)
        if (LEVELS[i].mask && (mask & LEVELS[i].mask) == LEVELS[i].mask) best = LEVELS[i].name;
    return best;
}

/* Cores a cgroup v2 quota allows, rounded up, or a large number. */
static int quota_cores(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    long long quota, period;
    int cores = 1 << 20;
    if (f && fscanf(f, "%lld %lld", &quota, &period) == 2 && period > 0 && quota > 0)
        cores = (int)((quota + period - 1) / period);
    if (f) fclose(f);
    return cores;
}

/* Hardware threads that share a core with a lower-numbered one do not count. */
static bool first_of_core(int cpu)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *f = fopen(path, "re");
    int first = cpu;
    if (f && fscanf(f, "%d", &first) != 1) first = cpu;
    if (f) fclose(f);
    return first == cpu;
}

int cpu_cores(void)
{
    cpu_set_t set;
    int all = 0, cores = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (int c = 0; c < CPU_SETSIZE; c++) {
            if (!CPU_ISSET(c, &set)) continue;
            all++;
            cores += first_of_core(c);
        }
    }
    if (cores == 0) cores = all; /* an affinity mask of second siblings only */
    if (cores == 0) cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int quota = quota_cores();
    if (cores > quota) cores = quota;
    return cores < 1 ? 1 : cores > 256 ? 256 : cores;
}
