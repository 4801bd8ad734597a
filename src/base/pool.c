/* A fork/join thread pool for phases of a few microseconds.
 * SPDX-License-Identifier: MIT
 *
 * Invariants
 *  (1) `epoch` counts jobs and is only a bell: a worker that has seen epoch e waits for another value.
 *  (2) `inside` counts workers that may touch the job, or is CLOSED. Workers enter an open job (acquire,
 *      pairs with the release that opened it after its fields were written) and leave (release). pool_run
 *      closes when all pieces are taken and no one is inside (acquire), so the job may live on the caller's
 *      stack and its writes are visible to the caller. Who comes too late finds it closed, or the next one:
 *      a worker whose processor is taken by another program is waited for only while it has a piece.
 *  (3) Each worker has a part of the pieces, the same part of every job: what it wrote in one phase it finds near
 *      itself in the next, which counts where workers do not share a cache. Who is done with its own takes of the
 *      others' parts. Which worker gets which piece does not matter to results, because a piece's may depend on
 *      its range alone.
 *  (4) A worker spins for SPIN_NS, then announces itself in `sleepers` and sleeps on a futex at
 *      `epoch`; pool_run wakes only if someone sleeps. Dekker-style: both sides use seq_cst. */
#define _GNU_SOURCE /* syscall, pthread_setaffinity_np */
#include "base/base.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPIN_NS = 200000, MAX_THREADS = 256, CLOSED = -1, SHARES = 4 };

/* Pieces [next, end) of a worker's part are still to be had. */
struct part {
    _Alignas(64) _Atomic size_t next;
    size_t end;
};

struct pool {
    int threads;
    pthread_t thread[MAX_THREADS]; /* [1, threads) */
    int started;
    atomic_bool quit;
    bool running; /* only the owner's thread reads and writes it */
    pthread_t owner;

    _Alignas(64) _Atomic uint32_t epoch;
    _Atomic uint32_t sleepers;
    pool_fn *fn;
    void *arg;
    size_t grain;

