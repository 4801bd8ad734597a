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
    char byte;
    long io[2] = {(long)&byte, 1};
    refused("traceme", syscall(SYS_ptrace, 0, 0, 0, 0));
    refused("attach", syscall(SYS_ptrace, 16, getppid(), 0, 0));
    refused("attach 1", syscall(SYS_ptrace, 16, 1, 0, 0));
    refused("vm_readv", syscall(SYS_process_vm_readv, getppid(), io, 1, io, 1, 0));
    refused("vm_writev", syscall(SYS_process_vm_writev, getppid(), io, 1, io, 1, 0));
    refused("pidfd", syscall(434, getppid(), 0));
    refused("pidfd_getfd", syscall(438, 0, 0, 0));
    return verdict();
}
