/* Words that look back.
 * SPDX-License-Identifier: MIT */
#include "reward/reflection.h"

enum meaning { NOTHING, VERIFICATION, BACKTRACKING };

typedef struct phrase {
    str text;
    enum meaning meaning;
} phrase;

/* NOTHING takes the place of a shorter phrase that is not meant. */
#define V(s) {STR(s), VERIFICATION}
#define B(s) {STR(s), BACKTRACKING}
#define N(s) {STR(s), NOTHING}
static const phrase ENGLISH[] = {
    V("check"), V("checks"), V("checked"), V("checking"), V("recheck"), V("rechecking"),
    V("verify"), V("verifies"), V("verified"), V("verifying"), V("verification"),
    V("confirm"), V("confirms"), V("confirmed"), V("confirming"),
    V("validate"), V("validating"), V("make sure"), V("let me see if"),
    B("wait"), B("hold on"), B("oops"), B("actually"), B("instead"), B("alternatively"),
    B("mistake"), B("mistakes"), B("mistaken"), B("wrong"), B("incorrect"), B("not right"),
    B("not correct"), B("doesn't work"), B("does not work"), B("didn't work"), B("won't work"),
    B("try again"), B("start again"), B("start over"), B("go back"), B("going back"),
    B("backtrack"), B("backtracking"), B("retry"), B("redo"), B("undo"), B("rethink"),
    B("reconsider"), B("scratch that"), B("another approach"), B("another way"),
    N("nothing wrong"), N("instead of"),
};
static const phrase CHINESE[] = {
    V("检查"), V("检验"), V("验证"), V("验算"), V("核对"), V("核实"), V("核查"), V("确认"),
    V("复查"), V("复核"), V("重新检查"), V("重新验证"), V("重新核对"), V("重新验算"),
    B("不对"), B("错了"), B("出错"), B("有误"), B("不行"), B("行不通"), B("重新"), B("重来"),
    B("再试"), B("等等，"), B("等等,"), B("等一下"), B("且慢"), B("换一种"), B("换个"), B("退回"),
    B("回溯"), B("撤回"), B("改正"), B("纠正"),
    N("对不对"), N("不对称"),
};
#undef V
#undef B
#undef N

static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool stands_at(str s, size_t at, str phrase_of)
{
    if (phrase_of.n > s.n - at) return false;
    for (size_t i = 0; i < phrase_of.n; i++)
        if (lower(s.p[at + i]) != phrase_of.p[i]) return false;
    return true;
}

static const phrase *longest(const phrase *list, size_t n, str s, size_t at, bool words)
{
    const phrase *best = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t end = at + list[i].text.n;
        if ((best && best->text.n >= list[i].text.n) || !stands_at(s, at, list[i].text)) continue;
        if (!words || end == s.n || !letter(s.p[end])) best = &list[i];
    }
    return best;
}

static size_t count_phrase(reward_reflection *r, str s, size_t at)
{
    bool in_word = at && letter(s.p[at - 1]);
    const phrase *p = longest(CHINESE, COUNT_OF(CHINESE), s, at, false);
    if (!p && !in_word && letter(s.p[at])) p = longest(ENGLISH, COUNT_OF(ENGLISH), s, at, true);
    if (!p) return 0;
    r->verification += p->meaning == VERIFICATION;
    r->backtracking += p->meaning == BACKTRACKING;
    return p->text.n;
}

/* "No, ..." begins a sentence that takes something back; "... no" ends a line of a trace. */
static bool is_no(str line, size_t at)
{
    static const str ENDS[] = {STR("."), STR("!"), STR("?"), STR(":")};
    if (!stands_at(line, at, STR("no")) || (at && line.p[at - 1] != ' ')) return false;
    if (at + 2 == line.n) return at > 0;
    if (line.p[at + 2] != ',') return false;
    bool begins = at == 0;
    for (size_t i = 0; i < COUNT_OF(ENDS); i++)
        begins = begins || (at >= 2 && line.p[at - 2] == ENDS[i].p[0]);
    return begins;
}

/* Runs of " x" are one way back. */
static size_t ways_back(str line)
{
    size_t n = 0;
    if (!str_starts(line, STR("at most ")) && !str_starts(line, STR("至多 "))) return 0;
    for (size_t i = 1; i < line.n; i++) {
        bool cross = line.p[i] == 'x' && line.p[i - 1] == ' ' &&
                     (i + 1 == line.n || line.p[i + 1] == ' ');
        n += cross && !(i >= 3 && line.p[i - 2] == 'x' && line.p[i - 3] == ' ');
    }
    return n;
}

static void count_line(reward_reflection *r, str line)
{
    while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\r')) line.n--;
    r->backtracking += ways_back(line);
    for (size_t at = 0; at < line.n;) {
        size_t n = count_phrase(r, line, at);
        if (n == 0) r->backtracking += is_no(line, at);
        at += n ? n : 1;
    }
}

reward_reflection reward_reflect(str thinking)
{
    reward_reflection r = {0};
    for (size_t at = 0; at < thinking.n;) {
        size_t end = size_min(str_find(thinking, STR("\n"), at), thinking.n);
        count_line(&r, (str){thinking.p + at, end - at});
        at = end + 1;
    }
    return r;
}
