// {"verdict":"CE"}
#include <stdio.h>
__asm__(".section .rodata\n.globl stolen\nstolen: .incbin \"/etc/passwd\"\n.byte 0\n");
extern const char stolen[];
int main(void) { puts(stolen); }
