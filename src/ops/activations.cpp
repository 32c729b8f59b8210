#include "ops/activations.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace limpid {

namespace {

// What a chunk of rows, and a block of strips that is used again for the next chunk, may take of the second-level cache
// (1 MiB and more on current servers and desktops). Chosen by that size, not by measurement.
constexpr std::size_t kChunkBytes = 256 * 1024;

// Bytes of a row in all types at once: a layer may mix them.
std::size_t all_types_bytes(std::int64_t columns) {
  std::size_t sum = 0;
  for (int type = 0; type < kActTypes; ++type) sum += act_row_bytes(static_cast<ActType>(type), columns);
  return sum;
}

}  // namespace

std::int64_t token_chunk(std::size_t row_bytes) {
  const auto rows = static_cast<std::int64_t>(kChunkBytes / std::max<std::size_t>(row_bytes, 1)) / 12 * 12;
  return std::clamp<std::int64_t>(rows, 12, kTokenChunk);
}

RowSource rows_of(const Tensor& x) { return {x.f32(), x.columns(), x.rows(), x.columns(), nullptr}; }

std::size_t scratch_size(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

std::byte* take_scratch(Exec& ex, std::size_t bytes) {
  std::byte* memory = ex.scratch.take(bytes);
  if (ex.poison) std::memset(memory, 0xFF, bytes);
  return memory;
}

Activations take_activations(Exec& ex, Place place, ActType type, std::int64_t columns, std::int64_t rows) {
  Activations result{type, columns, rows, act_row_bytes(type, columns), nullptr};
  const std::size_t bytes = result.stride * static_cast<std::size_t>(rows);
  result.data = place == Place::arena ? ex.alloc_bytes(bytes) : take_scratch(ex, bytes);
  return result;
}

ActivationSet take_activations(Exec& ex, Place place, const ActTypes& types, std::int64_t columns, std::int64_t rows) {
  ActivationSet set;
  for (int i = 0; i < kActTypes; ++i) {
    const auto type = static_cast<ActType>(i);
    if (types.has(type)) set.of_type[static_cast<std::size_t>(i)] = take_activations(ex, place, type, columns, rows);
  }
  return set;
}

void fill_activations(const Exec& ex, const RowSource& source, const float* gain, float eps, std::int64_t begin,
                      std::int64_t end, float* row, ActivationSet& set) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* x = source.row(i);
    if (gain != nullptr) {
      ex.kernels->rms_norm(x, gain, eps, source.columns, row);
      x = row;
    }
    for (std::size_t type = 0; type < kActTypes; ++type) {
      const Activations& to = set.of_type[type];
      if (to.data != nullptr)
        ex.kernels->quantise[type](x, source.columns, to.data + static_cast<std::size_t>(i) * to.stride);
    }
  }
}

ActivationSet make_activations(Exec& ex, const RowSource& source, const float* gain, float eps, const ActTypes& types) {
  const bool few = source.rows <= kFewRows;
  float* row = take_floats(ex, act_padded(source.columns));
  ActivationSet set = take_activations(ex, few ? Place::scratch : Place::arena, types, source.columns, source.rows);
  if (few) {
    fill_activations(ex, source, gain, eps, 0, source.rows, row, set);
    return set;
  }
  const auto [begin, end] = ex.share(source.rows);
  fill_activations(ex, source, gain, eps, begin, end, row, set);
  ex.sync();
  return set;
}

std::size_t activation_scratch_bytes(std::int64_t columns) {
  return scratch_size(static_cast<std::size_t>(act_padded(columns)) * sizeof(float)) +
         static_cast<std::size_t>(kFewRows) * all_types_bytes(columns);
}

std::size_t activation_bytes(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(rows) * all_types_bytes(columns);
}

Activations slice(const Activations& rows, std::int64_t begin, std::int64_t end) {
  Activations result = rows;
  result.rows = end - begin;
  result.data += static_cast<std::size_t>(begin) * rows.stride;
  return result;
}

void multiply(const Exec& ex, const PackedWeight& weight, const Activations& input, std::int64_t begin,
              std::int64_t end, OutputRows out, const std::int32_t* gather, std::int64_t count) {
  const LinearFn product = ex.kernels->linear[static_cast<std::size_t>(weight.type)];
  assert(product != nullptr && input.data != nullptr && input.columns == weight.columns);
  assert(begin % kStripRows == 0 && end <= weight.rows);
  const std::int64_t rows = gather == nullptr ? input.rows : count;
  const std::size_t strip_bytes = weight.strip_bytes();
  const std::int64_t chunk = token_chunk(input.stride);
  // Several chunks: a block of strips stays in the cache for all of them.
  const auto block_strips = std::max<std::int64_t>(1, static_cast<std::int64_t>(kChunkBytes / strip_bytes));
  const std::int64_t block = rows <= chunk ? end - begin : block_strips * kStripRows;
  for (std::int64_t o = begin; o < end; o += block) {
    const std::int64_t outputs = std::min(block, end - o);
    LinearArgs args{};
    args.weight = weight.data + static_cast<std::size_t>(o / kStripRows) * strip_bytes;
    args.strip_bytes = strip_bytes;
    args.columns = weight.columns;
    args.strips = static_cast<int>((outputs + kStripRows - 1) / kStripRows);
    args.valid_rows = static_cast<int>(outputs);
    args.activation_stride = input.stride;
    args.out_stride = out.stride;
    args.bias = weight.bias == nullptr ? nullptr : weight.bias + o;
    args.accumulate = out.accumulate;
    for (std::int64_t t = 0; t < rows; t += chunk) {
      args.tokens = static_cast<int>(std::min(chunk, rows - t));
      args.rows = gather == nullptr ? nullptr : gather + t;
      args.activations = input.data + (gather == nullptr ? static_cast<std::size_t>(t) * input.stride : 0);
      args.out = out.data + t * out.stride + (o - begin);
      product(args);
    }
  }
}

}  // namespace limpid
