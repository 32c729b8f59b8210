// The syntax of ECMA-262 (with the u flag, and its older liberties where they are common in the wild).
#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "chat/grammar_regex.h"
#include "text/unicode.h"

namespace limpid {

namespace {

using Node = RegexTree::Node;
using Kind = RegexTree::Kind;

const CharSet kDigits{{'0', '9'}};
const CharSet kAsciiWord{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CharSet kSpaces{{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                      {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
const CharSet kLineEnds{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

// Classes of ECMA-262 are ASCII's (white space aside), those of other languages Unicode's. A string must match whoever
// reads the expression: a class is what all agree on, its opposite is what is in it for none.
CharSet most_of(char32_t name) {
  if (name == 's') {
    CharSet out = kSpaces;
    out.insert(out.end(), {{0x1C, 0x1F}, {0x85, 0x85}, {0xFEFF, 0xFEFF}});
    return united(std::move(out));
  }
  // Python counts every numeral as a part of a word.
  const auto bits = static_cast<std::uint16_t>(name == 'd' ? kNumber : kWord | kLetter | kMark | kNumber);
  CharSet out = name == 'd' ? kDigits : kAsciiWord;
  for (char32_t c = 0x80; c <= kLastCharacter; ++c) {
    if ((char_class(c) & bits) == 0) continue;
    if (out.back().last + 1 == c) {
      out.back().last = c;
    } else {
      out.push_back({c, c});
    }
  }
  return united(std::move(out));
}

bool is_letter_or_digit(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Parser {
 public:
  Parser(std::string_view pattern, const std::string& where) : where_(where) {
    if (pattern.size() > kMostRegexBytes)
      fail(ErrorKind::input, "{}: the expression has {} bytes, the limit is {}", where, pattern.size(),
           kMostRegexBytes);
    const std::string valid = to_valid_utf8(pattern);
    for (std::size_t at = 0; at < valid.size();) {
      const Decoded character = decode_valid(valid.data() + at);
      text_ += character.c;
      at += character.size;
    }
  }

  RegexTree parse() {
    tree_.root = choice(0);
    if (at_ < text_.size()) refuse("a ')' without its '('");
    return std::move(tree_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorKind::input, "{}: regular expression, character {}: {}", where_, at_, what);
  }
  bool more() const { return at_ < text_.size(); }
  bool looking_at(char32_t c) const { return more() && text_[at_] == c; }
  bool take(char32_t c) {
    if (!looking_at(c)) return false;
    ++at_;
    return true;
  }
  int add(Node node) {
    tree_.nodes.push_back(std::move(node));
    return static_cast<int>(tree_.nodes.size()) - 1;
  }
  int add_set(CharSet set) {
    Node node;
    node.kind = Kind::set;
    node.set = united(std::move(set));
    return add(std::move(node));
  }

  int choice(int depth) {
    if (depth > kDeepestRegex) refuse("groups are nested too deep");
    std::vector<int> parts{sequence(depth)};
    while (take('|')) parts.push_back(sequence(depth));
    if (parts.size() == 1) return parts[0];
    Node node;
    node.kind = Kind::choice;
    node.children = std::move(parts);
    return add(std::move(node));
  }

  int sequence(int depth) {
    Node node;
    node.kind = Kind::sequence;
    while (more() && text_[at_] != '|' && text_[at_] != ')') node.children.push_back(quantified(depth));
    return add(std::move(node));
  }

  int quantified(int depth) {
    if (take('^')) return assertion(Kind::begin);
    if (take('$')) return assertion(Kind::end);
    const int what = atom(depth);
    int least = 1, most = 1;
    if (take('*')) {
      least = 0, most = -1;
    } else if (take('+')) {
      most = -1;
    } else if (take('?')) {
      least = 0;
    } else if (!counts(least, most)) {
      return what;
    }
    take('?');  // lazy: the same strings
    if (looking_at('*') || looking_at('+') || looking_at('?')) refuse("a quantifier without anything to repeat");
    Node node;
    node.kind = Kind::repeat;
    node.least = least;
    node.most = most;
    node.children = {what};
    return add(std::move(node));
  }

  int assertion(Kind kind) {
    if (looking_at('*') || looking_at('+') || looking_at('?')) refuse("an anchor cannot be repeated");
    Node node;
    node.kind = kind;
    return add(std::move(node));
  }

  std::optional<int> number() {
    std::optional<int> value;
    while (more() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = value.value_or(0) * 10 + static_cast<int>(text_[at_] - '0');
      if (*value > kMostRepetitions) refuse(fmt::format("more than {} repetitions", kMostRepetitions));
      ++at_;
    }
    return value;
  }

  // {n}, {n,}, {n,m}; anything else in braces is text.
  bool counts(int& least, int& most) {
    const std::size_t start = at_;
    if (!take('{')) return false;
    const std::optional<int> first = number();
    std::optional<int> second = first;
    bool open = false;
    if (first && take(',')) {
      second = number();
      open = !second;
    }
    if (!first || !take('}')) {
      at_ = start;
      return false;
    }
    least = *first;
    most = open ? -1 : *second;
    if (!open && most < least) refuse("numbers out of order in {}");
    return true;
  }

  int atom(int depth) {
    const char32_t c = text_[at_];
    if (c == '(') return group(depth);
    if (c == '*' || c == '+' || c == '?') refuse("a quantifier without anything to repeat");
    ++at_;
    if (c == '[') return add_set(bracket());
    if (c == '.') return add_set(complement(kLineEnds));
    if (c == '\\') return add_set(escape(false));
    return add_set({{c, c}});
  }

  int group(int depth) {
    take('(');
    if (take('?')) {
      if (take('<')) {
        if (looking_at('=') || looking_at('!')) refuse("look-behind is not supported");
        while (more() && text_[at_] != '>') ++at_;
        if (!take('>')) refuse("the name of a group does not end");
      } else if (!take(':')) {
        refuse(looking_at('=') || looking_at('!') ? "look-ahead is not supported" : "this group is not supported");
      }
    }
    const int inside = choice(depth + 1);
    if (!take(')')) refuse("a '(' without its ')'");
    return inside;
  }

  char32_t hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char32_t c = more() ? text_[at_] : 0;
      const char32_t lower = c | 0x20;
      if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'f')) refuse("an escape without its hex digits");
      value = value * 16 + (c <= '9' ? c - '0' : lower - 'a' + 10);
    }
    return value;
  }

  char32_t unicode_escape() {
    if (take('{')) {
      char32_t value = 0;
      do {
        value = value * 16 + hex(1);
        if (value > kLastCharacter) refuse("no such character");
      } while (more() && text_[at_] != '}');
      if (!take('}')) refuse("\\u{ does not end");
      return value;
    }
    char32_t value = hex(4);
    if (value >= 0xD800 && value < 0xDC00 && take('\\') && take('u')) {
      const char32_t low = hex(4);
      if (low < 0xDC00 || low > 0xDFFF) refuse("half a surrogate pair");
      return 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
    }
    if (value >= 0xD800 && value <= 0xDFFF) refuse("half a surrogate pair");
    return value;
  }

  // \d, \w, \s, or their opposites in capitals. wide: for what is left out of a set.
  CharSet named_class(char32_t letter, bool wide) {
    const char32_t name = letter | 0x20;
    const CharSet& least = name == 'd' ? kDigits : name == 'w' ? kAsciiWord : kSpaces;
    if (letter == name) return wide ? most(name) : least;
    return complement(wide ? least : most(name));
  }

  const CharSet& most(char32_t name) {
    const auto [at, added] = most_.try_emplace(name);
    if (added) at->second = most_of(name);
    return at->second;
  }

  // Behind the backslash.
  CharSet escape(bool in_bracket, bool wide = false) {
    if (!more()) refuse("a backslash at the end");
    const char32_t c = text_[at_++];
    const auto one = [](char32_t x) { return CharSet{{x, x}}; };
    switch (c) {
      case 'd':
      case 'D':
      case 'w':
      case 'W':
      case 's':
      case 'S':
        return named_class(c, wide);
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'v':
        return one('\v');
      case 'f':
        return one('\f');
      case 'x':
        return one(hex(2));
      case 'u':
        return one(unicode_escape());
      default:
        break;
    }
    if (c == '0' && !(more() && text_[at_] >= '0' && text_[at_] <= '9')) return one(0);
    if (c == 'b' && in_bracket) return one('\b');
    --at_;
    if (c == 'b' || c == 'B') refuse("\\b and \\B are not supported");
    if (c == 'p' || c == 'P') refuse("\\p is not supported");
    if (c >= '0' && c <= '9') refuse("back-references are not supported");
    if (is_letter_or_digit(c)) refuse("this escape is not supported");
    ++at_;
    return one(c);
  }

  CharSet bracket() {
    const bool negated = take('^');
    CharSet set;
    while (!looking_at(']')) {
      if (!more()) refuse("a '[' without its ']'");
      const CharSet low = bracket_part(negated);
      const bool range = looking_at('-') && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      const bool single = low.size() == 1 && low[0].first == low[0].last;
      if (range && single) {
        ++at_;
        const CharSet high = bracket_part(negated);
        if (high.size() != 1 || high[0].first != high[0].last) refuse("a range that ends in a class");
        if (high[0].first < low[0].first) refuse("a range out of order");
        set.push_back({low[0].first, high[0].first});
      } else {
        set.insert(set.end(), low.begin(), low.end());
      }
    }
    take(']');
    return negated ? complement(set) : united(std::move(set));
  }

  CharSet bracket_part(bool negated) {
    if (!more()) refuse("a '[' without its ']'");
    const char32_t c = text_[at_++];
    return c == '\\' ? escape(true, negated) : CharSet{{c, c}};
  }

  const std::string& where_;
  std::u32string text_;
  std::size_t at_ = 0;
  RegexTree tree_;
  std::map<char32_t, CharSet> most_;  // most_of() takes a look at every character
};

}  // namespace

RegexTree parse_regex(std::string_view pattern, const std::string& where) { return Parser(pattern, where).parse(); }

}  // namespace limpid
