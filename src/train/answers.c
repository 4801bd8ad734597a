/* answers: rollouts with their questions and rewards.
 * SPDX-License-Identifier: MIT */
#include "train/answers.h"

#include <math.h>
#include <stdlib.h>

ponder_status answers_open(answers *a, engine *e, const answers_options *o, ponder_error *err)
{
    *a = (answers){.o = *o, .e = e};
    size_t n = o->questions * o->group;
    if (o->max_tokens < 1 || o->max_tokens >= o->context)
        return err_set(err, PONDER_EARG, "answers of %zu tokens in a context of %zu", o->max_tokens,
                       o->context);
    a->asked = calloc(o->questions, sizeof *a->asked);
    a->prompt = calloc(o->questions, sizeof *a->prompt);
    a->opened = calloc(o->questions, sizeof *a->opened);
    a->of = calloc(n, sizeof *a->of);
    if (!a->asked || !a->prompt || !a->opened || !a->of)
        return err_set(err, PONDER_ENOMEM, "no memory for %zu answers", n);
    return rollout_open(&a->r, o->questions, o->group, o->context, err);
}

void answers_close(answers *a)
{
    rollout_close(&a->r);
    for (size_t i = 0; a->asked && i < a->o.questions; i++) question_free(&a->asked[i]);
    for (size_t i = 0; a->prompt && i < a->o.questions; i++) tokens_free(&a->prompt[i]);
    buf_free(&a->text);
    free(a->asked), free(a->prompt), free(a->opened), free(a->of);
    *a = (answers){0};
}

/* ---- judging ---------------------------------------------------------------------------------- */

str answers_text(answers *a, size_t i)
{
    const rollout_sample *s = &a->r.samples[i];
    size_t n = s->n - s->prompt;
    buf_clear(&a->text);
    if (a->opened[i / a->o.group]) buf_add_str(&a->text, STR("<think>"));
    if (n && s->finish == ENGINE_STOP && tokenizer_is_end(a->o.prompts.t, s->ids[s->n - 1])) n--;
    tokenizer_decode(a->o.prompts.t, &a->text, s->ids + s->prompt, n, false);
    return buf_str(&a->text);
}

static str thinking_of(str response)
{
    const str open = STR("<think>"), close = STR("</think>");
    size_t from = str_find(response, open, 0), to = str_find(response, close, 0);
    from = from == SIZE_MAX ? 0 : from + open.n;
    if (to == SIZE_MAX || to < from) to = response.n;
    return (str){response.p + from, to - from};
}

static ponder_status judge(answers *a, size_t i, ponder_error *err)
{
    const answer_reward *w = &a->o.reward;
    const rollout_sample *s = &a->r.samples[i];
    const question *q = &a->asked[i / a->o.group];
    size_t n = s->n - s->prompt;
    double format = 0, over = 0;
    str text = answers_text(a, i), thinking = thinking_of(text);
    if (a->text.failed) return err_set(err, PONDER_ENOMEM, "no memory for an answer");
    TRY(reward_format_tokens(&format, a->o.prompts.t, s->ids + s->prompt, n, w->layout,
                             a->opened[i / a->o.group], err));
    answer *out = &a->of[i];
    *out = (answer){.right = question_judge(q, text, REWARD_RESPONSE), .format = format > 0};
    out->language = reward_language(thinking, q->lang == TASK_ZH ? STR("zh") : STR("en")).share;
    out->reflection = reward_reflect(thinking);
    if (w->overlong != 0) over = reward_overlong(n, a->o.max_tokens, w->overlong_tokens);
    out->reward = (float)(w->accuracy * out->right + w->format * format +
                          w->language * out->language + w->overlong * over);
    return PONDER_OK;
}

