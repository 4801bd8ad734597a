// {"verdict":["AC","RE"]}
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *sleeper(void *arg) { pause(); return arg; }
int main(void)
{
    pthread_attr_t attr;
    pthread_t t;
    int n = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    while (n < 1000000 && pthread_create(&t, &attr, sleeper, 0) == 0) n++;
    if (n < 100) puts("held");
    else for (;;) pause();
}
