/* text: text to tokens and back, chat prompts, and what a reasoning model writes.
 * SPDX-License-Identifier: MIT
 *
 * Byte-level BPE as in Hugging Face tokenizer.json and in GGUF files ("gpt2" vocabularies),
 * bit-exact to the Hugging Face `tokenizers` library. A tokenizer is immutable after opening and
 * may be used by any number of threads at once; everything a getter returns is borrowed from it.
 * Token ids are int32_t; -1 stands for "none". All work is linear (times a logarithm at worst) in
 * the text. */
#ifndef TEXT_H
#define TEXT_H

#include "base/base.h"
#include "fmt/fmt.h"

/* ---- bytes and UTF-8 ------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at s (n > 0 bytes left): 1..4 when valid; -k when the first k bytes
 * are a maximal invalid part (Unicode 15, section 3.9, U+FFFD substitution); 0 when the end of s
 * cuts off a sequence that is valid so far. */
int utf8_step(const char *s, size_t n);
/* Appends s with every maximal invalid part as U+FFFD; returns true when there was none. */
bool utf8_repair(buf *out, str s);

/* Bytes that arrive in pieces, as generated tokens do, into whole characters: a cut sequence is
 * held back until it is complete, what cannot become valid is U+FFFD at once. Zeroed to begin. */
typedef struct utf8_stream {
    char held[4];
    size_t n;
} utf8_stream;

void utf8_push(utf8_stream *u, str bytes, buf *out);
void utf8_flush(utf8_stream *u, buf *out); /* the end: what is held becomes U+FFFD */

/* Unicode normal forms. */
enum text_form { FORM_NONE, FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD };

/* Appends s in the form; parts that are not UTF-8 stay as they are. Linear in s. ENOMEM. */
ponder_status normal_form(buf *out, enum text_form form, str s, ponder_error *err);

/* ---- tokenizer ------------------------------------------------------------------------------ */

/* Growable ids; a failed growth sets `failed` and later appends do nothing. */
typedef struct tokens {
    int32_t *p;
    size_t n, cap;
    bool failed;
} tokens;

void tokens_add(tokens *v, int32_t id);
void tokens_free(tokens *v);

typedef struct tokenizer tokenizer;

/* path: a tokenizer.json (settings are read from tokenizer_config.json and generation_config.json
 * beside it, where present), a directory that holds one, or a .gguf file. */
ponder_status tokenizer_open(tokenizer **out, const char *path, ponder_error *err);
/* Of an open model, GGUF or directory; does not keep m. */
ponder_status tokenizer_from_model(tokenizer **out, const fmt_model *m, ponder_error *err);
void tokenizer_close(tokenizer *t);

int32_t tokenizer_size(const tokenizer *t); /* one more than the highest id */
int32_t tokenizer_bos(const tokenizer *t);
int32_t tokenizer_eos(const tokenizer *t);
bool tokenizer_adds_bos(const tokenizer *t); /* the model's configuration wants BOS before a text */
/* Tokens that end a generation: EOS, and what the files or well-known names say ends a turn. */
const int32_t *tokenizer_ends(const tokenizer *t, size_t *n);
bool tokenizer_is_end(const tokenizer *t, int32_t id);
/* Has the "special" flag (GGUF: is of control type): dropped by skip_special. */
bool tokenizer_is_special(const tokenizer *t, int32_t id);
/* The bytes an id stands for; empty for ids the vocabulary does not have. */
str tokenizer_bytes(const tokenizer *t, int32_t id);
/* The token that is exactly this text, added tokens first; -1 when there is none. */
int32_t tokenizer_find(const tokenizer *t, str text);

enum { TEXT_PLAIN = 1, TEXT_BOS = 2 };

/* Appends the ids of text. Added tokens inside it are recognised unless flags has TEXT_PLAIN: text
 * from a person or the network is encoded plain, or it could forge turns. TEXT_BOS puts the BOS
 * first if the configuration adds one. Any bytes are accepted: what is not UTF-8 becomes byte
 * tokens. Without a normaliser decode(encode(x)) == x. ELIMIT from 2 GiB on. */
ponder_status tokenizer_encode(const tokenizer *t, tokens *out, str text, unsigned flags,
                               ponder_error *err);

typedef struct text_span {
    size_t begin, end;
} text_span;

/* As tokenizer_encode, but added tokens are recognised only where they lie inside one of the
 * trusted spans (ascending, disjoint). The text between recognised tokens is still encoded in one
 * piece, so a harmless text has the same ids as with everything trusted. */
ponder_status tokenizer_encode_trusted(const tokenizer *t, tokens *out, str text,
                                       const text_span *trusted, size_t n, ponder_error *err);

/* Appends the bytes of ids, which need not be UTF-8 (see utf8_repair). Unknown ids are dropped. */
void tokenizer_decode(const tokenizer *t, buf *out, const int32_t *ids, size_t n,
                      bool skip_special);

/* ---- cutting, without a vocabulary ------------------------------------------------------------- */

/* The pieces a tokenizer merges within, by the name of a pre-tokenizer as GGUF files have it
 * ("smollm", "qwen2", "deepseek-v3", "gpt-2" ...): for training vocabularies. */
typedef struct text_splitter text_splitter;
typedef void text_piece_fn(void *user, str piece);
ponder_status text_splitter_open(text_splitter **out, const char *name, ponder_error *err);
void text_splitter_close(text_splitter *s);
/* Normalises where the pre-tokenizer does. */
ponder_status text_split(const text_splitter *s, str text, text_piece_fn *piece, void *user,
                         ponder_error *err);
