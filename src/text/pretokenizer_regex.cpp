#include "text/pretokenizer_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <optional>
#include <utility>

#include "base/error.h"
#include "text/unicode.h"

namespace limpid {

namespace {

struct Published {
  const char* pattern;
  SplitRule rule;
};

// Expressions of published tokenizer.json files that a scanner stands for (isolated matches only).
constexpr Published kPublished[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", SplitRule::gpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     SplitRule::llama3},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     SplitRule::qwen2},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
     "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
     SplitRule::deepseek_v3},
    {R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
     R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
     R"(\s*[\r\n]+|\s+(?!\S)|\s+)",
     SplitRule::kimi_k2},
    {R"(\p{N}{1,3})", SplitRule::numbers_1_to_3},
    {"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", SplitRule::deepseek_v3_cjk},
    {"[\r\n]", SplitRule::newline},
    {R"([\r\n])", SplitRule::newline},
    {"\\s?["
     "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
     "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
     "\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b"
     "\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
     "\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
     "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
     "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
     "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
     "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
     "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"
     "\U0001e900-\U0001e943"
     "]+",
     SplitRule::deepseek_letters},
    {"\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", SplitRule::deepseek_symbols},
    {R"(\s+$)", SplitRule::trailing_space},
    {"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", SplitRule::deepseek_cjk},
    {R"(\s?\p{L}+)", SplitRule::space_letters},
    {R"(\s?\p{P}+)", SplitRule::space_punctuation},
    {R"(\p{N})", SplitRule::number},
    {R"(\p{N}+)", SplitRule::numbers},
};

// Limits of one match: generous for text, small enough that a hostile expression ends within seconds.
constexpr std::uint32_t kMatchLimit = 2'000'000, kHeapLimitKib = 65'536;
constexpr std::size_t kJitStackStart = 32 << 10, kJitStackMost = 1 << 20;

template <typename T, void (*kFree)(T*)>
struct Freer {
  void operator()(T* p) const { kFree(p); }
};
using Code = std::unique_ptr<pcre2_code, Freer<pcre2_code, pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data, pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context, pcre2_match_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Freer<pcre2_jit_stack, pcre2_jit_stack_free>>;

std::string pcre2_message(int code) {
  unsigned char text[256] = {};
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

class RegexSplitter final : public Splitter {
 public:
  RegexSplitter(const std::string& pattern, SplitBehavior behavior, bool invert, std::string where)
      : behavior_(behavior), invert_(invert), where_(std::move(where)) {
    // Where PCRE2 takes an expression in another sense than Oniguruma does, an error is better than other tokens.
    for (const char* other : {"&&", "\\h", "\\H", "\\Z", "(?~"}) {
      if (pattern.find(other) != std::string::npos) {
        fail(ErrorKind::unsupported, "{}: regular expression \"{}\": {} is not supported", where_, pattern, other);
      }
    }
    int error = 0;
    std::size_t offset = 0;
    // Ruby's syntax, which these files are written in: ^ and $ match at lines.
    constexpr std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    code_.reset(
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error, &offset, nullptr));
    if (!code_) {
      fail(ErrorKind::unsupported, "{}: regular expression \"{}\": {} at byte {}", where_, pattern,
           pcre2_message(error), offset);
    }
    // Without JIT (a machine that forbids executable pages) matching works, only slower.
    jit_ = pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0;
  }

  void split(std::string_view text, Pieces& out) const override {
    apply_behavior(text, find_all(text), behavior_, invert_, out);
  }

 private:
  std::vector<Match> find_all(std::string_view text) const {
    const MatchData data(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const MatchContext context(pcre2_match_context_create(nullptr));
    const JitStack stack(jit_ ? pcre2_jit_stack_create(kJitStackStart, kJitStackMost, nullptr) : nullptr);
    if (!data || !context) fail(ErrorKind::resources, "{}: no memory to match a regular expression", where_);
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);
    if (stack) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    std::vector<Match> matches;
    std::size_t at = 0;
    while (at <= text.size()) {
      const int rc = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                 PCRE2_NO_UTF_CHECK, data.get(), context.get());
      if (rc == PCRE2_ERROR_NOMATCH) break;
      if (rc < 0) fail(ErrorKind::resources, "{}: regular expression: {}", where_, pcre2_message(rc));
      const std::size_t* range = pcre2_get_ovector_pointer(data.get());
      // \K in a lookahead could put the start behind the end or the last match.
      if (range[0] < at || range[1] < range[0]) fail(ErrorKind::unsupported, "{}: regular expression: \\K", where_);
      matches.push_back({range[0], range[1]});
      at = range[1];
      if (range[0] == range[1]) {
        if (at == text.size()) break;
        at += utf8_length(text[at]);
      }
    }
    return matches;
  }

