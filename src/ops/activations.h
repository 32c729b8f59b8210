// Activation rows: how the ops of this folder make them and multiply them with packed weights. Internal to ops/.
//
// A step of few rows normalises and quantises every row on every thread into the thread's own scratch: the arithmetic
// is the same and a barrier costs more. With many rows the threads share the rows, in the arena, and meet once.
#pragma once

#include <array>
#include <cstdint>

#include "ops/linear.h"

namespace limpid {

inline constexpr std::int64_t kFewRows = 4;
// Most rows of a product that are computed at a time, so that they stay in the second-level cache. A multiple of any
// tile of tokens that a kernel has.
inline constexpr std::int64_t kTokenChunk = 48;
std::int64_t token_chunk(std::size_t row_bytes);  // rows at a time for rows of this size: 12 to kTokenChunk

// Where rows come from: row i is data + (index ? index[i] : i) * stride, `columns` floats.
struct RowSource {
  const float* data = nullptr;
  std::int64_t stride = 0, rows = 0, columns = 0;
  const std::int32_t* index = nullptr;
  const float* row(std::int64_t i) const { return data + (index == nullptr ? i : index[i]) * stride; }
};
RowSource rows_of(const Tensor& x);

// The types of activations that some weights want.
class ActTypes {
 public:
  void add(const PackedWeight& weight) { wanted_[static_cast<std::size_t>(activation_of(weight.type))] = true; }
  bool has(ActType type) const { return wanted_[static_cast<std::size_t>(type)]; }

 private:
  std::array<bool, kActTypes> wanted_{};
};

// The same rows in every type that is wanted.
struct ActivationSet {
  std::array<Activations, kActTypes> of_type;
  const Activations& of(const PackedWeight& weight) const {
    return of_type[static_cast<std::size_t>(activation_of(weight.type))];
  }
};

// Scratch memory of this thread, filled with NaN under poison.
std::byte* take_scratch(Exec& ex, std::size_t bytes);
inline float* take_floats(Exec& ex, std::int64_t n) {
  return reinterpret_cast<float*>(take_scratch(ex, static_cast<std::size_t>(n) * sizeof(float)));
}
std::size_t scratch_size(std::size_t bytes);  // what take_scratch(bytes) uses

// Memory for rows, in the arena (the same call on every thread) or in this thread's scratch.
enum class Place { arena, scratch };
Activations take_activations(Exec& ex, Place place, ActType type, std::int64_t columns, std::int64_t rows);
ActivationSet take_activations(Exec& ex, Place place, const ActTypes& types, std::int64_t columns, std::int64_t rows);

// Normalises (gain null: does not) and quantises rows [begin, end) of the source. Takes nothing; `row` holds one row.
void fill_activations(const Exec& ex, const RowSource& source, const float* gain, float eps, std::int64_t begin,
                      std::int64_t end, float* row, ActivationSet& set);

// All of it: the rows of the source, ready on this thread when it returns. Few rows: in scratch, without a barrier;
// many: in the arena, with one. The caller rewinds.
ActivationSet make_activations(Exec& ex, const RowSource& source, const float* gain, float eps, const ActTypes& types);
std::size_t activation_scratch_bytes(std::int64_t columns);  // what make_activations takes of ex.scratch at most

// Rows [begin, end) of some activations.
Activations slice(const Activations& rows, std::int64_t begin, std::int64_t end);

// The product with output columns [begin, end) of a weight (begin a multiple of 16): out[t * stride + o - begin], for
// all rows, or for the `count` rows that `gather` names.
struct OutputRows {
  float* data = nullptr;
  std::int64_t stride = 0;
  bool accumulate = false;
};
void multiply(const Exec& ex, const PackedWeight& weight, const Activations& input, std::int64_t begin,
              std::int64_t end, OutputRows out, const std::int32_t* gather = nullptr, std::int64_t count = -1);

}  // namespace limpid
