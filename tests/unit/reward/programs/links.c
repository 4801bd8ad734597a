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
    refused("symlink", symlink("/etc/passwd", "output"));
    refused("symlinkat", symlinkat("/proc/1/environ", AT_FDCWD, "output2"));
    refused("link", link("prog", "second"));
    refused("fifo", mkfifo("pipe", 0600));
    refused("device", mknod("disk", S_IFBLK | 0600, 0x800));
    refused("socket", mknod("sock", S_IFSOCK | 0600, 0));
    return verdict();
}
