// A progress bar on standard error with the rate and the time left, on a terminal; elsewhere nothing but its closing
// line.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

namespace limpid {

class ProgressBar {
 public:
  ProgressBar(std::string label, std::uint64_t total);
  ~ProgressBar();  // leaves the cursor at the start of a fresh line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void add(std::int64_t bytes);            // may be negative: thrown away
  void add_existing(std::uint64_t bytes);  // done, but not by now: it does not count into the rate
  void expect_more(std::uint64_t bytes) { total_ += bytes; }
  void relabel(std::string label);
  void say(const std::string& line);  // above the bar
  std::uint64_t done() const { return done_; }
  double seconds() const;
  std::uint64_t arrived() const { return done_ - std::min(existing_, done_); }

 private:
  void draw();

  using Clock = std::chrono::steady_clock;
  std::string label_;
  std::uint64_t total_;
  std::uint64_t done_ = 0, existing_ = 0;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_{}, rated_ = Clock::now();
  std::uint64_t rated_done_ = 0;
  double rate_ = 0;  // bytes a second, smoothed over a few seconds
  const bool terminal_;
  bool shown_ = false;
};

}  // namespace limpid