  Code code_;
  bool jit_ = false;
  SplitBehavior behavior_;
  bool invert_;
  std::string where_;
};

class LiteralSplitter final : public Splitter {
 public:
  LiteralSplitter(std::string literal, SplitBehavior behavior, bool invert)
      : literal_(std::move(literal)), behavior_(behavior), invert_(invert) {}
  void split(std::string_view text, Pieces& out) const override {
    std::vector<Match> matches;
    for (std::size_t at = text.find(literal_); at != std::string_view::npos; at = text.find(literal_, at)) {
      matches.push_back({at, at + literal_.size()});
      at += literal_.size();
    }
    apply_behavior(text, matches, behavior_, invert_, out);
  }

 private:
  std::string literal_;
  SplitBehavior behavior_;
  bool invert_;
};

struct Stretch {
  std::size_t begin, end;
  bool match;
};

std::vector<Stretch> stretches_of(std::string_view text, const std::vector<Match>& matches, bool invert) {
  std::vector<Stretch> out;
  out.reserve(matches.size() * 2 + 1);
  std::size_t at = 0;
  for (const Match& m : matches) {
    if (m.begin > at) out.push_back({at, m.begin, invert});
    out.push_back({m.begin, m.end, !invert});
    at = m.end;
  }
  if (at < text.size()) out.push_back({at, text.size(), invert});
  return out;
}

}  // namespace

std::string_view published_expression(SplitRule rule) {
  for (const Published& known : kPublished)
    if (known.rule == rule) return known.pattern;
  return {};
}

void apply_behavior(std::string_view text, const std::vector<Match>& matches, SplitBehavior behavior, bool invert,
                    Pieces& out) {
  const std::vector<Stretch> stretches = stretches_of(text, matches, invert);
  std::vector<Match> pieces;
  pieces.reserve(stretches.size());
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    const Stretch& s = stretches[i];
    const bool after_match = i > 0 && stretches[i - 1].match;
    bool join = false;
    switch (behavior) {
      case SplitBehavior::isolated:
        break;
      case SplitBehavior::removed:
        if (s.match) continue;
        break;
      case SplitBehavior::contiguous:
        join = i > 0 && after_match == s.match;
        break;
      case SplitBehavior::merged_with_previous:
        join = i > 0 && s.match && !after_match;
        break;
      // Seen from the right a match joins what follows it unless that is a match too.
      case SplitBehavior::merged_with_next:
        join = after_match && !s.match;
        break;
    }
    if (join) {
      pieces.back().end = s.end;
    } else {
      pieces.push_back({s.begin, s.end});
    }
  }
  for (const Match& piece : pieces) {
    if (piece.end > piece.begin) out.push_back(text.substr(piece.begin, piece.end - piece.begin));
  }
}

std::unique_ptr<Splitter> make_pattern_splitter(const std::string& pattern, bool literal, SplitBehavior behavior,
                                                bool invert, const std::string& where) {
  if (literal) {
    if (pattern.empty()) fail(ErrorKind::input, "{}: pattern: expected a string, found an empty one", where);
    return std::make_unique<LiteralSplitter>(pattern, behavior, invert);
  }
  if (behavior == SplitBehavior::isolated) {  // isolated pieces are the same with and without invert
    for (const Published& known : kPublished) {
      if (pattern == known.pattern) return make_rule_splitter(known.rule);
    }
  }
  return std::make_unique<RegexSplitter>(pattern, behavior, invert, where);
}

}  // namespace limpid
