// {"verdict":"TLE","time_limit_ms":100}
#include <unistd.h>
int main(void) { if (write(1, "held\n", 5) != 5) return 1; close(0); close(1); close(2); for (;;) pause(); }
