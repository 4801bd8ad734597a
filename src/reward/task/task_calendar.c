/* task_calendar: weekdays and days between dates, Gregorian, 1900 to 2099.
 * SPDX-License-Identifier: MIT
 *
 * Weekdays are numbers, 1 Monday to 7 Sunday (ISO 8601). 1900-01-01 was a Monday and 2000-01-01 a
 * Saturday; of the years here only 1900 breaks the rule of four. */
#include "reward/task/task_int.h"

enum asked { AFTER, BEFORE, DAYS_BETWEEN, FROM_KNOWN, WEEKDAY };

typedef struct date {
    int y, m, d;
} date;

typedef struct question {
    enum asked asked;
    int weekday; /* AFTER, BEFORE: of today; FROM_KNOWN: of `from` */
    int days;    /* AFTER, BEFORE */
    date from, to;
} question;

static bool is_leap(int y) { return y % 4 == 0 && y != 1900; }

static int month_days(int y, int m)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return DAYS[m - 1] + (m == 2 && is_leap(y));
}

static int year_days(int y) { return is_leap(y) ? 366 : 365; }

/* Leap years from 1900 to y - 1. */
static int leaps_before(int y) { return y > 1900 ? (y - 1901) / 4 : 0; }

/* Days since 1900-01-01. */
static int day_number(date a)
{
    int n = (a.y - 1900) * 365 + leaps_before(a.y) + a.d - 1;
    for (int m = 1; m < a.m; m++) n += month_days(a.y, m);
    return n;
}

static date draw_date(task_draw *d, int low, int high)
{
    date a;
    a.y = (int)task_between(d, low, high);
    a.m = (int)task_between(d, 1, 12);
    a.d = (int)task_between(d, 1, month_days(a.y, a.m));
    return a;
}

static bool draw(void *state, task_draw *d, int level)
{
    question *q = state;
    if (level <= 2) {
        q->asked = level == 1 || task_below(d, 2) ? AFTER : BEFORE;
        q->weekday = (int)task_between(d, 1, 7);
        q->days = (int)(level == 1 ? task_between(d, 2, 40) : task_between(d, 41, 999));
        return true;
    }
    if (level == 6) {
        q->asked = WEEKDAY;
        q->to = draw_date(d, 1900, 2099);
        return true;
    }
    q->from = draw_date(d, 1990, 2039);
    q->to = level == 5 ? draw_date(d, q->from.y + 1, q->from.y + 6)
                       : draw_date(d, q->from.y, q->from.y);
    q->asked = level == 4 ? FROM_KNOWN : DAYS_BETWEEN;
    if (level == 4) q->weekday = day_number(q->from) % 7 + 1;
    return day_number(q->from) < day_number(q->to);
}

static void key(const void *state, buf *out)
{
    const question *q = state;
    const int v[] = {q->asked,  q->days, q->asked <= BEFORE ? q->weekday : 0,
                     q->from.y, q->from.m, q->from.d, q->to.y, q->to.m, q->to.d};
    for (size_t i = 0; i < COUNT_OF(v); i++) task_put(out, v[i]), buf_add_char(out, ' ');
}

/* 2024-02-29; years have four digits here. */
static void put_date(buf *out, date a) { buf_printf(out, "%d-%02d-%02d", a.y, a.m, a.d); }

static str weekday_name(int weekday, enum task_lang lang)
{
    static const char *const EN[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                     "Friday", "Saturday", "Sunday"};
    static const char *const ZH[] = {"星期一", "星期二", "星期三", "星期四",
                                     "星期五", "星期六", "星期日"};
    return str_of(lang == TASK_ZH ? ZH[weekday - 1] : EN[weekday - 1]);
}

#define NUMBERS_EN " Answer 1 for Monday to 7 for Sunday."
#define NUMBERS_ZH "星期一答 1，星期日答 7，依此类推。"

