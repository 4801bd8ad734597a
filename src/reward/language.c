/* Language: the share of words in the language asked for.
 * SPDX-License-Identifier: MIT
 *
 * The text is cut into runs of letters of one script. Code, formulas, variables and abbreviations
 * are neutral; so that nothing hides in them, that holds for Latin and Greek letters only. Where a
 * script settles the language, a run counts at once. Latin words are gathered to the end of a
 * sentence, whose language is the one most of its small words, endings and accents belong to. */
#include "reward/terms.h"

#include <utf8proc.h>

enum {
    WORD = 6, /* the unit of reward_words */
    HAN = 4,  /* a Chinese word has one and a half characters in running text */
    KANA = 2,
    UNSPACED = 1,  /* a letter of a script that writes no blanks between words */
    SENTENCE = 40, /* words after which a decision falls in any case */
    LOOKED_UP = 32
};

enum language { EN = 1, DE = 2, FR = 4, ES = 8, IT = 16, PT = 32, NL = 64 };
enum { LANGUAGES = 7 }; /* and one more score, for none of them */

enum script {
    NO_LETTER,
    MARK,
    LATIN,
    GREEK,
    CYRILLIC,
    HEBREW,
    ARABIC,
    DEVANAGARI,
    THAI,
    HANGUL,
    CHINESE,
    JAPANESE,
    OTHER
};

static const struct target {
    const char *name;
    enum script script;
    enum language language;
} TARGETS[] = {{"en", LATIN, EN},   {"de", LATIN, DE}, {"fr", LATIN, FR},     {"es", LATIN, ES},
               {"it", LATIN, IT},   {"pt", LATIN, PT}, {"nl", LATIN, NL},     {"zh", CHINESE, 0},
               {"ja", JAPANESE, 0}, {"ko", HANGUL, 0}, {"ru", CYRILLIC, 0},   {"el", GREEK, 0},
               {"ar", ARABIC, 0},   {"he", HEBREW, 0}, {"hi", DEVANAGARI, 0}, {"th", THAI, 0}};

/* ---- what letters, words and endings say ----------------------------------------------------- */

static const struct range {
    utf8proc_int32_t first, last;
    enum script script;
} RANGES[] = {
    {0x0041, 0x024F, LATIN},    {0x0370, 0x03FF, GREEK},      {0x0400, 0x052F, CYRILLIC},
    {0x0590, 0x05FF, HEBREW},   {0x0600, 0x06FF, ARABIC},     {0x0750, 0x077F, ARABIC},
    {0x08A0, 0x08FF, ARABIC},   {0x0900, 0x097F, DEVANAGARI}, {0x0E00, 0x0E7F, THAI},
    {0x1100, 0x11FF, HANGUL},   {0x1E00, 0x1EFF, LATIN},      {0x1F00, 0x1FFF, GREEK},
    {0x2E80, 0x2FDF, CHINESE},  {0x3005, 0x3007, CHINESE},    {0x3040, 0x30FF, JAPANESE},
    {0x3130, 0x318F, HANGUL},   {0x31F0, 0x31FF, JAPANESE},   {0x3400, 0x4DBF, CHINESE},
    {0x4E00, 0x9FFF, CHINESE},  {0xAC00, 0xD7AF, HANGUL},     {0xF900, 0xFAFF, CHINESE},
    {0xFB50, 0xFDFF, ARABIC},   {0xFE70, 0xFEFE, ARABIC},     {0xFF21, 0xFF5A, LATIN},
    {0xFF66, 0xFF9F, JAPANESE}, {0x20000, 0x323AF, CHINESE},
};

static enum script script_of(utf8proc_int32_t cp)
{
    if (cp < 0x80) return ((cp | 0x20) >= 'a' && (cp | 0x20) <= 'z') ? LATIN : NO_LETTER;
    utf8proc_category_t c = utf8proc_category(cp);
    if (c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC) return MARK;
    bool letter = c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
    if (!letter && cp != 0x3007) return NO_LETTER; /* 〇 is a Han numeral */
    for (size_t i = 0; i < COUNT_OF(RANGES); i++)
        if (cp >= RANGES[i].first && cp <= RANGES[i].last) return RANGES[i].script;
    return OTHER;
}

