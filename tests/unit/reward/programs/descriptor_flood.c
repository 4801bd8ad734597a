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
    int n = 0;
    while (dup(0) >= 0) n++;
    if (n > 1000) refused("1000 descriptors", 0);
    return verdict();
}