static void prompt(const void *state, enum task_lang lang, task_draw *d, buf *out)
{
    static const char *const EN[][3] = {
        {"Today is #. Which weekday is it in # days?" NUMBERS_EN,
         "It is # today. Which weekday comes # days later?" NUMBERS_EN,
         "If today is #, what is the weekday # days from now?" NUMBERS_EN},
        {"Today is #. Which weekday was it # days ago?" NUMBERS_EN,
         "It is # today. Which weekday was # days earlier?" NUMBERS_EN,
         "If today is #, what was the weekday # days before?" NUMBERS_EN},
        {"How many days is it from # to #?", "Count the days from # to #, the first not counted.",
         "How many days after # is #?"},
        {"# is a #. Which weekday is #?" NUMBERS_EN,
         "If # falls on a #, on which weekday does # fall?" NUMBERS_EN,
         "Given that # is a #, find the weekday of #." NUMBERS_EN},
        {"Which weekday is #?" NUMBERS_EN, "On which weekday does # fall?" NUMBERS_EN,
         "Find the weekday of #." NUMBERS_EN},
    };
    static const char *const ZH[][3] = {
        {"今天是#，# 天后是星期几？" NUMBERS_ZH, "若今天是#，再过 # 天是星期几？" NUMBERS_ZH,
         "今天#，往后数 # 天是星期几？" NUMBERS_ZH},
        {"今天是#，# 天前是星期几？" NUMBERS_ZH, "若今天是#，倒退 # 天是星期几？" NUMBERS_ZH,
         "今天#，往前数 # 天是星期几？" NUMBERS_ZH},
        {"从 # 到 # 有多少天？", "数一数从 # 到 # 的天数，首日不计。", "# 之后多少天是 #？"},
        {"# 是#，# 是星期几？" NUMBERS_ZH, "已知 # 是#，求 # 是星期几。" NUMBERS_ZH,
         "若 # 为#，那么 # 是星期几？" NUMBERS_ZH},
        {"# 是星期几？" NUMBERS_ZH, "求 # 是星期几。" NUMBERS_ZH,
         "请问 # 这一天是星期几？" NUMBERS_ZH},
    };
    const question *q = state;
    buf from = {0}, to = {0};
    put_date(&from, q->from), put_date(&to, q->to);
    str name = q->weekday ? weekday_name(q->weekday, lang) : STR("");
    task_digits digits;
    str parts[3] = {name, task_number(&digits, q->days)};
    if (q->asked == DAYS_BETWEEN) parts[0] = buf_str(&from), parts[1] = buf_str(&to);
    if (q->asked == FROM_KNOWN) parts[0] = buf_str(&from), parts[1] = name, parts[2] = buf_str(&to);
    if (q->asked == WEEKDAY) parts[0] = buf_str(&to);
    task_ask(out, lang, d, EN[q->asked], ZH[q->asked], parts);
    out->failed |= from.failed || to.failed;
    buf_free(&from);
    buf_free(&to);
}

static void answer(const void *state, buf *out)
{
    const question *q = state;
    int weekday = q->weekday - 1;
    switch (q->asked) {
    case AFTER: weekday += q->days; break;
    case BEFORE: weekday += 7000 - q->days; break;
    case DAYS_BETWEEN: task_put(out, day_number(q->to) - day_number(q->from)); return;
    case FROM_KNOWN:
    case WEEKDAY: weekday = day_number(q->to);
    }
    task_put(out, weekday % 7 + 1);
}

/* ---- traces ---------------------------------------------------------------------------------- */

static void say_year(task_tale *t, int y)
{
    if (is_leap(y)) task_say(t, "leap year ", "闰年 ");
    else task_say(t, "common year ", "平年 ");
    task_put(t->out, y), buf_add_char(t->out, '\n');
}

/* A weekday moved by days, back when sign is '-'. */
static int64_t move(task_tale *t, int64_t weekday, char sign, int64_t days)
{
    int64_t weeks;
    task_goal(t, "weeks\n", "整周\n");
    if (days >= 7) days = task_divide(t, days, 7, &weeks);
    task_goal(t, "rest\n", "余下\n");
    weekday = task_step(t, weekday, sign, days);
    while (weekday > 7) weekday = task_step(t, weekday, '-', 7);
    while (weekday < 1) weekday = task_step(t, weekday, '+', 7);
    return weekday;
}

/* The number of a day in its year: the days before its month, which one knows by heart, and its
 * own. */