    _Alignas(64) _Atomic int inside;
    _Alignas(64) _Atomic int open; /* parts of which something is to be had: with none, nobody looks through them all */
    struct part part[MAX_THREADS];
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex(_Atomic uint32_t *at, int op, uint32_t value)
{
    syscall(SYS_futex, at, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Takes shares of what is left of a part, large at first and single pieces at the end: long runs of memory for each
 * worker, and no one waits long for the last. */
static void work_on(pool *p, struct part *part, int worker)
{
    const size_t grain = p->grain, all = part->end;
    size_t begin = atomic_load_explicit(&part->next, memory_order_relaxed), end;
    for (;;) {
        do {
            if (begin >= all) return;
            end = begin + size_max(grain, (all - begin) / SHARES / grain * grain);
        } while (!atomic_compare_exchange_weak_explicit(&part->next, &begin, end, memory_order_relaxed,
                                                        memory_order_relaxed));
        if (end >= all) atomic_fetch_sub_explicit(&p->open, 1, memory_order_relaxed);
        p->fn(p->arg, begin, size_min(end, all), worker);
        begin = atomic_load_explicit(&part->next, memory_order_relaxed);
    }
}

static void work(pool *p, int worker)
{
    for (int i = 0; i < p->threads && atomic_load_explicit(&p->open, memory_order_relaxed) > 0; i++)
        work_on(p, &p->part[(worker + i) % p->threads], worker);
}

/* Cuts n pieces into parts. */
static void cut(pool *p, size_t n, size_t grain)
{
    const size_t grains = size_ceil_div(n, grain), threads = (size_t)p->threads;
    for (size_t i = 0; i < threads; i++) {
        atomic_store_explicit(&p->part[i].next, pool_part(grains, i, threads) * grain, memory_order_relaxed);
        p->part[i].end = size_min(n, pool_part(grains, i + 1, threads) * grain);
    }
    atomic_store_explicit(&p->open, (int)size_min(grains, threads), memory_order_relaxed);
}

/* Waits until epoch differs from `seen`. */
static uint32_t await_job(pool *p, uint32_t seen)
{
    uint64_t until = 0;
    for (unsigned i = 1;; i++) {
        uint32_t now = atomic_load_explicit(&p->epoch, memory_order_acquire);
        if (now != seen) return now;
        relax();
        if (i % 64) continue; /* look at the clock now and then */
        uint64_t t = clock_ns();
        if (!until) until = t + SPIN_NS;
        if (t < until) continue;
        atomic_fetch_add(&p->sleepers, 1);
        if (atomic_load(&p->epoch) == seen) futex(&p->epoch, FUTEX_WAIT, seen);
        atomic_fetch_sub(&p->sleepers, 1);
    }
}

static bool enter(pool *p)
{
    int n = atomic_load_explicit(&p->inside, memory_order_relaxed);
    while (n != CLOSED)
        if (atomic_compare_exchange_weak_explicit(&p->inside, &n, n + 1, memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

struct start {
    pool *pool;
    int worker;
};

static void *worker_main(void *arg)
{
    struct start s = *(struct start *)arg;
    free(arg);
    uint32_t seen = 0;
    for (;;) {
        seen = await_job(s.pool, seen);
        if (atomic_load_explicit(&s.pool->quit, memory_order_relaxed)) return NULL;
        if (!enter(s.pool)) continue;
        work(s.pool, s.worker);
        atomic_fetch_sub_explicit(&s.pool->inside, 1, memory_order_release);
    }
}

/* Pins worker i to the i-th allowed processor when there are enough of them: migration costs more
 * than a bad neighbour. The caller's thread is left where its owner put it. */
static void pin(pthread_t t, int i, int threads)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < threads) return;
    int here = sched_getcpu(), seen = 0;
    for (int c = 0; c < CPU_SETSIZE; c++) {
        if (!CPU_ISSET(c, &all) || c == here) continue;
        if (++seen != i) continue;
        CPU_ZERO(&one);
        CPU_SET(c, &one);
        pthread_setaffinity_np(t, sizeof one, &one);
        return;
    }
}

ponder_status pool_open(pool **out, int threads, ponder_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > MAX_THREADS)
        return err_set(err, PONDER_EARG, "%d threads: use 1 to %d", threads, MAX_THREADS);
    pool *p = aligned_alloc(64, size_round_up(sizeof *p, 64));
    if (!p) return err_set(err, PONDER_ENOMEM, "no memory for a thread pool");
    memset(p, 0, sizeof *p);
    p->threads = threads;
    p->started = 1;
    p->owner = pthread_self();
    atomic_store(&p->inside, CLOSED);
    for (int i = 1; i < threads; i++) {
        struct start *s = malloc(sizeof *s);
        if (s) *s = (struct start){p, i};
        if (!s || pthread_create(&p->thread[i], NULL, worker_main, s) != 0) {
            free(s);
            pool_close(p);
            return err_set(err, PONDER_ENOMEM, "cannot start thread %d of %d", i + 1, threads);
        }
        p->started++;
        pin(p->thread[i], i, threads);
    }
    *out = p;
    return PONDER_OK;
}

static void announce(pool *p)
{
    atomic_fetch_add(&p->epoch, 1);
    if (atomic_load(&p->sleepers)) futex(&p->epoch, FUTEX_WAKE, INT32_MAX);
}

void pool_close(pool *p)
{
    if (!p) return;
    atomic_store_explicit(&p->quit, true, memory_order_relaxed);
    announce(p);
    for (int i = 1; i < p->started; i++) pthread_join(p->thread[i], NULL);
    free(p);
}

int pool_threads(const pool *p) { return p ? p->threads : 1; }

void pool_run(pool *p, size_t n, size_t grain, pool_fn *fn, void *arg)
{
    if (n == 0) return;
    if (grain == 0) grain = 1;
    if (!p || p->threads == 1 || n <= grain || p->running) {
        fn(arg, 0, n, 0);
        return;
    }
    p->running = true;
    p->fn = fn;
    p->arg = arg;
    p->grain = grain;
    cut(p, n, grain);
    atomic_store_explicit(&p->inside, 0, memory_order_release);
    announce(p);
    work(p, 0);
    /* A worker that lost its processor with a piece makes the caller wait; give it ours after a while. */
    int none = 0;
    for (unsigned i = 1; !atomic_compare_exchange_weak_explicit(&p->inside, &none, CLOSED, memory_order_acquire,
                                                                memory_order_relaxed); i++) {
        none = 0;
        relax();
        if (i % 4096 == 0) sched_yield();
    }
    p->running = false;
}
