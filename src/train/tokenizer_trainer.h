// TokenizerTrainer: byte-level byte-pair encoding by DeepSeek-V3's splitting rule with single digits, learned from text.
//
// Two rules make the ids the same whoever encodes, under V3's own rule (digits in groups of up to three) as well:
// - digits are cut off one by one while learning, so no merge ever holds one;
// - characters come first. Every character that occurs often enough becomes one token, built byte by byte from the left;
//   only then are tokens joined, and only tokens of whole characters. No token crosses a character's middle.
//
// Deterministic: the same text in any order of add() gives the same tokens; of equally frequent pairs the one with the
// smaller left, then the smaller right id is joined first. Megabytes take seconds: pieces are counted once, and a heap
// holds the pairs' counts, brought up to date only where a joined pair stood. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/bpe.h"
#include "text/pretokenizer.h"

namespace limpid {

struct TokenizerPlan {
  std::size_t vocabulary = 1024;       // ids altogether: 3 control tokens, 256 bytes, what is learned, 7 marks
  std::uint64_t character_count = 16;  // a character that occurs at least so often becomes a token
  std::uint64_t pair_count = 2;        // a pair that occurs less often is not joined
  // Ideographs stay one token each: in a small world the words beside a name are so frequent that they would melt with
  // half of it (小明比小|红).
  bool join_ideographs = false;
};

// What was learned. Ids as in DeepSeek-V3: BOS 0, EOS 1, padding 2, bytes in the order of GPT-2's alphabet, learned
// tokens in the order of their merges, and the marks last.
struct TrainedTokenizer {
  std::vector<std::string> tokens;                  // by id: bytes of a token, or the text of a control token or mark
  std::vector<std::pair<TokenId, TokenId>> merges;  // in order of rank; merge i makes token 259 + i
  std::size_t characters = 0;                       // how many whole characters beyond ASCII are tokens
  std::size_t first_mark() const { return 259 + merges.size(); }
};

// The control tokens (ids 0 to 2) and the marks (the last ids), as DeepSeek-V3 and R1 have them: <think>, </think>, the
// three of fill-in-the-middle, <|User|> and <|Assistant|> with full-width bars.
extern const std::string_view kControlTokens[3];
extern const std::string_view kMarks[7];

class TokenizerTrainer {
 public:
  TokenizerTrainer();
  // Counts the pieces of a text; the texts of control tokens and marks are left out. Bytes that are no UTF-8 count as
  // U+FFFD.
  void add(std::string_view text);
  // Throws Error(input) when the vocabulary is too small for its characters or the text too small for the vocabulary.
  TrainedTokenizer train(const TokenizerPlan& plan) const;

 private:
  void add_plain(std::string_view text);
  Pretokenizer split_;
  std::unordered_map<std::string, std::uint64_t> pieces_;
  Pieces found_, scratch_;
};

}  // namespace limpid
