#include "train/verifier.h"

#include <algorithm>
#include <string>
#include <vector>

#include "text/unicode.h"
#include "train/verifier_expression.h"

namespace limpid {

namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

std::size_t occurrences(std::string_view text, std::string_view mark) {
  std::size_t count = 0;
  for (std::size_t at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + mark.size())) ++count;
  return count;
}

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Without white space around it and one full stop behind it.
std::string_view bare(std::string_view text) {
  text = without_blanks(text);
  if (text.ends_with(".")) text.remove_suffix(1);
  if (text.ends_with("。")) text.remove_suffix(std::string_view("。").size());
  return without_blanks(text);
}

// "-007" and "−7" are "-7"; "" when the text is no integer.
std::string integer_text(std::string_view text) {
  constexpr std::string_view kMinus = "−";
  bool negative = false;
  if (text.starts_with("-") || text.starts_with(kMinus)) {
    negative = true;
    text.remove_prefix(text.front() == '-' ? 1 : kMinus.size());
  }
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return "";
  while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  return (negative && text != "0" ? "-" : "") + std::string(text);
}

// Lower case, hyphens as spaces.
std::string plain(std::string_view text) {
  std::string out(bare(text));
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c == '-') c = ' ';
  }
  return out;
}

}  // namespace

ReplyParts take_apart(std::string_view reply) {
  ReplyParts parts;
  const std::size_t open = reply.find(kOpen), close = reply.rfind(kClose);
  if (close != std::string_view::npos) {
    parts.answer = reply.substr(close + kClose.size());
    const std::size_t begin = open < close ? open + kOpen.size() : 0;
    parts.thinking = reply.substr(begin, close - begin);
  } else if (open != std::string_view::npos) {
    parts.thinking = reply.substr(open + kOpen.size());
  } else {
    parts.answer = reply;
  }
  parts.thinking = without_blanks(parts.thinking);
  parts.answer = without_blanks(parts.answer);
  parts.well_formed = open == 0 && occurrences(reply, kOpen) == 1 && occurrences(reply, kClose) == 1 &&
                      !parts.answer.empty() && valid_utf8_prefix(reply) == reply.size();
  return parts;
}

bool is_correct(const Check& check, std::string_view answer) {
  constexpr std::size_t kLongest = 4096;  // no right answer is longer
  if (answer.size() > kLongest || check.accepted.empty()) return false;
  if (check.kind == Check::Kind::expression) return reaches(bare(answer), check.numbers, check.value);
  if (check.kind == Check::Kind::integer) {
    const std::string found = integer_text(bare(answer));
    return !found.empty() && found == integer_text(check.accepted[0]);
  }
  const std::string found = plain(answer);
  return std::any_of(check.accepted.begin(), check.accepted.end(),
                     [&](const auto& text) { return plain(text) == found; });
}

double LanguageCount::share(Language target) const {
  const std::size_t all = english + chinese;
  if (all == 0) return 1;
  return static_cast<double>(target == Language::chinese ? chinese : english) / static_cast<double>(all);
}

namespace {

// The words of a text in order: runs of two or more ASCII letters, and ideographs.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < text.size();) {
    if (is_letter(text[i])) {
      std::size_t end = i;
      while (end < text.size() && is_letter(text[end])) ++end;
      if (end - i > 1) words.push_back(text.substr(i, end - i));
      i = end;
      continue;
    }
    const Utf8Step step = utf8_step(text.substr(i));
    if (step.state == Utf8State::valid && step.size > 1 && (char_class(decode_valid(text.data() + i).c) & kHan) != 0) {
      words.push_back(text.substr(i, step.size));
    }
    i += step.size;
  }
  return words;
}

}  // namespace

LanguageCount count_languages(std::string_view text, std::string_view prompt) {
  std::vector<std::string_view> known = words_of(prompt);
  std::sort(known.begin(), known.end());
  LanguageCount count;
  for (const std::string_view word : words_of(text)) {
    if (std::binary_search(known.begin(), known.end(), word)) continue;
    ++(is_letter(word.front()) ? count.english : count.chinese);
  }
  return count;
}

Judgement judge(const Sample& sample, std::string_view reply) {
  const ReplyParts parts = take_apart(reply);
  Judgement judgement;
  judgement.well_formed = parts.well_formed;
  judgement.correct = is_correct(sample.check, parts.answer);
  judgement.language_share = count_languages(parts.thinking, sample.prompt).share(sample.language);
  return judgement;
}

}  // namespace limpid
