/* Programs that answer lines with lines: what they do well and badly, and that none is left behind.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"

#include "sandbox/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECOND = 1000, LONG = 60 * SECOND };

static void open_shell(child *c, const char *script)
{
    ponder_error err;
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    check_ok(child_open(c, argv, NULL, &err));
}

static child_report ask(child *c, const char *input, size_t want, uint64_t ms)
{
    ponder_error err;
    child_report r;
    check_ok(child_ask(c, str_of(input), want, ms, &r, &err));
    return r;
}

/* Nothing is left to be waited for. */
static void check_reaped(pid_t pid)
{
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void close_and_check(child *c)
{
    pid_t pid = c->pid;
    child_close(c);
    check_reaped(pid);
    child_close(c); /* harmless */
}

static void answers_in_order_again_and_again(void **state)
{
    (void)state;
    child c;
    open_shell(&c, "while read x; do echo \"<$x>\"; done");
    for (int i = 0; i < 3; i++) {
        child_report r = ask(&c, "a\nb\nc\n", 3, LONG);
        assert_int_equal(r.end, CHILD_ANSWERED);
        assert_int_equal(r.lines, 3);
        assert_string_equal(c.lines.p, "<a>\n<b>\n<c>\n");
    }
    assert_int_equal(ask(&c, "", 0, LONG).end, CHILD_ANSWERED);
    close_and_check(&c);
}

/* Far more than pipes hold goes both ways at once. */
static void much_does_not_block(void **state)
{
    (void)state;
    enum { LINES = 2000, WIDE = 2000 };
    child c;
    ponder_error err;
    child_report r;
    buf in = {0};
    for (int i = 0; i < LINES; i++) {
        for (int k = 0; k < WIDE; k++) buf_add_char(&in, (char)('a' + (i + k) % 26));
        buf_add_char(&in, '\n');
    }
    const char *argv[] = {"cat", NULL};
    check_ok(child_open(&c, argv, "/", &err));
    check_ok(child_ask(&c, buf_str(&in), LINES, LONG, &r, &err));
    assert_int_equal(r.end, CHILD_ANSWERED);
    assert_true(str_eq(buf_str(&c.lines), buf_str(&in)));
    buf_free(&in);
    close_and_check(&c);
}

static void runs_where_it_is_told_to(void **state)
{
    (void)state;
    child c;
    ponder_error err;
    char dir[] = "/tmp/child-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const char *argv[] = {"/bin/sh", "-c", "read x; pwd -P", NULL};
    check_ok(child_open(&c, argv, dir, &err));
    assert_int_equal(ask(&c, "x\n", 1, LONG).end, CHILD_ANSWERED);
    assert_non_null(strstr(c.lines.p, dir + sizeof "/tmp/" - 1));
    close_and_check(&c);
    assert_int_equal(rmdir(dir), 0);
}

static void what_cannot_start_is_said(void **state)
{
    (void)state;
    child c;
    ponder_error err;
    const char *absent[] = {"no-such-program-here", NULL}, *folder[] = {"/", NULL},
               *plain[] = {"/etc/passwd", NULL};
    assert_int_equal(child_open(&c, absent, NULL, &err), PONDER_ENOTFOUND);
    assert_non_null(strstr(err.message, "no-such-program-here"));
    child_close(&c);
    assert_int_equal(child_open(&c, folder, NULL, &err), PONDER_ENOTFOUND);
    child_close(&c);
    assert_int_equal(child_open(&c, plain, NULL, &err), PONDER_ENOTFOUND);
    assert_non_null(strstr(err.message, "chmod +x"));
    child_close(&c);
    assert_int_equal(child_open(&c, absent, "/no/such/folder", &err), PONDER_ENOTFOUND);
    child_close(&c);
    child none = {0};
    child_close(&none);
    assert_int_not_equal(write(STDERR_FILENO, "", 0), -1); /* 0 to 2 are not a child's to close */
}

static void an_early_end_tells_how(void **state)
{
    (void)state;
    child c;
    open_shell(&c, "read x; echo 1; read x; echo alas >&2; exit 7");
    pid_t pid = c.pid;
    child_report r = ask(&c, "a\nb\nc\n", 3, LONG);
    assert_int_equal(r.end, CHILD_ENDED);
    assert_int_equal(r.lines, 1);
    assert_true(WIFEXITED(r.status));
    assert_int_equal(WEXITSTATUS(r.status), 7);
    assert_string_equal(c.complaint.p, "alas\n");
    check_reaped(pid);
    r = ask(&c, "d\n", 1, LONG);
    assert_int_equal(r.end, CHILD_ENDED);
    assert_int_equal(r.status, -1);
    child_close(&c);

    open_shell(&c, "kill -9 $$");
    r = ask(&c, "a\n", 1, LONG);
    assert_int_equal(r.end, CHILD_ENDED);
    assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGKILL);
    child_close(&c);

    open_shell(&c, "exec >&-; sleep 1000");
    r = ask(&c, "a\n", 1, LONG);
    assert_int_equal(r.end, CHILD_ENDED);
    assert_int_equal(r.status, -1);
    close_and_check(&c);
}

