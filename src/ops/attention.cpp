// Who does what when. Two ways to share the work, the same bits:
// - by block (a sequence's rows x a kv head): each block goes through its spans in order. For prefill, and where there
// are blocks enough.
// - by span (few rows, long history): each thread leaves the partial results of its spans in the arena; after a barrier
// they are merged in
//   ascending order, in rounds that bound the memory.
// Keys and values are stored before a barrier when several blocks of a sequence (or several spans) will read them; else
// the one reader stores them.
#include "ops/attention.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/round_up.h"
#include "ops/attention_backward.h"
#include "ops/attention_block.h"

namespace limpid {

namespace {

constexpr std::size_t kPartialBytes = std::size_t{1} << 20;  // of a round; at least one item for each thread

std::size_t partial_bytes(int queries, int value_dim) {
  return static_cast<std::size_t>(queries) * (static_cast<std::size_t>(round_up(value_dim, 16)) + 2) * sizeof(float);
}

struct Plan {
  int block_rows;  // rows of a block
  int largest;     // rows of the largest block of this batch
  bool by_span;
  bool store_first;  // all store, then meet; else whoever reads a row's keys and values stores them
};

// The spans that the last row of a sequence sees.
int spans_of(const BatchSequence& s) { return (s.first_position + s.rows + kSpanTokens - 1) / kSpanTokens; }

Plan make_plan(const AttentionShape& shape, const Batch& batch, int threads) {
  Plan plan{attention_block_rows(shape.group), 0, false, false};
  int rows = 0, spans = 0;
  bool new_rows_in_one_span = true;
  for (const BatchSequence& s : batch.sequences) {
    rows = std::max(rows, s.rows);
    spans = std::max(spans, spans_of(s));
    new_rows_in_one_span &= s.first_position / kSpanTokens == (s.first_position + s.rows - 1) / kSpanTokens;
  }
  plan.largest = std::min(rows, plan.block_rows);
  const bool one_block = rows <= plan.block_rows;
  const auto blocks = static_cast<int>(batch.sequences.size()) * shape.kv_heads;
  plan.by_span = one_block && threads > 1 && spans > 1 && blocks < 4 * threads;
  plan.store_first = !one_block || (plan.by_span && !new_rows_in_one_span);
  return plan;
}

// The items of a batch in a fixed order, found by ascending index: for each sequence, its `kinds` (row blocks, last
// first, or spans) x kv heads.
class Items {
 public:
  Items(const AttentionShape& shape, const Batch& batch, const Plan& plan) : shape_(shape), batch_(batch), plan_(plan) {
    for (const BatchSequence& s : batch.sequences) total_ += count(s);
  }
  std::int64_t total() const { return total_; }

  struct Item {
    AttentionBlock block;
    int span = 0;  // by span only
  };
  Item at(std::int64_t index) {
    if (index < base_) base_ = 0, sequence_ = 0;
    while (index >= base_ + count(batch_.sequences[sequence_])) base_ += count(batch_.sequences[sequence_++]);
    const BatchSequence& s = batch_.sequences[sequence_];
    const auto local = static_cast<int>(index - base_);
    Item item;
    item.block.sequence = &s;
    if (plan_.by_span) {
      const int spans = spans_of(s);
      item.block.kv_head = local / spans;
      item.block.rows = s.rows;
      item.span = local % spans;
    } else {
      // The last rows see most: first in the queue, so that the threads finish together.
      const int block = blocks(s) - 1 - local / shape_.kv_heads;
      item.block.kv_head = local % shape_.kv_heads;
      item.block.first = block * plan_.block_rows;
      item.block.rows = std::min(plan_.block_rows, s.rows - item.block.first);
    }
    return item;
  }

 private:
  int blocks(const BatchSequence& s) const { return (s.rows + plan_.block_rows - 1) / plan_.block_rows; }
  std::int64_t count(const BatchSequence& s) const {
    return std::int64_t{shape_.kv_heads} * (plan_.by_span ? spans_of(s) : blocks(s));
  }

