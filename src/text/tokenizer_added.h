// Added tokens in text: leftmost, longest first, as Hugging Face's AddedVocabulary finds them. Immutable; safe from any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/tokenizer_spec.h"

namespace limpid {

// A stretch of text: an added token (id >= 0) or what lies between two.
struct AddedPiece {
  std::string_view text;
  TokenId id;
};

class AddedMatcher {
 public:
  // content is looked for exactly; control tells which tokens are found only when control tokens count.
  void add(const AddedToken& token, std::string_view content, bool control);
  bool empty() const { return tokens_.empty(); }
  // Appends the stretches of text in order, none empty. text is valid UTF-8.
  void split(std::string_view text, bool control_counts, std::vector<AddedPiece>& out) const;

 private:
  struct Token {
    AddedToken token;
    bool control;
  };
  struct Hit {
    std::size_t size = 0;
    std::int32_t token = -1;
  };
  Hit longest_at(std::string_view text, std::size_t at) const;

  std::vector<Token> tokens_;
  // A trie of bytes: (node, byte) -> node; node 0 is the root.
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;
  std::vector<std::int32_t> token_of_node_{-1};
  std::array<bool, 256> starts_{};
};

}  // namespace limpid
