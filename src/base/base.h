/* base: what every other module stands on. errors, checked sizes, strings, memory, files, clock,
 * counted randomness, processor features, threads, progress.
 * SPDX-License-Identifier: MIT
 *
 * Ownership: x_open/x_new ... x_close/x_free bracket what the caller owns; get/find borrow until
 * the owner changes. Every x_close accepts NULL and half-built objects. `const T *` is borrowed. */
#ifndef BASE_H
#define BASE_H

#include <ponder/status.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BASE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define BASE_COLD __attribute__((cold))
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

/* ---- errors ------------------------------------------------------------------------------- */

/* Writes code and message into err (may be NULL) and returns code, so `return err_set(...)`. */
ponder_status err_set(ponder_error *err, ponder_status code, const char *fmt, ...)
    BASE_PRINTF(3, 4) BASE_COLD;
/* Puts "fmt: " in front of the message on its way up; returns err's code. */
ponder_status err_context(ponder_error *err, ponder_status code, const char *fmt, ...)
    BASE_PRINTF(3, 4) BASE_COLD;
/* The code as a lower-case word: "format", "io", ... */
const char *err_name(ponder_status code);

/* Returns at once on failure; only where the function owns nothing. */
#define TRY(call)                                      \
    do {                                               \
        ponder_status try_status_ = (call);            \
        if (try_status_ != PONDER_OK) return try_status_; \
    } while (0)

/* ---- checked arithmetic: false on overflow, *out then undefined ------------------------------ */

