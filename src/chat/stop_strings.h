// StopStrings: ends a stream of text where one of several strings appears, whatever the borders of the chunks. What
// could be the beginning of one is held back until it is clear. One per stream.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace limpid {

class StopStrings {
 public:
  static constexpr std::size_t kMost = 64;         // strings
  static constexpr std::size_t kMostBytes = 4096;  // of each

  StopStrings() = default;
  // Throws Error(input): an empty string, too many, or too long a one.
  explicit StopStrings(std::vector<std::string> stops);

  // The text that can be shown now: up to the first stop string, which is never shown. After stopped() it is always
  // empty.
  std::string push(std::string_view text);
  // The stream ended: what was held back.
  std::string finish();

  bool stopped() const { return stopped_; }
  const std::string& matched() const { return matched_; }  // the string that stopped it

 private:
  std::size_t held_bytes() const;

  std::vector<std::string> stops_;
  std::string held_, matched_;
  bool stopped_ = false;
};

}  // namespace limpid
