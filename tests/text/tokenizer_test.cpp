// What the goldens do not show: merging against a plain reference, control tokens, options, hostile files, several
// threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "formats/json.h"
#include "tests/text/data_files.h"
#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"

namespace limpid {
namespace {

Tokenizer from_text(const std::string& json, const std::string& config = "") {
  return Tokenizer::from_json(std::as_bytes(std::span(json)), std::as_bytes(std::span(config)), "tokenizer.json");
}

// The message of the Error that this throws.
template <typename Run>
std::string error_of(Run run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// Lowest rank first, of equal ranks the leftmost: nothing clever.
std::vector<TokenId> merge_plainly(const MergeTable& table, std::vector<TokenId> symbols) {
  for (;;) {
    std::size_t best = 0;
    MergeTable::Merge lowest{MergeTable::kNoRank, 0};
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const MergeTable::Merge merge = table.find(symbols[i], symbols[i + 1]);
      if (merge.rank < lowest.rank) {
        lowest = merge;
        best = i;
      }
    }
    if (lowest.rank == MergeTable::kNoRank) return symbols;
    symbols[best] = lowest.id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// Tables that no training makes: ranks in any order, several merges of one rank, several ways to one token.
TEST(Bpe, MergesAsThePlainReferenceDoesOnAnyTable) {
  std::mt19937 random(7);
  BpeScratch scratch;
  for (int round = 0; round < 400; ++round) {
    MergeTable table;
    const int letters = 2 + static_cast<int>(random() % 4), merges = 3 + static_cast<int>(random() % 60);
    const unsigned ranks = round % 2 == 0 ? 1000000u : 5u;
    TokenId next = letters;
    for (int i = 0; i < merges; ++i) {
      const auto left = static_cast<TokenId>(random() % static_cast<unsigned>(next));
      const auto right = static_cast<TokenId>(random() % static_cast<unsigned>(next));
      const bool known = random() % 4 == 0;
      table.add(left, right, random() % ranks,
                known ? static_cast<TokenId>(random() % static_cast<unsigned>(next)) : next);
      if (!known) ++next;
    }
    for (const std::size_t length : {1u, 2u, 17u, 64u, 65u, 200u, 900u}) {
      std::vector<TokenId> symbols;
      for (std::size_t i = 0; i < length; ++i)
        symbols.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(letters)));
      std::vector<TokenId> merged = symbols;
      merge_symbols(table, merged, scratch);
      ASSERT_EQ(merged, merge_plainly(table, symbols)) << "round " << round << ", length " << length;
    }
  }
}

TEST(Bpe, TheLastMergeOfAPairCounts) {
  MergeTable table;
  table.add(1, 2, 10, 5);
  table.add(1, 2, 3, 6);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.find(1, 2).rank, 3u);
  EXPECT_EQ(table.find(1, 2).id, 6);
  EXPECT_EQ(table.find(2, 1).rank, MergeTable::kNoRank);
}

// A quadratic encoder would need hours for these; the test's time limit is minutes.
TEST(Tokenizer, AMegabyteOfOneLetterIsEncoded) {
  const Tokenizer tokenizer = Tokenizer::open(kTokenizers + "gpt-2.json");
  for (const char* unit : {"x", " ", "9", "\n", "!", "ab", "\xE4\xB8\xAD", "'", "\xCC\x81", " \n"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    const std::vector<TokenId> ids = tokenizer.encode(text);
    EXPECT_EQ(tokenizer.decode(ids), text) << unit;
  }
}

TEST(Tokenizer, StopsWhereThereAreMoreIdsThanAreOfUse) {
  for (const char* name : {"gpt-2", "qwen2", "llama-bpe", "llama2", "deepseek-v3"}) {
    const Tokenizer tokenizer = Tokenizer::open(kTokenizers + name + ".json");
    for (const std::string& text :
         {std::string("What is 347 + 895? Let me see: 1242."), std::string(300, 'a'), std::string(40, '\n'),
          std::string("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E and so on")}) {
      const std::vector<TokenId> all = tokenizer.encode(text);
      for (std::size_t most = 0; most <= all.size() + 3; ++most) {
        EncodeOptions options;
        options.most = most;
        const std::vector<TokenId> found = tokenizer.encode(text, options);
        if (all.size() <= most)
          EXPECT_EQ(found, all);
        else
          EXPECT_GT(found.size(), most) << text.substr(0, 20) << ' ' << most;
      }
    }
  }
}

TEST(Tokenizer, ControlTokensInTheTextCountOnlyWhenAsked) {
  const Tokenizer tokenizer = Tokenizer::open(kTokenizers + "deepseek-v3.json");
  const TokenId start = tokenizer.special_id("<|im_start|>").value();
  const TokenId think = tokenizer.special_id("<think>").value();  // not called special in the file, but a marker
  EXPECT_TRUE(tokenizer.is_special(start));
  EXPECT_TRUE(tokenizer.is_special(think));
  EXPECT_FALSE(tokenizer.is_special(tokenizer.special_id("中文").value()));
  const std::string text = "a<|im_start|>b<think>c中文d";
  const auto holds = [](const std::vector<TokenId>& ids, TokenId id) {
    return std::count(ids.begin(), ids.end(), id) > 0;
  };
  const std::vector<TokenId> as_text = tokenizer.encode(text), counted = tokenizer.encode(text, {.special = true});
  EXPECT_FALSE(holds(as_text, start) || holds(as_text, think));
  EXPECT_TRUE(holds(counted, start) && holds(counted, think));
  EXPECT_TRUE(holds(as_text, tokenizer.special_id("中文").value()));
  EXPECT_EQ(tokenizer.decode(as_text), text);
  EXPECT_EQ(tokenizer.decode(counted), text);
  EXPECT_EQ(tokenizer.decode(counted, true), "abc中文d");
}

TEST(Tokenizer, BeginningAndEndAsTheConfigurationSays) {
  nlohmann::json file = read_json(kTokenizers + "llama-bpe.json");
  const std::string config = R"({"bos_token": {"content": "<s>"}, "eos_token": "<|im_start|>", "add_bos_token": true})";
  const Tokenizer tokenizer = from_text(file.dump(), config);
  EXPECT_TRUE(tokenizer.add_bos());
  EXPECT_FALSE(tokenizer.add_eos());
  const std::vector<TokenId> ids = tokenizer.encode("", {.bos = true, .eos = true});
  EXPECT_EQ(ids,
            (std::vector<TokenId>{tokenizer.special_id("<s>").value(), tokenizer.special_id("<|im_start|>").value()}));
  EXPECT_EQ(tokenizer.end_ids().size(), 1u);
  EXPECT_TRUE(tokenizer.encode("").empty());

  file["post_processor"] = nlohmann::json::parse(R"({"type": "TemplateProcessing", "pair": [], "special_tokens": {},
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]})");
  const Tokenizer templated = from_text(file.dump());
  EXPECT_TRUE(templated.add_bos());
  EXPECT_EQ(templated.bos(), templated.special_id("<s>"));
}

