// Byte-pair encoding: the merge table and the merging of one piece's symbols. Always the pair of lowest rank first, of
// equal ranks the leftmost. Short pieces are merged in a small array, long ones (a megabyte of one letter) with a heap
// over a linked list, O(n log n); both give the same result. Immutable once filled; merging is safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace limpid {

using TokenId = std::int32_t;

class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    TokenId id;  // of the joined token
  };
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFF;

  // Room for this many merges.
  void reserve(std::size_t merges);
  // The last one added for a pair counts. rank < kNoRank.
  void add(TokenId left, TokenId right, std::uint32_t rank, TokenId joined);
  std::size_t size() const { return size_; }

  // rank == kNoRank when the pair does not merge.
  Merge find(TokenId left, TokenId right) const {
    if (slots_.empty()) return {kNoRank, 0};
    for (std::size_t i = hash(left, right) & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.left == left && slot.right == right) return {slot.rank, slot.id};
      if (slot.rank == kNoRank) return {kNoRank, 0};
    }
  }

 private:
  struct Slot {
    TokenId left = -1, right = -1;
    std::uint32_t rank = kNoRank;
    TokenId id = 0;
  };
  static std::size_t hash(TokenId left, TokenId right) {
    const std::uint64_t pair =
        static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    const std::uint64_t h = pair * 0x9E3779B97F4A7C15ull;
    return static_cast<std::size_t>(h >> 32);
  }
  void grow(std::size_t slots);

  std::vector<Slot> slots_;
  std::size_t mask_ = 0, size_ = 0;
};

// Working memory of merging; one per thread, reused between pieces.
struct BpeScratch {
  // A symbol in a doubly linked list; rank is that of the pair with the next one.
  struct Node {
    TokenId id;
    std::uint32_t previous, next;  // index, or 0xFFFFFFFF
    std::uint32_t rank;
  };
  // Where pairs of one rank begin, taken in ascending order: a run that was met in order, and a heap of those met late.
  struct Bucket {
    std::uint32_t rank = 0;
    std::vector<std::uint32_t> run, late;
    std::size_t cursor = 0;
    bool queued = false;
  };
  std::vector<MergeTable::Merge> pairs;
  std::unique_ptr<Node[]> nodes;  // room for `room`, filled by who merges
  std::size_t room = 0;
  std::vector<Bucket> buckets;  // the first `used` are in use
  std::size_t used = 0;
  std::vector<std::uint32_t> slots;  // hash of rank -> bucket + 1; 0: none
  std::vector<std::uint64_t> queue;  // heap of rank << 32 | bucket, of buckets that hold something
};

// Merges symbols in place. At most 2^32 - 2 symbols.
void merge_symbols(const MergeTable& table, std::vector<TokenId>& symbols, BpeScratch& scratch);

}  // namespace limpid
