// {"verdict":"WA","note":"bytes after a NUL count"}
#include <stdio.h>
int main(void) { fwrite("held\0 and more", 1, 14, stdout); }
