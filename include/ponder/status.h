/* Status codes and the error value that every failing ponder function fills.
 * SPDX-License-Identifier: MIT
 *
 * A code says what a caller can do about a failure; the message says what happened, where, and
 * what would mend it. The error is owned by the caller, lives on its stack, and may be NULL. */
#ifndef PONDER_STATUS_H
#define PONDER_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ponder_status {
    PONDER_OK = 0,
    PONDER_EARG,         /* the caller asked for something meaningless: fix the call */
    PONDER_EIO,          /* the system refused a read, a write or a connection: look at the cause */
    PONDER_EFORMAT,      /* foreign bytes are damaged or not what they claim: replace the input */
    PONDER_EUNSUPPORTED, /* the bytes are sound but of a kind this build does not handle */
    PONDER_ELIMIT,       /* would exceed a limit or the memory at hand: ask for less */
    PONDER_ENOMEM,       /* the system has no memory left */
    PONDER_ENOTFOUND,    /* no such file, model, tensor or name */
    PONDER_ECANCELED,    /* stopped on request; nothing is damaged */
    PONDER_EINTERNAL     /* a bug in ponder: report it */
} ponder_status;

typedef struct ponder_error {
    ponder_status code;
    char message[508]; /* one line, NUL-terminated, UTF-8 */
} ponder_error;

#ifdef __cplusplus
}
#endif
#endif
