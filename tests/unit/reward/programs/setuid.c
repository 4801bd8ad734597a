// {"verdict":["RE","AC"],"note":"a setuid program gains nothing and cannot mount"}
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    execl("/usr/bin/mount", "mount", "-t", "tmpfs", "none", "/usr", (char *)0);
    execl("/usr/bin/su", "su", "-c", "id", (char *)0);
    puts("held");
}
