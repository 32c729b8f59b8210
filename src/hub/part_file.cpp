#include "hub/part_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/json.h"

namespace limpid {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr std::uint64_t kMaxPieces = 1 << 16;
constexpr std::size_t kStateBytes = 4 << 20;

struct State {
  std::uint64_t piece = 0;
  std::vector<std::uint64_t> done;
};

fs::path beside(const fs::path& target, const char* ending) { return target.string() + ending; }

std::uint64_t piece_length(std::uint64_t size, std::uint64_t piece, std::size_t index) {
  return std::min(piece, size - index * piece);
}

std::optional<State> read_state(const fs::path& target, std::uint64_t size, const std::string& identity) {
  std::error_code error;
  if (!fs::exists(beside(target, ".part.json"), error) || fs::file_size(beside(target, ".part"), error) != size ||
      error)
    return std::nullopt;
  try {
    const Json json = read_json(beside(target, ".part.json").string(), {.bytes = kStateBytes});
    State state;
    state.piece = json.at("piece").get<std::uint64_t>();
    state.done = json.at("done").get<std::vector<std::uint64_t>>();
    if (json.at("size").get<std::uint64_t>() != size || json.at("identity").get<std::string>() != identity ||
        identity.empty())
      return std::nullopt;
    if (state.piece == 0 || state.done.size() > kMaxPieces ||
        state.done.size() != (size + state.piece - 1) / state.piece)
      return std::nullopt;
    for (std::size_t i = 0; i < state.done.size(); ++i)
      if (state.done[i] > piece_length(size, state.piece, i)) return std::nullopt;
    return state;
  } catch (const std::exception&) {  // a state that cannot be read is no state
    return std::nullopt;
  }
}

[[noreturn]] void fail_write(const fs::path& path, std::uint64_t size) {
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
    fail(ErrorKind::resources, "{}: no room for {} bytes: {}", path.string(), size,
         std::error_code(errno, std::generic_category()).message());
  fail_errno("write", path.string());
}

}  // namespace

PartFile::PartFile(fs::path target, std::uint64_t size, std::string identity, std::uint64_t piece)
    : target_(std::move(target)),
      data_(beside(target_, ".part")),
      state_(beside(target_, ".part.json")),
      size_(size),
      piece_size_(piece),
      identity_(std::move(identity)) {
  const bool resumed = load();
  fd_ = open(data_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | (resumed ? 0 : O_TRUNC), 0644);
  if (fd_ < 0) fail_errno("create", data_.string());
  if (resumed) return;
  reset(std::max(piece, (size + kMaxPieces - 1) / kMaxPieces));
  try {
    if (size > 0 && fallocate(fd_, 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
      fail_write(data_, size);
    if (ftruncate(fd_, static_cast<off_t>(size)) != 0) fail_write(data_, size);
    save();
  } catch (...) {
    close(fd_);
    fd_ = -1;
    std::error_code error;
    fs::remove(data_, error);  // nothing is in it yet: give its space back
    fs::remove(state_, error);
    throw;
  }
}

PartFile::~PartFile() {
  if (fd_ >= 0) close(fd_);
}

bool PartFile::load() {
  std::optional<State> state = read_state(target_, size_, identity_);
  if (!state) return false;
  piece_size_ = state->piece;
  done_ = std::move(state->done);
  return true;
}

void PartFile::reset(std::uint64_t piece) {
  piece_size_ = std::max<std::uint64_t>(piece, 1);
  done_.assign((size_ + piece_size_ - 1) / piece_size_, 0);
}

std::uint64_t PartFile::length(std::size_t piece) const { return piece_length(size_, piece_size_, piece); }

std::uint64_t PartFile::done(std::size_t piece) const {
  const std::lock_guard lock(mutex_);
  return done_[piece];
}

std::uint64_t PartFile::done() const {
  const std::lock_guard lock(mutex_);
  return std::accumulate(done_.begin(), done_.end(), std::uint64_t{0});
}

void PartFile::append(std::size_t piece, std::span<const std::byte> bytes) {
  const std::uint64_t at = begin(piece) + done(piece);  // only the piece's own thread changes done_[piece]
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t n = pwrite(fd_, bytes.data() + written, bytes.size() - written, static_cast<off_t>(at + written));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write(data_, size_);
    written += static_cast<std::size_t>(n);
  }
  const std::lock_guard lock(mutex_);
  done_[piece] += bytes.size();
}

void PartFile::restart(std::size_t piece) {
  const std::lock_guard lock(mutex_);
  done_[piece] = 0;
}

void PartFile::save() {
  Json json;
  {
    const std::lock_guard lock(mutex_);
    json["done"] = done_;
  }
  json["size"] = size_;
  json["identity"] = identity_;
  json["piece"] = piece_size_;
  if (fdatasync(fd_) != 0) fail_errno("sync", data_.string());
  AtomicFile file(state_.string());
  file.write(json.dump() + "\n");
  file.commit();
}

void PartFile::merge() {
  const std::lock_guard lock(mutex_);
  reset(size_);
}

void PartFile::finish() {
  if (fdatasync(fd_) != 0) fail_errno("sync", data_.string());
  if (rename(data_.c_str(), target_.c_str()) != 0) fail_errno("rename to", target_.string());
  std::error_code error;
  fs::remove(state_, error);
}

void PartFile::discard() {
  std::error_code error;
  fs::remove(state_, error);
  fs::remove(data_, error);
}

std::uint64_t disk_still_needed(const fs::path& target, std::uint64_t size) {
  struct stat info {};
  if (stat(beside(target, ".part").c_str(), &info) != 0) return size;
  const std::uint64_t taken = static_cast<std::uint64_t>(info.st_blocks) * 512;
  return size > taken ? size - taken : 0;
}

std::uint64_t bytes_left_by_earlier(const fs::path& target, std::uint64_t size, const std::string& identity) {
  const std::optional<State> state = read_state(target, size, identity);
  return state ? std::accumulate(state->done.begin(), state->done.end(), std::uint64_t{0}) : 0;
}

}  // namespace limpid