/* The terms that see all answers at once; `all` keeps their texts. */
static ponder_status judge_by(answers *a, size_t first, size_t n, buf *all, term_answer *seen,
                              float *earned, ponder_error *err)
{
    for (size_t i = 0; i < n; i++) {
        str text = answers_text(a, first + i);
        seen[i] = (term_answer){.asked = &a->asked[(first + i) / a->o.group],
                                .response = {NULL, text.n}, .sample = &a->r.samples[first + i]};
        buf_add_str(all, text);
    }
    if (all->failed || a->text.failed)
        return err_set(err, PONDER_ENOMEM, "no memory for %zu answers", n);
    const char *at = buf_str(all).p;
    for (size_t i = 0; i < n; at += seen[i++].response.n) seen[i].response.p = at;
    TRY(terms_judge(a->o.reward.more, seen, n, earned, err));
    for (size_t i = 0; i < n; i++) {
        answer *out = &a->of[first + i];
        double sum = (double)out->reward;
        memcpy(out->earned, earned + i * TERMS_MAX, sizeof out->earned);
        for (size_t k = 0; k < terms_count(a->o.reward.more); k++)
            sum += terms_weight(a->o.reward.more, k) * (double)out->earned[k];
        out->reward = (float)sum;
    }
    return PONDER_OK;
}

static ponder_status judge_more(answers *a, size_t first, size_t n, ponder_error *err)
{
    if (!a->o.reward.more || n == 0) return PONDER_OK;
    buf all = {0};
    term_answer *seen = calloc(n, sizeof *seen);
    float *earned = calloc(n * TERMS_MAX, sizeof *earned);
    ponder_status st = seen && earned
                           ? judge_by(a, first, n, &all, seen, earned, err)
                           : err_set(err, PONDER_ENOMEM, "no memory for %zu answers", n);
    buf_free(&all);
    free(seen), free(earned);
    return st;
}

/* ---- asking ----------------------------------------------------------------------------------- */

static ponder_status ask(answers *a, size_t place, const questions *q, uint64_t number,
                         ponder_error *err)
{
    TRY(questions_draw(&a->asked[place], q, number, err));
    a->prompt[place].n = 0;
    TRY(example_prompt(&a->o.prompts, &a->prompt[place], buf_str(&a->asked[place].prompt),
                       &a->opened[place], err));
    return a->prompt[place].failed ? err_set(err, PONDER_ENOMEM, "no memory for a prompt")
                                   : PONDER_OK;
}

static ponder_status check_room(void *user, const question *q, ponder_error *err)
{
    const answers *a = user;
    tokens ids = {0};
    bool opened;
    ponder_status st = example_prompt(&a->o.prompts, &ids, buf_str(&q->prompt), &opened, err);
    if (st == PONDER_OK && ids.n >= a->o.context)
        st = err_set(err, PONDER_ELIMIT,
                     "a prompt of %zu tokens leaves no room for an answer in %zu; raise "
                     "\"max_tokens\"", ids.n, a->o.context);
    tokens_free(&ids);
    return st;
}

ponder_status answers_check(answers *a, const questions *q, ponder_error *err)
{
    return questions_each(q, check_room, a, err);
}

/* Answers what was asked in the places [first, first + n). */
static ponder_status sample(answers *a, size_t first, size_t n, uint64_t seed, ponder_error *err)
{
    rollout_prompt *prompts = malloc(size_max(n, 1) * sizeof *prompts);
    if (!prompts) return err_set(err, PONDER_ENOMEM, "no memory for %zu prompts", n);
    for (size_t i = 0; i < n; i++)
        prompts[i] = (rollout_prompt){
            a->prompt[first + i].p, a->prompt[first + i].n,
            rng_u64(seed, a->o.numbered ? a->asked[first + i].number : i, 0, RNG_SAMPLE)};
    const engine_sampling sampling = {.temperature = a->o.temperature,
                                      .top_p = a->o.top_p > 0 ? a->o.top_p : 1,
                                      .repetition = 1};
    ponder_status st =
        rollout_fill(&a->r, a->e, first, prompts, n, &sampling, a->o.max_tokens, NULL, err);
    free(prompts);
    for (size_t i = first * a->o.group; st == PONDER_OK && i < (first + n) * a->o.group; i++)
        st = judge(a, i, err);
    return st == PONDER_OK ? judge_more(a, first * a->o.group, n * a->o.group, err) : st;
}

