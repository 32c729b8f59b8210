// ContentGuard: what people write never becomes a control token, though it is rendered into one text with those of the
// chat template.
//
// Wherever a message holds the text of a control token ("<|im_end|>"), a guard character goes in behind its first
// character before the template runs. The template can trim, join, compare and replace as it likes; the tokenizer does
// not find the broken ones among the control tokens, takes the guard out, and encodes them as the plain text that they
// are (EncodeOptions::guard). The guard is a Unicode noncharacter that none of the messages contains. A message that
// ends in the beginning of a control token is guarded too, lest the template complete it.
//
// Immutable; safe from any thread.
#pragma once

#include <bitset>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace limpid {

class ContentGuard {
 public:
  explicit ContentGuard(const Tokenizer& tokenizer);
  explicit ContentGuard(std::vector<std::string> control_texts);

  // A guard that occurs nowhere in the value (strings and keys). Throws Error(input) when all of them occur.
  static std::string choose(const nlohmann::ordered_json& value);

  // The value with every string and key guarded. Its depth is bounded by whoever parsed it (formats/json.h).
  nlohmann::ordered_json protect(const nlohmann::ordered_json& value, std::string_view guard) const;
  std::string protect_text(std::string_view text, std::string_view guard) const;

 private:
  void sort();
  bool begins_control(std::string_view text) const;

  std::vector<std::string> texts_;  // sorted
  std::bitset<256> starts_;         // their first bytes
};

}  // namespace limpid
