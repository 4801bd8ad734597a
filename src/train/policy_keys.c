/* policy_keys: what a stage of GRPO or PPO is told, and what of it cannot be.
 * SPDX-License-Identifier: MIT */
#include "train/policy_keys.h"

#include "train/asker.h"

#include <math.h>
#include <stddef.h>

#define AT(field) offsetof(policy_keys, field)
static const key own_keys[] = {
    {"questions", KEY_SIZE, AT(questions), 1, 1 << 20},
    {"group", KEY_SIZE, AT(group), 1, POLICY_GROUP_MAX},
    {"updates", KEY_SIZE, AT(updates), 1, 1 << 20},
    {"redraw", KEY_SIZE, AT(redraw), 1, 64},
    {"shared_prompts", KEY_FLAG, AT(shared_prompts), 0, 0},
    {"answer_tokens", KEY_SIZE, AT(answer_tokens), 1, 1 << 20},
    {"temperature", KEY_FLOAT, AT(temperature), 0.01, 10},
    {"clip_low", KEY_FLOAT, AT(objective.clip_low), 0, 1000},
    {"clip_high", KEY_FLOAT, AT(objective.clip_high), 0, 1000},
    {"kl", KEY_FLOAT, AT(objective.kl), 0, 100},
    {"refresh", KEY_COUNT, AT(refresh), 0, 1e12},
    {"mean", KEY_TEXT, AT(mean), 0, 0},
    {"mean_tokens", KEY_FLOAT, AT(objective.constant), 1, 1e9},
    {"no_deviation", KEY_FLAG, AT(objective.no_deviation), 0, 0},
    {"accuracy", KEY_REAL, AT(reward.accuracy), 0, 1000},
    {"format", KEY_REAL, AT(reward.format), 0, 1000},
    {"language", KEY_REAL, AT(reward.language), 0, 1000},
    {"overlong", KEY_REAL, AT(reward.overlong), 0, 1000},
    {"overlong_tokens", KEY_SIZE, AT(reward.overlong_tokens), 0, 1 << 20},
    {"layout", KEY_TEXT, AT(layout), 0, 0},
    {"rewards", KEY_LIST, AT(rewards), 0, 0},
    {"eval_group", KEY_COUNT, AT(eval_group), 1, POLICY_GROUP_MAX},
    {"eval_temperature", KEY_FLOAT, AT(eval_temperature), 0, 10},
    {0},
};
static const key ppo_keys[] = {
    {"gamma", KEY_FLOAT, AT(critic.gamma), 0, 1},
    {"lambda", KEY_FLOAT, AT(critic.lambda), 0, 1},
    {"value_clip", KEY_FLOAT, AT(critic.clip), 0, 1e6},
    {"value_lr", KEY_REAL, AT(value_lr), 0, 10},
    {0},
};
#undef AT

/* DeepSeek-R1's numbers where it has them: 32 questions, 16 answers each, beta 0.001, the reference
 * renewed every 400 steps, a constant rate of 3e-6 (arXiv 2501.12948). */
static policy_keys defaults(bool ppo)
{
    policy_keys k = {.mean = "response",
                     .layout = "think_answer",
                     .questions = 32,
                     .group = 16,
                     .updates = 1,
                     .redraw = 1,
                     .answer_tokens = 256,
                     .refresh = 400,
                     .eval_group = 1,
                     .shared_prompts = true,
                     .temperature = 1,
                     .eval_temperature = 1,
                     .objective = {.clip_low = 0.2f, .clip_high = 0.2f, .kl = 0.001f},
                     .reward = {.accuracy = 1, .format = 1}};
    if (!ppo) return k;
    k.ppo = true;
    k.mean = "token";
    k.questions = 512;
    k.group = 1;
    k.critic = (critic_options){.gamma = 1, .lambda = 1, .clip = 0.2f};
    return k;
}

/* What PPO means by keys that GRPO has too. */
static ponder_status check_ppo(policy_keys *k, const training *t, const char *where,
                               ponder_error *err)
{
    if (t->passes != 0 && (t->passes < 1 || t->passes > 1000 || fmod(t->passes, 1) != 0))
        return err_set(err, PONDER_EFORMAT, "%s: \"passes\" over a chunk: want 1 to 1000", where);
    if (t->lora_rank)
        return err_set(err, PONDER_EFORMAT, "%s: \"lora_rank\": policy and critic are learnt whole",
                       where);
    if (k->group == 1 && k->redraw > 1)
        return err_set(err, PONDER_EFORMAT,
                       "%s: \"redraw\" looks for groups that teach: want "
                       "\"group\" 2 or more",
                       where);
    k->passes = t->passes != 0 ? (size_t)t->passes : 1;
    k->critic.kl = k->objective.kl; /* of the reward, not of the loss */
    k->objective.kl = 0;
    k->critic.raw = k->objective.no_deviation;
    return PONDER_OK;
}

static ponder_status check_grpo(policy_keys *k, const training *t, const char *where,
                                ponder_error *err)
{
    k->passes = 1;
    if (t->passes != 0)
        return err_set(err, PONDER_EFORMAT, "%s: want \"steps\", not \"passes\"", where);
    if (k->group > 1) return PONDER_OK;
    return err_set(err, PONDER_EFORMAT, "%s: \"group\" is 1: want 2 or more to compare", where);
}

static ponder_status check(policy_keys *k, const training *t, const char *where, ponder_error *err)
{
    static const char *const MEANS[] = {"response", "token", "constant"};
    size_t mean = 0;
    while (mean < COUNT_OF(MEANS) && strcmp(k->mean, MEANS[mean])) mean++;
    k->objective.mean = (enum grpo_mean)mean;
    if (mean == COUNT_OF(MEANS))
        return err_set(err, PONDER_EFORMAT, "%s: \"mean\" \"%s\": want response, token or constant",
                       where, k->mean);
    if (k->objective.mean == GRPO_MEAN_CONSTANT && k->objective.constant <= 0)
        k->objective.constant = (float)k->answer_tokens;
    TRY(asker_check_form(&k->reward.layout, k->layout, k->answer_tokens, t->max_tokens, where,
                         err));
    if (k->questions % k->updates)
        return err_set(err, PONDER_EFORMAT, "%s: \"updates\" (%zu) must divide \"questions\" (%zu)",
                       where, k->updates, k->questions);
    if (k->reward.overlong_tokens > k->answer_tokens)
        return err_set(err, PONDER_EFORMAT,
                       "%s: \"overlong_tokens\" is more than \"answer_tokens\"", where);
    if (!t->data) return err_set(err, PONDER_EFORMAT, "%s: no \"data\"", where);
    if (!t->steps) return err_set(err, PONDER_EFORMAT, "%s: want \"steps\"", where);
    return k->ppo ? check_ppo(k, t, where, err) : check_grpo(k, t, where, err);
}

ponder_status policy_keys_read(policy_keys *k, training *t, const recipe_stage *stage,
                               const char *where, ponder_error *err)
{
    bool ppo = !strcmp(stage->kind, "ppo");
    *t = training_defaults();
    *k = defaults(ppo);
    t->lr = t->lr_end = 3e-6;
    t->schedule = "constant";
    t->decay = 0;
    t->balance_loss = t->balance_speed = t->mtp_weight = 0;
    const key_table tables[] = {
        {stage_keys, NULL}, {training_keys, t}, {own_keys, k}, {ppo_keys, k}};
    TRY(keys_read(stage->json, where, tables, COUNT_OF(tables) - !ppo, err));
    TRY(training_check(t, where, err));
    return check(k, t, where, err);
}
