/* One answer, streamed: the answer to stdout, everything else to stderr.
 * SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted; /* all a signal handler may touch */

static void on_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

void run_catch_interrupts(void)
{
    struct sigaction act = {.sa_handler = on_interrupt}; /* no restart: a read at the prompt ends */
    sigaction(SIGINT, &act, NULL);
}

bool run_interrupted(void)
{
    bool was = interrupted;
    interrupted = 0;
    return was;
}

static bool fancy(int fd)
{
    const char *term = getenv("TERM");
    return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

run_answer run_answer_new(void)
{
    return (run_answer){.text_tty = fancy(STDOUT_FILENO), .note_tty = fancy(STDERR_FILENO)};
}

void run_answer_free(run_answer *a)
{
    buf_free(&a->text);
    buf_free(&a->reasoning);
}

/* What a model writes must not steer a terminal: control characters (C0, DEL, C1) are shown as
 * such. */
void run_put(FILE *out, str s, bool tty)
{
    size_t from = 0;
    for (size_t i = 0; tty && i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool c1 = c == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xA0;
        if (!c1 && c != 127 && (c >= 32 || c == '\n' || c == '\t')) continue;
        fwrite(s.p + from, 1, i - from, out);
        fputs("\xEF\xBF\xBD", out);
        i += c1;
        from = i + 1;
    }
    fwrite(s.p + from, 1, s.n - from, out);
}

static void count_thoughts(run_answer *a)
{
    uint64_t now = clock_ns();
    if (!a->count_thoughts || !a->note_tty || now - a->counted_ns < 100000000u) return;
    a->counted_ns = now;
    fprintf(stderr, "\r\033[K\033[2mthinking… %zu tokens\033[0m", a->thoughts);
    fflush(stderr);
}

/* From thought to answer, or to the end. */
static void end_thoughts(run_answer *a)
{
    if (a->shown != CHAT_REASONING) return;
    a->shown = CHAT_ANSWER;
    if (a->show_thoughts) fputs(a->note_tty ? "\033[0m\n\n" : "\n\n", stderr);
    if (a->count_thoughts && a->note_tty)
        fprintf(stderr, "\r\033[K\033[2mthought for %zu tokens\033[0m\n", a->thoughts);
    fflush(stderr);
}

static void on_text(run_answer *a, const engine_event *ev)
{
    if (ev->part == CHAT_REASONING) {
        buf_add_str(&a->reasoning, ev->text);
        if (a->show_thoughts && a->shown != CHAT_REASONING && a->note_tty) fputs("\033[2m", stderr);
        a->shown = CHAT_REASONING;
        if (a->show_thoughts) run_put(stderr, ev->text, a->note_tty), fflush(stderr);
        return;
    }
    end_thoughts(a);
    a->shown = CHAT_ANSWER;
    buf_add_str(&a->text, ev->text);
    if (a->show_text) run_put(stdout, ev->text, a->text_tty), fflush(stdout);
}

void run_on_event(void *user, const engine_event *ev)
{
    run_answer *a = user;
    switch (ev->kind) {
    case ENGINE_TOKEN:
        if (ev->part == CHAT_REASONING) a->thoughts++, count_thoughts(a);
        break;
    case ENGINE_TEXT: on_text(a, ev); break;
    case ENGINE_CLOSED: break;
    case ENGINE_FINISH:
        end_thoughts(a);
        a->finish = ev->finish;
        a->close = ev->close;
        a->usage = ev->usage;
        break;
    }
}

static ponder_status make_prompt(tokens *ids, enum chat_part *begin, const model_arg *m,
                                 const run_settings *s, const chat_message *messages, size_t n,
                                 ponder_error *err)
{
    chat_request chat = {.messages = messages, .n_messages = n, .generation_prompt = true};
    *begin = CHAT_START;
    if (s->raw) return tokenizer_encode(m->t, ids, messages[n - 1].content, TEXT_BOS, err);
    return engine_prompt(ids, begin, m->t, s->template, &chat, s->think, err);
}

static ponder_status generate(engine *e, const engine_request *r, ponder_error *err)
{
    uint64_t id;
    TRY(engine_submit(e, r, &id, err));
    while (engine_busy(e)) {
        if (run_interrupted()) engine_cancel(e, id);
        TRY(engine_step(e, err));
    }
    return PONDER_OK;
}

ponder_status run_ask(engine *e, const model_arg *m, const run_settings *s,
                      const chat_message *messages, size_t n, size_t choices,
                      engine_event_fn *event, void *user, ponder_error *err)
{
    tokens ids = {0};
    engine_request r = {.choices = choices,
                        .max_tokens = s->max_tokens,
                        .sampling = s->sampling,
                        .stop = s->stop,
                        .n_stop = s->n_stop,
                        .raw = s->raw,
                        .ignore_end = s->ignore_end,
                        .think_budget = s->think_budget,
                        .loop_tokens = s->loop_tokens,
                        .event = event,
                        .user = user};
    ponder_status st = make_prompt(&ids, &r.begin, m, s, messages, n, err);
    if (st == PONDER_OK && ids.failed) st = err_set(err, PONDER_ENOMEM, "no memory for the prompt");
    r.prompt = ids.p;
    r.n_prompt = ids.n;
    if (st == PONDER_OK) st = generate(e, &r, err);
    tokens_free(&ids);
    return st;
}

ponder_status run_check(const run_answer *a, ponder_error *err)
{
    if (a->finish == ENGINE_BROKEN)
        return err_set(err, PONDER_EFORMAT, "the model computes no numbers: its weights are damaged");
    if (a->text.failed || a->reasoning.failed)
        return err_set(err, PONDER_ENOMEM, "no memory for the answer");
    return PONDER_OK;
}

ponder_status run_one(run_answer *a, engine *e, const model_arg *m, const run_settings *s,
                      const chat_message *messages, size_t n, ponder_error *err)
{
    TRY(run_ask(e, m, s, messages, n, 1, run_on_event, a, err));
    return run_check(a, err);
}

void run_write(json_writer *w, const run_answer *a, const engine_usage *u)
{
    json_key(w, "text"), json_text(w, buf_str(&a->text));
    json_key(w, "reasoning"), json_text(w, buf_str(&a->reasoning));
    json_key(w, "finish_reason"), json_text(w, str_of(engine_finish_name(a->finish)));
    json_key(w, "usage"), json_open(w, '{');
    json_key(w, "prompt_tokens"), json_i64(w, (int64_t)u->prompt);
    json_key(w, "cached_tokens"), json_i64(w, (int64_t)u->cached);
    json_key(w, "completion_tokens"), json_i64(w, (int64_t)u->completion);
    json_key(w, "reasoning_tokens"), json_i64(w, (int64_t)u->reasoning);
    json_close(w, '}');
}

const char *run_remark(const run_answer *a)
{
    if (a->finish == ENGINE_LOOP) return "the answer repeated itself and was ended";
    if (a->close == ENGINE_BY_LOOP) return "the thinking repeated itself and was ended";
    if (a->close == ENGINE_BY_BUDGET) return "the thinking used up its budget and was ended";
    return NULL;
}

static double rate(size_t n, uint64_t ns) { return ns ? (double)n / ((double)ns * 1e-9) : 0; }

double run_prompt_tps(const run_answer *a)
{
    return rate(a->usage.prompt - a->usage.cached, a->usage.prompt_ns);
}

double run_decode_tps(const run_answer *a)
{
    return rate(a->usage.completion - (a->usage.completion > 0), a->usage.decode_ns);
}