/* clang-format off */
/* Small words, in byte order. Words of one ASCII letter are left out: they are variables too. */
static const struct small_word {
    const char *word;
    unsigned languages;
} SMALL[] = {
    {"aan", NL}, {"abbiamo", IT}, {"aber", DE}, {"about", EN}, {"actually", EN}, {"after", EN},
    {"again", EN}, {"agli", IT}, {"agora", PT}, {"ahora", ES}, {"al", ES | IT}, {"all", EN},
    {"alla", IT}, {"alle", DE | NL}, {"allora", IT}, {"alors", FR}, {"als", DE | NL},
    {"also", EN | DE}, {"am", DE}, {"an", EN | DE}, {"anche", IT}, {"and", EN}, {"any", EN},
    {"ao", PT}, {"are", EN}, {"as", EN | PT}, {"assim", PT}, {"así", ES}, {"at", EN}, {"au", FR},
    {"auch", DE}, {"auf", DE}, {"aus", DE}, {"aussi", FR}, {"aux", FR}, {"avec", FR},
    {"avoir", FR}, {"avons", FR}, {"be", EN}, {"because", EN}, {"been", EN}, {"before", EN},
    {"bei", DE}, {"beim", DE}, {"being", EN}, {"between", EN}, {"bien", FR}, {"bij", NL},
    {"bis", DE}, {"both", EN}, {"but", EN}, {"by", EN}, {"cada", ES | PT}, {"can", EN},
    {"car", FR}, {"ce", FR}, {"cela", FR}, {"ces", FR}, {"cette", FR}, {"chaque", FR}, {"che", IT},
    {"ci", IT}, {"com", PT}, {"come", IT}, {"comme", FR}, {"como", ES | PT}, {"con", ES | IT},
    {"così", IT}, {"could", EN}, {"cuando", ES}, {"cui", IT}, {"da", IT | PT}, {"daher", DE},
    {"dal", IT}, {"dalla", IT}, {"damit", DE}, {"dan", NL}, {"dann", DE}, {"dans", FR},
    {"das", DE | PT}, {"dass", DE}, {"dat", NL}, {"de", FR | ES | PT | NL}, {"decir", ES},
    {"degli", IT}, {"dei", IT}, {"del", ES | IT}, {"della", IT}, {"delle", IT}, {"dem", DE},
    {"den", DE}, {"denn", DE}, {"der", DE}, {"des", DE | FR}, {"desde", ES}, {"desta", PT},
    {"deste", PT}, {"deux", FR}, {"deze", NL}, {"di", IT}, {"did", EN}, {"die", DE | NL},
    {"diese", DE}, {"dieser", DE}, {"dieses", DE}, {"disso", PT}, {"dit", NL}, {"do", EN | PT},
    {"doch", DE}, {"does", EN}, {"dois", PT}, {"donc", FR}, {"donde", ES}, {"door", NL},
    {"dos", ES | PT}, {"dove", IT}, {"drei", DE}, {"drie", NL}, {"du", FR}, {"due", IT},
    {"durch", DE}, {"dus", NL}, {"each", EN}, {"een", NL}, {"ein", DE}, {"eine", DE},
    {"einem", DE}, {"einen", DE}, {"einer", DE}, {"el", ES}, {"ela", PT}, {"ele", PT},
    {"eles", PT}, {"elke", NL}, {"elle", FR}, {"em", PT}, {"en", FR | ES | NL}, {"encore", FR},
    {"entonces", ES}, {"entre", FR | ES | PT}, {"então", PT}, {"er", DE | NL}, {"era", ES},
    {"es", DE | ES}, {"esa", ES}, {"ese", ES}, {"eso", ES}, {"essere", IT}, {"est", FR},
    {"esta", ES | PT}, {"este", ES | PT}, {"estos", ES}, {"está", ES}, {"et", FR}, {"etwas", DE},
    {"fait", FR}, {"faut", FR}, {"find", EN}, {"first", EN}, {"foi", PT}, {"for", EN},
    {"from", EN}, {"für", DE}, {"geen", NL}, {"get", EN}, {"gilt", DE}, {"gli", IT}, {"ha", IT},
    {"haben", DE}, {"hacer", ES}, {"had", EN}, {"hanno", IT}, {"has", EN}, {"hat", DE},
    {"hatte", DE}, {"have", EN}, {"hay", ES}, {"he", EN}, {"hebben", NL}, {"heeft", NL},
    {"her", EN}, {"here", EN}, {"het", NL}, {"hier", DE}, {"hij", NL}, {"him", EN}, {"his", EN},
    {"ho", IT}, {"hoe", NL}, {"how", EN}, {"ich", DE}, {"ici", FR}, {"if", EN}, {"ihm", DE},
    {"ihn", DE}, {"ihr", DE}, {"ik", NL}, {"il", FR | IT}, {"ils", FR}, {"im", DE},
    {"in", EN | DE | IT | NL}, {"into", EN}, {"is", EN | NL}, {"isso", PT}, {"ist", DE},
    {"it", EN}, {"its", EN}, {"ja", DE}, {"je", FR | NL}, {"jetzt", DE}, {"jij", NL}, {"just", EN},
    {"já", PT}, {"kan", NL}, {"kann", DE}, {"know", EN}, {"können", DE}, {"la", FR | ES | IT},
    {"las", ES}, {"le", FR | ES | IT}, {"les", FR}, {"let", EN}, {"leur", FR}, {"like", EN},
    {"lo", ES | IT}, {"los", ES}, {"luego", ES}, {"ma", FR | IT}, {"maar", NL}, {"mais", FR | PT},
    {"make", EN}, {"mal", DE}, {"man", DE}, {"many", EN}, {"mas", PT}, {"may", EN}, {"maybe", EN},
    {"me", EN}, {"means", EN}, {"meer", NL}, {"mehr", DE}, {"met", NL}, {"meu", PT},
    {"mi", ES | IT}, {"mich", DE}, {"might", EN}, {"mijn", NL}, {"minha", PT}, {"mio", IT},
    {"mir", DE}, {"mit", DE}, {"moet", NL}, {"mon", FR}, {"more", EN}, {"much", EN}, {"muito", PT},
    {"muss", DE}, {"must", EN}, {"muy", ES}, {"my", EN}, {"más", ES}, {"même", FR}, {"müssen", DE},
    {"na", PT}, {"naar", NL}, {"nach", DE}, {"nas", PT}, {"ne", FR}, {"need", EN}, {"nein", DE},
    {"nel", IT}, {"nella", IT}, {"nesta", PT}, {"neste", PT}, {"next", EN}, {"nicht", DE},
    {"niet", NL}, {"no", EN | ES | PT}, {"noch", DE}, {"nog", NL}, {"non", IT}, {"nos", ES | PT},
    {"not", EN}, {"nous", FR}, {"now", EN}, {"nu", NL}, {"nur", DE}, {"não", PT}, {"nós", PT},
    {"oder", DE}, {"of", EN | NL}, {"ogni", IT}, {"ohne", DE}, {"okay", EN}, {"om", NL},
    {"omdat", NL}, {"on", EN | FR}, {"onde", PT}, {"one", EN}, {"only", EN}, {"ont", FR},
    {"ook", NL}, {"op", NL}, {"or", EN}, {"ora", IT}, {"os", PT}, {"other", EN}, {"ou", FR | PT},
    {"our", EN}, {"out", EN}, {"over", EN | NL}, {"où", FR}, {"par", FR}, {"para", ES | PT},
    {"pas", FR}, {"pela", PT}, {"pelo", PT}, {"per", EN | IT}, {"perché", IT}, {"pero", ES},
    {"peut", FR}, {"più", IT}, {"plus", FR}, {"pode", PT}, {"podemos", ES | PT}, {"poi", IT},
    {"por", ES | PT}, {"porque", ES | PT}, {"pour", FR}, {"puede", ES}, {"puis", FR}, {"può", IT},
    {"quando", IT | PT}, {"que", FR | ES | PT}, {"questa", IT}, {"questi", IT}, {"questo", IT},
    {"qui", FR}, {"quindi", IT}, {"right", EN}, {"sa", FR}, {"same", EN}, {"sans", FR},
    {"se", FR | ES | IT | PT}, {"sehr", DE}, {"sein", DE}, {"ser", ES | PT}, {"ses", FR},
    {"seu", PT}, {"she", EN}, {"should", EN}, {"si", FR | ES | IT}, {"sia", IT}, {"sich", DE},
    {"sie", DE}, {"since", EN}, {"sind", DE}, {"so", EN | DE}, {"sobre", ES}, {"soit", FR},
    {"some", EN}, {"son", FR | ES}, {"sono", IT}, {"sont", FR}, {"sous", FR}, {"still", EN},
    {"su", ES}, {"sua", PT}, {"such", EN}, {"sur", FR}, {"sus", ES}, {"são", PT}, {"también", ES},
    {"também", PT}, {"te", NL}, {"tem", PT}, {"temos", PT}, {"tenemos", ES}, {"than", EN},
    {"that", EN}, {"the", EN}, {"their", EN}, {"them", EN}, {"then", EN}, {"there", EN},
    {"therefore", EN}, {"these", EN}, {"they", EN}, {"this", EN}, {"those", EN}, {"three", EN},
    {"thus", EN}, {"tiene", ES}, {"time", EN}, {"to", EN}, {"todo", ES | PT}, {"todos", ES | PT},
    {"tot", NL}, {"tous", FR}, {"tout", FR}, {"tre", IT}, {"tres", ES}, {"trois", FR},
    {"très", FR}, {"três", PT}, {"tu", FR}, {"tutti", IT}, {"tutto", IT}, {"twee", NL},
    {"two", EN}, {"uit", NL}, {"um", DE | PT}, {"uma", PT}, {"un", FR | ES | IT}, {"una", ES | IT},
    {"und", DE}, {"une", FR}, {"uno", ES | IT}, {"uns", DE}, {"up", EN}, {"us", EN}, {"use", EN},
    {"using", EN}, {"vais", FR}, {"vamos", ES | PT}, {"van", NL}, {"very", EN}, {"vom", DE},
    {"von", DE}, {"voor", NL}, {"vou", PT}, {"vous", FR}, {"voy", ES}, {"waar", NL}, {"wait", EN},
    {"want", NL}, {"war", DE}, {"was", EN}, {"wat", NL}, {"we", EN | NL}, {"weil", DE},
    {"wel", NL}, {"wenn", DE}, {"werden", DE}, {"were", EN}, {"what", EN}, {"when", EN},
    {"where", EN}, {"which", EN}, {"while", EN}, {"who", EN}, {"why", EN}, {"wie", DE},
    {"wij", NL}, {"will", EN}, {"wir", DE}, {"wird", DE}, {"with", EN}, {"worden", NL},
    {"wordt", NL}, {"would", EN}, {"wurde", DE}, {"ya", ES}, {"yes", EN}, {"you", EN},
    {"your", EN}, {"zij", NL}, {"zijn", NL}, {"zo", NL}, {"zu", DE}, {"zum", DE}, {"zur", DE},
    {"zwei", DE}, {"à", FR | PT}, {"è", IT}, {"é", PT}, {"était", FR}, {"être", FR}, {"über", DE},
};
/* clang-format on */

