#include "app/terminal.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cwchar>

#include "text/unicode.h"

namespace limpid {

namespace {

constexpr const char *kPasteOn = "\x1b[?2004h", *kPasteOff = "\x1b[?2004l";

void say(const char* code) {
  std::fputs(code, stdout);
  std::fflush(stdout);
}

}  // namespace

Terminal::Terminal() {
  tcgetattr(STDIN_FILENO, &before_);
  const WindowSize size = window_size();
  columns_ = size.columns, rows_ = size.rows;
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  pthread_sigmask(SIG_BLOCK, &stop, &mask_);
  fd_ = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
  quiet();
  say(kPasteOn);
}

Terminal::~Terminal() {
  say(kPasteOff);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  if (fd_ >= 0) close(fd_);
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

void Terminal::quiet() {
  termios mode = before_;
  mode.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN);
  mode.c_lflag |= ISIG | NOFLSH;
  mode.c_iflag |= ICRNL;
  mode.c_cc[VMIN] = 1;
  mode.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
}

bool Terminal::stopped() {
  signalfd_siginfo info;
  if (fd_ < 0 || read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return false;
  termios mode{};
  tcgetattr(STDIN_FILENO, &mode);
  say(kPasteOff);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  kill(getpid(), SIGSTOP);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
  say(kPasteOn);
  return true;
}

bool Terminal::resized() {
  const WindowSize size = window_size();
  const bool other = size.columns != columns_ || size.rows != rows_;
  columns_ = size.columns, rows_ = size.rows;
  return other;
}

WindowSize window_size() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

Spot walk(std::string_view text, int columns, Spot from) {
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const char32_t c = step.state == Utf8State::valid ? decode_valid(text.data()).c : U'\uFFFD';
    text.remove_prefix(std::clamp<std::size_t>(step.size, 1, text.size()));
    if (c == '\n') {
      ++from.row, from.column = 0;
    } else if (c == '\t') {
      from.column = std::min((from.column / 8 + 1) * 8, columns - 1);
    } else {
      const int width = std::max(wcwidth(static_cast<wchar_t>(c)), 0);
      if (width > 0 && from.column + width > columns) ++from.row, from.column = 0;
      from.column += width;
    }
  }
  return from;
}

}  // namespace limpid
