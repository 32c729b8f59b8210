#include "app/train_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "app/format.h"
#include "app/product_speed.h"
#include "app/terminal.h"

namespace limpid {

TrainLine::TrainLine() : terminal_(::isatty(STDERR_FILENO) != 0) {}

TrainLine::~TrainLine() { end(); }

void TrainLine::end() {
  if (open_) std::fputc('\n', stderr);
  open_ = false;
  shown_ = -1;
  counted_ = 0;
  label_.clear();
}

LoopOptions TrainLine::options(const Context& context, const std::string& out, bool resume) {
  LoopOptions options;
  options.out = out;
  options.resume = resume;
  options.threads = context.threads();
  options.kernels = &context.kernels();
  options.peak_flops = measure_product_speed(context.kernels(), options.threads);
  show_in(options);
  return options;
}

void TrainLine::show_in(LoopOptions& options) {
  options.progress = [this](const Progress& progress) { show(progress); };
  options.say = [this](const std::string& line) { say(line); };
}

void TrainLine::say(const std::string& line) {
  std::fprintf(stderr, "%s%s\n", open_ ? "\n" : "", line.c_str());
  open_ = false;
}

void TrainLine::draw(std::string line) {
  if (terminal_) line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(20, window_size().columns - 1))));
  std::fprintf(stderr, terminal_ ? "\r%s\x1b[K" : "%s\n", line.c_str());
  std::fflush(stderr);
  open_ = terminal_;
}

void TrainLine::show(const Progress& p) {
  const int percent = static_cast<int>(100 * p.done);
  if (!terminal_ && percent / 10 == shown_ / 10 && shown_ >= 0) return;
  shown_ = percent;
  std::string line =
      fmt::format("step {}  {:3}%  loss {:.4f}  {:.0f} tokens/s", p.step, percent, p.result.loss, p.tokens_per_second);
  if (p.result.mtp_loss > 0) line += fmt::format("  mtp {:.4f}", p.result.mtp_loss);
  if (p.result.violation > 0) line += fmt::format("  MaxVio {:.2f}", p.result.violation);
  if (p.peak_share > 0) line += fmt::format("  {:.0f}% of bf16 peak", 100 * p.peak_share);
  line += fmt::format("  {} left", human_time(p.seconds_left));
  draw(std::move(line));
}

void TrainLine::count(const TraceCounts& c) {
  if (!terminal_ && c.problems < 2 * counted_) return;
  counted_ = c.problems;
  std::string line = fmt::format("{} problems, {} answers: {} right, {} of {} that think in one language, {} kept",
                                 c.problems, c.answers, c.correct, c.one_language, c.reasoned, c.kept);
  draw(std::move(line));
}

void TrainLine::answers(const std::string& label, std::size_t ended, std::size_t all) {
  const auto now = std::chrono::steady_clock::now();
  if (label != label_) {
    end();
    label_ = label;
    since_ = now;
    since_ended_ = ended;
  }
  const int percent = all == 0 ? 100 : static_cast<int>(100 * ended / all);
  if (!terminal_ && percent / 10 == shown_ / 10 && shown_ >= 0) return;
  if (terminal_ && percent == shown_ && ended != all) return;
  shown_ = percent;
  std::string line = fmt::format("{}  {} of {} answers  {:3}%", label, ended, all, percent);
  const double seconds = std::chrono::duration<double>(now - since_).count();
  if (ended > since_ended_ && ended < all)
    line += fmt::format("  {} left", human_time(seconds * static_cast<double>(all - ended) /
                                                static_cast<double>(ended - since_ended_)));
  draw(std::move(line));
}

}  // namespace limpid
