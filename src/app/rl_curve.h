// The curve of a reinforcement run as it grows, on standard error: accuracy, length and share of reasoning, and samples
// of the thinking before, between and after. On a terminal three panels that are drawn anew in place after each step,
// with the samples above them; elsewhere, or where the window is small, a line for each tenth of the run. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/style.h"
#include "train/rl_loop.h"

namespace limpid {

class RlCurve {
 public:
  // peak_flops: what the machine can do, for the share of it that is used; 0: not known.
  explicit RlCurve(std::int64_t steps, double peak_flops = 0);
  ~RlCurve();
  RlCurve(const RlCurve&) = delete;
  RlCurve& operator=(const RlCurve&) = delete;

  void show_in(RlOptions& options);  // which must not outlive it
  void begin(std::int64_t steps);    // another run

 private:
  struct Point {
    std::int64_t step;
    double accuracy, tokens, reasoned;
  };
  void step(const GrpoMetrics& metrics);
  void sample(std::int64_t after, const EvalProblem& problem, const EvalAnswer& answer);
  void line(const GrpoMetrics& metrics) const;
  void draw(const GrpoMetrics& metrics);
  void erase();
  std::string panels(int columns) const;

  std::int64_t steps_;
  const double peak_flops_;
  const Style style_;
  std::vector<Point> points_;
  int drawn_ = 0;  // lines of the panels that stand on the screen
  std::int64_t shown_after_ = -1;
  int shown_ = 0;
};

// Loss, tokens a second written and learned from, share of the peak, time left. Exposed for tests.
std::string progress_text(const GrpoMetrics& metrics, double peak_flops, std::int64_t steps);

// One panel of such a chart: `rows` lines of `columns` cells, each an eighth block high or more; values[i] belongs to
// the i-th of `all` steps and NaN leaves its place free. Exposed for tests.
std::vector<std::string> bar_panel(const std::vector<double>& values, std::size_t all, double top, int rows,
                                   int columns);

}  // namespace limpid
