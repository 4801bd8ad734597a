// {"verdict":["AC","MLE"],"memory_limit_mb":128}
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
    static char block[1 << 20];
    long total = 0, files = 0;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 5000; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0) break;
        files++;
        ssize_t n;
        while ((n = write(fd, block, sizeof block)) > 0) total += n;
        n = ftruncate(fd, 1L << 40);
        if (n == 0) refused("a file of a terabyte", 0);
        close(fd);
    }
    if (total > 20 << 20) refused("more than 20 MB", 0);
    if (files > 2000) refused("more than 2000 files", 0);
    return verdict();
}
