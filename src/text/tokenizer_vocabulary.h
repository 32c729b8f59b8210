// Strings of tokens: by id, and back. Strings lie in one block of memory. Immutable once filled; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"

namespace limpid {

// id -> bytes. Ids are 0 .. size() - 1; an id that no token has holds an empty string.
class TokenStrings {
 public:
  TokenStrings() = default;
  explicit TokenStrings(const std::vector<std::string>& strings);
  std::size_t size() const { return starts_.empty() ? 0 : starts_.size() - 1; }
  // 0 <= id < size().
  std::string_view at(TokenId id) const {
    const auto i = static_cast<std::size_t>(id);
    return std::string_view(bytes_).substr(starts_[i], starts_[i + 1] - starts_[i]);
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> starts_;
};

// bytes -> id, over the strings of a TokenStrings, which must outlive it and stay where it is.
class TokenIndex {
 public:
  TokenIndex() = default;
  explicit TokenIndex(std::size_t tokens);
  // The first id that was added for a string keeps it.
  void add(const TokenStrings& strings, TokenId id);
  // -1 when there is none.
  TokenId find(const TokenStrings& strings, std::string_view text) const;

 private:
  static std::uint32_t hash(std::string_view text);
  struct Slot {
    TokenId id = -1;
    std::uint32_t hash = 0;
  };
  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

// The alphabet that GPT-2's byte-level tokenizers are written in: each byte is one printable character.
// Appends the character of a byte.
void append_byte_character(std::string& out, unsigned char byte);
// The bytes that a string of that alphabet stands for; nothing when it holds another character or is no UTF-8.
std::optional<std::string> bytes_of_characters(std::string_view text);

}  // namespace limpid
