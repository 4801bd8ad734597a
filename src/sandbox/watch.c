/* The warden's watch: time, memory, the judge's wish, and the end of everything that was started.
 * SPDX-License-Identifier: MIT
 *
 * Forked side: async-signal-safe calls only (see sandbox_int.h). */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 10, BLIND_LOOK_MS = 2 };

static uint64_t now_us(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The clock of another process's processor time: see clock_getcpuclockid(3). */
static clockid_t cpu_clock(pid_t pid) { return (clockid_t)((~(unsigned)pid << 3) | 2); }

static uint64_t read_number(const char **p)
{
    uint64_t v = 0;
    while (**p == ' ') ++*p;
    while (**p >= '0' && **p <= '9') v = 10 * v + (uint64_t)(*(*p)++ - '0');
    return v;
}

/* The text of /proc/NAME/FILE, empty when it cannot be read. */
static void read_proc(char *text, size_t cap, int proc, const char *name, const char *file)
{
    char path[32];
    size_t n = strlen(name), m = strlen(file) + 1;
    text[0] = '\0';
    if (n + 1 + m > sizeof path) return;
    memcpy(path, name, n);
    path[n] = '/';
    memcpy(path + n + 1, file, m);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t got = read(fd, text, cap - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
}

/* Resident bytes: the second number of statm, in pages. */
static uint64_t resident(int proc, const char *name)
{
    char text[128];
    const char *p = text;
    read_proc(text, sizeof text, proc, name, "statm");
    read_number(&p);
    return read_number(&p) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Threads: the 20th field of stat, the 18th after the name, which may hold anything but ends with the
 * last bracket. */
static uint64_t thread_count(int proc, const char *name)
{
    char text[1024];
    read_proc(text, sizeof text, proc, name, "stat");
    const char *p = strrchr(text, ')');
    for (int field = 0; p && field < 18; field++) p = strchr(p + 1, ' ');
    return p ? read_number(&p) : 0;
}

struct entry { /* linux_dirent64 */
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

/* All processes that /proc shows, us excepted: in a process namespace of our own these are the run's. */
static uint64_t resident_all(int proc)
{
    _Alignas(8) char block[4096];
    uint64_t sum = 0;
    long n;
    lseek(proc, 0, SEEK_SET);
    while ((n = syscall(SYS_getdents64, proc, block, sizeof block)) > 0)
        for (long at = 0; at < n;) {
            const struct entry *e = (const struct entry *)(const void *)(block + at);
            at += e->bytes;
            if (e->name[0] >= '1' && e->name[0] <= '9' && strcmp(e->name, "1") != 0)
                sum += resident(proc, e->name);
        }
    return sum;
}

typedef struct watcher {
    const box_job *j;
    pid_t program;
    int pidfd, proc;
    char name[16]; /* of the program in /proc */
    uint64_t start_us, memory; /* memory: the most seen so far */
} watcher;

static uint64_t memory_now(const watcher *w)
{
    if (w->proc < 0) return 0;
    return w->j->q->namespaces ? resident_all(w->proc) : resident(w->proc, w->name);
}

/* Sees whether a limit is passed. */
static enum sandbox_end look(watcher *w)
{
    const sandbox_limits *l = &w->j->q->limits;
    const uint64_t memory = memory_now(w);
    if (memory > w->memory) w->memory = memory;
    if (now_us(CLOCK_MONOTONIC) - w->start_us > l->wall_ms * 1000) return SANDBOX_WALL;
    if (now_us(cpu_clock(w->program)) > l->cpu_ms * 1000) return SANDBOX_CPU;
    if (!w->j->q->memory_group && memory > l->memory) return SANDBOX_MEMORY;
    /* Elsewhere the kernel counts. */
    if (!w->j->q->namespaces && !w->j->q->own_uid && thread_count(w->proc, w->name) > l->tasks)
        return SANDBOX_TASKS;
    return SANDBOX_EXITED;
}

/* Waits for the program's end, a limit, or the judge. */
static void wait_program(watcher *w, box_report *report)
{
    struct pollfd fds[2] = {{w->j->fd[FD_CONTROL], POLLIN, 0}, {w->pidfd, POLLIN, 0}};
    for (;;) {
        poll(fds, w->pidfd >= 0 ? 2 : 1, w->pidfd >= 0 ? LOOK_MS : BLIND_LOOK_MS);
        siginfo_t info = {0};
        /* WNOWAIT: the process id stays taken until everything is killed. */
        if (waitid(P_PID, (id_t)w->program, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
            return;
        if (fds[0].revents) return; /* the judge has heard enough, or is gone */
        if ((report->limit = look(w)) != SANDBOX_EXITED) return;
    }
}

/* The children of this process by /proc/self/task/.../children (they reparent to us, a subreaper). */
static bool kill_children(void)
{
    char text[4096];
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return false;
    text[n] = '\0';
    for (const char *p = text; *p;) {
        uint64_t pid = read_number(&p);
        if (pid > 1) kill((pid_t)pid, SIGKILL);
        while (*p == ' ' || *p == '\n') p++;
    }
    return true;
}

/* Kills and reaps until nothing is left. kill(-1) spares the caller; as process 1 of a namespace it
 * reaches all others there, and with a user id of its own all others of that id. */
static void kill_all(const box_job *j, pid_t program, int *status)
{
    const bool own = j->q->namespaces || j->q->own_uid;
    for (;;) {
        if (own) kill(-1, SIGKILL);
        else if (!kill_children()) kill(program, SIGKILL);
        int s;
        pid_t pid = waitpid(-1, &s, 0);
        if (pid == program) *status = s;
        if (pid < 0 && errno != EINTR) return;
    }
}

void watch_program(const box_job *j, pid_t program, box_report *report)
{
    watcher w = {.j = j, .program = program, .start_us = now_us(CLOCK_MONOTONIC)};
    struct rusage u;
    /* Until its execve the program is a copy of us, a few pages more, and the kernel's high-water
     * mark remembers that. In KiB. */
    const long ours = getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss + 1024 : 0;
    w.pidfd = (int)syscall(434 /* pidfd_open */, program, 0);
    w.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t n = 0;
    char digits[12];
    for (pid_t v = program; v; v /= 10) digits[n++] = (char)('0' + v % 10);
    for (size_t i = 0; i < n; i++) w.name[i] = digits[n - 1 - i];

    wait_program(&w, report);
    report->wall_us = now_us(CLOCK_MONOTONIC) - w.start_us;
    kill_all(j, program, &report->status);
    report->memory = w.memory;
    if (getrusage(RUSAGE_CHILDREN, &u) != 0) return;
    report->cpu_us = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
                     (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    const uint64_t most = (uint64_t)u.ru_maxrss * 1024;
    const bool told = u.ru_maxrss > ours || (w.memory == 0 && most <= j->q->limits.memory);
    if (told && most > w.memory) report->memory = most;
}
