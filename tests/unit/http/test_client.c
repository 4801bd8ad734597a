/* http: the client against a small server of its own, which fails in chosen ways.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "http/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server: one answer of a script per connection, the last one again and again ---------------- */

typedef struct server {
    int fd;
    char url[64];
    const char *const *script; /* ends with NULL; "" drops the connection, "-" never answers */
    _Atomic int connections;
    char request[65536]; /* the last one */
    pthread_t thread;
} server;

/* Head and body: the body is as long as Content-Length says. */
static void read_request(server *s, int c)
{
    size_t n = 0;
    ssize_t got;
    while ((got = read(c, s->request + n, sizeof s->request - 1 - n)) > 0) {
        n += (size_t)got;
        s->request[n] = '\0';
        const char *end = strstr(s->request, "\r\n\r\n"), *length = strstr(s->request, "Content-Length: ");
        if (end && length && n >= (size_t)(end + 4 - s->request) + strtoul(length + 16, NULL, 10)) return;
    }
}

static void *serve(void *arg)
{
    server *s = arg;
    for (int c; (c = accept(s->fd, NULL, NULL)) >= 0; close(c)) {
        int i = s->connections++;
        for (int j = 0; j <= i; j++)
            if (!s->script[j]) i = j - 1;
        read_request(s, c);
        const char *text = s->script[i];
        if (!strcmp(text, "-")) usleep(400000);
        else if (*text && write(c, text, strlen(text)) < 0) continue;
    }
    return NULL;
}

static void server_open(server *s, const char *const *script)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    *s = (server){.fd = socket(AF_INET, SOCK_STREAM, 0), .script = script};
    assert_true(s->fd >= 0 && !bind(s->fd, (struct sockaddr *)&a, n) && !listen(s->fd, 16));
    assert_false(getsockname(s->fd, (struct sockaddr *)&a, &n));
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/x", ntohs(a.sin_port));
    assert_false(pthread_create(&s->thread, NULL, serve, s));
}

