/* The model that is part of the program.
 * SPDX-License-Identifier: MIT
 *
 * The Makefile names its file in PONDER_EMBEDDED; the assembler copies the bytes into the read-only
 * data, whose pages are read from the program's file only when a command wants the model. */
#include "cli/cli.h"

#ifdef PONDER_EMBEDDED

/* Local names: the references below are resolved within this object. 64: the alignment of a cache
 * line, more than any tensor type wants. */
__asm__(".section .rodata\n"
        ".balign 64\n"
        "embedded_bytes: .incbin \"" PONDER_EMBEDDED "\"\n"
        "embedded_end:\n"
        ".balign 8\n"
        "embedded_size: .quad embedded_end - embedded_bytes\n"
        ".text\n");
extern const uint8_t embedded_bytes[] __attribute__((visibility("hidden")));
extern const uint64_t embedded_size __attribute__((visibility("hidden")));

mapped cli_embedded_model(void) { return (mapped){embedded_bytes, (size_t)embedded_size}; }

#else

mapped cli_embedded_model(void) { return (mapped){0}; }

#endif
