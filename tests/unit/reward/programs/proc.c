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
    static const char *const FILES[] = {"environ", "mem", "maps", "fd/0", "fd/3", "cwd/x", "root/etc/passwd", "cmdline"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/1/%s", FILES[i]);
        refused(path, open(path, O_RDONLY));
        snprintf(path, sizeof path, "/proc/%d/%s", getppid(), FILES[i]);
        refused(path, open(path, O_RDONLY));
    }
    refused("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
    refused("core_pattern", open("/proc/sys/kernel/core_pattern", O_RDWR));
    return verdict();
}
