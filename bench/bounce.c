/* How long a cache line takes from one processor to another: some 30 ns where they share a cache, 150 and more where
 * they do not. A virtual machine may change from one to the other within minutes, and whatever hands data from core to
 * core with it: look before and after a measurement.
 * SPDX-License-Identifier: MIT
 *
 * Usage: bounce [PROCESSOR PROCESSOR] */
#define _GNU_SOURCE /* pthread_setaffinity_np */
#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { ROUNDS = 300000 };

static _Alignas(128) atomic_int line;

static bool pin(int processor)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    return pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0;
}

static void *answer(void *processor)
{
    pin(*(const int *)processor);
    for (int i = 0; i < ROUNDS; i++) {
        while (atomic_load(&line) != 2 * i + 1) {}
        atomic_store(&line, 2 * i + 2);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int processor[2] = {argc > 2 ? atoi(argv[1]) : 0, argc > 2 ? atoi(argv[2]) : 1};
    pthread_t other;
    if (!pin(processor[1]) || !pin(processor[0]) || pthread_create(&other, NULL, answer, &processor[1]) != 0) {
        fprintf(stderr, "bounce: processors %d and %d cannot be had\n", processor[0], processor[1]);
        return 1;
    }
    uint64_t start = clock_ns();
    for (int i = 0; i < ROUNDS; i++) {
        atomic_store(&line, 2 * i + 1);
        while (atomic_load(&line) != 2 * i + 2) {}
    }
    printf("%.0f ns from processor %d to %d\n", (double)(clock_ns() - start) / (2.0 * ROUNDS), processor[0], processor[1]);
    pthread_join(other, NULL);
    return 0;
}
