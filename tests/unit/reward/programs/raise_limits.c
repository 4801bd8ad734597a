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
    static const int LIMITS[] = {RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_STACK, RLIMIT_MEMLOCK};
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++)
        refused("setrlimit", setrlimit(LIMITS[i], &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}));
    refused("of the parent", syscall(SYS_prlimit64, getppid() ? getppid() : 1, RLIMIT_CPU, 0, &(struct rlimit){0, 0}));
    return verdict();
}
