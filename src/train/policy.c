/* Training by rewards: GRPO and PPO as kinds of stages (docs/training.md, "grpo", "ppo").
 * SPDX-License-Identifier: MIT
 *
 * A chunk of answers is sampled and judged, and one or more updates are made from it, each by its
 * share of the questions. What a chunk holds is a function of the parameters it began with and of
 * its number, so a run that stopped inside a chunk samples it again: saved are the parameters then,
 * not the answers.
 *
 * The two differ in what an answer's tokens are compared with: GRPO with the other answers to the
 * question, PPO with what a second network, the critic, expected. */
#include "train/levels.h"
#include "train/policy_keys.h"
#include "train/stage.h"

#include <math.h>
#include <stdlib.h>

typedef struct policy {
    training t;
    policy_keys k;
    const stage_context *c;
    model_trainable *m, *values; /* values: of the critic */
    engine *e;
    questions *ask, *ask_eval;
    terms *terms;
    answers chunk, eval;
    uint64_t sampled;    /* number of the chunk in memory + 1; 0: none */
    size_t *member;      /* of a sequence of the update: its answer */
    float *weight;       /* and what its tokens weigh */
    float *reference;    /* parameters; NULL without a KL term */
    float *before;       /* parameters at the beginning of the chunk; NULL with one update a chunk */
    float *reference_logprob; /* [answers, context] */
    critic *critic;           /* NULL: GRPO */
    train_batch scored;
    double sampling_seconds, filled_at;
} policy;

/* ---- questions --------------------------------------------------------------------------------- */

/* Are the rows such that their answers can be judged as the recipe wants? */
static ponder_status check_questions(const policy *p, const questions *q, ponder_error *err)
{
    static const char *const OR = "give one, judge by \"rewards\" with \"of\": \"open\", or set "
                                  "\"accuracy\" to 0";
    if (p->k.reward.accuracy != 0)
        TRY(questions_check(q, NULL, terms_for_open(p->terms) ? NULL : OR, err));
    for (size_t i = 0; i < terms_count(p->terms); i++)
        if (terms_verifier(p->terms, i))
            TRY(questions_check(q, terms_verifier(p->terms, i), "a term of \"rewards\" wants one", err));
    return PONDER_OK;
}

/* `c` is NULL while the recipe is only checked. */
static ponder_status open_questions(policy *p, const recipe *r, const char *where,
                                    const stage_context *c, ponder_error *err)
{
    uint64_t seed = c ? c->seed : 0;
    TRY(terms_open(&p->terms, p->k.rewards, r, where, c, err));
    TRY(questions_open(&p->ask, p->t.data, where, r->dir, TASK_TRAIN,
                       rng_u64(seed, 0, 0, RNG_DATA), err));
    TRY(check_questions(p, p->ask, err));
    if (!p->t.eval_data) return PONDER_OK;
    TRY(questions_open(&p->ask_eval, p->t.eval_data, where, r->dir, TASK_TEST,
                       rng_u64(seed, 1, 0, RNG_DATA), err));
    return check_questions(p, p->ask_eval, err);
}

static void close_questions(policy *p)
{
    questions_close(p->ask);
    questions_close(p->ask_eval);
    terms_close(p->terms);
}

ponder_status policy_check(const recipe *r, const recipe_stage *stage, ponder_error *err)
{
    char where[256];
    policy p = {0};
    recipe_where(where, r, stage);
    TRY(policy_keys_read(&p.k, &p.t, stage, where, err));
    ponder_status st = open_questions(&p, r, where, NULL, err);
    close_questions(&p);
    return st;
}

/* ---- chunks of answers -------------------------------------------------------------------------- */

static size_t chunk_answers(const policy *p) { return p->k.questions * p->k.group; }
/* Answers that are sampled together at most. */
static size_t most_answers(const policy *p)
{
    return size_max(chunk_answers(p), (size_t)p->k.eval_group);
}
/* Updates made from a chunk. */
static uint64_t chunk_steps(const policy *p) { return p->k.updates * p->k.passes; }

