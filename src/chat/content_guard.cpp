#include "chat/content_guard.h"

#include <algorithm>
#include <bitset>
#include <utility>

#include "base/error.h"

namespace limpid {

namespace {

// The 32 noncharacters U+FDD0 to U+FDEF: EF B7 90 to EF B7 AF. Text for interchange holds none.
constexpr int kGuards = 32;
std::string guard_text(int index) { return {'\xEF', '\xB7', static_cast<char>(0x90 + index)}; }

void note_guards_in_text(std::string_view text, std::bitset<kGuards>& found) {
  for (std::size_t at = text.find("\xEF\xB7"); at != std::string_view::npos && at + 2 < text.size();
       at = text.find("\xEF\xB7", at + 1)) {
    const int index = static_cast<unsigned char>(text[at + 2]) - 0x90;
    if (index >= 0 && index < kGuards) found.set(static_cast<std::size_t>(index));
  }
}

void note_guards(const nlohmann::ordered_json& value, std::bitset<kGuards>& found) {
  if (value.is_string()) note_guards_in_text(value.get_ref<const std::string&>(), found);
  if (value.is_object())
    for (const auto& [key, member] : value.items()) note_guards_in_text(key, found);
  if (value.is_structured())
    for (const auto& member : value) note_guards(member, found);
}

std::size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

ContentGuard::ContentGuard(const Tokenizer& tokenizer) {
  for (std::size_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (tokenizer.is_special(token)) texts_.emplace_back(tokenizer.token_bytes(token));
  }
  sort();
}

ContentGuard::ContentGuard(std::vector<std::string> control_texts) : texts_(std::move(control_texts)) { sort(); }

void ContentGuard::sort() {
  std::erase(texts_, "");
  std::ranges::sort(texts_);
  for (const std::string& text : texts_) starts_.set(static_cast<unsigned char>(text[0]));
}

std::string ContentGuard::choose(const nlohmann::ordered_json& value) {
  std::bitset<kGuards> found;
  note_guards(value, found);
  for (int index = 0; index < kGuards; ++index)
    if (!found[static_cast<std::size_t>(index)]) return guard_text(index);
  fail(ErrorKind::input, "messages: they hold all of the noncharacters U+FDD0 to U+FDEF; at least one must be free");
}

nlohmann::ordered_json ContentGuard::protect(const nlohmann::ordered_json& value, std::string_view guard) const {
  if (value.is_string()) return protect_text(value.get_ref<const std::string&>(), guard);
  if (value.is_object()) {
    nlohmann::ordered_json result = nlohmann::ordered_json::object();
    for (const auto& [key, member] : value.items()) result[protect_text(key, guard)] = protect(member, guard);
    return result;
  }
  if (value.is_array()) {
    nlohmann::ordered_json result = nlohmann::ordered_json::array();
    for (const auto& member : value) result.push_back(protect(member, guard));
    return result;
  }
  return value;
}

std::string ContentGuard::protect_text(std::string_view text, std::string_view guard) const {
  std::string result;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!starts_[static_cast<unsigned char>(text[at])] || !begins_control(text.substr(at))) continue;
    const std::size_t behind = std::min(at + character_bytes(text[at]), text.size());
    result.append(text, done, behind - done);
    result += guard;
    done = behind;
  }
  result.append(text, done);
  return result;
}

// Whether a control token stands at the beginning of the text, or the whole text begins one.
bool ContentGuard::begins_control(std::string_view text) const {
  auto first = texts_.begin(), last = texts_.end();
  for (std::size_t depth = 0; depth < text.size(); ++depth) {  // those that begin with text[0, depth] are neighbours
    const auto at_depth = [depth](const std::string& control) {
      return control.size() > depth ? static_cast<unsigned char>(control[depth]) : -1;
    };
    const auto same =
        std::ranges::equal_range(first, last, static_cast<int>(static_cast<unsigned char>(text[depth])), {}, at_depth);
    if (same.empty()) return false;
    first = same.begin(), last = same.end();
    if (first->size() == depth + 1) return true;  // sorted: the shortest comes first
  }
  return true;
}

}  // namespace limpid
