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
#include "text/unicode.h"

namespace limpid {

// Every single byte, then pieces of JSON and of texts cut anywhere, inside characters too; then control tokens. Seed 0:
// no pieces. The end of an answer is "<|end|>".
inline Tokenizer odd_tokenizer(int seed, const std::vector<std::string>& control = {}) {
  TokenizerSpec spec;
  spec.name = "odd";
  spec.byte_level = false;
  spec.byte_fallback = true;
  for (int byte = 0; byte < 256; ++byte) {
    spec.tokens.push_back(fmt::format("<0x{:02X}>", byte));
    spec.byte_token.push_back(true);
    spec.ordinary.push_back(false);
  }
  if (seed > 0) {
    const std::string source =
        "{\"name\": \"Zürich 東京 🌍\", \"values\": [1, -2.5e+3, true, false, null], \"a\":{\"b\":[]}}\n  \"\\u00e4\\"
        "n\\\"\": \"</think><tool_call>{\\\"x\\\"}\", \"count\": 120, \"ok\" : true}, {\"city\": \"abc\"}]  ab12-34:56";
    std::mt19937 random(static_cast<unsigned>(seed));
    std::set<std::string> pieces;
    while (pieces.size() < 400) {
      const std::size_t at = random() % source.size();
      const std::string piece = source.substr(at, 2 + random() % 9);
      // A SentencePiece vocabulary holds text: bytes of a character that is cut are joined by the other kind below.
      if (valid_utf8_prefix(piece) == piece.size() && piece.find_first_of(" \n") == std::string::npos)
        pieces.insert(piece);
      if (random() % 5000 == 0) break;
    }
    for (const std::string& piece : pieces) {
      spec.tokens.push_back(piece);
      spec.byte_token.push_back(false);
      spec.ordinary.push_back(true);
    }
  }
  std::vector<std::string> all = control;
  all.emplace_back("<|end|>");
  for (const std::string& text : all) {
    const auto id = static_cast<TokenId>(spec.tokens.size());
    spec.tokens.push_back(text);
    spec.byte_token.push_back(false);
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
                                                const Tokenizer& tokenizer, unsigned seed, int most_tokens) {
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
    for (const char c : std::string_view("\"]},")) logits[static_cast<unsigned char>(c)] += 5;
    const Pick pick = sampler.pick(logits, sampling, {}, rules, static_cast<std::uint64_t>(n));
    if (!pick.error.empty()) throw std::runtime_error(pick.error);
    rule->accept(pick.id);
    if (std::ranges::find(scope.end_ids, pick.id) != scope.end_ids.end()) return tokenizer.decode(ids);
    ids.push_back(pick.id);
  }
  return std::nullopt;
}

}  // namespace limpid
