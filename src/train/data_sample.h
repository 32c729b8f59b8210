// A training sample: a problem worded as a person types it, a worked solution and the answer, with what a verifier needs
// to judge any other answer. Plain data; safe to copy between threads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

enum class Family : std::uint8_t { chain, count, addsub, multiply, ordering, boolean, target, word, talk, drill };
inline constexpr std::size_t kFamilies = 10;
enum class Language : std::uint8_t { english, chinese };
enum class Split : std::uint8_t { train, held_out, any };

// How an answer is judged.
struct Check {
  enum class Kind : std::uint8_t {
    integer,     // the number accepted[0], with or without leading zeros
    text,        // one of accepted; ASCII case, hyphens and a full stop do not matter
    expression,  // an expression of value `value` that uses each of `numbers` once
  };
  Kind kind = Kind::integer;
  std::vector<std::string> accepted;
  std::vector<std::int64_t> numbers;
  std::int64_t value = 0;
};

struct Sample {
  Family family = Family::chain;
  Language language = Language::english;           // of the prompt and the answer
  Language thinking_language = Language::english;  // of the worked solution
  int level = 1;
  std::string problem;             // what is asked, whatever the words: the split is by its hash
  std::vector<std::string> parts;  // problems of other families that the thinking works out whole on its way
  std::string prompt;              // as a person types it
  std::string thinking;            // the worked solution; empty where there is nothing to work out
  std::string answer;              // canonical
  Check check;
  bool held_out = false;  // the problem or one of its parts is held out
};

// The reply that a model learns, in R1's form: "<think>\nthinking\n</think>\n\nanswer"; the direct answer has an empty
// thinking, "<think>\n\n</think>\n\nanswer", so that the first token after <think> decides which it is.
std::string reply(const Sample& sample, bool with_thinking);

std::string_view family_name(Family family);        // "chain", "count", ...
std::string_view language_name(Language language);  // "en", "zh"
std::optional<Family> family_from_name(std::string_view name);
std::optional<Language> language_from_name(std::string_view name);

// Levels 1 to `trained` are for training; those above, up to `all`, are harder than anything trained on.
struct Levels {
  int trained, all;
};
Levels levels_of(Family family);
std::string_view level_meaning(Family family);  // one line for people

}  // namespace limpid
