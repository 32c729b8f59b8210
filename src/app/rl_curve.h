// The curve of a reinforcement run as it grows, on standard error: a line for a step with a bar for accuracy, and samples
// of the thinking between. On a terminal every step, elsewhere every tenth of the run.
#pragma once

#include <cstdint>

#include "train/rl_loop.h"

namespace limpid {

class RlCurve {
 public:
  explicit RlCurve(std::int64_t steps);
  void show_in(RlOptions& options);  // which must not outlive it

 private:
  void step(const GrpoMetrics& metrics) const;
  void sample(std::int64_t after, const EvalProblem& problem, const EvalAnswer& answer);

  const std::int64_t steps_;
  const bool terminal_;
  std::int64_t shown_after_ = -1;
  int shown_ = 0;
};

}  // namespace limpid
