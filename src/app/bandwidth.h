// How fast this machine reads: memory, and the disk that models come from. Quick measurements (about a second together)
// for `doctor` and `bench`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace limpid {

// Bytes a second that `threads` threads read from memory together: the best of several passes over a buffer much larger
// than the caches. Throws Error(resources) when there is no memory for the buffer.
double memory_bandwidth(int threads, std::uint64_t available);

struct DiskSpeed {
  double bytes_per_second = 0;  // 0: not measured, `note` says why
  bool direct = false;          // past the page cache
  std::string note;
};

// Reads a large file below `folder`, or one that it writes there and deletes, past the page cache where the file system
// allows it.
DiskSpeed disk_read_speed(const std::filesystem::path& folder);

}  // namespace limpid
