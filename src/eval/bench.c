/* The benchmarks known by name: which file of a data directory holds their questions.
 * SPDX-License-Identifier: MIT */
#include "eval/dataset.h"

const eval_bench eval_benches[] = {
    {"aime2024", "aime2024.jsonl", NULL, NULL, "AIME I and II 2024, 30 problems"},
    {"aime2025", "aime2025.jsonl", NULL, NULL, "AIME I and II 2025, 30 problems"},
    {"amc23", "amc23.jsonl", NULL, NULL, "AMC 12 2023, 40 problems"},
    {"math500", "math500.jsonl", NULL, NULL, "500 problems of MATH"},
    {"gsm8k", "gsm8k_test.jsonl", NULL, NULL, "grade-school word problems"},
    {"cmath", "cmath_dev.jsonl", NULL, NULL, "Chinese primary-school word problems"},
    {"mmlu", "mmlu_570.jsonl", "mmlu_dev_5shot.jsonl", NULL, "four choices, 57 subjects"},
    {"gpqa", "gpqa_diamond.jsonl", NULL, NULL, "graduate-level four choices (your own file)"},
    {"gaokao", "gaokao_mcq_zh.jsonl", NULL, NULL, "Chinese university entrance, four choices"},
    {"ceval", "ceval.jsonl", "ceval_dev.jsonl", NULL, "C-Eval (your own file)"},
    {"cmmlu", "cmmlu.jsonl", "cmmlu_dev.jsonl", NULL, "CMMLU (your own file)"},
    {"humaneval", "humaneval.jsonl", NULL, NULL, "Python functions from their docstrings"},
    {"mbpp", "mbpp_test.jsonl", NULL, NULL, "Python functions from a sentence"},
    {"livecodebench", "livecodebench.jsonl", NULL, NULL, "contest programs (your own file)"},
    {"codeforces", "codeforces.jsonl", NULL, "cpp", "contest programs in C++ (your own file)"},
    {"codecontests", "code_stdio_codecontests.jsonl", NULL, "cpp", "contest programs in C++"},
    {"stdio", "code_stdio_own.jsonl", NULL, NULL, "small contest-style programs"},
    {"swebench", "swebench.jsonl", NULL, NULL, "patches to local repositories (your own file)"},
    {NULL, NULL, NULL, NULL, NULL},
};

const eval_bench *eval_bench_find(const char *name)
{
    for (const eval_bench *b = eval_benches; b->name; b++)
        if (!strcmp(b->name, name)) return b;
    return NULL;
}