/* A megabyte to one that reads nothing: no signal ends us, and one that was blocked stays so. */
static void a_reader_that_is_gone_does_no_harm(void **state)
{
    (void)state;
    child c;
    child_report r;
    ponder_error err;
    sigset_t waiting;
    buf in = {0};
    for (int i = 0; i < 1 << 20; i++) buf_add_char(&in, 'x');
    buf_add_char(&in, '\n');
    open_shell(&c, "exit 0");
    usleep(100000);
    check_ok(child_ask(&c, buf_str(&in), 1, LONG, &r, &err));
    assert_int_equal(r.end, CHILD_ENDED);
    sigpending(&waiting);
    assert_int_equal(sigismember(&waiting, SIGPIPE), 0);
    child_close(&c);

    /* An answer that does not wait for all of the question is one as soon as the rest is refused. */
    open_shell(&c, "dd bs=1 count=1 >&2; echo 1; exec <&-; sleep 1000"); /* once it is asked */
    check_ok(child_ask(&c, buf_str(&in), 1, LONG, &r, &err));
    assert_int_equal(r.end, CHILD_ANSWERED);
    close_and_check(&c);
    buf_free(&in);
}

static void silence_has_an_end(void **state)
{
    (void)state;
    child c;
    int held[2]; /* whatever is started holds the other end */
    assert_int_equal(pipe(held), 0);
    open_shell(&c, "read x; echo 1; sleep 1000 & sleep 1000");
    close(held[1]);
    uint64_t start = clock_ns();
    child_report r = ask(&c, "a\nb\n", 2, 200);
    assert_int_equal(r.end, CHILD_SILENT);
    assert_int_equal(r.lines, 1);
    assert_true(clock_ns() - start >= 200000000);
    close_and_check(&c);
    struct pollfd end = {held[0], POLLIN, 0};
    assert_int_equal(poll(&end, 1, 10 * SECOND), 1);
    assert_int_equal(end.revents, POLLHUP);
    close(held[0]);

    open_shell(&c, "while :; do echo x >&2; done"); /* noise is no answer */
    r = ask(&c, "a\n", 1, 200);
    assert_int_equal(r.end, CHILD_SILENT);
    assert_true(c.complaint.n > 0 && c.complaint.n <= CHILD_COMPLAINT);
    close_and_check(&c);
}

/* Each line has the time, not all of them together. */
static void slow_is_not_silent(void **state)
{
    (void)state;
    child c;
    open_shell(&c, "while read x; do sleep 0.3; echo $x; done");
    uint64_t start = clock_ns();
    child_report r = ask(&c, "a\nb\nc\nd\ne\nf\ng\nh\n", 8, 2 * SECOND);
    assert_int_equal(r.end, CHILD_ANSWERED);
    assert_true(clock_ns() - start > 2ull * SECOND * 1000000);
    close_and_check(&c);
}

static void too_much_is_found_out(void **state)
{
    (void)state;
    child c;
    open_shell(&c, "read x; while :; do echo 1; done"); /* at the latest when it is asked again */
    enum child_end first = ask(&c, "a\n", 1, LONG).end;
    usleep(100000);
    if (first == CHILD_ANSWERED) assert_int_equal(ask(&c, "a\n", 1, LONG).end, CHILD_MORE);
    else assert_int_equal(first, CHILD_MORE);
    close_and_check(&c);
    open_shell(&c, "read x; printf '1\\n2'; sleep 1000"); /* in one piece */
    assert_int_equal(ask(&c, "a\n", 1, LONG).end, CHILD_MORE);
    close_and_check(&c);
    open_shell(&c, "read x; while :; do printf xxxxxxxxxxxxxxxx; done");
    assert_int_equal(ask(&c, "a\n", 1, LONG).end, CHILD_LONG);
    assert_true(c.lines.n < 4 * CHILD_LINE);
    close_and_check(&c);
    open_shell(&c, "echo ready; while read x; do echo 1; done");
    usleep(200000);
    assert_int_equal(ask(&c, "a\n", 1, LONG).end, CHILD_MORE); /* before it was asked */
    close_and_check(&c);
}

/* Ctrl-C goes to the terminal's group, which is not the program's. */
static void has_a_group_of_its_own(void **state)
{
    (void)state;
    child c;
    open_shell(&c, "while read x; do echo 1; done");
    assert_int_equal(getpgid(c.pid), c.pid);
    assert_int_not_equal(getpgid(c.pid), getpgrp());
    close_and_check(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_in_order_again_and_again),
        cmocka_unit_test(much_does_not_block),
        cmocka_unit_test(runs_where_it_is_told_to),
        cmocka_unit_test(what_cannot_start_is_said),
        cmocka_unit_test(an_early_end_tells_how),
        cmocka_unit_test(a_reader_that_is_gone_does_no_harm),
        cmocka_unit_test(silence_has_an_end),
        cmocka_unit_test(slow_is_not_silent),
        cmocka_unit_test(too_much_is_found_out),
        cmocka_unit_test(has_a_group_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