static const struct small_word ENDINGS[] = {
    {"ing", EN | NL}, {"ly", EN},
    {"ed", EN},       {"tion", EN | FR},
    {"ung", DE},      {"keit", DE},
    {"lich", DE},     {"isch", DE | NL},
    {"eux", FR},      {"ement", FR},
    {"eurs", FR},     {"ción", ES},
    {"dad", ES},      {"ando", ES | IT | PT},
    {"zione", IT},    {"mente", ES | IT | PT},
    {"ità", IT},      {"ção", PT},
    {"ões", PT},      {"lijk", NL},
    {"heid", NL},
};

static const struct small_word ACCENTS[] = {
    {"äöüß", DE},   {"àâçèêëîïôùûœé", FR}, {"áéíóúñ", ES},
    {"àèéìòù", IT}, {"ãõáéíóúâêôç", PT},   {"ëï", NL},
};

/* Names of functions that stand in formulas. */
static const char *const NEUTRAL[] = {
    "arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot",  "csc", "deg", "det",
    "dim",    "exp",    "gcd",    "inf", "ker", "lcm",  "lg",   "lim", "ln",  "log",
    "max",    "min",    "mod",    "sec", "sin", "sinh", "sqrt", "sup", "tan", "tanh"};

typedef struct counter {
    const struct target *target;
    reward_words out;
    int score[LANGUAGES + 1];
    size_t words;     /* Latin ones of this sentence */
    bool carried;     /* the last sentence that could be told was in the target */
    size_t han, kana; /* of this line */
} counter;

