/* What this machine grants: every layer is tried, none is assumed.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROBE_UID = 60099 };

char sandbox_level_letter(enum sandbox_level level) { return "DCBA"[level]; }

bool sandbox_level_by_name(enum sandbox_level *out, str name)
{
    if (name.n != 1 || name.p[0] < 'A' || name.p[0] > 'C') return false;
    return *out = (enum sandbox_level)(SANDBOX_A - (name.p[0] - 'A')), true;
}

/* ---- what a child tries: 0 or an errno (below 128, so that an exit status holds it) --------------- */

typedef int try_fn(unsigned long arg);

static int try_uid(unsigned long arg)
{
    (void)arg;
    return box_take_uid(PROBE_UID);
}

/* Namespaces are entered as a run would: after giving up root. */
static int try_namespaces(unsigned long flags)
{
    if (geteuid() == 0) box_take_uid(PROBE_UID);
    const uint32_t uid = (uint32_t)geteuid(), gid = (uint32_t)getegid();
    if (unshare((int)(CLONE_NEWUSER | flags)) != 0) return errno;
    return box_map_ids(uid, gid);
}

static int try_root(unsigned long want_proc)
{
    int bad = try_namespaces(BOX_NAMESPACES & ~(unsigned long)CLONE_NEWUSER), status;
    if (bad) return bad;
    pid_t pid = box_clone(SIGCHLD);
    if (pid == 0) {
        bad = box_build_root(1 << 20);
        _exit(bad ? bad : want_proc && access("/proc/self/statm", R_OK) != 0 ? EPERM : 0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static int try_landlock(unsigned long arg)
{
    (void)arg;
    return landlock_confine(false);
}

static int try_filter(unsigned long arg)
{
    (void)arg;
    int bad = filter_confine(false);
    /* A filter that lets everything pass would be none. */
    if (!bad && (syscall(SYS_ptrace, 0, 0, 0, 0) == 0 || errno != ENOSYS)) bad = EPERM;
    return bad;
}

static int try_limits(unsigned long arg)
{
    (void)arg;
    const struct rlimit r = {1, 1};
    return setrlimit(RLIMIT_CPU, &r) == 0 && setrlimit(RLIMIT_FSIZE, &r) == 0 ? 0 : errno;
}

static int try_subreaper(unsigned long arg)
{
    (void)arg;
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : errno;
}

static int in_child(try_fn *fn, unsigned long arg)
{
    pid_t pid = box_clone(SIGCHLD);
    if (pid == 0) {
        int bad = fn(arg);
        _exit(bad > 127 ? 127 : bad);
    }
    int status;
    if (pid < 0) return errno;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

/* ---- the table ---------------------------------------------------------------------------------- */

static bool add(sandbox_probed *p, const char *name, int bad, const char *good, const char *remedy)
{
    sandbox_layer *l = &p->layer[p->n++];
    *l = (sandbox_layer){.name = name, .holds = bad == 0, .remedy = remedy};
    char text[48];
    const char *why = strerror_r(bad, text, sizeof text);
    snprintf(l->detail, sizeof l->detail, "%s", bad ? why : good);
    return l->holds;
}

static bool add_namespaces(sandbox_probed *p)
{
    static const struct {
        const char *name;
        unsigned long flag;
    } KINDS[] = {{"user namespace", 0}, {"process namespace", CLONE_NEWPID},
                 {"mount namespace", CLONE_NEWNS}, {"network namespace", CLONE_NEWNET},
                 {"IPC namespace", CLONE_NEWIPC}, {"host-name namespace", CLONE_NEWUTS}};
    const char *remedy = "sysctl user.max_user_namespaces above 0; Debian: "
                         "kernel.unprivileged_userns_clone=1; Ubuntu: "
                         "kernel.apparmor_restrict_unprivileged_userns=0; in a container: a seccomp "
                         "profile that allows unshare, clone and mount";
    bool all = true;
    for (size_t i = 0; i < COUNT_OF(KINDS); i++)
        all &= add(p, KINDS[i].name, in_child(try_namespaces, KINDS[i].flag), "yes", remedy);
    all &= add(p, "private root folder", all ? in_child(try_root, 0) : EPERM, "yes",
               "mount and pivot_root in a user namespace must be allowed");
    add(p, "private /proc", all ? in_child(try_root, 1) : EPERM, "yes",
        "refused where parts of /proc are covered, as in containers; without it memory is limited "
        "as address space and /dev/stdin cannot be opened");
    return all;
}

static void add_cgroup(sandbox_probed *p)
{
    cgroup g;
    char detail[64] = "";
    bool holds = cgroup_open(&g, 999, detail);
    add(p, "control group", holds ? 0 : EPERM, detail,
        "run as root with a writable /sys/fs/cgroup (memory and pids); without it the sandbox "
        "watches memory itself");
    if (holds) cgroup_close(&g);
}

void sandbox_probe(sandbox_probed *out)
{
    sandbox_probed *p = out;
    *p = (sandbox_probed){.level = SANDBOX_D};
    const bool uid = add(p, "user id per slot", geteuid() == 0 ? in_child(try_uid, 0) : EPERM, "yes",
                         "run as root (with CAP_SETUID and CAP_SETGID)");
    const bool spaces = add_namespaces(p);
    int abi, bad = landlock_abi(&abi);
    char text[16];
    snprintf(text, sizeof text, "ABI %d", abi);
    if (!bad) bad = in_child(try_landlock, 0);
    const bool land = add(p, "Landlock", bad, text,
                          "Linux 5.13 or later with landlock in the boot parameter lsm=");
    const bool filter = add(p, "system call filter", in_child(try_filter, 0), "yes",
                            "a kernel with CONFIG_SECCOMP_FILTER");
    const bool limits = add(p, "resource limits", in_child(try_limits, 0), "yes", "any Linux");
    const bool reaper = add(p, "child subreaper", in_child(try_subreaper, 0), "yes", "Linux 3.4");
    add_cgroup(p);
    if (!filter || !limits) return;
    if (spaces) p->level = uid ? SANDBOX_A : SANDBOX_B;
    else if (land && reaper) p->level = SANDBOX_C;
}
