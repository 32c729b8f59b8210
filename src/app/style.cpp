#include "app/style.h"

#include <unistd.h>

#include <cstdlib>

namespace limpid {

Style::Style(int fd) : terminal_(isatty(fd) != 0), colour_(terminal_) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  if ((no_colour != nullptr && *no_colour != 0) || kind == nullptr || std::string_view(kind) == "dumb") colour_ = false;
}

Thinking thinking_of(Think think) {
  switch (think) {
    case Think::automatic:
      return Thinking::automatic;
    case Think::on:
      return Thinking::on;
    case Think::off:
      return Thinking::off;
  }
  return Thinking::automatic;
}

}  // namespace limpid
