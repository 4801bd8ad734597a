/* hub, private: one HTTP connection and what bodies go into.
 * SPDX-License-Identifier: MIT */
#ifndef HUB_INT_H
#define HUB_INT_H

#include "fmt/hub.h"

#include <curl/curl.h>

/* Receives a body. A failure of its own is left in `status` and `err` and ends the request. */
typedef struct hub_sink hub_sink;
struct hub_sink {
    /* What follows starts at byte 0: forget what is there. */
    ponder_status (*restart)(hub_sink *s, ponder_error *err);
    ponder_status (*add)(hub_sink *s, const void *bytes, size_t n, ponder_error *err);
    bool ranged;          /* a broken-off body can be continued at `have` */
    uint64_t have, limit; /* bytes taken so far; never more than this */
    uint64_t exact;       /* of a ranged body: its size */
    progress *progress;   /* NULL: none */
    double progress_base; /* shown progress is this plus have */
};

typedef struct hub_http {
    CURL *curl;
    struct curl_slist *headers;
    const hub_options *opt;
    const char *endpoint;
    char detail[CURL_ERROR_SIZE];

    /* of the request under way */
    hub_sink *sink;
    bool begun; /* the status line and headers of the body were looked at */
    ponder_status status;
    ponder_error *err;
} hub_http;

ponder_status hub_http_open(hub_http *h, const hub_options *opt, ponder_error *err);
void hub_http_close(hub_http *h);
/* GETs endpoint + path into the sink, trying again where that may help. `what` names the thing
 * wanted. */
ponder_status hub_http_get(hub_http *h, const char *path, hub_sink *sink, const char *what,
                           ponder_error *err);
/* The query of the next page's address (behind '?') from the last answer's Link header, into out;
 * empty when there is none. */
void hub_http_next(hub_http *h, buf *out);
/* The same from a header's value. */
void hub_link_next(str value, buf *out);
/* Percent-encodes; '/' stays when slash is true. */
void hub_url_add(buf *out, str text, bool slash);

#endif
