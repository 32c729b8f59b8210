// Patterns of tokenizer.json: matches to pieces by behaviour, and the regular expressions that have no scanner of their
// own.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "text/pretokenizer.h"

namespace limpid {

// Bytes [begin, end) of a text; may be empty.
struct Match {
  std::size_t begin, end;
};

// Appends the pieces that the behaviour makes of ascending, disjoint matches; with invert the stretches between them
// are the matches. Empty pieces are left out.
void apply_behavior(std::string_view text, const std::vector<Match>& matches, SplitBehavior behavior, bool invert,
                    Pieces& out);

}  // namespace limpid
