#include "text/bpe.h"

#include <algorithm>
#include <utility>

namespace limpid {

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;
// Up to here the quadratic loop over a small array is faster than the heap (measured on a Zen 5; the crossing is flat).
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

// A heap of candidate pairs over a doubly linked list. An entry counts only while both of its symbols are unchanged.
class HeapMerge {
 public:
  HeapMerge(const MergeTable& table, BpeScratch& scratch) : table_(table), nodes_(scratch.nodes), heap_(scratch.heap) {}

  void run(std::vector<TokenId>& symbols) {
    const auto n = static_cast<std::uint32_t>(symbols.size());
    nodes_.resize(n);
    heap_.clear();
    for (std::uint32_t i = 0; i < n; ++i)
      nodes_[i] = {symbols[i], i == 0 ? kNone : i - 1, i + 1 == n ? kNone : i + 1, 0};
    for (std::uint32_t i = 0; i + 1 < n; ++i) push(i, false);
    std::make_heap(heap_.begin(), heap_.end(), later);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const BpeScratch::Entry top = heap_.back();
      heap_.pop_back();
      apply(top);
    }
    symbols.clear();
    for (std::uint32_t i = 0; i != kNone; i = nodes_[i].next) symbols.push_back(nodes_[i].id);
  }

 private:
  static bool later(const BpeScratch::Entry& a, const BpeScratch::Entry& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }

  void push(std::uint32_t left, bool sift) {
    const std::uint32_t right = nodes_[left].next;
    if (right == kNone) return;
    const MergeTable::Merge merge = table_.find(nodes_[left].id, nodes_[right].id);
    if (merge.rank == MergeTable::kNoRank) return;
    heap_.push_back({merge.rank, left, nodes_[left].version, nodes_[right].version, merge.id});
    if (sift) std::push_heap(heap_.begin(), heap_.end(), later);
  }

  void apply(const BpeScratch::Entry& top) {
    BpeScratch::Node& left = nodes_[top.position];
    if (left.version != top.version || left.next == kNone) return;
    const std::uint32_t right_index = left.next;
    BpeScratch::Node& right = nodes_[right_index];
    if (right.version != top.right_version) return;
    left.id = top.joined;
    ++left.version;
    left.next = right.next;
    if (right.next != kNone) nodes_[right.next].previous = top.position;
    right.version = kNone;  // gone: no entry has this version
    push(top.position, true);
    if (left.previous != kNone) push(left.previous, true);
  }

  const MergeTable& table_;
  std::vector<BpeScratch::Node>& nodes_;
  std::vector<BpeScratch::Entry>& heap_;
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
    HeapMerge(table, scratch).run(symbols);
  }
}

}  // namespace limpid
