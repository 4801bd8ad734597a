/* What a token means for its sequence: text, thinking, stop strings, limits, the end.
 * SPDX-License-Identifier: MIT
 *
 * The way of the text:  token -> bytes -> whole characters -> reasoning | answer | calls
 *                                                             answer -> stop strings -> event */
#include "engine/engine_int.h"

static bool thinking(const seq *s) { return !s->raw && s->split.state == CHAT_REASONING; }

static engine_event event_of(const seq *s, enum engine_event_kind kind)
{
    return (engine_event){.kind = kind, .request = s->request, .choice = s->choice, .stop = -1};
}

static void send_text(const seq *s, enum chat_part part, const buf *text)
{
    if (text->n == 0) return;
    engine_event ev = event_of(s, ENGINE_TEXT);
    ev.part = part;
    ev.text = buf_str(text);
    s->event(s->user, &ev);
}

/* Sorts e->whole, with what earlier tokens left held back, into the parts; the stop string it
 * completes, or -1. last: nothing will follow. */
static int sort_text(engine *e, seq *s, bool last)
{
    buf_clear(&e->reasoning);
    buf_clear(&e->answer);
    buf_clear(&e->calls);
    buf_clear(&e->out);
    if (s->raw) {
        buf_add_str(&e->answer, buf_str(&e->whole));
    } else {
        chat_split(&s->split, buf_str(&e->whole), &e->reasoning, &e->answer, &e->calls);
        if (last) chat_split_end(&s->split, &e->reasoning, &e->answer, &e->calls);
    }
    int hit = stop_push(&s->stop, buf_str(&e->answer), &e->out);
    if (last && hit < 0) stop_flush(&s->stop, &e->out);
    if (hit >= 0) buf_clear(&e->calls);
    return hit;
}

static void send_parts(const engine *e, const seq *s)
{
    send_text(s, CHAT_REASONING, &e->reasoning);
    send_text(s, CHAT_ANSWER, &e->out);
    send_text(s, CHAT_CALLS, &e->calls);
}

void seq_finish(engine *e, seq *s, enum engine_finish f, int stop)
{
    if (stop < 0) {
        buf_clear(&e->whole);
        utf8_flush(&s->utf8, &e->whole);
        stop = sort_text(e, s, true);
        if (stop >= 0) f = ENGINE_STOP;
        send_parts(e, s);
    }
    uint64_t now = clock_ns();
    uint64_t started = s->started_ns ? s->started_ns : now, first = s->first_ns ? s->first_ns : now;
    s->usage.wait_ns = started - s->submitted_ns;
    s->usage.prompt_ns = first - started;
    s->usage.decode_ns = now - first;
    engine_event ev = event_of(s, ENGINE_FINISH);
    ev.finish = f;
    ev.stop = stop;
    ev.close = s->close;
    ev.usage = s->usage;
    s->event(s->user, &ev);
    seq_release(e, s);
    history_clear(&s->past);
    s->state = SEQ_FREE;
}

/* A thought may end here. */
static bool ends_sentence(str text)
{
    static const char *const MARKS[] = {"\n", ".", "!", "?", "。", "！", "？"};
    for (size_t i = 0; i < COUNT_OF(MARKS); i++)
        if (str_ends(text, str_of(MARKS[i]))) return true;
    return false;
}

engine_bias seq_nudge(const engine *e, const seq *s)
{
    size_t from = s->think_budget - s->think_budget / 4, at = s->usage.reasoning;
    if (!thinking(s) || e->close_id < 0 || !s->at_break || at < from || at >= s->think_budget)
        return (engine_bias){0};
    float share = (float)(at - from + 1) / (float)(s->think_budget - from);
    return (engine_bias){e->close_id, ENGINE_NUDGE * share};
}

static void close_thought(engine *e, seq *s, enum engine_close why)
{
    s->close = why;
    engine_event ev = event_of(s, ENGINE_CLOSED);
    ev.close = why;
    s->event(s->user, &ev);
    loop_reset(&s->loop);
    for (size_t i = 0; i < e->close_ids.n && s->state != SEQ_FREE; i++)
        seq_accept(e, s, e->close_ids.p[i], NULL);
}

/* Loops and the budget, after a sampled token. */
static void watch(engine *e, seq *s, int32_t id)
{
    bool loops = s->loop_tokens && loop_push(&s->loop, id, s->loop_tokens);
    if (loops && !thinking(s)) {
        seq_finish(e, s, ENGINE_LOOP, -1);
    } else if (loops) {
        close_thought(e, s, ENGINE_BY_LOOP);
    } else if (thinking(s) && s->think_budget && s->usage.reasoning >= s->think_budget) {
        close_thought(e, s, ENGINE_BY_BUDGET);
    }
}

void seq_accept(engine *e, seq *s, int32_t id, const picked *got)
{
    bool end = e->t && !s->ignore_end && tokenizer_is_end(e->t, id);
    bool was_thinking = thinking(s);
    s->ids[s->n++] = id;
    s->usage.completion++;
    if (!s->first_ns) s->first_ns = clock_ns();
    if (history_wanted(&s->sampling)) history_add(&s->past, id, false);

    buf_clear(&e->whole);
    if (e->t && !end && !tokenizer_is_special(e->t, id))
        utf8_push(&s->utf8, tokenizer_bytes(e->t, id), &e->whole);
    int stop = sort_text(e, s, false);
    if (e->whole.n) s->at_break = ends_sentence(buf_str(&e->whole));

    engine_event ev = event_of(s, ENGINE_TOKEN);
    ev.id = id;
    ev.part = was_thinking || thinking(s) ? CHAT_REASONING : s->raw ? CHAT_ANSWER : s->split.state;
    if (ev.part == CHAT_START) ev.part = CHAT_ANSWER;
    if (ev.part == CHAT_REASONING) s->usage.reasoning++;
    ev.forced = !got;
    if (got) {
        ev.logprob = got->logprob;
        ev.sample_logprob = got->sample_logprob;
        ev.top = got->top;
        ev.n_top = got->n_top;
    }
    s->event(s->user, &ev);
    send_parts(e, s);

    if (end || stop >= 0) {
        seq_finish(e, s, ENGINE_STOP, stop);
    } else if (s->usage.completion >= s->max_tokens || s->n >= e->context) {
        seq_finish(e, s, ENGINE_LENGTH, -1);
    } else if (got) {
        watch(e, s, id);
    }
}
