/* Programs that answer lines with lines.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sandbox/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 << 10, GRACE_MS = 500, NAP_MS = 5 };

/* ---- starting -------------------------------------------------------------------------------- */

/* Ours are above 2, also where we were started without 0 to 2: in the child those are replaced one
 * after the other. */
static void close_at(int *fd)
{
    if (*fd > STDERR_FILENO) close(*fd);
    *fd = -1;
}

static bool make_pipes(int pipes[3][2])
{
    memset(pipes, -1, 3 * sizeof *pipes);
    for (size_t i = 0; i < 3; i++) {
        int low[2];
        if (pipe2(low, O_CLOEXEC) != 0) return false;
        for (size_t k = 0; k < 2; k++) {
            pipes[i][k] = fcntl(low[k], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
            close(low[k]);
        }
        if (pipes[i][0] < 0 || pipes[i][1] < 0) return false;
    }
    return true;
}

/* With the usual signals: ours may be blocked or ignored. 0 or an errno. */
static int spawn(pid_t *pid, const char *const *argv, const char *dir, int pipes[3][2])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none), sigfillset(&all);
    int e = posix_spawn_file_actions_init(&actions);
    if (e) return e;
    if ((e = posix_spawnattr_init(&how)) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return e;
    }
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                       POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    for (int i = 0; i < 3 && !e; i++)
        e = posix_spawn_file_actions_adddup2(&actions, pipes[i][i != 0], i);
    if (!e && dir && *dir) e = posix_spawn_file_actions_addchdir_np(&actions, dir);
    char *const *args = (char *const *)(uintptr_t)argv;
    if (!e) e = posix_spawnp(pid, argv[0], &actions, &how, args, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&actions);
    return e;
}

static const char *remedy(int e)
{
    switch (e) {
    case ENOENT: return "is the name right, and that of the interpreter in its first line?";
    case EACCES: return "make it executable (chmod +x)";
    case ENOEXEC: return "its first line must name an interpreter (#!/usr/bin/env python3)";
    default: return "can it be run by hand?";
    }
}

ponder_status child_open(child *c, const char *const *argv, const char *dir, ponder_error *err)
{
    int pipes[3][2];
    *c = (child){.in = -1, .out = -1, .err = -1};
    int e = make_pipes(pipes) ? spawn(&c->pid, argv, dir, pipes) : errno;
    close_at(&pipes[0][0]), close_at(&pipes[1][1]), close_at(&pipes[2][1]);
    c->in = pipes[0][1], c->out = pipes[1][0], c->err = pipes[2][0];
    if (!e) {
        fcntl(c->in, F_SETFL, O_NONBLOCK);
        fcntl(c->out, F_SETFL, O_NONBLOCK);
        fcntl(c->err, F_SETFL, O_NONBLOCK);
        return PONDER_OK;
    }
    c->pid = 0;
    child_close(c);
    return err_set(err, e == EMFILE || e == EAGAIN ? PONDER_EIO : PONDER_ENOTFOUND,
                   "cannot start %s%s%s: %s; %s", argv[0], dir && *dir ? " in " : "",
                   dir ? dir : "", strerror(e), remedy(e));
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* Has it ended by itself within ms? It stays waited for, so that its id stays taken. */
static bool ended(pid_t pid, int ms)
{
    for (int waited = 0;; waited += NAP_MS) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
            return true;
        if (waited >= ms) return false;
        nanosleep(&(struct timespec){.tv_nsec = NAP_MS * 1000000}, NULL);
    }
}

/* Kills what is left of the group and returns how the program ended. */
static int finish(child *c)
{
    int status = -1;
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {}
    c->pid = 0;
    return status;
}

