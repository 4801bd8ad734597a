// {"verdict":"TLE","time_limit_ms":100}
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
int main(void) { puts("held"); fflush(stdout); kill(getpid(), SIGSTOP); for (;;) pause(); }
