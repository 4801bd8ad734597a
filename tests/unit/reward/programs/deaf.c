// {"verdict":"TLE","time_limit_ms":200}
#include <signal.h>
#include <stdio.h>
int main(void)
{
    for (int s = 1; s < 65; s++) signal(s, SIG_IGN);
    puts("held");
    fflush(stdout);
    for (;;) __asm__ volatile("");
}
