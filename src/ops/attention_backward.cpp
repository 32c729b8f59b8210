// A sequence is cut into blocks of kBlock positions. A pair of blocks (queries i, keys j <= i) of a kv head is an item:
// scores and probabilities are computed again, in pieces of few queries, and five products give its parts of the
// gradients. Items are done in waves of i - j = 0, 1, 2, ...: those of a wave touch no row twice, so that threads share
// them freely, every gradient is summed in the order of the waves, and no memory grows with the square of a length.
#include "ops/attention_backward.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/round_up.h"
#include "ops/tape.h"

namespace limpid {

namespace {

constexpr int kBlock = 128;
constexpr int kPieceQueries = 128;  // of all heads of a group; scores of a piece are 64 KiB
constexpr int kDiagonalRows = 36;   // rows of a piece where half of a square of scores is not seen

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }
int blocks_of(int rows) { return (rows + kBlock - 1) / kBlock; }

struct Item {
  const BatchSequence* sequence;
  int kv_head;
  int queries, keys;  // blocks
  int key_rows() const { return std::min(kBlock, sequence->rows - keys * kBlock); }
  int query_rows() const { return std::min(kBlock, sequence->rows - queries * kBlock); }
};

// One thread's memory and work. Keys are token-major and transposed, because both products with them read rows of B.
class Worker {
 public:
  Worker(Exec& ex, const SavedAttention& saved);
  void run(const Item& item);

 private:
  void load_keys();
  void round(float* row, int n, int block);
  void load_piece(int first, int rows);
  void piece(int first, int rows);
  void add_queries(int first, int rows);
  void add_keys();
  void rotate(float* head, int row, bool back);
  std::int64_t row_of(int position) const { return item_.sequence->first_row + position; }
  std::int64_t head_of(int position, int g) const {  // of (T, heads)
    return row_of(position) * s_.heads + item_.kv_head * s_.group + g;
  }

