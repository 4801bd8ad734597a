// {"verdict":"RE","memory_limit_mb":128}
static int down(int n) { volatile char b[4096]; b[0] = (char)n; return n ? down(n - 1) + b[0] : 0; }
int main(void) { return down(100000000); }
