#include "text/bpe.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace limpid {

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;
// Up to here the quadratic loop over a small array is faster than the buckets (measured on a Zen 5; the crossing is
// flat).
constexpr std::size_t kShort = 64;

void merge_short(const MergeTable& table, std::vector<TokenId>& symbols, std::vector<MergeTable::Merge>& pairs) {
  std::size_t n = symbols.size();
  pairs.resize(n);
  for (std::size_t i = 0; i + 1 < n; ++i) pairs[i] = table.find(symbols[i], symbols[i + 1]);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNoRank) break;
    symbols[best] = pairs[best].id;
    for (std::size_t i = best + 1; i + 1 < n; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i] = pairs[i + 1];
    }
    --n;
    if (best > 0) pairs[best - 1] = table.find(symbols[best - 1], symbols[best]);
    if (best + 1 < n) pairs[best] = table.find(symbols[best], symbols[best + 1]);
  }
  symbols.resize(n);
}

// The next place among those of one rank.
std::uint32_t take_leftmost(BpeScratch::Bucket& bucket) {
  const bool have_run = bucket.cursor < bucket.run.size();
  if (bucket.late.empty() || (have_run && bucket.run[bucket.cursor] <= bucket.late.front())) {
    return bucket.run[bucket.cursor++];
  }
  std::pop_heap(bucket.late.begin(), bucket.late.end(), std::greater<>());
  const std::uint32_t at = bucket.late.back();
  bucket.late.pop_back();
  return at;
}

bool is_empty(const BpeScratch::Bucket& bucket) { return bucket.cursor == bucket.run.size() && bucket.late.empty(); }

// One bucket of places for each rank, lowest rank first. A place counts only while its pair still has the bucket's
// rank. A merge may make a pair of lower rank than its own: then that bucket goes first, and the one at hand is taken
// up again later.
class BucketMerge {
 public:
  BucketMerge(const MergeTable& table, BpeScratch& scratch) : table_(table), s_(scratch) {}

  void run(std::vector<TokenId>& symbols) {
    start(symbols);
    while (!s_.queue.empty()) {
      const std::uint64_t top = s_.queue.front();
      const auto rank = static_cast<std::uint32_t>(top >> 32);
      const auto index = static_cast<std::uint32_t>(top);
      while (!is_empty(s_.buckets[index]) && s_.queue.front() == top) {
        const std::uint32_t at = take_leftmost(s_.buckets[index]);
        if (nodes_[at].rank == rank) merge_at(at);
      }
      if (s_.queue.front() != top) continue;  // a lower rank came up
      std::pop_heap(s_.queue.begin(), s_.queue.end(), std::greater<>());
      s_.queue.pop_back();
      s_.buckets[index].queued = false;
    }
    symbols.clear();
    for (std::uint32_t i = 0; i != kNone; i = nodes_[i].next) symbols.push_back(nodes_[i].id);
  }

 private:
  void start(const std::vector<TokenId>& symbols) {
    const auto n = static_cast<std::uint32_t>(symbols.size());
    if (n > s_.room) {
      s_.nodes = std::make_unique_for_overwrite<BpeScratch::Node[]>(n);
      s_.room = n;
    }
    nodes_ = s_.nodes.get();
    s_.used = 0;
    s_.queue.clear();
    s_.slots.assign(256, 0);
    for (std::uint32_t i = 0; i < n; ++i) {
      nodes_[i] = {symbols[i], i == 0 ? kNone : i - 1, i + 1 == n ? kNone : i + 1, MergeTable::kNoRank};
    }
    for (std::uint32_t i = 0; i + 1 < n; ++i) enter(i);
  }

