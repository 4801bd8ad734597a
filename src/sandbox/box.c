/* The box: ids, namespaces, a root of its own, the job's files, and the program's start.
 * SPDX-License-Identifier: MIT
 *
 * Forked side: async-signal-safe calls only (see sandbox_int.h). */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

const unsigned long BOX_NAMESPACES =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

const char *box_readable(size_t i)
{
    static const char *const PATHS[] = {
        "/usr", "/lib", "/lib64", "/lib32", "/libx32", "/bin", "/etc/ld.so.cache",
        "/etc/alternatives", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full",
    };
    return i < COUNT_OF(PATHS) ? PATHS[i] : NULL;
}

/* ---- requests ----------------------------------------------------------------------------------- */

static const char *next_text(const box_request *q, size_t *at)
{
    const char *s = q->text + *at, *end = memchr(s, 0, q->text_bytes - *at);
    if (!end) return NULL;
    *at += (size_t)(end - s) + 1;
    return s;
}

static bool take_texts(const char **out, uint32_t n, const box_request *q, size_t *at)
{
    for (uint32_t i = 0; i < n; i++)
        if (!(out[i] = next_text(q, at))) return false;
    return true;
}

bool box_parse(box_job *j, const box_request *q, size_t bytes)
{
    size_t at = 0;
    j->q = q;
    if (bytes < offsetof(box_request, text) || q->text_bytes > BOX_TEXT ||
        bytes - offsetof(box_request, text) != q->text_bytes)
        return false;
    if (q->argc < 1 || q->argc >= BOX_STRINGS || q->envc >= BOX_STRINGS || q->filec > SANDBOX_FILES)
        return false;
    j->argv[q->argc] = j->env[q->envc] = NULL;
    return take_texts(j->argv, q->argc, q, &at) && take_texts(j->env, q->envc, q, &at) &&
           take_texts(j->file, q->filec, q, &at) && take_texts(&j->keep, 1, q, &at) &&
           take_texts(&j->folder, 1, q, &at);
}

/* ---- ids and namespaces ------------------------------------------------------------------------- */

pid_t box_clone(unsigned long flags)
{
    /* No new stack: the child has a copy of ours, as after fork. */
#if defined(__s390x__)
    return (pid_t)syscall(SYS_clone, 0, flags, NULL, NULL, 0);
#else
    return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, 0);
#endif
}

int box_take_uid(uint32_t uid)
{
    /* Raw calls: the C library's wrappers wait for threads that a forked child does not have. */
    if (syscall(SYS_setgroups, 0, NULL) != 0) return errno;
    if (syscall(SYS_setresgid, uid, uid, uid) != 0) return errno;
    if (syscall(SYS_setresuid, uid, uid, uid) != 0) return errno;
    return 0;
}

static int write_file(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int bad = write(fd, text, n) == (ssize_t)n ? 0 : errno ? errno : EIO;
    close(fd);
    return bad;
}

static size_t put_decimal(char *out, uint64_t v)
{
    char digits[20];
    size_t n = 0, i = 0;
    do digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n) out[i++] = digits[--n];
    return i;
}

/* "1000 OUTSIDE 1" */
static int write_map(const char *path, uint32_t outside)
{
    char line[48];
    size_t n = put_decimal(line, BOX_UID);
    line[n++] = ' ';
    n += put_decimal(line + n, outside);
    line[n++] = ' ', line[n++] = '1';
    return write_file(path, line, n);
}

int box_map_ids(uint32_t uid, uint32_t gid)
{
    /* The maps of a process that cannot be dumped belong to root. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    int bad = write_file("/proc/self/setgroups", "deny", 4);
    if (bad == ENOENT) bad = 0; /* before Linux 3.19 */
    if (!bad) bad = write_map("/proc/self/uid_map", uid);
    if (!bad) bad = write_map("/proc/self/gid_map", gid);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return bad;
}

/* ---- a root of its own -------------------------------------------------------------------------- */

