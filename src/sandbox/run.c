/* The judge's side: opening a sandbox, slots, and one run from request to result.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SLOTS_MOST = 64,
    FIRST_UID = 60100, /* and UID_RANGES times SLOTS_MOST ids from there on: below nobody's 65534 */
    UID_RANGES = 64,
    ERR_KEPT = 64 << 10,
    GRACE_MS = 30000, /* a warden that has not reported this long after its time never will */
    FOLDER_DEPTH = 32
};

struct sandbox {
    enum sandbox_level level;
    int slots, socket;
    int uid_lock; /* of the range of user ids; -1: none */
    pid_t keeper;
    uint32_t first_uid; /* UINT32_MAX: runs keep the caller's id */
    char *folder;       /* level C: holds one folder per slot */
    cgroup group[SLOTS_MOST];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool busy[SLOTS_MOST];
    int running, wait_alone;
    bool alone;
};

enum sandbox_level sandbox_level_of(const sandbox *s) { return s->level; }
int sandbox_slots(const sandbox *s) { return s->slots; }

void sandbox_result_free(sandbox_result *r)
{
    buf_free(&r->out);
    buf_free(&r->err);
    buf_free(&r->kept);
}

/* ---- slots -------------------------------------------------------------------------------------- */

static int take_slot(sandbox *s, bool alone)
{
    int slot = 0;
    pthread_mutex_lock(&s->lock);
    if (alone) {
        s->wait_alone++;
        while (s->running) pthread_cond_wait(&s->changed, &s->lock);
        s->wait_alone--;
        s->alone = true;
    } else {
        while (s->running == s->slots || s->alone || s->wait_alone)
            pthread_cond_wait(&s->changed, &s->lock);
    }
    while (s->busy[slot]) slot++;
    s->busy[slot] = true;
    s->running++;
    pthread_mutex_unlock(&s->lock);
    return slot;
}

static void give_slot(sandbox *s, int slot)
{
    pthread_mutex_lock(&s->lock);
    s->busy[slot] = false;
    s->running--;
    s->alone = false; /* who runs alone is the only one to end */
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- working folders of level C ------------------------------------------------------------------ */

static void empty_folder(int fd, int depth)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (unlinkat(dirfd(d), e->d_name, 0) == 0 || depth == FOLDER_DEPTH) continue;
        int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub >= 0) empty_folder(sub, depth + 1);
        unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
    }
    closedir(d);
}

static void slot_folder(const sandbox *s, int slot, char *out, size_t cap)
{
    snprintf(out, cap, "%s/%d", s->folder ? s->folder : "", slot);
}

static void clean_slot(const sandbox *s, int slot)
{
    char path[512];
    if (!s->folder) return;
    slot_folder(s, slot, path, sizeof path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) empty_folder(fd, 0);
}

static ponder_status make_folders(sandbox *s, const char *dir, ponder_error *err)
{
    char path[512];
    if (snprintf(path, sizeof path - 24, "%s/ponder-box-XXXXXX", dir) >= (int)sizeof path - 24)
        return err_set(err, PONDER_EARG, "sandbox folder \"%.64s...\": name too long", dir);
    if (!mkdtemp(path) || chmod(path, 0711) != 0)
        return err_set(err, PONDER_EIO, "sandbox folder in %s: %s; name another with TMPDIR", dir,
                       strerror(errno));
    s->folder = strdup(path);
    if (!s->folder) return err_set(err, PONDER_ENOMEM, "no memory for a sandbox");
    for (int i = 0; i < s->slots; i++) {
        slot_folder(s, i, path, sizeof path);
        bool good = mkdir(path, 0700) == 0;
        if (good && s->first_uid != UINT32_MAX)
            good = chown(path, s->first_uid + (uint32_t)i, s->first_uid + (uint32_t)i) == 0;
        if (!good) return err_set(err, PONDER_EIO, "sandbox folder %s: %s", path, strerror(errno));
    }
    return PONDER_OK;
}

static void remove_folders(sandbox *s)
{
    char path[512];
    for (int i = 0; s->folder && i < s->slots; i++) {
        clean_slot(s, i);
        slot_folder(s, i, path, sizeof path);
        rmdir(path);
    }
    if (s->folder) rmdir(s->folder);
    free(s->folder);
    s->folder = NULL;
}

/* ---- requests ----------------------------------------------------------------------------------- */

static bool put_text(box_request *q, const char *text)
{
    size_t n = strlen(text) + 1;
    if (n > BOX_TEXT - q->text_bytes) return false;
    memcpy(q->text + q->text_bytes, text, n);
    q->text_bytes += (uint32_t)n;
    return true;
}