static void server_close(server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

/* ---- one request -------------------------------------------------------------------------------- */

typedef struct outcome {
    int calls, tries;
    long status;
    ponder_status st;
    char body[64], message[512];
} outcome;

static void on_done(void *user, const http_response *r)
{
    outcome *o = user;
    o->calls++;
    o->tries = r->tries;
    o->status = r->status;
    o->st = r->error ? r->error->code : PONDER_OK;
    snprintf(o->body, sizeof o->body, "%.*s", STR_ARG(r->body));
    snprintf(o->message, sizeof o->message, "%s", r->error ? r->error->message : "");
}

static const http_options QUICK = {.tries = 4, .first_wait_s = 0.01, .longest_wait_s = 2, .total_s = 0.3};

static outcome post(const char *url, const http_options *opt, str body)
{
    http_client *c;
    ponder_error err;
    outcome o = {0};
    check_ok(http_client_open(&c, opt, &err));
    check_ok(http_post_json(c, url, body, on_done, &o, &err));
    assert_int_equal(http_client_pending(c), 1);
    while (http_client_pending(c)) check_ok(http_client_step(c, 100, &err));
    assert_int_equal(o.calls, 1);
    http_client_close(c);
    return o;
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine"
#define EMPTY(status, more) "HTTP/1.1 " status " X\r\n" more "Content-Length: 0\r\nConnection: close\r\n\r\n"

static void an_answer(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = {OK_ANSWER, NULL};
    server s;
    http_options opt = QUICK;
    opt.bearer = "secret";
    server_open(&s, SCRIPT);
    outcome o = post(s.url, &opt, STR("{\"a\":1}"));
    assert_true(o.st == PONDER_OK && o.status == 200 && o.tries == 1 && !strcmp(o.body, "fine"));
    server_close(&s);
    assert_non_null(strstr(s.request, "POST /x HTTP/1.1\r\n"));
    assert_non_null(strstr(s.request, "Authorization: Bearer secret\r\n"));
    assert_non_null(strstr(s.request, "Content-Type: application/json\r\n"));
    assert_true(str_ends(str_of(s.request), STR("\r\n\r\n{\"a\":1}")));
}

static void failures_that_pass(void **state)
{
    (void)state;
    static const char *const SCRIPTS[][5] = {
        {EMPTY("500", ""), OK_ANSWER, NULL},
        {EMPTY("503", ""), EMPTY("429", ""), EMPTY("408", ""), OK_ANSWER, NULL},
        {"", OK_ANSWER, NULL},
        {"-", OK_ANSWER, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", OK_ANSWER, NULL},
    };
    static const int TRIES[] = {2, 4, 2, 2, 2};
    for (size_t i = 0; i < COUNT_OF(SCRIPTS); i++) {
        server s;
        server_open(&s, SCRIPTS[i]);
        outcome o = post(s.url, &QUICK, STR("{}"));
        if (o.st != PONDER_OK || o.tries != TRIES[i])
            fail_msg("script %zu: %d tries, %s", i, o.tries, o.message);
        server_close(&s);
    }
}

static void failures_that_stay(void **state)
{
    (void)state;
    static const char *const GONE[] = {"HTTP/1.1 404 X\r\nContent-Length: 7\r\nConnection: close\r\n\r\nno path", NULL};
    static const char *const DOWN[] = {EMPTY("500", ""), NULL};
    server s;
    server_open(&s, GONE);
    outcome o = post(s.url, &QUICK, STR("{}"));
    assert_true(o.st == PONDER_ENOTFOUND && o.tries == 1 && strstr(o.message, "404: no path"));
    server_close(&s);
    server_open(&s, DOWN);
    o = post(s.url, &QUICK, STR("{}"));
    assert_true(o.st == PONDER_EIO && o.tries == 4 && o.status == 500);
    server_close(&s);
    o = post("http://127.0.0.1:1/", &QUICK, STR("{}")); /* nobody listens */
    assert_true(o.st == PONDER_EIO && o.tries == 4 && o.status == 0);
}

static void a_server_says_when(void **state)
{
    (void)state;
    static const char *const SOON[] = {EMPTY("429", "Retry-After: 1\r\n"), OK_ANSWER, NULL};
    static const char *const LATE[] = {EMPTY("429", "Retry-After: 90\r\n"), OK_ANSWER, NULL};
    server s;
    server_open(&s, SOON);
    double start = clock_seconds();
    outcome o = post(s.url, &QUICK, STR("{}"));
    assert_true(o.st == PONDER_OK && o.tries == 2 && clock_seconds() - start >= 1);
    server_close(&s);
    server_open(&s, LATE);
    o = post(s.url, &QUICK, STR("{}"));
    assert_true(o.st == PONDER_EIO && o.tries == 1 && o.status == 429);
    server_close(&s);
}

static void limits(void **state)
{
    (void)state;
    static const char *const LONG[] = {OK_ANSWER, NULL};
    http_options opt = QUICK;
    http_client *c;
    ponder_error err;
    server s;
    opt.response_limit = 3;
    server_open(&s, LONG);
    outcome o = post(s.url, &opt, STR("{}"));
    assert_true(o.st == PONDER_ELIMIT && o.tries == 1);
    server_close(&s);
    check_ok(http_client_open(&c, &QUICK, &err));
    assert_int_equal(http_post_json(c, "ftp://x/", STR("{}"), on_done, &o, &err), PONDER_EARG);
    assert_int_equal(http_post_json(c, "file:///etc/passwd", STR("{}"), on_done, &o, &err), PONDER_EARG);
    http_client_close(c);
    opt.bearer = "a\r\nX: y";
    assert_int_equal(http_client_open(&c, &opt, &err), PONDER_EARG);
    http_client_close(c);
}

/* Requests under way are dropped without a call; more than fit wait their turn. */
static void many(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = {OK_ANSWER, NULL};
    http_options opt = QUICK;
    http_client *c;
    ponder_error err;
    outcome o[40] = {0};
    server s;
    opt.in_flight = 3;
    server_open(&s, SCRIPT);
    check_ok(http_client_open(&c, &opt, &err));
    for (size_t i = 0; i < 40; i++) check_ok(http_post_json(c, s.url, STR("{}"), on_done, &o[i], &err));
    while (http_client_pending(c)) check_ok(http_client_step(c, 100, &err));
    for (size_t i = 0; i < 40; i++) assert_true(o[i].calls == 1 && o[i].st == PONDER_OK);
    check_ok(http_post_json(c, s.url, STR("{}"), on_done, &o[0], &err));
    check_ok(http_client_step(c, 0, &err));
    int calls = o[0].calls;
    http_client_close(c);
    assert_int_equal(o[0].calls, calls);
    server_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer),          cmocka_unit_test(failures_that_pass),
        cmocka_unit_test(failures_that_stay), cmocka_unit_test(a_server_says_when),
        cmocka_unit_test(limits),             cmocka_unit_test(many),
    };
    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
