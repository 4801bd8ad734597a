/* HTTP for the hub: one GET at a time, repeated and continued where that may help.
 * SPDX-License-Identifier: MIT */
#include "fmt/hub_int.h"

#include <stdlib.h>
#include <time.h>

enum {
    CONNECT_S = 20,
    STALL_S = 30, /* without STALL_BYTES a second: the connection counts as dead */
    STALL_BYTES = 100,
    REDIRECTS = 10,
    LONGEST_WAIT_S = 600, /* a server that asks for more is not waited for */
    URL_LIMIT = 8192
};

/* ---- callbacks: libcurl calls them during one request ---------------------------------------- */

/* The last value of a response header of the final answer, or NULL. */
static const char *header(hub_http *h, const char *name)
{
    struct curl_header *v;
    return curl_easy_header(h->curl, name, 0, CURLH_HEADER, -1, &v) == CURLHE_OK ? v->value : NULL;
}

/* Looks at the answer's head when its body begins: does the body continue what is there? */
static ponder_status begin_body(hub_http *h, long code)
{
    hub_sink *s = h->sink;
    if (s->have == 0 || code == 200) return s->restart(s, h->err);
    const char *range = header(h, "content-range"); /* "bytes 100-999/1000" */
    unsigned long long first = 0, last = 0, total = 0;
    if (!range || sscanf(range, "bytes %llu-%llu/%llu", &first, &last, &total) != 3 ||
        first != s->have || total != s->exact)
        return err_set(
            h->err, PONDER_EFORMAT, "asked for the bytes from %llu of %llu, the server sent \"%s\"",
            (unsigned long long)s->have, (unsigned long long)s->exact, range ? range : "no range");
    return PONDER_OK;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *user)
{
    hub_http *h = user;
    hub_sink *s = h->sink;
    long code = 0;
    n *= size;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200 && code != 206) return n; /* an error's page: the headers say enough */
    if (!h->begun) {
        h->begun = true;
        h->status = begin_body(h, code);
    }
    if (h->status == PONDER_OK && n > s->limit - s->have)
        h->status =
            err_set(h->err, PONDER_ELIMIT, "the server sends more than the expected %llu bytes",
                    (unsigned long long)s->limit);
    if (h->status == PONDER_OK) h->status = s->add(s, bytes, n, h->err);
    if (h->status != PONDER_OK) return 0; /* fewer than n: libcurl ends the transfer */
    s->have += n;
    if (s->progress) progress_update(s->progress, s->progress_base + (double)s->have);
    return n;
}

static bool stopped(const hub_http *h) { return h->opt->stop && *h->opt->stop; }

static int on_tick(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    return stopped(user);
}

/* ---- connection ------------------------------------------------------------------------------ */

static ponder_status check_endpoint(const hub_options *opt, const char *endpoint, ponder_error *err)
{
    bool https = strncmp(endpoint, "https://", 8) == 0, http = strncmp(endpoint, "http://", 7) == 0;
    if ((!https && !http) || strlen(endpoint) > 512 || strpbrk(endpoint, "?# @"))
        return err_set(err, PONDER_EARG, "\"%s\": the hub's address must be http(s)://HOST[/PATH]",
                       endpoint);
    if (opt->token && strpbrk(opt->token, "\r\n"))
        return err_set(err, PONDER_EARG, "the hub token holds a line break");
    return PONDER_OK;
}

ponder_status hub_http_open(hub_http *h, const hub_options *opt, ponder_error *err)
{
    *h = (hub_http){.opt = opt, .endpoint = opt->endpoint ? opt->endpoint : HUB_ENDPOINT};
    TRY(check_endpoint(opt, h->endpoint, err));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(h->curl = curl_easy_init()))
        return err_set(err, PONDER_ENOMEM, "cannot set up HTTP");
    CURL *c = h->curl;
    h->headers =
        curl_slist_append(NULL, "Accept-Encoding: identity"); /* hashes are of the plain bytes */
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "ponder/" PONDER_VERSION);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    bool https = strncmp(h->endpoint, "https:", 6) == 0; /* then nothing may lead out of it */
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, https ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 512 * 1024L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->detail);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_tick);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
    if (opt->token) { /* libcurl drops it when a redirect leads to another host, port or scheme */
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, opt->token);
    }
    return PONDER_OK;
}

