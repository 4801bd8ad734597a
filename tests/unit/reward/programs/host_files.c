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
    static const char *const READ[] = {"/etc/passwd", "/etc/hostname", "/root", "/home", "/var/lib", "/tmp", "/srv",
                                       "/sys/kernel", "/dev/tty", "/dev/mem", "/dev/kmsg", "/dev/shm", "/run", "/",
                                       "..", "../../etc/passwd"};
    static const char *const WRITE[] = {"/usr/x", "/tmp/x", "/x", "../x", "/dev/x", "/lib/x", "/etc/x", "/var/tmp/x"};
    for (size_t i = 0; i < sizeof READ / sizeof *READ; i++) refused(READ[i], open(READ[i], O_RDONLY));
    for (size_t i = 0; i < sizeof WRITE / sizeof *WRITE; i++) refused(WRITE[i], open(WRITE[i], O_WRONLY | O_CREAT, 0600));
    /* One of them is this program's own folder. */
    if (open("../0/prog", O_RDONLY) >= 0) refused("another slot", open("../1/prog", O_RDONLY));
    refused("/usr/bin/true", open("/usr/bin/true", O_WRONLY));
    return verdict();
}
