/* http: requests to HTTP services, many at once. Knows nothing of models.
 * SPDX-License-Identifier: MIT
 *
 * A client belongs to one thread; everything happens inside http_client_step, which calls back with
 * what came. A request is repeated while that may help: the connection failed or timed out, or the
 * server answered 408, 429 or 5xx. Between tries the client waits twice as long each time (with
 * counted jitter), or as long as the server's Retry-After asks. */
#ifndef HTTP_H
#define HTTP_H

#include "base/base.h"

typedef struct http_client http_client;

typedef struct http_options {
    const char *bearer;    /* key for "Authorization: Bearer"; NULL: none */
    size_t in_flight;      /* transfers at a time; 0: 8 */
    size_t response_limit; /* bytes of a response at most; 0: 64 MiB */
    int tries;             /* of a request at most; 0: 6 */
    double connect_s;      /* to connect; 0: 20 s */
    double total_s;        /* of one try; 0: 3600 s */
    double first_wait_s;   /* before the second try; 0: 1 s */
    double longest_wait_s; /* before any try; 0: 60 s. A server that asks for more ends the request */
} http_options;

typedef struct http_response {
    long status;               /* of the last answer; 0: there was none */
    str body;                  /* borrowed until the callback returns */
    const ponder_error *error; /* NULL after a status of 2xx */
    int tries;
} http_response;

typedef void http_done_fn(void *user, const http_response *r);

/* The caller keeps bearer until the client is closed. */
ponder_status http_client_open(http_client **out, const http_options *o, ponder_error *err);
/* Requests that are not done are dropped without a call. */
void http_client_close(http_client *c);

/* Queues a POST of a JSON document; url and body are copied. `done` is called once, from a later
 * http_client_step, and may post again. EARG for an address that is not http(s). */
ponder_status http_post_json(http_client *c, const char *url, str body, http_done_fn *done,
                             void *user, ponder_error *err);
/* Moves every transfer on and waits at most wait_ms for something to happen. */
ponder_status http_client_step(http_client *c, int wait_ms, ponder_error *err);
/* Requests queued, under way, or waiting for another try. */
size_t http_client_pending(const http_client *c);

#endif