  const Exec& ex_;
  const GradientKernels& kernels_;
  const SavedAttention& saved_;
  const AttentionShape& s_;
  const std::int64_t key_stride_, value_stride_;  // of rows in scratch
  Item item_{};
  float *keys_, *values_, *keys_across_, *values_across_;  // (kBlock, dim), (dim, kBlock)
  float *dkeys_, *dvalues_;
  float *query_, *dout_, *dquery_;     // (queries of a piece, dim)
  float *scores_, *dscores_, *delta_;  // (queries of a piece, kBlock)
  float *sines_, *scales_;
  std::byte* encoded_;
};

Worker::Worker(Exec& ex, const SavedAttention& saved)
    : ex_(ex),
      kernels_(*ex.kernels->gradient),
      saved_(saved),
      s_(saved.shape),
      key_stride_(round_up(s_.key_dim, 16)),
      value_stride_(s_.latent ? key_stride_ : s_.value_padded) {
  const std::int64_t queries = std::max(kPieceQueries, s_.group);
  const auto floats = [&](std::int64_t n) {
    auto* memory = reinterpret_cast<float*>(ex.scratch.take(bytes_of(n)));
    if (ex.poison) std::memset(memory, 0xFF, bytes_of(n));
    return memory;
  };
  keys_ = floats(kBlock * key_stride_);
  keys_across_ = floats(kBlock * key_stride_);
  values_ = s_.latent ? keys_ : floats(kBlock * value_stride_);
  values_across_ = s_.latent ? keys_across_ : floats(kBlock * value_stride_);
  dkeys_ = floats(kBlock * key_stride_);
  dvalues_ = floats(kBlock * s_.value_padded);
  query_ = floats(queries * key_stride_);
  dquery_ = floats(queries * key_stride_);
  dout_ = floats(queries * s_.value_padded);
  scores_ = floats(queries * kBlock);
  dscores_ = floats(queries * kBlock);
  delta_ = floats(queries);
  sines_ = floats(s_.rope.pairs);
  scales_ = floats(round_up(std::max(s_.key_dim, s_.value_dim), 16));
  encoded_ = reinterpret_cast<std::byte*>(floats(std::max<std::int64_t>(key_stride_, s_.value_padded)));
}

// A head's rotated part, forth or (transposed) back.
void Worker::rotate(float* head, int position, bool back) {
  const Rope& rope = s_.rope;
  if (rope.pairs == 0) return;
  const float* cosines = saved_.table + row_of(position) * 2 * rope.pairs;
  const float* sines = cosines + rope.pairs;
  if (back) {
    std::transform(sines, sines + rope.pairs, sines_, std::negate<>());
    sines = sines_;
  }
  (rope.interleaved ? ex_.kernels->rope_pairs : ex_.kernels->rope_halves)(head + s_.rotated, cosines, sines,
                                                                          rope.pairs);
}

// As the cache would give it back.
void Worker::round(float* row, int n, int block) {
  const auto type = static_cast<std::size_t>(s_.page.type);
  if (s_.page.type == CacheType::f32) return;
  const AttentionKernels& kernels = *ex_.kernels->attention;
  kernels.encode[type](row, n, block, encoded_, scales_);
  kernels.decode[type](encoded_, round_up(n, 16), row);
  if (s_.page.type != CacheType::q8) return;
  for (int i = 0; i < n; ++i) row[i] *= scales_[i / block];
}

void Worker::load_keys() {
  const int count = item_.key_rows();
  for (int r = 0; r < count; ++r) {
    const int position = item_.keys * kBlock + r;
    const std::int64_t index = row_of(position) * s_.kv_heads + item_.kv_head;
    float* key = keys_ + r * key_stride_;
    std::memcpy(key, saved_.k.f32() + index * s_.key_dim, bytes_of(s_.key_dim));
    rotate(key, position, false);
    round(key, s_.key_dim, s_.latent ? kLatentBlock : s_.key_dim);
    if (s_.latent) continue;
    float* value = values_ + r * value_stride_;
    std::memcpy(value, saved_.v.f32() + index * s_.value_dim, bytes_of(s_.value_dim));
    round(value, s_.value_dim, s_.value_dim);
  }
  kernels_.transpose(keys_, key_stride_, count, s_.key_dim, keys_across_, kBlock);
  if (!s_.latent) kernels_.transpose(values_, value_stride_, count, s_.value_dim, values_across_, kBlock);
}

// Queries rotated and scaled, their gradients of out, and delta.
void Worker::load_piece(int first, int rows) {
  for (int i = 0; i < rows * s_.group; ++i) {
    const int position = first + i / s_.group;
    const std::int64_t head = head_of(position, i % s_.group);
    float* query = query_ + i * key_stride_;
    std::memcpy(query, saved_.q.f32() + head * s_.key_dim, bytes_of(s_.key_dim));
    rotate(query, position, false);
    for (int d = 0; d < s_.key_dim; ++d) query[d] *= s_.scale;
    float* dout = dout_ + i * s_.value_padded;
    std::memcpy(dout, saved_.out.gradient + head * s_.value_dim, bytes_of(s_.value_dim));
    delta_[i] = kernels_.dot(dout, saved_.out.f32() + head * s_.value_dim, s_.value_dim);
  }
}

// Rows [first, first + rows) of the sequence against the loaded keys.
void Worker::piece(int first, int rows) {
  const int queries = rows * s_.group, begin = item_.keys * kBlock,
            keys = std::min(item_.key_rows(), first + rows - begin);
  load_piece(first, rows);
  GemmArgs across;  // queries by keys
  across.a_reduction = 1;
  across.b_stride = across.out_stride = kBlock;
  across.rows = queries;
  across.columns = keys;
  GemmArgs g = across;  // scores = query key^T
  g.a = query_, g.a_row = key_stride_, g.b = keys_across_, g.out = scores_, g.reduction = s_.key_dim;
  kernels_.gemm(g);
  g = across;  // the gradient of probabilities = dout value^T
  g.a = dout_, g.a_row = s_.value_padded, g.b = values_across_, g.out = dscores_, g.reduction = s_.value_dim;
  kernels_.gemm(g);
  for (int i = 0; i < queries; ++i) {
    const int position = first + i / s_.group;
    const std::int64_t head = head_of(position, i % s_.group);
    kernels_.attention_row(scores_ + i * kBlock, dscores_ + i * kBlock, std::min(keys, position + 1 - begin), keys,
                           saved_.sums.maximum[head], saved_.sums.sum[head], delta_[i]);
  }
  g = {};  // dquery = dscores key
  g.a = dscores_, g.a_row = kBlock, g.a_reduction = 1, g.b = keys_, g.b_stride = key_stride_;
  g.out = dquery_, g.out_stride = key_stride_, g.rows = queries, g.columns = s_.key_dim, g.reduction = keys;
  if (saved_.q.gradient != nullptr) {
    kernels_.gemm(g);
    add_queries(first, rows);
  }
  g = {};  // dkey += dscores^T query, dvalue += probabilities^T dout
  g.a_row = 1, g.a_reduction = kBlock, g.rows = keys, g.reduction = queries, g.accumulate = true;
  g.a = dscores_, g.b = query_, g.b_stride = g.out_stride = key_stride_, g.out = dkeys_, g.columns = s_.key_dim;
  kernels_.gemm(g);
  g.a = scores_, g.b = dout_, g.b_stride = g.out_stride = s_.value_padded, g.out = dvalues_, g.columns = s_.value_dim;
  kernels_.gemm(g);
}

void Worker::add_queries(int first, int rows) {
  for (int i = 0; i < rows * s_.group; ++i) {
    const int position = first + i / s_.group;
    float* gradient = dquery_ + i * key_stride_;
    rotate(gradient, position, true);
    ex_.kernels->scale_add(gradient, s_.scale, s_.key_dim,
                           saved_.q.gradient + head_of(position, i % s_.group) * s_.key_dim);
  }
}

void Worker::add_keys() {
  for (int r = 0; r < item_.key_rows(); ++r) {
    const int position = item_.keys * kBlock + r;
    const std::int64_t index = row_of(position) * s_.kv_heads + item_.kv_head;
    float *gradient = dkeys_ + r * key_stride_, *value = dvalues_ + r * s_.value_padded;
    rotate(gradient, position, true);
    if (s_.latent) ex_.kernels->add(gradient, value, s_.value_dim, gradient);
    const auto add = [&](const Tensor& to, const float* from, int n) {
      if (to.gradient != nullptr) ex_.kernels->add(to.gradient + index * n, from, n, to.gradient + index * n);
    };
    add(saved_.k, gradient, s_.key_dim);
    if (!s_.latent) add(saved_.v, value, s_.value_dim);
  }
}

void Worker::run(const Item& item) {
  item_ = item;
  load_keys();
  std::fill_n(dkeys_, item.key_rows() * key_stride_, 0.0F);
  std::fill_n(dvalues_, std::int64_t{item.key_rows()} * s_.value_padded, 0.0F);
  const int most = std::max(1, std::min(kPieceQueries / s_.group, item.queries == item.keys ? kDiagonalRows : kBlock));
  for (int r = 0; r < item.query_rows(); r += most)
    piece(item.queries * kBlock + r, std::min(most, item.query_rows() - r));
  add_keys();
}

// f(item) for every item of a wave, in a fixed order.
template <typename F>
void each_item(const SavedAttention& saved, int wave, F f) {
  for (const BatchSequence& s : saved.sequences)
    for (int i = wave; i < blocks_of(s.rows); ++i)
      for (int h = 0; h < saved.shape.kv_heads; ++h) f(Item{&s, h, i, i - wave});
}

std::int64_t cost_of(const Item& item) {  // scores, and for each row what is copied and rotated
  const std::int64_t q = item.query_rows(), k = item.key_rows();
  return (item.queries == item.keys ? q * (k + kDiagonalRows) / 2 : q * k) + 4 * (q + k);
}

void attention_backward(Exec& ex, const SavedAttention& saved) {
  const std::size_t scratch = ex.scratch.mark();
  Worker worker(ex, saved);
  int waves = 0;
  for (const BatchSequence& s : saved.sequences) waves = std::max(waves, blocks_of(s.rows));
  for (int wave = 0; wave < waves; ++wave) {
    if (wave > 0) ex.sync();
    std::int64_t total = 0, before = 0;
    each_item(saved, wave, [&](const Item& item) { total += cost_of(item); });
    each_item(saved, wave, [&](const Item& item) {  // the middle of an item's cost says whose it is
      const std::int64_t cost = cost_of(item), middle = before + cost / 2;
      before += cost;
      if (middle * ex.threads / total == ex.thread) worker.run(item);
    });
  }
  ex.scratch.rewind(scratch);
}

}  // namespace

std::size_t attention_backward_scratch_bytes(int heads, int kv_heads, int key_dim, int value_dim) {
  const std::int64_t keys = round_up(key_dim, 16), values = round_up(value_dim, 16),
                     queries = std::max(kPieceQueries, heads / std::max(kv_heads, 1));
  return bytes_of(kBlock * (3 * keys + 3 * values) + queries * (2 * keys + values + 2 * kBlock + 1) +
                  3 * std::max(keys, values)) +
         16 * 64;
}

void check_trainable(const Batch& batch) {
  for (std::size_t i = 0; i < batch.sequences.size(); ++i)
    if (batch.sequences[i].first_position != 0)
      fail(ErrorKind::unsupported, "training: sequence {} of the batch begins at position {}, expected 0", i,
           batch.sequences[i].first_position);
}

void record_attention(Exec& ex, const SavedAttention& saved) {
  if (saved.q.gradient == nullptr && saved.k.gradient == nullptr && saved.v.gradient == nullptr) return;
  ex.tape->record(ex, [saved](Exec& back) { attention_backward(back, saved); });
}

}  // namespace limpid