static int order(str a, const char *z)
{
    int d = strncmp(a.p, z, a.n);
    return d ? d : -(z[a.n] != '\0');
}

static unsigned small_word(str lower)
{
    size_t low = 0, high = COUNT_OF(SMALL);
    while (low < high) {
        size_t mid = (low + high) / 2;
        int d = order(lower, SMALL[mid].word);
        if (d == 0) return SMALL[mid].languages;
        if (d < 0) high = mid;
        else low = mid + 1;
    }
    return 0;
}

/* A word that several languages have says less about each. */
static void score(counter *c, unsigned languages, int weight)
{
    int n = 0;
    for (int i = 0; i < LANGUAGES; i++) n += languages >> i & 1;
    for (int i = 0; i < LANGUAGES; i++)
        if (languages >> i & 1) c->score[i] += weight / n;
}

static void score_accent(counter *c, str letter)
{
    unsigned languages = 0;
    for (size_t i = 0; i < COUNT_OF(ACCENTS); i++)
        if (str_find(str_of(ACCENTS[i].word), letter, 0) != SIZE_MAX)
            languages |= ACCENTS[i].languages;
    if (languages) score(c, languages, 12);
    else c->score[LANGUAGES] += 12;
}

/* ---- counting -------------------------------------------------------------------------------- */