static bool put_texts(box_request *q, const char *const *texts, uint32_t *count)
{
    for (*count = 0; texts[*count]; ++*count)
        if (*count + 1 == BOX_STRINGS || !put_text(q, texts[*count])) return false;
    return true;
}

static sandbox_limits with_defaults(sandbox_limits l)
{
    if (!l.cpu_ms) l.cpu_ms = 10000;
    if (!l.wall_ms) l.wall_ms = 2 * l.cpu_ms + 1000;
    if (!l.memory) l.memory = (uint64_t)256 << 20;
    if (!l.output) l.output = 16 << 20;
    if (!l.files) l.files = 16 << 20;
    if (!l.tasks) l.tasks = 32;
    return l;
}

static ponder_status make_request(const sandbox *s, int slot, const sandbox_job *job, box_request *q,
                                  ponder_error *err)
{
    static const char *const PLAIN[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL};
    char folder[512];
    memset(q, 0, offsetof(box_request, text));
    q->limits = with_defaults(job->limits);
    q->namespaces = s->level >= SANDBOX_B;
    q->memory_group = s->group[slot].memory;
    q->own_uid = s->first_uid != UINT32_MAX;
    q->uid = q->own_uid ? s->first_uid + (uint32_t)slot : UINT32_MAX;
    q->keep = job->keep != NULL;
    const sandbox_limits *l = &q->limits;
    if (l->cpu_ms > 86400000 || l->wall_ms > 86400000 || l->memory > (uint64_t)1 << 44 ||
        l->files > (uint64_t)1 << 44 || l->output > (uint64_t)1 << 32 || l->tasks > 4096)
        return err_set(err, PONDER_EARG, "sandbox limits beyond a day, 16 TiB or 4096 tasks");
    if (job->nfiles > SANDBOX_FILES || !job->argv || !job->argv[0])
        return err_set(err, PONDER_EARG, "a sandbox job needs a program and at most %d files", SANDBOX_FILES);
    slot_folder(s, slot, folder, sizeof folder);
    bool good = put_texts(q, job->argv, &q->argc) && put_texts(q, job->env ? job->env : PLAIN, &q->envc);
    for (size_t i = 0; i < job->nfiles; i++) {
        const sandbox_file *f = &job->files[i];
        if (!f->name[0] || strchr(f->name, '/'))
            return err_set(err, PONDER_EARG, "sandbox file \"%.64s\": want a plain name", f->name);
        q->file[q->filec].bytes = f->bytes.n;
        q->file[q->filec++].executable = f->executable;
        good = good && put_text(q, f->name);
    }
    good = good && put_text(q, job->keep ? job->keep : "") && put_text(q, folder);
    if (good) return PONDER_OK;
    return err_set(err, PONDER_EARG, "a sandbox job's arguments and environment exceed %d bytes",
                   BOX_TEXT);
}

/* ---- descriptors of a run ------------------------------------------------------------------------ */

typedef struct run {
    int give[FD_MOST];      /* for the keeper */
    int control, out, err;  /* ours */
} run;

static bool write_all(int fd, str bytes)
{
    while (bytes.n) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.p += n, bytes.n -= (size_t)n;
    }
    return true;
}

