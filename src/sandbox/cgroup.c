/* Control groups of slots: memory and number of tasks, by version 1 or 2.
 * SPDX-License-Identifier: MIT
 *
 * Groups are made below the caller's own, so that limits set from outside stay in force; where that
 * path is not visible (containers), below the root of what is mounted. Files and their meaning: the
 * kernel's Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst. */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The warden, kernel memory of the run and its folders count too. */
enum { MEMORY_SLACK = 8 << 20, TASK_SLACK = 3 };

/* Where the hierarchy of a v1 controller, or (NULL) of v2, is mounted. */
static bool find_mount(char *out, size_t cap, const char *controller)
{
    FILE *f = setmntent("/proc/self/mounts", "r");
    if (!f) return false;
    struct mntent e;
    char line[4096];
    bool found = false;
    while (!found && getmntent_r(f, &e, line, sizeof line)) {
        bool match = controller ? !strcmp(e.mnt_type, "cgroup") && hasmntopt(&e, controller)
                                : !strcmp(e.mnt_type, "cgroup2");
        if (match) found = snprintf(out, cap, "%s", e.mnt_dir) < (int)cap;
    }
    endmntent(f);
    return found;
}

/* Is `controller` among the comma-separated words of a line of /proc/self/cgroup? NULL: is it v2's? */
static bool names(const char *words, size_t n, const char *controller)
{
    if (!controller) return n == 0;
    const size_t want = strlen(controller);
    for (size_t at = 0; at < n;) {
        const char *comma = memchr(words + at, ',', n - at);
        size_t len = comma ? (size_t)(comma - words) - at : n - at;
        if (len == want && memcmp(words + at, controller, want) == 0) return true;
        at += len + 1;
    }
    return false;
}

/* This process's place in a hierarchy, "/" if unknown. */
static void find_own(char *out, size_t cap, const char *controller)
{
    snprintf(out, cap, "/");
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[4096];
    while (f && fgets(line, sizeof line, f)) { /* "4:memory:/some/path" */
        char *words = strchr(line, ':');
        char *path = words ? strchr(words + 1, ':') : NULL;
        if (!path || !names(words + 1, (size_t)(path - words - 1), controller)) continue;
        path[strcspn(path, "\n")] = '\0';
        if (snprintf(out, cap, "%s", path + 1) >= (int)cap) snprintf(out, cap, "/");
        break;
    }
    if (f) fclose(f);
}

static bool put(const char *dir, const char *file, const char *text)
{
    char path[320];
    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path) return false;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

static bool put_number(const char *dir, const char *file, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    return put(dir, file, text);
}

/* Makes a group of which `file` must exist; its path goes to out. */
static bool make(char *out, size_t cap, const char *controller, int slot, const char *file)
{
    char mount[128], own[160], name[48], probe[320];
    if (!find_mount(mount, sizeof mount, controller)) return false;
    find_own(own, sizeof own, controller);
    snprintf(name, sizeof name, "ponder-%d-%d", (int)getpid(), slot);
    const char *below[] = {own, ""};
    for (size_t i = 0; i < COUNT_OF(below); i++) {
        const char *slash = below[i][0] && strcmp(below[i], "/") != 0 ? below[i] : "";
        if (snprintf(out, cap, "%s%s/%s", mount, slash, name) >= (int)cap) continue;
        if (mkdir(out, 0755) != 0 && errno != EEXIST) continue;
        snprintf(probe, sizeof probe, "%s/%s", out, file);
        if (access(probe, W_OK) == 0) return true;
        rmdir(out);
    }
    out[0] = '\0';
    return false;
}

static int open_join(const char *dir)
{
    char path[320];
    if (snprintf(path, sizeof path, "%s/cgroup.procs", dir) >= (int)sizeof path) return -1;
    return dir[0] ? open(path, O_WRONLY | O_CLOEXEC) : -1;
}

bool cgroup_open(cgroup *g, int slot, char *detail)
{
    *g = (cgroup){.join = {-1, -1}};
    if (make(g->dir[0], sizeof g->dir[0], NULL, slot, "memory.max")) {
        g->v2 = g->memory = true;
    } else {
        g->memory = make(g->dir[0], sizeof g->dir[0], "memory", slot, "memory.limit_in_bytes");
        make(g->dir[1], sizeof g->dir[1], "pids", slot, "pids.max");
    }
    for (int i = 0; i < 2; i++) g->join[i] = open_join(g->dir[i]);
    const bool pids = g->v2 || g->join[1] >= 0;
    if (detail)
        snprintf(detail, 64, "%s%s%s", g->join[0] < 0 && g->join[1] < 0 ? "none" : g->v2 ? "v2" : "v1",
                 g->memory ? ", memory" : "", pids ? ", pids" : "");
    if (g->join[0] >= 0 || g->join[1] >= 0) return true;
    cgroup_close(g);
    return false;
}

void cgroup_close(cgroup *g)
{
    for (int i = 0; i < 2; i++) {
        if (g->join[i] >= 0) close(g->join[i]);
        /* The last process of a run may still be on its way out. */
        for (int tries = 0; g->dir[i][0] && rmdir(g->dir[i]) != 0 && errno == EBUSY && tries < 100; tries++)
            usleep(1000);
    }
    *g = (cgroup){.join = {-1, -1}};
}

bool cgroup_limit(const cgroup *g, uint64_t memory, uint32_t tasks)
{
    bool good = true;
    const uint64_t bytes = memory + MEMORY_SLACK;
    if (g->v2) {
        good = put_number(g->dir[0], "memory.max", bytes);
        put(g->dir[0], "memory.swap.max", "0"); /* absent without swap */
        put_number(g->dir[0], "pids.max", tasks + TASK_SLACK);
        return good;
    }
    if (g->memory) {
        /* memory+swap may not be below memory, so it goes out of the way first; absent without swap. */
        put(g->dir[0], "memory.memsw.limit_in_bytes", "-1");
        good = put_number(g->dir[0], "memory.limit_in_bytes", bytes);
        put_number(g->dir[0], "memory.memsw.limit_in_bytes", bytes);
    }
    if (g->dir[1][0]) good = put_number(g->dir[1], "pids.max", tasks + TASK_SLACK) && good;
    return good;
}

uint64_t cgroup_oom_count(const cgroup *g)
{
    char path[320], line[128];
    unsigned long long n = 0;
    if (!g->memory) return 0;
    snprintf(path, sizeof path, "%s/%s", g->dir[0], g->v2 ? "memory.events" : "memory.oom_control");
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "oom_kill %llu", &n) == 1) break;
    if (f) fclose(f);
    return n;
}