void hub_http_close(hub_http *h)
{
    if (h->curl) curl_easy_cleanup(h->curl);
    curl_slist_free_all(h->headers);
    *h = (hub_http){0};
}

void hub_url_add(buf *out, str text, bool slash)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~' || (slash && c == '/');
        if (plain) buf_add_char(out, (char)c);
        else buf_printf(out, "%%%02X", c);
    }
}

/* Only the query is taken: a mirror may pass on the original host's address, and the token must not
 * follow it. */
void hub_link_next(str v, buf *out)
{
    buf_clear(out);
    size_t rel = str_find(v, STR("rel=\"next\""), 0);
    if (rel == SIZE_MAX) return;
    size_t open = SIZE_MAX, close = SIZE_MAX; /* the last <...> before it */
    for (size_t i = 0; i < rel; i++) {
        if (v.p[i] == '<') open = i, close = SIZE_MAX;
        if (v.p[i] == '>' && open != SIZE_MAX) close = i;
    }
    if (close == SIZE_MAX) return;
    const char *query = memchr(v.p + open, '?', close - open);
    if (!query) return;
    str q = {query + 1, (size_t)(v.p + close - query) - 1};
    for (size_t i = 0; i < q.n; i++)
        if (q.p[i] <= ' ' || q.p[i] == '#' || q.p[i] > '~') return;
    if (q.n < URL_LIMIT / 2) buf_add_str(out, q);
}

void hub_http_next(hub_http *h, buf *out)
{
    const char *link = header(h, "link");
    hub_link_next(link ? str_of(link) : STR(""), out);
}

/* ---- one request, and when to repeat it ------------------------------------------------------ */

enum verdict { DONE, AGAIN, GIVE_UP };

/* What the server says it wants before the next request, or -1. */
static double asked_wait(hub_http *h)
{
    const char *after = header(h, "retry-after"), *limit = header(h, "ratelimit");
    const char *t = limit ? strstr(limit, ";t=") : NULL;
    double s = after ? strtod(after, NULL) : t ? strtod(t + 3, NULL) : -1; /* a date counts as 0 */
    return s >= 0 ? s : -1;
}

static enum verdict judge_code(hub_http *h, long code, const char *what)
{
    const char *note = header(h, "x-error-message");
    const char *sep = note ? ": " : "";
    const char *hint = h->opt->token ? "the token of HF_TOKEN does not open it"
                                     : "if it is private or gated, set HF_TOKEN";
    if (!note) note = "";
    if (code == 200 || code == 206) return DONE;
    if (code == 404) {
        h->status = err_set(h->err, PONDER_ENOTFOUND, "%s: not on %s (404)%s%s", what, h->endpoint,
                            sep, note);
        return GIVE_UP;
    }
    if (code == 401 || code == 403) {
        h->status = err_set(h->err, PONDER_ENOTFOUND, "%s: %s refuses it (%ld)%s%s; %s", what,
                            h->endpoint, code, sep, note, hint);
        return GIVE_UP;
    }
    h->status =
        err_set(h->err, PONDER_EIO, "%s: %s answers %ld%s%s", what, h->endpoint, code, sep, note);
    return code == 408 || code == 416 || code == 429 || code >= 500 ? AGAIN : GIVE_UP;
}

