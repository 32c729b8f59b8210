// The progress of a training run or an evaluation on standard error: one line, rewritten in place on a terminal, a line for each tenth
// of the run elsewhere. Ends its line when it is destroyed. One thread.
#pragma once

#include <chrono>
#include <cstdint>
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
  // Of answers to a suite: `label` says whose.
  void answers(const std::string& label, std::size_t ended, std::size_t all);
  void end();  // of one run: the next one begins on a fresh line

 private:
  void draw(std::string line);  // in place on a terminal, else as a line

  const bool terminal_;
  int shown_ = -1;  // per cent
  std::int64_t counted_ = 0;
  std::string label_;  // of the answers that are being counted, and when the first of them ended
  std::chrono::steady_clock::time_point since_;
  std::size_t since_ended_ = 0;
  bool open_ = false;
};

}  // namespace limpid
