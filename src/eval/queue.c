/* The background judge: a thread between two lists.
 * SPDX-License-Identifier: MIT */
#include "eval/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

typedef struct job_list {
    eval_job *first, **end;
} job_list;

struct eval_queue {
    const eval_judge *judge;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t come, gone; /* a job to judge; a job judged */
    job_list waiting, judged;
    size_t pending; /* only the owner's */
    bool closing;
};

static void append(job_list *l, eval_job *j)
{
    j->next = NULL;
    *l->end = j;
    l->end = &j->next;
}

static eval_job *pop(job_list *l)
{
    eval_job *j = l->first;
    if (!j) return NULL;
    l->first = j->next;
    if (!l->first) l->end = &l->first;
    return j;
}

static void *work(void *arg)
{
    eval_queue *q = arg;
    pthread_mutex_lock(&q->lock);
    while (!q->closing) {
        eval_job *j = pop(&q->waiting);
        if (!j) {
            pthread_cond_wait(&q->come, &q->lock);
            continue;
        }
        pthread_mutex_unlock(&q->lock);
        j->status = eval_judge_text(q->judge, &j->verdict, j->q, &j->order, buf_str(&j->text),
                                    &j->error);
        pthread_mutex_lock(&q->lock);
        append(&q->judged, j);
        pthread_cond_signal(&q->gone);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

ponder_status eval_queue_open(eval_queue **out, const eval_judge *j, ponder_error *err)
{
    *out = NULL;
    eval_queue *q = calloc(1, sizeof *q);
    if (!q) return err_set(err, PONDER_ENOMEM, "no memory for a queue");
    *q = (eval_queue){.judge = j};
    q->waiting.end = &q->waiting.first;
    q->judged.end = &q->judged.first;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->come, NULL);
    pthread_cond_init(&q->gone, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&q->thread, NULL, work, q)) {
        free(q);
        return err_set(err, PONDER_ENOMEM, "the system grants no thread for judging");
    }
    *out = q;
    return PONDER_OK;
}

void eval_queue_put(eval_queue *q, eval_job *job)
{
    pthread_mutex_lock(&q->lock);
    append(&q->waiting, job);
    pthread_cond_signal(&q->come);
    pthread_mutex_unlock(&q->lock);
    q->pending++;
}

eval_job *eval_queue_take(eval_queue *q, int wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&q->lock);
    eval_job *j;
    while (!(j = pop(&q->judged)) && wait_ms > 0)
        if (pthread_cond_timedwait(&q->gone, &q->lock, &until)) wait_ms = 0;
    pthread_mutex_unlock(&q->lock);
    if (j) q->pending--;
    return j;
}

size_t eval_queue_pending(const eval_queue *q) { return q->pending; }

void eval_job_free(eval_job *j)
{
    buf_free(&j->text);
    buf_free(&j->verdict.answer);
    free(j);
}

void eval_queue_close(eval_queue *q)
{
    if (!q) return;
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    pthread_cond_signal(&q->come);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    for (eval_job *j; (j = pop(&q->waiting));) eval_job_free(j);
    for (eval_job *j; (j = pop(&q->judged));) eval_job_free(j);
    pthread_cond_destroy(&q->come);
    pthread_cond_destroy(&q->gone);
    pthread_mutex_destroy(&q->lock);
    free(q);
}
