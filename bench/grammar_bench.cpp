// What a grammar costs per token:   grammar_bench TOKENIZER
// The vocabulary is built once; then, for each grammar, an answer that fits it is written token by token as the model
// would: the mask over all logits, then the token. Every answer starts with a fresh rule, as every request does. Times
// are of one thread; "first" is the first answer only, in which no position was met before.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "chat/grammar.h"
#include "chat/grammar_vocabulary.h"
#include "text/tokenizer.h"

namespace {

using limpid::TokenId;
using Json = nlohmann::ordered_json;

// Of this thread: others run on the machine too.
double now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Case {
  std::string name;
  Json schema;  // "json_object": any object
  std::string text;
};

std::string long_text() {
  std::string out;
  for (int i = 0; i < 40; ++i) out += "The quick brown fox, 东京的天气很好; naïve café — don\\u0027t <b>stop</b>. ";
  return out;
}

std::vector<Case> cases() {
  const std::string person =
      "{\n  \"name\": \"Ada Lovelace\",\n  \"age\": 36,\n  \"email\": \"ada@example.org\",\n  \"born\": "
      "\"1815-12-10\",\n"
      "  \"tags\": [\"mathematics\", \"engines\", \"poetry\"],\n  \"score\": 99.5,\n  \"note\": \"first of all\"\n}";
  const Json schema = Json::parse(R"({"type":"object","additionalProperties":false,
    "properties":{"name":{"type":"string","maxLength":60},"age":{"type":"integer","minimum":0,"maximum":150},
    "email":{"type":"string","format":"email"},"born":{"type":"string","format":"date"},
    "tags":{"type":"array","items":{"type":"string"},"maxItems":10},"score":{"type":"number"},
    "note":{"type":"string"}},"required":["name","age","email","born","tags","score","note"]})");
  return {{"json_object, an object", "json_object", person},
          {"json_object, one long string", "json_object", "{\"text\": \"" + long_text() + "\"}"},
          {"schema, all kinds of fields", schema, person},
          {"schema, one long string",
           Json{{"type", "object"}, {"properties", {{"text", {{"type", "string"}}}}}, {"required", {"text"}}},
           "{\"text\": \"" + long_text() + "\"}"},
          {"schema, string with maxLength", Json{{"type", "string"}, {"maxLength", 100000}}, "\"" + long_text() + "\""},
          {"schema, string with a loose pattern", Json{{"type", "string"}, {"pattern", "^[^\\u0000-\\u001f]*$"}},
           "\"" + std::string("Any text that is no control character, and a little more of it.") + "\""},
          {"schema, list of numbers", Json{{"type", "array"}, {"items", {{"type", "number"}}}},
           "[1, 2.5, -3e7, 1000000, 0.001, 42, 77, 3.14159]"}};
}

double at(const std::vector<double>& sorted, double part) {
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(part * static_cast<double>(sorted.size())))];
}

void measure(const limpid::Tokenizer& tokenizer, const std::shared_ptr<const limpid::GrammarVocabulary>& vocabulary,
             const Case& one) {
  double start = now();
  const auto grammar =
      one.schema == "json_object" ? limpid::json_object_grammar() : limpid::json_schema_grammar(one.schema);
  const double compiled = now() - start;
  limpid::GrammarScope scope;
  scope.end_ids.assign(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  std::vector<TokenId> ids = tokenizer.encode(one.text);
  ids.push_back(scope.end_ids.at(0));
  std::vector<float> logits(vocabulary->size());
  std::vector<double> first, all;
  double made = 0;
  for (int round = 0; round < 20; ++round) {
    start = now();
    const auto rule = limpid::grammar_rule(grammar, vocabulary, scope);
    made += (now() - start) / 20;
    for (const TokenId id : ids) {
      std::fill(logits.begin(), logits.end(), 1.0F);
      start = now();
      rule->apply(logits);
      rule->accept(id);
      const double took = now() - start;
      if (!(logits[static_cast<std::size_t>(id)] == 1.0F))
        limpid::fail(limpid::ErrorKind::input, "{}: token {} is not allowed", one.name, id);
      if (round == 0) first.push_back(took);
      all.push_back(took);
    }
  }
  std::ranges::sort(first);
  std::ranges::sort(all);
  fmt::print("{:<36} {:>5} {:>9.2f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f}\n", one.name, ids.size(),
             1e3 * compiled, 1e3 * made, 1e3 * at(all, 0.5), 1e3 * at(all, 0.99), 1e3 * at(first, 0.5),
             1e3 * first.back());
}

int run(int, char** argv) {
  const limpid::Tokenizer tokenizer = limpid::Tokenizer::open(argv[1]);
  const double start = now();
  const auto vocabulary = std::make_shared<const limpid::GrammarVocabulary>(tokenizer);
  fmt::print("{}: {} tokens, vocabulary for grammars made in {:.0f} ms, {} nodes\n", argv[1], vocabulary->size(),
             1e3 * (now() - start), vocabulary->all().nodes().size());
  fmt::print(
      "milliseconds                        tokens  compile     rule   median      p99  first: median  largest\n");
  for (const Case& one : cases()) measure(tokenizer, vocabulary, one);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: grammar_bench TOKENIZER\n", stderr);
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const limpid::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