static void count(counter *c, bool target, size_t units)
{
    if (target) c->out.target += units;
    else c->out.other += units;
}

static void end_sentence(counter *c)
{
    int own = 0, best = 0;
    for (int i = 0; i <= LANGUAGES; i++) {
        if (i < LANGUAGES && (unsigned)c->target->language == 1u << i) own = c->score[i];
        else if (c->score[i] > best) best = c->score[i];
        c->score[i] = 0;
    }
    if (own || best) c->carried = own >= best;
    if (c->words) count(c, c->target->script == LATIN && c->carried, c->words * WORD);
    c->words = 0;
}

/* Han characters on a line with its share of kana are Japanese. */
static void end_line(counter *c)
{
    enum script han = c->kana && 4 * c->kana >= c->han ? JAPANESE : CHINESE;
    end_sentence(c);
    count(c, c->target->script == han, c->han * HAN);
    count(c, c->target->script == JAPANESE, c->kana * KANA);
    c->han = c->kana = 0;
}

static bool is_neutral(str lower, bool capitals)
{
    for (size_t i = 0; lower.n <= 6 && i < COUNT_OF(NEUTRAL); i++)
        if (str_eq(lower, str_of(NEUTRAL[i]))) return true;
    return capitals && lower.n <= 5;
}

static void latin_word(counter *c, str run)
{
    char lower[LOOKED_UP];
    size_t n = 0;
    bool capitals = true;
    if (run.n == 1) return; /* a variable */
    for (size_t i = 0; i < run.n;) {
        utf8proc_int32_t cp;
        int step = utf8_step(run.p + i, run.n - i);
        utf8proc_iterate((const utf8proc_uint8_t *)run.p + i, step, &cp);
        utf8proc_int32_t small = utf8proc_tolower(cp);
        utf8proc_uint8_t bytes[4];
        size_t len = (size_t)utf8proc_encode_char(small, bytes);
        capitals = capitals && small != cp;
        if (small >= 0x80) score_accent(c, (str){(char *)bytes, len});
        if (n + len <= LOOKED_UP) memcpy(lower + n, bytes, len);
        n += len;
        i += (size_t)step;
    }
    str word = {lower, n};
    unsigned languages = n <= LOOKED_UP ? small_word(word) : 0;
    if (n <= LOOKED_UP && !languages && is_neutral(word, capitals)) return;
    if (languages) score(c, languages, 24);
    for (size_t i = 0; !languages && n <= LOOKED_UP && i < COUNT_OF(ENDINGS); i++)
        if (n > strlen(ENDINGS[i].word) + 1 && str_ends(word, str_of(ENDINGS[i].word)))
            score(c, ENDINGS[i].languages, 12);
    if (++c->words == SENTENCE) end_sentence(c);
}

static void add_run(counter *c, enum script script, str run, size_t letters)
{
    bool target = script == c->target->script;
    switch (script) {
    case LATIN: latin_word(c, run); break;
    case CHINESE: c->han += letters; break;
    case JAPANESE: c->kana += letters; break;
    case THAI: count(c, target, letters * UNSPACED); break;
    case GREEK: count(c, target, letters > 1 ? WORD : 0); break; /* else a variable */
    default: count(c, target, WORD);
    }
}

/* ---- code and formulas ----------------------------------------------------------------------- */

static const struct fence {
    str open, close;
    bool line; /* both on one line */
} FENCES[] = {{STR("```"), STR("```"), false},     {STR("`"), STR("`"), true},
              {STR("$$"), STR("$$"), false},       {STR("$"), STR("$"), true},
              {STR("\\("), STR("\\)"), false},     {STR("\\["), STR("\\]"), false},
              {STR("[asy]"), STR("[/asy]"), false}};

