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
static long socket_call(int family, int type) { return syscall(SYS_socket, family, type, 0); }
int main(void)
{
    refused("inet", socket_call(2, 1)), refused("inet6", socket_call(10, 2));
    refused("unix", socket_call(1, 1)), refused("netlink", socket_call(16, 3)), refused("packet", socket_call(17, 3));
    return verdict();
}
