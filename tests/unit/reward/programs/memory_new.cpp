// {"verdict":"MLE","memory_limit_mb":64}
#include <vector>
int main() { std::vector<std::vector<long>> v; for (;;) v.emplace_back(100000, 7); }
