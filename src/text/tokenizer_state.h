// What a Tokenizer holds (private to tokenizer*.cpp). Filled by its constructor, then never changed.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"
#include "text/tokenizer_added.h"
#include "text/tokenizer_characters.h"
#include "text/tokenizer_spec.h"
#include "text/tokenizer_vocabulary.h"

namespace limpid {

inline constexpr std::string_view kSpaceMarker = "\xE2\x96\x81";  // U+2581, how SentencePiece writes a space

struct TokenizerState {
  std::string name;
  bool byte_level = true, ignore_merges = false, byte_fallback = false, fuse_unknown = false;
  bool strip_leading_space = false, add_bos = false, add_eos = false;
  // Whether a piece may be cut before each U+2581 that follows another character: when no token holds that pair, no
  // merge crosses.
  bool cut_at_marker = false;

  TokenStrings bytes;   // what each id decodes to
  TokenStrings pieces;  // what stands for each id in normalized text; empty when bytes serves (byte_level)
  TokenIndex index;     // over strings()
  const TokenStrings& strings() const { return byte_level ? bytes : pieces; }

  MergeTable merges;
  CharacterStart characters;  // byte_level
  // byte_level, with a token for every byte: the bytes of the longest token, so that a text has at least so many times
  // fewer ids than bytes. 0: no such bound is known.
  std::size_t longest = 0;
  std::array<TokenId, 256> byte_ids{};  // byte_level: of each byte; otherwise of <0xXX>; -1: none
  std::vector<bool> special;            // by id
  std::unordered_map<std::string, TokenId> special_ids;
  AddedMatcher before_normalization, after_normalization;
  std::vector<NormalizerStep> normalizer;
  Pretokenizer pretokenizer;
  PrefixWhen prefix_when = PrefixWhen::never;
  std::string prefix;
  TokenId unknown = -1, bos = -1, eos = -1, eot = -1, pad = -1;
  std::vector<TokenId> end_ids;
};

// Throws Error(input) for a spec that contradicts itself: a merge of unknown tokens, an id out of range.
TokenizerState build_state(TokenizerSpec spec);

// Applies the steps in order.
std::string run_normalizer(const std::vector<NormalizerStep>& steps, std::string_view text);

}  // namespace limpid
