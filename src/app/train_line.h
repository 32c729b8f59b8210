// The progress of a training run on standard error: one line, rewritten in place on a terminal, a line for each tenth
// of the run elsewhere. Ends its line when it is destroyed. One thread.
#pragma once

#include <string>

#include "app/command.h"
#include "train/loop.h"
#include "train/traces.h"

namespace limpid {

class TrainLine {
 public:
  TrainLine();
  ~TrainLine();
  TrainLine(const TrainLine&) = delete;
  TrainLine& operator=(const TrainLine&) = delete;

  // What every run is told: this machine's threads, kernels and peak, and show_in().
  LoopOptions options(const Context& context, const std::string& out, bool resume);
  void show_in(LoopOptions& options);  // progress and say; the options must not outlive it
  void say(const std::string& line);
  void show(const Progress& progress);
  void count(const TraceCounts&
                 counts);  // of traces that are being made; elsewhere than on a terminal each doubling of the problems
  void end();              // of one run: the next one begins on a fresh line

 private:
  const bool terminal_;
  int shown_ = -1;  // per cent
  std::int64_t counted_ = 0;
  bool open_ = false;
};

}  // namespace limpid