  // Looks the pair at `left` up and puts it into its bucket.
  void enter(std::uint32_t left) {
    BpeScratch::Node& node = nodes_[left];
    node.rank = MergeTable::kNoRank;
    if (node.next == kNone) return;
    const MergeTable::Merge merge = table_.find(node.id, nodes_[node.next].id);
    if (merge.rank == MergeTable::kNoRank) return;
    node.rank = merge.rank;
    const std::uint32_t index = bucket_of(merge.rank);
    BpeScratch::Bucket& bucket = s_.buckets[index];
    if (bucket.run.empty() || bucket.run.back() <= left) {
      bucket.run.push_back(left);
    } else {
      bucket.late.push_back(left);
      std::push_heap(bucket.late.begin(), bucket.late.end(), std::greater<>());
    }
    if (bucket.queued) return;
    bucket.queued = true;
    s_.queue.push_back(static_cast<std::uint64_t>(merge.rank) << 32 | index);
    std::push_heap(s_.queue.begin(), s_.queue.end(), std::greater<>());
  }

  void merge_at(std::uint32_t at) {
    BpeScratch::Node& left = nodes_[at];
    BpeScratch::Node& right = nodes_[left.next];
    left.id = table_.find(left.id, right.id).id;
    left.next = right.next;
    right.rank = MergeTable::kNoRank;
    if (left.next != kNone) nodes_[left.next].previous = at;
    enter(at);
    if (left.previous != kNone) enter(left.previous);
  }

  std::uint32_t bucket_of(std::uint32_t rank) {
    if (last_ < s_.used && s_.buckets[last_].rank == rank) return last_;
    std::size_t mask = s_.slots.size() - 1;
    std::size_t i = slot_hash(rank) & mask;
    while (s_.slots[i] != 0 && s_.buckets[s_.slots[i] - 1].rank != rank) i = (i + 1) & mask;
    if (s_.slots[i] == 0) {
      s_.slots[i] = open_bucket(rank) + 1;
      last_ = s_.slots[i] - 1;
      if (s_.used * 2 > s_.slots.size()) rehash();
      return last_;
    }
    last_ = s_.slots[i] - 1;
    return last_;
  }

  std::uint32_t open_bucket(std::uint32_t rank) {
    if (s_.used == s_.buckets.size()) s_.buckets.emplace_back();
    BpeScratch::Bucket& bucket = s_.buckets[s_.used];
    bucket.rank = rank;
    bucket.run.clear();
    bucket.late.clear();
    bucket.cursor = 0;
    bucket.queued = false;
    return static_cast<std::uint32_t>(s_.used++);
  }

  void rehash() {
    s_.slots.assign(s_.slots.size() * 4, 0);
    const std::size_t mask = s_.slots.size() - 1;
    for (std::size_t b = 0; b < s_.used; ++b) {
      std::size_t i = slot_hash(s_.buckets[b].rank) & mask;
      while (s_.slots[i] != 0) i = (i + 1) & mask;
      s_.slots[i] = static_cast<std::uint32_t>(b + 1);
    }
  }

  static std::size_t slot_hash(std::uint32_t rank) { return (rank * 0x9E3779B97F4A7C15ull) >> 32; }

  const MergeTable& table_;
  BpeScratch& s_;
  BpeScratch::Node* nodes_ = nullptr;
  std::uint32_t last_ = 0;
};

}  // namespace

void MergeTable::grow(std::size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  mask_ = slots - 1;
  size_ = 0;
  for (const Slot& slot : old) {
    if (slot.rank != kNoRank) add(slot.left, slot.right, slot.rank, slot.id);
  }
}

void MergeTable::reserve(std::size_t merges) {
  std::size_t slots = 64;
  while (slots < merges * 2) slots *= 2;
  if (slots > slots_.size()) grow(slots);
}

void MergeTable::add(TokenId left, TokenId right, std::uint32_t rank, TokenId joined) {
  if ((size_ + 1) * 2 > slots_.size()) grow(std::max<std::size_t>(64, slots_.size() * 2));
  std::size_t i = hash(left, right) & mask_;
  while (slots_[i].rank != kNoRank && (slots_[i].left != left || slots_[i].right != right)) i = (i + 1) & mask_;
  if (slots_[i].rank == kNoRank) ++size_;
  slots_[i] = {left, right, rank, joined};
}

void merge_symbols(const MergeTable& table, std::vector<TokenId>& symbols, BpeScratch& scratch) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShort) {
    merge_short(table, symbols, scratch.pairs);
  } else {
    BucketMerge(table, scratch).run(symbols);
  }
}

}  // namespace limpid
