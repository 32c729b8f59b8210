#include "app/rl_curve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/format.h"
#include "app/printable.h"
#include "app/terminal.h"
#include "text/unicode.h"
#include "train/verifier.h"

namespace limpid {

namespace {

constexpr int kBar = 40;                   // cells for an accuracy of 1, in lines
constexpr int kSamples = 3;                // shown at a time
constexpr std::size_t kLongestPart = 400;  // bytes of a part of a reply that are shown
constexpr int kPanelRows = 6, kLabel = 5, kGap = 2;
constexpr int kLeastColumns = 60, kLeastRows = 16;  // of a window that has room for panels

// For a terminal: one line, whole characters, no control characters.
std::string shown(std::string_view left) {
  std::string out;
  while (!left.empty() && out.size() < kLongestPart) {
    const Utf8Step step = utf8_step(left);
    const bool control =
        printable(left.substr(0, std::max<std::size_t>(step.size, 1))).empty() || left[0] == '\n' || left[0] == '\t';
    if (control)
      out += ' ';
    else if (step.state == Utf8State::valid)
      out += left.substr(0, step.size);
    else
      out += "\xEF\xBF\xBD";
    left.remove_prefix(std::max<std::size_t>(step.size, 1));
  }
  return out + (left.empty() ? "" : " ...");
}

// A number above `most` that reads well on an axis.
double axis_top(double most) {
  for (double top = 10;; top *= 2)
    if (most <= top) return top;
}

}  // namespace

std::vector<std::string> bar_panel(const std::vector<double>& values, std::size_t all, double top, int rows,
                                   int columns) {
  static constexpr std::string_view kBlocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::vector<std::string> lines(static_cast<std::size_t>(rows));
  const auto width = static_cast<std::size_t>(columns);
  for (std::size_t c = 0; c < width; ++c) {
    // The steps of this cell: at least one, so that few steps make broad bars.
    const std::size_t from = c * all / width, to = std::max(from + 1, (c + 1) * all / width);
    double sum = 0;
    int n = 0;
    for (std::size_t i = from; i < std::min(to, values.size()); ++i)
      if (!std::isnan(values[i])) sum += values[i], ++n;
    const int eighths = n == 0 ? 0 : std::max(1, static_cast<int>(std::lround(sum / n / top * 8 * rows)));
    for (int r = 0; r < rows; ++r)
      lines[static_cast<std::size_t>(r)] += kBlocks[std::clamp(eighths - 8 * (rows - 1 - r), 0, 8)];
  }
  return lines;
}

std::string progress_text(const GrpoMetrics& m, double peak_flops, std::int64_t steps) {
  const double seconds = m.rollout_seconds + m.train_seconds;
  std::string text = fmt::format("loss {:.4f}  writes {:.0f}, learns {:.0f} tokens/s", m.loss,
                                 static_cast<double>(m.rollout_tokens) / m.rollout_seconds,
                                 static_cast<double>(m.trained_rows) / m.train_seconds);
  if (peak_flops > 0) text += fmt::format("  {:.1f}% of bf16 peak", 100 * m.flops / seconds / peak_flops);
  return text + fmt::format("  {} left", human_time(seconds * static_cast<double>(steps - m.step)));
}

RlCurve::RlCurve(std::int64_t steps, double peak_flops)
    : steps_(steps), peak_flops_(peak_flops), style_(STDERR_FILENO) {}

RlCurve::~RlCurve() = default;

void RlCurve::show_in(RlOptions& options) {
  options.progress = [this](const GrpoMetrics& metrics) { step(metrics); };
  options.sample = [this](std::int64_t after, const EvalProblem& problem, const EvalAnswer& answer) {
    sample(after, problem, answer);
  };
}

void RlCurve::begin(std::int64_t steps) {
  steps_ = steps;
  points_.clear();
  drawn_ = 0;
  shown_after_ = -1;
}

void RlCurve::step(const GrpoMetrics& m) {
  points_.push_back({m.step, m.accuracy, m.tokens, m.reasoned});
  const WindowSize window = style_.terminal() ? window_size() : WindowSize{0, 0};
  if (window.columns < kLeastColumns || window.rows < kLeastRows) return line(m);
  draw(m);
}

void RlCurve::line(const GrpoMetrics& m) const {
  const std::int64_t every = std::max<std::int64_t>(1, steps_ / 10);
  if (m.step % every != 0 && m.step != 1 && m.step != steps_) return;
  const int cells = static_cast<int>(m.accuracy * kBar + 0.5);
  const std::string text =
      fmt::format("step {:4}/{}  accuracy {:5.1f}% {:<{}}  length {:5.1f}  reasons {:5.1f}%  entropy {:.3f}  {}\n",
                  m.step, steps_, 100 * m.accuracy, std::string(static_cast<std::size_t>(cells), '#'), kBar, m.tokens,
                  100 * m.reasoned, m.entropy, progress_text(m, peak_flops_, steps_));
  std::fputs(text.c_str(), stderr);
}

void RlCurve::erase() {
  if (drawn_ > 0) fmt::print(stderr, "\x1b[{}A\r\x1b[J", drawn_);
  drawn_ = 0;
}

std::string RlCurve::panels(int columns) const {
  const int width = std::min(60, (columns - 1 - 3 * kLabel - 2 * kGap) / 3);
  const auto all = static_cast<std::size_t>(steps_);
  std::vector<double> accuracy(all, NAN), tokens(all, NAN), reasoned(all, NAN);
  double longest = 0;
  for (const Point& p : points_) {
    const auto i = static_cast<std::size_t>(p.step - 1);
    accuracy[i] = p.accuracy;
    tokens[i] = p.tokens;
    reasoned[i] = p.reasoned;
    longest = std::max(longest, p.tokens);
  }
  const struct {
    const char* title;
    const std::vector<double>& values;
    double top, shown;
  } all_panels[] = {{"accuracy, %", accuracy, 1, 100},
                    {"length, tokens", tokens, axis_top(longest), axis_top(longest)},
                    {"answers that reason, %", reasoned, 1, 100}};
  std::vector<std::string> lines(kPanelRows + 1);
  for (std::size_t p = 0; p < 3; ++p) {
    const auto& panel = all_panels[p];
    const std::string gap(p == 0 ? 0 : kGap, ' ');
    lines[0] += fmt::format("{}{:{}}{:<{}}", gap, "", kLabel,
                            std::string_view(panel.title).substr(0, static_cast<std::size_t>(width)), width);
    const std::vector<std::string> bars = bar_panel(panel.values, all, panel.top, kPanelRows, width);
    for (int r = 0; r < kPanelRows; ++r) {
      const std::string label = r == 0 ? fmt::format("{:.0f}", panel.shown) : r == kPanelRows - 1 ? "0" : "";
      lines[static_cast<std::size_t>(r) + 1] +=
          fmt::format("{}{:>{}} {}", gap, label, kLabel - 1, bars[static_cast<std::size_t>(r)]);
    }
  }
  std::string out;
  for (const std::string& text : lines) out += text + "\n";
  return out;
}

void RlCurve::draw(const GrpoMetrics& m) {
  const int columns = window_size().columns;
  erase();
  std::string status =
      fmt::format("step {}/{}  right {:.1f}%  {}  {:.1f} tokens  reasons {:.1f}%  entropy {:.3f}", m.step, steps_,
                  100 * m.accuracy, progress_text(m, peak_flops_, steps_), m.tokens, 100 * m.reasoned, m.entropy);
  status.resize(std::min(status.size(), static_cast<std::size_t>(columns - 1)));
  std::fputs((panels(columns) + status + "\n").c_str(), stderr);
  std::fflush(stderr);
  drawn_ = m.step == steps_ ? 0 : kPanelRows + 2;  // the last stays on the screen
}

void RlCurve::sample(std::int64_t after, const EvalProblem& problem, const EvalAnswer& answer) {
  if (after != shown_after_) {
    shown_after_ = after;
    shown_ = 0;
    erase();
    const std::string when = after == 0 ? "before" : after >= steps_ ? "after" : fmt::format("after step {}", after);
    fmt::print(stderr, "{}\n", style_.bold(when));
  }
  if (shown_++ >= kSamples) return;
  const ReplyParts parts = take_apart(answer.reply);
  const std::string thinking =
      parts.thinking.empty() ? "" : style_.dim(shown(parts.thinking)) + (parts.answer.empty() ? "" : " -> ");
  const std::string text =
      fmt::format("  {}\n    {}{}  ({}{})\n", shown(problem.sample.prompt), thinking, shown(parts.answer),
                  answer.correct ? "right" : "wrong", parts.thinking.empty() ? ", answered at once" : "");
  std::fputs(text.c_str(), stderr);
}

}  // namespace limpid
