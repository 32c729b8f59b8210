// GrammarMatcher: where one answer stands in a grammar, and which tokens may come next.
//
// A position is a set of stacks, one for each reading of the text so far. Positions are made as they are met, and their
// successors by byte remembered, so that a token costs a table look-up per byte once its surroundings were seen. The
// tokens that may follow are found by walking the vocabulary's trie and the positions together; inside strings, where
// nearly all may, only those are walked that are not plain characters.
//
// Every stack can be completed by tokens of single bytes (GrammarNet::heights), so that there is always a token, and so
// that readings may be dropped where there are too many: then fewer texts are possible, but none becomes invalid.
//
// One per answer; not for sharing between threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "chat/grammar_net.h"
#include "chat/grammar_vocabulary.h"

namespace limpid {

class GrammarMatcher {
 public:
  // Both must outlive it. Throws Error(unsupported) where the vocabulary cannot write any text of the grammar.
  GrammarMatcher(const GrammarNet& net, const GrammarVocabulary& vocabulary);

  void start(NetRule rule);
  // Valid up to the next call.
  const TokenMask& allowed();
  // Goes on behind a token; false, without moving, where it may not come.
  bool accept(TokenId token);
  bool accept_bytes(std::string_view bytes);
  // The text may end here.
  bool complete() const { return positions_[static_cast<std::size_t>(current_)].complete; }

 private:
  using Index = std::int32_t;
  // A stack is its top and the frames below, shared with others.
  struct Frame {
    Index below = -1;
    NetState state = -1;
    std::int64_t count = 0;
    std::int32_t depth = 0;
    bool operator==(const Frame&) const = default;
  };
  struct FrameHash {
    std::size_t operator()(const Frame& frame) const;
  };
  struct Tops {
    std::vector<Index> frames;
    bool complete = false;
    bool operator==(const Tops&) const = default;
  };
  struct TopsHash {
    std::size_t operator()(const Tops& tops) const;
  };
  struct Position {
    std::vector<Index> tops;
    bool complete = false;
    std::size_t weight = 1;  // what a successor costs at most
    std::array<Index, 256> next;
  };
  static constexpr Index kDead = -1, kUnknown = -2;
  static constexpr std::size_t kMostTops = 256;
  static constexpr std::size_t kMostReached = 20'000;     // frames looked at for one successor
  static constexpr std::size_t kMostPositions = 8'192;    // remembered
  static constexpr std::size_t kMostMasks = 64;           // remembered
  static constexpr std::size_t kMostWeight = 20'000'000;  // of one walk

  bool lives(NetState state, std::int32_t depth) const {
    return heights_[static_cast<std::size_t>(state)] + depth <= kDeepestGrammarText;
  }
  bool passes(const NetEdge& edge, const Frame& frame) const;
  std::int64_t counted(const NetEdge& edge, const Frame& frame) const;
  Index frame(const Frame& frame);
  Index after(const Frame& frame, const NetEdge& edge);  // kDead where it leads nowhere
  void reach(Index frame, Tops& out);
  Index position(Tops tops);
  Index next(Index at, unsigned char byte);
  Index next_mark(Index at, std::size_t mark);
  void forget(std::span<Index> kept);  // all positions but these, whose new names it sets

  void fill(TokenMask& mask);
  void walk(const TokenTrie& trie, std::uint32_t begin, std::uint32_t end, bool clears, TokenMask& mask);
  void walk(const TokenTrie& trie, TokenMask& mask) {
    walk(trie, 0, static_cast<std::uint32_t>(trie.nodes().size()), false, mask);
  }
  std::size_t plain_characters() const;

  const GrammarNet& net_;
  const GrammarVocabulary& vocabulary_;
  std::vector<TokenId> mark_tokens_;  // by the net's marks; -1 where it is no token
  std::vector<std::int32_t> heights_;
  std::vector<Frame> frames_;
  std::unordered_map<Frame, Index, FrameHash> frame_names_;
  std::vector<Position> positions_;
  std::unordered_map<Tops, Index, TopsHash> position_names_;
  std::unordered_map<std::uint64_t, TokenMask> masks_;  // by position and state of the guard
  Index current_ = 0;
  std::uint16_t guard_ = 0;
  // Working memory.
  std::vector<std::uint32_t> reached_;  // by frame: the last round that looked at it
  std::uint32_t round_ = 0;
  std::vector<Index> work_, path_;
  std::vector<std::uint16_t> guards_;
  std::size_t weight_ = 0;
};

}  // namespace limpid
