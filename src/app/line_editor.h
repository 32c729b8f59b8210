// A line typed at a terminal, with editing and history (libedit), wide characters and pasted text of many lines. Where
// standard input is no terminal, lines as they come. One at a time in a program: libedit keeps the terminal's state.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/interrupt.h"

namespace limpid {

class LineEditor {
 public:
  // colour: the prompt may be bold. Must outlive nothing but the interrupts that it looks at while it waits.
  LineEditor(Interrupts& interrupts, bool colour);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The line without its end, `start` filled in to be edited. Nothing: the end of the input, or Ctrl-C.
  std::optional<std::string> read(const std::string& start = {});
  bool terminal() const { return state_ != nullptr; }

  struct State;

 private:
  std::optional<std::string> read_plain();

  Interrupts& interrupts_;
  std::unique_ptr<State> state_;  // null: no terminal
  std::string buffer_;            // read_plain: what was read beyond a line
};

}  // namespace limpid