/* The same as the "normalizer" and "pre_tokenizer" members of a tokenizer.json, appended as JSON;
 * *ignore_merges for its model. */
void text_splitter_json(const text_splitter *s, buf *normalizer, buf *pre, bool *ignore_merges);
/* Which name means the same as these two members of a tokenizer.json (NULL or null: none); NULL when
 * no name does. */
const char *text_splitter_name(const json_t *normalizer, const json_t *pre);
/* A byte in GPT-2's alphabet, 1 or 2 bytes; returns how many. */
size_t text_spell_byte(uint8_t byte, char out[2]);

/* ---- chat prompts --------------------------------------------------------------------------- */

/* Chat templates, written as code. The comments of chat.c give each one's source. */
typedef enum chat_template {
    CHAT_NONE, /* the model has no template, or one that is not known */
    CHAT_DEEPSEEK_V2,
    CHAT_DEEPSEEK_V3,
    CHAT_DEEPSEEK_R1,
    CHAT_DEEPSEEK_R1_0528,
    CHAT_DEEPSEEK_V3_1,
    CHAT_R1_DISTILL,
    CHAT_R1_DISTILL_JAN, /* the January 2025 form, which does not open <think> */
    CHAT_QWEN2_5,
    CHAT_LLAMA3,
    CHAT_CHATML,
    CHAT_SMOLLM2 /* ChatML with SmolLM2's default system message */
} chat_template;

const char *chat_template_name(chat_template c); /* "deepseek_r1", ... */
bool chat_template_by_name(chat_template *out, str name);
/* From a model's Jinja text (may be empty), else from the control tokens of its vocabulary. */
chat_template chat_template_detect(const tokenizer *t, str jinja);
/* What chat_template_detect said of the files the tokenizer came from. */
chat_template tokenizer_template(const tokenizer *t);

typedef struct chat_call {
    str type, name;
    str arguments;      /* as text: a string's value, or the JSON of anything else */
    str arguments_json; /* as JSON: the same with a string quoted */
} chat_call;

typedef struct chat_message {
    str role; /* "system", "user", "assistant", "tool" */
    str content;
    bool has_content;       /* false: null or absent */
    const chat_call *calls; /* NULL: no list of tool calls (n_calls 0 with a list is possible) */
    size_t n_calls;
    bool prefix; /* the assistant's turn is to be continued (V3.1) */
} chat_message;

typedef struct chat_request {
    const chat_message *messages;
    size_t n_messages;
    const str *tools; /* each the JSON text of one tool, in the form chat_read_json makes */
    size_t n_tools;
    bool generation_prompt; /* end where the assistant's answer begins */
    bool thinking;          /* V3.1 only: its prompt chooses between <think> and </think> */
} chat_request;

/* A rendered prompt. `trusted` are the spans the template wrote; the rest came from messages.
 * tokenizer_encode(text) gives the reference's ids, tokenizer_encode_trusted(text, trusted) the
 * same ids for harmless messages and no forged control tokens for the others. */
typedef struct chat_prompt {
    buf text;
    text_span *trusted;
    size_t n_trusted, cap_trusted;
    bool opens_thinking; /* ends inside <think>: the answer begins with reasoning */
} chat_prompt;

/* bos is what the template writes for bos_token (empty for none). Free the prompt in any case. */
ponder_status chat_render(chat_prompt *out, chat_template c, const chat_request *r, str bos,
                          ponder_error *err);
void chat_prompt_free(chat_prompt *p);

/* An owned request from JSON: {"messages", "tools"?, "add_generation_prompt"?, "thinking"?} in the
 * OpenAI form. Contents may be strings, null, or lists of {"type":"text"} parts. Strings are
 * borrowed from row. `name` stands in messages. */
typedef struct chat_json {
    chat_request request;
    chat_message *messages;
    chat_call *calls;
    str *tools;
    buf *owned; /* texts that had to be made: one per message, call and tool */
    size_t n_owned;
} chat_json;

ponder_status chat_read_json(chat_json *out, const json_t *row, const char *name,
                             ponder_error *err);
void chat_json_free(chat_json *c);

/* ---- what the model wrote ------------------------------------------------------------------- */

/* Splits generated text, which arrives in any pieces, into reasoning, answer and tool calls:
 *
 *   (start) --<think>--> REASONING --</think>--> ANSWER --begin mark--> CALLS
 *      `--- anything else --------------------------^
 *
 * A mark may be cut anywhere; text that may be the beginning of one is held back. Line breaks next
 * to <think> and </think> belong to neither part. Zeroed to begin; `state` is CHAT_REASONING from
 * the start when the prompt opened the thinking. */
typedef struct chat_splitter {
    enum chat_part { CHAT_START, CHAT_REASONING, CHAT_ANSWER, CHAT_CALLS } state;
    bool skip_breaks; /* line breaks are dropped until something else comes */
    buf held;
} chat_splitter;

/* Appends to the parts; each may be NULL. */
void chat_split(chat_splitter *s, str text, buf *reasoning, buf *answer, buf *calls);
void chat_split_end(chat_splitter *s, buf *reasoning, buf *answer, buf *calls);
void chat_splitter_free(chat_splitter *s);

/* One call in the text that follows the begin mark. Borrowed from it. */
typedef struct chat_called {
    str name, arguments; /* arguments are what the model wrote: most often JSON, unchecked */
} chat_called;

/* The call at *at in the calls part, moving *at behind it; false when there is no further complete
 * one. Forms: DeepSeek V3 and R1 (type, separator, name, fenced JSON) and V3.1 (name, separator,
 * JSON). Start with *at = 0. */
bool chat_next_call(str calls, size_t *at, chat_called *out);

#endif