/* Parameters and a copy change places. */
static void swap_parameters(policy *p, float *with)
{
    size_t n;
    float *w = model_trainable_masters(p->m, &n);
    for (size_t i = 0; i < n; i++) {
        float x = w[i];
        w[i] = with[i];
        with[i] = x;
    }
    model_trainable_refresh(p->m);
}

static void copy_parameters(policy *p, float *to)
{
    size_t n;
    const float *w = model_trainable_masters(p->m, &n);
    if (to) memcpy(to, w, n * sizeof *to);
}

/* Fills all places; questions whose answers teach nothing are replaced while more may be drawn
 * (DAPO's dynamic sampling). */
static ponder_status sample(policy *p, uint64_t number, ponder_error *err)
{
    size_t Q = p->k.questions, kept = 0, drawn = 0, most = Q * p->k.redraw;
    while (kept < Q && drawn < most) {
        size_t n = size_min(Q - kept, most - drawn);
        TRY(answers_fill(&p->chunk, p->ask, kept, n, number * most + drawn,
                         rng_u64(p->c->seed, number, drawn, RNG_SAMPLE), err));
        drawn += n;
        if (drawn == most) break;
        for (size_t i = kept, end = kept + n; i < end; i++)
            if (answers_teach(&p->chunk, i)) answers_swap(&p->chunk, kept++, i);
    }
    return PONDER_OK;
}

static void set_advantages(policy *p)
{
    size_t G = p->k.group;
    for (size_t q = 0; q < p->k.questions; q++) {
        float reward[POLICY_GROUP_MAX], a[POLICY_GROUP_MAX];
        answer *of = &p->chunk.of[q * G];
        for (size_t i = 0; i < G; i++) reward[i] = of[i].reward;
        grpo_advantages(a, reward, 1, G, p->k.objective.no_deviation);
        for (size_t i = 0; i < G; i++) of[i].advantage = a[i];
    }
}

/* Tokens of a prompt that answers share: the last one asks for their first, the one before it has the prediction
 * module do so. */
static size_t shared_tokens(const policy *p, size_t prompt)
{
    return p->k.shared_prompts && p->k.group > 1 && prompt > 2 ? prompt - 2 : 0;
}

/* Answer `i` as a sequence of b. */
static void put(const policy *p, train_batch *b, size_t i, float weight)
{
    const rollout_sample *s = &p->chunk.r.samples[i];
    batch_begin(b, TRAIN_PLAIN);
    batch_share(b, i / p->k.group, shared_tokens(p, s->prompt));
    batch_put(b, s->ids, s->prompt, 0);
    batch_put(b, s->ids + s->prompt, s->n - s->prompt, weight);
    batch_end(b);
}

static ponder_status score_by_reference(policy *p, train_loop *l, ponder_error *err)
{
    if (!p->reference) return PONDER_OK;
    size_t n = p->k.questions * p->k.group;
    batch_clear(&p->scored);
    for (size_t i = 0; i < n; i++) put(p, &p->scored, i, 1);
    TRY(batch_check(&p->scored, err));
    swap_parameters(p, p->reference);
    ponder_status st = train_loop_score(l, &p->scored, false, err);
    swap_parameters(p, p->reference);
    for (size_t i = 0; i < n && st == PONDER_OK; i++) {
        const rollout_sample *s = &p->chunk.r.samples[i];
        memcpy(p->reference_logprob + i * p->t.max_tokens,
               p->scored.logprob + p->scored.seq[i].at + s->prompt - 1,
               (s->n - s->prompt) * sizeof(float));
    }
    return st;
}

static ponder_status sample_and_score(policy *p, train_loop *l, uint64_t number, ponder_error *err)
{
    double start = clock_seconds();
    TRY(sample(p, number, err));
    set_advantages(p);
    TRY(score_by_reference(p, l, err));
    p->sampled = number + 1;
    p->sampling_seconds = clock_seconds() - start;
    return PONDER_OK;
}

