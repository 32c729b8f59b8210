#include "chat/grammar_net.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace limpid {

NetRule NetBuilder::declare(std::string name, bool nests) {
  GrammarNet::Rule rule;
  rule.name = std::move(name);
  rule.nests = nests;
  rules_.push_back(std::move(rule));
  return static_cast<NetRule>(rules_.size()) - 1;
}

NetState NetBuilder::state() {
  states_.emplace_back();
  return static_cast<NetState>(states_.size()) - 1;
}

std::int32_t NetBuilder::counter(std::int64_t least, std::int64_t most) {
  counters_.push_back({least, most});
  return static_cast<std::int32_t>(counters_.size()) - 1;
}

void NetBuilder::edge(NetState from, const NetEdge& edge) {
  if (++edge_count_ > kMostNetEdges)
    fail(ErrorKind::input, "the schema is too large: its grammar has more than {} edges", kMostNetEdges);
  states_[static_cast<std::size_t>(from)].edges.push_back(edge);
}

void NetBuilder::byte(NetState from, unsigned first, unsigned last, NetState target) {
  NetEdge e;
  e.on = NetEdge::On::bytes;
  e.first = static_cast<std::uint8_t>(first);
  e.last = static_cast<std::uint8_t>(last);
  e.target = target;
  edge(from, e);
}

void NetBuilder::skip(NetState from, NetState target) {
  NetEdge e;
  e.target = target;
  edge(from, e);
}

void NetBuilder::call(NetState from, NetRule rule, NetState target) {
  NetEdge e;
  e.on = NetEdge::On::call;
  e.rule = rule;
  e.target = target;
  edge(from, e);
}

NetState NetBuilder::text(NetState from, std::string_view bytes) {
  for (const char c : bytes) {
    const NetState next = state();
    const auto byte_value = static_cast<unsigned char>(c);
    byte(from, byte_value, byte_value, next);
    from = next;
  }
  return from;
}

NetState NetBuilder::call(NetState from, NetRule rule) {
  const NetState next = state();
  call(from, rule, next);
  return next;
}

std::int16_t NetBuilder::mark_index(std::string_view text) {
  const auto at = std::ranges::find(marks_, text);
  if (at != marks_.end()) return static_cast<std::int16_t>(at - marks_.begin());
  marks_.emplace_back(text);
  needs_token_.push_back(false);
  return static_cast<std::int16_t>(marks_.size() - 1);
}

NetState NetBuilder::mark_token(NetState from, std::string_view text_of_mark, bool needed) {
  NetEdge token;
  token.on = NetEdge::On::mark;
  token.mark = mark_index(text_of_mark);
  token.target = state();
  edge(from, token);
  if (needed) needs_token_[static_cast<std::size_t>(token.mark)] = true;
  return token.target;
}

NetState NetBuilder::mark(NetState from, std::string_view text_of_mark) {
  const NetState end = mark_token(from, text_of_mark, false);
  NetEdge spelled;
  spelled.mark = mark_index(text_of_mark);
  spelled.target = state();
  edge(from, spelled);
  skip(text(spelled.target, text_of_mark), end);
  return end;
}

GrammarNet NetBuilder::finish(NetRule root) {
  const NetRule after_thinking = declare("an answer");
  NetState lead = state();
  const NetState end = state();
  define(after_thinking, lead);
  final(end);
  call(lead, root, end);
  for (int line = 0; line < 2; ++line) {
    lead = text(lead, "\n");
    call(lead, root, end);
  }
  GrammarNet net;
  net.after_thinking_ = after_thinking;
  net.needs_token_ = needs_token_;
  net.rules_ = rules_;
  net.counters_ = counters_;
  net.marks_ = marks_;
  net.root_ = root;
  for (const State& from : states_) {
    GrammarNet::State to;
    to.final = from.final;
    to.body = from.body;
    to.counter = from.counter;
    to.only_final = from.final && from.edges.empty();
    to.first_edge = static_cast<std::uint32_t>(net.edges_.size());
    net.edges_.insert(net.edges_.end(), from.edges.begin(), from.edges.end());
    to.end_edge = static_cast<std::uint32_t>(net.edges_.size());
    to.reads = std::ranges::any_of(
        from.edges, [](const NetEdge& e) { return e.on == NetEdge::On::bytes || e.on == NetEdge::On::mark; });
    net.states_.push_back(to);
  }
  check_left_recursion(net);
  std::bitset<256> all_bytes;
  all_bytes.set();
  const auto start = static_cast<std::size_t>(rules_[static_cast<std::size_t>(root)].start);
  const std::vector<std::int32_t> spelled = net.heights(all_bytes, std::vector<bool>(marks_.size()));
  const std::vector<std::int32_t> tokens = net.heights(all_bytes, std::vector<bool>(marks_.size(), true));
  if (std::min(spelled[start], tokens[start]) >= GrammarNet::kNever)
    fail(ErrorKind::input, "no text satisfies the schema (or only one nested deeper than {})", kDeepestGrammarText);
  return net;
}

