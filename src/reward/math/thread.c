/* math: what FLINT keeps for a thread goes when the thread ends.
 * SPDX-License-Identifier: MIT
 *
 * FLINT caches constants and memory for each thread and has no hook at a thread's end. The key
 * below is the only state outside of a call: it is made once, and its value says "clean up after
 * this thread". */
#include "reward/math/math_int.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void clean_up(void *unused)
{
    (void)unused;
    flint_cleanup();
}

static void make_key(void) { pthread_key_create(&key, clean_up); }

void math_thread_begin(void)
{
    pthread_once(&once, make_key);
    if (!pthread_getspecific(key)) pthread_setspecific(key, &once);
}