static ponder_status new_chunk(policy *p, train_loop *l, uint64_t number, ponder_error *err)
{
    if (p->reference && p->k.refresh && number && number % p->k.refresh == 0)
        copy_parameters(p, p->reference);
    copy_parameters(p, p->before);
    TRY(sample_and_score(p, l, number, err));
    return p->critic ? critic_expect(p->critic, &p->chunk.r, err) : PONDER_OK;
}

/* Stopped inside the chunk: it is sampled as it was. What the critic expected is saved. */
static ponder_status old_chunk(policy *p, train_loop *l, uint64_t number, ponder_error *err)
{
    swap_parameters(p, p->before);
    ponder_status st = sample_and_score(p, l, number, err);
    swap_parameters(p, p->before);
    return st;
}

static ponder_status advise(policy *p, ponder_error *err)
{
    size_t n = chunk_answers(p);
    float *reward = malloc(n * sizeof *reward);
    if (!reward) return err_set(err, PONDER_ENOMEM, "no memory for %zu answers", n);
    for (size_t i = 0; i < n; i++) reward[i] = p->chunk.of[i].reward;
    critic_advise(p->critic, &p->chunk.r, reward, p->reference_logprob);
    free(reward);
    return PONDER_OK;
}

/* The chunk that step l->step needs, sampled now if it is not in memory. */
static ponder_status need_chunk(policy *p, train_loop *l, ponder_error *err)
{
    uint64_t number = l->step / chunk_steps(p);
    bool first = l->step % chunk_steps(p) == 0;
    if (!first && p->sampled == number + 1) return PONDER_OK;
    TRY(first ? new_chunk(p, l, number, err) : old_chunk(p, l, number, err));
    return p->critic ? advise(p, err) : PONDER_OK;
}

/* ---- one update --------------------------------------------------------------------------------- */

/* Answers of an update, and the first one of update `step`. */
static size_t update_answers(const policy *p) { return p->k.questions / p->k.updates * p->k.group; }
static size_t update_from(const policy *p, uint64_t step)
{
    return (size_t)(step % p->k.updates) * update_answers(p);
}

static ponder_status fill(void *user, train_loop *l, ponder_error *err)
{
    policy *p = user;
    size_t each = update_answers(p), from = update_from(p, l->step), answered = 0, n = 0;
    TRY(need_chunk(p, l, err));
    l->wants_entropy = true;
    for (size_t i = from; i < from + each; i++)
        answered += p->chunk.r.samples[i].n - p->chunk.r.samples[i].prompt;
    for (size_t i = from; i < from + each; i++) {
        const rollout_sample *s = &p->chunk.r.samples[i];
        bool nothing = !p->critic && p->chunk.of[i].advantage == 0 && !p->reference;
        if (s->n == s->prompt || nothing) continue;
        p->member[n] = i;
        p->weight[n] = grpo_weight(&p->k.objective, s->n - s->prompt, each, answered);
        put(p, &l->batch, i, p->weight[n++]);
    }
    l->position = l->step / chunk_steps(p) + 1;
    p->filled_at = clock_seconds();
    return PONDER_OK;
}

/* Token t of the answer that is sequence i of the update. */
static float token(const policy *p, size_t i, size_t t, float logprob, grpo_tokens *log)
{
    size_t at = p->member[i];
    float ref = p->reference ? p->reference_logprob[at * p->t.max_tokens + t] : 0;
    float a = p->critic ? critic_advantages(p->critic, at)[t] : p->chunk.of[at].advantage;
    return grpo_token(&p->k.objective, logprob, p->chunk.r.samples[at].logprob[t], ref, a,
                      p->weight[i], log);
}