// A rule that can call itself before it has read anything would be entered without end.
void NetBuilder::check_left_recursion(const GrammarNet& net) const {
  const std::size_t n = rules_.size();
  std::vector<bool> nullable(n);
  std::vector<std::vector<NetRule>> begins(n);  // the rules that it may call first
  // States at the beginning of a rule, through rules that may be empty; again until no rule turns out to be empty.
  std::vector<std::size_t> seen(states_.size());
  std::size_t round = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t r = 0; r < n; ++r) {
      begins[r].clear();
      std::vector<NetState> work{rules_[r].start};
      bool empty = false;
      ++round;
      while (!work.empty()) {
        const NetState s = work.back();
        work.pop_back();
        if (std::exchange(seen[static_cast<std::size_t>(s)], round) == round) continue;
        const GrammarNet::State& state = net.states()[static_cast<std::size_t>(s)];
        empty = empty || state.final;
        for (std::uint32_t e = state.first_edge; e < state.end_edge; ++e) {
          const NetEdge& edge = net.edges()[e];
          if (edge.on == NetEdge::On::nothing) work.push_back(edge.target);
          if (edge.on != NetEdge::On::call) continue;
          begins[r].push_back(edge.rule);
          if (nullable[static_cast<std::size_t>(edge.rule)]) work.push_back(edge.target);
        }
      }
      if (empty && !nullable[r]) nullable[r] = changed = true;
    }
  }
  std::vector<int> mark(n);  // 1: on the path, 2: done
  struct Visit {
    std::size_t rule, next;
  };
  for (std::size_t r = 0; r < n; ++r) {
    std::vector<Visit> path;
    if (mark[r] == 0) path.push_back({r, 0});
    while (!path.empty()) {
      Visit& top = path.back();
      mark[top.rule] = 1;
      if (top.next == begins[top.rule].size()) {
        mark[top.rule] = 2;
        path.pop_back();
        continue;
      }
      const auto next = static_cast<std::size_t>(begins[top.rule][top.next++]);
      if (mark[next] == 1)
        fail(ErrorKind::input, "{}: refers to itself without an object or array in between", rules_[next].name);
      if (mark[next] == 0) path.push_back({next, 0});
    }
  }
}

std::vector<std::int32_t> GrammarNet::heights(const std::bitset<256>& bytes, const std::vector<bool>& marks) const {
  std::vector<bool> readable(edges_.size());  // by edge
  std::vector<std::vector<NetState>> dependants(states_.size());
  std::vector<std::vector<NetState>> callers(rules_.size());
  for (std::size_t s = 0; s < states_.size(); ++s) {
    for (std::uint32_t e = states_[s].first_edge; e < states_[s].end_edge; ++e) {
      const NetEdge& edge = edges_[e];
      bool can = true;
      if (edge.on == NetEdge::On::bytes) {
        can = false;
        for (unsigned b = edge.first; b <= edge.last; ++b) can = can || bytes[b];
      } else if (edge.mark >= 0) {
        const bool token = marks[static_cast<std::size_t>(edge.mark)];
        can = edge.on == NetEdge::On::mark ? token : !token;
      }
      readable[e] = can;
      if (!can) continue;
      dependants[static_cast<std::size_t>(edge.target)].push_back(static_cast<NetState>(s));
      if (edge.on == NetEdge::On::call)
        callers[static_cast<std::size_t>(edge.rule)].push_back(static_cast<NetState>(s));
    }
  }
  std::vector<std::vector<NetRule>> started(states_.size());  // the rules that start at a state
  for (std::size_t r = 0; r < rules_.size(); ++r)
    if (rules_[r].start >= 0) started[static_cast<std::size_t>(rules_[r].start)].push_back(static_cast<NetRule>(r));

  std::vector<std::int32_t> height;
  const auto through = [&](const NetEdge& edge) {
    std::int32_t h = height[static_cast<std::size_t>(edge.target)];
    if (edge.on == NetEdge::On::call) {
      const Rule& rule = rules_[static_cast<std::size_t>(edge.rule)];
      if (rule.start < 0) return kNever;
      h = std::max(h, height[static_cast<std::size_t>(rule.start)] + (rule.nests ? 1 : 0));
    }
    return h > kDeepestGrammarText ? kNever : h;
  };
  // What a state needs at least, whatever its edges say: see below.
  std::vector<std::int32_t> floor(states_.size());
  const auto computed = [&](std::size_t s) {
    std::int32_t best = states_[s].final ? 0 : kNever;
    for (std::uint32_t e = states_[s].first_edge; e < states_[s].end_edge; ++e)
      if (readable[e]) best = std::min(best, through(edges_[e]));
    return std::max(best, floor[s]);
  };
  const auto settle = [&] {
    height.assign(states_.size(), kNever);
    std::vector<bool> queued(states_.size(), true);
    std::vector<NetState> work(states_.size());
    for (std::size_t s = 0; s < work.size(); ++s) work[s] = static_cast<NetState>(s);
    const auto again = [&](NetState other) {
      if (queued[static_cast<std::size_t>(other)]) return;
      queued[static_cast<std::size_t>(other)] = true;
      work.push_back(other);
    };
    while (!work.empty()) {
      const auto s = static_cast<std::size_t>(work.back());
      work.pop_back();
      queued[s] = false;
      const std::int32_t now = computed(s);
      if (now >= height[s]) continue;
      height[s] = now;
      for (const NetState other : dependants[s]) again(other);
      for (const NetRule rule : started[s])
        for (const NetState other : callers[static_cast<std::size_t>(rule)]) again(other);
    }
  };
  // Where a counter has a least, there is only one way until it is reached: once more. Its height is known when that
  // of the rest is, and raises it.
  for (bool changed = true; changed;) {
    settle();
    changed = false;
    for (std::size_t s = 0; s < states_.size(); ++s) {
      if (states_[s].counter < 0 || counters_[static_cast<std::size_t>(states_[s].counter)].least <= 0) continue;
      std::int32_t more = kNever;
      for (std::uint32_t e = states_[s].first_edge; e < states_[s].end_edge; ++e)
        if (readable[e] && edges_[e].need == CounterNeed::below_most) more = std::min(more, through(edges_[e]));
      if (more > floor[s]) {
        floor[s] = more;
        changed = true;
      }
    }
  }
  return height;
}

}  // namespace limpid
