/* What the model wrote: reasoning, answer, tool calls.
 * SPDX-License-Identifier: MIT */
#include "text/text.h"

static const str OPEN = {"<think>", 7}, CLOSE = {"</think>", 8};
static const str CALLS_BEGIN = {"<｜tool▁calls▁begin｜>", sizeof "<｜tool▁calls▁begin｜>" - 1};
static const str CALL_BEGIN = {"<｜tool▁call▁begin｜>", sizeof "<｜tool▁call▁begin｜>" - 1};
static const str CALL_END = {"<｜tool▁call▁end｜>", sizeof "<｜tool▁call▁end｜>" - 1};
static const str SEP = {"<｜tool▁sep｜>", sizeof "<｜tool▁sep｜>" - 1};

static str from(str s, size_t at) { return (str){s.p + at, s.n - at}; }
static size_t breaks_at_start(str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] == '\n') n++;
    return n;
}

static size_t breaks_at_end(str s)
{
    size_t n = 0;
    while (n < s.n && s.p[s.n - 1 - n] == '\n') n++;
    return n;
}

/* How many last bytes of s could be the beginning of mark. */
static size_t begun(str s, str mark)
{
    for (size_t n = size_min(s.n, mark.n - 1); n > 0; n--)
        if (memcmp(s.p + s.n - n, mark.p, n) == 0) return n;
    return 0;
}

static void give(buf *part, str s)
{
    if (part) buf_add_str(part, s);
}

/* Decides what is at the start: white space may come before <think>. Returns the bytes consumed;
 * nothing as long as it is undecided. */
static size_t start(chat_splitter *s, str text, bool last)
{
    size_t blank = 0;
    while (blank < text.n && strchr(" \t\r\n", text.p[blank]) && text.p[blank]) blank++;
    str rest = from(text, blank);
    if (str_starts(rest, OPEN)) {
        s->state = CHAT_REASONING;
        s->skip_breaks = true;
        return blank + OPEN.n;
    }
    if (rest.n < OPEN.n && str_starts(OPEN, rest) && !last) return 0;
    s->state = CHAT_ANSWER;
    return 0;
}

/* Passes on what stands before the mark that ends a part, which then becomes `next`. */
static size_t until(chat_splitter *s, str text, str mark, enum chat_part next, bool trim, bool last,
                    buf *part)
{
    size_t hit = str_find(text, mark, 0);
    str body = {text.p, hit != SIZE_MAX ? hit : text.n - (last ? 0 : begun(text, mark))};
    size_t used = hit != SIZE_MAX ? hit + mark.n : body.n;
    if (trim) {
        size_t n = breaks_at_end(body);
        body.n -= n;
        if (hit == SIZE_MAX && !last) used -= n; /* they may turn out to stand before the mark */
    }
    give(part, body);
    if (hit != SIZE_MAX) {
        s->state = next;
        s->skip_breaks = next == CHAT_ANSWER;
    }
    return used;
}

/* One step on what is held; returns the bytes consumed. */
static size_t step(chat_splitter *s, str text, bool last, buf *reasoning, buf *answer, buf *calls)
{
    if (s->skip_breaks) {
        size_t n = breaks_at_start(text);
        s->skip_breaks = n == text.n;
        if (n) return n;
    }
    switch (s->state) {
    case CHAT_START: return start(s, text, last);
    case CHAT_REASONING: return until(s, text, CLOSE, CHAT_ANSWER, true, last, reasoning);
    case CHAT_ANSWER: return until(s, text, CALLS_BEGIN, CHAT_CALLS, false, last, answer);
    case CHAT_CALLS: give(calls, text); return text.n;
    }
    return text.n;
}

static void run(chat_splitter *s, bool last, buf *reasoning, buf *answer, buf *calls)
{
    str text = buf_str(&s->held);
    while (text.n) {
        enum chat_part before = s->state;
        size_t used = step(s, text, last, reasoning, answer, calls);
        text = from(text, used);
        if (used == 0 && s->state == before) break;
    }
    if (text.n) memmove(s->held.p, text.p, text.n);
    s->held.n = text.n;
}

void chat_split(chat_splitter *s, str text, buf *reasoning, buf *answer, buf *calls)
{
    buf_add_str(&s->held, text);
    run(s, false, reasoning, answer, calls);
}

void chat_split_end(chat_splitter *s, buf *reasoning, buf *answer, buf *calls)
{
    run(s, true, reasoning, answer, calls);
}

void chat_splitter_free(chat_splitter *s)
{
    buf_free(&s->held);
    *s = (chat_splitter){0};
}

/* ---- tool calls
 * ------------------------------------------------------------------------------------ */

static str trim(str s)
{
    while (s.n && strchr(" \r\n\t", s.p[0]) && s.p[0]) s = from(s, 1);
    while (s.n && strchr(" \r\n\t", s.p[s.n - 1]) && s.p[s.n - 1]) s.n--;
    return s;
}

/* Takes the fence off "```json\n...\n```". */
static bool unfence(str *s)
{
    const str open = STR("```json"), close = STR("```");
    *s = trim(*s);
    if (!str_starts(*s, open)) return false;
    *s = from(*s, open.n);
    if (str_ends(*s, close)) s->n -= close.n;
    *s = trim(*s);
    return true;
}

bool chat_next_call(str calls, size_t *at, chat_called *out)
{
    for (;;) {
        size_t begin = str_find(calls, CALL_BEGIN, *at);
        if (begin == SIZE_MAX) return false;
        begin += CALL_BEGIN.n;
        size_t end = str_find(calls, CALL_END, begin);
        if (end == SIZE_MAX) return false;
        *at = end + CALL_END.n;
        str call = {calls.p + begin, end - begin};
        size_t sep = str_find(call, SEP, 0);
        if (sep == SIZE_MAX) continue; /* no call: the model lost its way */
        str head = trim((str){call.p, sep}), tail = from(call, sep + SEP.n);
        const char *line = tail.n ? memchr(tail.p, '\n', tail.n) : NULL;
        str body = line ? from(tail, (size_t)(line - tail.p)) : STR("");
        /* With a type in front, the name ends its line and the arguments are fenced. */
        if (line && unfence(&body))
            *out = (chat_called){trim((str){tail.p, (size_t)(line - tail.p)}), body};
        else *out = (chat_called){head, trim(tail)};
        return true;
    }
}
