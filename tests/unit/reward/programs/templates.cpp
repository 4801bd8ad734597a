// {"verdict":"CE"}
template <int N> struct A { A<N + 1> a; };
A<0> x;
int main() {}
