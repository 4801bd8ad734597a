/* reward: the program inside a response.
 * SPDX-License-Identifier: MIT
 *
 * Fences are CommonMark's: a line of three or more backticks or tildes opens a block, a line of at
 * least as many of the same closes it, an unclosed block runs to the end of the text. */
#include "reward/reward_int.h"

typedef struct fence {
    char mark;
    size_t n;  /* marks */
    str word;  /* what follows them on the line, up to a blank */
    bool bare; /* nothing follows: may close a block */
} fence;

static bool read_fence(fence *f, str line)
{
    size_t at = 0, start;
    while (at < line.n && at < 3 && line.p[at] == ' ') at++;
    f->mark = at < line.n ? line.p[at] : '\0';
    if (f->mark != '`' && f->mark != '~') return false;
    for (start = at; at < line.n && line.p[at] == f->mark; at++) {}
    f->n = at - start;
    while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t' || line.p[at] == '\r')) at++;
    f->word.p = line.p + at;
    for (start = at; at < line.n && line.p[at] != ' ' && line.p[at] != '\r'; at++) {}
    f->word.n = at - start;
    f->bare = f->word.n == 0;
    /* "```code``` in a sentence" is no fence. */
    const str rest = {line.p + start, line.n - start};
    return f->n >= 3 && (f->mark == '~' || str_find(rest, STR("`"), 0) == SIZE_MAX);
}

bool reward_extract_code(str *language, str *code, str response)
{
    str text = reward_after_thinking(response);
    fence open = {0}, line_fence;
    size_t from = 0;
    bool inside = false, found = false;
    *language = *code = STR("");
    for (size_t at = 0; at < text.n;) {
        const char *end = memchr(text.p + at, '\n', text.n - at);
        const str line = {text.p + at, (end ? (size_t)(end - text.p) : text.n) - at};
        const size_t next = at + line.n + (end != NULL);
        if (read_fence(&line_fence, line)) {
            if (!inside) {
                open = line_fence, from = next, inside = true;
            } else if (line_fence.mark == open.mark && line_fence.n >= open.n && line_fence.bare) {
                *language = open.word, *code = (str){text.p + from, at - from};
                inside = false, found = true;
            }
        }
        at = next;
    }
    if (inside) *language = open.word, *code = (str){text.p + from, text.n - from};
    return found || inside;
}
