/* The conversation of ponder run: line editing, history, commands.
 * SPDX-License-Identifier: MIT */
#include "cli/run.h"
#include "json/json.h"

#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_LINES = 1000 };

typedef struct turn {
    bool user;
    buf text, reasoning;
} turn;

typedef struct chat {
    engine *e;
    const model_arg *m;
    run_settings *s;
    buf system;
    turn *turns;
    size_t n, cap;
    bool folded, tty;
    /* line editing; NULL where stdin is no terminal */
    EditLine *edit;
    bool pressed; /* Ctrl-C, while a line was edited */
    History *lines;
    buf history_path;
    char *line; /* of getline */
    size_t line_cap;
} chat;

static const char HELP[] =
    "/help          this list\n"
    "/reset         forget the conversation\n"
    "/think         show the thinking, or only how long it is\n"
    "/system TEXT   set the system message; without TEXT: none\n"
    "/save FILE     write the conversation as JSON\n"
    "/quit          leave (also Ctrl-D, or Ctrl-C twice)\n"
    "Ctrl-C ends an answer. A line that ends with \\ goes on in the next one.\n";

/* ---- turns ----------------------------------------------------------------------------------- */

static turn *add_turn(chat *c, bool user)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        turn *more = realloc(c->turns, cap * sizeof *more);
        if (!more) return NULL;
        c->turns = more;
        c->cap = cap;
    }
    c->turns[c->n] = (turn){.user = user};
    return &c->turns[c->n++];
}

static void drop_turns(chat *c, size_t from)
{
    while (c->n > from) {
        buf_free(&c->turns[--c->n].text);
        buf_free(&c->turns[c->n].reasoning);
    }
}

/* System message and turns as messages; the caller frees. The reasoning of earlier answers is left
 * out, as the templates of reasoning models want it. */
static chat_message *messages_of(const chat *c, size_t *n)
{
    chat_message *all = malloc((c->n + 1) * sizeof *all);
    *n = 0;
    if (!all) return NULL;
    if (c->system.n)
        all[(*n)++] = (chat_message){
            .role = STR("system"), .content = buf_str(&c->system), .has_content = true};
    for (size_t i = 0; i < c->n; i++)
        all[(*n)++] = (chat_message){.role = c->turns[i].user ? STR("user") : STR("assistant"),
                                     .content = buf_str(&c->turns[i].text),
                                     .has_content = true};
    return all;
}

/* ---- answering ------------------------------------------------------------------------------- */

static void report(const chat *c, const run_answer *a)
{
    const char *remark = run_remark(a), *dim = a->note_tty ? "\033[2m" : "",
               *plain = a->note_tty ? "\033[0m" : "";
    if (remark) fprintf(stderr, "%s(%s)%s\n", dim, remark, plain);
    if (a->finish == ENGINE_CANCELLED) fprintf(stderr, "%s(stopped)%s\n", dim, plain);
    if (a->finish == ENGINE_LENGTH) fprintf(stderr, "%s(cut off: no tokens left)%s\n", dim, plain);
    if (!c->tty) return;
    fprintf(stderr, "%s[%zu tokens, %.1f tok/s; prompt %zu, %zu of it known, %.1f tok/s]%s\n", dim,
            a->usage.completion, run_decode_tps(a), a->usage.prompt, a->usage.cached,
            run_prompt_tps(a), plain);
}

/* Raw text has no turns: each line is continued by itself. */
static ponder_status ask(chat *c, run_answer *a, ponder_error *err)
{
    size_t n;
    chat_message *all = messages_of(c, &n);
    if (!all) return err_set(err, PONDER_ENOMEM, "no memory for the conversation");
    ponder_status st = run_one(a, c->e, c->m, c->s, all, n, err);
    free(all);
    return st;
}

