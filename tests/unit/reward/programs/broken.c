// {"verdict":"CE","message":"error"}
int main(void) { return
