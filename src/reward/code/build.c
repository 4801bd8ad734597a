/* Building: compilers in the sandbox, and the programs they made kept for next time.
 * SPDX-License-Identifier: MIT */
#include "reward/code/code_int.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CACHE_MOST = 256,
    CACHE_BYTES = 64 << 20,
    BUILD_CPU_MS = 30000,
    BUILD_MESSAGE = 2000
};

/* Holds one reference to each program it knows. */
struct code_cache {
    pthread_mutex_t lock;
    code_program *p[CACHE_MOST];
    size_t n, bytes;
    uint64_t clock;
};

typedef struct compiler {
    const char *paths[3]; /* candidates, best first */
    const char *source;   /* file name */
    const char *package;
    const char *flags[8];
} compiler;

/* Warnings would only fill messages. */
static const compiler COMPILERS[] = {
    [CODE_C] = {{"/usr/bin/gcc", "/usr/bin/cc"}, "main.c", "gcc",
                {"-std=gnu17", "-O2", "-pipe", "-w", "-fmax-errors=5", "-o", "prog"}},
    [CODE_CPP] = {{"/usr/bin/g++", "/usr/bin/c++"}, "main.cpp", "g++",
                  {"-std=gnu++20", "-O2", "-pipe", "-w", "-fmax-errors=5", "-o", "prog"}},
    [CODE_PYTHON] = {{"/usr/bin/python3", "/usr/local/bin/python3"}, "main.py", "python3", {NULL}},
};

static ponder_status find_program(const char **out, const compiler *c, ponder_error *err)
{
    for (size_t i = 0; i < COUNT_OF(c->paths) && c->paths[i]; i++)
        if (access(c->paths[i], X_OK) == 0) return *out = c->paths[i], PONDER_OK;
    return err_set(err, PONDER_ENOTFOUND, "%s is not installed; install %s (Debian: apt-get install %s)",
                   c->paths[0], c->package, c->package);
}

ponder_status code_python(const char **out, ponder_error *err)
{
    return find_program(out, &COMPILERS[CODE_PYTHON], err);
}

/* ---- the cache ---------------------------------------------------------------------------------- */

ponder_status code_cache_open(code_cache **out, ponder_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return err_set(err, PONDER_ENOMEM, "no memory for a compile cache");
    pthread_mutex_init(&(*out)->lock, NULL);
    return PONDER_OK;
}

static void unref(code_program *p)
{
    if (--p->refs) return;
    buf_free(&p->bytes);
    free(p);
}

void code_cache_close(code_cache *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->n; i++) unref(c->p[i]);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void code_program_release(code_cache *c, code_program *p)
{
    if (!p) return;
    pthread_mutex_lock(&c->lock);
    unref(p);
    pthread_mutex_unlock(&c->lock);
}

static code_program *cache_find(code_cache *c, const uint8_t key[32])
{
    code_program *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n && !found; i++)
        if (memcmp(c->p[i]->key, key, 32) == 0) found = c->p[i];
    if (found) {
        found->refs++;
        found->used = ++c->clock;
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

/* Remembers p, forgetting what was unused longest. */
static void cache_add(code_cache *c, code_program *p)
{
    pthread_mutex_lock(&c->lock);
    p->refs++;
    p->used = ++c->clock;
    while (c->n && (c->n == CACHE_MOST || c->bytes + p->bytes.n > CACHE_BYTES)) {
        size_t oldest = 0;
        for (size_t i = 1; i < c->n; i++)
            if (c->p[i]->used < c->p[oldest]->used) oldest = i;
        c->bytes -= c->p[oldest]->bytes.n;
        unref(c->p[oldest]);
        c->p[oldest] = c->p[--c->n];
    }
    c->p[c->n++] = p;
    c->bytes += p->bytes.n;
    pthread_mutex_unlock(&c->lock);
}

/* ---- compiling ---------------------------------------------------------------------------------- */

/* SHA-256 of compiler, flags and source, each with its terminator. */
static bool make_key(uint8_t key[32], const char *path, const compiler *c, str source)
{
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    bool good = h && EVP_DigestInit_ex(h, EVP_sha256(), NULL) && EVP_DigestUpdate(h, path, strlen(path) + 1);
    for (size_t i = 0; good && c->flags[i]; i++)
        good = EVP_DigestUpdate(h, c->flags[i], strlen(c->flags[i]) + 1);
    good = good && EVP_DigestUpdate(h, source.p, source.n) && EVP_DigestFinal_ex(h, key, NULL);
    EVP_MD_CTX_free(h);
    return good;
}

static void explain(buf *out, const sandbox_result *r)
{
    static const char *const LIMITS[] = {
        [SANDBOX_CPU] = "more than 30 s", [SANDBOX_WALL] = "more than 60 s",
        [SANDBOX_MEMORY] = "more than 1 GiB", [SANDBOX_TASKS] = "more than 16 processes",
        [SANDBOX_OUTPUT] = "more than 1 MiB of messages"};
    buf_clear(out);
    if (r->end > SANDBOX_SIGNALED) buf_printf(out, "compiling took %s", LIMITS[r->end]);
    else buf_add(out, r->err.p, size_min(r->err.n, BUILD_MESSAGE));
    if (!out->n) buf_printf(out, "the compiler ended with %d", r->code);
}

static ponder_status compile(code_program *p, sandbox *box, const compiler *c, const char *path,
                             str source, ponder_error *err)
{
    static const char *const ENV[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TMPDIR=.", NULL};
    const char *argv[16] = {path};
    size_t n = 1;
    for (size_t i = 0; c->flags[i]; i++) argv[n++] = c->flags[i];
    argv[n++] = c->source;
    argv[n++] = "-lm";
    argv[n] = NULL;
    const sandbox_file file = {.name = c->source, .bytes = source};
    const sandbox_job job = {
        .argv = argv, .env = ENV, .files = &file, .nfiles = 1, .keep = "prog",
        .limits = {.cpu_ms = BUILD_CPU_MS, .wall_ms = 2 * BUILD_CPU_MS, .memory = (uint64_t)1 << 30,
                   .output = 1 << 20, .files = 64 << 20, .tasks = 16, .processes = true}};
    sandbox_result r = {0};
    ponder_status st = sandbox_run(box, &job, &r, err);
    if (st == PONDER_OK) {
        p->built = r.end == SANDBOX_EXITED && r.code == 0 && r.kept.n > 0;
        if (p->built) buf_add_str(&p->bytes, buf_str(&r.kept));
        else explain(&p->bytes, &r);
        if (p->bytes.failed) st = err_set(err, PONDER_ENOMEM, "no memory for a compiled program");
    }
    sandbox_result_free(&r);
    return st;
}

ponder_status code_build(code_cache *c, sandbox *box, enum code_language language, str source,
                         code_program **out, ponder_error *err)
{
    const compiler *with = &COMPILERS[language];
    const char *path = NULL;
    uint8_t key[32];
    *out = NULL;
    TRY(find_program(&path, with, err));
    if (!make_key(key, path, with, source)) return err_set(err, PONDER_ENOMEM, "no memory for a hash");
    if ((*out = cache_find(c, key))) return PONDER_OK;
    code_program *p = calloc(1, sizeof *p);
    if (!p) return err_set(err, PONDER_ENOMEM, "no memory for a compiled program");
    memcpy(p->key, key, sizeof key);
    p->refs = 1;
    ponder_status st = compile(p, box, with, path, source, err);
    if (st != PONDER_OK) {
        unref(p);
        return st;
    }
    cache_add(c, p);
    *out = p;
    return PONDER_OK;
}