/* Everything below a mount becomes read-only and loses setuid bits. */
static int protect(const char *path)
{
    struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &a, sizeof a) == 0) return 0;
    if (errno != ENOSYS) return errno;
    /* Before 5.12: the top mount only, and flags that it has already must be named again. */
    struct statfs fs;
    if (statfs(path, &fs) != 0) return errno;
    unsigned long keep = (unsigned long)fs.f_flags & (MS_NODEV | MS_NOEXEC | MS_NOATIME |
                                                      MS_NODIRATIME | MS_RELATIME);
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | keep;
    return mount(NULL, path, NULL, flags, NULL) == 0 ? 0 : errno;
}

/* Makes the folders above `path`, which starts with a slash. */
static void make_parents(const char *path)
{
    char part[256];
    for (size_t i = 1; path[i] && i < sizeof part; i++) {
        if (path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        mkdir(part, 0755);
    }
}

/* Shows the host's `path` at the same place, read-only. What the host does not have is left out. */
static int show(const char *path)
{
    char host[256] = "/host", link[256];
    struct stat st;
    size_t n = strlen(path);
    if (n + 6 > sizeof host) return ENAMETOOLONG;
    memcpy(host + 5, path, n + 1);
    if (lstat(host, &st) != 0) return errno == ENOENT ? 0 : errno;
    make_parents(path);
    if (S_ISLNK(st.st_mode)) {
        ssize_t len = readlink(host, link, sizeof link - 1);
        if (len < 0) return errno;
        link[len] = '\0';
        return symlink(link, path) == 0 ? 0 : errno;
    }
    if (S_ISDIR(st.st_mode)) {
        if (mkdir(path, 0755) != 0) return errno;
    } else {
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        if (fd < 0) return errno;
        close(fd);
    }
    if (mount(host, path, NULL, MS_BIND | MS_REC, NULL) != 0) return errno;
    /* Writing to a device is not writing to its file system, but the fallback form of protect would
     * hide devices on some kernels; they are not files that a program could change. */
    return S_ISCHR(st.st_mode) ? 0 : protect(path);
}

/* Programs open /dev/stdin and its kin, which lead through /proc. A fresh proc is refused where parts
 * of the host's are covered (containers): then there is none. */
static void show_proc(void)
{
    mkdir("/proc", 0755);
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("proc", "/proc", "proc", flags, "subset=pid,hidepid=2") != 0)
        if (mount("proc", "/proc", "proc", flags, NULL) != 0) rmdir("/proc");
    (void)!symlink("/proc/self/fd", "/dev/fd");
    (void)!symlink("/proc/self/fd/0", "/dev/stdin");
    (void)!symlink("/proc/self/fd/1", "/dev/stdout");
    (void)!symlink("/proc/self/fd/2", "/dev/stderr");
}

/* "size=N,nr_inodes=1024,mode=700" */
static int mount_work(uint64_t bytes)
{
    char options[96] = "size=";
    size_t n = 5 + put_decimal(options + 5, bytes);
    memcpy(options + n, ",nr_inodes=", 11);
    n += 11;
    n += put_decimal(options + n, BOX_INODES);
    memcpy(options + n, ",mode=700", 10);
    if (mkdir("/box", 0700) != 0) return errno;
    if (mount("tmpfs", "/box", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) return errno;
    return chdir("/box") == 0 ? 0 : errno;
}

int box_build_root(uint64_t files_bytes)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return errno;
    /* Any folder will do to stand on until the roots change places. */
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=256,mode=755") != 0)
        return errno;
    if (mkdir("/tmp/host", 0755) != 0) return errno;
    if (syscall(SYS_pivot_root, "/tmp", "/tmp/host") != 0 || chdir("/") != 0) return errno;
    for (size_t i = 0; box_readable(i); i++) {
        int bad = show(box_readable(i));
        if (bad) return bad;
    }
    show_proc();
    int bad = mount_work(files_bytes);
    if (bad) return bad;
    if (umount2("/host", MNT_DETACH) != 0) return errno;
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0
               ? 0 : errno;
}

/* ---- files -------------------------------------------------------------------------------------- */

