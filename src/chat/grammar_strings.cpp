#include "chat/grammar_strings.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/tool_calls.h"
#include "text/unicode.h"

namespace limpid {

namespace {

constexpr std::array<std::pair<char32_t, char>, 7> kShortEscapes{
    {{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}};

// Characters that stand for themselves in a JSON string.
const CharSet kPlain{{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0xD7FF}, {0xE000, kLastCharacter}};

std::string hex4(char32_t c) { return fmt::format("u{:04x}", static_cast<std::uint32_t>(c)); }

// Edges for characters, as the bytes of UTF-8. The states inside characters are shared by target and what is left.
class Utf8Edges {
 public:
  explicit Utf8Edges(NetBuilder& net) : net_(net) {}

  // `first` says what the edge of the first byte is like (its counter).
  void add(NetState from, char32_t low, char32_t high, NetState target, const NetEdge& first = {}) {
    for (const char32_t last : {char32_t{0x7F}, char32_t{0x7FF}, char32_t{0xFFFF}}) {
      if (low <= last && last < high) {
        add(from, low, last, target, first);
        add(from, last + 1, high, target, first);
        return;
      }
    }
    for (int i = 1; i <= 3 && low > 0x7F; ++i) {
      const char32_t mask = (char32_t{1} << (6 * i)) - 1;
      if ((low & ~mask) == (high & ~mask)) continue;
      if ((low & mask) != 0) {
        add(from, low, low | mask, target, first);
        add(from, (low | mask) + 1, high, target, first);
        return;
      }
      if ((high & mask) != mask) {
        add(from, low, (high & ~mask) - 1, target, first);
        add(from, high & ~mask, high, target, first);
        return;
      }
    }
    std::string a, b;
    append_utf8(a, low);
    append_utf8(b, high);
    NetEdge edge = first;
    edge.on = NetEdge::On::bytes;
    edge.first = static_cast<std::uint8_t>(a[0]);
    edge.last = static_cast<std::uint8_t>(b[0]);
    edge.target = rest(a, b, 1, target);
    net_.edge(from, edge);
  }

 private:
  NetState rest(const std::string& a, const std::string& b, std::size_t at, NetState target) {
    if (at == a.size()) return target;
    const auto [found, added] = inside_.try_emplace({target, a.substr(at), b.substr(at)}, -1);
    if (!added) return found->second;
    const NetState here = net_.state();
    net_.byte(here, static_cast<unsigned char>(a[at]), static_cast<unsigned char>(b[at]), rest(a, b, at + 1, target));
    return inside_[{target, a.substr(at), b.substr(at)}] = here;
  }

  NetBuilder& net_;
  std::map<std::tuple<NetState, std::string, std::string>, NetState> inside_;
};

void hex_digits(NetBuilder& net, NetState from, NetState target) {
  net.byte(from, '0', '9', target);
  net.byte(from, 'a', 'f', target);
  net.byte(from, 'A', 'F', target);
}

// Behind the backslash: every escape of JSON, to `target`.
void all_escapes(NetBuilder& net, NetState from, NetState target) {
  for (const char c : std::string_view("\"\\/bfnrt"))
    net.byte(from, static_cast<unsigned char>(c), static_cast<unsigned char>(c), target);
  const NetState u = net.text(from, "u");
  const NetState last = net.state(), two = net.state(), three = net.state();
  hex_digits(net, last, target);
  hex_digits(net, two, last);
  hex_digits(net, three, two);
  const NetState d = net.state(), low = net.state();
  for (const auto& [a, b] : {std::pair{'0', '9'}, {'a', 'c'}, {'e', 'f'}, {'A', 'C'}, {'E', 'F'}})
    net.byte(u, static_cast<unsigned char>(a), static_cast<unsigned char>(b), three);
  net.byte(u, 'd', 'd', d);
  net.byte(u, 'D', 'D', d);
  net.byte(d, '0', '7', two);
  // D800 to DBFF, then a low surrogate.
  const NetState high2 = net.state(), high3 = net.state();
  for (const auto& [a, b] : {std::pair{'8', '9'}, {'a', 'b'}, {'A', 'B'}})
    net.byte(d, static_cast<unsigned char>(a), static_cast<unsigned char>(b), high2);
  hex_digits(net, high2, high3);
  hex_digits(net, high3, low);
  const NetState low_u = net.text(low, "\\u"), low_d = net.state();
  net.byte(low_u, 'd', 'd', low_d);
  net.byte(low_u, 'D', 'D', low_d);
  for (const auto& [a, b] : {std::pair{'c', 'f'}, {'C', 'F'}})
    net.byte(low_d, static_cast<unsigned char>(a), static_cast<unsigned char>(b), two);
}

// The marks as a trie of characters, to see where an automaton leaves no way but through one.
bool forces_mark(const Dfa& dfa) {
  const auto only = [&](std::int32_t s, char32_t c) {
    const Dfa::State& state = dfa.states[static_cast<std::size_t>(s)];
    return !state.accepts && state.edges.size() == 1 && state.edges[0].on == CharRange{c, c};
  };
  bool any = false;
  for (std::size_t s = 0; s < dfa.states.size(); ++s) any = any || only(static_cast<std::int32_t>(s), '>');
  if (!any) return false;
  for (const std::string_view mark : parser_marks()) {
    std::set<std::int32_t> now;
    for (std::size_t s = 0; s < dfa.states.size(); ++s) now.insert(static_cast<std::int32_t>(s));
    for (std::size_t at = 0; at < mark.size();) {
      const Decoded character = decode_valid(mark.data() + at);
      at += character.size;
      std::set<std::int32_t> next;
      for (const std::int32_t s : now) {
        if (at == mark.size() && only(s, character.c)) return true;
        for (const Dfa::Edge& edge : dfa.states[static_cast<std::size_t>(s)].edges)
          if (edge.on.first <= character.c && character.c <= edge.on.last) next.insert(edge.target);
      }
      now = std::move(next);
    }
  }
  return false;
}

}  // namespace

std::span<const std::string_view> parser_marks() {
  static const std::vector<std::string_view> marks = [] {
    std::vector<std::string_view> out{"<think>", "</think>", "<tool_call>", "</tool_call>", "<|python_tag|>"};
    for (const ToolFormat format : {ToolFormat::deepseek, ToolFormat::kimi}) {
      const ToolMarks m = tool_marks(format);
      out.insert(out.end(), {m.section_begin, m.section_end, m.call_begin, m.call_end, m.separator});
    }
    return out;
  }();
  return marks;
}

NetRule free_string_rule(NetBuilder& net, std::int64_t least, std::int64_t most) {
  const NetRule rule = net.declare("a string");
  const NetState start = net.state(), end = net.state();
  net.define(rule, start);
  net.final(end);
  const NetState body = net.text(start, "\"");
  net.body(body, NetBody::string);
  NetEdge character, quote;
  if (least > 0 || most >= 0) {
    net.ask(body, net.counter(least, most));
    character.need = CounterNeed::below_most;
    character.counts = true;
    quote.need = CounterNeed::at_least;
    quote.clears = true;
  }
  Utf8Edges utf8(net);
  for (const CharRange& range : kPlain) utf8.add(body, range.first, range.last, body, character);
  NetEdge escape = character;
  escape.on = NetEdge::On::bytes;
  escape.first = escape.last = '\\';
  escape.target = net.state();
  net.edge(body, escape);
  all_escapes(net, escape.target, body);
  quote.on = NetEdge::On::bytes;
  quote.first = quote.last = '"';
  quote.target = end;
  net.edge(body, quote);
  return rule;
}

NetState pattern_string(NetBuilder& net, NetState from, const Dfa& dfa, const std::string& where) {
  if (dfa.empty()) return net.state();
  if (forces_mark(dfa))
    fail(ErrorKind::input, "{}: this can force the text of one of the model's control tokens, which cannot be written",
         where);
  std::vector<NetState> states;
  for (std::size_t s = 0; s < dfa.states.size(); ++s) states.push_back(net.state());
  const NetState end = net.state();
  net.skip(net.text(from, "\""), states[0]);
  Utf8Edges utf8(net);
  for (std::size_t s = 0; s < dfa.states.size(); ++s) {
    if (dfa.accepts_all(s)) net.body(states[s], NetBody::string);
    if (dfa.states[s].accepts) net.byte(states[s], '"', '"', end);
    NetState escape = -1;
    for (const Dfa::Edge& edge : dfa.states[s].edges) {
      const NetState target = states[static_cast<std::size_t>(edge.target)];
      for (const CharRange& plain : kPlain) {
        const CharRange both{std::max(plain.first, edge.on.first), std::min(plain.last, edge.on.last)};
        if (both.first <= both.last) utf8.add(states[s], both.first, both.last, target);
      }
      const auto escaped = [&](char32_t c, const std::string& text) {
        if (c < edge.on.first || c > edge.on.last) return;
        if (escape < 0) escape = net.text(states[s], "\\");
        net.skip(net.text(escape, text), target);
      };
      for (const auto& [c, letter] : kShortEscapes) escaped(c, std::string(1, letter));
      for (char32_t c = 0; c < 0x20 && c <= edge.on.last; ++c)
        if (std::ranges::find(kShortEscapes, c, &std::pair<char32_t, char>::first) == kShortEscapes.end())
          escaped(c, hex4(c));
    }
  }
  return end;
}

NetState pattern_text(NetBuilder& net, NetState from, const Dfa& dfa) {
  const NetState end = net.state();
  std::vector<NetState> states;
  for (std::size_t s = 0; s < dfa.states.size(); ++s) states.push_back(net.state());
  if (!states.empty()) net.skip(from, states[0]);
  for (std::size_t s = 0; s < dfa.states.size(); ++s) {
    if (dfa.states[s].accepts) net.skip(states[s], end);
    for (const Dfa::Edge& edge : dfa.states[s].edges)
      net.byte(states[s], edge.on.first, std::min<char32_t>(edge.on.last, 0x7F),
               states[static_cast<std::size_t>(edge.target)]);
  }
  return end;
}

namespace {

// A character of a literal string, in every form that it may have.
NetState literal_character(NetBuilder& net, NetState from, std::string_view bytes, bool marked) {
  const char32_t c = decode_valid(bytes.data()).c;
  const auto* escape = std::ranges::find(kShortEscapes, c, &std::pair<char32_t, char>::first);
  if (escape != kShortEscapes.end()) return net.text(from, std::string("\\") + escape->second);
  if (c < 0x20 || (c == '<' && marked)) return net.text(from, "\\" + hex4(c));
  const NetState end = net.text(from, bytes);
  if (c < 0x80) return end;
  const std::string escaped =
      c < 0x10000 ? "\\" + hex4(c)
                  : "\\" + hex4(0xD800 + ((c - 0x10000) >> 10)) + "\\" + hex4(0xDC00 + ((c - 0x10000) & 0x3FF));
  net.skip(net.text(from, escaped), end);
  return end;
}

}  // namespace

NetState literal_strings(NetBuilder& net, NetState from, std::span<const std::string> texts) {
  const NetState start = net.text(from, "\""), end = net.state();
  std::map<std::pair<NetState, std::string>, NetState> tree;
  for (const std::string& raw : texts) {
    const std::string text = to_valid_utf8(raw);
    // The text of a mark cannot be spelled out: its first character is escaped.
    const bool marked = std::ranges::any_of(
        parser_marks(), [&](std::string_view mark) { return text.find(mark) != std::string::npos; });
    NetState at_state = start;
    for (std::size_t at = 0; at < text.size();) {
      const std::string character = text.substr(at, utf8_length(text[at]));
      at += character.size();
      const auto [next, added] = tree.try_emplace({at_state, marked ? character + "!" : character}, -1);
      if (added) next->second = literal_character(net, at_state, character, marked);
      at_state = next->second;
    }
    net.byte(at_state, '"', '"', end);
  }
  return end;
}

}  // namespace limpid