static float slope(void *user, const train_loop *l, size_t sequence, size_t i, float logprob)
{
    const policy *p = user;
    (void)l;
    size_t prompt = p->chunk.r.samples[p->member[sequence]].prompt;
    grpo_tokens unused = {0};
    return i + 1 < prompt ? 0 : token(p, sequence, i + 1 - prompt, logprob, &unused);
}

/* ---- what is told ------------------------------------------------------------------------------- */

static double share(double sum, uint64_t n) { return n ? sum / (double)n : 0; }

/* reward_NAME: what answers earn by each term of "rewards". */
static void tell_terms(const policy *p, metrics *m, const char *prefix, const answers_summary *s)
{
    for (size_t i = 0; i < terms_count(p->terms); i++) {
        char name[64];
        snprintf(name, sizeof name, "%sreward_%s", prefix, terms_name(p->terms, i));
        metrics_put(m, name, s->earned[i]);
    }
}

static void tell_answers(policy *p, train_loop *l)
{
    metrics *m = &l->metrics;
    level_counts levels = {0};
    answers_summary s = answers_describe(&p->chunk, p->k.questions);
    size_t teach = 0;
    for (size_t q = 0; q < p->k.questions; q++) teach += answers_teach(&p->chunk, q);
    metrics_put(m, "reward", s.reward);
    tell_terms(p, m, "", &s);
    metrics_put(m, "accuracy", s.accuracy);
    metrics_put(m, "format", s.format);
    metrics_put(m, "language", s.language);
    metrics_put(m, "length", s.length);
    metrics_put(m, "length_right", s.length_right);
    metrics_put(m, "length_wrong", s.length_wrong);
    metrics_put(m, "truncated", s.truncated);
    metrics_put(m, "verification", s.verification);
    metrics_put(m, "backtracking", s.backtracking);
    metrics_put(m, "reflections", s.reflections);
    if (p->k.group > 1) metrics_put(m, "teaching", (double)teach / (double)p->k.questions);
    metrics_put(m, "sampled_per_s", (double)s.tokens / p->sampling_seconds);
    metrics_put(m, "sampling_s", p->sampling_seconds);
    level_counts_add(&levels, &p->chunk, p->k.questions);
    level_counts_put(&levels, m, "accuracy");
    snprintf(l->figures, sizeof l->figures, "reward %.3f  right %.1f%%  %.0f tokens", s.reward,
             100 * s.accuracy, s.length);
    buf text = {0};
    buf_add_str(&text, buf_str(&p->chunk.asked[0].prompt));
    buf_add_str(&text, STR("\n\n"));
    buf_add_str(&text, answers_text(&p->chunk, 0));
    metrics_text(m, "answer", buf_str(&text));
    buf_free(&text);
}

/* The critic's update with the answers of update `step`. */
static ponder_status learn_values(policy *p, train_loop *l, uint64_t step, ponder_error *err)
{
    double lr = lr_at(&l->o->lr, step), part = p->t.lr > 0 ? lr / p->t.lr : 1;
    if (p->k.value_lr > 0) lr = part * p->k.value_lr;
    TRY(critic_learn(p->critic, &p->chunk.r, update_from(p, step), update_answers(p),
                     l->adamw.steps, lr, err));
    critic_tell(p->critic, &l->metrics);
    return PONDER_OK;
}

static ponder_status after(void *user, train_loop *l, ponder_error *err)
{
    policy *p = user;
    grpo_tokens log = {0};
    uint64_t share_of = (l->step - 1) % chunk_steps(p);
    metrics_put(&l->metrics, "policy_s", clock_seconds() - p->filled_at);
    if (p->critic) TRY(learn_values(p, l, l->step - 1, err));
    metrics_put(&l->metrics, "resident_mb", (double)mem_resident_bytes() * 1e-6);
    for (size_t i = 0; i < l->batch.n; i++) {
        const rollout_sample *s = &p->chunk.r.samples[p->member[i]];
        const float *logprob = l->batch.logprob + l->batch.seq[i].at;
        for (size_t t = s->prompt; t < s->n; t++)
            token(p, i, t - s->prompt, logprob[t - 1], &log);
    }
    metrics_put(&l->metrics, "policy_loss", log.loss);
    metrics_put(&l->metrics, "ratio", share(log.ratio, log.n));
    metrics_put(&l->metrics, "clipped", share((double)log.clipped, log.n));
    if (p->k.objective.kl > 0) metrics_put(&l->metrics, "kl", share(log.kl, log.n));
    if (share_of) return PONDER_OK;
    metrics_put(&l->metrics, "on_policy", share((double)log.exact, log.n));
    tell_answers(p, l);
    return PONDER_OK;
}

