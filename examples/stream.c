/* Asks a model a question and prints its answer as it comes, the reasoning dimmed.
 * SPDX-License-Identifier: MIT
 *
 *   cc stream.c $(pkg-config --cflags --libs ponder) -o stream
 *   ./stream model.gguf "How many primes are there below 30?" */
#include <ponder/ponder.h>
#include <stdio.h>

static int print_piece(void *user, ponder_kind kind, const char *text, size_t n)
{
    ponder_kind *last = user;
    if (kind != *last) fputs(kind == PONDER_REASONING ? "\033[2m" : "\033[0m\n", stdout);
    *last = kind;
    fwrite(text, 1, n, stdout);
    return fflush(stdout); /* not 0, as when the reader has gone: stop */
}

int main(int argc, char **argv)
{
    ponder_model *model = NULL;
    ponder_session *session = NULL;
    ponder_generate_options options;
    ponder_result result = {.size = sizeof result};
    ponder_kind last = PONDER_ANSWER;
    ponder_error err;

    if (argc != 3) return fprintf(stderr, "usage: %s MODEL QUESTION\n", argv[0]), 2;
    ponder_status st = ponder_model_open(&model, argv[1], NULL, &err);
    if (st == PONDER_OK) st = ponder_session_open(&session, model, PONDER_CHAT, &err);
    if (st == PONDER_OK) {
        ponder_generate_options_init(&options, sizeof options, model);
        options.piece = print_piece;
        options.user = &last;
        options.max_tokens = 512;
        st = ponder_generate(session, argv[2], &options, &result, &err);
    }
    if (st == PONDER_OK)
        fprintf(stderr, "\n%zu tokens, %.1f per second\n", result.completion_tokens,
                (double)result.completion_tokens / result.decode_seconds);
    else
        fprintf(stderr, "%s: %s\n", argv[0], err.message);
    ponder_session_close(session);
    ponder_model_close(model);
    return st != PONDER_OK;
}