static int64_t day_of_year(task_tale *t, date a)
{
    static const int BEFORE_MONTH[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    put_date(t->out, a), buf_add_char(t->out, '\n');
    if (a.m == 1) return a.d;
    int64_t n = task_step(t, BEFORE_MONTH[a.m - 1], '+', a.d);
    if (a.m == 2) return n; /* the 29th of February comes later */
    say_year(t, a.y);
    return is_leap(a.y) ? task_step(t, n, '+', 1) : n;
}

/* Days between two dates of one year, month by month. */
static int64_t through_months(task_tale *t, date a, date b)
{
    if (a.m == b.m) return task_step(t, b.d, '-', a.d);
    if (a.m <= 2 && b.m > 2) say_year(t, a.y);
    int64_t n = task_step(t, month_days(a.y, a.m), '-', a.d);
    for (int m = a.m + 1; m < b.m; m++) n = task_step(t, n, '+', month_days(a.y, m));
    return task_step(t, n, '+', b.d);
}

/* Days between two dates of different years: the rest of the first, whole years, the last. */
static int64_t through_years(task_tale *t, date a, date b)
{
    int64_t first = day_of_year(t, a);
    if (a.m <= 2) say_year(t, a.y);
    int64_t n = task_step(t, year_days(a.y), '-', first);
    for (int y = a.y + 1; y < b.y; y++) {
        say_year(t, y);
        n = task_step(t, n, '+', year_days(y));
    }
    return task_step(t, n, '+', day_of_year(t, b));
}

/* Days between by the numbers of the days in their years. */
static int64_t by_day_of_year(task_tale *t, date a, date b)
{
    int64_t first = day_of_year(t, a), n = day_of_year(t, b);
    if (a.y < b.y) {
        n = task_step(t, n, '+', task_step(t, task_step(t, b.y, '-', a.y), '*', 365));
        int leaps = leaps_before(b.y) - leaps_before(a.y);
        for (int y = a.y; y < b.y; y++)
            if (is_leap(y)) say_year(t, y);
        if (leaps) n = task_step(t, n, '+', leaps);
    }
    return task_step(t, n, '-', first);
}

/* From Monday 1900-01-01: a year moves the weekday by one, a leap year by one more. */
static int64_t from_1900(task_tale *t, date a)
{
    task_goal(t, "years\n", "年\n");
    int64_t n = task_step(t, a.y, '-', 1900);
    if (a.y > 1901) {
        int64_t leaps, since = task_step(t, a.y, '-', 1901);
        task_divide(t, since, 4, &leaps);
        n = task_step(t, n, '+', leaps);
    }
    task_goal(t, "days\n", "日\n");
    n = task_step(t, n, '+', day_of_year(t, a));
    int64_t weeks;
    return n < 7 ? n : task_divide(t, n, 7, &weeks);
}

/* From Saturday 2000-01-01, by days. */
static int64_t from_2000(task_tale *t, date a)
{
    int64_t n = task_step(t, a.y < 2000 ? 2000 - a.y : a.y - 2000, '*', 365);
    int leaps = leaps_before(a.y) - leaps_before(2000);
    if (leaps) n = task_step(t, n, '+', leaps < 0 ? -leaps : leaps);
    int64_t past = task_step(t, day_of_year(t, a), '-', 1);
    return a.y < 2000 ? move(t, 6, '-', task_step(t, n, '-', past))
                      : move(t, 6, '+', task_step(t, n, '+', past));
}

static int64_t days_between(task_tale *t, const question *q)
{
    if (t->o->style == TASK_SUBGOALS) return by_day_of_year(t, q->from, q->to);
    int64_t n = q->from.y == q->to.y ? through_months(t, q->from, q->to)
                                     : through_years(t, q->from, q->to);
    if (task_checks(t)) by_day_of_year(t, q->from, q->to);
    return n;
}

static int64_t solve(task_tale *t, const question *q)
{
    switch (q->asked) {
    case AFTER:
    case BEFORE: {
        int64_t weekday = move(t, q->weekday, q->asked == AFTER ? '+' : '-', q->days);
        if (task_checks(t)) move(t, weekday, q->asked == AFTER ? '-' : '+', q->days);
        return weekday;
    }
    case DAYS_BETWEEN: return days_between(t, q);
    case FROM_KNOWN: return move(t, q->weekday, '+', days_between(t, q));
    case WEEKDAY: break;
    }
    int64_t weekday = from_1900(t, q->to);
    if (weekday == 0) weekday = 7;
    if (task_checks(t)) from_2000(t, q->to);
    return weekday;
}

/* The givens as the trace reads them. */
static void read_givens(task_tale *t, question *q)
{
    if (q->asked <= BEFORE) {
        q->weekday = (int)task_read(t, q->weekday, 1, 7);
        q->days = (int)task_read(t, q->days, 1, 999);
        buf_printf(t->out, "%d %c %d\n", q->weekday, q->asked == AFTER ? '+' : '-', q->days);
        return;
    }
    q->to.d = (int)task_read(t, q->to.d, 1, month_days(q->to.y, q->to.m));
    if (q->asked == WEEKDAY) {
        put_date(t->out, q->to), buf_add_char(t->out, '\n');
        return;
    }
    /* The second date must stay behind the first. */
    bool near = q->from.y == q->to.y && q->from.m == q->to.m;
    int last = near ? q->to.d : month_days(q->from.y, q->from.m);
    if (last > 1) q->from.d = (int)task_read(t, q->from.d, 1, last);
    put_date(t->out, q->from), buf_add_char(t->out, ' ');
    put_date(t->out, q->to), buf_add_char(t->out, '\n');
}

static void trace(const void *state, task_tale *t)
{
    question q = *(const question *)state;
    if (t->o->style == TASK_VERIFICATION) read_givens(t, &q);
    task_put(t->answer, solve(t, &q));
}

const task_family task_calendar = {
    .name = "calendar",
    .kind = "integer",
    .about = "weekdays, days between dates, leap years",
    .levels = 6,
    .styles = 1 << TASK_DIRECT | 1 << TASK_VERIFICATION | 1 << TASK_BACKTRACKING |
              1 << TASK_SUBGOALS,
    .state_bytes = sizeof(question),
    .draw = draw,
    .key = key,
    .prompt = prompt,
    .answer = answer,
    .trace = trace,
};
