#include "app/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/format.h"
#include "base/error.h"

namespace limpid {

namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr double kRateSeconds = 5;  // the window that the rate is smoothed over

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

ProgressBar::ProgressBar(std::string label, std::uint64_t total)
    : label_(std::move(label)), total_(total), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (!shown_) return;
  drawn_ = {};
  draw();
  std::fputc('\n', stderr);
}

double ProgressBar::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

void ProgressBar::add(std::int64_t bytes) {
  const auto done = static_cast<std::int64_t>(done_) + bytes;
  done_ = done > 0 ? static_cast<std::uint64_t>(done) : 0;
  if (bytes < 0) rated_done_ = std::min(rated_done_, done_);
  draw();
}

void ProgressBar::add_existing(std::uint64_t bytes) {
  done_ += bytes;
  existing_ += bytes;
  rated_done_ += bytes;
  draw();
}

void ProgressBar::relabel(std::string label) {
  label_ = std::move(label);
  drawn_ = {};
  draw();
}

void ProgressBar::say(const std::string& line) {
  if (terminal_ && shown_) std::fputs("\r\x1b[K", stderr);
  std::fprintf(stderr, "%s\n", line.c_str());
  drawn_ = {};
  if (shown_) draw();
}

void ProgressBar::draw() {
  const Clock::time_point now = Clock::now();
  if (!terminal_ || now - drawn_ < kRedraw) return;
  const double span = std::chrono::duration<double>(now - rated_).count();
  if (span >= 0.25) {
    const double fresh = static_cast<double>(done_ - std::min(rated_done_, done_)) / span;
    const double weight = rate_ == 0 ? 1 : 1 - std::exp(-span / kRateSeconds);
    rate_ += (fresh - rate_) * weight;
    rated_ = now;
    rated_done_ = done_;
  }
  drawn_ = now;
  shown_ = true;
  const double part = total_ == 0 ? 1 : std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  std::string tail = fmt::format(" {:3.0f} %  {} of {}", part * 100, human_bytes(done_), human_bytes(total_));
  if (rate_ > 0) tail += fmt::format("  {}/s", human_bytes(static_cast<std::uint64_t>(rate_)));
  if (rate_ > 0 && done_ < total_)
    tail += fmt::format("  {} left", human_time(static_cast<double>(total_ - done_) / rate_));
  const int width = terminal_width() - 1;
  const int room = width - static_cast<int>(tail.size()) - static_cast<int>(label_.size()) - 3;
  std::string bar;
  if (room >= 8) {
    const int cells = std::min(room, 40), full = static_cast<int>(part * cells);
    bar = "[" + std::string(static_cast<std::size_t>(full), '=') +
          std::string(static_cast<std::size_t>(cells - full), ' ') + "]";
  }
  std::string line = label_ + " " + bar + tail;
  line.resize(std::min(line.size(), static_cast<std::size_t>(width)));
  std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
  std::fflush(stderr);
}

}  // namespace limpid