ponder_status answers_fill(answers *a, const questions *q, size_t first, size_t n, uint64_t number,
                           uint64_t seed, ponder_error *err)
{
    for (size_t i = 0; i < n; i++) TRY(ask(a, first + i, q, number + i, err));
    return sample(a, first, n, seed, err);
}

ponder_status answers_fill_these(answers *a, const questions *q, const uint64_t *numbers, size_t n,
                                 uint64_t seed, ponder_error *err)
{
    for (size_t i = 0; i < n; i++) TRY(ask(a, i, q, numbers[i], err));
    return sample(a, 0, n, seed, err);
}

void answers_swap(answers *a, size_t x, size_t y)
{
    if (x == y) return;
    question q = a->asked[x];
    tokens t = a->prompt[x];
    bool o = a->opened[x];
    a->asked[x] = a->asked[y], a->asked[y] = q;
    a->prompt[x] = a->prompt[y], a->prompt[y] = t;
    a->opened[x] = a->opened[y], a->opened[y] = o;
    for (size_t c = 0; c < a->o.group; c++) {
        size_t i = x * a->o.group + c, k = y * a->o.group + c;
        rollout_sample s = a->r.samples[i];
        answer j = a->of[i];
        a->r.samples[i] = a->r.samples[k], a->r.samples[k] = s;
        a->of[i] = a->of[k], a->of[k] = j;
    }
}

bool answers_teach(const answers *a, size_t place)
{
    const answer *j = &a->of[place * a->o.group];
    for (size_t c = 1; c < a->o.group; c++)
        if (j[c].reward != j[0].reward) return true;
    return false;
}

/* ---- looking ---------------------------------------------------------------------------------- */

static double share(double sum, double n) { return n > 0 ? sum / n : 0; }

answers_summary answers_describe(const answers *a, size_t n)
{
    answers_summary out = {0};
    double N = (double)(n * a->o.group), right = 0, long_right = 0, known = 0;
    for (size_t i = 0; i < n * a->o.group; i++) {
        const answer *j = &a->of[i];
        const rollout_sample *s = &a->r.samples[i];
        size_t tokens_of = s->n - s->prompt;
        out.reward += (double)j->reward;
        out.format += j->format;
        out.language += j->language;
        out.truncated += s->finish == ENGINE_LENGTH;
        out.verification += j->reflection.verification > 0;
        out.backtracking += j->reflection.backtracking > 0;
        out.reflections += (double)(j->reflection.verification + j->reflection.backtracking);
        out.tokens += tokens_of;
        for (size_t k = 0; k < TERMS_MAX; k++) out.earned[k] += (double)j->earned[k] / N;
        known += question_known(&a->asked[i / a->o.group]);
        if (j->right) right++, long_right += (double)tokens_of;
    }
    for (size_t q = 0; q < n; q++) {
        bool any = false;
        for (size_t c = 0; c < a->o.group; c++) any = any || a->of[q * a->o.group + c].right;
        out.any += any;
    }
    out.reward = share(out.reward, N), out.format = share(out.format, N);
    out.language = share(out.language, N), out.truncated = share(out.truncated, N);
    out.accuracy = known > 0 ? right / known : NAN;
    out.verification = share(out.verification, N), out.backtracking = share(out.backtracking, N);
    out.reflections = share(out.reflections, N);
    out.length = share((double)out.tokens, N);
    out.length_right = share(long_right, right);
    out.length_wrong = share((double)out.tokens - long_right, N - right);
    out.any = share(out.any, (double)n);
    return out;
}
