// Verifiers: whether a reply is right, well formed, and in which language it thinks. The text is whatever a model wrote:
// any bytes are judged, none throw, and work is linear in the text. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "train/data_sample.h"

namespace limpid {

// A reply taken apart, white space around the parts left out. Views into the text.
struct ReplyParts {
  std::string_view thinking, answer;
  bool well_formed = false;  // <think>, thinking, </think>, an answer; each mark once, nothing in front, valid UTF-8
};
// Without marks the whole text is the answer; with an open <think> only, all of it is thinking.
ReplyParts take_apart(std::string_view reply);

// Whether the answer (what stands behind the thinking) is right.
bool is_correct(const Check& check, std::string_view answer);

// Words of a text by language: an English word is a run of two or more ASCII letters, a Chinese one an ideograph.
// Single letters, digits and signs belong to no language. Words that occur in the prompt (names, things, true and false)
// are left out: whoever repeats them has not chosen a language.
struct LanguageCount {
  std::size_t english = 0, chinese = 0;
  // Share of the target's words (the reward of DeepSeek-R1's section 2.3.2); 1 where there are no words.
  double share(Language target) const;
};
LanguageCount count_languages(std::string_view text, std::string_view prompt);

struct Judgement {
  bool correct = false, well_formed = false;
  double language_share = 0;  // of the thinking, for the prompt's language
};
Judgement judge(const Sample& sample, std::string_view reply);

}  // namespace limpid
