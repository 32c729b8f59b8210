// Pre-tokenizers: how a tokenizer cuts text into pieces before byte-pair encoding; no merge crosses a cut.
// The published rules are hand-written scanners over character classes, linear in the text; a regular expression that
// is none of them runs in PCRE2 with match and heap limits. Immutable after construction and safe on any thread. A rule
// is named by what it does to text, so the same one serves a GGUF's tokenizer.ggml.pre and a tokenizer.json's pipeline.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

using Pieces = std::vector<std::string_view>;

// Published splitting rules. The regular expressions that they implement are listed in pretokenizer_rules.cpp.
enum class SplitRule {
  gpt2,               // GPT-2; also the regular expression inside Hugging Face's ByteLevel
  llama3,             // Llama 3: digits in groups of up to 3
  qwen2,              // Qwen2: digits one by one
  kimi_k2,            // Kimi-K2, Moonlight: Han runs apart, case-aware words
  deepseek_v3,        // third step of DeepSeek-V3 and R1
  numbers_1_to_3,     // \p{N}{1,3}
  deepseek_v3_cjk,    // CJK ideographs and kana
  newline,            // [\r\n]
  deepseek_letters,   // DeepSeek-LLM's list of letters
  deepseek_symbols,   // DeepSeek-LLM's list of punctuation
  trailing_space,     // \s+$
  deepseek_cjk,       // ideographs, kana, Hangul and more, as DeepSeek-LLM and Coder have it
  space_letters,      // \s?\p{L}+
  space_punctuation,  // \s?\p{P}+
  number,             // \p{N}: Digits, one by one
  numbers,            // \p{N}+
  digit,              // what Hugging Face's Digits calls a digit, one by one
  digits,             // the same in runs
};

// One step of a pre-tokenizer: cuts a piece into pieces.
class Splitter {
 public:
  virtual ~Splitter() = default;
  // Appends the pieces of text to out, in order; empty ones are left out. text is valid UTF-8, and so is each piece.
  // Throws Error(resources) when a regular expression exceeds its limits.
  virtual void split(std::string_view text, Pieces& out) const = 0;
  virtual std::optional<SplitRule> rule() const { return std::nullopt; }  // the published rule that it is
};

// What happens to the matches of a pattern, as Hugging Face names it.
enum class SplitBehavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };

// The regular expression that a published rule implements; "" where only Hugging Face's Digits does (digit, digits).
std::string_view published_expression(SplitRule rule);

// What a GGUF calls these rules in tokenizer.ggml.pre; nothing when no name is known.
std::optional<std::string> gguf_pretokenizer(const std::vector<SplitRule>& rules);
// The rules of such a name. Throws Error(unsupported) naming those that are known.
std::vector<SplitRule> gguf_pretokenizer_rules(const std::string& name, const std::string& file);

// The scanner of a published rule, its matches isolated.
std::unique_ptr<Splitter> make_rule_splitter(SplitRule rule);

// A regular expression (Oniguruma's syntax as far as PCRE2 agrees) or, with literal, a plain string. A published
// expression with behaviour isolated gets its scanner. where names the file and field for errors. Throws
// Error(unsupported) for an expression that PCRE2 does not take or would read differently.
std::unique_ptr<Splitter> make_pattern_splitter(const std::string& pattern, bool literal, SplitBehavior behavior,
                                                bool invert, const std::string& where);

// Every punctuation character (\p{P} or of ASCII) is a match.
std::unique_ptr<Splitter> make_punctuation_splitter(SplitBehavior behavior);

// A sequence of steps.
class Pretokenizer {
 public:
  void add(std::unique_ptr<Splitter> step) { steps_.push_back(std::move(step)); }
  // The published rules that it consists of; nothing when a step is none of them.
  std::optional<std::vector<SplitRule>> rules() const;
  // Appends the pieces of text to out. scratch is working memory that may be reused between calls.
  void split(std::string_view text, Pieces& out, Pieces& scratch) const;

  // The rule that a GGUF names in tokenizer.ggml.pre. Throws Error(unsupported) naming those that are known.
  static Pretokenizer from_gguf_name(const std::string& name, const std::string& file);

 private:
  std::vector<std::unique_ptr<Splitter>> steps_;
};

}  // namespace limpid
