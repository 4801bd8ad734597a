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
extern char **environ;
int main(void)
{
    for (int fd = 3; fd < 4096; fd++) refused("an inherited descriptor", fcntl(fd, F_GETFD));
    refused("writing to stdin", write(0, "x", 1));
    int again = open("/dev/stdin", O_RDWR);
    if (again >= 0) refused("writing to stdin's file", write(again, "x", 1)), refused("stretching it", ftruncate(again, 4096));
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "PATH=", 5) && strncmp(*e, "LANG=", 5)) refused(*e, 0);
    return verdict();
}
