#include "train/data_sample.h"

namespace limpid {

namespace {

struct FamilyFacts {
  std::string_view name;
  Levels levels;
  std::string_view meaning;
};

constexpr std::array<FamilyFacts, kFamilies> kFacts = {{
    {"chain", {5, 8}, "level L: L + 1 operations with one digit, left to right, the last two digits"},
    {"count", {3, 5}, "how often a symbol occurs, or whether odd or even: 4-6, 7-9, 10-12 symbols; then 13-16, 17-24"},
    {"addsub", {5, 7}, "level L: addition and subtraction of up to L + 1 digits"},
    {"multiply", {3, 5}, "2 x 1, 3 x 1, 2 x 2 digits; then 3 x 2, 3 x 3"},
    {"ordering", {3, 5}, "level L: L + 2 names"},
    {"boolean", {3, 5}, "level L: L + 1 operations"},
    {"target", {3, 4}, "three numbers in the order given: 1-6, 1-9; 1-9 in any order; then 1-15 in any order"},
    {"word", {4, 5}, "word problems: 1-2 digits, 3 digits, times, two steps; then two steps with larger numbers"},
    {"talk", {4, 4}, "talk; number words below 100; below 10000; what looks like a problem and is declined"},
    {"drill",
     {5, 5},
     "the small steps: copying; places of digits; sums of digits; comparisons as signs; lines and values looked up"},
}};

const FamilyFacts& facts(Family family) { return kFacts[static_cast<std::size_t>(family)]; }

}  // namespace

std::string reply(const Sample& sample, bool with_thinking) {
  const bool shown = with_thinking && !sample.thinking.empty();
  return (shown ? "<think>\n" + sample.thinking + "\n</think>\n\n" : "<think>\n\n</think>\n\n") + sample.answer;
}

std::string_view family_name(Family family) { return facts(family).name; }
std::string_view language_name(Language language) { return language == Language::chinese ? "zh" : "en"; }

std::optional<Family> family_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kFamilies; ++i) {
    if (kFacts[i].name == name) return static_cast<Family>(i);
  }
  return std::nullopt;
}

std::optional<Language> language_from_name(std::string_view name) {
  if (name == "en") return Language::english;
  if (name == "zh") return Language::chinese;
  return std::nullopt;
}

Levels levels_of(Family family) { return facts(family).levels; }
std::string_view level_meaning(Family family) { return facts(family).meaning; }

}  // namespace limpid