static int copy_file(int to, int from, uint64_t bytes)
{
    char block[16384];
    while (bytes) {
        ssize_t n = read(from, block, bytes < sizeof block ? (size_t)bytes : sizeof block);
        if (n <= 0) return n < 0 ? errno : EIO;
        if (write(to, block, (size_t)n) != n) return errno ? errno : ENOSPC;
        bytes -= (uint64_t)n;
    }
    return 0;
}

int box_write_files(const box_job *j)
{
    for (uint32_t i = 0; i < j->q->filec; i++) {
        mode_t mode = j->q->file[i].executable ? 0500 : 0400;
        int fd = open(j->file[i], O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0) return errno;
        int bad = copy_file(fd, j->fd[FD_FILES], j->q->file[i].bytes);
        close(fd);
        if (bad) return bad;
    }
    return 0;
}

/* ---- the program's start ------------------------------------------------------------------------ */

static bool limit(int what, uint64_t soft, uint64_t hard)
{
    struct rlimit old;
    if (getrlimit((__rlimit_resource_t)what, &old) != 0) return false;
    if (old.rlim_max < hard) hard = old.rlim_max; /* never more than we have */
    if (hard < soft) soft = hard;
    return setrlimit((__rlimit_resource_t)what, &(struct rlimit){soft, hard}) == 0;
}

static int set_limits(const box_request *q)
{
    const sandbox_limits *l = &q->limits;
    /* The warden looks at the clock more finely; these hold if it does not get to run. Half the memory
     * for the stack: deep recursion has room, and endless recursion ends as what it is. */
    const uint64_t seconds = l->cpu_ms / 1000 + 1;
    bool good = limit(RLIMIT_CPU, seconds, seconds + 1) && limit(RLIMIT_CORE, 0, 0) &&
                limit(RLIMIT_FSIZE, l->files, l->files) && limit(RLIMIT_NOFILE, 256, 256) &&
                limit(RLIMIT_STACK, l->memory / 2, l->memory / 2) && limit(RLIMIT_MEMLOCK, 0, 0) &&
                limit(RLIMIT_MSGQUEUE, 0, 0);
    /* A backstop behind the warden's looks at the resident set: address space is not memory, and
     * stacks of threads and allocators reserve much that they never touch. */
    if (good && !q->memory_group) {
        /* Level C watches the program itself, not what it starts. */
        const bool watched = access("/proc/self/statm", R_OK) == 0 && (q->namespaces || !l->processes);
        uint64_t space = watched ? 8 * l->memory + ((uint64_t)2 << 30) : l->memory + (64 << 20);
        good = limit(RLIMIT_AS, space, space);
    }
    /* Counts all processes of a user: the warden is one, and without a user id or a user namespace
     * of our own the count would be the caller's. */
    if (good && (q->namespaces || q->own_uid)) good = limit(RLIMIT_NPROC, l->tasks + 1, l->tasks + 1);
    return good ? 0 : errno;
}

static _Noreturn void fail(box_report *failed, enum box_stage stage, int error)
{
    failed->stage = stage;
    failed->error = error;
    _exit(127);
}

_Noreturn void box_exec(const box_job *j, box_report *failed)
{
    const box_request *q = j->q;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setsid();
    umask(077);
    if (dup2(j->fd[FD_INPUT], 0) < 0 || dup2(j->fd[FD_OUT], 1) < 0 || dup2(j->fd[FD_ERR], 2) < 0)
        fail(failed, STAGE_LIMITS, errno);
    if (syscall(SYS_close_range, 3, ~0u, 0) != 0)
        for (int fd = 3; fd < 1024; fd++) close(fd);
    int bad = set_limits(q);
    if (bad) fail(failed, STAGE_LIMITS, bad);
    /* Namespaces hold without Landlock, which old kernels lack; level C was not offered then. */
    bad = landlock_confine(q->namespaces || q->limits.processes);
    if (bad && !(q->namespaces && (bad == ENOSYS || bad == EOPNOTSUPP)))
        fail(failed, STAGE_LANDLOCK, bad);
    if ((bad = filter_confine(q->limits.processes))) fail(failed, STAGE_SECCOMP, bad);
    execve(j->argv[0], (char *const *)(uintptr_t)j->argv, (char *const *)(uintptr_t)j->env);
    fail(failed, STAGE_EXEC, errno);
}
