/* Cutting text into the pieces that are merged, by the patterns of the model.
 * SPDX-License-Identifier: MIT
 *
 * Patterns run one after the other, each on every piece the one before it left, as a subject of its
 * own: a lookahead must not see past its piece. PCRE2 is made to agree with the reference's engine
 * (Oniguruma with Ruby syntax) where the two differ:
 *   \s   is White_Space; PCRE2's under UCP also has U+180E
 *   ^ $  match at every line
 * and constructs that would silently mean something else are refused. */
#include "text/text_int.h"

/* \s without and with the brackets. */
#define SPACE_SET "\\p{Z}\\t-\\r\\x{85}"
#define SPACE     "[" SPACE_SET "]"

enum { HEAP_LIMIT_KIB = 256 << 10, PATTERN_LIMIT = 64 << 10, STEPS = 1000000, STEPS_PER_BYTE = 8 };

const char PRETOK_GPT2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

#define QWEN_LLAMA(digits)                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                           \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Letters that have case, as of the Unicode version DeepSeek-LLM was made with. */
#define CASED_LETTERS                                                                              \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}"                 \
    "\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}"         \
    "\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}"                  \
    "\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}"                       \
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}"                 \
    "\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}"                 \
    "\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}"        \
    "\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}"         \
    "\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}"                 \
    "\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}"                  \
    "\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}"                   \
    "\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}"        \
    "\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}"         \
    "\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"                  \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}"                 \
    "\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}"               \
    "\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"         \
    "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"

/* What tokenizer.ggml.pre means. Sources: the models' own tokenizer.json files; for deepseek-llm,
 * deepseek-coder and default, llama-vocab.cpp of ikawrakow/ik_llama.cpp (facts only). */
/* clang-format off */
static const struct pretok_kind {
    const char *names[6];
    enum text_form form;
    bool ignore_merges;
    const char *pattern[6];
} KINDS[] = {
    {{"deepseek-v3"}, FORM_NONE, false,
     {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
      "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
      " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {{"deepseek-llm"}, FORM_NONE, false,
     {"[\\r\\n]", "\\s?[" CASED_LETTERS "]+",
      "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
      "\\s+$", "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+", "\\p{N}+"}},
    {{"deepseek-coder"}, FORM_NONE, false,
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
      "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+", "\\p{N}"}},
    {{"llama-bpe", "llama3", "llama-v3"}, FORM_NONE, true, {QWEN_LLAMA("\\p{N}{1,3}")}},
    {{"qwen2", "deepseek-r1-qwen"}, FORM_NFC, false, {QWEN_LLAMA("\\p{N}")}},
    {{"smollm"}, FORM_NONE, false, {"\\p{N}", PRETOK_GPT2}},
    {{"gpt-2", "phi-2"}, FORM_NONE, false, {PRETOK_GPT2}},
    {{"default", ""}, FORM_NONE, false,
     {"[\\p{P}\\$\\+<=>\\^~\\|]+", PRETOK_GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
};
/* clang-format on */

/* Rewrites one class, from behind its '[' to behind its ']'. */
static bool rewrite_class(buf *out, str p, size_t *at)
{
    size_t i = *at;
    buf_add_char(out, '[');
    if (i < p.n && p.p[i] == '^') buf_add_char(out, p.p[i++]);
    for (bool first = true; i < p.n; first = false) {
        char c = p.p[i++];
        if (c == ']' && !first) {
            buf_add_char(out, c);
            *at = i;
            return true;
        }
        /* Nested classes and intersections are Oniguruma's; in PCRE2 they are plain characters. */
        if (c == '[' || c == ']' || (c == '&' && i < p.n && p.p[i] == '&')) return false;
        if (c != '\\' || i == p.n) {
            buf_add_char(out, c);
            continue;
        }
        char k = p.p[i++];
        if (k == 'S' || k == 'h' || k == 'H') return false;
        if (k == 's') buf_add_str(out, STR(SPACE_SET));
        else buf_add(out, (char[]){c, k}, 2);
    }
    return false;
}

static bool rewrite(buf *out, str p)
{
    if (str_eq(p, STR("\\s+$"))) {
        /* Without this every blank of a long run that ends elsewhere would be tried as a start. */
        buf_add_str(out, STR("(?<!" SPACE ")" SPACE "++$"));
        return true;
    }
    for (size_t i = 0; i < p.n;) {
        char c = p.p[i++];
        if (c == '[') {
            if (!rewrite_class(out, p, &i)) return false;
        } else if (c == '\\' && i < p.n) {
            char k = p.p[i++];
            if (k == 'h' || k == 'H') return false;
            if (k == 's') buf_add_str(out, STR(SPACE));
            else if (k == 'S') buf_add_str(out, STR("[^" SPACE_SET "]"));
            else buf_add(out, (char[]){c, k}, 2);
        } else {
            buf_add_char(out, c);
        }
    }
    return true;
}

static ponder_status add_compiled(tokenizer *t, str pattern, uint32_t options, bool drop_matches,
                                  bool drop_gaps, ponder_error *err)
{
    if (t->n_stages == TEXT_MAX_STAGES)
        return err_set(err, PONDER_EUNSUPPORTED, "pre-tokenizer has more than %d patterns",
                       TEXT_MAX_STAGES);
    int code;
    PCRE2_SIZE where;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) return err_set(err, PONDER_ENOMEM, "pre-tokenizer: out of memory");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 50);
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
                      options | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &where, context);
    pcre2_compile_context_free(context);
    if (!re) {
        char why[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return err_set(err, PONDER_EUNSUPPORTED, "pre-tokenizer pattern \"%.*s\": %s at byte %zu",
                       STR_ARG(pattern), why, (size_t)where);
    }
    bool jit = pcre2_jit_compile(re, PCRE2_JIT_COMPLETE) == 0;
    t->stage[t->n_stages++] = (split_stage){re, jit, drop_gaps, drop_matches};
    return PONDER_OK;
}

