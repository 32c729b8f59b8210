// A block of queries and the keys and values that it meets: what one thread does between two barriers of
// ops/attention.cpp. Internal to ops/.
//
// A block is the rows [first, first + rows) of one sequence times the heads that share a kv head. It goes through the
// spans of its history; a span gives each query a partial (maximum, sum, weighted values) that depends on nothing but
// the query and the stored history.
#pragma once

#include "ops/attention.h"
#include "ops/cache_page.h"

namespace limpid {

// Both kinds of attention in one set of numbers. For a latent kv_heads = 1, key_dim = latent + rope, value_dim =
// latent.
struct AttentionShape {
  bool latent = false;
  int heads = 0, kv_heads = 0, group = 0;  // group: heads to a kv head
  int key_dim = 0, value_dim = 0;
  int value_padded = 0;  // to 16
  int rotated = 0;       // the first rotated value of a head
  float scale = 1.0F;
  Rope rope;
  PageShape page;
};

struct AttentionInputs {
  const float* table;  // (T, 2 * pairs)
  const float* q;      // (T, heads, key_dim)
  const float* k;      // (T, kv_heads, key_dim)
  const float* v;      // (T, kv_heads, value_dim); null for a latent
  std::byte* pages;
};

struct AttentionBlock {
  const BatchSequence* sequence = nullptr;
  int kv_head = 0;
  int first = 0, rows = 0;  // of the sequence's new rows
  int history(int row) const {
    return sequence->first_position + first + row + 1;
  }  // positions that a row of the block sees
  int history() const { return history(rows - 1); }
  int spans() const { return (history() + kSpanTokens - 1) / kSpanTokens; }
};

// Partial results of the queries of a block, query = row * group + head of the group.
struct AttentionPartial {
  float* out = nullptr;  // (queries, value_padded)
  float* maximum = nullptr;
  float* sum = nullptr;
  static std::size_t floats(const AttentionShape& shape, int queries) {
    return static_cast<std::size_t>(queries) * (static_cast<std::size_t>(shape.value_padded) + 2);
  }
  static AttentionPartial at(float* memory, const AttentionShape& shape, int queries) {
    float* end = memory + static_cast<std::size_t>(queries) * static_cast<std::size_t>(shape.value_padded);
    return {memory, end, end + queries};
  }
};

// The softmax of each (row, head) over its whole history: exp(score - maximum) / sum.
struct AttentionSums {
  float* maximum = nullptr;  // (T, heads)
  float* sum = nullptr;
};

// Rows of a block: at most 128 queries share the decoding of a page, and one head's worth of them fits the second-level
// cache.
int attention_block_rows(int group);

class AttentionWorker {
 public:
  // Takes its buffers from ex.scratch, for blocks of at most `rows` rows; the caller rewinds.
  AttentionWorker(Exec& ex, const AttentionShape& shape, const AttentionInputs& inputs, int rows);

  // Rotates, rounds and stores keys and values of the rows [first, first + rows) of a sequence, of the kv heads [head,
  // end).
  void store(const BatchSequence& sequence, int first, int rows, int head, int end);
  // Makes the queries of a block ready: rotated, scaled, packed.
  void load(const AttentionBlock& block);
  // The partial results of span [256 span, 256 span + 256). Queries that see nothing of it are left alone.
  void attend(int span, const AttentionPartial& result);
  // All spans of the loaded block, merged and written to out (T, heads * value_dim), and to `sums` unless null.
  void attend_all(float* out, const AttentionSums& sums);

  const AttentionBlock& block() const { return block_; }
  int queries() const { return block_.rows * shape_.group; }

 private:
  int history(int query) const { return block_.history(query / shape_.group); }
  std::byte* page_of(const BatchSequence& sequence, int position) const;
  const float* rotate(const float* head, int row, int first, int n);
  const std::byte* keys_of(int position) const;  // of the loaded block, in the page of `position`
  void scores(int position, int positions);
  void latent_scores(int position, int positions);
  void values(int position, int positions, bool first_page, float* out);
  void latent_values(int position, int positions, bool first_page, float* out);
  void weigh(AttentionValues& args, CacheType type, int position, float* out);
  void latent_chunk(int position, int positions, int first, int columns);
  std::ptrdiff_t ahead_of_keys(int position) const;
  std::ptrdiff_t ahead_of_values(int position) const;

  const Exec& ex_;
  const AttentionKernels& kernels_;
  const AttentionShape& shape_;
  const AttentionInputs& inputs_;
  const int tile_;  // queries that are packed together
  AttentionBlock block_;
  bool decoded_ = false;      // pages are decoded to page_ before they are used
  float* rotated_ = nullptr;  // (key_dim)
  std::byte* encoded_ = nullptr;
  float* query_ = nullptr;   // tiles of tile_ queries, (key_dim, queries of the tile) each
  float* scores_ = nullptr;  // (queries, kSpanTokens)
  float* page_ = nullptr;    // keys or values of one page; of a latent, a chunk of its columns
  float* sums_ = nullptr;    // of a latent's scores: (tiles, 64, kLatentQueries)
  AttentionPartial span_, total_;
};

}  // namespace limpid
