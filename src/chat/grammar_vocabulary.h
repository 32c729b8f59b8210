// GrammarVocabulary: the tokens of a model as grammars need them: a trie of their bytes, and the answers that are known
// beforehand (which tokens are nothing but characters of a string).
//
// Built once per tokenizer (some tenths of a second for 129 k tokens, some 20 MB), immutable: safe from any thread.
// Control tokens are not in the trie: they have no place in a text. Those that grammars write as marks are found by
// their text.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace limpid {

// A set of ids.
class TokenMask {
 public:
  TokenMask() = default;
  explicit TokenMask(std::size_t tokens) : words_((tokens + 63) / 64) {}
  void set(TokenId id) { words_[static_cast<std::size_t>(id) / 64] |= bit(id); }
  void clear(TokenId id) { words_[static_cast<std::size_t>(id) / 64] &= ~bit(id); }
  bool test(TokenId id) const { return (words_[static_cast<std::size_t>(id) / 64] & bit(id)) != 0; }
  // Ids of `other` beyond the end of this one are left out.
  void add(const TokenMask& other) {
    const std::size_t count = words_.size() < other.words_.size() ? words_.size() : other.words_.size();
    for (std::size_t i = 0; i < count; ++i) words_[i] |= other.words_[i];
  }
  bool any() const;
  // -inf for every id that is not in the set, also beyond its end.
  void forbid_others(std::span<float> logits) const;

 private:
  static std::uint64_t bit(TokenId id) { return std::uint64_t{1} << (static_cast<std::size_t>(id) % 64); }
  std::vector<std::uint64_t> words_;
};

// Bytes of tokens in preorder: a node, then all that continue it.
class TokenTrie {
 public:
  struct Node {
    std::uint32_t skip = 0;         // the node behind all that continue this one
    std::uint32_t first_token = 0;  // tokens that end here: up to the next node's
    std::uint16_t depth = 0;        // bytes up to and with this one
    std::uint8_t byte = 0;
  };
  TokenTrie() = default;
  // `tokens` in ascending order of their bytes.
  explicit TokenTrie(std::span<const std::pair<std::string_view, TokenId>> tokens);

  std::span<const Node> nodes() const { return {nodes_.data(), nodes_.size() - 1}; }
  std::span<const TokenId> tokens(std::size_t node) const {
    return std::span(tokens_).subspan(nodes_[node].first_token,
                                      nodes_[node + 1].first_token - nodes_[node].first_token);
  }
  // The nodes of tokens that begin with a byte: [first, second).
  std::pair<std::uint32_t, std::uint32_t> beginning_with(unsigned char byte) const { return roots_[byte]; }
  std::size_t depth() const { return depth_; }

 private:
  std::vector<Node> nodes_ = std::vector<Node>(1);  // one more at the end, for its first_token
  std::vector<TokenId> tokens_;
  std::array<std::pair<std::uint32_t, std::uint32_t>, 256> roots_{};
  std::size_t depth_ = 0;
};

// Watches that no mark with a token of its own is spelled out in other tokens (Aho and Corasick, 1975). State 0: no
// mark has begun.
class MarkGuard {
 public:
  MarkGuard() = default;
  explicit MarkGuard(std::span<const std::string_view> marks);
  static constexpr std::uint16_t kSpelled = 0xFFFF;
  // kSpelled: with this byte a mark would be whole.
  std::uint16_t next(std::uint16_t state, unsigned char byte) const {
    return next_[static_cast<std::size_t>(state) * 256 + byte];
  }
  bool starts(unsigned char byte) const { return next_[byte] != 0; }

 private:
  std::vector<std::uint16_t> next_ = std::vector<std::uint16_t>(256);
};

class GrammarVocabulary {
 public:
  // The tokenizer must outlive it.
  explicit GrammarVocabulary(const Tokenizer& tokenizer);

  std::size_t size() const { return tokenizer_.vocabulary_size(); }
  std::string_view bytes(TokenId id) const { return tokenizer_.token_bytes(id); }
  bool is_text(TokenId id) const { return text_.test(id); }  // in the trie
  std::optional<TokenId> mark(std::string_view text) const;
  const MarkGuard& guard() const { return guard_; }
  const std::bitset<256>& single_bytes() const { return single_bytes_; }  // those that are tokens by themselves

  const TokenTrie& all() const { return all_; }
  // Tokens of whole plain characters of a string, at most `characters` of them (a character begun at the end counts).
  const TokenMask& plain(std::size_t characters) const {
    return plain_[characters < plain_.size() ? characters : plain_.size() - 1];
  }
  std::size_t most_characters() const { return plain_.size() - 1; }
  const TokenTrie& not_plain() const { return not_plain_; }
  // Tokens in which no mark can begin.
  const TokenMask& unmarked() const { return unmarked_; }
  const TokenTrie& marked() const { return marked_; }
  // What may come while the model thinks: everything but marks, whole or spelled out from guard state 0.
  const TokenMask& thinking() const { return thinking_; }

 private:
  void classify(std::span<const std::pair<std::string_view, TokenId>> sorted);
  std::optional<std::size_t> plain_characters(std::string_view bytes) const;

  const Tokenizer& tokenizer_;
  std::unordered_map<std::string_view, TokenId> marks_;
  MarkGuard guard_;
  std::bitset<256> single_bytes_;
  TokenTrie all_, not_plain_, marked_;
  std::vector<TokenMask> plain_;
  TokenMask text_, unmarked_, thinking_;
};

}  // namespace limpid