ponder_status pretok_add(tokenizer *t, str pattern, bool drop_matches, bool drop_gaps,
                         ponder_error *err)
{
    buf b = {0};
    ponder_status st = PONDER_OK;
    if (pattern.n > PATTERN_LIMIT)
        st = err_set(err, PONDER_ELIMIT, "pre-tokenizer pattern has %zu bytes", pattern.n);
    else if (!rewrite(&b, pattern))
        st = err_set(err, PONDER_EUNSUPPORTED,
                     "pre-tokenizer pattern \"%.*s\" uses a construct that "
                     "has no safe translation",
                     STR_ARG(pattern));
    else if (b.failed) st = err_set(err, PONDER_ENOMEM, "pre-tokenizer: out of memory");
    else
        st =
            add_compiled(t, buf_str(&b), PCRE2_UCP | PCRE2_MULTILINE, drop_matches, drop_gaps, err);
    buf_free(&b);
    return st;
}

ponder_status pretok_add_literal(tokenizer *t, str text, bool drop_matches, bool drop_gaps,
                                 ponder_error *err)
{
    return add_compiled(t, text, PCRE2_LITERAL, drop_matches, drop_gaps, err);
}

static const struct pretok_kind *kind_by_name(str name)
{
    for (size_t i = 0; i < COUNT_OF(KINDS); i++)
        for (size_t j = 0; j < COUNT_OF(KINDS[i].names) && KINDS[i].names[j]; j++)
            if (str_eq(name, str_of(KINDS[i].names[j]))) return &KINDS[i];
    return NULL;
}

const char *pretok_name(size_t i) { return i < COUNT_OF(KINDS) ? KINDS[i].names[0] : NULL; }

const char *pretok_canonical(const char *name)
{
    const struct pretok_kind *k = kind_by_name(str_of(name));
    return k ? k->names[0] : NULL;
}

