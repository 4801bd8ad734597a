/* Stop strings in text that arrives in pieces.
 * SPDX-License-Identifier: MIT
 *
 * Each string runs its own Knuth-Morris-Pratt automaton. The longest prefix that any of them has
 * seen is the text that may still become a stop string; it is held back, everything before it goes
 * out. The match that ends first wins; of those that end together, the longest. */
#include "engine/engine_int.h"

bool stop_set(stopper *s, const str *stop, size_t n)
{
    *s = (stopper){.n = 0};
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (n > ENGINE_STOPS || stop[i].n == 0 || stop[i].n > ENGINE_STOP_BYTES - used)
            return false;
        char *p = s->bytes + used;
        uint16_t *fail = s->fail + used;
        memcpy(p, stop[i].p, stop[i].n);
        fail[0] = 0;
        for (uint16_t j = 1, k = 0; j < stop[i].n; j++) {
            while (k && p[j] != p[k]) k = fail[k - 1];
            if (p[j] == p[k]) k++;
            fail[j] = k;
        }
        s->begin[i] = (uint16_t)used;
        s->len[i] = (uint16_t)stop[i].n;
        used += stop[i].n;
    }
    s->n = n;
    return true;
}

/* Advances all automata by a byte; the index of the longest string that is complete, or -1. */
static int step(stopper *s, char c, uint16_t *longest)
{
    int hit = -1;
    *longest = 0;
    for (size_t i = 0; i < s->n; i++) {
        const char *p = s->bytes + s->begin[i];
        uint16_t k = s->at[i];
        while (k && p[k] != c) k = s->fail[s->begin[i] + k - 1];
        if (p[k] == c) k++;
        if (k == s->len[i] && (hit < 0 || k > s->len[hit])) hit = (int)i;
        if (k > *longest) *longest = k;
        s->at[i] = k;
    }
    return hit;
}

int stop_push(stopper *s, str text, buf *out)
{
    if (s->n == 0) return buf_add_str(out, text), -1;
    for (size_t i = 0; i < text.n; i++) {
        uint16_t hold;
        int hit = step(s, text.p[i], &hold);
        s->held[s->n_held++] = text.p[i];
        if (hit >= 0) hold = s->len[hit];
        size_t go = s->n_held - hold;
        buf_add(out, s->held, go);
        memmove(s->held, s->held + go, hold);
        s->n_held = hold;
        if (hit >= 0) return hit;
    }
    return -1;
}

void stop_flush(stopper *s, buf *out)
{
    buf_add(out, s->held, s->n_held);
    s->n_held = 0;
}
