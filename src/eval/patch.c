/* Patches: a checkout, a diff, tests, all inside the sandbox.
 * SPDX-License-Identifier: MIT */
#include "eval/patch.h"

/* Statuses of the script's own steps; a test command that ends with one of them is a failure too. */
enum { NO_CHECKOUT = 113, NO_PATCH = 114, NO_TESTS = 115 };

static const char SCRIPT[] =
    "mkdir tree && cd tree && tar xf ../repo.tar && rm -f ../repo.tar || exit 113\n"
    "git init -q . && git checkout -q -f \"$(cat ../commit)\" -- . || exit 113\n"
    "git read-tree \"$(cat ../commit)\" || exit 113\n"
    "git apply --whitespace=nowarn ../model.diff || exit 114\n"
    "if [ -s ../test.diff ]; then\n"
    "  git apply --numstat ../test.diff | cut -f3 | while read -r f; do\n"
    "    git checkout -q \"$(cat ../commit)\" -- \"$f\" 2>/dev/null || rm -f -- \"$f\"\n"
    "  done\n"
    "  git apply --whitespace=nowarn ../test.diff || exit 115\n"
    "fi\n"
    "exec sh ../test.sh\n";

typedef struct patch_row {
    str repo, commit, tests, command;
    const json_t *expect;
    int64_t time_ms, memory_mb;
} patch_row;

static ponder_status read_row(patch_row *r, const json_t *row, ponder_error *err)
{
    *r = (patch_row){.tests = STR(""), .time_ms = 600000, .memory_mb = 2048};
    TRY(json_field_str(row, "row", "repo", &r->repo, err));
    TRY(json_field_str(row, "row", "base_commit", &r->commit, err));
    TRY(json_field_str(row, "row", "test_patch", &r->tests, err));
    TRY(json_field_str(row, "row", "test_cmd", &r->command, err));
    TRY(json_field_i64(row, "row", "time_limit_ms", 1, 86400000, &r->time_ms, err));
    TRY(json_field_i64(row, "row", "memory_limit_mb", 16, 1 << 20, &r->memory_mb, err));
    r->expect = json_object_get(row, "expect");
    for (size_t i = 0; i < r->commit.n; i++)
        if (!strchr("0123456789abcdef", r->commit.p[i]) || !r->commit.p[i])
            return err_set(err, PONDER_EFORMAT, "\"base_commit\" must be a commit's hash");
    if (r->repo.n == 0 || r->commit.n < 4 || r->command.n == 0)
        return err_set(err, PONDER_EFORMAT, "want \"repo\", \"base_commit\" and \"test_cmd\"");
    return PONDER_OK;
}

static ponder_status run(sandbox *box, sandbox_result *out, const patch_row *r, str tar, str diff,
                         ponder_error *err)
{
    static const char *const ARGV[] = {"/bin/sh", "run.sh", NULL};
    static const char *const ENV[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/",
                                      "GIT_CONFIG_NOSYSTEM=1", "PYTHONDONTWRITEBYTECODE=1", NULL};
    const sandbox_file files[] = {{"run.sh", str_of(SCRIPT), false}, {"repo.tar", tar, false},
                                  {"commit", r->commit, false},      {"model.diff", diff, false},
                                  {"test.diff", r->tests, false},    {"test.sh", r->command, false}};
    const sandbox_job job = {
        .argv = ARGV,
        .env = ENV,
        .files = files,
        .nfiles = COUNT_OF(files),
        .limits = {.cpu_ms = (uint64_t)r->time_ms,
                   .memory = (uint64_t)r->memory_mb << 20,
                   .files = (uint64_t)tar.n * 8 + ((uint64_t)256 << 20),
                   .tasks = 256,
                   .processes = true}};
    return sandbox_run(box, &job, out, err);
}

static bool holds_all(const buf *output, const json_t *expect)
{
    for (size_t i = 0; i < json_array_size(expect); i++) {
        str text = json_str(json_array_get(expect, i));
        if (str_find(buf_str(output), text, 0) == SIZE_MAX) return false;
    }
    return true;
}

static ponder_status verdict(enum eval_patch_end *out, const sandbox_result *s, const patch_row *r,
                             ponder_error *err)
{
    str why = buf_str(&s->err);
    if (why.n > 200) why.n = 200;
    *out = EVAL_PATCH_FAILED;
    if (s->end != SANDBOX_EXITED) {
        if (s->end != SANDBOX_SIGNALED) *out = EVAL_PATCH_LIMIT;
        return PONDER_OK;
    }
    if (s->code == NO_CHECKOUT)
        return err_set(err, PONDER_EFORMAT, "%.*s: cannot check out %.*s: %.*s", STR_ARG(r->repo),
                       STR_ARG(r->commit), STR_ARG(why));
    if (s->code == NO_TESTS)
        return err_set(err, PONDER_EFORMAT, "\"test_patch\" does not apply: %.*s", STR_ARG(why));
    if (s->code == NO_PATCH) *out = EVAL_PATCH_REFUSED;
    if (s->code == 0 && holds_all(&s->out, r->expect)) *out = EVAL_PATCH_PASSED;
    return PONDER_OK;
}

ponder_status eval_patch_judge(sandbox *box, enum eval_patch_end *out, const json_t *row, str diff,
                               ponder_error *err)
{
    patch_row r;
    buf tar = {0}, repo = {0}, whole = {0};
    sandbox_result result = {0};
    *out = EVAL_PATCH_REFUSED;
    TRY(read_row(&r, row, err));
    buf_add_str(&repo, r.repo);
    buf_add_str(&whole, diff);
    buf_add_char(&whole, '\n'); /* git wants the last line ended */
    ponder_status st = repo.failed || whole.failed ? err_set(err, PONDER_ENOMEM, "out of memory")
                                                   : eval_repo_tar(&tar, repo.p, err);
    if (st == PONDER_OK) st = run(box, &result, &r, buf_str(&tar), buf_str(&whole), err);
    if (st == PONDER_OK) st = verdict(out, &result, &r, err);
    sandbox_result_free(&result);
    buf_free(&tar);
    buf_free(&repo);
    buf_free(&whole);
    return st;
}
