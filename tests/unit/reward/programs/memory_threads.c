// {"verdict":"MLE","memory_limit_mb":64}
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
static void *eat(void *arg)
{
    for (;;) {
        char *p = malloc(1 << 18);
        if (!p) abort();
        memset(p, 1, 1 << 18);
    }
    return arg;
}
int main(void)
{
    pthread_t t;
    for (int i = 0; i < 8; i++) pthread_create(&t, 0, eat, 0);
    eat(0);
}
