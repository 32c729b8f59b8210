// Colours and the width of a terminal; plain text where there is none, or where NO_COLOR is set (no-color.org).
#pragma once

#include <string>
#include <string_view>

#include "app/command.h"
#include "text/chat_template.h"

namespace limpid {

class Style {
 public:
  explicit Style(int fd);  // of this stream
  bool terminal() const { return terminal_; }
  bool colour() const { return colour_; }
  std::string dim(std::string_view text) const { return wrap("\x1b[2m", text); }
  std::string bold(std::string_view text) const { return wrap("\x1b[1m", text); }

 private:
  std::string wrap(const char* code, std::string_view text) const {
    return colour_ ? code + std::string(text) + "\x1b[0m" : std::string(text);
  }
  bool terminal_, colour_;
};

Thinking thinking_of(Think think);

}  // namespace limpid
