// Ctrl-C as something to ask for instead of something that strikes: while an Interrupts lives, SIGINT, SIGTERM and
// SIGHUP wait in a descriptor. Make it before any thread is started: threads inherit the mask. A signal that was
// ignored from the start (nohup) stays ignored.
#pragma once

#include <atomic>

namespace limpid {

class Interrupts {
 public:
  Interrupts();   // blocks the signals
  ~Interrupts();  // as it was before; a signal that nobody asked for is dropped
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // How often somebody has asked to stop, by any of the signals. From any thread, cheap enough for every step.
  int count();
  bool requested() { return count() > 0; }
  // SIGTERM or SIGHUP came: the program is to end, not only what it is doing.
  bool ended();

 private:
  int fd_ = -1;
  std::atomic<int> count_{0};
  std::atomic<bool> ended_{false};
  struct Mask;
  Mask* before_;
};

}  // namespace limpid
