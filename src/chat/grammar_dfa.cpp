#include "chat/grammar_dfa.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "text/unicode.h"

namespace limpid {

namespace {

void check_states(std::size_t states, const std::string& where) {
  if (states > kMostDfaStates)
    fail(ErrorKind::input, "{}: this takes an automaton of more than {} states", where, kMostDfaStates);
}

}  // namespace

CharSet united(CharSet set) {
  std::ranges::sort(set, {}, &CharRange::first);
  CharSet out;
  for (const CharRange& range : set) {
    if (range.first > range.last) continue;
    if (!out.empty() && range.first <= out.back().last + 1) {
      out.back().last = std::max(out.back().last, range.last);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

CharSet complement(const CharSet& set) {
  CharSet out;
  char32_t next = 0;
  for (const CharRange& range : united(set)) {
    if (range.first > next) out.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCharacter) out.push_back({next, kLastCharacter});
  return out;
}

bool Dfa::accepts(std::string_view utf8) const {
  if (states.empty()) return false;
  const std::string text = to_valid_utf8(utf8);
  std::size_t state = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded character = decode_valid(text.data() + at);
    at += character.size;
    const auto& edges = states[state].edges;
    const auto edge = std::ranges::find_if(
        edges, [&](const Edge& e) { return e.on.first <= character.c && character.c <= e.on.last; });
    if (edge == edges.end()) return false;
    state = static_cast<std::size_t>(edge->target);
  }
  return states[state].accepts;
}

bool Dfa::accepts_all(std::size_t state) const {
  const State& s = states[state];
  if (!s.accepts) return false;
  char32_t next = 0;
  for (const Edge& edge : s.edges) {
    if (edge.on.first != next || edge.target != static_cast<std::int32_t>(state)) return false;
    next = edge.on.last + 1;
  }
  return next > kLastCharacter;
}

Dfa trimmed(const Dfa& dfa) {
  std::vector<std::vector<std::size_t>> before(dfa.states.size());
  std::vector<bool> lives(dfa.states.size());
  std::vector<std::size_t> work;
  for (std::size_t s = 0; s < dfa.states.size(); ++s) {
    for (const Dfa::Edge& edge : dfa.states[s].edges) before[static_cast<std::size_t>(edge.target)].push_back(s);
    if (dfa.states[s].accepts) {
      lives[s] = true;
      work.push_back(s);
    }
  }
  while (!work.empty()) {
    const std::size_t s = work.back();
    work.pop_back();
    for (const std::size_t previous : before[s]) {
      if (lives[previous]) continue;
      lives[previous] = true;
      work.push_back(previous);
    }
  }
  Dfa out;
  if (dfa.states.empty() || !lives[0]) return out;
  std::vector<std::int32_t> name(dfa.states.size(), -1);
  std::int32_t count = 0;
  for (std::size_t s = 0; s < dfa.states.size(); ++s)
    if (lives[s]) name[s] = count++;
  for (std::size_t s = 0; s < dfa.states.size(); ++s) {
    if (!lives[s]) continue;
    Dfa::State state;
    state.accepts = dfa.states[s].accepts;
    for (const Dfa::Edge& edge : dfa.states[s].edges)
      if (lives[static_cast<std::size_t>(edge.target)])
        state.edges.push_back({edge.on, name[static_cast<std::size_t>(edge.target)]});
    out.states.push_back(std::move(state));
  }
  return out;
}

Dfa intersect(const Dfa& a, const Dfa& b, const std::string& where) {
  Dfa out;
  if (a.empty() || b.empty()) return out;
  std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> names;
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs;
  std::size_t steps = 0;
  const auto name = [&](std::int32_t x, std::int32_t y) {
    const auto [at, added] = names.try_emplace({x, y}, static_cast<std::int32_t>(pairs.size()));
    if (added) {
      pairs.emplace_back(x, y);
      check_states(pairs.size(), where);
    }
    return at->second;
  };
  name(0, 0);
  for (std::size_t at = 0; at < pairs.size(); ++at) {
    const auto& x = a.states[static_cast<std::size_t>(pairs[at].first)];
    const auto& y = b.states[static_cast<std::size_t>(pairs[at].second)];
    Dfa::State state;
    state.accepts = x.accepts && y.accepts;
    for (std::size_t i = 0, j = 0; i < x.edges.size() && j < y.edges.size();) {
      const CharRange &p = x.edges[i].on, &q = y.edges[j].on;
      const CharRange both{std::max(p.first, q.first), std::min(p.last, q.last)};
      if (both.first <= both.last) state.edges.push_back({both, name(x.edges[i].target, y.edges[j].target)});
      (p.last < q.last ? i : j)++;
      if (++steps > kMostDfaSteps) fail(ErrorKind::input, "{}: this takes too long to combine", where);
    }
    out.states.push_back(std::move(state));
  }
  return trimmed(out);
}

Dfa every_string_but(std::span<const std::string> strings, const std::string& where) {
  constexpr CharRange any{0, kLastCharacter};
  std::vector<std::map<char32_t, std::int32_t>> tree(1);
  std::vector<bool> excluded(1);
  for (const std::string& raw : strings) {
    const std::string text = to_valid_utf8(raw);
    std::size_t node = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Decoded character = decode_valid(text.data() + at);
      at += character.size;
      const auto [next, added] = tree[node].try_emplace(character.c, static_cast<std::int32_t>(tree.size()));
      node = static_cast<std::size_t>(next->second);
      if (added) {
        tree.emplace_back();
        excluded.push_back(false);
        check_states(tree.size() + 1, where);
      }
    }
    excluded[node] = true;
  }
  const auto free = static_cast<std::int32_t>(tree.size());  // has left the tree
  Dfa out;
  for (std::size_t node = 0; node < tree.size(); ++node) {
    Dfa::State state;
    state.accepts = !excluded[node];
    char32_t next = 0;
    for (const auto& [c, target] : tree[node]) {
      if (c > next) state.edges.push_back({{next, c - 1}, free});
      state.edges.push_back({{c, c}, target});
      next = c + 1;
    }
    if (next <= kLastCharacter) state.edges.push_back({{next, kLastCharacter}, free});
    out.states.push_back(std::move(state));
  }
  out.states.push_back({{{any, free}}, true});
  return out;
}

Dfa strings_of_length(std::int64_t least, std::int64_t most, const std::string& where) {
  constexpr CharRange any{0, kLastCharacter};
  Dfa out;
  if (most >= 0 && most < least) return out;
  const std::int64_t last = most < 0 ? least : most;
  if (last >= static_cast<std::int64_t>(kMostDfaStates)) check_states(kMostDfaStates + 1, where);
  for (std::int64_t n = 0; n <= last; ++n) {
    Dfa::State state;
    state.accepts = n >= least;
    if (n < last) state.edges.push_back({any, static_cast<std::int32_t>(n + 1)});
    if (n == last && most < 0) state.edges.push_back({any, static_cast<std::int32_t>(n)});
    out.states.push_back(std::move(state));
  }
  return out;
}

}  // namespace limpid
