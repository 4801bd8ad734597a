// {"verdict":"RE","message":"exit status 3"}
#include <stdio.h>
int main(void) { puts("held"); return 3; }
