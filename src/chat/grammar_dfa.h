// Sets of strings of Unicode characters as deterministic automata: what `pattern`, `format`, lengths, bounds of numbers
// and "any key but these" become before they are written in bytes (grammar_strings.h).
//
// Everything here is bounded: an automaton has at most kMostDfaStates states and its construction takes at most
// kMostDfaSteps elementary steps (some hundredths of a second); what would need more is refused with Error(input) that
// begins with `where`, the place in the schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

inline constexpr char32_t kLastCharacter = 0x10FFFF;
inline constexpr std::size_t kMostDfaStates = 4000;
inline constexpr std::size_t kMostDfaSteps = 4'000'000;

struct CharRange {
  char32_t first = 0, last = 0;
  bool operator==(const CharRange&) const = default;
};
using CharSet = std::vector<CharRange>;
CharSet united(CharSet set);  // sorted, without overlaps or gaps of nothing
CharSet complement(const CharSet& set);

// State 0 is the start. No states: no string at all.
struct Dfa {
  struct Edge {
    CharRange on;
    std::int32_t target = 0;
  };
  struct State {
    std::vector<Edge> edges;  // ascending and disjoint
    bool accepts = false;
  };
  std::vector<State> states;

  bool empty() const { return states.empty(); }
  bool accepts(std::string_view utf8) const;
  // Every string may follow this state.
  bool accepts_all(std::size_t state) const;
};

// States from which nothing is accepted go.
Dfa trimmed(const Dfa& dfa);
// Strings of both.
Dfa intersect(const Dfa& a, const Dfa& b, const std::string& where);
// Every string but these (UTF-8).
Dfa every_string_but(std::span<const std::string> strings, const std::string& where);
// Strings of least to most characters; most < 0: no end.
Dfa strings_of_length(std::int64_t least, std::int64_t most, const std::string& where);

// Strings in which the regular expression finds a match somewhere, as JSON schema has it. ECMA-262 syntax without
// look-around, \b, back-references, \p and flags, which are refused by name.
Dfa strings_matching(std::string_view pattern, const std::string& where);

}  // namespace limpid
