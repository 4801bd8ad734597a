// {"verdict":"AC"}
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static int held = 1;
static void refused(const char *what, long result) { if (result >= 0) { held = 0; printf("%s worked\n", what); } }
static int verdict(void) { if (held) puts("held"); return 0; }
int main(void)
{
    refused("unshare", unshare(CLONE_NEWUSER)), refused("unshare mounts", unshare(CLONE_NEWNS));
    refused("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    refused("mount", syscall(SYS_mount, "none", "/usr", "tmpfs", 0, 0));
    refused("chroot", chroot("/usr")), refused("pivot_root", syscall(SYS_pivot_root, "/", "/"));
    refused("setns", setns(0, 0));
    refused("setuid", setuid(0)), refused("setgid", setgid(0)), refused("root", geteuid() == 0 ? 0 : -1);
    refused("bpf", syscall(SYS_bpf, 0, 0, 0)), refused("perf", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
    refused("io_uring", syscall(425, 8, 0)), refused("keyctl", syscall(SYS_keyctl, 0, -3, 0));
    refused("userfaultfd", syscall(SYS_userfaultfd, 0)), refused("memfd", memfd_create("x", 0));
    refused("shm", syscall(SYS_shmget, 42, 4096, 01600)), refused("msg", syscall(SYS_msgget, 42, 01600));
    refused("seccomp", syscall(SYS_seccomp, 0, 0, 0)), refused("clone3", syscall(435, 0, 0));
    refused("personality", syscall(SYS_personality, 0x0040000)), refused("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    return verdict();
}
