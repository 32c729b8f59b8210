// Batch: the rows of one step and where their keys and values live. Made by the engine, read by models and ops.
// Rows of one sequence are contiguous and their positions ascend by one.
#pragma once

#include <cstdint>
#include <span>

namespace limpid {

struct BatchSequence {
  std::int32_t first_row;       // of the batch
  std::int32_t rows;            // new tokens of this sequence in the step
  std::int32_t first_position;  // of first_row: what is in the cache already
  const std::int32_t* pages;    // block table: page index of positions [64 i, 64 i + 64), for all layers alike
};

struct Batch {
  std::span<const std::int32_t> ids;        // (T)
  std::span<const std::int32_t> positions;  // (T)
  std::span<const BatchSequence> sequences;
  std::span<const std::int32_t> outputs;  // rows whose logits are wanted, ascending
  int tokens() const { return static_cast<int>(ids.size()); }
};

}  // namespace limpid