const char *pretok_pattern(const char *name, size_t j)
{
    const struct pretok_kind *k = kind_by_name(str_of(name));
    return k && j < COUNT_OF(k->pattern) ? k->pattern[j] : NULL;
}

ponder_status pretok_by_name(tokenizer *t, str name, ponder_error *err)
{
    const struct pretok_kind *k = kind_by_name(name);
    if (k) {
        t->form = k->form;
        t->ignore_merges = k->ignore_merges;
        for (size_t j = 0; j < COUNT_OF(k->pattern) && k->pattern[j]; j++)
            TRY(pretok_add(t, str_of(k->pattern[j]), false, false, err));
        return PONDER_OK;
    }
    return err_set(err, PONDER_EUNSUPPORTED,
                   "pre-tokenizer \"%.*s\" is not known; use the model's "
                   "Hugging Face directory with its tokenizer.json",
                   STR_ARG(name));
}

/* ---- splitting ------------------------------------------------------------------------------ */

/* The first match of the stage at or behind `from`; false when there is none. */
static ponder_status next_match(encoder *e, const split_stage *g, str s, size_t from, bool *found,
                                size_t *begin, size_t *end)
{
    PCRE2_SPTR p = (PCRE2_SPTR)s.p;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (g->jit) rc = pcre2_jit_match(g->code, p, s.n, from, 0, e->match, e->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter's stack is on the heap */
        rc = pcre2_match(g->code, p, s.n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, e->match,
                         e->context);
    *found = rc >= 0;
    if (rc == PCRE2_ERROR_NOMATCH) return PONDER_OK;
    if (rc < 0) {
        char why[128] = "";
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        return err_set(e->err, PONDER_ELIMIT, "encode: pre-tokenizer pattern fails at byte %zu: %s",
                       from, why);
    }
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(e->match);
    *begin = at[0];
    *end = at[1];
    if (*begin > *end) /* \K inside a lookahead */
        return err_set(e->err, PONDER_EUNSUPPORTED,
                       "encode: pre-tokenizer pattern matches backwards");
    return PONDER_OK;
}

static ponder_status split(encoder *e, int stage, str s)
{
    if (s.n == 0) return PONDER_OK;
    if (stage == e->t->n_stages) return e->piece(e, s);
    const split_stage *g = &e->t->stage[stage];
    size_t done = 0, from = 0;
    while (from < s.n) {
        bool found;
        size_t begin, end;
        TRY(next_match(e, g, s, from, &found, &begin, &end));
        if (!found) break;
        if (!g->drop_gaps) TRY(split(e, stage + 1, (str){s.p + done, begin - done}));
        if (!g->drop_matches) TRY(split(e, stage + 1, (str){s.p + begin, end - begin}));
        done = from = end;
        /* After an empty match, which only cuts, the search goes on one character further. */
        if (begin == end && from < s.n) from += (size_t)utf8_step(s.p + from, s.n - from);
    }
    return g->drop_gaps ? PONDER_OK : split(e, stage + 1, (str){s.p + done, s.n - done});
}

ponder_status pretok_split(encoder *e, str s) { return split(e, 0, s); }

/* A run of blanks alone takes one step a byte, so the limit that ends a runaway pattern grows with
 * the text. */
bool pretok_begin(encoder *e, size_t text_bytes)
{
    e->match = pcre2_match_data_create(1, NULL);
    e->context = pcre2_match_context_create(NULL);
    if (!e->match || !e->context) return false;
    uint64_t steps = STEPS + (uint64_t)text_bytes * STEPS_PER_BYTE;
    pcre2_set_match_limit(e->context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    pcre2_set_heap_limit(e->context, HEAP_LIMIT_KIB);
    return true;
}

void pretok_end(encoder *e)
{
    pcre2_match_data_free(e->match);
    pcre2_match_context_free(e->context);
}
