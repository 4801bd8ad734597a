// {"verdict":["RE","AC"],"note":"a shell is in the same box: it can start nothing and sees nothing"}
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    execl("/bin/sh", "sh", "-c", "cat /etc/passwd /proc/1/environ; ls /; id", (char *)0);
    puts("held");
}
