/* Errors: a code and one line of text in the caller's hands.
 * SPDX-License-Identifier: MIT */
#include "base/base.h"

/* A message is one line whatever went into it: names come from foreign files. */
static void one_line(char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) *s = '?';
    }
}

ponder_status err_set(ponder_error *err, ponder_status code, const char *fmt, ...)
{
    if (!err) return code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    one_line(err->message);
    err->code = code;
    return code;
}

ponder_status err_context(ponder_error *err, ponder_status code, const char *fmt, ...)
{
    if (!err) return code;
    char old[sizeof err->message + 2] = ": ";
    memcpy(old + 2, err->message, sizeof err->message);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof err->message) {
        size_t room = sizeof err->message - (size_t)n - 1;
        memcpy(err->message + n, old, room);
        err->message[sizeof err->message - 1] = '\0';
    }
    one_line(err->message);
    err->code = code;
    return code;
}

const char *err_name(ponder_status code)
{
    switch (code) {
    case PONDER_OK: return "ok";
    case PONDER_EARG: return "argument";
    case PONDER_EIO: return "io";
    case PONDER_EFORMAT: return "format";
    case PONDER_EUNSUPPORTED: return "unsupported";
    case PONDER_ELIMIT: return "limit";
    case PONDER_ENOMEM: return "memory";
    case PONDER_ENOTFOUND: return "not found";
    case PONDER_ECANCELED: return "canceled";
    case PONDER_EINTERNAL: return "internal";
    }
    return "unknown";
}