/* A sealed file in memory: a program that opens its stdin anew cannot change it. */
static int make_memory(const str *parts, size_t n)
{
    int fd = memfd_create("ponder", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool good = fd >= 0;
    for (size_t i = 0; good && i < n; i++) good = write_all(fd, parts[i]);
    if (good)
        good = lseek(fd, 0, SEEK_SET) == 0 &&
               fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
    if (good || fd < 0) return fd;
    close(fd);
    return -1;
}

static void run_close(run *r)
{
    for (size_t i = 0; i < FD_CGROUP; i++)
        if (r->give[i] >= 0) close(r->give[i]);
    int ours[] = {r->control, r->out, r->err};
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (ours[i] >= 0) close(ours[i]);
}

static bool run_open(run *r, const sandbox_job *job)
{
    int pair[2];
    str files[SANDBOX_FILES];
    for (size_t i = 0; i < FD_MOST; i++) r->give[i] = -1;
    r->control = r->out = r->err = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return false;
    r->control = pair[0], r->give[FD_CONTROL] = pair[1];
    if (pipe2(pair, O_CLOEXEC) != 0) return false;
    r->out = pair[0], r->give[FD_OUT] = pair[1];
    if (pipe2(pair, O_CLOEXEC) != 0) return false;
    r->err = pair[0], r->give[FD_ERR] = pair[1];
    fcntl(r->out, F_SETFL, O_NONBLOCK);
    fcntl(r->err, F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < job->nfiles; i++) files[i] = job->files[i].bytes;
    r->give[FD_INPUT] = make_memory(&job->input, 1);
    r->give[FD_FILES] = make_memory(files, job->nfiles);
    return r->give[FD_INPUT] >= 0 && r->give[FD_FILES] >= 0;
}

static bool send_request(const sandbox *s, const run *r, const box_request *q, const cgroup *g)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(FD_MOST * sizeof(int))];
    } control = {0};
    int fds[FD_MOST];
    size_t n = FD_CGROUP;
    memcpy(fds, r->give, sizeof fds);
    for (int i = 0; i < 2; i++)
        if (g->join[i] >= 0) fds[n++] = g->join[i];
    struct iovec part = {(void *)(uintptr_t)q, offsetof(box_request, text) + q->text_bytes};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    *CMSG_FIRSTHDR(&m) = (struct cmsghdr){.cmsg_len = CMSG_LEN(n * sizeof(int)),
                                          .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, n * sizeof(int));
    ssize_t sent;
    do sent = sendmsg(s->socket, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* ---- listening ---------------------------------------------------------------------------------- */

typedef struct stream {
    int fd;
    buf *to;
    uint64_t seen, keep; /* bytes so far; how many to remember */
} stream;

/* Takes what is there. False: nothing more will come. */
static bool drain(stream *s)
{
    char block[65536];
    for (;;) {
        ssize_t n = read(s->fd, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return true; /* EAGAIN: later */
        if (n == 0) return false;
        size_t room = s->seen < s->keep ? (size_t)(s->keep - s->seen) : 0;
        buf_add(s->to, block, size_min((size_t)n, room));
        s->seen += (uint64_t)n;
        if (n < (ssize_t)sizeof block) return true;
    }
}

/* The report and the kept file (-1: none). False: the control socket ended without one. */
static bool receive_report(int control, box_report *report, int *kept)
{
    struct iovec part = {report, sizeof *report};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } c;
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c.bytes};
    ssize_t n;
    /* A "kill" that the warden no longer read shows as a reset before its report. */
    do n = recvmsg(control, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h && h->cmsg_type == SCM_RIGHTS) memcpy(kept, CMSG_DATA(h), sizeof *kept);
    return n == (ssize_t)sizeof *report;
}

/* Follows a run to its report. *over: it wrote more than its limit. */
static bool listen_to(run *r, const sandbox_limits *l, sandbox_result *res, box_report *report,
                      int *kept, bool *over)
{
    stream out = {r->out, &res->out, 0, l->output}, errs = {r->err, &res->err, 0, ERR_KEPT};
    struct pollfd fds[3] = {{r->control, POLLIN, 0}, {r->out, POLLIN, 0}, {r->err, POLLIN, 0}};
    const uint64_t until = clock_ns() + (l->wall_ms + GRACE_MS) * 1000000;
    bool told = false;
    while (!fds[0].revents) {
        if (poll(fds, 3, GRACE_MS) < 0 && errno != EINTR) return false;
        if (clock_ns() > until) return false;
        if (fds[1].revents && !drain(&out)) fds[1].fd = -1;
        if (fds[2].revents && !drain(&errs)) fds[2].fd = -1;
        *over = out.seen > l->output || errs.seen > l->output;
        if (*over && !told) told = send(r->control, "k", 1, MSG_NOSIGNAL) == 1;
    }
    bool good = receive_report(r->control, report, kept);
    /* The program is gone; what it wrote last is still in the pipes. */
    for (uint64_t before = UINT64_MAX; before != out.seen && out.seen <= l->output;)
        before = out.seen, drain(&out);
    for (uint64_t before = UINT64_MAX; before != errs.seen && errs.seen <= l->output;)
        before = errs.seen, drain(&errs);
    *over = out.seen > l->output || errs.seen > l->output;
    return good;
}

/* ---- results ------------------------------------------------------------------------------------ */

