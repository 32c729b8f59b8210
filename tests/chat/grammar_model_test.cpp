// A thousand seeds of models with random weights, through the engine: each that ends is JSON of its schema.
#include <gtest/gtest.h>

#include "base/error.h"
#include "chat/chat.h"
#include "grammar_fixture.h"
#include "models/load.h"

namespace limpid {
namespace {

using Json = nlohmann::ordered_json;

// Few tokens, for the tiny models' vocabularies: what JSON needs, letters and some pairs; no byte beyond ASCII.
Tokenizer small_tokenizer() {
  TokenizerSpec spec;
  spec.name = "small";
  const auto add = [&](const std::string& token) {
    spec.tokens.push_back(token);
    spec.ordinary.push_back(true);
  };
  for (const char c : std::string_view("{}[]\":,.-+\\/_e0123456789abcdfilmnorstuxyz")) add(std::string(1, c));
  std::string space;
  append_byte_character(space, ' ');
  add(space);
  for (const char* pair : {"\":", "\"}", "ru", "nul", "\",", "12", "[[", "}]"}) add(pair);
  for (const std::string& text : {std::string("<think>"), std::string("</think>"), std::string("<|end|>")}) {
    const auto id = static_cast<TokenId>(spec.tokens.size());
    spec.tokens.push_back(text);
    spec.ordinary.push_back(false);
    spec.added.push_back({text, id, true});
    if (text == "<|end|>") spec.eos = id;
  }
  return Tokenizer(std::move(spec));
}

struct Case {
  Json schema;
  bool (*valid)(const Json&);
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"json_object", [](const Json& v) { return v.is_object(); }},
      {Json::parse(
           R"({"type":"object","properties":{"a":{"type":"integer","minimum":-5,"maximum":205},"b":{"enum":["x",null,"é"]}},"required":["a","b"]})"),
       [](const Json& v) {
         return v.is_object() && v.size() == 2 && v["a"].is_number_integer() && v["a"] >= -5 && v["a"] <= 205 &&
                (v["b"] == "x" || v["b"].is_null() || v["b"] == "é");
       }},
      {Json::parse(
           R"({"type":"array","items":{"anyOf":[{"type":"string","pattern":"^[ab]{2,4}$"},{"type":"boolean"}]},"minItems":2,"maxItems":5})"),
       [](const Json& v) {
         return v.is_array() && v.size() >= 2 && v.size() <= 5 && std::ranges::all_of(v, [](const Json& item) {
                  if (item.is_boolean()) return true;
                  const std::string text = item.is_string() ? item.get<std::string>() : "";
                  return text.size() >= 2 && text.size() <= 4 && text.find_first_not_of("ab") == std::string::npos;
                });
       }},
      {Json::parse(
           R"({"$defs":{"n":{"type":"object","properties":{"s":{"type":"string","maxLength":3},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["s","next"]}},"$ref":"#/$defs/n"})"),
       [](const Json& v) {
         const Json* at = &v;
         for (; at->is_object() && at->size() == 2; at = &(*at)["next"])
           if (!(*at)["s"].is_string() || (*at)["s"].get<std::string>().size() > 18) return false;
         return at->is_null();
       }}};
  return all;
}

class GrammarModel : public testing::TestWithParam<std::string> {};

TEST_P(GrammarModel, AThousandSeedsAreValid) {
  const auto model =
      load_model(ModelFiles::open(std::string(REPO_DIR) + "/tests/models/data/" + GetParam()), Precision::fast, 1);
  const Tokenizer tokenizer = small_tokenizer();
  ASSERT_LE(tokenizer.vocabulary_size(), static_cast<std::size_t>(model->info().vocabulary));
  EngineOptions options;
  options.threads = 1;
  options.pages = 64;
  options.kernels = &best_kernels();
  Engine engine(*model, options);
  // It thinks, or it may: the grammar binds what comes behind.
  ChatEngine chat(engine, tokenizer, "{% for m in messages %}{{ m.content }}{% endfor %}{# <think> #}");
  std::vector<std::shared_ptr<const Grammar>> grammars;
  for (const Case& one : cases())
    grammars.push_back(one.schema == "json_object" ? json_object_grammar() : json_schema_grammar(one.schema));
  int ended = 0, cut = 0, thought = 0;
  std::set<std::string> different;
  for (unsigned seed = 0; seed < 1000; ++seed) {
    for (std::size_t i = 0; i < cases().size(); ++i) {
      ChatRequest request;
      request.prompt.messages = Json::array({{{"role", "user"}, {"content", "abc"}}});
      request.sampling.seed = seed;
      request.sampling.temperature = 1.5F;
      for (const char c : std::string_view("\"}]"))
        request.sampling.logit_bias.emplace_back(tokenizer.encode(std::string(1, c)).at(0), 2.0F);
      request.thinking_budget = 5;
      request.max_tokens = 100;
      request.grammar = grammars[i];
      const ChatAnswer answer = chat.ask(std::move(request));
      ASSERT_NE(answer.result.finish, ChatFinish::error) << answer.result.error;
      thought += !answer.thinking.empty();
      if (answer.result.finish == ChatFinish::length) {
        ++cut;
        continue;
      }
      ++ended;
      different.insert(answer.answer);
      const Json value = Json::parse(answer.answer, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << answer.answer;
      EXPECT_TRUE(cases()[i].valid(value)) << i << ": " << answer.answer;
    }
  }
  EXPECT_GT(ended, 2000) << cut << " were cut";
  EXPECT_GT(different.size(), 200U);
  EXPECT_GT(thought, 0);
}

INSTANTIATE_TEST_SUITE_P(Random, GrammarModel, testing::Values("deepseek_v3", "qwen2"));

}  // namespace
}  // namespace limpid
