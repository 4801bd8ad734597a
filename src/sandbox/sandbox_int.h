/* sandbox_int: what the judge's side (probe, cgroup, run) and the forked side (keeper, box, confine,
 * watch) share.
 * SPDX-License-Identifier: MIT
 *
 * Judge      threads of the calling program. sandbox_run sends a request and four or five
 *            descriptors to the keeper over a sequenced-packet socket.
 * Keeper     forked once; forks a warden for each request. Ends when the judge's end of the socket does.
 * Warden     joins the slot's cgroup, takes the slot's user id, enters namespaces (and is process 1
 *            there), builds the box, forks the program, watches it, kills what is left, reports.
 * Program    limits itself, then Landlock, then seccomp, then execve.
 *
 * The keeper is forked from a process that may have threads: everything on the forked side calls only
 * async-signal-safe functions and never allocates. */
#ifndef SANDBOX_INT_H
#define SANDBOX_INT_H

#include "sandbox/sandbox.h"

#include <sys/types.h>

enum {
    BOX_TEXT = 32768,     /* bytes of all strings of a request */
    BOX_STRINGS = 256,    /* how many */
    BOX_UID = 1000,       /* what the program sees itself as, in a user namespace */
    BOX_INODES = 1024,    /* files in a working folder with a file system of its own */
    BOX_KEEP_LIMIT = 64 << 20
};

/* Descriptors that go with a request, in this order. Without a cgroup the last two are missing. */
enum { FD_CONTROL, FD_INPUT, FD_OUT, FD_ERR, FD_FILES, FD_CGROUP, FD_MOST = FD_CGROUP + 2 };

typedef struct box_request {
    sandbox_limits limits; /* defaults filled in */
    bool namespaces;       /* levels A and B */
    bool memory_group;     /* a cgroup limits memory: no address-space limit, no watching */
    bool own_uid;          /* uid belongs to this slot alone */
    bool keep;
    uint32_t uid;          /* UINT32_MAX: stay */
    uint32_t argc, envc, filec;
    struct {
        uint64_t bytes;
        bool executable;
    } file[SANDBOX_FILES]; /* contents follow one another in FD_FILES */
    /* NUL-terminated, one after the other: argv, env, file names, the file to keep, the folder. */
    uint32_t text_bytes;
    char text[BOX_TEXT];
} box_request;

/* What went wrong before the program ran; STAGE_RAN when nothing did. */
enum box_stage {
    STAGE_RAN, STAGE_CGROUP, STAGE_UID, STAGE_NAMESPACES, STAGE_MAP, STAGE_MOUNT, STAGE_FILES,
    STAGE_FORK, STAGE_LIMITS, STAGE_LANDLOCK, STAGE_SECCOMP, STAGE_EXEC
};

typedef struct box_report {
    enum box_stage stage;
    int error;  /* errno of the stage */
    int status; /* of waitpid */
    enum sandbox_end limit; /* CPU, WALL, MEMORY; EXITED: none was hit */
    uint64_t cpu_us, wall_us, memory;
} box_report;

/* A request taken apart; strings point into it. */
typedef struct box_job {
    const box_request *q;
    const char *argv[BOX_STRINGS], *env[BOX_STRINGS], *file[SANDBOX_FILES];
    const char *keep, *folder;
    int fd[FD_MOST];
} box_job;

/* ---- forked side: async-signal-safe; 0 or an errno ----------------------------------------------- */

/* Serves requests until the socket ends. */
_Noreturn void keeper_main(int socket);

/* Takes a request apart; false when it is malformed. */
bool box_parse(box_job *j, const box_request *q, size_t bytes);
/* Calls clone(2) like fork(2), with namespace flags. */
pid_t box_clone(unsigned long flags);
/* Takes the user and group id `uid` for good. */
int box_take_uid(uint32_t uid);
/* In a new user namespace: maps BOX_UID to the ids outside. */
int box_map_ids(uint32_t uid, uint32_t gid);
/* In new mount and pid namespaces: a root of read-only system folders, the working folder current. */
int box_build_root(uint64_t files_bytes);
/* Writes the job's files into the current folder. */
int box_write_files(const box_job *j);

/* The program's half after fork: never returns; failures go to *failed, in memory shared with the
 * warden. */
_Noreturn void box_exec(const box_job *j, box_report *failed);

/* 0 and the ABI, or an errno. */
int landlock_abi(int *abi);
/* System folders readable, the current folder as `writable` says, nothing else. */
int landlock_confine(bool writable);
/* Installs the system call filter. `processes`: new processes too, not only threads. */
int filter_confine(bool processes);

/* Waits for the program, within its limits and while the judge wants it; then kills all that is left. */
void watch_program(const box_job *j, pid_t program, box_report *report);

/* The i-th folder or file of the system that programs may read; NULL after the last. */
const char *box_readable(size_t i);
extern const unsigned long BOX_NAMESPACES; /* clone flags */

/* ---- judge's side ------------------------------------------------------------------------------- */

/* A control group of one slot: pids and memory, v1 or v2. Absent parts have empty paths. */
typedef struct cgroup {
    bool v2, memory;
    char dir[2][256]; /* v1: memory, pids; v2: the one */
    int join[2];      /* cgroup.procs, or -1 */
} cgroup;

/* Makes the group; false when the system grants none. detail (may be NULL, 64 bytes) says which. */
bool cgroup_open(cgroup *g, int slot, char *detail);
void cgroup_close(cgroup *g);
/* Sets the limits of the next run. */
bool cgroup_limit(const cgroup *g, uint64_t memory, uint32_t tasks);
/* How often the group ran out of memory so far. */
uint64_t cgroup_oom_count(const cgroup *g);

#endif