static ponder_status stage_error(const box_report *p, const char *program, ponder_error *err)
{
    static const char *const DOING[] = {
        "", "joining a control group", "taking the slot's user id", "entering namespaces",
        "mapping user ids", "building the root folder", "writing the job's files", "forking",
        "setting limits", "Landlock", "the system call filter", ""};
    if (p->stage == STAGE_EXEC)
        return err_set(err, PONDER_ENOTFOUND, "%s: cannot be started in the sandbox: %s", program,
                       strerror(p->error));
    return err_set(err, PONDER_EIO, "sandbox: %s: %s; `ponder sandbox --check` shows what holds here",
                   DOING[p->stage], strerror(p->error));
}

static void set_end(sandbox_result *r, const box_report *p, const sandbox_limits *l, bool over, bool oom)
{
    const bool signaled = WIFSIGNALED(p->status);
    r->cpu_ms = p->cpu_us / 1000;
    r->wall_ms = p->wall_us / 1000;
    r->memory = p->memory;
    r->code = signaled ? WTERMSIG(p->status) : WEXITSTATUS(p->status);
    if (over) r->end = SANDBOX_OUTPUT;
    else if (p->limit != SANDBOX_EXITED) r->end = p->limit;
    else if (oom || p->memory > l->memory) r->end = SANDBOX_MEMORY;
    else if (r->cpu_ms > l->cpu_ms || (signaled && r->code == SIGXCPU)) r->end = SANDBOX_CPU;
    else r->end = signaled ? SANDBOX_SIGNALED : SANDBOX_EXITED;
}

static ponder_status run_in_slot(sandbox *s, int slot, const sandbox_job *job, box_request *q,
                                 sandbox_result *res, ponder_error *err)
{
    const cgroup *g = &s->group[slot];
    box_report report = {0};
    int kept = -1;
    bool over = false;
    run r;
    TRY(make_request(s, slot, job, q, err));
    if (g->memory && !cgroup_limit(g, q->limits.memory, q->limits.tasks))
        return err_set(err, PONDER_EIO, "sandbox: control group %s: %s", g->dir[0], strerror(errno));
    const uint64_t ooms = cgroup_oom_count(g);
    ponder_status st = PONDER_OK;
    if (!run_open(&r, job) || !send_request(s, &r, q, g))
        st = err_set(err, PONDER_EIO, "sandbox: cannot start a run: %s", strerror(errno));
    for (size_t i = 0; i < FD_CGROUP; i++) { /* so that the control socket ends with the warden */
        if (r.give[i] >= 0) close(r.give[i]);
        r.give[i] = -1;
    }
    bool reported = st == PONDER_OK && listen_to(&r, &q->limits, res, &report, &kept, &over);
    run_close(&r);
    if (st != PONDER_OK) return st;
    const bool oom = cgroup_oom_count(g) != ooms;
    if (!reported && !oom)
        st = err_set(err, PONDER_EIO, "sandbox: a run ended without a report");
    else if (report.stage != STAGE_RAN)
        st = stage_error(&report, job->argv[0], err);
    else
        set_end(res, &report, &q->limits, over, oom);
    if (st == PONDER_OK && kept >= 0)
        st = file_read_fd(&res->kept, kept, job->keep, BOX_KEEP_LIMIT, err);
    if (kept >= 0) close(kept);
    if (res->out.failed || res->err.failed)
        st = err_set(err, PONDER_ENOMEM, "no memory for a program's output");
    return st;
}

ponder_status sandbox_run(sandbox *s, const sandbox_job *job, sandbox_result *res, ponder_error *err)
{
    buf_clear(&res->out);
    buf_clear(&res->err);
    buf_clear(&res->kept);
    box_request *q = malloc(sizeof *q);
    if (!q) return err_set(err, PONDER_ENOMEM, "no memory for a sandbox request");
    int slot = take_slot(s, job->alone);
    ponder_status st = run_in_slot(s, slot, job, q, res, err);
    clean_slot(s, slot);
    give_slot(s, slot);
    free(q);
    return st;
}

/* ---- opening and closing ------------------------------------------------------------------------- */

static ponder_status start_keeper(sandbox *s, ponder_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, PONDER_EIO, "sandbox: %s", strerror(errno));
    s->keeper = fork();
    if (s->keeper == 0) keeper_main(pair[1]);
    close(pair[1]);
    s->socket = pair[0];
    if (s->keeper < 0) return err_set(err, PONDER_EIO, "sandbox: cannot fork: %s", strerror(errno));
    return PONDER_OK;
}

/* A range of user ids that no other sandbox of this machine has: process limits count per user. It is
 * held by an abstract socket name, which goes with the process. */
