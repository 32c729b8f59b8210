#include "app/bandwidth.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/memory.h"
#include "base/philox.h"
#include "base/thread_team.h"
#include "hub/files.h"

namespace limpid {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr int kPasses = 5;
constexpr std::uint64_t kLargestBuffer =
    1024 * kMiB;  // a virtual machine may see a cache of half a gigabyte that it shares
constexpr std::size_t kBlock = kMiB;
constexpr std::size_t kProbe = 128 * kMiB;  // what the disk test reads
constexpr int kReaders = 4;                 // requests in flight: an SSD needs several for its full speed
constexpr std::chrono::milliseconds kLongest{1500};

// Reads every byte; the sum keeps the compiler from leaving it out.
std::uint64_t read_all(const std::byte* data, std::size_t size) {
#if defined(__x86_64__)
  __m128i sums[8] = {};
  for (std::size_t i = 0; i + 128 <= size; i += 128)
    for (int j = 0; j < 8; ++j)
      sums[j] = _mm_xor_si128(sums[j], _mm_load_si128(reinterpret_cast<const __m128i*>(data + i) + j));
  __m128i sum = sums[0];
  for (int j = 1; j < 8; ++j) sum = _mm_xor_si128(sum, sums[j]);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(sum));
#else
  std::uint64_t sums[8] = {};
  const auto* words = reinterpret_cast<const std::uint64_t*>(data);
  for (std::size_t i = 0; i + 8 <= size / 8; i += 8)
    for (int j = 0; j < 8; ++j) sums[j] ^= words[i + static_cast<std::size_t>(j)];
  return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
#endif
}

class File {
 public:
  File(const fs::path& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct FreeAligned {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedBlock = std::unique_ptr<std::byte, FreeAligned>;

AlignedBlock block_memory() { return AlignedBlock(static_cast<std::byte*>(std::aligned_alloc(4096, kBlock))); }

// A file of at least kProbe bytes below the folder; "" when there is none.
fs::path large_file(const fs::path& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
       !error && it != end; it.increment(error))
    if (it->is_regular_file(error) && it->file_size(error) >= kProbe) return it->path();
  return {};
}

// A test file without a name: whatever happens, it is gone with the process. Random bytes, so that no file system
// compresses them away. Returns its descriptor, or -1.
int write_probe(const fs::path& folder) {
  const fs::path path = folder / fmt::format(".limpid-probe-{}", getpid());
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  unlink(path.c_str());
  const AlignedBlock block = block_memory();
  bool good = true;
  for (std::size_t at = 0; good && at < kProbe; at += kBlock) {
    auto* words = reinterpret_cast<PhiloxBlock*>(block.get());
    for (std::size_t i = 0; i < kBlock / sizeof(PhiloxBlock); ++i)
      words[i] = philox(at, {static_cast<std::uint32_t>(i), 0, 0, 0});
    good = write(fd, block.get(), kBlock) == static_cast<ssize_t>(kBlock);
  }
  if (good && fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0) return fd;
  close(fd);
  return -1;
}

DiskSpeed time_reads(const fs::path& path) {
  DiskSpeed speed;
  File direct(path, O_RDONLY | O_DIRECT);
  File cached(path, O_RDONLY);
  speed.direct = direct.get() >= 0;
  const int fd = speed.direct ? direct.get() : cached.get();
  if (fd < 0) return {0, false, "no file could be opened"};
  if (!speed.direct) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint64_t> done{0};
  std::atomic<bool> failed{false};
  const Clock::time_point start = Clock::now();
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      const AlignedBlock block = block_memory();
      for (std::size_t at; (at = next.fetch_add(kBlock)) < kProbe && Clock::now() - start < kLongest;) {
        const ssize_t n = pread(fd, block.get(), kBlock, static_cast<off_t>(at));
        if (n <= 0) failed = true;
        if (n > 0) done += static_cast<std::uint64_t>(n);
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (failed) return {0, speed.direct, "a read failed"};
  speed.bytes_per_second = static_cast<double>(done.load()) / seconds;
  if (!speed.direct) speed.note = "this file system has no direct reads: part of it may have come from memory";
  return speed;
}

}  // namespace

double memory_bandwidth(int threads, std::uint64_t available) {
  const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  std::uint64_t size = std::max<std::uint64_t>(512 * kMiB, cache > 0 ? 4 * static_cast<std::uint64_t>(cache) : 0);
  size = std::min(size, kLargestBuffer);
  size = std::max<std::uint64_t>(std::min(size, available / 4), 16 * kMiB);
  const std::size_t share = size / static_cast<std::size_t>(threads) / 4096 * 4096;
  const HugeBuffer buffer(share * static_cast<std::size_t>(threads));
  ThreadTeam team(threads);
  std::atomic<std::uint64_t> sink{0};
  double best = 0;
  team.run(
      [&](int thread) { std::fill_n(buffer.data() + share * static_cast<std::size_t>(thread), share, std::byte{1}); });
  for (int pass = 0; pass < kPasses; ++pass) {
    const Clock::time_point start = Clock::now();
    team.run([&](int thread) { sink += read_all(buffer.data() + share * static_cast<std::size_t>(thread), share); });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, static_cast<double>(share) * threads / seconds);
  }
  return best;
}

DiskSpeed disk_read_speed(const fs::path& folder) {
  fs::path place = folder;
  std::error_code error;
  while (!fs::is_directory(place, error) && place.has_relative_path()) place = place.parent_path();
  if (const fs::path file = large_file(folder); !file.empty()) return time_reads(file);
  if (free_disk(place) < 16 * kProbe) return {0, false, "too little room to write a test file"};
  const int probe = write_probe(place);
  if (probe < 0) return {0, false, "no test file could be written in " + place.string()};
  const DiskSpeed speed = time_reads(fmt::format("/proc/self/fd/{}", probe));
  close(probe);
  return speed;
}

}  // namespace limpid
