/* queue: judges responses in the background, where judging takes long: programs are compiled and
 * run while the model goes on answering.
 * SPDX-License-Identifier: MIT */
#ifndef EVAL_QUEUE_H
#define EVAL_QUEUE_H

#include "eval/prompt.h"

typedef struct eval_queue eval_queue;

/* A response to judge, and what came of it. */
typedef struct eval_job {
    struct eval_job *next;
    const eval_question *q;
    eval_order order;
    buf text;
    void *tag;            /* the caller's */
    eval_verdict verdict; /* when judged */
    ponder_status status;
    ponder_error error;
} eval_job;

/* One thread, which judges one response after the other; a program's tests run side by side. The
 * judge is borrowed. */
ponder_status eval_queue_open(eval_queue **out, const eval_judge *j, ponder_error *err);
/* Hands over a job made by malloc. */
void eval_queue_put(eval_queue *q, eval_job *job);
/* A job that is judged, the caller's again; NULL when there is none within wait_ms. */
eval_job *eval_queue_take(eval_queue *q, int wait_ms);
size_t eval_queue_pending(const eval_queue *q); /* put and not taken */
/* Drops what is not judged; waits for the one under way. */
void eval_queue_close(eval_queue *q);
void eval_job_free(eval_job *job);

#endif
