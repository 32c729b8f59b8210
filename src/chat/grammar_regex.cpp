// From the tree of a regular expression to a deterministic automaton: Thompson's construction, then sets of states.
// Anchors are edges that may be passed at the first place only, or only where nothing follows.
#include "chat/grammar_regex.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {

using Kind = RegexTree::Kind;
constexpr std::size_t kMostNfaStates = 20'000;

struct NfaState {
  enum class On { split, set, begin, end, match } on = On::split;
  const CharSet* set = nullptr;
  int next = -1, other = -1;
};

class Builder {
 public:
  Builder(const RegexTree& tree, const std::string& where) : tree_(tree), where_(where) {}

  // Whatever stands before and behind the match.
  int build() {
    const int match = add({NfaState::On::match, nullptr, -1, -1});
    const int behind = any_number(match);
    const int inside = emit(tree_.root, behind);
    return any_number(inside);
  }
  const std::vector<NfaState>& states() const { return states_; }

 private:
  int add(NfaState state) {
    if (states_.size() >= kMostNfaStates)
      fail(ErrorKind::input, "{}: the regular expression is too large once its repetitions are written out", where_);
    states_.push_back(state);
    return static_cast<int>(states_.size()) - 1;
  }
  int any_number(int next) {
    const int split = add({NfaState::On::split, nullptr, next, -1});
    states_[static_cast<std::size_t>(split)].other = add({NfaState::On::set, &any_, split, -1});
    return split;
  }

  // The state from which node `n` is read, and then what `next` reads.
  int emit(int n, int next) {
    if (++emitted_ > 10 * kMostNfaStates)  // repetitions of nothing add no states
      fail(ErrorKind::input, "{}: the regular expression is too large once its repetitions are written out", where_);
    const RegexTree::Node& node = tree_.nodes[static_cast<std::size_t>(n)];
    switch (node.kind) {
      case Kind::nothing:
        return next;
      case Kind::set:
        return add({NfaState::On::set, &node.set, next, -1});
      case Kind::begin:
        return add({NfaState::On::begin, nullptr, next, -1});
      case Kind::end:
        return add({NfaState::On::end, nullptr, next, -1});
      case Kind::sequence:
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) next = emit(*child, next);
        return next;
      case Kind::choice: {
        int out = emit(node.children.back(), next);
        for (auto child = node.children.rbegin() + 1; child != node.children.rend(); ++child)
          out = add({NfaState::On::split, nullptr, emit(*child, next), out});
        return out;
      }
      case Kind::repeat:
        return repeat(node, next);
    }
    return next;
  }

  int repeat(const RegexTree::Node& node, int next) {
    const int child = node.children[0];
    if (node.most < 0) {
      const int split = add({NfaState::On::split, nullptr, next, -1});
      const int again = emit(child, split);
      states_[static_cast<std::size_t>(split)].other = again;
      next = split;
    } else {
      const int end = next;
      for (int i = node.least; i < node.most; ++i) next = add({NfaState::On::split, nullptr, end, emit(child, next)});
    }
    for (int i = 0; i < node.least; ++i) next = emit(child, next);
    return next;
  }

  const RegexTree& tree_;
  const std::string& where_;
  const CharSet any_{{0, kLastCharacter}};
  std::vector<NfaState> states_;
  std::size_t emitted_ = 0;
};

class Determiniser {
 public:
  Determiniser(const std::vector<NfaState>& nfa, const std::string& where)
      : nfa_(nfa), where_(where), seen_(nfa.size()) {}

  Dfa run(int start) {
    sets_.push_back(closure({start}, true));  // without a name: only here is `^` passed
    for (std::size_t at = 0; at < sets_.size(); ++at) {
      Dfa::State state;
      const std::vector<int> set = sets_[at];
      state.accepts = matches(set);
      state.edges = edges(set);
      dfa_.states.push_back(std::move(state));
    }
    return trimmed(dfa_);
  }

 private:
  void step(std::size_t count = 1) {
    steps_ += count;
    if (steps_ > kMostDfaSteps) fail(ErrorKind::input, "{}: the regular expression is too complex", where_);
  }