static ponder_status evaluate(void *user, train_loop *l, ponder_error *err)
{
    policy *p = user;
    answers *a = &p->eval;
    answers_summary sum = {0};
    level_counts levels = {0};
    size_t all = (size_t)p->t.eval_examples, done = 0;
    while (done < all) {
        size_t n = size_min(a->o.questions, all - done);
        TRY(answers_fill(a, p->ask_eval, 0, n, done, rng_u64(p->c->seed, done, 2, RNG_SAMPLE), err));
        answers_summary s = answers_describe(a, n);
        double part = (double)n / (double)all;
        sum.accuracy += part * s.accuracy, sum.format += part * s.format;
        sum.length += part * s.length, sum.truncated += part * s.truncated;
        sum.language += part * s.language, sum.any += part * s.any;
        sum.reward += part * s.reward;
        for (size_t i = 0; i < TERMS_MAX; i++) sum.earned[i] += part * s.earned[i];
        sum.verification += part * s.verification, sum.backtracking += part * s.backtracking;
        level_counts_add(&levels, a, n);
        done += n;
    }
    metrics_put(&l->metrics, "eval_reward", sum.reward);
    tell_terms(p, &l->metrics, "eval_", &sum);
    metrics_put(&l->metrics, "eval_accuracy", sum.accuracy);
    metrics_put(&l->metrics, "eval_format", sum.format);
    metrics_put(&l->metrics, "eval_length", sum.length);
    metrics_put(&l->metrics, "eval_truncated", sum.truncated);
    metrics_put(&l->metrics, "eval_verification", sum.verification);
    metrics_put(&l->metrics, "eval_backtracking", sum.backtracking);
    metrics_put(&l->metrics, "eval_language", sum.language);
    if (p->k.eval_group > 1) metrics_put(&l->metrics, "eval_any", sum.any);
    level_counts_put(&levels, &l->metrics, "eval_accuracy");
    return PONDER_OK;
}

