#include "chat/grammar_matcher.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {

std::size_t mixed(std::size_t hash, std::uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15 + (hash << 6) + (hash >> 2);
  return hash * 0xFF51AFD7ED558CCD;
}

constexpr std::size_t kAllPlain = std::numeric_limits<std::size_t>::max();

}  // namespace

std::size_t GrammarMatcher::FrameHash::operator()(const Frame& frame) const {
  std::size_t hash = mixed(0, static_cast<std::uint32_t>(frame.below));
  hash = mixed(hash, static_cast<std::uint32_t>(frame.state));
  hash = mixed(hash, static_cast<std::uint64_t>(frame.count));
  return mixed(hash, static_cast<std::uint32_t>(frame.depth));
}

std::size_t GrammarMatcher::TopsHash::operator()(const Tops& tops) const {
  std::size_t hash = tops.complete ? 1 : 0;
  for (const Index frame : tops.frames) hash = mixed(hash, static_cast<std::uint32_t>(frame));
  return hash;
}

GrammarMatcher::GrammarMatcher(const GrammarNet& net, const GrammarVocabulary& vocabulary)
    : net_(net), vocabulary_(vocabulary) {
  std::vector<bool> tokens;
  for (std::size_t i = 0; i < net.marks().size(); ++i) {
    mark_tokens_.push_back(vocabulary.mark(net.marks()[i]).value_or(-1));
    tokens.push_back(mark_tokens_.back() >= 0);
    if (net.needs_token()[i] && !tokens.back())
      fail(ErrorKind::unsupported, "tools: this model has no token \"{}\", in which its tool calls are written",
           net.marks()[i]);
  }
  heights_ = net.heights(vocabulary.single_bytes(), tokens);
  path_.resize(vocabulary.all().depth() + 1);
  guards_.resize(path_.size());
  start(net.root());
}

void GrammarMatcher::start(NetRule rule) {
  positions_.clear();
  position_names_.clear();
  frames_.clear();
  frame_names_.clear();
  masks_.clear();
  reached_.clear();
  const GrammarNet::Rule& root = net_.rules()[static_cast<std::size_t>(rule)];
  const std::int32_t depth = root.nests ? 1 : 0;
  if (!lives(root.start, depth))
    fail(ErrorKind::unsupported, "the tokens of this model cannot write any text that the grammar allows");
  Tops tops;
  ++round_;
  reach(frame({-1, root.start, 0, depth}), tops);
  current_ = position(std::move(tops));
  guard_ = 0;
}

bool GrammarMatcher::passes(const NetEdge& edge, const Frame& frame) const {
  if (edge.need == CounterNeed::none) return true;
  const auto state = static_cast<std::size_t>(frame.state);
  const NetCounter& counter = net_.counters()[static_cast<std::size_t>(net_.states()[state].counter)];
  if (edge.need == CounterNeed::at_least) return frame.count >= counter.least;
  return counter.most < 0 || frame.count < counter.most;
}

std::int64_t GrammarMatcher::counted(const NetEdge& edge, const Frame& frame) const {
  if (edge.clears) return 0;
  if (!edge.counts) return frame.count;
  const auto state = static_cast<std::size_t>(frame.state);
  const NetCounter& counter = net_.counters()[static_cast<std::size_t>(net_.states()[state].counter)];
  // Without an end nothing beyond the least is told apart.
  return counter.most < 0 ? std::min(frame.count + 1, counter.least) : frame.count + 1;
}

GrammarMatcher::Index GrammarMatcher::frame(const Frame& frame) {
  const auto [at, added] = frame_names_.try_emplace(frame, static_cast<Index>(frames_.size()));
  if (added) {
    frames_.push_back(frame);
    reached_.push_back(0);
  }
  return at->second;
}

GrammarMatcher::Index GrammarMatcher::after(const Frame& from, const NetEdge& edge) {
  if (!lives(edge.target, from.depth) || !passes(edge, from)) return kDead;
  const Frame behind{from.below, edge.target, counted(edge, from), from.depth};
  if (edge.on != NetEdge::On::call) return frame(behind);
  const GrammarNet::Rule& rule = net_.rules()[static_cast<std::size_t>(edge.rule)];
  const std::int32_t depth = from.depth + (rule.nests ? 1 : 0);
  if (!lives(rule.start, depth)) return kDead;
  // A call at the end of a rule returns to where the rule does.
  const bool last = net_.states()[static_cast<std::size_t>(edge.target)].only_final;
  const Index below = last ? from.below : frame(behind);
  return frame({below, rule.start, 0, depth});
}

