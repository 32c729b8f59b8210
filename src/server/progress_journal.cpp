#include "server/progress_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace limpid {

namespace {

constexpr char kMagic[8] = {'l', 'i', 'm', 'p', 'i', 'd', 'p', '1'};
constexpr std::size_t kHeaderBytes = 64;

}  // namespace

struct ProgressJournal::Header {
  char magic[8];
  char database[40];  // its id, filled with NUL
};

// A cache line. `completion` is the last to be written, with release; a kill between two stores leaves the state
// before. The two parts of a prompt are known before the first token and never change afterwards.
struct ProgressJournal::Slot {
  std::atomic<std::int64_t> request;  // 0: free
  std::atomic<std::int64_t> cached, prompt, completion;
  std::byte rest[32];
};

ProgressJournal::ProgressJournal(std::string path, const std::string& database, int slots)
    : path_(std::move(path)), slots_(slots) {
  static_assert(sizeof(Slot) == 64 && sizeof(Header) <= kHeaderBytes);
  static_assert(std::atomic<std::int64_t>::is_always_lock_free);
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) fail_errno("open the journal of progress", path_);
  try {
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) fail_errno("lock the journal of progress", path_);
      fail(ErrorKind::resources, "{}: another limpid serves this database already", path_);
    }
    struct stat facts {};
    if (fstat(fd_, &facts) != 0) fail_errno("look at the journal of progress", path_);
    // A file left by one with more slots is read whole.
    slots_ = std::max(slots_, static_cast<int>((facts.st_size - static_cast<off_t>(kHeaderBytes)) /
                                               static_cast<off_t>(sizeof(Slot))));
    bytes_ = kHeaderBytes + static_cast<std::size_t>(slots_) * sizeof(Slot);
    // Room on the disk now, or a full disk would be a SIGBUS later.
    if (const int error = posix_fallocate(fd_, 0, static_cast<off_t>(bytes_)); error != 0) {
      errno = error;
      if (error == ENOSPC) fail(ErrorKind::resources, "{}: the disk has no room for {} bytes", path_, bytes_);
      fail_errno("make room for the journal of progress", path_);
    }
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) fail_errno("map the journal of progress", path_);
    memory_ = static_cast<std::byte*>(memory);
  } catch (...) {
    close(fd_);
    throw;
  }
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::memcpy(header.database, database.data(), std::min(database.size(), sizeof header.database));
  if (std::memcmp(memory_, &header, sizeof header) == 0) {
    for (int i = 0; i < slots_; ++i)
      if (const std::int64_t request = slot(i).request.load(std::memory_order_acquire); request != 0)
        left_over_[request] = {slot(i).cached.load(), slot(i).prompt.load(), slot(i).completion.load()};
  } else {
    std::memset(memory_ + kHeaderBytes, 0, bytes_ - kHeaderBytes);
    std::memcpy(memory_, &header, sizeof header);
  }
  for (int i = slots_ - 1; i >= 0; --i)
    if (slot(i).request.load() == 0) free_.push_back(i);
}

ProgressJournal::~ProgressJournal() {
  munmap(memory_, bytes_);
  close(fd_);
}

ProgressJournal::Slot& ProgressJournal::slot(int index) const {
  return *reinterpret_cast<Slot*>(memory_ + kHeaderBytes + static_cast<std::size_t>(index) * sizeof(Slot));
}

std::optional<Consumption> ProgressJournal::left_over(std::int64_t request) const {
  const auto found = left_over_.find(request);
  return found == left_over_.end() ? std::nullopt : std::optional(found->second);
}

void ProgressJournal::clear() {
  const std::lock_guard lock(mutex_);
  left_over_.clear();
  free_.clear();
  for (int i = slots_ - 1; i >= 0; --i) {
    slot(i).request.store(0, std::memory_order_release);
    free_.push_back(i);
  }
}

int ProgressJournal::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return -1;
  const int index = free_.back();
  free_.pop_back();
  return index;
}

void ProgressJournal::begin(int index, std::int64_t request) noexcept {
  Slot& at = slot(index);
  at.cached.store(0, std::memory_order_relaxed);
  at.prompt.store(0, std::memory_order_relaxed);
  at.completion.store(0, std::memory_order_relaxed);
  at.request.store(request, std::memory_order_release);
}

void ProgressJournal::write(int index, const Consumption& consumption) noexcept {
  Slot& at = slot(index);
  at.cached.store(consumption.cached_tokens, std::memory_order_relaxed);
  at.prompt.store(consumption.prompt_tokens, std::memory_order_release);
  at.completion.store(consumption.completion_tokens, std::memory_order_release);
}

void ProgressJournal::give_back(int index) {
  slot(index).request.store(0, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  free_.push_back(index);
}

}  // namespace limpid
