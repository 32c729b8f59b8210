// The hidden rows of gated MLPs: silu(W_gate n) * (W_up n), quantised for W_down by the thread that made them. Internal
// to ops/: gated_mlp and moe share it.
#pragma once

#include "ops/activations.h"

namespace limpid {

// One MLP and the rows that it sees.
struct GatedHidden {
  const PackedWeight* gate = nullptr;    // (F, D)
  const PackedWeight* up = nullptr;      // (F, D)
  Activations gate_rows, up_rows;        // of n, as gate and up want them
  const std::int32_t* gather = nullptr;  // row of n for each hidden row; null: the row itself
  Activations hidden;                    // (count, F), written
  float* keep_gate = nullptr;            // (count, F) each: the products, kept for backward; null: not wanted
  float* keep_up = nullptr;
};

// Columns that a thread can be given without another touching the same block of a hidden row.
std::int64_t hidden_unit(ActType type);
// Hidden columns [begin, end) of every row; begin is a multiple of the unit, end too or F (then the padding is
// written).
void fill_hidden(Exec& ex, const GatedHidden& part, std::int64_t begin, std::int64_t end);
std::size_t hidden_scratch_bytes();

}  // namespace limpid