static enum verdict judge_failure(hub_http *h, CURLcode rc, const char *what)
{
    if (stopped(h)) {
        h->status =
            err_set(h->err, PONDER_ECANCELED, "%s: stopped; pull again to go on from there", what);
        return GIVE_UP;
    }
    if (h->status != PONDER_OK) { /* the sink's own failure */
        err_context(h->err, h->status, "%s", what);
        return GIVE_UP;
    }
    h->status = err_set(h->err, rc == CURLE_OUT_OF_MEMORY ? PONDER_ENOMEM : PONDER_EIO, "%s: %s",
                        what, h->detail[0] ? h->detail : curl_easy_strerror(rc));
    switch (rc) { /* what no repetition mends */
    case CURLE_OUT_OF_MEMORY:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return GIVE_UP;
    default: return AGAIN;
    }
}

static enum verdict request(hub_http *h, const char *url, const char *what)
{
    char range[32];
    long code = 0;
    hub_sink *s = h->sink;
    if (!s->ranged) s->have = 0;
    h->begun = false;
    h->status = PONDER_OK;
    h->detail[0] = '\0';
    snprintf(range, sizeof range, "%llu-", (unsigned long long)s->have);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_RANGE, s->have ? range : NULL);
    CURLcode rc = curl_easy_perform(h->curl);
    if (rc != CURLE_OK) return judge_failure(h, rc, what);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &code);
    enum verdict v = judge_code(h, code, what);
    if (code == 416 && s->have)
        s->have = 0; /* what is there is no beginning of what the server has */
    if (v == DONE && !h->begun) h->status = s->restart(s, h->err); /* an empty body */
    if (v == DONE && h->status != PONDER_OK) return GIVE_UP;
    if (v == DONE && s->ranged && s->have < s->exact) {
        h->status = err_set(h->err, PONDER_EIO, "%s: the answer ends after %llu of %llu bytes",
                            what, (unsigned long long)s->have, (unsigned long long)s->exact);
        return AGAIN;
    }
    return v;
}

/* False when stopped meanwhile. */
static bool wait_for(const hub_http *h, double seconds)
{
    for (double end = clock_seconds() + seconds; !stopped(h) && clock_seconds() < end;)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    return !stopped(h);
}

ponder_status hub_http_get(hub_http *h, const char *path, hub_sink *sink, const char *what,
                           ponder_error *err)
{
    ponder_error local;
    buf url = {0};
    size_t base = strlen(h->endpoint);
    while (base && h->endpoint[base - 1] == '/') base--;
    buf_printf(&url, "%.*s%s", (int)base, h->endpoint, path);
    h->sink = sink;
    h->err = err ? err : &local;
    ponder_status st =
        url.failed ? err_set(err, PONDER_ENOMEM, "%s: out of memory", what) : PONDER_OK;
    if (st == PONDER_OK && url.n > URL_LIMIT)
        st = err_set(err, PONDER_ELIMIT, "%s: address too long", what);
    double wait = h->opt->wait_s;
    uint64_t best =
        sink->ranged ? sink->have : 0; /* only more than ever before counts as progress */
    for (int failures = 0; st == PONDER_OK;) {
        enum verdict v = request(h, url.p, what);
        if (v == DONE) break;
        st = h->status;
        if (v == GIVE_UP) break;
        if (sink->ranged && sink->have > best)
            best = sink->have, failures = 0, wait = h->opt->wait_s;
        double asked = asked_wait(h);
        if (failures++ >= h->opt->retries || asked > LONGEST_WAIT_S) {
            if (asked > LONGEST_WAIT_S) err_context(err, st, "try again in %.0f s", asked);
            else err_context(err, st, "gave up after %d attempts", failures);
            break;
        }
        double pause = asked > wait ? asked : wait;
        log_write(h->opt->log, LOG_WARN, "hub", "%s; trying again in %.1f s", h->err->message,
                  pause);
        if (!wait_for(h, pause)) {
            st =
                err_set(err, PONDER_ECANCELED, "%s: stopped; pull again to go on from there", what);
            break;
        }
        wait = wait * 2 < 60 ? wait * 2 : 60;
        st = PONDER_OK;
    }
    buf_free(&url);
    return st;
}
