/* patch: is a change to a git repository right? SWE-bench's form on repositories of this machine:
 * the model's diff and then the row's tests are applied to a clean checkout in the sandbox, and the
 * row's command is run.
 * SPDX-License-Identifier: MIT */
#ifndef EVAL_PATCH_H
#define EVAL_PATCH_H

#include "json/json.h"
#include "sandbox/sandbox.h"

enum eval_patch_end {
    EVAL_PATCH_PASSED,
    EVAL_PATCH_FAILED,  /* the command ended with another status than 0, or lacks a text of "expect" */
    EVAL_PATCH_REFUSED, /* the diff does not apply */
    EVAL_PATCH_LIMIT    /* time, memory or output */
};

/* Judges `diff` by a row {"repo": a repository of this machine, "base_commit", "test_cmd" (for sh),
 * "test_patch"?, "expect"?: texts the output must hold, "time_limit_ms"? (600000),
 * "memory_limit_mb"? (2048)}. Files that test_patch changes are first put back as base_commit has
 * them. EFORMAT or ENOTFOUND when the repository, the commit or the tests are at fault. */
ponder_status eval_patch_judge(sandbox *box, enum eval_patch_end *out, const json_t *row, str diff,
                               ponder_error *err);

/* A repository's objects and references as a tar archive (POSIX ustar), names under ".git/". Its
 * configuration and hooks stay behind: they could run programs. */
ponder_status eval_repo_tar(buf *out, const char *repo, ponder_error *err);

#endif
