/* A tiny model of random weights with a tokenizer of single bytes and R1's control tokens.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_ENGINE_TINY_H
#define TESTS_ENGINE_TINY_H

#include "engine/engine.h"
#include "tests/check.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    TINY_BOS = 256,
    TINY_EOS,
    TINY_USER,
    TINY_ASSISTANT,
    TINY_THINK,
    TINY_UNTHINK,
    TINY_VOCAB,
    TINY_CONTEXT = 1024
};

typedef struct tiny {
    char path[64];
    fmt_model *file;
    model *m;
    tokenizer *t;
    pool *pool;
} tiny;

/* GPT-2's printable stand-in of a byte, in UTF-8 (encoder.py of openai/gpt-2). */
static str tiny_byte(int b, char out[3])
{
    int code = b;
    if (b < 33) code = 256 + b;
    if (b >= 127 && b < 161) code = 256 + 33 + b - 127;
    if (b == 173) code = 256 + 33 + 34;
    if (code < 128) return out[0] = (char)code, (str){out, 1};
    out[0] = (char)(0xC0 | code >> 6);
    out[1] = (char)(0x80 | (code & 63));
    return (str){out, 2};
}

static void tiny_put_tokenizer(gguf_writer *w)
{
    ponder_error err;
    static char bytes[256][3];
    str token[TINY_VOCAB] = {
        [TINY_BOS] = STR("<｜begin▁of▁sentence｜>"),
        [TINY_EOS] = STR("<｜end▁of▁sentence｜>"),
        [TINY_USER] = STR("<｜User｜>"),
        [TINY_ASSISTANT] = STR("<｜Assistant｜>"),
        [TINY_THINK] = STR("<think>"),
        [TINY_UNTHINK] = STR("</think>"),
    };
    int32_t type[TINY_VOCAB];
    for (int i = 0; i < 256; i++) token[i] = tiny_byte(i, bytes[i]);
    for (int i = 0; i < TINY_VOCAB; i++) type[i] = i < 256 ? 1 : i <= TINY_EOS ? 3 : 4;
    check_ok(gguf_put_str(w, "tokenizer.ggml.model", STR("gpt2"), &err));
    check_ok(gguf_put_str(w, "tokenizer.ggml.pre", STR("qwen2"), &err));
    check_ok(gguf_put_strs(w, "tokenizer.ggml.tokens", token, TINY_VOCAB, &err));
    check_ok(gguf_put_i32s(w, "tokenizer.ggml.token_type", type, TINY_VOCAB, &err));
    check_ok(gguf_put_strs(w, "tokenizer.ggml.merges", NULL, 0, &err));
    check_ok(gguf_put_u32(w, "tokenizer.ggml.bos_token_id", TINY_BOS, &err));
    check_ok(gguf_put_u32(w, "tokenizer.ggml.eos_token_id", TINY_EOS, &err));
}

static void tiny_put_config(gguf_writer *w)
{
    ponder_error err;
    check_ok(gguf_put_str(w, "general.architecture", STR("llama"), &err));
    check_ok(gguf_put_str(w, "general.name", STR("tiny"), &err));
    check_ok(gguf_put_u32(w, "llama.block_count", 2, &err));
    check_ok(gguf_put_u32(w, "llama.embedding_length", 64, &err));
    check_ok(gguf_put_u32(w, "llama.feed_forward_length", 96, &err));
    check_ok(gguf_put_u32(w, "llama.context_length", TINY_CONTEXT, &err));
    check_ok(gguf_put_u32(w, "llama.attention.head_count", 4, &err));
    check_ok(gguf_put_u32(w, "llama.attention.head_count_kv", 2, &err));
    check_ok(gguf_put_u32(w, "llama.vocab_size", TINY_VOCAB, &err));
    check_ok(gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f, &err));
}

static void tiny_write(const char *path)
{
    ponder_error err;
    const model_config c = {.arch = MODEL_LLAMA,
                            .name = "tiny",
                            .layers = 2,
                            .width = 64,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_dim = 16,
                            .ffn = 96,
                            .vocab = TINY_VOCAB,
                            .context = TINY_CONTEXT,
                            .rope_dim = 16};
    static model_tensor t[64];
    size_t n = model_tensors(&c, t, COUNT_OF(t));
    gguf_writer *w;
    check_ok(gguf_write_open(&w, path, &err));
    tiny_put_config(w);
    tiny_put_tokenizer(w);
    for (size_t i = 0; i < n; i++)
        check_ok(gguf_declare(w, t[i].name, NUM_F32, t[i].n_dims, t[i].dim, &err));
    check_ok(gguf_write_begin(w, &err));
    for (size_t i = 0; i < n; i++) {
        size_t count = t[i].dim[0] * (t[i].n_dims > 1 ? t[i].dim[1] : 1);
        float *x = malloc(count * sizeof *x), noise[2];
        float scale = t[i].role == MODEL_EMBEDDING ? 1.0f : 0.25f;
        for (size_t j = 0; j < count; j++) {
            rng_normal2(noise, 7, i, j, RNG_TEST);
            x[j] = t[i].role == MODEL_NORM ? 1 + 0.1f * noise[0] : scale * noise[0];
        }
        check_ok(gguf_write_data(w, x, count * sizeof *x, &err));
        free(x);
    }
    check_ok(gguf_write_commit(w, &err));
    gguf_write_close(w);
}

static void tiny_open(tiny *y, int threads)
{
    ponder_error err;
    snprintf(y->path, sizeof y->path, "/tmp/ponder-tiny-XXXXXX");
    int fd = mkstemp(y->path);
    assert_true(fd >= 0);
    close(fd);
    tiny_write(y->path);
    check_ok(fmt_open(&y->file, y->path, &err));
    check_ok(pool_open(&y->pool, threads, &err));
    check_ok(model_open(&y->m, y->file, &(model_options){.cpu_mask = ~0u, .pool = y->pool}, &err));
    check_ok(tokenizer_from_model(&y->t, y->file, &err));
}

static void tiny_close(tiny *y)
{
    tokenizer_close(y->t);
    model_close(y->m);
    pool_close(y->pool);
    fmt_close(y->file);
    unlink(y->path);
}

#endif
