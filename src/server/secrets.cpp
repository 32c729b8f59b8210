#include "server/secrets.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"

namespace limpid {

namespace {

constexpr std::string_view kKeyPrefix = "sk-";
constexpr std::size_t kKeyIdBytes = 6, kSecretBytes = 32;

std::vector<unsigned char> random_bytes(std::size_t count) {
  std::vector<unsigned char> bytes(count);
  if (RAND_bytes(bytes.data(), static_cast<int>(count)) != 1)
    fail(ErrorKind::system, "the system gave no random numbers for a secret");
  return bytes;
}

std::string hex(const unsigned char* bytes, std::size_t count) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string random_hex(std::size_t bytes) { return hex(random_bytes(bytes).data(), bytes); }

std::string random_code() {
  constexpr std::string_view letters = "ABCDEFGHJKMNPQRSTVWXYZ0123456789";  // 32: no I, L, O, U
  static_assert(letters.size() == 32);
  const std::vector<unsigned char> bytes = random_bytes(20);
  std::string code;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 5 == 0) code += '-';
    code += letters[bytes[i] % 32];
  }
  return code;
}

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    fail(ErrorKind::system, "SHA-256 failed in the cryptographic library");
  return hex(digest.data(), size);
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

ApiKeyText make_api_key() {
  ApiKeyText key;
  key.id = random_hex(kKeyIdBytes);
  key.text = std::string(kKeyPrefix) + key.id + random_hex(kSecretBytes);
  key.hash = sha256_hex(key.text);
  return key;
}

std::string_view api_key_id(std::string_view text) {
  if (text.size() != kKeyPrefix.size() + 2 * (kKeyIdBytes + kSecretBytes) || !text.starts_with(kKeyPrefix)) return {};
  text.remove_prefix(kKeyPrefix.size());
  return is_hex(text) ? text.substr(0, 2 * kKeyIdBytes) : std::string_view();
}

}  // namespace limpid
