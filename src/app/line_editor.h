// A line typed at a terminal, with editing and history (libedit), wide characters and pasted text of many lines. What
// is typed while nobody asks for a line is not shown and waits for the next one. Where standard input is no terminal,
// lines as they come. One at a time in a program: libedit keeps the terminal's state, and so does Terminal.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/interrupt.h"

namespace limpid {

class LineEditor {
 public:
  // colour: the prompt may be bold. The interrupts, at which it looks while it waits, must outlive it. Make it before
  // any thread is started (terminal.h).
  LineEditor(Interrupts& interrupts, bool colour);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The line without its end, `start` filled in to be edited. Nothing: the end of the input, or Ctrl-C.
  std::optional<std::string> read(const std::string& start = {});
  bool terminal() const { return state_ != nullptr; }
  // What Tab completes where it stands at the beginning of a line: "/help".
  void complete(std::vector<std::string> words);

  // Between two lines, often: keeps what is typed for the next read, and sees to Ctrl-Z. Whether Ctrl-T was pressed,
  // which is not kept.
  bool collect();

  struct State;

 private:
  std::optional<std::string> read_plain();

  Interrupts& interrupts_;
  std::unique_ptr<State> state_;  // null: no terminal
  std::string buffer_;            // read_plain: what was read beyond a line
};

}  // namespace limpid
