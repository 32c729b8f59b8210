// UTF-8, normalization and stream decoding against Python's and Hugging Face's results (goldens of
// make_tokenizer_goldens.py).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "formats/json.h"
#include "tests/text/tokenizer_texts.h"
#include "text/stream_decoder.h"
#include "text/unicode.h"
#include "text/unicode_normalize.h"

namespace limpid {
namespace {

nlohmann::json goldens() { return read_json(std::string(TEST_DATA) + "/tokenizer/goldens.json"); }

std::string from_hex(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

std::string hash_of(const std::string& bytes) {
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001B3ull;
  return fmt::format("{:016x}", hash);
}

TEST(Utf8, InvalidBytesBecomeReplacementCharactersAsInPython) {
  const auto all = goldens();
  for (const auto& entry : all.at("invalid")) {
    EXPECT_EQ(to_valid_utf8(from_hex(entry[0])), entry[1].get<std::string>()) << entry[0];
  }
}

TEST(Utf8, ValidPrefixEndsAtTheFirstFault) {
  EXPECT_EQ(valid_utf8_prefix("plain text of more than eight bytes"), 35u);
  EXPECT_EQ(valid_utf8_prefix("12345678\xC3"), 8u);
  EXPECT_EQ(valid_utf8_prefix("1234567\xE4\xB8\xAD\xFFz"), 10u);
  EXPECT_EQ(valid_utf8_prefix("\xED\xA0\x80"), 0u);
}

TEST(Utf8, EveryCodePointSurvives) {
  std::string all;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::size_t at = all.size();
    append_utf8(all, c);
    const Decoded d = decode_valid(all.data() + at);
    ASSERT_EQ(d.c, c);
    ASSERT_EQ(d.size, all.size() - at);
  }
  EXPECT_EQ(valid_utf8_prefix(all), all.size());
}

TEST(Normalization, FormsAreThoseOfHuggingFace) {
  const nlohmann::json golden = goldens().at("normalization");
  const std::string marks = marks_text(), every = long_text();
  const std::pair<const char*, NormalForm> forms[] = {
      {"NFC", NormalForm::nfc}, {"NFD", NormalForm::nfd}, {"NFKC", NormalForm::nfkc}, {"NFKD", NormalForm::nfkd}};
  for (const auto& [name, form] : forms) {
    EXPECT_EQ(hash_of(normalize(marks, form)), golden.at(name)[0].get<std::string>()) << name;
    EXPECT_EQ(hash_of(normalize(every, form)), golden.at(name)[1].get<std::string>()) << name;
  }
}

TEST(Normalization, WhatIsSurelyNfcStaysAsItIs) {
  EXPECT_TRUE(is_surely_nfc("plain ASCII, na\u00efve caf\u00e9, \u4e2d\u6587, \ud55c\uad6d\uc5b4"));
  EXPECT_FALSE(is_surely_nfc("e\u0301"));
  EXPECT_FALSE(is_surely_nfc("\u212b"));                // singleton
  EXPECT_FALSE(is_surely_nfc("a\u0334\u0591\u0334b"));  // marks out of order
  EXPECT_EQ(normalize("e\u0301\u1100\u1161\u11a8\u212b", NormalForm::nfc), "\u00e9\uac01\u00c5");
}

TEST(StreamDecoder, NeverEmitsHalfACharacterWhateverTheBorders) {
  std::mt19937 random(20240521);
  const std::string pool = "a\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80\xFF\x80\xC3\xE2\x82\xF0\x9F";
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (std::size_t n = random() % 24; n > 0; --n) {
      const std::size_t at = random() % pool.size();
      bytes += pool.substr(at, 1 + random() % 4);
    }
    StreamDecoder decoder;
    std::string out;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = 1 + random() % 3;
      const std::string part = decoder.push(std::string_view(bytes).substr(at, size));
      ASSERT_EQ(valid_utf8_prefix(part), part.size());
      ASSERT_LE(decoder.pending(), 3u);
      out += part;
      at += size;
    }
    out += decoder.finish();
    ASSERT_EQ(out, to_valid_utf8(bytes));
    ASSERT_EQ(decoder.pending(), 0u);
  }
}

TEST(StreamDecoder, EmitsACharacterAsSoonAsItIsWhole) {
  StreamDecoder decoder;
  EXPECT_EQ(decoder.push("x\xF0"), "x");
  EXPECT_EQ(decoder.push("\x9F\x98"), "");
  EXPECT_EQ(decoder.push("\x80y"), "\xF0\x9F\x98\x80y");
  EXPECT_EQ(decoder.push("\xE4\xB8"), "");
  EXPECT_EQ(decoder.push("z"), "\xEF\xBF\xBDz");
}

}  // namespace
}  // namespace limpid
