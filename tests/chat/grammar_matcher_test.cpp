// The masks of the matcher against asking token by token, which takes no short cut; vocabularies that cannot write
// everything; limits.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "grammar_fixture.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> kMarks{"<think>", "</think>", "<tool_call>", "</tool_call>"};

std::vector<std::shared_ptr<const Grammar>> grammars() {
  std::vector<std::shared_ptr<const Grammar>> out{json_object_grammar()};
  for (
      const char* schema :
      {R"({"type":"string"})", R"({"type":"string","maxLength":7})", R"({"type":"string","minLength":3})",
       R"({"type":"string","pattern":"^[^x]*$"})",
       R"({"type":"array","items":{"type":["number","string"]},"maxItems":4})",
       R"({"anyOf":[{"type":"string","maxLength":5},{"type":"string","pattern":"^</?t"}]})",
       R"({"type":"object","properties":{"name":{"const":"</think>ä"},"city":{"type":"string","maxLength":3}},"required":["city"]})"})
    out.push_back(json_schema_grammar(Json::parse(schema)));
  const Json tools = Json::parse(
      R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]}}}])");
  out.push_back(tool_grammar(tools, {}, ToolFormat::hermes));
  out.push_back(tool_grammar(tools, {}, ToolFormat::llama3));
  return out;
}

TEST(GrammarMatcher, MasksAreWhatIsTakenTokenByToken) {
  std::size_t allowed_tokens = 0, compared = 0;
  for (const auto& grammar : grammars()) {
    for (int seed = 1; seed <= 3; ++seed) {
      const Tokenizer tokenizer = odd_tokenizer(seed, seed == 1 ? std::vector<std::string>{} : kMarks);
      const GrammarVocabulary vocabulary(tokenizer);
      GrammarMatcher matcher(grammar->net(), vocabulary);
      std::mt19937 random(static_cast<unsigned>(seed));
      for (int step = 0; step < 25; ++step) {
        const TokenMask mask = matcher.allowed();
        std::vector<TokenId> choices;
        for (std::size_t i = 0; i < vocabulary.size(); ++i) {
          const auto id = static_cast<TokenId>(i);
          GrammarMatcher alone = matcher;
          const bool taken = alone.accept(id);
          ASSERT_EQ(mask.test(id), taken)
              << "token " << id << " \"" << tokenizer.token_bytes(id) << "\", step " << step;
          if (taken) choices.push_back(id);
          ++compared;
        }
        allowed_tokens += choices.size();
        if (choices.empty()) {
          EXPECT_TRUE(matcher.complete());
          break;
        }
        // Longer tokens and beginnings of marks, lest strings end at once.
        TokenId id = choices[random() % choices.size()];
        for (const TokenId other : choices)
          if (random() % 40 == 0 && tokenizer.token_bytes(other).find('<') != std::string_view::npos) id = other;
        ASSERT_TRUE(matcher.accept(id));
      }
    }
  }
  EXPECT_GT(allowed_tokens, compared / 20);
}