static inline bool size_add(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool size_mul(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline size_t size_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t size_max(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t size_ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }
/* Rounds up to a multiple of `to` (a power of two); the caller has bounded a. */
static inline size_t size_round_up(size_t a, size_t to) { return (a + to - 1) & ~(to - 1); }

/* ---- strings: pointer and length, not NUL-terminated, borrowed --------------------------------- */

typedef struct str {
    const char *p;
    size_t n;
} str;

#define STR(lit) ((str){"" lit, sizeof(lit) - 1})
#define STR_ARG(s) (int)((s).n > 4096 ? 4096 : (s).n), (s).p /* for "%.*s" */
static inline str str_of(const char *z) { return (str){z, strlen(z)}; }
static inline bool str_eq(str a, str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
bool str_starts(str s, str prefix);
bool str_ends(str s, str suffix);
/* Offset of the first `needle` at or after `from`, or SIZE_MAX. */
size_t str_find(str s, str needle, size_t from);

/* Of all bytes; for tables in memory, the same in every run. */
uint32_t str_hash(str s);

/* Growable bytes. A failed growth sets `failed` and later appends do nothing, so that a run of
 * appends is checked once. p is kept NUL-terminated (the NUL is not counted in n). */
typedef struct buf {
    char *p;
    size_t n, cap;
    bool failed;
} buf;

void buf_add(buf *b, const void *bytes, size_t n);
void buf_add_str(buf *b, str s);
void buf_add_char(buf *b, char c);
void buf_printf(buf *b, const char *fmt, ...) BASE_PRINTF(2, 3);
bool buf_reserve(buf *b, size_t extra);
void buf_clear(buf *b);
void buf_free(buf *b);
static inline str buf_str(const buf *b) { return (str){b->p ? b->p : "", b->n}; }

/* ---- memory -------------------------------------------------------------------------------- */

enum { ARENA_ALIGN = 64 };

/* A bump allocator over one block. With base NULL it only counts (measure, then place). */
typedef struct arena {
    uint8_t *base;
    size_t cap, used, peak;
} arena;

/* One zeroed block of `cap` bytes, on huge pages where the system offers them. */
ponder_status arena_open(arena *a, size_t cap, ponder_error *err);
void arena_close(arena *a);
/* NULL when the arena is full; 64-byte aligned; not zeroed after a reset. Counting arenas return a
 * non-NULL address that must not be touched. */
void *arena_alloc(arena *a, size_t bytes);
/* count * size, overflow-checked. */
void *arena_array(arena *a, size_t count, size_t size);
#define arena_new(a, T, count) ((T *)arena_array((a), (count), sizeof(T)))
static inline size_t arena_mark(const arena *a) { return a->used; }
static inline void arena_reset(arena *a, size_t mark) { a->used = mark; }

/* Large blocks: mapped, zeroed, 2 MiB-aligned, huge pages asked for. */
ponder_status mem_map(void **out, size_t bytes, ponder_error *err);
void mem_unmap(void *p, size_t bytes);
/* What a block of so many bytes takes: whole pages. */
size_t mem_map_bytes(size_t bytes);
/* Physical memory that can be had without swapping, respecting cgroup limits. */
size_t mem_available_bytes(void);
/* This process's resident set. */
size_t mem_resident_bytes(void);

/* ---- files --------------------------------------------------------------------------------- */

typedef struct mapped {
    const uint8_t *p;
    size_t n;
} mapped;

/* Maps a regular file read-only. On failure *out is {NULL, 0}. An empty file is EFORMAT. */
ponder_status file_map(mapped *out, const char *path, ponder_error *err);
void file_unmap(mapped *m);
/* Reads a whole file of at most `limit` bytes into out (cleared first). */
ponder_status file_read(buf *out, const char *path, size_t limit, ponder_error *err);
/* Reads everything from fd, at most `limit` bytes. `name` is for messages. */
ponder_status file_read_fd(buf *out, int fd, const char *name, size_t limit, ponder_error *err);
bool file_exists(const char *path);
bool file_is_dir(const char *path);
/* mkdir -p. */
ponder_status file_make_dirs(const char *path, ponder_error *err);

/* A file that appears under its final name complete or not at all: written beside it, fsynced,
 * renamed. file_abort (or a crash) leaves the final name untouched. */
typedef struct file_writer {
    FILE *f;
    char *path, *temp;
} file_writer;

ponder_status file_begin(file_writer *w, const char *path, ponder_error *err);
ponder_status file_put(file_writer *w, const void *bytes, size_t n, ponder_error *err);
ponder_status file_commit(file_writer *w, ponder_error *err);
void file_abort(file_writer *w); /* harmless after commit */

/* ---- clock --------------------------------------------------------------------------------- */

uint64_t clock_ns(void);      /* monotonic */
double clock_seconds(void);   /* monotonic */

/* ---- counted randomness ------------------------------------------------------------------------ */

/* Every random number is a function of where it is used: Philox 4x32-10 (Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011) of key = seed and counter = (sequence, position,
 * purpose). There is no generator state. */
enum rng_purpose { RNG_SAMPLE = 1, RNG_INIT, RNG_DRAFT, RNG_DATA, RNG_TASK, RNG_TEST };

typedef struct rng_bits {
    uint32_t v[4];
} rng_bits;

rng_bits rng_at(uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose);
uint64_t rng_u64(uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose);
/* Uniform in [0, 1), 53 bits. */
double rng_uniform(uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose);
/* Uniform in [0, n), n > 0; bias below 2^-32 of n. */
uint64_t rng_below(uint64_t n, uint64_t seed, uint64_t sequence, uint64_t position, uint32_t purpose);
/* Two independent standard normal numbers. */
void rng_normal2(float out[2], uint64_t seed, uint64_t sequence, uint64_t position,
                 uint32_t purpose);

/* ---- processor --------------------------------------------------------------------------------- */

enum cpu_feature {
    CPU_AVX2 = 1 << 0,        /* with FMA and F16C */
    CPU_AVX512 = 1 << 1,      /* F, BW, DQ, VL, VBMI not assumed */
    CPU_AVX512_VNNI = 1 << 2,
    CPU_AVX512_BF16 = 1 << 3,
    CPU_NEON = 1 << 4
};

/* What this processor and system allow. */
unsigned cpu_features(void);
/* Masks by level name: ref, avx2, avx512 (no VNNI, no BF16), avx512_vnni, native. false when unknown. */
bool cpu_mask_by_name(unsigned *mask, const char *name);
/* Names the highest level in a mask: "ref", "avx2", ... */
const char *cpu_level_name(unsigned mask);
/* Physical cores this process may use (affinity mask and cgroup quota respected), at least 1. */
int cpu_cores(void);

/* ---- threads ------------------------------------------------------------------------------- */

/* A fork/join pool: the caller is worker 0, the others spin briefly and then sleep. One job at a
 * time; a call from inside a job runs inline. Worker i begins with part i of the items, in order and in multiples of
 * `grain`, more at first and fewer towards the end, and then takes of the others' parts; what comes out for an item
 * must depend on the item alone. */
typedef struct pool pool;
typedef void pool_fn(void *arg, size_t begin, size_t end, int worker);

ponder_status pool_open(pool **out, int threads, ponder_error *err); /* 1 <= threads <= 256 */
void pool_close(pool *p);
int pool_threads(const pool *p);
/* Where part i of n items begins. */
static inline size_t pool_part(size_t n, size_t i, size_t threads) { return n * i / threads; }
/* Calls fn on [begin, end) pieces covering [0, n). NULL pool: inline. */
void pool_run(pool *p, size_t n, size_t grain, pool_fn *fn, void *arg);

/* ---- log and progress ------------------------------------------------------------------------ */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
typedef void log_fn(void *user, enum log_level level, const char *module, const char *message);
typedef struct logger {
    log_fn *fn; /* NULL: silent */
    void *user;
    enum log_level level;
} logger;
void log_write(const logger *l, enum log_level level, const char *module, const char *fmt, ...)
    BASE_PRINTF(4, 5);

/* A line on a terminal, or a line every few seconds elsewhere: done/total, rate, time left. */
typedef struct progress {
    FILE *out; /* NULL: silent */
    const char *label, *unit;
    double total, scale; /* shown values are multiplied by scale (1e-6 for MB) */
    uint64_t start_ns, last_ns;
    double start_at;
    bool tty, shown;
} progress;

/* `at` is where a resumed job starts: the rate counts from there. total 0: unknown. */
void progress_begin(progress *p, FILE *out, const char *label, const char *unit, double at,
                    double total, double scale);
void progress_update(progress *p, double at);
void progress_end(progress *p, double at);

#endif
