/* format and language: reward terms as verifiers. Kinds "format" and "language".
 * SPDX-License-Identifier: MIT */
#include "reward/reward_int.h"
#include "reward/terms.h"

ponder_status check_format(const reward_question *q, ponder_error *err)
{
    enum reward_layout layout;
    if (reward_layout_by_name(&layout, q->gold)) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT,
                   "kind format: \"gold\" \"%.*s\" must be \"think\" or \"think_answer\"",
                   STR_ARG(q->gold));
}

bool kind_format(const reward_question *q, str answer, const char **reason)
{
    enum reward_layout layout;
    bool opened = json_is_true(json_object_get(q->puzzle, "opened"));
    bool right =
        reward_layout_by_name(&layout, q->gold) && reward_format(answer, layout, opened) > 0;
    *reason = right ? "has the form" : "has another form";
    return right;
}

/* The share that counts as being in the language: puzzle.share, else nine words of ten. */
static double share_wanted(const reward_question *q)
{
    const json_t *v = json_object_get(q->puzzle, "share");
    return v ? json_number_value(v) : 0.9;
}

ponder_status check_language(const reward_question *q, ponder_error *err)
{
    const json_t *share = json_object_get(q->puzzle, "share");
    if (share && !json_is_number(share))
        return err_set(err, PONDER_EFORMAT, "kind language: \"puzzle.share\" must be a number");
    if (reward_language_known(q->gold)) return PONDER_OK;
    return err_set(
        err, PONDER_EFORMAT,
        "kind language: \"gold\" \"%.*s\" must be one of en de fr es it pt nl zh ja ko ru "
        "el ar he hi th",
        STR_ARG(q->gold));
}

bool kind_language(const reward_question *q, str answer, const char **reason)
{
    bool right = reward_language(answer, q->gold).share >= share_wanted(q);
    *reason = right ? "in the language" : "too many words of other languages";
    return right;
}
