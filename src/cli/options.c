/* Command lines: a table of options gives parsing and help.
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_OPTIONS = 64, FIRST_LONG = 256 };

static void help(const cli_command *c)
{
    printf("usage: ponder %s\n\n%s\n", c->usage, c->about);
    if (c->options && c->options->name) puts("\noptions:");
    for (const cli_option *o = c->options; o && o->name; o++) {
        char left[64];
        int n = o->letter ? snprintf(left, sizeof left, "  -%c, --%s", o->letter, o->name)
                          : snprintf(left, sizeof left, "      --%s", o->name);
        if (o->kind != CLI_FLAG && n > 0 && (size_t)n < sizeof left)
            snprintf(left + n, sizeof left - (size_t)n, " %s", o->arg ? o->arg : "N");
        printf("%-28s %s", left, o->help);
        if (o->kind == CLI_INT && *(int *)o->out >= 0) printf(" (%d)", *(int *)o->out);
        if (o->kind == CLI_FLOAT && *(double *)o->out >= 0) printf(" (%g)", *(double *)o->out);
        if (o->kind == CLI_TEXT && *(const char **)o->out) printf(" (%s)", *(const char **)o->out);
        putchar('\n');
    }
    printf("\nexamples:\n%s\n", c->examples);
}

/* false when text is no number of the option's kind and range. */
static bool store(const cli_option *o, const char *text)
{
    char *end;
    bool bounded = o->min != 0 || o->max != 0;
    errno = 0;
    switch (o->kind) {
    case CLI_FLAG: *(bool *)o->out = true; return true;
    case CLI_TEXT: *(const char **)o->out = text; return true;
    case CLI_TEXTS: {
        cli_texts *all = o->out;
        if (all->n == COUNT_OF(all->p)) return false;
        all->p[all->n++] = text;
        return true;
    }
    case CLI_INT: {
        long v = strtol(text, &end, 10);
        if (end == text || *end || errno || v < INT32_MIN || v > INT32_MAX) return false;
        if (bounded && ((double)v < o->min || (double)v > o->max)) return false;
        *(int *)o->out = (int)v;
        return true;
    }
    case CLI_U64: {
        unsigned long long v = strtoull(text, &end, 10);
        if (end == text || *end || errno || strchr(text, '-')) return false;
        *(uint64_t *)o->out = v;
        return true;
    }
    case CLI_FLOAT: {
        double v = strtod(text, &end);
        if (end == text || *end || !isfinite(v)) return false;
        if (bounded && (v < o->min || v > o->max)) return false;
        *(double *)o->out = v;
        return true;
    }
    }
    return false;
}

static int bad_value(const char *command, const cli_option *o, const char *text)
{
    if (o->kind == CLI_TEXTS) {
        fprintf(stderr, "ponder %s: --%s \"%s\": given too often\n", command, o->name, text);
        return CLI_USAGE;
    }
    fprintf(stderr, "ponder %s: --%s \"%s\": want a number", command, o->name, text);
    if (o->min != 0 || o->max != 0) fprintf(stderr, " from %g to %g", o->min, o->max);
    fputc('\n', stderr);
    return CLI_USAGE;
}

int cli_parse(const cli_command *c, int argc, char **argv, const char **args)
{
    struct option longs[MAX_OPTIONS + 2] = {0};
    char shorts[2 * MAX_OPTIONS + 4] = "";
    size_t n = 0, s = 0;
    for (const cli_option *o = c->options; o && o->name && n < MAX_OPTIONS; o++, n++) {
        int has = o->kind == CLI_FLAG ? no_argument : required_argument;
        longs[n] = (struct option){o->name, has, NULL, FIRST_LONG + (int)n};
        if (!o->letter) continue;
        shorts[s++] = o->letter;
        if (has == required_argument) shorts[s++] = ':';
    }
    longs[n] = (struct option){"help", no_argument, NULL, FIRST_LONG + (int)n};
    shorts[s] = '\0';
    for (int i = 0; i < c->max_args; i++) args[i] = NULL;

    optind = 0; /* glibc: start afresh, permuting */
    int got;
    while ((got = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (got == '?') return CLI_USAGE; /* getopt has said what is wrong */
        size_t i = (size_t)(got - FIRST_LONG);
        if (got < FIRST_LONG)
            for (i = 0; i < n && c->options[i].letter != got; i++) {}
        if (i == n) return help(c), CLI_DONE;
        if (!store(&c->options[i], optarg)) return bad_value(argv[0], &c->options[i], optarg);
    }
    for (int i = 0; optind < argc; i++, optind++) {
        if (i >= c->max_args) {
            fprintf(stderr, "ponder %s: unexpected argument \"%s\"; see --help\n", argv[0],
                    argv[optind]);
            return CLI_USAGE;
        }
        args[i] = argv[optind];
    }
    return -1;
}

int cli_fail(const char *command, const ponder_error *err)
{
    fprintf(stderr, "ponder %s: %s\n", command, err->message);
    switch (err->code) {
    case PONDER_EARG:
    case PONDER_EFORMAT:
    case PONDER_EUNSUPPORTED:
    case PONDER_ENOTFOUND: return CLI_USAGE;
    case PONDER_ECANCELED: return CLI_INTERRUPTED;
    default: return CLI_FAILED;
    }
}
