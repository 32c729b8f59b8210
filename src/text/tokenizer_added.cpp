#include "text/tokenizer_added.h"

#include <algorithm>

#include "text/unicode.h"

namespace limpid {

namespace {

std::uint64_t edge(std::uint32_t node, char byte) {
  return static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
}

// Where the last character before `at` begins; at > 0.
std::size_t character_before(std::string_view text, std::size_t at) {
  do {
    --at;
  } while (at > 0 && (text[at] & 0xC0) == 0x80);
  return at;
}

bool is_class_at(std::string_view text, std::size_t at, unsigned cls) {
  return (char_class(decode_valid(text.data() + at).c) & cls) != 0;
}

bool touches_word(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && is_class_at(text, character_before(text, begin), kWord)) ||
         (end < text.size() && is_class_at(text, end, kWord));
}

}  // namespace

void AddedMatcher::add(const AddedToken& token, std::string_view content, bool control) {
  if (content.empty()) return;
  std::uint32_t node = 0;
  for (const char byte : content) {
    const auto [it, fresh] = edges_.try_emplace(edge(node, byte), static_cast<std::uint32_t>(token_of_node_.size()));
    if (fresh) token_of_node_.push_back(-1);
    node = it->second;
  }
  starts_[static_cast<unsigned char>(content[0])] = true;
  token_of_node_[node] = static_cast<std::int32_t>(tokens_.size());
  tokens_.push_back({token, control});
}

AddedMatcher::Hit AddedMatcher::longest_at(std::string_view text, std::size_t at) const {
  Hit hit;
  std::uint32_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    const auto it = edges_.find(edge(node, text[i]));
    if (it == edges_.end()) break;
    node = it->second;
    if (token_of_node_[node] >= 0) hit = {i + 1 - at, token_of_node_[node]};
  }
  return hit;
}

void AddedMatcher::split(std::string_view text, bool control_counts, std::vector<AddedPiece>& out) const {
  std::size_t done = 0, i = 0;
  while (i < text.size()) {
    if (!starts_[static_cast<unsigned char>(text[i])]) {
      ++i;
      continue;
    }
    const Hit hit = longest_at(text, i);
    if (hit.token < 0) {
      ++i;
      continue;
    }
    const Token& found = tokens_[static_cast<std::size_t>(hit.token)];
    std::size_t begin = i, end = i + hit.size;
    i = end;  // a match that does not count is passed over as a whole, like there
    if (found.control && !control_counts) continue;
    if (found.token.single_word && touches_word(text, begin, end)) continue;
    if (begin < done) continue;  // its beginning was white space that the token before took
    if (found.token.lstrip) {
      while (begin > done && is_class_at(text, character_before(text, begin), kSpace))
        begin = character_before(text, begin);
    }
    if (found.token.rstrip) {
      while (end < text.size() && is_class_at(text, end, kSpace)) end += utf8_length(text[end]);
    }
    if (begin > done) out.push_back({text.substr(done, begin - done), -1});
    out.push_back({text.substr(begin, end - begin), found.token.id});
    done = end;
    i = std::max(i, end);
  }
  if (done < text.size()) out.push_back({text.substr(done), -1});
}

}  // namespace limpid
