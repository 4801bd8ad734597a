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
    refused("kill all", kill(-1, SIGKILL));
    refused("kill 1", kill(1, SIGKILL));
    refused("kill group", kill(0, SIGCONT));
    if (getppid() > 0) refused("kill parent", kill(getppid(), SIGKILL));
    refused("tgkill", syscall(SYS_tgkill, getppid(), getppid(), SIGKILL));
    refused("tkill", syscall(SYS_tkill, 1, SIGKILL));
    refused("sigqueue", syscall(SYS_rt_sigqueueinfo, getppid(), SIGKILL, 0));
    int pipes[2];
    if (pipe(pipes) == 0) refused("F_SETOWN", fcntl(pipes[0], F_SETOWN, 1));
    return verdict();
}
