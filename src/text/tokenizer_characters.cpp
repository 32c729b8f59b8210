#include "text/tokenizer_characters.h"

#include <algorithm>

namespace limpid {

namespace {

bool is_continuation(char byte) { return (byte & 0xC0) == 0x80; }

// Whether the bytes begin or end inside a character.
bool is_ragged(std::string_view bytes) {
  return is_continuation(bytes.front()) || valid_utf8_prefix(bytes) != bytes.size();
}

// The highest rank among the merges that make one token of these bytes; kNoRank when they do not become one.
std::uint32_t highest_rank_within(std::string_view bytes, const TokenId* byte_ids, const MergeTable& merges,
                                  TokenId whole) {
  std::vector<TokenId> symbols;
  for (const char byte : bytes) symbols.push_back(byte_ids[static_cast<unsigned char>(byte)]);
  std::uint32_t highest = 0;
  while (symbols.size() > 1) {
    std::size_t best = 0;
    MergeTable::Merge lowest{MergeTable::kNoRank, -1};
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const MergeTable::Merge merge = merges.find(symbols[i], symbols[i + 1]);
      if (merge.rank < lowest.rank) {
        lowest = merge;
        best = i;
      }
    }
    if (lowest.rank == MergeTable::kNoRank) return MergeTable::kNoRank;
    highest = std::max(highest, lowest.rank);
    symbols[best] = lowest.id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  return symbols[0] == whole ? highest : MergeTable::kNoRank;
}

}  // namespace

CharacterStart::CharacterStart(const TokenStrings& strings, const std::vector<bool>& reachable, const TokenId* byte_ids,
                               const MergeTable& merges, const std::vector<std::uint32_t>& lowest_rank)
    : tokens_(0x10000, -1) {
  for (std::size_t i = 0; i < strings.size(); ++i) {
    const std::string_view bytes = strings.at(static_cast<TokenId>(i));
    if (!reachable[i] || bytes.size() < 2) continue;
    const std::uint32_t length = utf8_length(bytes[0]);
    if (bytes.size() == length && length <= 3 && valid_utf8_prefix(bytes) == length && !is_continuation(bytes[0])) {
      const std::uint32_t highest = highest_rank_within(bytes, byte_ids, merges, static_cast<TokenId>(i));
      if (highest < lowest_rank[i]) tokens_[decode_valid(bytes.data()).c] = static_cast<TokenId>(i);
    } else if (is_ragged(bytes)) {
      for (std::size_t k = 1; k < bytes.size(); ++k) {
        if (!is_continuation(bytes[k])) entangled_.set(border(bytes[k - 1], bytes[k]));
      }
    }
  }
}

}  // namespace limpid
