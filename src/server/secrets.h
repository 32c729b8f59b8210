// Secrets that the service makes and checks: random tokens, their hashes, comparison in constant time. Tokens have 256
// bits from the system's random source, so that a plain SHA-256 of one can neither be guessed nor searched; passwords,
// which people choose, go through server/password.h instead.
//
// From any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace limpid {

std::string random_hex(std::size_t bytes);      // 2 characters a byte. Throws Error(system) without a random source
std::string random_code();                      // for people to type: "XXXXX-XXXXX-XXXXX-XXXXX", 100 bits
std::string sha256_hex(std::string_view text);  // 64 characters
// Takes as long whatever the texts hold; only their lengths show.
bool equal_secrets(std::string_view a, std::string_view b);

// An API key: "sk-", a public id (12 hex digits, shown in lists and found in the database), 64 hex digits of secret.
struct ApiKeyText {
  std::string id;
  std::string text;  // the whole, shown once
  std::string hash;  // of the whole: what is stored
};
ApiKeyText make_api_key();
// The public id in what claims to be a key; empty where it has not the form of one.
std::string_view api_key_id(std::string_view text);

}  // namespace limpid
