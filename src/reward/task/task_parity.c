/* task_parity: is the number of ones in a string of bits even or odd?
 * SPDX-License-Identifier: MIT
 *
 * Why it is here: without running parities written down small transformers stay at chance on long
 * strings, and reinforcement finds the long answers (Tsilivis et al., 2025, arXiv 2510.11495). */
#include "reward/task/task_int.h"

enum { MAX_BITS = 50, BLOCK = 5 };

typedef struct bits {
    int n;
    uint8_t v[MAX_BITS];
} bits;

static bool draw(void *state, task_draw *d, int level)
{
    static const int LENGTH[] = {4, 8, 12, 20, 32, 50};
    bits *b = state;
    /* Strings of four bits alone would be 16 problems. */
    b->n = level == 1 ? (int)task_between(d, 4, 6) : LENGTH[level - 1];
    for (int i = 0; i < b->n; i++) b->v[i] = (uint8_t)task_below(d, 2);
    return true;
}

static void put_bits(const bits *b, int from, int to, buf *out)
{
    for (int i = from; i < to; i++) buf_add_char(out, (char)('0' + b->v[i]));
}

static void key(const void *state, buf *out)
{
    const bits *b = state;
    put_bits(b, 0, b->n, out);
}

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[] = {
        "Is the number of ones in # even or odd? Answer 0 for even, 1 for odd.",
        "Give the parity of the bits #: 0 if the count of ones is even, 1 if it is odd.",
        "Count the ones in #. Answer 1 if the count is odd, else 0.",
    };
    static const char *const ZH[] = {
        "# 中 1 的个数是偶数还是奇数？偶数答 0，奇数答 1。",
        "求 # 的奇偶性：1 的个数为偶数答 0，为奇数答 1。",
        "数一数 # 里的 1。个数为奇数答 1，否则答 0。",
    };
    const bits *b = state;
    char text[MAX_BITS];
    for (int i = 0; i < b->n; i++) text[i] = (char)('0' + b->v[i]);
    const str parts[] = {{text, (size_t)b->n}};
    task_ask(out, lang, d, EN, ZH, parts);
}

static int parity(const bits *b, int from, int to)
{
    int p = 0;
    for (int i = from; i < to; i++) p ^= b->v[i];
    return p;
}

static void answer(const void *state, buf *out)
{
    const bits *b = state;
    task_put(out, parity(b, 0, b->n));
}

/* "bit:parity so far" for every bit; returns the ones counted and the last parity. */
static int running(task_tale *t, const bits *b, int *ones)
{
    int p = 0;
    for (int i = 0; i < b->n; i++) {
        int bit = (int)task_read(t, b->v[i], 0, 1);
        if (task_turns(t)) {
            buf_printf(t->out, "%d:%d", bit, !(p ^ bit));
            task_no(t);
        }
        *ones += bit;
        p = (int)task_work(t, p ^ bit, 0, 1);
        buf_printf(t->out, i + 1 < b->n ? "%d:%d " : "%d:%d\n", bit, p);
    }
    return p;
}

/* Parities of blocks, then of the blocks' parities. */
static int in_blocks(task_tale *t, const bits *b)
{
    int p = 0;
    for (int i = 0; i < b->n; i += BLOCK) {
        int end = i + BLOCK < b->n ? i + BLOCK : b->n;
        int own = (int)task_work(t, parity(b, i, end), 0, 1);
        put_bits(b, i, end, t->out);
        p = (int)task_work(t, p ^ own, 0, 1);
        buf_printf(t->out, "=%d:%d\n", own, p);
    }
    return p;
}

static void trace(const void *state, task_tale *t)
{
    const bits *b = state;
    int ones = 0;
    int p = t->o->style == TASK_SUBGOALS ? in_blocks(t, b) : running(t, b, &ones);
    if (t->o->style == TASK_VERIFICATION) {
        task_say(t, "check: ones ", "检查：1 的个数 ");
        buf_printf(t->out, "%d%%2=%d\n", ones, p);
    }
    task_put(t->answer, p);
}

const task_family task_parity = {
    .name = "parity",
    .kind = "integer",
    .about = "whether a string of bits has an even or odd number of ones",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(bits),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
