#include "text/pretokenizer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/pretokenizer_regex.h"
#include "text/pretokenizer_rules.h"
#include "text/unicode.h"

namespace limpid {

namespace {

// Cuts isolated matches: each match is a piece and so is each stretch between two.
template <const char* (*kMatch)(const char*, const char*), SplitRule kRule>
class RuleSplitter final : public Splitter {
 public:
  void split(std::string_view text, Pieces& out) const override {
    const char* p = text.data();
    const char* const end = p + text.size();
    const char* gap = p;
    const auto emit = [&out](const char* from, const char* to) {
      if (from != to) out.emplace_back(from, static_cast<std::size_t>(to - from));
    };
    while (p < end) {
      const char* const e = kMatch(p, end);
      if (e == p) {
        p += utf8_length(*p);
        continue;
      }
      emit(gap, p);
      emit(p, e);
      gap = p = e;
    }
    emit(gap, end);
  }
  std::optional<SplitRule> rule() const override { return kRule; }
};

// \s+$ : white space at the end of the piece.
class TrailingSpaceSplitter final : public Splitter {
 public:
  void split(std::string_view text, Pieces& out) const override {
    const char* tail = text.data();
    for (const char* p = tail; p < text.data() + text.size();) {
      const Decoded d = decode_valid(p);
      p += d.size;
      if ((char_class(d.c) & kSpace) == 0) tail = p;
    }
    const auto head = static_cast<std::size_t>(tail - text.data());
    if (head > 0) out.push_back(text.substr(0, head));
    if (head < text.size()) out.push_back(text.substr(head));
  }
  std::optional<SplitRule> rule() const override { return SplitRule::trailing_space; }
};

class PunctuationSplitter final : public Splitter {
 public:
  explicit PunctuationSplitter(SplitBehavior behavior) : behavior_(behavior) {}
  void split(std::string_view text, Pieces& out) const override {
    std::vector<Match> matches;
    for (std::size_t i = 0; i < text.size();) {
      const Decoded d = decode_valid(text.data() + i);
      const bool ascii = d.c < 0x80 && (char_class(d.c) & (kPunctuation | kSymbol)) != 0;
      if (ascii || (char_class(d.c) & kPunctuation) != 0) matches.push_back({i, i + d.size});
      i += d.size;
    }
    apply_behavior(text, matches, behavior_, false, out);
  }

