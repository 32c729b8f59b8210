// A file on its way: TARGET.part holds the bytes, TARGET.part.json says which of them are there. The file is cut into
// pieces that are fetched independently; of each piece a number of leading bytes is there. The state is written after
// the data that it speaks of is on the disk, so that it never promises bytes that a crash has lost. Any thread may
// write and advance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace limpid {

class PartFile {
 public:
  // Goes on where an earlier attempt stopped if that was after the same content (`identity`: a hash or an ETag, and the
  // size); starts over if not. Takes the disk space of the whole file at once where the file system can:
  // Error(resources) when there is not enough.
  PartFile(std::filesystem::path target, std::uint64_t size, std::string identity, std::uint64_t piece);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  std::size_t pieces() const { return done_.size(); }
  std::uint64_t begin(std::size_t piece) const { return piece * piece_size_; }
  std::uint64_t length(std::size_t piece) const;  // of the whole piece
  std::uint64_t done(std::size_t piece) const;
  std::uint64_t done() const;

  // Writes at begin(piece) + done(piece) and advances. Error(resources) when the disk is full.
  void append(std::size_t piece, std::span<const std::byte> bytes);
  void restart(std::size_t piece);
  void save();

  // One piece from now on, nothing done: for a server that sends whole files only.
  void merge();

  std::filesystem::path data_path() const { return data_; }
  void finish();   // renames to the target; every byte must be there
  void discard();  // removes data and state

 private:
  bool load();
  void reset(std::uint64_t piece);

  std::filesystem::path target_, data_, state_;
  std::uint64_t size_, piece_size_;
  std::string identity_;
  int fd_ = -1;
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> done_;
};

// Bytes of disk that finishing this download will still take: its size less what an earlier attempt took already.
std::uint64_t disk_still_needed(const std::filesystem::path& target, std::uint64_t size);

// Bytes that an earlier attempt left; 0 if it was after other content.
std::uint64_t bytes_left_by_earlier(const std::filesystem::path& target, std::uint64_t size,
                                    const std::string& identity);

}  // namespace limpid
