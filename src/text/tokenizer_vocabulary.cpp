#include "text/tokenizer_vocabulary.h"

#include <array>
#include <cstring>

#include "text/unicode.h"

namespace limpid {

namespace {

// Printable bytes stand for themselves (as Latin-1 characters), the others for U+0100 onwards in order.
constexpr bool stands_for_itself(int b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; }

constexpr std::array<std::uint16_t, 256> make_alphabet() {
  std::array<std::uint16_t, 256> out{};
  std::uint16_t next = 0x100;
  for (int b = 0; b < 256; ++b)
    out[static_cast<std::size_t>(b)] = stands_for_itself(b) ? static_cast<std::uint16_t>(b) : next++;
  return out;
}
constexpr std::array<std::uint16_t, 256> kAlphabet = make_alphabet();

constexpr std::array<std::int16_t, 0x144> make_inverse() {
  std::array<std::int16_t, 0x144> out{};
  for (auto& v : out) v = -1;
  for (int b = 0; b < 256; ++b) out[kAlphabet[static_cast<std::size_t>(b)]] = static_cast<std::int16_t>(b);
  return out;
}
constexpr std::array<std::int16_t, 0x144> kInverse = make_inverse();

}  // namespace

TokenStrings::TokenStrings(const std::vector<std::string>& strings) {
  std::size_t total = 0;
  for (const std::string& s : strings) total += s.size();
  bytes_.reserve(total);
  starts_.reserve(strings.size() + 1);
  starts_.push_back(0);
  for (const std::string& s : strings) {
    bytes_ += s;
    starts_.push_back(bytes_.size());
  }
}

TokenIndex::TokenIndex(std::size_t tokens) {
  std::size_t slots = 64;
  while (slots < tokens * 2) slots *= 2;
  slots_.resize(slots);
  mask_ = slots - 1;
}

// FNV-1a over 8 bytes at a time, then mixed; only speed depends on it.
std::uint32_t TokenIndex::hash(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325ull ^ text.size();
  const char* p = text.data();
  std::size_t n = text.size();
  for (; n >= 8; p += 8, n -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, 8);
    h = (h ^ word) * 0x100000001B3ull;
    h ^= h >> 32;
  }
  std::uint64_t tail = 0;
  std::memcpy(&tail, p, n);
  h = (h ^ tail) * 0x9E3779B97F4A7C15ull;
  return static_cast<std::uint32_t>(h >> 32);
}

void TokenIndex::add(const TokenStrings& strings, TokenId id) {
  const std::string_view text = strings.at(id);
  const std::uint32_t h = hash(text);
  std::size_t i = h & mask_;
  for (; slots_[i].id >= 0; i = (i + 1) & mask_) {
    if (slots_[i].hash == h && strings.at(slots_[i].id) == text) return;
  }
  slots_[i] = {id, h};
}

TokenId TokenIndex::find(const TokenStrings& strings, std::string_view text) const {
  if (slots_.empty()) return -1;
  const std::uint32_t h = hash(text);
  for (std::size_t i = h & mask_; slots_[i].id >= 0; i = (i + 1) & mask_) {
    if (slots_[i].hash == h && strings.at(slots_[i].id) == text) return slots_[i].id;
  }
  return -1;
}

void append_byte_character(std::string& out, unsigned char byte) { append_utf8(out, kAlphabet[byte]); }

std::optional<std::string> bytes_of_characters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (utf8_step(text).state != Utf8State::valid) return std::nullopt;
    const Decoded d = decode_valid(text.data());
    if (d.c >= kInverse.size() || kInverse[d.c] < 0) return std::nullopt;
    out += static_cast<char>(kInverse[d.c]);
    text.remove_prefix(d.size);
  }
  return out;
}

}  // namespace limpid
