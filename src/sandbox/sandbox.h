/* sandbox: runs an untrusted program under limits and says how it ended.
 * SPDX-License-Identifier: MIT
 *
 * A run sees a private root with read-only system folders, an empty working folder that holds the
 * files of its job, and three descriptors; everything else (network, other processes, the host's
 * files, most system calls) is absent or refused. How strongly depends on what the machine grants:
 * the levels below. docs/sandbox.md tells what each holds back.
 *
 * This is the only module that forks. sandbox_open forks one small keeper, which forks every run; so
 * open it before large memory is touched. All functions may be called from several threads. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "base/base.h"

/* From weak to strong, so that levels compare. */
enum sandbox_level {
    SANDBOX_D, /* nothing that would hold: no run is accepted */
    SANDBOX_C, /* Landlock, seccomp and resource limits */
    SANDBOX_B, /* also own user, process, mount, network, IPC and host-name namespaces */
    SANDBOX_A  /* also a user id of its own per slot, which only root can give */
};
char sandbox_level_letter(enum sandbox_level level);
/* "A" to "C"; false for anything else. */
bool sandbox_level_by_name(enum sandbox_level *out, str name);

/* ---- what this machine grants ------------------------------------------------------------------- */

typedef struct sandbox_layer {
    const char *name;
    bool holds;
    char detail[64];    /* "ABI 7", or the system's refusal */
    const char *remedy; /* how to get the layer; what it would add */
} sandbox_layer;

enum { SANDBOX_LAYERS = 16 };

typedef struct sandbox_probed {
    enum sandbox_level level; /* what the layers allow */
    size_t n;
    sandbox_layer layer[SANDBOX_LAYERS];
} sandbox_probed;

/* Tries every layer in short-lived child processes (some 20 ms). */
void sandbox_probe(sandbox_probed *out);

/* ---- runs --------------------------------------------------------------------------------------- */

typedef struct sandbox sandbox;

typedef struct sandbox_options {
    int slots;                  /* runs at a time, 1..64; 0: the physical cores */
    enum sandbox_level floor;   /* refuse to open below this level; D counts as C */
    enum sandbox_level ceiling; /* do not use more than this level; D: whatever the machine grants */
    const char *dir;            /* where level C makes its working folders; NULL: /tmp */
} sandbox_options;

/* ELIMIT when the machine grants less than the floor: the message names what is missing. */
ponder_status sandbox_open(sandbox **out, const sandbox_options *o, ponder_error *err);
void sandbox_close(sandbox *s);
enum sandbox_level sandbox_level_of(const sandbox *s);
int sandbox_slots(const sandbox *s);

/* Zero means the default in brackets. */
typedef struct sandbox_limits {
    uint64_t cpu_ms;  /* of all processes together (10000) */
    uint64_t wall_ms; /* (2 * cpu_ms + 1000) */
    uint64_t memory;  /* bytes (256 MiB) */
    uint64_t output;  /* bytes on stdout, and as many on stderr (16 MiB) */
    uint64_t files;   /* bytes in the working folder (16 MiB) */
    uint32_t tasks;   /* threads and processes (32) */
    bool processes;   /* new processes and not only threads; level C then lets files be written too */
} sandbox_limits;

/* One file of the working folder; `name` without a slash. */
typedef struct sandbox_file {
    const char *name;
    str bytes;
    bool executable;
} sandbox_file;

typedef struct sandbox_job {
    const char *const *argv; /* NULL-terminated; argv[0] is a path, "./name" in the working folder */
    const char *const *env;  /* NULL: PATH and LANG only */
    str input;               /* stdin */
    const sandbox_file *files;
    size_t nfiles;           /* at most SANDBOX_FILES */
    const char *keep;        /* a file of the working folder to hand back, or NULL */
    sandbox_limits limits;
    bool alone;              /* while no other run of this sandbox is under way */
} sandbox_job;

enum { SANDBOX_FILES = 8 };

enum sandbox_end {
    SANDBOX_EXITED,   /* code holds the exit status */
    SANDBOX_SIGNALED, /* code holds the signal */
    SANDBOX_CPU,      /* killed, or over, one of the limits */
    SANDBOX_WALL,
    SANDBOX_MEMORY,
    SANDBOX_TASKS,
    SANDBOX_OUTPUT
};

/* out, err and kept are cleared first and reused from run to run. err holds at most 64 KiB. */
typedef struct sandbox_result {
    enum sandbox_end end;
    int code;
    uint64_t cpu_ms, wall_ms, memory; /* memory: the largest resident set, bytes */
    buf out, err, kept;
} sandbox_result;

/* Runs one job and waits; blocks while all slots are taken. What the program does is a result, never
 * an error: EARG for a bad job, ENOTFOUND when argv[0] cannot be started, EIO when the system
 * refuses a part of the sandbox. When it returns, every process of the run is gone. */
ponder_status sandbox_run(sandbox *s, const sandbox_job *job, sandbox_result *r, ponder_error *err);
void sandbox_result_free(sandbox_result *r);

#endif
