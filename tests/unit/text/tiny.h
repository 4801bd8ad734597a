/* tiny: tokenizers of a few hundred tokens, made from a seed, for tests that need no files.
 * SPDX-License-Identifier: MIT */
#ifndef TINY_H
#define TINY_H

#include "text/text_int.h"

enum { TINY_BYTES = 256, TINY_ALPHABET = 6 };

/* The byte alphabet's letter for b, by its definition: printing bytes as they are, others counted
 * up from U+0100. */
static inline void tiny_letter(buf *out, unsigned b)
{
    unsigned cp = 0x100;
    for (unsigned k = 0; k < b; k++) cp += k < 0x21 || (k > 0x7E && k < 0xA1) || k == 0xAD;
    if ((b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD)) cp = b;
    if (cp == '"' || cp == '\\') buf_add_char(out, '\\');
    if (cp < 0x80) buf_add_char(out, (char)cp);
    else buf_add(out, (char[]){(char)(0xC0 | cp >> 6), (char)(0x80 | (cp & 63))}, 2);
}

typedef struct tiny {
    str token[TINY_BYTES + 512]; /* bytes of each mergeable token */
    char text[64 << 10];
    size_t n, used;
    int left[2048], right[2048], made[2048], merges; /* by rank */
} tiny;

static inline int tiny_find(const tiny *v, str s)
{
    for (size_t i = 0; i < v->n; i++)
        if (str_eq(v->token[i], s)) return (int)i;
    return -1;
}

static inline void tiny_bytes(tiny *v)
{
    *v = (tiny){0};
    for (unsigned b = 0; b < TINY_BYTES; b++) {
        v->text[v->used] = (char)b;
        v->token[v->n++] = (str){v->text + v->used++, 1};
    }
}

/* Random merges over the letters a.. and the bytes of one Han character: tokens made in several
 * ways and in any order of rank, as no trained vocabulary would have them. */
static inline void tiny_merges(tiny *v, uint64_t seed, int wanted)
{
    static const unsigned char letters[TINY_ALPHABET] = {'a', 'b', ' ', 0xE4, 0xB8, 0xAD};
    for (uint64_t i = 0; v->merges < wanted && i < 20000; i++) {
        int part[2];
        for (int k = 0; k < 2; k++) {
            uint64_t r = rng_u64(seed, (uint64_t)k, i, RNG_TEST);
            part[k] = r % 3 && v->n > TINY_BYTES ? TINY_BYTES + (int)(r / 3 % (v->n - TINY_BYTES))
                                                 : letters[r / 3 % TINY_ALPHABET];
        }
        str l = v->token[part[0]], r = v->token[part[1]];
        bool known = l.n + r.n > 24;
        for (int m = 0; m < v->merges; m++)
            known = known || (v->left[m] == part[0] && v->right[m] == part[1]);
        if (known || v->n == COUNT_OF(v->token)) continue;
        char *at = v->text + v->used;
        memcpy(at, l.p, l.n);
        memcpy(at + l.n, r.p, r.n);
        str made = {at, l.n + r.n};
        int id = tiny_find(v, made);
        if (id < 0) {
            id = (int)v->n;
            v->token[v->n++] = made;
            v->used += made.n;
        }
        v->left[v->merges] = part[0];
        v->right[v->merges] = part[1];
        v->made[v->merges++] = id;
    }
}

static inline void tiny_spell(buf *out, str s)
{
    for (size_t i = 0; i < s.n; i++) tiny_letter(out, (unsigned char)s.p[i]);
}

/* The tokenizer.json: `stages` and `more` are JSON put into the list of pre-tokenizers and into the
 * top object; added tokens <|x|>, <|x|>y and <n> (normalized) follow the mergeable ones. */
static inline void tiny_json(buf *out, const tiny *v, const char *stages, const char *more)
{
    buf_printf(
        out,
        "{%s\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[%s{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},\"model\":{\"type\":"
        "\"BPE\",\"vocab\":{",
        more, stages);
    for (size_t i = 0; i < v->n; i++) {
        buf_add_str(out, i ? STR(",\"") : STR("\""));
        tiny_spell(out, v->token[i]);
        buf_printf(out, "\":%zu", i);
    }
    buf_add_str(out, STR("},\"merges\":["));
    for (int m = 0; m < v->merges; m++) {
        buf_add_str(out, m ? STR(",\"") : STR("\""));
        tiny_spell(out, v->token[v->left[m]]);
        buf_add_char(out, ' ');
        tiny_spell(out, v->token[v->right[m]]);
        buf_add_char(out, '"');
    }
    buf_printf(out,
               "]},\"added_tokens\":[{\"id\":%zu,\"content\":\"<|x|>\",\"special\":true},"
               "{\"id\":%zu,\"content\":\"<|x|>y\"},{\"id\":%zu,\"content\":\"<n>\",\"normalized\":"
               "true}]}",
               v->n, v->n + 1, v->n + 2);
}

static inline ponder_status tiny_open(tokenizer **out, const tiny *v, const char *stages,
                                      const char *more, ponder_error *err)
{
    buf b = {0};
    tiny_json(&b, v, stages, more);
    ponder_status st = load_json_text(out, buf_str(&b), "tiny", (str){0}, err);
    buf_free(&b);
    return st;
}

#define TINY_SPLIT(regex)                                                                          \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":\"Isolated\"},"

/* The pattern lists of Llama 3 and of DeepSeek-V3. */
#define TINY_LLAMA3                                                                                \
    TINY_SPLIT("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"             \
               "\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|"       \
               "\\\\s+(?!\\\\S)|\\\\s+")
#define TINY_DEEPSEEK                                                                              \
    TINY_SPLIT("\\\\p{N}{1,3}")                                                                    \
    TINY_SPLIT("[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+")                                 \
    TINY_SPLIT(                                                                                    \
        "[^\\r\\n\\\\p{L}\\\\p{P}\\\\p{S}]?[\\\\p{L}\\\\p{M}]+| ?[\\\\p{P}\\\\p{S}]+[\\r\\n]*|"    \
        "\\\\s*[\\r\\n]+|\\\\s+(?!\\\\S)|\\\\s+")

#endif
