/* The test framework: cmocka with the headers it wants first.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#include <time.h>

/* Processor time of this program: bounds on it hold on a busy machine too. */
static inline double check_cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* How much slower a program may be for being built with a sanitizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CHECK_SLOWER = 5 };
#else
enum { CHECK_SLOWER = 1 };
#endif

/* Fails with the library's own message. */
#define check_ok(call)                                                         \
    do {                                                                       \
        ponder_status check_st_ = (call);                                      \
        if (check_st_ != PONDER_OK) fail_msg("%s: %s", #call, err.message);    \
    } while (0)

#endif