static size_t sections(void *user, checkpoint_section *out)
{
    policy *p = user;
    size_t n = 0, values;
    (void)model_trainable_masters(p->m, &values);
    if (p->reference)
        out[n++] = (checkpoint_section){"reference", NUM_F32, p->reference, values};
    if (p->before) out[n++] = (checkpoint_section){"before", NUM_F32, p->before, values};
    if (p->critic) n += critic_sections(p->critic, out + n);
    return n;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static ponder_status open_engine(policy *p, ponder_error *err)
{
    /* Sampling and learning take turns, and have the same memory for it. */
    engine_options o = {.kv = model_trainable_kv(p->m),
                        .context = p->t.max_tokens,
                        .max_sequences = most_answers(p),
                        .pool = p->c->o->pool};
    o.memory = model_trainable_work(p->m, &o.memory_bytes);
    return engine_open(&p->e, model_trainable_model(p->m), p->c->t, &o, err);
}

static ponder_status open_answers(policy *p, ponder_error *err)
{
    answer_reward reward = p->k.reward;
    reward.more = p->terms;
    answers_options o = {.questions = p->k.questions,
                         .group = p->k.group,
                         .max_tokens = p->k.answer_tokens,
                         .context = p->t.max_tokens,
                         .temperature = p->k.temperature,
                         .reward = reward,
                         .prompts = {.t = p->c->t, .max_tokens = p->t.max_tokens}};
    TRY(stage_template(&o.prompts.template, p->c, &p->t, err));
    p->eval.o = o;
    p->eval.o.group = (size_t)p->k.eval_group;
    p->eval.o.questions = size_max(1, chunk_answers(p) / p->eval.o.group);
    p->eval.o.temperature = p->k.eval_temperature;
    const answers_options eval = p->eval.o;
    TRY(open_engine(p, err));
    TRY(answers_open(&p->chunk, p->e, &o, err));
    TRY(answers_check(&p->chunk, p->ask, err));
    if (!p->ask_eval) return PONDER_OK;
    TRY(answers_open(&p->eval, p->e, &eval, err));
    return answers_check(&p->eval, p->ask_eval, err);
}

static bool wants_reference(const policy *p)
{
    return p->k.objective.kl > 0 || p->k.critic.kl > 0;
}

static ponder_status open_arrays(policy *p, ponder_error *err)
{
    size_t n = p->k.questions * p->k.group, values;
    const float *w = model_trainable_masters(p->m, &values);
    bool kl = wants_reference(p), chunks = chunk_steps(p) > 1;
    p->member = calloc(n, sizeof *p->member);
    p->weight = calloc(n, sizeof *p->weight);
    p->reference = kl ? malloc(values * sizeof *w) : NULL;
    p->reference_logprob = kl ? calloc(n * p->t.max_tokens, sizeof *w) : NULL;
    p->before = chunks ? malloc(values * sizeof *w) : NULL;
    if (!p->member || !p->weight || (kl && (!p->reference || !p->reference_logprob)) ||
        (chunks && !p->before))
        return err_set(err, PONDER_ENOMEM, "%s: no memory for %zu answers", p->c->where, n);
    copy_parameters(p, p->reference);
    copy_parameters(p, p->before);
    return PONDER_OK;
}

static ponder_status open_policy(policy *p, const stage_context *c, ponder_error *err)
{
    TRY(policy_keys_read(&p->k, &p->t, c->stage, c->where, err));
    p->c = c;
    TRY(open_questions(p, c->recipe, c->where, c, err));
    const stage_besides besides = {.copies = (size_t)wants_reference(p) + (chunk_steps(p) > 1),
                                   .answers = most_answers(p), .group = p->k.group,
                                   .answer_tokens = p->k.answer_tokens,
                                   .prefixes = p->k.shared_prompts && p->k.group > 1};
    TRY(stage_open_models(&p->m, p->k.ppo ? &p->values : NULL, c, &p->t, &besides, err));
    TRY(open_arrays(p, err));
    if (p->k.ppo)
        TRY(critic_open(&p->critic, p->values, c, &p->t, &p->k.critic, chunk_answers(p), err));
    return open_answers(p, err);
}

static void close_policy(policy *p)
{
    answers_close(&p->chunk);
    answers_close(&p->eval);
    engine_close(p->e);
    close_questions(p);
    critic_close(p->critic);
    model_trainable_close(p->values);
    model_trainable_close(p->m);
    batch_free(&p->scored);
    free(p->member), free(p->weight), free(p->reference), free(p->before);
    free(p->reference_logprob);
}

ponder_status policy_run(const stage_context *c, ponder_error *err)
{
    policy p = {0};
    train_loop_options o;
    ponder_status st = open_policy(&p, c, err);
    if (st == PONDER_OK) st = stage_loop_options(&o, c, &p.t, err);
    if (st == PONDER_OK) {
        const train_stage stage = {.user = &p,
                                   .fill = fill,
                                   .slope = slope,
                                   .after = after,
                                   .evaluate = p.ask_eval ? evaluate : NULL,
                                   .sections = sections};
        st = train_loop_run(p.m, &stage, &o, err);
    }
    if (st == PONDER_OK) st = stage_save_model(c, &p.t, p.m, err);
    close_policy(&p);
    return st;
}
