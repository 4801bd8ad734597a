/* Replays a corpus through a fuzz target with compilers that have no libFuzzer.
 * SPDX-License-Identifier: MIT
 *
 * usage: fuzz_X CORPUS_DIR... ; each file, and every prefix of small files, in an exact-size heap
 * buffer so that a read past the end is caught by the sanitizers. */
#include "base/base.h"

#include <dirent.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { PREFIX_LIMIT = 4096, FILE_LIMIT = 64 << 20 };

static void feed(const char *bytes, size_t n)
{
    uint8_t *exact = calloc(n ? n : 1, 1);
    if (!exact) exit(1);
    memcpy(exact, bytes, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

int main(int argc, char **argv)
{
    int files = 0;
    feed("", 0);
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        struct dirent *e;
        while (d && (e = readdir(d))) {
            char path[4096];
            buf b = {0};
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (e->d_name[0] != '.' && file_read(&b, path, FILE_LIMIT, NULL) == PONDER_OK) {
                feed(b.p, b.n);
                for (size_t n = 0; n < b.n && b.n <= PREFIX_LIMIT; n++) feed(b.p, n);
                files++;
            }
            buf_free(&b);
        }
        if (d) closedir(d);
    }
    printf("ok 1 - replayed %d corpus files and their prefixes\n", files);
    return 0;
}
