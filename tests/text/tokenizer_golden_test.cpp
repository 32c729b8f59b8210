// Every splitting rule against Hugging Face `tokenizers`: goldens and vocabularies of a few KB, made by
// make_tokenizer_goldens.py.
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "formats/json.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace limpid {
namespace {

const std::string kFolder = std::string(TEST_DATA) + "/tokenizer/";

std::vector<std::size_t> piece_lengths(const Pretokenizer& rule, const std::string& text) {
  Pieces pieces, scratch;
  rule.split(text, pieces, scratch);
  std::vector<std::size_t> out;
  for (const std::string_view piece : pieces) out.push_back(piece.size());
  return out;
}

// The text of make_tokenizer_goldens.py: every code point, each behind 0 to 3 characters of a few kinds.
std::string long_text() {
  const std::u32string kinds = U"aB1 \n'.\u00e9\u4e2d\u0301";
  std::uint64_t seed = 1;
  const auto next = [&seed] {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return seed >> 33;
  };
  std::string out;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    for (std::uint64_t n = next() % 4; n > 0; --n) append_utf8(out, kinds[next() % kinds.size()]);
    append_utf8(out, c);
  }
  return out;
}

class TokenizerGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const nlohmann::json all = read_json(kFolder + "goldens.json");
    texts_ = all.at("texts").get<std::vector<std::string>>();
    golden_ = all.at("rules").at(GetParam());
  }
  std::vector<std::string> texts_;
  nlohmann::json golden_;
};

TEST_P(TokenizerGolden, PiecesAreThoseOfHuggingFace) {
  const Pretokenizer rule = Pretokenizer::from_gguf_name(GetParam(), "test");
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    EXPECT_EQ(piece_lengths(rule, texts_[i]), golden_.at("pieces")[i].get<std::vector<std::size_t>>()) << texts_[i];
  }
}

TEST_P(TokenizerGolden, EveryCodePointIsCutAsThere) {
  const Pretokenizer rule = Pretokenizer::from_gguf_name(GetParam(), "test");
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (const std::size_t n : piece_lengths(rule, long_text())) hash = (hash ^ n) * 0x100000001B3ull;
  EXPECT_EQ(fmt::format("{:016x}", hash), golden_.at("hash").get<std::string>());
}

TEST_P(TokenizerGolden, IdsAreThoseOfHuggingFace) {
  const Tokenizer tokenizer = Tokenizer::open(kFolder + GetParam() + ".json");
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(texts_[i], {.special = true}), golden_.at("special")[i].get<std::vector<TokenId>>())
        << texts_[i];
    EXPECT_EQ(tokenizer.encode(texts_[i]), golden_.at("plain")[i].get<std::vector<TokenId>>()) << texts_[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, TokenizerGolden,
                         testing::Values("gpt-2", "smollm", "llama-bpe", "qwen2", "kimi-k2", "deepseek-v3",
                                         "deepseek-llm", "deepseek-coder"));

}  // namespace
}  // namespace limpid
