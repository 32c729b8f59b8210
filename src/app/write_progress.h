// What a command does while it writes a large file: says before the first byte how much it will be and whether the disk
// has room, shows how far it is, and lets Ctrl-C, SIGTERM and SIGHUP end it so that nothing is left behind (the writers
// unlink what was not finished).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/interrupt.h"
#include "app/progress.h"

namespace limpid {

class WriteProgress {
 public:
  // verb: "writing", of OUT, a file or a directory.
  WriteProgress(std::string verb, std::string out);

  // The writers call it with (0, all bytes) first. Throws Error(resources) where the disk has not so many,
  // Error(cancelled) after a signal.
  void operator()(std::uint64_t done, std::uint64_t total);

  void finish() { bar_.reset(); }  // the line of figures ends
  std::uint64_t total() const { return total_; }

 private:
  void begin(std::uint64_t total);

  const std::string verb_, out_;
  Interrupts interrupts_;
  std::unique_ptr<ProgressBar> bar_;
  std::uint64_t total_ = 0;
  bool begun_ = false;
};

}  // namespace limpid