// Adds the tops that read something, as far as they are reached without reading.
void GrammarMatcher::reach(Index first, Tops& out) {
  std::size_t looked = 0;
  work_.assign(1, first);
  while (!work_.empty() && out.frames.size() < kMostTops && ++looked < kMostReached) {
    const Index at = work_.back();
    work_.pop_back();
    if (std::exchange(reached_[static_cast<std::size_t>(at)], round_) == round_) continue;
    const Frame here = frames_[static_cast<std::size_t>(at)];
    const GrammarNet::State& state = net_.states()[static_cast<std::size_t>(here.state)];
    if (state.reads) out.frames.push_back(at);
    if (state.final) {
      if (here.below < 0) {
        out.complete = true;
      } else {
        work_.push_back(here.below);
      }
    }
    for (std::uint32_t e = state.end_edge; e-- > state.first_edge;) {
      const NetEdge& edge = net_.edges()[e];
      if (edge.on == NetEdge::On::bytes || edge.on == NetEdge::On::mark) continue;
      if (edge.mark >= 0 && mark_tokens_[static_cast<std::size_t>(edge.mark)] >= 0) continue;
      const Index behind = after(here, edge);
      if (behind >= 0) work_.push_back(behind);
    }
  }
}

GrammarMatcher::Index GrammarMatcher::position(Tops tops) {
  if (tops.frames.empty() && !tops.complete) return kDead;
  const auto [at, added] = position_names_.try_emplace(tops, static_cast<Index>(positions_.size()));
  if (added) {
    Position made;
    made.complete = tops.complete;
    for (const Index top : tops.frames) {
      const auto state = static_cast<std::size_t>(frames_[static_cast<std::size_t>(top)].state);
      made.weight += net_.states()[state].end_edge - net_.states()[state].first_edge;
    }
    made.tops = std::move(tops.frames);
    made.next.fill(kUnknown);
    positions_.push_back(std::move(made));
  }
  return at->second;
}

GrammarMatcher::Index GrammarMatcher::next(Index at, unsigned char byte) {
  const Index known = positions_[static_cast<std::size_t>(at)].next[byte];
  if (known != kUnknown) return known;
  Tops out;
  ++round_;
  const std::vector<Index> tops = positions_[static_cast<std::size_t>(at)].tops;
  for (const Index top : tops) {
    const Frame here = frames_[static_cast<std::size_t>(top)];
    const GrammarNet::State& state = net_.states()[static_cast<std::size_t>(here.state)];
    for (std::uint32_t e = state.first_edge; e < state.end_edge; ++e) {
      const NetEdge& edge = net_.edges()[e];
      if (edge.on != NetEdge::On::bytes || byte < edge.first || byte > edge.last) continue;
      const Index behind = after(here, edge);
      if (behind >= 0) reach(behind, out);
    }
  }
  const Index found = position(std::move(out));
  return positions_[static_cast<std::size_t>(at)].next[byte] = found;
}

GrammarMatcher::Index GrammarMatcher::next_mark(Index at, std::size_t mark) {
  Tops out;
  ++round_;
  const std::vector<Index> tops = positions_[static_cast<std::size_t>(at)].tops;
  for (const Index top : tops) {
    const Frame here = frames_[static_cast<std::size_t>(top)];
    const GrammarNet::State& state = net_.states()[static_cast<std::size_t>(here.state)];
    for (std::uint32_t e = state.first_edge; e < state.end_edge; ++e) {
      const NetEdge& edge = net_.edges()[e];
      if (edge.on != NetEdge::On::mark || static_cast<std::size_t>(edge.mark) != mark) continue;
      const Index behind = after(here, edge);
      if (behind >= 0) reach(behind, out);
    }
  }
  return position(std::move(out));
}

void GrammarMatcher::forget(std::span<Index> kept) {
  const std::vector<Frame> frames = std::exchange(frames_, {});
  const std::vector<Position> positions = std::exchange(positions_, {});
  frame_names_.clear();
  position_names_.clear();
  masks_.clear();
  reached_.clear();
  round_ = 0;
  std::vector<Index> name(frames.size(), -1);
  const auto renamed = [&](Index top) {
    work_.clear();
    for (Index at = top; at >= 0 && name[static_cast<std::size_t>(at)] < 0;
         at = frames[static_cast<std::size_t>(at)].below)
      work_.push_back(at);
    while (!work_.empty()) {
      Frame copy = frames[static_cast<std::size_t>(work_.back())];
      if (copy.below >= 0) copy.below = name[static_cast<std::size_t>(copy.below)];
      name[static_cast<std::size_t>(work_.back())] = frame(copy);
      work_.pop_back();
    }
    return name[static_cast<std::size_t>(top)];
  };
  for (Index& index : kept) {
    const Position& from = positions[static_cast<std::size_t>(index)];
    Tops tops;
    tops.complete = from.complete;
    for (const Index top : from.tops) tops.frames.push_back(renamed(top));
    index = position(std::move(tops));
  }
}

