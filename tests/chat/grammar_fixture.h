// What the tests of grammars need: vocabularies that cut text at odd places, and a "model" of random logits.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "chat/grammar.h"
#include "chat/grammar_matcher.h"
#include "chat/grammar_net.h"
#include "chat/grammar_vocabulary.h"
#include "chat_fixture.h"
#include "engine/sampler.h"
#include "text/tokenizer_vocabulary.h"

namespace limpid {

// Every single byte (its id is the byte), then pieces of JSON and of other texts cut anywhere, inside characters too;
// then control tokens. Seed 0: no pieces. What ends an answer is "<|end|>".
inline Tokenizer odd_tokenizer(int seed, const std::vector<std::string>& control = {}) {
  const std::string source =
      "{\"name\": \"Zürich 東京 🌍\", \"values\": [1, -2.5e+3, true, false, null], \"a\":{\"b\":[]}}\n  \"\\u00e4\\"
      "n\\\"\": \"</think><tool_call>{\\\"x\\\"}\", \"count\": 120, \"ok\" : true}, {\"city\": \"abc\"}]  ab12-34:56 "
      "äöü";
  TokenizerSpec spec;
  spec.name = "odd";
  const auto add = [&](std::string_view bytes) {
    std::string token;
    for (const char c : bytes) append_byte_character(token, static_cast<unsigned char>(c));
    spec.tokens.push_back(token);
    spec.ordinary.push_back(true);
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  std::mt19937 random(static_cast<unsigned>(seed));
  std::set<std::string> pieces;
  while (seed > 0 && pieces.size() < 400)
    pieces.insert(source.substr(random() % (source.size() - 1), 2 + random() % 9));
  for (const std::string& piece : pieces)
    if (piece.size() > 1) add(piece);
  std::vector<std::string> all = control;
  all.emplace_back("<|end|>");
  for (const std::string& text : all) {
    const auto id = static_cast<TokenId>(spec.tokens.size());
    spec.tokens.push_back(text);
    spec.ordinary.push_back(false);
    spec.added.push_back({text, id, true});
    if (text == "<|end|>") spec.eos = id;
  }
  return Tokenizer(std::move(spec));
}

// Whether the grammar takes the text, cut into single bytes, as a whole answer.
inline bool grammar_accepts(const Grammar& grammar, const GrammarVocabulary& vocabulary, const std::string& text) {
  GrammarMatcher matcher(grammar.net(), vocabulary);
  return matcher.accept_bytes(text) && matcher.complete();
}

// What a model with random logits says; nothing where it did not end within so many tokens.
inline std::optional<std::string> random_answer(std::shared_ptr<const Grammar> grammar,
                                                std::shared_ptr<const GrammarVocabulary> vocabulary,
                                                const Tokenizer& tokenizer, unsigned seed, int most_tokens,
                                                std::string_view liked = "\"]},") {
  GrammarScope scope;
  scope.end_ids.assign(tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  const auto rule = grammar_rule(std::move(grammar), std::move(vocabulary), scope);
  std::minstd_rand random(seed + 1);
  Sampler sampler;
  Sampling sampling;
  sampling.seed = seed;
  std::vector<float> logits(tokenizer.vocabulary_size());
  std::vector<LogitRule*> rules{rule.get()};
  std::vector<TokenId> ids;
  for (int n = 0; n < most_tokens; ++n) {
    for (float& logit : logits) logit = static_cast<float>(random() % 4096) / 512.0F;
    // What ends strings, lists and numbers comes more often, lest all answers be cut.
    for (const char c : liked) logits[static_cast<unsigned char>(c)] += 5;
    const Pick pick = sampler.pick(logits, sampling, {}, rules, static_cast<std::uint64_t>(n));
    if (!pick.error.empty()) throw std::runtime_error(pick.error);
    rule->accept(pick.id);
    if (std::ranges::find(scope.end_ids, pick.id) != scope.end_ids.end()) return tokenizer.decode(ids);
    ids.push_back(pick.id);
  }
  return std::nullopt;
}

}  // namespace limpid