  const AttentionShape& shape_;
  const Batch& batch_;
  const Plan& plan_;
  std::int64_t total_ = 0, base_ = 0;
  std::size_t sequence_ = 0;
};

// This thread's share of the rows, all kv heads.
void store_share(Exec& ex, AttentionWorker& worker, const AttentionShape& shape, const Batch& batch) {
  const auto [begin, end] = ex.share(batch.tokens());
  for (const BatchSequence& s : batch.sequences) {
    const auto first = static_cast<int>(std::max<std::int64_t>(begin - s.first_row, 0));
    const auto last = static_cast<int>(std::min<std::int64_t>(end - s.first_row, s.rows));
    if (first < last) worker.store(s, first, last - first, 0, shape.kv_heads);
  }
}

void attend_blocks(Exec& ex, AttentionWorker& worker, Items& items, bool store_first,
                   std::atomic_ref<std::int64_t> next, const AttentionSums& sums, float* out) {
  auto attend = [&](const AttentionBlock& block) {
    if (!store_first) worker.store(*block.sequence, block.first, block.rows, block.kv_head, block.kv_head + 1);
    worker.load(block);
    worker.attend_all(out, sums);
  };
  if (store_first) {  // long work: whoever is free takes the next block
    for (std::int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < items.total();
         i = next.fetch_add(1, std::memory_order_relaxed))
      attend(items.at(i).block);
    return;
  }
  // Short work and no barrier behind us at which a counter could be set: the middle of a block's cost says whose it is.
  auto cost = [](const AttentionBlock& block) { return block.history() + kPageTokens; };
  std::int64_t total = 0, before = 0;
  for (std::int64_t i = 0; i < items.total(); ++i) total += cost(items.at(i).block);
  for (std::int64_t i = 0; i < items.total(); ++i) {
    const AttentionBlock block = items.at(i).block;
    const std::int64_t middle = before + cost(block) / 2;
    before += cost(block);
    if (middle * ex.threads / total == ex.thread) attend(block);
  }
}

// Merges the partial results of items [begin, end), queries shared among the threads. `running` and `out` hold the
// results so far.
void merge_round(Exec& ex, const AttentionShape& shape, Items& items, std::int64_t begin, std::int64_t end,
                 float* partials, int slot_queries, const AttentionSums& running, float* out) {
  const AttentionKernels& kernels = *ex.kernels->attention;
  const std::size_t slot = AttentionPartial::floats(shape, slot_queries);
  int turn = 0;
  for (std::int64_t i = begin; i < end;) {
    const auto item = items.at(i);
    const AttentionBlock& block = item.block;
    const std::int64_t stop = std::min(end, i + block.spans() - item.span);
    for (int query = 0; query < block.rows * shape.group; ++query) {
      if (turn++ % ex.threads != ex.thread) continue;
      const int row = query / shape.group, spans = (block.history(row) + kSpanTokens - 1) / kSpanTokens;
      const std::ptrdiff_t index = static_cast<std::ptrdiff_t>(block.sequence->first_row + row) * shape.heads +
                                   block.kv_head * shape.group + query % shape.group;
      float* result = out + index * shape.value_dim;
      for (std::int64_t j = i; j < stop && item.span + (j - i) < spans; ++j) {
        const AttentionPartial partial =
            AttentionPartial::at(partials + static_cast<std::size_t>(j - begin) * slot, shape, slot_queries);
        const float* later = partial.out + query * shape.value_padded;
        if (item.span + (j - i) == 0) {
          std::copy_n(later, shape.value_dim, result);
          running.maximum[index] = partial.maximum[query];
          running.sum[index] = partial.sum[query];
        } else {
          kernels.merge(running.maximum + index, running.sum + index, result, partial.maximum[query],
                        partial.sum[query], later, shape.value_dim);
        }
        if (item.span + (j - i) == spans - 1) kernels.finish(result, running.sum[index], shape.value_dim, result);
      }
    }
    i = stop;
  }
}

void attend_spans(Exec& ex, AttentionWorker& worker, const AttentionShape& shape, Items& items, const Plan& plan,
                  const AttentionSums& running, float* out) {
  const int slot_queries = plan.largest * shape.group;
  const std::size_t slot = AttentionPartial::floats(shape, slot_queries);
  const std::int64_t round = std::clamp<std::int64_t>(static_cast<std::int64_t>(kPartialBytes / (slot * sizeof(float))),
                                                      ex.threads, items.total());
  float* partials = reinterpret_cast<float*>(ex.alloc_bytes(static_cast<std::size_t>(round) * slot * sizeof(float)));
  for (std::int64_t begin = 0; begin < items.total(); begin += round) {
    const std::int64_t end = std::min(begin + round, items.total());
    const auto [mine, stop] = ex.share(end - begin);
    for (std::int64_t i = begin + mine; i < begin + stop; ++i) {
      const auto item = items.at(i);
      const AttentionBlock& block = item.block;
      if (!plan.store_first && item.span == block.spans() - 1)
        worker.store(*block.sequence, 0, block.rows, block.kv_head, block.kv_head + 1);
      if (i == begin + mine || block.sequence != worker.block().sequence || block.kv_head != worker.block().kv_head)
        worker.load(block);
      worker.attend(item.span,
                    AttentionPartial::at(partials + static_cast<std::size_t>(i - begin) * slot, shape, slot_queries));
    }
    ex.sync();
    merge_round(ex, shape, items, begin, end, partials, slot_queries, running, out);
    if (end < items.total()) ex.sync();
  }
}

AttentionSums alloc_sums(Exec& ex, std::int64_t tokens, int heads) {
  const std::size_t bytes = static_cast<std::size_t>(tokens) * static_cast<std::size_t>(heads) * sizeof(float);
  return {reinterpret_cast<float*>(ex.alloc_bytes(bytes)), reinterpret_cast<float*>(ex.alloc_bytes(bytes))};
}

struct Attended {
  Tensor out;
  AttentionSums sums;  // while a tape records
};

Attended attend(Exec& ex, const AttentionShape& shape, const AttentionInputs& inputs, const Batch& batch) {
  const std::int64_t tokens = batch.tokens();
  Attended result{ex.alloc_tracked({tokens, std::int64_t{shape.heads} * shape.value_dim}), {}};
  if (ex.tape != nullptr) result.sums = alloc_sums(ex, tokens, shape.heads);
  const AttentionSums& kept = result.sums;
  float* out = result.out.f32();
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  const Plan plan = make_plan(shape, batch, ex.threads);
  Items items(shape, batch, plan);
  auto* counter = reinterpret_cast<std::int64_t*>(ex.alloc_bytes(64));
  AttentionWorker worker(ex, shape, inputs, plan.largest);
  if (plan.store_first) {
    if (ex.thread == 0) *counter = 0;
    store_share(ex, worker, shape, batch);
    ex.sync();
  }
  if (plan.by_span) {
    const AttentionSums running = kept.sum != nullptr ? kept : alloc_sums(ex, tokens, shape.heads);
    attend_spans(ex, worker, shape, items, plan, running, out);
  } else {
    attend_blocks(ex, worker, items, plan.store_first, std::atomic_ref<std::int64_t>(*counter), kept, out);
  }
  ex.sync();
  ex.arena.rewind(arena);
  ex.scratch.rewind(scratch);
  return result;
}

void check(const char* what, std::int64_t found, std::int64_t expected) {
  if (found != expected) fail(ErrorKind::input, "attention: {} is {}, expected {}", what, found, expected);
}

void check_common(const AttentionShape& shape, const Tensor& table, const Tensor& q, const Tensor& k,
                  const Batch& batch) {
  if (shape.heads < 1 || shape.kv_heads < 1 || shape.heads % shape.kv_heads != 0)
    fail(ErrorKind::input, "attention: {} heads cannot share {} kv heads", shape.heads, shape.kv_heads);
  if (shape.rope.pairs < 0 || shape.rotated + 2 * shape.rope.pairs > shape.key_dim)
    fail(ErrorKind::input, "attention: {} pairs rotated from value {} do not fit a head of {}", shape.rope.pairs,
         shape.rotated, shape.key_dim);
  check("rows of q", q.rows(), batch.tokens());
  check("rows of k", k.rows(), batch.tokens());
  check("values in a row of q", q.columns(), std::int64_t{shape.heads} * shape.key_dim);
  check("values in a row of k", k.columns(), std::int64_t{shape.kv_heads} * shape.key_dim);
  if (shape.rope.pairs > 0) check("values in a row of the rope table", table.columns(), 2 * shape.rope.pairs);
}

}  // namespace

std::size_t attention_arena_bytes(int threads, int tokens, int heads, int value_dim) {
  const std::size_t states = static_cast<std::size_t>(tokens) * static_cast<std::size_t>(heads) * sizeof(float);
  // No block has more queries than one row of all heads or the 128 of attention_block_rows.
  const std::size_t slot = partial_bytes(std::max(heads, 128), value_dim);
  return states * static_cast<std::size_t>(value_dim) + 2 * states +
         std::max(kPartialBytes, static_cast<std::size_t>(threads) * slot) + 6 * 64;
}

Tensor rope_table(Exec& ex, const Rope& rope, const Batch& batch) {
  Tensor table = ex.alloc(DType::f32, {batch.tokens(), 2 * rope.pairs});
  const auto [begin, end] = ex.share(batch.tokens());
  for (std::int64_t row = begin; row < end; ++row)
    ex.kernels->rope_angles(rope.inv_frequency, rope.pairs, batch.positions[static_cast<std::size_t>(row)],
                            rope.magnitude, table.row(row), table.row(row) + rope.pairs);
  ex.sync();
  return table;
}

Tensor rope_store_attend(Exec& ex, const GroupedAttention& attention, const Tensor& table, Tensor q, Tensor k, Tensor v,
                         const Batch& batch, const CacheLayer& cache) {
  AttentionShape shape;
  shape.heads = attention.heads;
  shape.kv_heads = attention.kv_heads;
  shape.key_dim = attention.key_dim;
  shape.value_dim = attention.value_dim;
  shape.scale = attention.scale;
  shape.rope = attention.rope;
  check_common(shape, table, q, k, batch);
  check("rows of v", v.rows(), batch.tokens());
  check("values in a row of v", v.columns(), std::int64_t{shape.kv_heads} * shape.value_dim);
  check("the cache's latent", cache.layout.latent, 0);
  check("the cache's kv heads", cache.layout.kv_heads, shape.kv_heads);
  check("the cache's key size", cache.layout.key_dim, shape.key_dim);
  check("the cache's value size", cache.layout.value_dim, shape.value_dim);
  shape.group = shape.heads / shape.kv_heads;
  shape.value_padded = round_up(shape.value_dim, 16);
  shape.page = page_shape(cache.layout);
  if (ex.tape != nullptr) check_trainable(batch);
  const AttentionInputs inputs{table.data ? table.f32() : nullptr, q.f32(), k.f32(), v.f32(), cache.pages};
  const Attended result = attend(ex, shape, inputs, batch);
  if (ex.tape != nullptr)
    record_attention(ex, {shape, inputs.table, q, k, v, result.out, result.sums, batch.sequences});
  return result.out;
}

Tensor rope_store_attend(Exec& ex, const LatentAttention& attention, const Tensor& table, Tensor q, Tensor kv,
                         const Batch& batch, const CacheLayer& cache) {
  AttentionShape shape;
  shape.latent = true;
  shape.heads = attention.heads;
  shape.kv_heads = 1;
  shape.key_dim = attention.latent + attention.rope_dim;
  shape.value_dim = attention.latent;
  shape.rotated = attention.latent;
  shape.scale = attention.scale;
  shape.rope = attention.rope;
  check_common(shape, table, q, kv, batch);
  check("the cache's latent", cache.layout.latent, attention.latent);
  check("the cache's rope values", cache.layout.rope, attention.rope_dim);
  shape.group = shape.heads;
  shape.value_padded = round_up(shape.value_dim, 16);
  shape.page = page_shape(cache.layout);
  if (ex.tape != nullptr) check_trainable(batch);
  const AttentionInputs inputs{table.data ? table.f32() : nullptr, q.f32(), kv.f32(), nullptr, cache.pages};
  const Attended result = attend(ex, shape, inputs, batch);
  if (ex.tape != nullptr)
    record_attention(ex, {shape, inputs.table, q, kv, {}, result.out, result.sums, batch.sequences});
  return result.out;
}

}  // namespace limpid