const TokenMask& GrammarMatcher::allowed() {
  if (positions_.size() >= kMostPositions) forget({&current_, 1});
  const std::uint64_t key = static_cast<std::uint64_t>(current_) << 16 | guard_;
  const auto known = masks_.find(key);
  if (known != masks_.end()) return known->second;
  TokenMask mask(vocabulary_.size());
  fill(mask);
  if (masks_.size() >= kMostMasks) masks_.clear();
  // The walk may have renamed the position.
  return masks_[static_cast<std::uint64_t>(current_) << 16 | guard_] = std::move(mask);
}

// How many characters of a string may follow whatever they are; 0 where that is not known without a walk.
std::size_t GrammarMatcher::plain_characters() const {
  std::size_t most = 0;
  bool only_bodies = true;
  for (const Index top : positions_[static_cast<std::size_t>(current_)].tops) {
    const Frame& here = frames_[static_cast<std::size_t>(top)];
    const GrammarNet::State& state = net_.states()[static_cast<std::size_t>(here.state)];
    if (state.body != NetBody::string) {
      only_bodies = false;
      continue;
    }
    const std::int64_t end = state.counter < 0 ? -1 : net_.counters()[static_cast<std::size_t>(state.counter)].most;
    most = std::max(most, end < 0 ? kAllPlain : static_cast<std::size_t>(end - here.count));
  }
  return only_bodies || most >= vocabulary_.most_characters() ? most : 0;
}

void GrammarMatcher::fill(TokenMask& mask) {
  weight_ = 0;
  const std::vector<Index>& tops = positions_[static_cast<std::size_t>(current_)].tops;
  const bool text = std::ranges::any_of(tops, [&](Index top) {
    const auto state = static_cast<std::size_t>(frames_[static_cast<std::size_t>(top)].state);
    return net_.states()[state].body == NetBody::text;
  });
  const std::size_t characters = plain_characters();
  if (text) {
    mask.add(vocabulary_.unmarked());
    walk(vocabulary_.marked(), mask);
  } else if (characters > 0) {
    mask.add(vocabulary_.plain(characters));
    walk(vocabulary_.not_plain(), mask);
  } else {
    walk(vocabulary_.all(), mask);
  }
  // Tokens that go on with the spelling of a mark were not looked at.
  if ((text || characters > 0) && guard_ != 0) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (vocabulary_.guard().next(guard_, static_cast<unsigned char>(byte)) == 0) continue;
      const auto [begin, end] = vocabulary_.all().beginning_with(static_cast<unsigned char>(byte));
      walk(vocabulary_.all(), begin, end, true, mask);
    }
  }
  for (std::size_t mark = 0; mark < mark_tokens_.size(); ++mark)
    if (mark_tokens_[mark] >= 0 && next_mark(current_, mark) >= 0) mask.set(mark_tokens_[mark]);
}

void GrammarMatcher::walk(const TokenTrie& trie, std::uint32_t begin, std::uint32_t end, bool clears, TokenMask& mask) {
  const std::span<const TokenTrie::Node> nodes = trie.nodes();
  const MarkGuard& guard = vocabulary_.guard();
  path_[0] = current_;
  guards_[0] = guard_;
  if (clears)
    for (std::uint32_t at = begin; at < end; ++at)
      for (const TokenId token : trie.tokens(at)) mask.clear(token);
  for (std::uint32_t at = begin; at < end;) {
    const TokenTrie::Node& node = nodes[at];
    const std::size_t depth = node.depth;
    if (positions_.size() >= kMostPositions) {
      forget({path_.data(), depth});
      current_ = path_[0];
    }
    weight_ += positions_[static_cast<std::size_t>(path_[depth - 1])].weight;
    // A grammar with too many readings: single bytes are enough to go on.
    const bool too_long = depth > 1 && weight_ > kMostWeight;
    const std::uint16_t watched = guard.next(guards_[depth - 1], node.byte);
    const Index reached = too_long || watched == MarkGuard::kSpelled ? kDead : next(path_[depth - 1], node.byte);
    if (reached == kDead) {
      at = node.skip;
      continue;
    }
    path_[depth] = reached;
    guards_[depth] = watched;
    for (const TokenId token : trie.tokens(at)) mask.set(token);
    ++at;
  }
}

bool GrammarMatcher::accept(TokenId token) {
  for (std::size_t mark = 0; mark < mark_tokens_.size(); ++mark) {
    if (mark_tokens_[mark] != token) continue;
    const Index reached = next_mark(current_, mark);
    if (reached == kDead) return false;
    current_ = reached;
    guard_ = 0;
    return true;
  }
  if (token < 0 || static_cast<std::size_t>(token) >= vocabulary_.size() || !vocabulary_.is_text(token)) return false;
  return accept_bytes(vocabulary_.bytes(token));
}

bool GrammarMatcher::accept_bytes(std::string_view bytes) {
  Index at = current_;
  std::uint16_t watched = guard_;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    watched = vocabulary_.guard().next(watched, byte);
    at = watched == MarkGuard::kSpelled ? kDead : next(at, byte);
    if (at == kDead) return false;
  }
  current_ = at;
  guard_ = watched;
  return true;
}

}  // namespace limpid
