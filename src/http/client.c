/* The HTTP client, over libcurl's multi interface.
 * SPDX-License-Identifier: MIT */
#include "http/http.h"

#include <curl/curl.h>
#include <stdlib.h>

enum { SHOWN_BODY = 200 };

typedef struct transfer {
    struct transfer *next;
    http_client *client;
    CURL *curl; /* NULL: not under way */
    char *url;
    buf request, response;
    http_done_fn *done;
    void *user;
    uint64_t number;   /* counts the client's requests: where its jitter is drawn */
    uint64_t start_ns; /* not before this moment */
    long status;
    int tries;
    bool too_long, finished;
    ponder_error error;
    char detail[CURL_ERROR_SIZE];
} transfer;

struct http_client {
    http_options opt;
    CURLM *multi;
    struct curl_slist *headers;
    transfer *first;
    size_t pending, running;
    uint64_t posted;
};

static void set_defaults(http_options *o)
{
    if (!o->in_flight) o->in_flight = 8;
    if (!o->response_limit) o->response_limit = 64u << 20;
    if (!o->tries) o->tries = 6;
    if (o->connect_s <= 0) o->connect_s = 20;
    if (o->total_s <= 0) o->total_s = 3600;
    if (o->first_wait_s <= 0) o->first_wait_s = 1;
    if (o->longest_wait_s <= 0) o->longest_wait_s = 60;
}

ponder_status http_client_open(http_client **out, const http_options *o, ponder_error *err)
{
    *out = NULL;
    if (o->bearer && strpbrk(o->bearer, "\r\n"))
        return err_set(err, PONDER_EARG, "the key holds a line break");
    http_client *c = calloc(1, sizeof *c);
    if (!c) return err_set(err, PONDER_ENOMEM, "no memory for an HTTP client");
    c->opt = *o;
    set_defaults(&c->opt);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) c->multi = curl_multi_init();
    c->headers = curl_slist_append(NULL, "Content-Type: application/json");
    /* A large body must not wait for a server's "100 Continue". */
    struct curl_slist *more = c->headers ? curl_slist_append(c->headers, "Expect:") : NULL;
    if (!c->multi || !more) {
        http_client_close(c);
        return err_set(err, PONDER_ENOMEM, "cannot set up HTTP");
    }
    *out = c;
    return PONDER_OK;
}

static void detach(transfer *t)
{
    if (!t->curl) return;
    curl_multi_remove_handle(t->client->multi, t->curl);
    curl_easy_cleanup(t->curl);
    t->curl = NULL;
    t->client->running--;
}

static void transfer_free(transfer *t)
{
    detach(t);
    buf_free(&t->request);
    buf_free(&t->response);
    free(t->url);
    free(t);
}

void http_client_close(http_client *c)
{
    if (!c) return;
    while (c->first) {
        transfer *t = c->first;
        c->first = t->next;
        transfer_free(t);
    }
    if (c->multi) curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->headers);
    free(c);
}

size_t http_client_pending(const http_client *c) { return c->pending; }

ponder_status http_post_json(http_client *c, const char *url, str body, http_done_fn *done,
                             void *user, ponder_error *err)
{
    if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8))
        return err_set(err, PONDER_EARG, "\"%s\": the address must begin with http:// or https://",
                       url);
    transfer *t = calloc(1, sizeof *t);
    char *copy = strdup(url);
    if (!t || !copy) {
        free(t);
        free(copy);
        return err_set(err, PONDER_ENOMEM, "no memory for a request");
    }
    *t = (transfer){
        .client = c, .url = copy, .done = done, .user = user, .number = c->posted++};
    buf_add_str(&t->request, body);
    if (t->request.failed) {
        transfer_free(t);
        return err_set(err, PONDER_ENOMEM, "no memory for a request of %zu bytes", body.n);
    }
    transfer **end = &c->first;
    while (*end) end = &(*end)->next;
    *end = t;
    c->pending++;
    return PONDER_OK;
}

/* ---- one try ----------------------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t n, void *user)
{
    transfer *t = user;
    n *= size;
    t->too_long = n > t->client->opt.response_limit - t->response.n;
    if (t->too_long) return 0; /* fewer than n: libcurl ends the transfer */
    buf_add(&t->response, bytes, n);
    return t->response.failed ? 0 : n;
}

