// Regular expressions as trees, for grammar_regex.cpp (which makes automata of them) and its parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chat/grammar_dfa.h"

namespace limpid {

inline constexpr int kMostRegexBytes = 4096;
inline constexpr int kDeepestRegex = 64;       // groups inside each other
inline constexpr int kMostRepetitions = 2000;  // the counts of {n,m}

struct RegexTree {
  enum class Kind { nothing, set, sequence, choice, repeat, begin, end };
  struct Node {
    Kind kind = Kind::nothing;
    CharSet set;
    std::vector<int> children;
    int least = 0, most = -1;  // of repeat; most < 0: no end
  };
  std::vector<Node> nodes;
  int root = 0;
};

// Throws Error(input) naming `where`, the place in the expression, and what is not supported.
RegexTree parse_regex(std::string_view pattern, const std::string& where);

}  // namespace limpid
