// {"verdict":"RE","message":"signal 6"}
#include <stdlib.h>
int main(void) { abort(); }
