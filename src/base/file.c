/* Files: read-only maps, whole reads, and writes that are complete or invisible.
 * SPDX-License-Identifier: MIT */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

ponder_status file_map(mapped *out, const char *path, ponder_error *err)
{
    ponder_status st = PONDER_OK;
    struct stat sb;

    *out = (mapped){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &sb) < 0) {
        st = err_set(err, errno == ENOENT ? PONDER_ENOTFOUND : PONDER_EIO, "%s: %s", path,
                     strerror(errno));
        goto done;
    }
    if (!S_ISREG(sb.st_mode)) {
        st = err_set(err, PONDER_EARG, "%s: not a regular file", path);
        goto done;
    }
    if (sb.st_size == 0) {
        st = err_set(err, PONDER_EFORMAT, "%s: empty file", path);
        goto done;
    }
    void *p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        st = err_set(err, PONDER_EIO, "%s: mmap: %s", path, strerror(errno));
        goto done;
    }
    *out = (mapped){.p = p, .n = (size_t)sb.st_size};
done:
    if (fd >= 0) close(fd); /* the mapping outlives the descriptor */
    return st;
}

void file_unmap(mapped *m)
{
    if (m->p) munmap((void *)(uintptr_t)m->p, m->n);
    *m = (mapped){0};
}

ponder_status file_read_fd(buf *out, int fd, const char *name, size_t limit, ponder_error *err)
{
    buf_clear(out);
    for (;;) {
        if (!buf_reserve(out, 65536)) return err_set(err, PONDER_ENOMEM, "%s: out of memory", name);
        ssize_t got = read(fd, out->p + out->n, 65536);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_set(err, PONDER_EIO, "%s: %s", name, strerror(errno));
        if (got == 0) break;
        out->n += (size_t)got;
        if (out->n > limit)
            return err_set(err, PONDER_ELIMIT, "%s: larger than the limit of %zu bytes", name, limit);
    }
    out->p[out->n] = '\0';
    return PONDER_OK;
}

ponder_status file_read(buf *out, const char *path, size_t limit, ponder_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? PONDER_ENOTFOUND : PONDER_EIO, "%s: %s", path,
                       strerror(errno));
    ponder_status st = file_read_fd(out, fd, path, limit, err);
    close(fd);
    return st;
}

bool file_exists(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

ponder_status file_make_dirs(const char *path, ponder_error *err)
{
    char *copy = strdup(path);
    if (!copy) return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    ponder_status st = PONDER_OK;
    for (char *p = copy + 1;; p++) {
        if (*p != '/' && *p != '\0') continue;
        char end = *p;
        *p = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST) {
            st = err_set(err, PONDER_EIO, "%s: %s", copy, strerror(errno));
            break;
        }
        *p = end;
        if (end == '\0') break;
    }
    if (st == PONDER_OK && !file_is_dir(path))
        st = err_set(err, PONDER_EIO, "%s: exists and is not a directory", path);
    free(copy);
    return st;
}

ponder_status file_begin(file_writer *w, const char *path, ponder_error *err)
{
    *w = (file_writer){0};
    size_t n = strlen(path);
    w->path = strdup(path);
    w->temp = malloc(n + 32);
    if (!w->path || !w->temp) {
        file_abort(w);
        return err_set(err, PONDER_ENOMEM, "%s: out of memory", path);
    }
    snprintf(w->temp, n + 32, "%s.tmp-%ld", path, (long)getpid());
    w->f = fopen(w->temp, "we");
    if (!w->f) {
        ponder_status st = err_set(err, PONDER_EIO, "%s: %s", w->temp, strerror(errno));
        free(w->temp);
        w->temp = NULL; /* not ours to unlink */
        file_abort(w);
        return st;
    }
    return PONDER_OK;
}

ponder_status file_put(file_writer *w, const void *bytes, size_t n, ponder_error *err)
{
    if (n && fwrite(bytes, 1, n, w->f) != n)
        return err_set(err, PONDER_EIO, "%s: %s", w->path, strerror(errno));
    return PONDER_OK;
}

/* The rename itself must reach the disk too, or a crash may undo it. */
static void sync_parent(const char *path)
{
    char *dir = strdup(path);
    if (!dir) return;
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = '\0';
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

ponder_status file_commit(file_writer *w, ponder_error *err)
{
    ponder_status st = PONDER_OK;
    bool bad = fflush(w->f) != 0 || fsync(fileno(w->f)) != 0;
    int saved = errno;
    if (fclose(w->f) != 0 && !bad) bad = true, saved = errno;
    w->f = NULL;
    if (!bad && rename(w->temp, w->path) != 0) bad = true, saved = errno;
    if (bad) {
        st = err_set(err, PONDER_EIO, "%s: %s", w->path, strerror(saved));
    } else {
        sync_parent(w->path);
        free(w->temp);
        w->temp = NULL;
    }
    file_abort(w);
    return st;
}

void file_abort(file_writer *w)
{
    if (w->f) fclose(w->f);
    if (w->temp) {
        unlink(w->temp);
        free(w->temp);
    }
    free(w->path);
    *w = (file_writer){0};
}