TEST(GrammarMatcher, ARuleIsAFunctionOfItsIds) {
  const Tokenizer tokenizer = odd_tokenizer(5, kMarks);
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(tokenizer);
  GrammarScope scope;
  scope.end_ids.assign(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  for (const auto& grammar : grammars()) {
    const auto rule = grammar_rule(grammar, vocabulary, scope);
    std::vector<TokenId> ids;
    std::mt19937 random(3);
    for (int step = 0; step < 30; ++step) {
      std::vector<float> logits(tokenizer.vocabulary_size()), again(logits.size());
      rule->apply(logits);
      const auto fresh = grammar_rule(grammar, vocabulary, scope);  // has never made another mask
      for (const TokenId id : ids) fresh->accept(id);
      fresh->apply(again);
      ASSERT_EQ(logits, again);
      TokenId next = 0;
      do next = static_cast<TokenId>(random() % logits.size());
      while (logits[static_cast<std::size_t>(next)] != 0);
      if (std::ranges::find(scope.end_ids, next) != scope.end_ids.end()) break;
      rule->accept(next);
      ids.push_back(next);
    }
  }
}

TEST(GrammarMatcher, WhatCannotBeWrittenIsNotBegun) {
  // Letters, quotes and what arrays need, but neither braces nor a backslash.
  TokenizerSpec spec;
  spec.name = "few";
  for (const char c : std::string_view("abc\"[],:012")) {
    spec.tokens.emplace_back(1, c);
    spec.ordinary.push_back(true);
  }
  const Tokenizer tokenizer(std::move(spec));
  const GrammarVocabulary vocabulary(tokenizer);
  const auto takes = [&](const char* schema, const std::string& text) {
    return grammar_accepts(*json_schema_grammar(Json::parse(schema)), vocabulary, text);
  };
  EXPECT_TRUE(takes("true", "[1,[\"a\"],2]"));
  EXPECT_FALSE(takes("true", "[1,{"));
  EXPECT_TRUE(takes(R"({"enum":["abc","xyz",{},"a\\"]})", "\"abc\""));
  EXPECT_FALSE(takes(R"({"enum":["abc","axyz"]})", "\"ax"));
  EXPECT_THROW(takes(R"({"type":"object"})", "{}"), Error);
  EXPECT_THROW(takes(R"({"const":"a\\"})", "\"a\\\\\""), Error);
}

TEST(GrammarMatcher, NothingIsNestedDeeperThanTheLimit) {
  const Tokenizer tokenizer = odd_tokenizer(0);
  const GrammarVocabulary vocabulary(tokenizer);
  const auto grammar = json_schema_grammar(Json(true));
  const std::string most(kDeepestGrammarText, '[');
  EXPECT_TRUE(grammar_accepts(*grammar, vocabulary, most + "1" + std::string(kDeepestGrammarText, ']')));
  EXPECT_FALSE(grammar_accepts(*grammar, vocabulary, most + "[" + "1" + std::string(kDeepestGrammarText + 1, ']')));
  // Where a schema needs depth, it is entered only as far as it can be left.
  const auto chain = json_schema_grammar(Json::parse(
      R"({"type":"object","properties":{"a":{"anyOf":[{"type":"array","items":{"$ref":"#"},"minItems":1},{"type":"null"}]}},"required":["a"]})"));
  std::string text, end;
  for (int depth = 0; depth < kDeepestGrammarText; depth += 2) {
    text += "{\"a\":[";
    end = "]}" + end;
  }
  EXPECT_FALSE(grammar_accepts(*chain, vocabulary, text + "{\"a\":null}" + end));
  GrammarMatcher matcher(chain->net(), vocabulary);
  EXPECT_FALSE(matcher.accept_bytes(text)) << "its last list could not be filled any more";
  EXPECT_TRUE(matcher.accept_bytes(text.substr(0, text.size() - 1)));
  EXPECT_TRUE(matcher.accept_bytes("null}"));
}

TEST(GrammarMatcher, TuplesOfOldDrafts) {
  const Tokenizer tokenizer = odd_tokenizer(0);
  const GrammarVocabulary vocabulary(tokenizer);
  const auto grammar = json_schema_grammar(Json::parse(
      R"({"type":"array","items":[{"type":"null"},{"type":"boolean"}],"additionalItems":false,"minItems":2})"));
  EXPECT_TRUE(grammar_accepts(*grammar, vocabulary, "[null,true]"));
  EXPECT_FALSE(grammar_accepts(*grammar, vocabulary, "[null]"));
  EXPECT_FALSE(grammar_accepts(*grammar, vocabulary, "[null,true,1]"));
}

TEST(GrammarMatcher, MoreReadingsThanAreFollowedStaySound) {
  // 600 properties that may be left out: the later ones are not offered, but what is required can always be reached.
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array({"last"})}};
  for (int i = 0; i < 600; ++i) schema["properties"][fmt::format("p{}", i)] = Json{{"type", "null"}};
  schema["properties"]["last"] = Json{{"type", "null"}};
  const auto grammar = json_schema_grammar(schema);
  const Tokenizer tokenizer = odd_tokenizer(2);
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(tokenizer);
  int ended = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto text = random_answer(grammar, vocabulary, tokenizer, seed, 3000);
    if (!text) continue;
    ++ended;
    const Json value = Json::parse(*text, nullptr, false);
    ASSERT_TRUE(value.is_object()) << *text;
    EXPECT_TRUE(value.contains("last")) << *text;
  }
  EXPECT_GT(ended, 0);
}

}  // namespace
}  // namespace limpid