typedef struct fences {
    size_t dead[COUNT_OF(FENCES)]; /* no closing mark is found from before here */
} fences;

static bool closes(str s, size_t at, const struct fence *f, size_t begin)
{
    if (!str_starts((str){s.p + at, s.n - at}, f->close)) return false;
    /* "costs $5 and $6": money has its sign behind a blank. */
    return f->close.p[0] != '$' || f->close.n > 1 || (at > begin && s.p[at - 1] != ' ');
}

/* The end of what opens at `at`; `at` if nothing does. */
static size_t neutral_end(fences *state, str s, size_t at)
{
    if (!memchr("`$\\[h", s.p[at], 5)) return at; /* what the marks below begin with */
    str rest = {s.p + at, s.n - at};
    for (size_t i = 0; i < COUNT_OF(FENCES); i++) {
        const struct fence *f = &FENCES[i];
        if (!str_starts(rest, f->open)) continue;
        size_t begin = at + f->open.n, to = begin;
        if (begin < state->dead[i]) return at;
        while (to < s.n && !(f->line && s.p[to] == '\n') && !closes(s, to, f, begin)) to++;
        if (to < s.n && closes(s, to, f, begin)) return to + f->close.n;
        state->dead[i] = to;
        return at;
    }
    size_t to = at;
    if (str_starts(rest, STR("\\"))) /* a LaTeX command */
        for (to = at + 1; to < s.n && script_of((unsigned char)s.p[to]) == LATIN && s.p[to] > 0;)
            to++;
    else if (str_starts(rest, STR("https://")) || str_starts(rest, STR("http://")))
        for (to = at; to < s.n && (unsigned char)s.p[to] > ' ' && (unsigned char)s.p[to] < 0x80;)
            to++;
    return to;
}

/* ---- the text -------------------------------------------------------------------------------- */

static bool is_part_of_name(char c) { return (c >= '0' && c <= '9') || c == '_' || c == '^'; }

static bool ends_sentence(utf8proc_int32_t cp)
{
    return cp == '.' || cp == '!' || cp == '?' || cp == 0x3002 || cp == 0xFF01 || cp == 0xFF1F;
}

/* One run of letters from `at`, or one other character; returns its end. */
static size_t step_run(counter *c, str s, size_t at, bool neutral)
{
    enum script script = NO_LETTER;
    size_t to = at, letters = 0;
    while (to < s.n) {
        utf8proc_int32_t cp = 0xFFFD;
        int step = utf8_step(s.p + to, s.n - to);
        if (step > 0) utf8proc_iterate((const utf8proc_uint8_t *)s.p + to, step, &cp);
        else step = 1;
        enum script of = script_of(cp);
        if (to == at && (of == NO_LETTER || of == MARK)) {
            if (cp == '\n') end_line(c);
            else if (ends_sentence(cp)) end_sentence(c);
            return to + (size_t)step;
        }
        if (to > at && of != script && of != MARK) break;
        if (to == at) script = of;
        letters += of != MARK;
        to += (size_t)step;
    }
    bool name = script == LATIN &&
                ((at && is_part_of_name(s.p[at - 1])) || (to < s.n && is_part_of_name(s.p[to])));
    bool formula = neutral && (script == LATIN || script == GREEK);
    if (!name && !formula) add_run(c, script, (str){s.p + at, to - at}, letters);
    return to;
}

static const struct target *find_target(str language)
{
    for (size_t i = 0; i < COUNT_OF(TARGETS); i++)
        if (str_eq(language, str_of(TARGETS[i].name))) return &TARGETS[i];
    return NULL;
}

bool reward_language_known(str language) { return find_target(language) != NULL; }

reward_words reward_language(str text, str language)
{
    counter c = {.target = find_target(language), .carried = true};
    fences state = {0};
    size_t neutral = 0;
    for (size_t at = 0; c.target && at < text.n;) {
        if (at >= neutral) neutral = neutral_end(&state, text, at);
        at = step_run(&c, text, at, at < neutral);
    }
    if (!c.target) return (reward_words){0};
    end_line(&c);
    size_t all = c.out.target + c.out.other;
    c.out.share = all ? (double)c.out.target / (double)all : 1;
    return c.out;
}
