#include "app/write_progress.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "app/format.h"
#include "app/printable.h"
#include "base/error.h"
#include "hub/files.h"

namespace limpid {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kWorthSaying = std::uint64_t{1} << 28;

// Bytes free where `out` is written; nothing for what takes no place on a disk (/dev/null).
std::optional<std::uint64_t> room_for(const std::string& out) {
  std::error_code error;
  const fs::file_status there = fs::status(out, error);
  if (fs::exists(there) && !fs::is_regular_file(there) && !fs::is_directory(there)) return std::nullopt;
  return free_disk(fs::is_directory(there) ? fs::path(out) : fs::absolute(out).parent_path());
}

}  // namespace

WriteProgress::WriteProgress(std::string verb, std::string out) : verb_(std::move(verb)), out_(std::move(out)) {}

void WriteProgress::begin(std::uint64_t total) {
  begun_ = true;
  total_ = total;
  const std::optional<std::uint64_t> room = room_for(out_);
  if (room && total > *room)
    fail(ErrorKind::resources, "{}: {} would be written, {} are free on its disk", out_, human_bytes(total),
         human_bytes(*room));
  if (total < kWorthSaying) return;
  std::fprintf(stderr, "%s: %s to write%s\n", visible(out_).c_str(), human_bytes(total).c_str(),
               room ? fmt::format(", {} free", human_bytes(*room)).c_str() : "");
  if (isatty(STDERR_FILENO) != 0) bar_ = std::make_unique<ProgressBar>(verb_, total);
}

void WriteProgress::operator()(std::uint64_t done, std::uint64_t total) {
  if (!begun_) begin(total);
  if (interrupts_.requested()) {
    bar_.reset();
    fail(ErrorKind::cancelled, "{}: stopped after {} of {}; nothing is left of it", out_, human_bytes(done),
         human_bytes(total));
  }
  if (bar_ != nullptr) bar_->add(static_cast<std::int64_t>(done) - static_cast<std::int64_t>(bar_->done()));
}

}  // namespace limpid