void child_close(child *c)
{
    close_at(&c->in);
    if (c->pid > 0) {
        (void)ended(c->pid, GRACE_MS);
        (void)finish(c);
    }
    close_at(&c->out), close_at(&c->err);
    buf_free(&c->lines);
    buf_free(&c->complaint);
    *c = (child){.in = -1, .out = -1, .err = -1};
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* Writing to a program that is gone raises SIGPIPE, which would end us unless it is held back and
 * taken; one that was pending before is not ours. */
typedef struct hush {
    sigset_t before;
    bool pending;
} hush;

static void hush_begin(hush *h)
{
    sigset_t pipe_only, waiting;
    sigemptyset(&pipe_only), sigaddset(&pipe_only, SIGPIPE);
    sigemptyset(&waiting), sigpending(&waiting);
    h->pending = sigismember(&waiting, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_only, &h->before);
}

static void hush_end(const hush *h)
{
    sigset_t pipe_only;
    sigemptyset(&pipe_only), sigaddset(&pipe_only, SIGPIPE);
    if (!h->pending)
        while (sigtimedwait(&pipe_only, NULL, &(struct timespec){0}) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &h->before, NULL);
}

typedef struct talk {
    child *c;
    str input;
    size_t sent, want, line; /* line: where the unfinished one begins in c->lines */
    bool over;               /* its output has ended */
} talk;

/* Writes what goes in. A program that reads no more is found out by what it answers. */
static void send_some(talk *t)
{
    size_t n = size_min(t->input.n - t->sent, BLOCK);
    ssize_t put = write(t->c->in, t->input.p + t->sent, n);
    if (put >= 0) t->sent += (size_t)put;
    else if (errno != EAGAIN && errno != EINTR) t->sent = t->input.n;
}

/* Keeps the end of what is said on stderr; false when that is closed. */
static bool hear_complaint(child *c)
{
    char block[4096];
    ssize_t n = read(c->err, block, sizeof block);
    if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
    buf_add(&c->complaint, block, (size_t)n);
    if (c->complaint.n > CHILD_COMPLAINT) {
        size_t cut = c->complaint.n - CHILD_COMPLAINT;
        memmove(c->complaint.p, c->complaint.p + cut, CHILD_COMPLAINT + 1);
        c->complaint.n = CHILD_COMPLAINT;
    }
    return true;
}

/* Takes some of its output and counts lines; true when there were new ones. */
static bool hear(talk *t, child_report *r)
{
    child *c = t->c;
    size_t at = c->lines.n, before = r->lines;
    if (!buf_reserve(&c->lines, BLOCK)) return false;
    ssize_t n = read(c->out, c->lines.p + at, BLOCK);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) t->over = true;
    if (n <= 0) return false;
    c->lines.n += (size_t)n;
    c->lines.p[c->lines.n] = '\0';
    for (size_t i = at; i < c->lines.n; i++)
        if (c->lines.p[i] == '\n') r->lines++, t->line = i + 1;
    return r->lines > before;
}

/* Has enough been heard to say how it went? */
static bool settled(const talk *t, child_report *r)
{
    size_t rest = t->c->lines.n - t->line;
    if (r->lines > t->want || (r->lines == t->want && rest)) r->end = CHILD_MORE;
    else if (rest > CHILD_LINE) r->end = CHILD_LONG;
    else if (r->lines == t->want && t->sent == t->input.n) r->end = CHILD_ANSWERED;
    else if (t->over) r->end = CHILD_ENDED;
    else return false;
    return true;
}

static int ms_until(uint64_t deadline)
{
    uint64_t now = clock_ns();
    if (now >= deadline) return 0;
    uint64_t ms = (deadline - now) / 1000000 + 1;
    return ms > 60000 ? 60000 : (int)ms;
}

static ponder_status converse(talk *t, uint64_t timeout_ms, child_report *r, ponder_error *err)
{
    child *c = t->c;
    uint64_t deadline = clock_ns() + timeout_ms * 1000000;
    while (!settled(t, r)) {
        struct pollfd fds[] = {{c->out, POLLIN, 0},
                               {c->err, POLLIN, 0},
                               {t->sent < t->input.n ? c->in : -1, POLLOUT, 0}};
        int left = ms_until(deadline);
        if (!left) {
            r->end = CHILD_SILENT;
            return PONDER_OK;
        }
        if (poll(fds, COUNT_OF(fds), left) < 0 && errno != EINTR && errno != EAGAIN)
            return err_set(err, PONDER_EIO, "poll: %s", strerror(errno));
        if (fds[1].revents && !hear_complaint(c)) close_at(&c->err);
        if (fds[2].revents) send_some(t);
        if (fds[0].revents && hear(t, r)) deadline = clock_ns() + timeout_ms * 1000000;
        if (c->lines.failed || c->complaint.failed)
            return err_set(err, PONDER_ENOMEM, "no memory for what a program prints");
    }
    return PONDER_OK;
}

/* Its output is closed: as a rule because it has ended, and its last words are on stderr. */
static void bury(child *c, child_report *r)
{
    r->status = -1;
    bool gone = ended(c->pid, GRACE_MS);
    for (int i = 0; i < 64 && c->err >= 0; i++) {
        struct pollfd fd = {c->err, POLLIN, 0};
        if (poll(&fd, 1, 0) <= 0) break;
        if (!hear_complaint(c)) close_at(&c->err);
    }
    if (gone) r->status = finish(c);
}

ponder_status child_ask(child *c, str input, size_t want, uint64_t timeout_ms, child_report *r,
                        ponder_error *err)
{
    talk t = {.c = c, .input = input, .want = want};
    hush h;
    *r = (child_report){0};
    buf_clear(&c->lines);
    buf_clear(&c->complaint);
    if (c->pid <= 0) {
        *r = (child_report){.end = CHILD_ENDED, .status = -1};
        return PONDER_OK;
    }
    /* What comes before the question is no answer to it. */
    if (hear(&t, r) || c->lines.n) {
        r->end = CHILD_MORE;
        return PONDER_OK;
    }
    hush_begin(&h);
    ponder_status st = converse(&t, timeout_ms, r, err);
    hush_end(&h);
    if (st == PONDER_OK && r->end == CHILD_ENDED) bury(c, r);
    return st;
}
