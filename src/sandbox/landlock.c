/* Landlock: which files a program may touch, by the folder they are in.
 * SPDX-License-Identifier: MIT
 *
 * Numbers are those of the kernel's Documentation/userspace-api/landlock.rst up to ABI 7; the C
 * library's headers may be older than the kernel. */
#define _GNU_SOURCE
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FS_EXECUTE = 1 << 0, FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4, FS_REMOVE_FILE = 1 << 5, FS_MAKE_DIR = 1 << 7, FS_MAKE_REG = 1 << 8,
    FS_TRUNCATE = 1 << 14,
    FS_READ = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR,
    FS_CHANGE = FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_TRUNCATE,
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
    NET_TCP = 3,   /* ABI 4: bind, connect */
    SCOPE_ALL = 3, /* ABI 6: abstract sockets and signals stay inside */
    RULE_PATH = 1
};

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t access;
    int32_t fd;
} __attribute__((packed));

/* Calls 444 to 446 on every machine. */
static int create(const struct ruleset *r, size_t bytes, unsigned flags)
{
    return (int)syscall(444, r, bytes, flags);
}

int landlock_abi(int *abi)
{
    *abi = create(NULL, 0, 1 /* version */);
    return *abi >= 1 ? 0 : errno ? errno : ENOSYS;
}

/* What the ABI lets us govern: every right is refused unless a rule gives it. */
static struct ruleset govern(int abi)
{
    struct ruleset r = {.fs = (1 << 13) - 1};
    if (abi >= 2) r.fs |= 1 << 13; /* moving between folders */
    if (abi >= 3) r.fs |= FS_TRUNCATE;
    if (abi >= 5) r.fs |= 1 << 15; /* ioctl on devices */
    if (abi >= 4) r.net = NET_TCP;
    if (abi >= 6) r.scoped = SCOPE_ALL;
    return r;
}

/* A path that does not exist needs no rule. */
static int grant(int set, const char *path, uint64_t access)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
    struct stat st;
    int bad = fstat(fd, &st) == 0 ? 0 : errno;
    struct path_rule rule = {S_ISDIR(st.st_mode) ? access : access & FS_OF_FILES, fd};
    if (!bad && syscall(445, set, RULE_PATH, &rule, 0) != 0) bad = errno;
    close(fd);
    return bad;
}

int landlock_confine(bool writable)
{
    int abi, bad = landlock_abi(&abi);
    if (bad) return bad;
    const struct ruleset r = govern(abi);
    int set = create(&r, abi >= 6 ? 24 : abi >= 4 ? 16 : 8, 0);
    if (set < 0) return errno;
    for (size_t i = 0; !bad && box_readable(i); i++) {
        bool device = strncmp(box_readable(i), "/dev/", 5) == 0;
        bad = grant(set, box_readable(i), (device ? FS_READ_FILE | FS_WRITE_FILE : FS_READ) & r.fs);
    }
    if (!bad) bad = grant(set, ".", (writable ? FS_READ | FS_CHANGE : FS_READ) & r.fs);
    if (!bad && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) bad = errno;
    if (!bad && syscall(446, set, 0) != 0) bad = errno;
    close(set);
    return bad;
}
