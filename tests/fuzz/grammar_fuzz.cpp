// Any bytes as a JSON schema: compiled or refused with an Error, in bounded time; what a random walk of tokens writes
// under it is JSON. Byte 0 seeds the walk and picks the cut of the vocabulary.
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "chat/grammar.h"
#include "chat/grammar_matcher.h"
#include "chat/grammar_vocabulary.h"
#include "text/tokenizer_spec.h"
#include "text/tokenizer_vocabulary.h"

namespace {

struct World {
  World() : tokenizer(spec()), vocabulary(std::make_shared<const limpid::GrammarVocabulary>(tokenizer)) {}

  static limpid::TokenizerSpec spec() {
    limpid::TokenizerSpec out;
    out.name = "fuzz";
    const auto add = [&](std::string_view bytes) {
      std::string token;
      for (const char c : bytes) limpid::append_byte_character(token, static_cast<unsigned char>(c));
      out.tokens.push_back(token);
      out.ordinary.push_back(true);
    };
    for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
    for (const char* piece :
         {"\":",   "\": ",     "\", \"",     "{\"",    "\"}", "[[", "]]",    "],",    "}]}",  "tr",
          "rue",   "ull",      "12",         "00",     "0.",  "e+", "\\u00", "\\ud8", "\\\"", "\xC3",
          "\xA4x", "\xF0\x9F", "\x8C\x8D\"", "</thin", "ab",  "-0", "  ",    "\n "})
      add(piece);
    for (const char* control : {"</think>", "<|end|>"}) {
      out.added.push_back({control, static_cast<limpid::TokenId>(out.tokens.size()), true});
      out.tokens.emplace_back(control);
      out.ordinary.push_back(false);
    }
    out.eos = static_cast<limpid::TokenId>(out.tokens.size()) - 1;
    return out;
  }

  const limpid::Tokenizer tokenizer;
  const std::shared_ptr<const limpid::GrammarVocabulary> vocabulary;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t depth = 0, deepest = 0;  // whoever parses limits depth
  for (const char c : text) {
    depth += c == '{' || c == '[';
    depth -= depth > 0 && (c == '}' || c == ']');
    deepest = std::max(deepest, depth);
  }
  if (deepest > 100) return 0;
  const auto schema = nlohmann::ordered_json::parse(text, nullptr, false);
  if (schema.is_discarded()) return 0;
  try {
    const auto grammar = limpid::json_schema_grammar(schema);
    limpid::GrammarMatcher matcher(grammar->net(), *world.vocabulary);
    std::string written;
    std::uint64_t random = data[0] * 0x9E3779B97F4A7C15ULL + 1;
    for (int n = 0; n < 200; ++n) {
      const limpid::TokenMask& allowed = matcher.allowed();
      std::vector<limpid::TokenId> choices;
      for (std::size_t id = 0; id < world.vocabulary->size(); ++id)
        if (allowed.test(static_cast<limpid::TokenId>(id))) choices.push_back(static_cast<limpid::TokenId>(id));
      if (choices.empty() && !matcher.complete()) __builtin_trap();
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      if (choices.empty() || (matcher.complete() && (random >> 60) < 8)) {
        if (nlohmann::ordered_json::parse(written, nullptr, false).is_discarded()) __builtin_trap();
        return 0;
      }
      const limpid::TokenId id = choices[(random >> 33) % choices.size()];
      written += world.vocabulary->bytes(id);
      if (!matcher.accept(id)) __builtin_trap();
    }
  } catch (const limpid::Error&) {
  }
  return 0;
}