static ponder_status start(transfer *t, ponder_error *err)
{
    http_client *c = t->client;
    const http_options *o = &c->opt;
    CURL *h = curl_easy_init();
    if (!h) return err_set(err, PONDER_ENOMEM, "no memory for a transfer");
    buf_clear(&t->response);
    t->detail[0] = '\0';
    t->tries++;
    curl_easy_setopt(h, CURLOPT_URL, t->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "ponder/" PONDER_VERSION);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request.n);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, buf_str(&t->request).p);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_s * 1e3));
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(o->total_s * 1e3));
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_PRIVATE, t);
    if (o->bearer) {
        curl_easy_setopt(h, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(h, CURLOPT_XOAUTH2_BEARER, o->bearer);
    }
    if (curl_multi_add_handle(c->multi, h) != CURLM_OK) {
        curl_easy_cleanup(h);
        return err_set(err, PONDER_ENOMEM, "no memory for a transfer");
    }
    t->curl = h;
    c->running++;
    return PONDER_OK;
}

/* Says what went wrong in t->error; true when another try may help. */
static bool judge(transfer *t, CURLcode rc)
{
    str body = buf_str(&t->response);
    if (t->too_long) {
        err_set(&t->error, PONDER_ELIMIT, "%s: the response is longer than %zu bytes", t->url,
                t->client->opt.response_limit);
        return false;
    }
    if (rc != CURLE_OK) {
        err_set(&t->error, PONDER_EIO, "%s: %s", t->url,
                t->detail[0] ? t->detail : curl_easy_strerror(rc));
        return rc != CURLE_URL_MALFORMAT && rc != CURLE_PEER_FAILED_VERIFICATION &&
               rc != CURLE_OUT_OF_MEMORY && rc != CURLE_WRITE_ERROR;
    }
    if (t->status >= 200 && t->status < 300) return t->error.code = PONDER_OK, false;
    if (body.n > SHOWN_BODY) body.n = SHOWN_BODY;
    err_set(&t->error, t->status == 404 ? PONDER_ENOTFOUND : PONDER_EIO, "%s answers %ld: %.*s",
            t->url, t->status, STR_ARG(body));
    return t->status == 408 || t->status == 429 || t->status >= 500;
}

static void finish_try(transfer *t, CURLcode rc)
{
    const http_options *o = &t->client->opt;
    curl_off_t asked = 0;
    t->status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
    curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &asked);
    detach(t);
    bool again = judge(t, rc) && t->tries < o->tries && (double)asked <= o->longest_wait_s;
    t->finished = !again;
    if (!again) return;
    double wait = o->first_wait_s;
    for (int i = 1; i < t->tries && wait < o->longest_wait_s; i++) wait *= 2;
    if (wait > o->longest_wait_s) wait = o->longest_wait_s;
    /* Requests refused together must not come back together. */
    wait *= 0.75 + 0.5 * rng_uniform(0, t->number, (uint64_t)t->tries, RNG_DATA);
    if (wait < (double)asked) wait = (double)asked;
    t->start_ns = clock_ns() + (uint64_t)(wait * 1e9);
}

/* ---- all of them ------------------------------------------------------------------------------- */

/* Starts what is due; lowers *wait_ms to the next moment something becomes due. */
static ponder_status start_due(http_client *c, int *wait_ms, ponder_error *err)
{
    uint64_t now = clock_ns();
    for (transfer *t = c->first; t && c->running < c->opt.in_flight; t = t->next) {
        if (t->curl || t->finished) continue;
        if (t->start_ns <= now) {
            TRY(start(t, err));
            continue;
        }
        uint64_t ms = (t->start_ns - now) / 1000000 + 1;
        if (ms < (uint64_t)*wait_ms) *wait_ms = (int)ms;
    }
    return PONDER_OK;
}

static bool collect(http_client *c)
{
    bool any = false;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        transfer *t = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode rc = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish_try(t, rc);
        any |= t->finished;
    }
    return any;
}

/* The list is free of what is done before its callbacks run, so that they may post. */
static void deliver(http_client *c)
{
    transfer *done = NULL, **last = &done;
    for (transfer **at = &c->first; *at;) {
        transfer *t = *at;
        if (!t->finished) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        t->next = NULL;
        *last = t;
        last = &t->next;
        c->pending--;
    }
    while (done) {
        transfer *t = done;
        done = t->next;
        http_response r = {.status = t->status,
                           .body = buf_str(&t->response),
                           .error = t->error.code == PONDER_OK ? NULL : &t->error,
                           .tries = t->tries};
        t->done(t->user, &r);
        transfer_free(t);
    }
}

ponder_status http_client_step(http_client *c, int wait_ms, ponder_error *err)
{
    int running;
    TRY(start_due(c, &wait_ms, err));
    if (curl_multi_perform(c->multi, &running) != CURLM_OK)
        return err_set(err, PONDER_EINTERNAL, "libcurl fails to go on");
    if (!collect(c)) {
        curl_multi_poll(c->multi, NULL, 0, wait_ms, NULL);
        curl_multi_perform(c->multi, &running);
        collect(c);
    }
    deliver(c);
    return PONDER_OK;
}
