#include <cstdio>

int main() {
  std::puts("limpid " LIMPID_VERSION);
  return 0;
}
