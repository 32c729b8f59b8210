// GrammarNet: a grammar as a recursive transition network over bytes. A rule is an automaton whose edges read a byte,
// read a mark (a control token of the model, such as "<tool_call>"), read nothing, or call another rule. Each call has
// one counter of its own (of items in an array, of characters in a string).
//
// Depth is counted in rules that nest (objects and arrays); no text nests deeper than kDeepestGrammarText.
//
// A net is built by NetBuilder, finished once, and immutable then: safe from any thread.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

inline constexpr int kDeepestGrammarText = 60;
inline constexpr std::size_t kMostNetEdges = 200'000;

using NetState = std::int32_t;
using NetRule = std::int32_t;

// What the counter of the rule must be for an edge: below its most, or at least its least.
enum class CounterNeed : std::uint8_t { none, below_most, at_least };

struct NetEdge {
  enum class On : std::uint8_t { bytes, mark, nothing, call };
  On on = On::nothing;
  std::uint8_t first = 0, last = 0;  // bytes
  CounterNeed need = CounterNeed::none;
  bool counts = false;     // one more
  bool clears = false;     // the counter is not used any more: zero
  std::int16_t mark = -1;  // of marks(); for `nothing`: passable only where the mark is no token
  NetRule rule = -1;       // call
  NetState target = -1;
};

struct NetCounter {
  std::int64_t least = 0, most = -1;  // most < 0: no end
};

// States in which nearly every token is possible, so that the vocabulary knows the answer beforehand.
enum class NetBody : std::uint8_t {
  none,
  string,  // inside a JSON string, between characters: each that needs no escape is read (as far as the counter goes)
  text,    // free text: every byte is read
};

class GrammarNet {
 public:
  struct State {
    std::uint32_t first_edge = 0, end_edge = 0;
    bool final = false;       // the rule may end here
    bool reads = false;       // has edges of bytes or marks
    bool only_final = false;  // the end, and nothing else
    NetBody body = NetBody::none;
    std::int32_t counter = -1;  // of counters(): the one that its edges ask
  };
  struct Rule {
    NetState start = -1;
    bool nests = false;
    std::string name;  // for messages
  };

  const std::vector<State>& states() const { return states_; }
  const std::vector<NetEdge>& edges() const { return edges_; }
  const std::vector<NetCounter>& counters() const { return counters_; }
  const std::vector<Rule>& rules() const { return rules_; }
  const std::vector<std::string>& marks() const { return marks_; }
  NetRule root() const { return root_; }
  // The root behind a thinking: the end of a line or two may come first.
  NetRule root_after_thinking() const { return after_thinking_; }
  // Of marks(): those without whose token the grammar cannot be used.
  const std::vector<bool>& needs_token() const { return needs_token_; }

  // By state: the least depth that is needed below it to end its rule, where only these bytes and marks can be written;
  // kNever where it cannot end.
  static constexpr std::int32_t kNever = 1 << 20;
  std::vector<std::int32_t> heights(const std::bitset<256>& bytes, const std::vector<bool>& marks) const;

 private:
  friend class NetBuilder;
  std::vector<State> states_;
  std::vector<NetEdge> edges_;
  std::vector<NetCounter> counters_;
  std::vector<Rule> rules_;
  std::vector<std::string> marks_;
  std::vector<bool> needs_token_;
  NetRule root_ = -1, after_thinking_ = -1;
};

// Functions that take and give states chain: they add to `from` and return where it goes on.
class NetBuilder {
 public:
  // A rule without states; define() it before finish().
  NetRule declare(std::string name, bool nests = false);
  void define(NetRule rule, NetState start) { rules_[static_cast<std::size_t>(rule)].start = start; }

  NetState state();
  void final(NetState at) { states_[static_cast<std::size_t>(at)].final = true; }
  void body(NetState at, NetBody body) { states_[static_cast<std::size_t>(at)].body = body; }
  std::int32_t counter(std::int64_t least, std::int64_t most);
  void ask(NetState at, std::int32_t counter) { states_[static_cast<std::size_t>(at)].counter = counter; }
  void edge(NetState from, const NetEdge& edge);
  void byte(NetState from, unsigned first, unsigned last, NetState target);
  void skip(NetState from, NetState target);  // an edge that reads nothing
  void call(NetState from, NetRule rule, NetState target);
  NetState text(NetState from, std::string_view bytes);
  NetState call(NetState from, NetRule rule);
  // The mark as its token where it is one, else spelled out.
  NetState mark(NetState from, std::string_view text);
  // The mark as its token, without which the whole grammar cannot be used where `needed`.
  NetState mark_token(NetState from, std::string_view text, bool needed);

  std::size_t edges() const { return edge_count_; }

  // Throws Error(input): a rule that begins with itself, or no text at all. Done once, last.
  GrammarNet finish(NetRule root);

 private:
  struct State {
    std::vector<NetEdge> edges;
    bool final = false;
    NetBody body = NetBody::none;
    std::int32_t counter = -1;
  };
  void check_left_recursion(const GrammarNet& net) const;
  std::int16_t mark_index(std::string_view text);

  std::vector<State> states_;
  std::vector<GrammarNet::Rule> rules_;
  std::vector<NetCounter> counters_;
  std::vector<std::string> marks_;
  std::vector<bool> needs_token_;
  std::size_t edge_count_ = 0;
};

}  // namespace limpid
