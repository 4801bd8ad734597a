// {"verdict":"CE","message":"etc/passwd"}
#include "/etc/passwd"
int main(void) { return 0; }
