/* Hostile and honest programs, judged at every level that this machine grants, as root and as nobody.
 * SPDX-License-Identifier: MIT
 *
 * programs/NAME.{c,cpp,py}: the first line is a comment with a JSON object: "verdict" (one or several),
 * what the "message" contains, and fields of the row. Expected output is "held", unless said: a program
 * that attacks prints it only if every attack was refused, so that AC means it ran and gained nothing. */
#define _GNU_SOURCE /* setresuid */
#include "tests/check.h"

#include "reward/code/code.h"

#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "tests/unit/reward/programs"
enum { PROGRAMS_MOST = 200, NOBODY = 65534, TOGETHER = 4 };

typedef struct program {
    char name[64];
    json_t *row;
    ponder_status st;
    ponder_error err;
    code_result result;
} program;

static program programs[PROGRAMS_MOST];
static size_t count;

static const char *language_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (!dot) return NULL;
    return !strcmp(dot, ".c") ? "c" : !strcmp(dot, ".cpp") ? "cpp" : !strcmp(dot, ".py") ? "python" : NULL;
}

/* The first line's object, completed to a row. */
static json_t *make_row(str code, const char *language)
{
    ponder_error err;
    json_t *row;
    size_t from = str_find(code, STR("{"), 0), to = str_find(code, STR("\n"), 0);
    assert_true(from < to && to < code.n);
    check_ok(json_parse(&row, (str){code.p + from, to - from}, "first line", &err));
    json_object_set_new(row, "language", json_string(language));
    json_object_set_new(row, "code", json_stringn(code.p, code.n));
    if (json_object_get(row, "entry_point")) return row;
    const json_t *output = json_object_get(row, "output");
    const char *want = output ? json_string_value(output) : "held\n";
    json_object_set_new(row, "tests", json_pack("[{s:s,s:s},{s:s,s:s}]", "input", "", "output", want,
                                                "input", "some input\n", "output", want));
    return row;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const program *)a)->name, ((const program *)b)->name);
}

static bool read_programs(void)
{
    DIR *d = opendir(FOLDER);
    if (!d) return false;
    for (struct dirent *e; (e = readdir(d)) && count < PROGRAMS_MOST;) {
        char path[256];
        buf b = {0};
        if (!language_of(e->d_name) || strlen(e->d_name) >= sizeof programs[0].name) continue;
        program *p = &programs[count];
        snprintf(path, sizeof path, FOLDER "/%.63s", e->d_name);
        if (file_read(&b, path, 1 << 20, NULL) != PONDER_OK) continue;
        snprintf(p->name, sizeof p->name, "%.63s", e->d_name);
        p->row = make_row(buf_str(&b), language_of(e->d_name));
        buf_free(&b);
        count++;
    }
    closedir(d);
    qsort(programs, count, sizeof *programs, by_name);
    return count > 0;
}

/* ---- judging all, several at a time ---------------------------------------------------------------- */

typedef struct crowd {
    code_judge *j;
    _Atomic size_t next;
} crowd;

static void *judge_some(void *arg)
{
    crowd *c = arg;
    for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < count;) {
        program *p = &programs[i];
        p->st = code_verify_row(c->j, &p->result, p->row, p->name, &p->err);
    }
    return NULL;
}

static void judge_all(code_judge *j)
{
    crowd c = {.j = j};
    pthread_t other[TOGETHER];
    for (int i = 0; i < TOGETHER; i++) assert_int_equal(pthread_create(&other[i], NULL, judge_some, &c), 0);
    for (int i = 0; i < TOGETHER; i++) pthread_join(other[i], NULL);
}

/* ---- the verdicts ---------------------------------------------------------------------------------- */

static bool is_wanted(const json_t *want, const char *verdict)
{
    if (json_is_string(want)) return !strcmp(json_string_value(want), verdict);
    for (size_t i = 0; i < json_array_size(want); i++)
        if (!strcmp(json_string_value(json_array_get(want, i)), verdict)) return true;
    return false;
}

static void test_program(void **state)
{
    const program *p = *state;
    const code_result *r = &p->result;
    if (p->st == PONDER_ENOTFOUND) {
        print_message("%s\n", p->err.message);
        skip();
    }
    if (p->st != PONDER_OK) fail_msg("%s", p->err.message);
    const char *verdict = code_verdict_name(r->verdict);
    const char *message = r->message.n ? r->message.p : "";
    if (!is_wanted(json_object_get(p->row, "verdict"), verdict))
        fail_msg("%s: %s (%s)", p->name, verdict, message);
    const json_t *part = json_object_get(p->row, "message");
    if (part && !strstr(message, json_string_value(part)))
        fail_msg("%s: message \"%s\" without \"%s\"", p->name, message, json_string_value(part));
    if (r->verdict == CODE_AC) assert_int_equal(r->passed, r->total);
    else assert_true(r->passed < r->total);
}

static int run_level(enum sandbox_level level)
{
    static struct CMUnitTest tests[PROGRAMS_MOST];
    static char names[PROGRAMS_MOST][96];
    const code_options o = {.box = {.slots = TOGETHER, .floor = level, .ceiling = level}};
    code_judge *j;
    ponder_error err;
    const char *who = geteuid() == 0 ? "root" : "nobody";
    if (code_open(&j, &o, &err) != PONDER_OK) {
        printf("ok - level %c as %s # SKIP %s\n", sandbox_level_letter(level), who, err.message);
        return 0;
    }
    judge_all(j);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "level %c as %.6s: %.63s", sandbox_level_letter(code_level(j)), who,
                 programs[i].name);
        tests[i] = (struct CMUnitTest){.name = names[i], .test_func = test_program, .initial_state = &programs[i]};
    }
    code_close(j);
    return _cmocka_run_group_tests("programs", tests, count, NULL, NULL);
}

static int run_as_nobody(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0) {
            puts("ok - as nobody # SKIP cannot give up root here");
            fflush(stdout);
            _exit(0);
        }
        int failed = run_level(SANDBOX_B) + run_level(SANDBOX_C);
        fflush(stdout);
        _exit(failed != 0);
    }
    int status;
    return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

int main(void)
{
    if (!read_programs()) {
        puts("not ok - no programs in " FOLDER "; run from the top folder");
        return 1;
    }
    int failed = 0;
    if (geteuid() == 0) failed += run_level(SANDBOX_A) + run_level(SANDBOX_C) + run_as_nobody();
    else failed += run_level(SANDBOX_B) + run_level(SANDBOX_C);
    for (size_t i = 0; i < count; i++) {
        code_result_free(&programs[i].result);
        json_decref(programs[i].row);
    }
    return failed != 0;
}
