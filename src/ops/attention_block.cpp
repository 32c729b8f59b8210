#include "ops/attention_block.h"

#include <algorithm>
#include <cstring>

namespace limpid {

namespace {

constexpr int kBlockQueries = 128;
// With more queries than this a page is decoded to f32 once instead of by every tile (Xeon with AVX-512, f16; the bits
// are the same).
constexpr int kDecodeFrom = 3 * kQueryTile;

std::size_t round_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

// Floats of each buffer of a worker, in the order that it takes them.
struct WorkerSizes {
  std::size_t rotated, query, scores, page_keys, page_values, partial;
  WorkerSizes(std::size_t queries, std::size_t key_dim, std::size_t value_dim) {
    const std::size_t padded = round_up(value_dim, 16);
    rotated = round_up(key_dim, 16);
    query = queries * key_dim;
    scores = queries * kSpanTokens;
    page_keys = key_dim * kPageTokens;
    page_values = kPageTokens * padded;
    partial = queries * (padded + 2);
  }
};

}  // namespace

int attention_block_rows(int group) { return std::max(1, kBlockQueries / group); }

std::size_t attention_scratch_bytes(int tokens, int heads, int key_dim, int value_dim) {
  // The largest block: one row of every head, or kBlockQueries.
  const auto all = static_cast<std::size_t>(tokens) * static_cast<std::size_t>(heads);
  const std::size_t queries = std::min(all, static_cast<std::size_t>(std::max(heads, kBlockQueries)));
  const WorkerSizes sizes(queries, static_cast<std::size_t>(key_dim), static_cast<std::size_t>(value_dim));
  return (2 * sizes.rotated + sizes.query + sizes.scores + sizes.page_keys + sizes.page_values + 2 * sizes.partial) *
             sizeof(float) +
         8 * 64;
}

AttentionWorker::AttentionWorker(Exec& ex, const AttentionShape& shape, const AttentionInputs& inputs, int rows)
    : ex_(ex), kernels_(*ex.kernels->attention), shape_(shape), inputs_(inputs) {
  const int queries = rows * shape.group;
  const WorkerSizes sizes(static_cast<std::size_t>(queries), static_cast<std::size_t>(shape.key_dim),
                          static_cast<std::size_t>(shape.value_dim));
  auto take = [&](std::size_t floats) {
    std::byte* memory = ex.scratch.take(floats * sizeof(float));
    if (ex.poison) std::memset(memory, 0xFF, floats * sizeof(float));
    return reinterpret_cast<float*>(memory);
  };
  rotated_ = take(sizes.rotated);
  encoded_ = reinterpret_cast<std::byte*>(take(sizes.rotated));
  query_ = take(sizes.query);
  scores_ = take(sizes.scores);
  page_keys_ = take(sizes.page_keys);
  page_values_ = take(sizes.page_values);
  span_ = AttentionPartial::at(take(sizes.partial), shape, queries);
  total_ = AttentionPartial::at(take(sizes.partial), shape, queries);
}

std::byte* AttentionWorker::page_of(const BatchSequence& sequence, int position) const {
  return inputs_.pages + static_cast<std::size_t>(sequence.pages[position / kPageTokens]) * shape_.page.bytes;
}

// A copy of n values of a head whose values [first, first + 2 pairs) are rotated for this row of the batch.
const float* AttentionWorker::rotate(const float* head, int row, int first, int n) {
  const Rope& rope = shape_.rope;
  if (rope.pairs == 0) return head;
  std::memcpy(rotated_, head, static_cast<std::size_t>(n) * sizeof(float));
  const float* angles = inputs_.table + static_cast<std::ptrdiff_t>(row) * 2 * rope.pairs;
  const auto apply = rope.interleaved ? ex_.kernels->rope_pairs : ex_.kernels->rope_halves;
  apply(rotated_ + first, angles, angles + rope.pairs, rope.pairs);
  return rotated_;
}

void AttentionWorker::store(const BatchSequence& sequence, int first, int rows, int head, int end) {
  const PageShape& layout = shape_.page;
  const auto type = static_cast<std::size_t>(layout.type);
  const std::ptrdiff_t key_dim = shape_.key_dim, value_dim = shape_.value_dim;
  const std::size_t written =
      round_up(static_cast<std::size_t>(shape_.latent ? key_dim : value_dim), 16) * layout.value_bytes;
  for (int r = first; r < first + rows; ++r) {
    const int row = sequence.first_row + r, position = sequence.first_position + r, slot = position % kPageTokens;
    for (int h = head; h < end; ++h) {
      std::byte* page = page_of(sequence, position) + static_cast<std::size_t>(h) * layout.head_bytes;
      const std::ptrdiff_t index = static_cast<std::ptrdiff_t>(row) * shape_.kv_heads + h;
      const float* key = rotate(inputs_.k + index * key_dim, row, shape_.rotated, shape_.key_dim);
      std::byte* token = page + layout.values + static_cast<std::size_t>(slot) * layout.value_stride;
      std::memset(token + written, 0, layout.value_stride - written);
      if (shape_.latent) {
        kernels_.encode[type](key, key_dim, kLatentBlock, token, reinterpret_cast<float*>(token + layout.row_scales));
        continue;
      }
      kernels_.encode[type](key, key_dim, key_dim, encoded_, reinterpret_cast<float*>(page + layout.key_scales) + slot);
      kernels_.scatter[type](encoded_, key_dim, slot, page);
      kernels_.encode[type](inputs_.v + index * value_dim, value_dim, value_dim, token,
                            reinterpret_cast<float*>(page + layout.value_scales) + slot);
    }
  }
}

void AttentionWorker::load(const AttentionBlock& block) {
  block_ = block;
  decoded_ = shape_.latent || (queries() >= kDecodeFrom && shape_.page.type != CacheType::f32);
  const int count = queries();
  for (int query = 0; query < count; ++query) {
    const int row = block.sequence->first_row + block.first + query / shape_.group,
              head = block.kv_head * shape_.group + query % shape_.group;
    const float* x = inputs_.q + (static_cast<std::ptrdiff_t>(row) * shape_.heads + head) * shape_.key_dim;
    x = rotate(x, row, shape_.rotated, shape_.key_dim);
    const int tile = query / kQueryTile * kQueryTile;
    kernels_.pack_query(x, shape_.key_dim, shape_.scale, query - tile, std::min(kQueryTile, count - tile),
                        query_ + static_cast<std::ptrdiff_t>(tile) * shape_.key_dim);
  }
}

// Scores of every query against `positions` positions of the page that begins at `position`.
void AttentionWorker::scores(int position, int positions) {
  const PageShape& layout = shape_.page;
  const std::byte* page =
      page_of(*block_.sequence, position) + static_cast<std::size_t>(block_.kv_head) * layout.head_bytes;
  auto type = static_cast<std::size_t>(layout.type);
  AttentionScores args{};
  args.key_dim = shape_.key_dim;
  args.keys = page;
  if (layout.type == CacheType::q8 && !shape_.latent)
    args.key_scales = reinterpret_cast<const float*>(page + layout.key_scales);
  if (decoded_) {
    if (shape_.latent)
      kernels_.latent[type](
          {page, layout.value_stride, layout.row_scales, shape_.key_dim, 0, positions, page_keys_, nullptr});
    else
      kernels_.decode[type](page, static_cast<std::int64_t>(shape_.key_dim) * kPageTokens, page_keys_);
    args.keys = reinterpret_cast<const std::byte*>(page_keys_);
    type = static_cast<std::size_t>(CacheType::f32);
  }
  const int count = queries();
  for (int tile = 0; tile < count; tile += kQueryTile) {
    args.queries = std::min(kQueryTile, count - tile);
    args.positions = std::min(positions, history(tile + args.queries - 1) - position);
    if (args.positions <= 0) continue;
    args.query = query_ + static_cast<std::ptrdiff_t>(tile) * shape_.key_dim;
    args.scores = scores_ + tile * kSpanTokens + position % kSpanTokens;
    kernels_.scores[type](args);
  }
}

// Adds the page's values, weighted, to every query's output.
void AttentionWorker::values(int position, int positions, bool first_page, float* out) {
  const PageShape& layout = shape_.page;
  const std::byte* page =
      page_of(*block_.sequence, position) + static_cast<std::size_t>(block_.kv_head) * layout.head_bytes;
  auto type = static_cast<std::size_t>(layout.type);
  AttentionValues args{};
  args.values = page + layout.values;
  args.value_stride = layout.value_stride;
  args.value_dim = shape_.value_dim;
  args.first = first_page;
  args.out_stride = shape_.value_padded;
  if (layout.type == CacheType::q8 && !shape_.latent)
    args.value_scales = reinterpret_cast<const float*>(page + layout.value_scales);
  if (decoded_) {
    if (shape_.latent) {
      kernels_.latent[type]({page, layout.value_stride, layout.row_scales, shape_.key_dim, shape_.value_dim, positions,
                             nullptr, page_values_});
    } else {
      for (int p = 0; p < positions; ++p)
        kernels_.decode[type](args.values + static_cast<std::size_t>(p) * layout.value_stride, shape_.value_padded,
                              page_values_ + p * shape_.value_padded);
    }
    args.values = reinterpret_cast<const std::byte*>(page_values_);
    args.value_stride = static_cast<std::size_t>(shape_.value_padded) * sizeof(float);
    type = static_cast<std::size_t>(CacheType::f32);
  }
  const int count = queries();
  for (int tile = 0; tile < count; tile += kQueryTile) {
    args.queries = std::min(kQueryTile, count - tile);
    if (history(tile + args.queries - 1) <= position) continue;
    int limits[kQueryTile];
    for (int i = 0; i < args.queries; ++i) limits[i] = std::clamp(history(tile + i) - position, 0, kPageTokens);
    args.limits = limits;
    args.weights = scores_ + tile * kSpanTokens + position % kSpanTokens;
    args.out = out + static_cast<std::ptrdiff_t>(tile) * shape_.value_padded;
    kernels_.values[type](args);
  }
}

void AttentionWorker::attend(int span, const AttentionPartial& result) {
  const int start = span * kSpanTokens, end = std::min(start + kSpanTokens, block_.history());
  for (int position = start; position < end; position += kPageTokens)
    scores(position, std::min(kPageTokens, end - position));
  for (int query = 0; query < queries(); ++query) {
    const int seen = std::min(kSpanTokens, history(query) - start);
    if (seen > 0) kernels_.softmax(scores_ + query * kSpanTokens, seen, result.maximum + query, result.sum + query);
  }
  for (int position = start; position < end; position += kPageTokens)
    values(position, std::min(kPageTokens, end - position), position == start, result.out);
}

void AttentionWorker::attend_all(float* out) {
  const int count = queries(), padded = shape_.value_padded;
  attend(0, total_);
  for (int span = 1; span < block_.spans(); ++span) {
    attend(span, span_);
    for (int i = 0; i < count; ++i)
      if (history(i) > span * kSpanTokens)
        kernels_.merge(total_.maximum + i, total_.sum + i, total_.out + i * padded, span_.maximum[i], span_.sum[i],
                       span_.out + i * padded, shape_.value_dim);
  }
  for (int i = 0; i < count; ++i) {
    const std::ptrdiff_t row = block_.sequence->first_row + block_.first + i / shape_.group,
                         head = block_.kv_head * shape_.group + i % shape_.group;
    kernels_.finish(total_.out + i * padded, total_.sum[i], shape_.value_dim,
                    out + (row * shape_.heads + head) * shape_.value_dim);
  }
}

}  // namespace limpid