TEST(Tokenizer, InvalidBytesCountAsReplacementCharacters) {
  const Tokenizer tokenizer = Tokenizer::open(kTokenizers + "qwen2.json");
  EXPECT_EQ(tokenizer.encode("a\xFFz\xE4\xB8"), tokenizer.encode("a\xEF\xBF\xBDz\xEF\xBF\xBD"));
  EXPECT_EQ(tokenizer.encode(std::string("a\0b", 3)).size(), 3u);
}

TEST(Tokenizer, IdsThatAreNoTokenAreRefused) {
  const Tokenizer tokenizer = Tokenizer::open(kTokenizers + "gpt-2.json");
  const auto size = static_cast<TokenId>(tokenizer.vocabulary_size());
  for (const TokenId id : {-1, size, 2147483647}) {
    EXPECT_NE(error_of([&] { tokenizer.decode(std::vector<TokenId>{id}); }).find("token id"), std::string::npos);
    EXPECT_NE(error_of([&] { tokenizer.token_bytes(id); }).find("token id"), std::string::npos);
    EXPECT_NE(error_of([&] { tokenizer.is_special(id); }).find("token id"), std::string::npos);
  }
}

TEST(Tokenizer, IsSafeFromSeveralThreads) {
  const Tokenizer tokenizer = Tokenizer::open(kTokenizers + "deepseek-v3.json");
  std::string text;
  for (int i = 0; i < 300; ++i) text += "The quick brown fox, 12345 中文 <think> e\u0301 " + std::to_string(i) + "\n";
  const std::vector<TokenId> expected = tokenizer.encode(text);
  std::vector<std::vector<TokenId>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back([&] { result = tokenizer.encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

TEST(Pretokenizer, AnExpressionThatNeverEndsHitsItsLimit) {
  Pretokenizer rule;
  rule.add(make_pattern_splitter("(a+)+$b|(a|aa)+c", false, SplitBehavior::isolated, false, "test"));
  Pieces pieces, scratch;
  const std::string text(5000, 'a');
  const std::string message = error_of([&] { rule.split(text, pieces, scratch); });
  EXPECT_NE(message.find("limit"), std::string::npos) << message;
}

TEST(Pretokenizer, AnExpressionThatWouldBeReadDifferentlyIsRefused) {
  for (const char* pattern : {"[\\p{L}&&[^a]]+", "\\h+", "(unclosed", "\\p{NoSuchClass}", "\\C"}) {
    const std::string message =
        error_of([&] { make_pattern_splitter(pattern, false, SplitBehavior::isolated, false, "file: field"); });
    EXPECT_NE(message.find("file: field: regular expression"), std::string::npos) << message;
  }
  EXPECT_NE(error_of([] { Pretokenizer::from_gguf_name("no-such-rule", "x.gguf"); }).find("deepseek-v3"),
            std::string::npos);
}

struct Fault {
  const char* path;   // JSON pointer of what is changed
  const char* value;  // to what; "" removes it
  const char* in_message;
};

TEST(TokenizerJson, WhatIsWrongIsNamed) {
  const Fault faults[] = {
      {"/model", "", "tokenizer.json: model: expected an object"},
      {"/model/type", "\"Unigram\"", "model.type: expected BPE, found \"Unigram\""},
      {"/model/vocab", "[]", "model.vocab: expected an object"},
      {"/model/vocab/a", "-1", "expected a token id"},
      {"/model/vocab/a", "4000000000", "expected a token id"},
      {"/model/vocab/a", "\"x\"", "expected a token id"},
      {"/model/vocab/a", "0", "is taken by"},
      {"/model/merges", "{}", "model.merges: expected an array"},
      {"/model/merges/3", "\"abc\"", "model.merges[3]"},
      {"/model/merges/3", "[\"a\"]", "model.merges[3]"},
      {"/model/merges/3", "\"a b c\"", "model.merges[3]"},
      {"/model/merges/3", "[\"q\", \"q\"]", "\"qq\" is not in the vocabulary"},
      {"/model/dropout", "0.5", "model.dropout"},
      {"/model/end_of_word_suffix", "\"</w>\"", "end_of_word_suffix"},
      {"/model/unk_token", "\"nowhere\"", "unk_token"},
      {"/model/ignore_merges", "3", "ignore_merges: expected true or false"},
      {"/added_tokens", "3", "added_tokens: expected an array"},
      {"/added_tokens/0", "3", "added_tokens[0]: expected an object"},
      {"/added_tokens/0/id", "99999999", "added_tokens[0].id: expected a token id"},
      {"/added_tokens/0/content", "[]", "added_tokens[0].content: expected a string"},
      {"/pre_tokenizer/type", "\"Whitespace\"", "pre_tokenizer.type: expected one of"},
      {"/pre_tokenizer/pretokenizers", "3", "pre_tokenizer.pretokenizers: expected an array"},
      {"/pre_tokenizer/pretokenizers/0", "{\"type\":\"Split\"}", "pattern"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "\"Sideways\"", "behavior: expected Isolated"},
      {"/pre_tokenizer/pretokenizers/0", "{\"type\":\"ByteLevel\"}", "behind ByteLevel"},
      {"/normalizer", "{\"type\":\"BertNormalizer\"}", "normalizer.type: expected one of"},
      {"/decoder", "{\"type\":\"WordPiece\"}", "decoder.type: expected one of"},
      {"/post_processor", "{\"type\":\"TemplateProcessing\"}", "post_processor.single"},
  };
  for (const Fault& fault : faults) {
    nlohmann::json file = read_json(kTokenizers + "deepseek-v3.json");
    const nlohmann::json::json_pointer at(fault.path);
    if (*fault.value == 0) {
      file.at(at.parent_pointer()).erase(at.back());
    } else {
      file[at] = nlohmann::json::parse(fault.value);
    }
    const std::string message = error_of([&] { from_text(file.dump()); });
    EXPECT_NE(message.find(fault.in_message), std::string::npos)
        << fault.path << " = " << fault.value << ": " << message;
  }
}

TEST(TokenizerJson, TextThatIsNoTokenizerIsRefused) {
  for (const char* text :
       {"", "{", "[]", "null", "3", "{}", "{\"model\":null}", "{\"model\":{\"vocab\":{}}}", "\xFF"}) {
    EXPECT_NE(error_of([&] { from_text(text); }), "no error") << text;
  }
  EXPECT_NE(error_of([] { Tokenizer::open(kTokenizers + "nowhere.json"); }).find("nowhere.json"), std::string::npos);
}

}  // namespace
}  // namespace limpid
