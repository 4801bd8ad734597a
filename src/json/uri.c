/* References resolved against a base: RFC 3986, section 5.2.
 * SPDX-License-Identifier: MIT */
#include "json/schema_int.h"

typedef struct uri {
    str scheme, authority, path, query, fragment; /* with their marks: "http:", "//host", "?q" */
} uri;

static str cut(str *s, size_t n)
{
    str head = {s->p, n};
    *s = (str){s->p + n, s->n - n};
    return head;
}

static size_t until(str s, const char *marks)
{
    size_t n = 0;
    while (n < s.n && !(s.p[n] && strchr(marks, s.p[n]))) n++;
    return n;
}

static uri split(str s)
{
    uri u = {0};
    size_t colon = until(s, ":/?#");
    if (colon > 0 && colon < s.n && s.p[colon] == ':') u.scheme = cut(&s, colon + 1);
    if (str_starts(s, STR("//"))) {
        str rest = {s.p + 2, s.n - 2};
        u.authority = cut(&s, 2 + until(rest, "/?#"));
    }
    u.path = cut(&s, until(s, "?#"));
    u.query = cut(&s, until(s, "#"));
    u.fragment = s.n ? (str){s.p + 1, s.n - 1} : STR("");
    return u;
}

/* Appends path without its "." and ".." segments. */
static void add_path(buf *out, str path)
{
    size_t start = out->n;
    while (path.n) {
        str segment = cut(&path, path.p[0] == '/' ? 1 + until((str){path.p + 1, path.n - 1}, "/")
                                                  : until(path, "/"));
        str name = segment;
        if (name.p[0] == '/') cut(&name, 1);
        bool up = str_eq(name, STR("..")), stay = str_eq(name, STR("."));
        if (!up && !stay) {
            buf_add_str(out, segment);
            continue;
        }
        if (up) {
            while (out->n > start && out->p[out->n - 1] != '/') out->n--;
            if (out->n > start) out->n--;
        }
        if (path.n == 0 && segment.p[0] == '/') buf_add_char(out, '/');
    }
}

void uri_resolve(buf *out, str base, str ref, str *fragment)
{
    uri b = split(base), r = split(ref);
    *fragment = r.fragment;
    buf_add_str(out, r.scheme.n ? r.scheme : b.scheme);
    if (r.scheme.n || r.authority.n) {
        buf_add_str(out, r.authority);
        add_path(out, r.path);
        buf_add_str(out, r.query);
        return;
    }
    buf_add_str(out, b.authority);
    if (r.path.n == 0) {
        buf_add_str(out, b.path);
        buf_add_str(out, r.query.n ? r.query : b.query);
        return;
    }
    buf merged = {0};
    if (r.path.p[0] != '/') {
        size_t keep = b.path.n;
        while (keep && b.path.p[keep - 1] != '/') keep--;
        if (b.authority.n && b.path.n == 0) buf_add_char(&merged, '/');
        buf_add(&merged, b.path.p, keep);
    }
    buf_add_str(&merged, r.path);
    add_path(out, buf_str(&merged));
    buf_add_str(out, r.query);
    out->failed |= merged.failed;
    buf_free(&merged);
}
