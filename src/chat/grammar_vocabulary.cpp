#include "chat/grammar_vocabulary.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "chat/grammar_strings.h"
#include "text/unicode.h"

namespace limpid {

bool TokenMask::any() const {
  return std::ranges::any_of(words_, [](std::uint64_t word) { return word != 0; });
}

void TokenMask::forbid_others(std::span<float> logits) const {
  constexpr float never = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < logits.size(); i += 64) {
    const std::uint64_t word = i / 64 < words_.size() ? words_[i / 64] : 0;
    if (word == ~std::uint64_t{0}) continue;
    const std::size_t count = std::min<std::size_t>(64, logits.size() - i);
    float* at = logits.data() + i;
    if (word == 0) {
      std::fill_n(at, count, never);
      continue;
    }
    for (std::size_t j = 0; j < count; ++j)
      if (!((word >> j) & 1)) at[j] = never;
  }
}

TokenTrie::TokenTrie(std::span<const std::pair<std::string_view, TokenId>> tokens) {
  nodes_.clear();
  std::vector<std::uint32_t> path;  // the nodes of the token before
  std::string_view before;
  for (const auto& [bytes, id] : tokens) {
    std::size_t common = 0;
    while (common < before.size() && common < bytes.size() && before[common] == bytes[common]) ++common;
    while (path.size() > common) {
      nodes_[path.back()].skip = static_cast<std::uint32_t>(nodes_.size());
      path.pop_back();
    }
    for (std::size_t at = common; at < bytes.size(); ++at) {
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({0, static_cast<std::uint32_t>(tokens_.size()), static_cast<std::uint16_t>(at + 1),
                        static_cast<std::uint8_t>(bytes[at])});
    }
    tokens_.push_back(id);
    before = bytes;
    depth_ = std::max(depth_, bytes.size());
  }
  for (const std::uint32_t node : path) nodes_[node].skip = static_cast<std::uint32_t>(nodes_.size());
  for (std::uint32_t node = 0; node < nodes_.size(); node = nodes_[node].skip)
    roots_[nodes_[node].byte] = {node, nodes_[node].skip};
  nodes_.push_back({0, static_cast<std::uint32_t>(tokens_.size()), 0, 0});
}

MarkGuard::MarkGuard(std::span<const std::string_view> marks) {
  struct Node {
    std::map<unsigned char, std::uint16_t> children;
    bool whole = false;
  };
  std::vector<Node> nodes(1);
  for (const std::string_view mark : marks) {
    std::uint16_t node = 0;
    for (const char c : mark) {
      const auto [next, added] =
          nodes[node].children.try_emplace(static_cast<unsigned char>(c), static_cast<std::uint16_t>(nodes.size()));
      node = next->second;
      if (added) nodes.emplace_back();
    }
    nodes[node].whole = node != 0;
  }
  next_.assign(nodes.size() * 256, 0);
  std::vector<std::uint16_t> fail(nodes.size()), order{0};
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint16_t node = order[i];
    nodes[node].whole = nodes[node].whole || nodes[fail[node]].whole;
    for (unsigned b = 0; b < 256; ++b) {
      const auto child = nodes[node].children.find(static_cast<unsigned char>(b));
      std::uint16_t& next = next_[std::size_t{node} * 256 + b];
      const std::uint16_t fallback = node == 0 ? 0 : next_[std::size_t{fail[node]} * 256 + b];
      if (child == nodes[node].children.end()) {
        next = fallback;
        continue;
      }
      next = child->second;
      fail[next] = fallback;
      order.push_back(next);
    }
  }
  for (std::uint16_t& next : next_)
    if (nodes[next].whole) next = kSpelled;
}

GrammarVocabulary::GrammarVocabulary(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  const std::size_t n = tokenizer.vocabulary_size();
  text_ = unmarked_ = thinking_ = TokenMask(n);
  std::vector<std::string_view> guarded;
  std::vector<std::pair<std::string_view, TokenId>> sorted;
  const auto known = parser_marks();
  for (std::size_t i = 0; i < n; ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view bytes = tokenizer.token_bytes(id);
    if (std::ranges::find(known, bytes) != known.end()) {
      if (marks_.try_emplace(bytes, id).second) guarded.push_back(bytes);
    } else if (tokenizer.is_special(id)) {
      thinking_.set(id);
    } else if (!bytes.empty() && bytes.size() < 0xFFFF) {
      sorted.emplace_back(bytes, id);
      text_.set(id);
      if (bytes.size() == 1) single_bytes_.set(static_cast<unsigned char>(bytes[0]));
    }
  }
  guard_ = MarkGuard(guarded);
  std::ranges::sort(sorted);
  all_ = TokenTrie(sorted);
  classify(sorted);
}

std::optional<TokenId> GrammarVocabulary::mark(std::string_view text) const {
  const auto found = marks_.find(text);
  return found == marks_.end() ? std::nullopt : std::optional(found->second);
}

// Nothing where a character needs an escape, may begin a mark, or is not UTF-8. A character that is begun must be one
// that single bytes can end.
std::optional<std::size_t> GrammarVocabulary::plain_characters(std::string_view bytes) const {
  std::size_t count = 0;
  for (std::size_t at = 0; at < bytes.size(); ++count) {
    const auto byte = static_cast<unsigned char>(bytes[at]);
    if (byte < 0x20 || byte == '"' || byte == '\\' || byte == '<' || guard_.starts(byte)) return std::nullopt;
    const Utf8Step step = utf8_step(bytes.substr(at));
    if (step.state == Utf8State::invalid) return std::nullopt;
    if (step.state == Utf8State::incomplete) {
      for (unsigned b = 0x80; b < 0xC0; ++b)
        if (!single_bytes_[b]) return std::nullopt;
    }
    at += step.size;
  }
  return count;
}

void GrammarVocabulary::classify(std::span<const std::pair<std::string_view, TokenId>> sorted) {
  constexpr std::size_t most_counted = 64;  // longer ones are told apart by walking
  std::vector<std::pair<std::string_view, TokenId>> not_plain, marked;
  std::vector<std::vector<TokenId>> by_characters(most_counted + 1);
  for (const auto& token : sorted) {
    const auto& [bytes, id] = token;
    const std::optional<std::size_t> characters = plain_characters(bytes);
    if (characters && *characters <= most_counted) {
      by_characters[*characters].push_back(id);
    } else {
      not_plain.push_back(token);
    }
    const bool may_mark =
        std::ranges::any_of(bytes, [&](char c) { return c == '<' || guard_.starts(static_cast<unsigned char>(c)); });
    if (may_mark) {
      marked.push_back(token);
    } else {
      unmarked_.set(id);
    }
    std::uint16_t state = 0;
    for (const char c : bytes)
      if (state != MarkGuard::kSpelled) state = guard_.next(state, static_cast<unsigned char>(c));
    if (state != MarkGuard::kSpelled) thinking_.set(id);
  }
  TokenMask mask(size());
  std::size_t last = most_counted;
  while (last > 0 && by_characters[last].empty()) --last;
  for (std::size_t n = 0; n <= last; ++n) {
    for (const TokenId id : by_characters[n]) mask.set(id);
    plain_.push_back(mask);
  }
  not_plain_ = TokenTrie(not_plain);
  marked_ = TokenTrie(marked);
}

}  // namespace limpid
