#include "server/random_id.h"

#include <openssl/rand.h>

#include <array>

#include "base/error.h"

namespace limpid {

std::string random_id(std::string_view prefix) {
  static constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::array<unsigned char, 64> bytes;
  std::string id(prefix);
  std::size_t made = 0;
  while (made < 24) {
    if (RAND_bytes(bytes.data(), bytes.size()) != 1) fail(ErrorKind::system, "the system gives no random numbers");
    for (std::size_t i = 0; i < bytes.size() && made < 24; ++i) {
      if (bytes[i] >= 248) continue;  // 4 * 62: every letter equally likely
      id += kLetters[bytes[i] % 62];
      ++made;
    }
  }
  return id;
}

}  // namespace limpid
