// embed: the rows of the embedding table for the ids of a step. head: the logits of the rows whose logits are wanted.
#pragma once

#include "ops/batch.h"
#include "ops/linear.h"

namespace limpid {

// Returns x (T, D), f32. Ids were checked against the table's rows by the engine. Ends with a barrier.
Tensor embed(Exec& ex, const PackedWeight& table, const Batch& batch);

// Backward reads x where it is: after the head it may not change.
// RMSNorm of the rows batch.outputs of x (T, D), times the vocabulary matrix (V, D). Returns (outputs, V), f32. Ends with a barrier.
Tensor head(Exec& ex, const Tensor& x, const float* gain, float eps, const PackedWeight& vocabulary,
            const Batch& batch);
std::size_t head_arena_bytes(std::int64_t outputs, std::int64_t d, std::int64_t vocabulary);
std::size_t head_scratch_bytes(std::int64_t d);

}  // namespace limpid
