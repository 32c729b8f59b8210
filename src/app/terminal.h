// The terminal of a conversation. From the first line to the last, what is typed is not echoed by the terminal itself
// (the line editor shows it when its turn comes) and what is pasted comes between brackets; however the program ends,
// by an error too, the terminal is left as it was found.
//
// One at a time in a program. Make it on the main thread before any other thread is started: Ctrl-Z is blocked, waits
// in a descriptor, and threads inherit that.
#pragma once

#include <signal.h>
#include <termios.h>

#include <string_view>

namespace limpid {

class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // No echo, bytes as they are typed, Ctrl-C and Ctrl-Z still signals. libedit sets modes of its own while it reads a
  // line; this is to be called after it.
  void quiet();

  // Whether Ctrl-Z was pressed. If so the program was stopped in here, with the terminal as it was found, and goes on
  // now, in the modes that it had.
  bool stopped();

  // Whether the window has another width or height than at the last call.
  bool resized();

 private:
  termios before_{};
  sigset_t mask_{};
  int fd_ = -1;
  int columns_ = 0, rows_ = 0;
};

struct WindowSize {
  int columns = 80, rows = 24;
};
WindowSize window_size();

// Where the cursor of a window of so many columns is after text that was written from `from` on. Wide characters take
// two columns and are not cut; a full line wraps when the next character comes. UTF-8, no escape sequences; needs a
// locale that knows wide characters (LineEditor sets one).
struct Spot {
  int row = 0, column = 0;
};
Spot walk(std::string_view text, int columns, Spot from = {});

}  // namespace limpid