static ponder_status take_uids(sandbox *s, ponder_error *err)
{
    s->first_uid = UINT32_MAX;
    if (geteuid() != 0) return PONDER_OK;
    s->uid_lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->uid_lock < 0) return err_set(err, PONDER_EIO, "sandbox: %s", strerror(errno));
    for (uint32_t i = 0; i < UID_RANGES; i++) {
        struct sockaddr_un name = {.sun_family = AF_UNIX}; /* a NUL first: abstract */
        int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "ponder-sandbox-%u", i);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
        if (bind(s->uid_lock, (struct sockaddr *)&name, size) != 0) continue;
        s->first_uid = FIRST_UID + i * SLOTS_MOST;
        return PONDER_OK;
    }
    return err_set(err, PONDER_ELIMIT, "sandbox: %d others are open on this machine", UID_RANGES);
}

/* Does a harmless program run at this level? */
static ponder_status try_level(sandbox *s, enum sandbox_level level, const sandbox_options *o,
                               ponder_error *err)
{
    static const char *const TRUE_PROGRAM[] = {"/usr/bin/true", NULL};
    s->level = level;
    if (level == SANDBOX_A)
        for (int i = 0; i < s->slots; i++) cgroup_open(&s->group[i], i, NULL);
    if (level == SANDBOX_C) TRY(make_folders(s, o->dir ? o->dir : "/tmp", err));
    sandbox_result r = {0};
    sandbox_job job = {.argv = TRUE_PROGRAM};
    ponder_status st = sandbox_run(s, &job, &r, err);
    if (st == PONDER_OK && (r.end != SANDBOX_EXITED || r.code != 0))
        st = err_set(err, PONDER_EIO, "sandbox: %s ended with %d", TRUE_PROGRAM[0], r.code);
    sandbox_result_free(&r);
    return st;
}

static void drop_level(sandbox *s)
{
    for (int i = 0; i < s->slots; i++) cgroup_close(&s->group[i]);
    remove_folders(s);
}

static ponder_status below_floor(enum sandbox_level level, enum sandbox_level floor,
                                 const sandbox_probed *p, const ponder_error *why, ponder_error *err)
{
    char missing[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < p->n && n < sizeof missing; i++)
        if (!p->layer[i].holds)
            n += (size_t)snprintf(missing + n, sizeof missing - n, "%s%s", n ? ", " : "", p->layer[i].name);
    return err_set(err, PONDER_ELIMIT, "sandbox level %c is below the floor %c (missing: %s)%s%s; "
                   "`ponder sandbox --check` tells how to get it", sandbox_level_letter(level),
                   sandbox_level_letter(floor), n ? missing : "nothing", why->message[0] ? "; " : "",
                   why->message);
}

ponder_status sandbox_open(sandbox **out, const sandbox_options *o, ponder_error *err)
{
    *out = NULL;
    if (o->slots < 0 || o->slots > SLOTS_MOST)
        return err_set(err, PONDER_EARG, "%d sandbox slots: use 1 to %d", o->slots, SLOTS_MOST);
    sandbox *s = calloc(1, sizeof *s);
    if (!s) return err_set(err, PONDER_ENOMEM, "no memory for a sandbox");
    const enum sandbox_level floor = o->floor == SANDBOX_D ? SANDBOX_C : o->floor;
    s->slots = o->slots ? o->slots : (int)size_min((size_t)cpu_cores(), SLOTS_MOST);
    s->socket = s->uid_lock = -1;
    for (int i = 0; i < SLOTS_MOST; i++) s->group[i].join[0] = s->group[i].join[1] = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    sandbox_probed probed;
    ponder_error why = {0};
    sandbox_probe(&probed);
    enum sandbox_level level = probed.level;
    if (o->ceiling != SANDBOX_D && level > o->ceiling) level = o->ceiling;
    ponder_status st = take_uids(s, err);
    if (st == PONDER_OK) st = start_keeper(s, err);
    /* What the layers promise one by one may still fail together: then one step down. */
    while (st == PONDER_OK && level >= floor && try_level(s, level, o, &why) != PONDER_OK) {
        drop_level(s);
        level--;
    }
    if (st == PONDER_OK && level < floor) st = below_floor(level, floor, &probed, &why, err);
    if (st != PONDER_OK) return sandbox_close(s), st;
    *out = s;
    return PONDER_OK;
}

void sandbox_close(sandbox *s)
{
    if (!s) return;
    if (s->socket >= 0) close(s->socket);
    while (s->keeper > 0 && waitpid(s->keeper, NULL, 0) < 0 && errno == EINTR) {}
    if (s->uid_lock >= 0) close(s->uid_lock);
    drop_level(s);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
