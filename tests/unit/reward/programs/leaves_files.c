// {"verdict":"AC","note":"the second test finds what the first left"}
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
    static const char *const PLACES[] = {"left", "/tmp/left", "/dev/shm/left", "/var/tmp/left"};
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        refused(PLACES[i], open(PLACES[i], O_RDONLY));
        int fd = open(PLACES[i], O_CREAT | O_WRONLY, 0666);
        if (fd >= 0 && write(fd, "held\n", 5) != 5) refused("write", -1);
    }
    return verdict();
}
