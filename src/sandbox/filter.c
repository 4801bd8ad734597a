/* The system call filter: a list of what programs may call, in BPF.
 * SPDX-License-Identifier: MIT
 *
 * Written by hand and not with a library because the warden's child builds it after fork, where
 * nothing may allocate, and because kill and tgkill are allowed for the program's own process only,
 * whose id is known just then. Linear on purpose: the kernel remembers which calls are always
 * allowed (seccomp's bitmap, since 5.11) and does not run the filter for them.
 *
 * What is not listed fails with ENOSYS, so that libraries fall back (clone3 to clone, whose flags a
 * filter can see). Entering by another door (32-bit calls, x32) kills the process. */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define FILTER_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows the system calls of x86_64 and aarch64 only"
#endif

static const int ALLOWED[] = {
    /* bytes in and out */
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
    SYS_preadv2, SYS_pwritev2, SYS_lseek, SYS_sendfile, SYS_copy_file_range, SYS_fsync,
    SYS_fdatasync, SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_fadvise64,
    /* files; what may be opened is Landlock's and the box's matter */
    SYS_openat, SYS_openat2, SYS_close, SYS_close_range, SYS_fstat, SYS_newfstatat, SYS_statx,
    SYS_statfs, SYS_fstatfs, SYS_faccessat, SYS_faccessat2, SYS_readlinkat, SYS_getdents64,
    SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_mkdirat, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_fchmod,
    SYS_fchmodat, SYS_utimensat, SYS_umask, SYS_dup, SYS_dup3, SYS_pipe2,
    /* memory and threads */
    SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_brk, SYS_msync, SYS_mincore,
    SYS_membarrier, SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq,
    SYS_set_tid_address, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_getcpu, SYS_exit, SYS_exit_group, SYS_execve, SYS_wait4,
    SYS_waitid, SYS_restart_syscall,
    /* waiting on its own descriptors; signals to itself */
    SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_eventfd2,
    SYS_sendto, SYS_recvfrom, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
    SYS_rt_sigsuspend, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_sigaltstack, SYS_setitimer,
    SYS_getitimer,
    /* clocks and facts */
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
    SYS_times, SYS_getrusage, SYS_getrlimit, SYS_setrlimit, SYS_getrandom, SYS_uname, SYS_sysinfo,
    SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
    SYS_getgroups, SYS_getresuid, SYS_getresgid, SYS_getpgid, SYS_getsid,
#if defined(__x86_64__) /* older forms of the same */
    SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getdents, SYS_mkdir,
    SYS_rmdir, SYS_unlink, SYS_rename, SYS_chmod, SYS_utimes, SYS_dup2, SYS_pipe,
    SYS_poll, SYS_select, SYS_epoll_create, SYS_epoll_wait, SYS_eventfd, SYS_arch_prctl, SYS_time,
    SYS_alarm, SYS_pause, SYS_getpgrp,
#endif
};

/* Calls that are allowed with one of some values of an argument. Numbers are the kernel's, where
 * its headers and the C library's clash. */
static const struct rule {
    int call, arg;
    uint32_t value;
} RULES[] = {
    {SYS_ioctl, 1, 0x5401 /* TCGETS */}, {SYS_ioctl, 1, 0x5413 /* TIOCGWINSZ */},
    {SYS_ioctl, 1, 0x541b /* FIONREAD */}, {SYS_ioctl, 1, 0x5421 /* FIONBIO */},
    {SYS_ioctl, 1, 0x5450 /* FIONCLEX */}, {SYS_ioctl, 1, 0x5451 /* FIOCLEX */},
    /* Not F_SETOWN and its kin: they send signals. */
    {SYS_fcntl, 1, 0 /* F_DUPFD */}, {SYS_fcntl, 1, 1 /* F_GETFD */}, {SYS_fcntl, 1, 2 /* F_SETFD */},
    {SYS_fcntl, 1, 3 /* F_GETFL */}, {SYS_fcntl, 1, 4 /* F_SETFL */}, {SYS_fcntl, 1, 5 /* F_GETLK */},
    {SYS_fcntl, 1, 6 /* F_SETLK */}, {SYS_fcntl, 1, 7 /* F_SETLKW */},
    {SYS_fcntl, 1, 1030 /* F_DUPFD_CLOEXEC */}, {SYS_fcntl, 1, 1032 /* F_GETPIPE_SZ */},
    {SYS_prctl, 0, PR_SET_NAME}, {SYS_prctl, 0, PR_GET_NAME},
    {SYS_prctl, 0, 0x53564d41 /* PR_SET_VMA: the allocator names its maps */},
    {SYS_prlimit64, 0, 0 /* itself */},
    {SYS_socketpair, 0, 1 /* AF_UNIX: event loops wake themselves with one */},
};

enum { FILTER_MOST = 2 * COUNT_OF(ALLOWED) + 5 * (COUNT_OF(RULES) + 2) + 24 };

typedef struct program {
    struct sock_filter op[FILTER_MOST];
    unsigned short n;
} program;

static void emit(program *p, unsigned code, uint32_t k, unsigned if_true, unsigned if_false)
{
    p->op[p->n++] = (struct sock_filter){(uint16_t)code, (uint8_t)if_true, (uint8_t)if_false, k};
}

static void load(program *p, size_t offset) { emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }
static void load_call(program *p) { load(p, offsetof(struct seccomp_data, nr)); }
/* The low half: the kernel takes these arguments as 32-bit integers. Both machines are little-endian. */
static void load_arg(program *p, int arg)
{
    load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)arg);
}
static void ret(program *p, uint32_t what) { emit(p, BPF_RET | BPF_K, what, 0, 0); }

static void allow_if(program *p, int call, int arg, uint32_t value)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4);
    load_arg(p, arg);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    ret(p, SECCOMP_RET_ALLOW);
    load_call(p);
}

/* Threads only, or processes too, but never a new namespace. */
static void allow_clone(program *p, bool processes)
{
    const uint32_t spaces = (uint32_t)BOX_NAMESPACES | CLONE_NEWCGROUP;
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 5);
    load_arg(p, 0);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, spaces, 2, 0);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, processes ? 0xffffffff : CLONE_THREAD, 0, 1);
    ret(p, SECCOMP_RET_ALLOW);
    load_call(p);
}

static void build(program *p, bool processes, uint32_t self)
{
    p->n = 0;
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCH, 1, 0);
    ret(p, SECCOMP_RET_KILL_PROCESS);
    load_call(p);
#if defined(__x86_64__)
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000 /* x32 */, 0, 1);
    ret(p, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < COUNT_OF(ALLOWED); i++) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ALLOWED[i], 0, 1);
        ret(p, SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < COUNT_OF(RULES); i++)
        allow_if(p, RULES[i].call, RULES[i].arg, RULES[i].value);
    allow_if(p, SYS_kill, 0, self);
    allow_if(p, SYS_tgkill, 0, self);
    allow_clone(p, processes);
#if defined(__x86_64__)
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_vfork, 0, 1);
    ret(p, processes ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | ENOSYS);
#endif
    ret(p, SECCOMP_RET_ERRNO | ENOSYS);
}

int filter_confine(bool processes)
{
    program p;
    build(&p, processes, (uint32_t)getpid());
    struct sock_fprog f = {.len = p.n, .filter = p.op};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f, 0, 0) == 0 ? 0 : errno;
}
