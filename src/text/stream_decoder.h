// StreamDecoder: bytes of tokens in, whole UTF-8 characters out. A token may end in the middle of a character; what is
// not yet complete is held back. Bytes that cannot become a character come out as U+FFFD, one for each maximal subpart,
// so that the concatenation of all output equals to_valid_utf8 of all input, whatever the borders. One per stream; not
// for sharing.
#pragma once

#include <string>
#include <string_view>

#include "text/unicode.h"

namespace limpid {

class StreamDecoder {
 public:
  // The characters that are whole now.
  std::string push(std::string_view bytes) {
    held_.append(bytes);
    std::size_t keep = held_.size();
    // Only an unfinished character at the very end is held: at most its first 3 bytes.
    for (std::size_t back = 1; back <= 3 && back <= held_.size(); ++back) {
      const std::size_t at = held_.size() - back;
      if ((static_cast<unsigned char>(held_[at]) & 0xC0) == 0x80) continue;
      if (utf8_step(std::string_view(held_).substr(at)).state == Utf8State::incomplete) keep = at;
      break;
    }
    std::string out = to_valid_utf8(std::string_view(held_).substr(0, keep));
    held_.erase(0, keep);
    return out;
  }

  // What is left at the end of the stream: nothing, or U+FFFD for a character that never ended. The decoder is then
  // empty.
  std::string finish() {
    std::string out = to_valid_utf8(held_);
    held_.clear();
    return out;
  }

  // Bytes held back: 0 to 3.
  std::size_t pending() const { return held_.size(); }

 private:
  std::string held_;
};

}  // namespace limpid
