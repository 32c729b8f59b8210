// Grammars from outside, for tests/chat/grammar_validity.py: one JSON object a line on standard input, one on standard
// output.
//   {"schema": S, "texts": [...]}            -> {"accepts": [true, false, ...]}
//   {"schema": S, "seeds": [first, end], "vocabulary": n}  -> {"texts": [...], "cut": how many did not end}
//   either                                   -> {"error": "..."} where the schema is refused
// S "json_object" is any object. Vocabulary n: cuts of the bytes made from seed n (0: single bytes only).
#include <cmath>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "base/error.h"
#include "chat/grammar.h"
#include "chat/grammar_matcher.h"
#include "chat/grammar_vocabulary.h"
#include "grammar_fixture.h"

namespace {

using limpid::Error;
using Json = nlohmann::ordered_json;

Json answer(const Json& asked) {
  const auto grammar =
      asked["schema"] == "json_object" ? limpid::json_object_grammar() : limpid::json_schema_grammar(asked["schema"]);
  const limpid::Tokenizer tokenizer = limpid::odd_tokenizer(asked.value("vocabulary", 0));
  const auto vocabulary = std::make_shared<const limpid::GrammarVocabulary>(tokenizer);
  Json out = Json::object();
  if (asked.contains("texts")) {
    for (const Json& text : asked["texts"])
      out["accepts"].push_back(limpid::grammar_accepts(*grammar, *vocabulary, text.get<std::string>()));
    return out;
  }
  int cut = 0;
  out["texts"] = Json::array();
  for (int seed = asked["seeds"][0]; seed < asked["seeds"][1].get<int>(); ++seed) {
    const auto text = limpid::random_answer(grammar, vocabulary, tokenizer, static_cast<unsigned>(seed), 600);
    if (text) {
      out["texts"].push_back(*text);
    } else {
      ++cut;
    }
  }
  out["cut"] = cut;
  return out;
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    Json out;
    try {
      out = answer(Json::parse(line));
    } catch (const Error& error) {
      out = {{"error", error.what()}};
    }
    std::cout << out.dump() << std::endl;
  }
  return 0;
}
