#include "app/rl_curve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "text/unicode.h"

namespace limpid {

namespace {

constexpr int kBar = 40;             // cells for an accuracy of 1
constexpr int kSamples = 3;          // shown at a time
constexpr std::size_t kLongest = 400;  // bytes of a reply that are shown

// For a terminal: one line, whole characters, no control characters.
std::string shown(const std::string& reply) {
  std::string out;
  std::string_view left = reply;
  while (!left.empty() && out.size() < kLongest) {
    const Utf8Step step = utf8_step(left);
    const bool control = step.size == 1 && (static_cast<unsigned char>(left[0]) < 0x20 || left[0] == 0x7F);
    if (control) out += ' ';
    else if (step.state == Utf8State::valid) out += left.substr(0, step.size);
    else out += "\xEF\xBF\xBD";
    left.remove_prefix(std::max<std::size_t>(step.size, 1));
  }
  return out + (left.empty() ? "" : " ...");
}

}  // namespace

RlCurve::RlCurve(std::int64_t steps) : steps_(steps), terminal_(::isatty(STDERR_FILENO) != 0) {}

void RlCurve::show_in(RlOptions& options) {
  options.progress = [this](const GrpoMetrics& metrics) { step(metrics); };
  options.sample = [this](std::int64_t after, const EvalProblem& problem, const EvalAnswer& answer) { sample(after, problem, answer); };
}

void RlCurve::step(const GrpoMetrics& m) const {
  const std::int64_t every = terminal_ ? 1 : std::max<std::int64_t>(1, steps_ / 10);
  if (m.step % every != 0 && m.step != 1 && m.step != steps_) return;
  const int cells = static_cast<int>(m.accuracy * kBar + 0.5);
  const std::string line = fmt::format("step {:4}/{}  accuracy {:5.1f}% {:<{}}  length {:5.1f}  reasons {:5.1f}%  entropy {:.3f}  {:.0f} tokens/s\n",
                                       m.step, steps_, 100 * m.accuracy, std::string(static_cast<std::size_t>(cells), '#'), kBar, m.tokens,
                                       100 * m.reasoned, m.entropy, static_cast<double>(m.rollout_tokens) / m.rollout_seconds);
  std::fputs(line.c_str(), stderr);
}

void RlCurve::sample(std::int64_t after, const EvalProblem& problem, const EvalAnswer& answer) {
  if (after != shown_after_) {
    shown_after_ = after;
    shown_ = 0;
  }
  if (shown_++ >= kSamples) return;
  const std::string line = fmt::format("  [after {}] {}\n    {}  ({})\n", after, shown(problem.sample.prompt), shown(answer.reply),
                                       answer.correct ? "right" : "wrong");
  std::fputs(line.c_str(), stderr);
}

}  // namespace limpid