static void answer(chat *c, str text)
{
    ponder_error err;
    run_answer a = run_answer_new();
    a.show_text = true;
    a.show_thoughts = !c->folded;
    a.count_thoughts = c->folded;
    size_t before = c->n;
    turn *t = add_turn(c, true);
    if (t) buf_add_str(&t->text, text);
    ponder_status st =
        t ? ask(c, &a, &err) : err_set(&err, PONDER_ENOMEM, "no memory for the conversation");
    if (st == PONDER_OK) {
        putchar('\n');
        fflush(stdout);
        report(c, &a);
        t = add_turn(c, false);
        if (t) t->text = a.text, t->reasoning = a.reasoning, a.text = a.reasoning = (buf){0};
    } else {
        cli_fail("run", &err);
        drop_turns(c, before); /* as if it had not been asked */
    }
    run_answer_free(&a);
    c->s->sampling.seed++; /* the same question again may get another answer */
}

/* ---- commands -------------------------------------------------------------------------------- */

static void save(const chat *c, const char *path)
{
    ponder_error err;
    buf out = {0};
    json_writer w = {.out = &out};
    json_open(&w, '{');
    json_key(&w, "messages");
    json_open(&w, '[');
    for (size_t i = c->system.n ? 0 : 1; i <= c->n; i++) {
        const turn *t = i ? &c->turns[i - 1] : NULL;
        json_open(&w, '{');
        json_key(&w, "role"), json_text(&w, !t        ? STR("system")
                                            : t->user ? STR("user")
                                                      : STR("assistant"));
        json_key(&w, "content"), json_text(&w, buf_str(t ? &t->text : &c->system));
        if (t && t->reasoning.n)
            json_key(&w, "reasoning_content"), json_text(&w, buf_str(&t->reasoning));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    buf_add_char(&out, '\n');
    file_writer f;
    ponder_status st = file_begin(&f, path, &err);
    if (st == PONDER_OK) st = file_put(&f, out.p, out.n, &err);
    if (st == PONDER_OK) st = file_commit(&f, &err);
    if (st == PONDER_OK)
        fprintf(stderr, "saved %zu messages to %s\n", c->n + (c->system.n > 0), path);
    else file_abort(&f), cli_fail("run", &err);
    buf_free(&out);
}

/* false: leave. */
static bool command(chat *c, char *line)
{
    char *arg = line + strcspn(line, " ");
    if (*arg) *arg++ = '\0';
    if (!strcmp(line, "/quit") || !strcmp(line, "/exit")) return false;
    if (!strcmp(line, "/reset")) {
        drop_turns(c, 0);
        fputs("forgotten\n", stderr);
    } else if (!strcmp(line, "/think")) {
        c->folded = !c->folded;
        fprintf(stderr, "thinking is %s\n", c->folded ? "folded" : "shown");
    } else if (!strcmp(line, "/system")) {
        buf_clear(&c->system);
        buf_add_str(&c->system, str_of(arg));
        fputs(*arg ? "system message set\n" : "no system message\n", stderr);
    } else if (!strcmp(line, "/save") && *arg) {
        save(c, arg);
    } else {
        fputs(HELP, stderr);
    }
    return true;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static char *prompt_text(EditLine *edit)
{
    (void)edit;
    static char text[] = "> ";
    return text;
}

/* The history belongs to the user's state, not to his settings (XDG base directory specification).
 */
static void open_history(chat *c)
{
    ponder_error err;
    HistEvent ev;
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/') buf_printf(&c->history_path, "%s/ponder", state);
    else if (home && *home) buf_printf(&c->history_path, "%s/.local/state/ponder", home);
    c->lines = history_init();
    if (!c->lines) return;
    history(c->lines, &ev, H_SETSIZE, HISTORY_LINES);
    history(c->lines, &ev, H_SETUNIQUE, 1);
    el_set(c->edit, EL_HIST, history, c->lines);
    if (!c->history_path.n || file_make_dirs(c->history_path.p, &err) != PONDER_OK) return;
    buf_add_str(&c->history_path, STR("/history"));
    if (!c->history_path.failed) history(c->lines, &ev, H_LOAD, c->history_path.p);
}

/* One character of the terminal. Ctrl-C is let in only while pselect waits, so that none can come
 * between the look at the flag and the wait that it should end. */
static int read_character(EditLine *edit, wchar_t *out)
{
    chat *c;
    sigset_t interrupt, before;
    mbstate_t state = {0};
    int got = 0;
    el_get(edit, EL_CLIENTDATA, &c);
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    while (got == 0) {
        char byte;
        if ((c->pressed = run_interrupted())) break;
        fd_set in;
        FD_ZERO(&in);
        FD_SET(STDIN_FILENO, &in);
        if (pselect(STDIN_FILENO + 1, &in, NULL, NULL, NULL, &before) < 0) continue; /* a signal */
        if (read(STDIN_FILENO, &byte, 1) != 1) break;
        size_t n = mbrtowc(out, &byte, 1, &state);
        if (n == (size_t)-1) state = (mbstate_t){0}; /* no character: left out */
        else if (n != (size_t)-2) got = 1;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return got;
}

static void open_editor(chat *c)
{
    c->tty = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (!c->tty) return;
    setlocale(LC_CTYPE, "");
    c->edit = el_init("ponder", stdin, stderr, stderr);
    if (!c->edit) return;
    el_set(c->edit, EL_PROMPT, prompt_text);
    el_set(c->edit, EL_EDITOR, "emacs");
    el_set(c->edit, EL_SIGNAL, 0);
    open_history(c);
    el_source(c->edit, NULL);
    el_set(c->edit, EL_CLIENTDATA, c);
    el_set(c->edit, EL_GETCFN, read_character);
}

static void close_editor(chat *c)
{
    HistEvent ev;
    if (c->lines && c->history_path.n && !c->history_path.failed)
        history(c->lines, &ev, H_SAVE, c->history_path.p);
    if (c->edit) el_end(c->edit);
    if (c->lines) history_end(c->lines);
    buf_free(&c->history_path);
    free(c->line);
}

/* A line without its newline, or NULL at the end and on Ctrl-C. */
static const char *read_piece(chat *c, size_t *n)
{
    if (c->edit) {
        int count;
        const char *line = el_gets(c->edit, &count);
        if (!line || count <= 0) return NULL;
        *n = (size_t)count;
        if (line[*n - 1] == '\n') --*n;
        return line;
    }
    ssize_t got = getline(&c->line, &c->line_cap, stdin);
    if (got < 0) return NULL;
    *n = (size_t)got;
    if (*n && c->line[*n - 1] == '\n') --*n;
    return c->line;
}

enum input { INPUT_LINE, INPUT_END, INPUT_INTERRUPT };

static enum input read_line(chat *c, buf *line)
{
    bool more = true;
    HistEvent ev;
    buf_clear(line);
    buf_reserve(line, 1);
    while (more) {
        size_t n = 0;
        const char *piece = read_piece(c, &n);
        if (!piece) {
            bool stop = run_interrupted() || c->pressed;
            c->pressed = false;
            return stop ? INPUT_INTERRUPT : INPUT_END;
        }
        more = n && piece[n - 1] == '\\';
        buf_add(line, piece, n - more);
        if (more) buf_add_char(line, '\n');
    }
    if (c->lines && line->n) history(c->lines, &ev, H_ENTER, line->p);
    return INPUT_LINE;
}

/* ---- the conversation ------------------------------------------------------------------------ */

static int converse(chat *c)
{
    buf line = {0};
    bool once = false; /* Ctrl-C at an empty prompt */
    int status = CLI_DONE;
    for (;;) {
        enum input in = read_line(c, &line);
        if (in == INPUT_INTERRUPT && !once && c->tty) {
            fputs("\n(Ctrl-C again, or /quit, leaves)\n", stderr);
            once = true;
            continue;
        }
        if (in == INPUT_INTERRUPT) status = CLI_INTERRUPTED;
        if (in != INPUT_LINE) break;
        once = false;
        if (line.n == 0) continue;
        if (line.p[0] != '/') answer(c, buf_str(&line));
        else if (!command(c, line.p)) break;
    }
    if (c->tty) fputc('\n', stderr);
    buf_free(&line);
    return status;
}

int run_chat(engine *e, const model_arg *m, run_settings *s, const char *system)
{
    chat c = {.e = e, .m = m, .s = s};
    if (system) buf_add_str(&c.system, str_of(system));
    open_editor(&c);
    if (c.tty)
        fprintf(stderr, "%s, %zu tokens of context. /help lists the commands.\n",
                model_config_of(m->m)->name, engine_state_of(e).context);
    int status = converse(&c);
    close_editor(&c);
    drop_turns(&c, 0);
    free(c.turns);
    buf_free(&c.system);
    return status;
}
