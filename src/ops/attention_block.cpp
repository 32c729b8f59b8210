#include "ops/attention_block.h"
#include "base/round_up.h"

#include <algorithm>
#include <cstring>

namespace limpid {

namespace {

constexpr int kBlockQueries = 128;
// With more queries than this a page is decoded to f32 once instead of by every tile (Xeon with AVX-512, f16; the bits
// are the same).
constexpr int kDecodeFrom = 3 * kQueryTile;

// Floats of each buffer of a worker, in the order that it takes them. Enough for either kind of attention.
struct WorkerSizes {
  std::size_t rotated, query, scores, page, sums, partial;
  WorkerSizes(std::size_t queries, std::size_t key_dim, std::size_t value_dim) {
    const std::size_t lanes = round_up<std::size_t>(queries, kLatentQueries),
                      padded = round_up<std::size_t>(value_dim, 16);
    rotated = round_up<std::size_t>(key_dim, 16);
    query = lanes * key_dim;
    scores = lanes * kSpanTokens;
    page = kPageTokens * std::max({key_dim, padded, static_cast<std::size_t>(kLatentChunk)});
    sums = lanes * kPageTokens;
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
  return (2 * sizes.rotated + sizes.query + sizes.scores + sizes.page + sizes.sums + 2 * sizes.partial) *
             sizeof(float) +
         8 * 64;
}

AttentionWorker::AttentionWorker(Exec& ex, const AttentionShape& shape, const AttentionInputs& inputs, int rows)
    : ex_(ex),
      kernels_(*ex.kernels->attention),
      shape_(shape),
      inputs_(inputs),
      tile_(shape.latent ? kLatentQueries : kQueryTile) {
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
  page_ = take(sizes.page);
  sums_ = take(sizes.sums);
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
      round_up<std::size_t>(static_cast<std::size_t>(shape_.latent ? key_dim : value_dim), 16) * layout.value_bytes;
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
  const int count = queries();
  decoded_ = shape_.latent || (count >= kDecodeFrom && shape_.page.type != CacheType::f32);
  const std::ptrdiff_t key_dim = shape_.key_dim;
  // Lanes without a query are zero.
  if (shape_.latent && count % tile_ != 0)
    std::memset(query_ + count / tile_ * tile_ * key_dim, 0, static_cast<std::size_t>(tile_ * key_dim) * sizeof(float));
  for (int query = 0; query < count; ++query) {
    const int row = block.sequence->first_row + block.first + query / shape_.group,
              head = block.kv_head * shape_.group + query % shape_.group;
    const float* x = inputs_.q + (static_cast<std::ptrdiff_t>(row) * shape_.heads + head) * key_dim;
    x = rotate(x, row, shape_.rotated, shape_.key_dim);
    const int tile = query / tile_ * tile_;
    kernels_.pack_query(x, key_dim, shape_.scale, query - tile, shape_.latent ? tile_ : std::min(tile_, count - tile),
                        query_ + tile * key_dim);
  }
}

const std::byte* AttentionWorker::keys_of(int position) const {
  return page_of(*block_.sequence, position) + static_cast<std::size_t>(block_.kv_head) * shape_.page.head_bytes;
}

// A span is read page by page, all keys and then all values: what comes after the keys, and after the values, of this
// page.
std::ptrdiff_t AttentionWorker::ahead_of_keys(int position) const {
  const int next = position + kPageTokens, start = position / kSpanTokens * kSpanTokens;
  if (next < std::min(start + kSpanTokens, block_.history())) return keys_of(next) - keys_of(position);
  return keys_of(start) + shape_.page.values - keys_of(position);
}
std::ptrdiff_t AttentionWorker::ahead_of_values(int position) const {
  const int next = position + kPageTokens;
  if (next >= block_.history()) return 0;
  return keys_of(next) - keys_of(position) -
         static_cast<std::ptrdiff_t>(next % kSpanTokens == 0 ? shape_.page.values : 0);
}

// Scores of every query against `positions` positions of the page that begins at `position`.
void AttentionWorker::scores(int position, int positions) {
  const PageShape& layout = shape_.page;
  const std::byte* keys = keys_of(position);
  auto type = static_cast<std::size_t>(layout.type);
  AttentionScores args{};
  args.key_dim = shape_.key_dim;
  args.keys = keys;
  if (layout.type == CacheType::q8) args.key_scales = reinterpret_cast<const float*>(keys + layout.key_scales);
  if (decoded_) {
    kernels_.decode[type](keys, static_cast<std::int64_t>(shape_.key_dim) * kPageTokens, page_);
    args.keys = reinterpret_cast<const std::byte*>(page_);
    type = static_cast<std::size_t>(CacheType::f32);
  } else {
    args.ahead = ahead_of_keys(position);
  }
  const int count = queries();
  for (int tile = 0; tile < count; tile += tile_) {
    args.queries = std::min(tile_, count - tile);
    args.positions = std::min(positions, history(tile + args.queries - 1) - position);
    if (args.positions <= 0) continue;
    args.query = query_ + static_cast<std::ptrdiff_t>(tile) * shape_.key_dim;
    args.scores = scores_ + tile * kSpanTokens + position % kSpanTokens;
    kernels_.scores[type](args);
    args.ahead = 0;
  }
}

// At most kLatentChunk of the first `columns` columns of a page of latents to page_.
void AttentionWorker::latent_chunk(int position, int positions, int first, int columns) {
  const PageShape& layout = shape_.page;
  kernels_.latent[static_cast<std::size_t>(layout.type)]({keys_of(position), layout.value_stride, layout.row_scales,
                                                          first, std::min(kLatentChunk, columns - first), positions,
                                                          page_});
}

void AttentionWorker::latent_scores(int position, int positions) {
  const PageShape& layout = shape_.page;
  const int count = queries(), key_dim = shape_.key_dim;
  AttentionLatentScores args{};
  args.chunk = page_;
  args.next_stride = layout.value_stride;
  args.next_lines = static_cast<int>(layout.value_bytes);  // 64 columns
  for (int chunk = 0; chunk < key_dim; chunk += kLatentChunk) {
    latent_chunk(position, positions, chunk, key_dim);
    args.columns = std::min(kLatentChunk, key_dim - chunk);
    args.begin = chunk == 0;
    args.end = chunk + kLatentChunk >= key_dim;
    args.next = args.end ? keys_of(position) + ahead_of_keys(position)
                         : keys_of(position) + (chunk + kLatentChunk) * layout.value_bytes;
    for (int tile = 0; tile < count; tile += tile_) {
      args.positions = std::min(positions, history(std::min(tile + tile_, count) - 1) - position);
      if (args.positions <= 0) continue;
      args.query = query_ + static_cast<std::ptrdiff_t>(tile) * key_dim + chunk * tile_;
      args.sums = sums_ + tile * kPageTokens;
      args.scores = scores_ + tile * kSpanTokens + position % kSpanTokens;
      kernels_.latent_scores(args);
      args.next = nullptr;
    }
  }
}

// Adds the page's values, weighted, to every query's output.
void AttentionWorker::values(int position, int positions, bool first_page, float* out) {
  const PageShape& layout = shape_.page;
  AttentionValues args{};
  args.values = keys_of(position) + layout.values;
  args.value_stride = layout.value_stride;
  args.value_dim = shape_.value_dim;
  args.first = first_page;
  if (layout.type == CacheType::q8)
    args.value_scales = reinterpret_cast<const float*>(keys_of(position) + layout.value_scales);
  if (!decoded_) {
    args.ahead = ahead_of_values(position);
    return weigh(args, layout.type, position, out);
  }
  for (int p = 0; p < positions; ++p)
    kernels_.decode[static_cast<std::size_t>(layout.type)](
        args.values + static_cast<std::size_t>(p) * layout.value_stride, shape_.value_padded,
        page_ + p * shape_.value_padded);
  args.values = reinterpret_cast<const std::byte*>(page_);
  args.value_stride = static_cast<std::size_t>(shape_.value_padded) * sizeof(float);
  weigh(args, CacheType::f32, position, out);
}

void AttentionWorker::latent_values(int position, int positions, bool first_page, float* out) {
  AttentionValues args{};
  args.first = first_page;
  const PageShape& layout = shape_.page;
  if (queries() <= kQueryTile && layout.type != CacheType::q8) {  // few heads: where they lie
    args.values = keys_of(position);
    args.value_stride = layout.value_stride;
    args.value_dim = shape_.value_dim;
    return weigh(args, layout.type, position, out);
  }
  args.values = reinterpret_cast<const std::byte*>(page_);
  args.value_stride = kLatentChunk * sizeof(float);
  for (int chunk = 0; chunk < shape_.value_dim; chunk += kLatentChunk) {
    latent_chunk(position, positions, chunk, shape_.value_dim);
    args.value_dim = std::min(kLatentChunk, shape_.value_dim - chunk);
    weigh(args, CacheType::f32, position, out + chunk);
  }
}

// The values of one page, decoded or as they lie, for all queries in tiles of kQueryTile.
void AttentionWorker::weigh(AttentionValues& args, CacheType type, int position, float* out) {
  args.out_stride = shape_.value_padded;
  const int count = queries();
  for (int tile = 0; tile < count; tile += kQueryTile) {
    args.queries = std::min(kQueryTile, count - tile);
    if (history(tile + args.queries - 1) <= position) continue;
    int limits[kQueryTile];
    for (int i = 0; i < args.queries; ++i) limits[i] = std::clamp(history(tile + i) - position, 0, kPageTokens);
    args.limits = limits;
    args.weights = scores_ + tile * kSpanTokens + position % kSpanTokens;
    args.out = out + static_cast<std::ptrdiff_t>(tile) * shape_.value_padded;
    kernels_.values[static_cast<std::size_t>(type)](args);
    args.ahead = 0;
  }
}

void AttentionWorker::attend(int span, const AttentionPartial& result) {
  const int start = span * kSpanTokens, end = std::min(start + kSpanTokens, block_.history());
  for (int position = start; position < end; position += kPageTokens) {
    const int positions = std::min(kPageTokens, end - position);
    shape_.latent ? latent_scores(position, positions) : scores(position, positions);
  }
  for (int query = 0; query < queries(); ++query) {
    const int seen = std::min(kSpanTokens, history(query) - start);
    if (seen > 0) kernels_.softmax(scores_ + query * kSpanTokens, seen, result.maximum + query, result.sum + query);
  }
  for (int position = start; position < end; position += kPageTokens) {
    const int positions = std::min(kPageTokens, end - position);
    shape_.latent ? latent_values(position, positions, position == start, result.out)
                  : values(position, positions, position == start, result.out);
  }
}

void AttentionWorker::attend_all(float* out, const AttentionSums& sums) {
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
    const std::ptrdiff_t index = row * shape_.heads + head;
    kernels_.finish(total_.out + i * padded, total_.sum[i], shape_.value_dim, out + index * shape_.value_dim);
    if (sums.sum == nullptr) continue;
    sums.maximum[index] = total_.maximum[i];
    sums.sum[index] = total_.sum[i];
  }
}

}  // namespace limpid