 private:
  SplitBehavior behavior_;
};

struct NamedRules {
  const char* name;
  std::vector<SplitRule> rules;
};

// tokenizer.ggml.pre, with the aliases that converters have written.
const std::vector<NamedRules>& gguf_rules() {
  using R = SplitRule;
  static const std::vector<NamedRules> table = {
      {"gpt-2", {R::gpt2}},
      {"gpt2", {R::gpt2}},
      {"llama-bpe", {R::llama3}},
      {"llama3", {R::llama3}},
      {"llama-v3", {R::llama3}},
      {"qwen2", {R::qwen2}},
      {"deepseek-r1-qwen", {R::qwen2}},
      {"smollm", {R::digit, R::gpt2}},
      {"kimi-k2", {R::kimi_k2}},
      {"deepseek-v3", {R::numbers_1_to_3, R::deepseek_v3_cjk, R::deepseek_v3}},
      {"deepseek-llm",
       {R::newline, R::deepseek_letters, R::deepseek_symbols, R::trailing_space, R::deepseek_cjk, R::digit}},
      {"deepseek-coder", {R::newline, R::space_letters, R::space_punctuation, R::deepseek_cjk, R::digit}},
  };
  return table;
}

}  // namespace

std::unique_ptr<Splitter> make_rule_splitter(SplitRule rule) {
  switch (rule) {
    case SplitRule::gpt2:
      return std::make_unique<RuleSplitter<rules::match_gpt2, SplitRule::gpt2>>();
    case SplitRule::llama3:
      return std::make_unique<RuleSplitter<rules::match_llama3, SplitRule::llama3>>();
    case SplitRule::qwen2:
      return std::make_unique<RuleSplitter<rules::match_qwen2, SplitRule::qwen2>>();
    case SplitRule::kimi_k2:
      return std::make_unique<RuleSplitter<rules::match_kimi_k2, SplitRule::kimi_k2>>();
    case SplitRule::deepseek_v3:
      return std::make_unique<RuleSplitter<rules::match_deepseek_v3, SplitRule::deepseek_v3>>();
    case SplitRule::numbers_1_to_3:
      return std::make_unique<RuleSplitter<rules::match_numbers_1_to_3, SplitRule::numbers_1_to_3>>();
    case SplitRule::deepseek_v3_cjk:
      return std::make_unique<RuleSplitter<rules::match_deepseek_v3_cjk, SplitRule::deepseek_v3_cjk>>();
    case SplitRule::newline:
      return std::make_unique<RuleSplitter<rules::match_newline, SplitRule::newline>>();
    case SplitRule::deepseek_letters:
      return std::make_unique<RuleSplitter<rules::match_deepseek_letters, SplitRule::deepseek_letters>>();
    case SplitRule::deepseek_symbols:
      return std::make_unique<RuleSplitter<rules::match_deepseek_symbols, SplitRule::deepseek_symbols>>();
    case SplitRule::trailing_space:
      return std::make_unique<TrailingSpaceSplitter>();
    case SplitRule::deepseek_cjk:
      return std::make_unique<RuleSplitter<rules::match_deepseek_cjk, SplitRule::deepseek_cjk>>();
    case SplitRule::space_letters:
      return std::make_unique<RuleSplitter<rules::match_space_letters, SplitRule::space_letters>>();
    case SplitRule::space_punctuation:
      return std::make_unique<RuleSplitter<rules::match_space_punctuation, SplitRule::space_punctuation>>();
    case SplitRule::number:
      return std::make_unique<RuleSplitter<rules::match_number, SplitRule::number>>();
    case SplitRule::numbers:
      return std::make_unique<RuleSplitter<rules::match_numbers, SplitRule::numbers>>();
    case SplitRule::digit:
      return std::make_unique<RuleSplitter<rules::match_digit, SplitRule::digit>>();
    case SplitRule::digits:
      return std::make_unique<RuleSplitter<rules::match_digits, SplitRule::digits>>();
  }
  fail(ErrorKind::input, "unknown splitting rule {}", static_cast<int>(rule));
}

std::unique_ptr<Splitter> make_punctuation_splitter(SplitBehavior behavior) {
  return std::make_unique<PunctuationSplitter>(behavior);
}

void Pretokenizer::split(std::string_view text, Pieces& out, Pieces& scratch) const {
  if (text.empty()) return;
  if (steps_.empty()) {
    out.push_back(text);
    return;
  }
  if (steps_.size() == 1) {
    steps_[0]->split(text, out);
    return;
  }
  Pieces current{text};
  for (std::size_t i = 0; i + 1 < steps_.size(); ++i) {
    scratch.clear();
    for (const std::string_view piece : current) steps_[i]->split(piece, scratch);
    current.swap(scratch);
  }
  for (const std::string_view piece : current) steps_.back()->split(piece, out);
}

std::optional<std::vector<SplitRule>> Pretokenizer::rules() const {
  std::vector<SplitRule> out;
  for (const std::unique_ptr<Splitter>& step : steps_) {
    const std::optional<SplitRule> rule = step->rule();
    if (!rule) return std::nullopt;
    out.push_back(*rule);
  }
  return out;
}

std::optional<std::string> gguf_pretokenizer(const std::vector<SplitRule>& rules) {
  for (const NamedRules& entry : gguf_rules())
    if (entry.rules == rules) return entry.name;
  return std::nullopt;
}

std::vector<SplitRule> gguf_pretokenizer_rules(const std::string& name, const std::string& file) {
  std::string known;
  for (const NamedRules& entry : gguf_rules()) {
    if (entry.name == name) return entry.rules;
    known += known.empty() ? entry.name : std::string(", ") + entry.name;
  }
  fail(ErrorKind::unsupported, "{}: tokenizer.ggml.pre: expected one of {}; found \"{}\"", file, known, name);
}

Pretokenizer Pretokenizer::from_gguf_name(const std::string& name, const std::string& file) {
  Pretokenizer out;
  for (const SplitRule rule : gguf_pretokenizer_rules(name, file)) out.add(make_rule_splitter(rule));
  return out;
}

}  // namespace limpid
