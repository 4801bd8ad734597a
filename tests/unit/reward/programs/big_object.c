// {"verdict":"CE"}
char big[1L << 32] = {1};
int main(void) { return big[1]; }
