/* A git repository as a tar archive, so that it can be handed to the sandbox as one file.
 * SPDX-License-Identifier: MIT */
#include "eval/patch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REPO_LIMIT = 1 << 30, BLOCK = 512, NAME = 100, PREFIX = 155, DEEPEST = 16 };

/* A header of POSIX.1-1988 "ustar": fields are octal text. */
typedef struct tar_header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], check[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
} tar_header;

static bool set_name(tar_header *h, str name)
{
    size_t cut = 0; /* of the prefix; the slash at the cut is not stored */
    if (name.n > NAME) {
        cut = name.n - NAME - 1;
        while (cut < name.n && name.p[cut] != '/') cut++;
        if (cut == name.n || cut > PREFIX) return false;
        memcpy(h->prefix, name.p, cut++);
    }
    memcpy(h->name, name.p + cut, name.n - cut);
    return true;
}

static ponder_status add_file(buf *out, str name, int fd, ponder_error *err)
{
    tar_header h = {.mode = "0000644", .uid = "0000000", .gid = "0000000", .mtime = "00000000000",
                    .type = '0', .magic = "ustar", .version = {'0', '0'}};
    buf bytes = {0};
    unsigned sum = 0;
    ponder_status st = file_read_fd(&bytes, fd, "a file of the repository", REPO_LIMIT, err);
    if (st == PONDER_OK && (!set_name(&h, name) || bytes.n > REPO_LIMIT - size_min(out->n, REPO_LIMIT)))
        st = err_set(err, PONDER_ELIMIT, "%.*s: the name, or the repository, is too long",
                     STR_ARG(name));
    if (st == PONDER_OK) {
        snprintf(h.size, sizeof h.size, "%011zo", bytes.n);
        memset(h.check, ' ', sizeof h.check); /* counts as blanks in its own sum */
        for (size_t i = 0; i < sizeof h; i++) sum += ((unsigned char *)&h)[i];
        snprintf(h.check, sizeof h.check, "%06o", sum);
        buf_add(out, &h, sizeof h);
        buf_add_str(out, buf_str(&bytes));
        static const char ZERO[BLOCK];
        if (bytes.n % BLOCK) buf_add(out, ZERO, BLOCK - bytes.n % BLOCK);
        if (out->failed) st = err_set(err, PONDER_ENOMEM, "no memory for a repository");
    }
    buf_free(&bytes);
    return st;
}

/* `path` grows and shrinks along the way; it begins with the repository, `root` bytes long. */
static ponder_status add_tree(buf *out, buf *path, size_t root, int depth, ponder_error *err);

static ponder_status add_entry(buf *out, buf *path, size_t root, int depth, ponder_error *err)
{
    struct stat sb;
    int fd = path->failed ? -1 : open(path->p, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &sb)) {
        if (fd >= 0) close(fd);
        return err_set(err, PONDER_EIO, "%s: %s", buf_str(path).p, strerror(errno));
    }
    buf name = {0};
    ponder_status st = PONDER_OK;
    if (S_ISREG(sb.st_mode)) {
        buf_printf(&name, ".git%s", path->p + root);
        st = add_file(out, buf_str(&name), fd, err);
    }
    close(fd);
    buf_free(&name);
    return S_ISDIR(sb.st_mode) ? add_tree(out, path, root, depth + 1, err) : st;
}

static ponder_status add_tree(buf *out, buf *path, size_t root, int depth, ponder_error *err)
{
    DIR *d = depth < DEEPEST ? opendir(path->p) : NULL;
    if (!d) return err_set(err, PONDER_EIO, "%s: cannot be read, or too deep", path->p);
    ponder_status st = PONDER_OK;
    size_t at = path->n;
    for (struct dirent *e; st == PONDER_OK && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        buf_printf(path, "/%s", e->d_name);
        st = add_entry(out, path, root, depth, err);
        path->n = at;
        path->p[at] = '\0';
    }
    closedir(d);
    return st;
}

ponder_status eval_repo_tar(buf *out, const char *repo, ponder_error *err)
{
    static const char *const PARTS[] = {"/HEAD", "/packed-refs", "/shallow", "/objects", "/refs"};
    static const char END[2 * BLOCK];
    buf path = {0};
    buf_printf(&path, "%s/.git", repo);
    if (!path.failed && !file_is_dir(path.p)) path.n -= strlen("/.git"), path.p[path.n] = '\0';
    size_t root = path.n;
    ponder_status st = PONDER_OK;
    for (size_t i = 0; i < COUNT_OF(PARTS) && st == PONDER_OK; i++) {
        path.n = root;
        buf_add_str(&path, str_of(PARTS[i]));
        if (path.failed) st = err_set(err, PONDER_ENOMEM, "out of memory");
        else if (file_exists(path.p)) st = add_entry(out, &path, root, 0, err);
        else if (i == 0) st = err_set(err, PONDER_ENOTFOUND, "%s: no git repository", repo);
    }
    buf_add(out, END, sizeof END);
    if (st == PONDER_OK && out->failed) st = err_set(err, PONDER_ENOMEM, "no memory for %s", repo);
    buf_free(&path);
    return st;
}
