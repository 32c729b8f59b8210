// Ctrl-C as something to ask for instead of something that strikes: while an Interrupts lives, SIGINT and SIGTERM wait
// in a descriptor. Make it before any thread is started: threads inherit the mask.
#pragma once

#include <atomic>

namespace limpid {

class Interrupts {
 public:
  Interrupts();   // blocks the signals
  ~Interrupts();  // as it was before; a signal that nobody asked for is dropped
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // How often somebody has asked to stop. From any thread, cheap enough for every step.
  int count();
  bool requested() { return count() > 0; }

 private:
  int fd_ = -1;
  std::atomic<int> count_{0};
  struct Mask;
  Mask* before_;
};

}  // namespace limpid
