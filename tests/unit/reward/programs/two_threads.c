// {"verdict":"TLE","time_limit_ms":200}
#include <pthread.h>
static void *spin(void *arg) { for (;;) __asm__ volatile(""); return arg; }
int main(void) { pthread_t t; pthread_create(&t, 0, spin, 0); spin(0); }