  // What is reached without a character: states that read one, `$`, and the match. Sorted.
  std::vector<int> closure(std::vector<int> work, bool first) {
    std::vector<int> visited, out;
    while (!work.empty()) {
      const int s = work.back();
      work.pop_back();
      if (s < 0 || seen_[static_cast<std::size_t>(s)]) continue;
      step();
      seen_[static_cast<std::size_t>(s)] = true;
      visited.push_back(s);
      const NfaState& state = nfa_[static_cast<std::size_t>(s)];
      if (state.on == NfaState::On::split) {
        work.push_back(state.next);
        work.push_back(state.other);
      } else if (state.on == NfaState::On::begin) {
        if (first) work.push_back(state.next);
      } else {
        out.push_back(s);
      }
    }
    for (const int s : visited) seen_[static_cast<std::size_t>(s)] = false;
    std::ranges::sort(out);
    return out;
  }

  // Whether the match is reached from here if nothing follows. Only the first set may pass `^` on the way.
  bool matches(const std::vector<int>& set) {
    std::vector<int> work = set, visited;
    bool found = false;
    const bool first = dfa_.states.empty();
    while (!work.empty()) {
      const int s = work.back();
      work.pop_back();
      if (s < 0 || seen_[static_cast<std::size_t>(s)]) continue;
      step();
      seen_[static_cast<std::size_t>(s)] = true;
      visited.push_back(s);
      const NfaState& state = nfa_[static_cast<std::size_t>(s)];
      found = found || state.on == NfaState::On::match;
      if (state.on == NfaState::On::split || state.on == NfaState::On::end ||
          (state.on == NfaState::On::begin && first)) {
        work.push_back(state.next);
        work.push_back(state.other);
      }
    }
    for (const int s : visited) seen_[static_cast<std::size_t>(s)] = false;
    return found;
  }

  std::vector<Dfa::Edge> edges(const std::vector<int>& set) {
    std::vector<char32_t> cuts{0, kLastCharacter + 1};
    for (const int s : set) {
      const NfaState& state = nfa_[static_cast<std::size_t>(s)];
      if (state.on != NfaState::On::set) continue;
      for (const CharRange& range : *state.set) {
        cuts.push_back(range.first);
        cuts.push_back(range.last + 1);
      }
      step(state.set->size());
    }
    std::ranges::sort(cuts);
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    std::vector<std::vector<int>> targets(cuts.size() - 1);
    for (const int s : set) {
      const NfaState& state = nfa_[static_cast<std::size_t>(s)];
      if (state.on != NfaState::On::set) continue;
      for (const CharRange& range : *state.set) {
        auto at = static_cast<std::size_t>(std::ranges::lower_bound(cuts, range.first) - cuts.begin());
        for (; at + 1 < cuts.size() && cuts[at] <= range.last; ++at) {
          targets[at].push_back(state.next);
          step();
        }
      }
    }
    std::vector<Dfa::Edge> out;
    for (std::size_t at = 0; at < targets.size(); ++at) {
      if (targets[at].empty()) continue;
      const std::int32_t target = name(closure(targets[at], false));
      const CharRange range{cuts[at], cuts[at + 1] - 1};
      if (!out.empty() && out.back().target == target && out.back().on.last + 1 == range.first) {
        out.back().on.last = range.last;
      } else {
        out.push_back({range, target});
      }
    }
    return out;
  }

  std::int32_t name(std::vector<int> set) {
    step(set.size());
    const auto [at, added] = names_.try_emplace(set, static_cast<std::int32_t>(sets_.size()));
    if (added) {
      sets_.push_back(std::move(set));
      if (sets_.size() > kMostDfaStates)
        fail(ErrorKind::input, "{}: the regular expression takes an automaton of more than {} states", where_,
             kMostDfaStates);
    }
    return at->second;
  }

  const std::vector<NfaState>& nfa_;
  const std::string& where_;
  std::vector<bool> seen_;
  std::map<std::vector<int>, std::int32_t> names_;
  std::vector<std::vector<int>> sets_;
  Dfa dfa_;
  std::size_t steps_ = 0;
};

}  // namespace

Dfa strings_matching(std::string_view pattern, const std::string& where) {
  const RegexTree tree = parse_regex(pattern, where);
  Builder builder(tree, where);
  const int start = builder.build();
  return Determiniser(builder.states(), where).run(start);
}

}  // namespace limpid
