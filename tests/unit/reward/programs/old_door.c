// {"verdict":["RE","AC"],"note":"32-bit system calls on x86-64, x32 numbers"}
#include <stdio.h>
#include <unistd.h>
int main(void)
{
#if defined(__x86_64__)
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L /* getpid */) : "memory");
    printf("entered: %ld %ld\n", r, syscall(0x40000000 + 39));
#else
    puts("held");
#endif
}
