/* The keeper, which forks a warden for every request, and the warden.
 * SPDX-License-Identifier: MIT
 *
 * Forked side: async-signal-safe calls only (see sandbox_int.h). */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sends the report, with the kept file if there is one, and ends. */
static _Noreturn void send_report(const box_job *j, const box_report *report, int kept)
{
    struct iovec part = {(void *)(uintptr_t)report, sizeof *report};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (kept >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control.bytes;
        *CMSG_FIRSTHDR(&m) = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof kept), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &kept, sizeof kept);
    }
    sendmsg(j->fd[FD_CONTROL], &m, MSG_NOSIGNAL);
    _exit(0);
}

static _Noreturn void give_up(const box_job *j, enum box_stage stage, int error)
{
    box_report report = {.stage = stage, .error = error};
    send_report(j, &report, -1);
}

/* The file to hand back: a plain one, so that reading it can neither block nor lead elsewhere. */
static int open_kept(const box_job *j)
{
    struct stat st;
    int fd = open(j->keep, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* As process 1 of its namespaces, or at level C as any process: builds the box, runs, reports. */
static _Noreturn void warden_inside(const box_job *j)
{
    const box_request *q = j->q;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGCHLD, SIG_DFL);
    int bad = q->namespaces ? box_build_root(q->limits.files) : chdir(j->folder) == 0 ? 0 : errno;
    if (bad) give_up(j, STAGE_MOUNT, bad);
    if ((bad = box_write_files(j))) give_up(j, STAGE_FILES, bad);

    /* In memory shared with the child: no descriptor that the program would have to lose. */
    box_report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) give_up(j, STAGE_FORK, errno);
    pid_t program = box_clone(SIGCHLD);
    if (program < 0) give_up(j, STAGE_FORK, errno);
    if (program == 0) box_exec(j, report);
    /* The pipes' ends must be the program's alone. */
    close(j->fd[FD_OUT]);
    close(j->fd[FD_ERR]);
    watch_program(j, program, report);
    send_report(j, report, q->keep ? open_kept(j) : -1);
}

static _Noreturn void warden_main(const box_job *j)
{
    const box_request *q = j->q;
    for (int i = FD_CGROUP; i < FD_MOST && j->fd[i] >= 0; i++)
        if (write(j->fd[i], "0\n", 2) != 2) give_up(j, STAGE_CGROUP, errno);
    int bad = q->uid != UINT32_MAX ? box_take_uid(q->uid) : 0;
    if (bad) give_up(j, STAGE_UID, bad);
    if (!q->namespaces) {
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        warden_inside(j);
    }
    /* The parent of the new process stays the keeper: this one has done its part. */
    const uint32_t uid = (uint32_t)geteuid(), gid = (uint32_t)getegid();
    pid_t inner = box_clone(BOX_NAMESPACES | CLONE_PARENT | SIGCHLD);
    if (inner < 0) give_up(j, STAGE_NAMESPACES, errno);
    if (inner > 0) _exit(0);
    if ((bad = box_map_ids(uid, gid))) give_up(j, STAGE_MAP, bad);
    warden_inside(j);
}

/* Takes the descriptors out of a message; -1 where there is none. */
static void take_descriptors(box_job *j, struct msghdr *m)
{
    for (size_t i = 0; i < FD_MOST; i++) j->fd[i] = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (!c || c->cmsg_type != SCM_RIGHTS) return;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(j->fd, CMSG_DATA(c), (n < FD_MOST ? n : FD_MOST) * sizeof(int));
}

static void serve(int socket, box_request *q, box_job *j)
{
    struct iovec part = {q, sizeof *q};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(FD_MOST * sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                       .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) _exit(0); /* the judge has gone */
    take_descriptors(j, &m);
    pid_t warden = box_parse(j, q, (size_t)n) && j->fd[FD_FILES] >= 0 ? box_clone(SIGCHLD) : -1;
    if (warden == 0) {
        close(socket);
        warden_main(j);
    }
    /* Without a warden the judge sees its control socket end. */
    for (size_t i = 0; i < FD_MOST; i++)
        if (j->fd[i] >= 0) close(j->fd[i]);
}

/* Nothing of the judge stays but its memory, which is what it was at sandbox_open. */
static void detach(int *socket)
{
    setsid();
    prctl(PR_SET_NAME, "ponder-keeper", 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    signal(SIGCHLD, SIG_IGN); /* wardens are not waited for */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int high = fcntl(*socket, F_DUPFD, 16), null = open("/dev/null", O_RDWR);
    if (high < 0 || null < 0) _exit(1);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    *socket = dup2(high, 3);
    if (syscall(SYS_close_range, 4, ~0u, 0) == 0) return;
    struct rlimit most = {1024, 1024};
    getrlimit(RLIMIT_NOFILE, &most);
    for (int fd = 4; fd < 65536 && (rlim_t)fd < most.rlim_cur; fd++) close(fd);
}

_Noreturn void keeper_main(int socket)
{
    box_request q;
    box_job j;
    detach(&socket);
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    for (;;) serve(socket, &q, &j);
}
