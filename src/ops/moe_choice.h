// The choice of experts for rows on one thread, and the parts of a routed step that follow from it. Internal to ops/.
#pragma once

#include "ops/activations.h"
#include "ops/moe.h"

namespace limpid {

// For rows of gate logits (rows, E): ids and weights (rows, chosen). Formulas: DeepSeek-V3, equations 12 to 16.
void choose_experts(Exec& ex, const Gate& gate, const float* logits, std::int64_t rows, Routing to);
// Gate products and choice of the rows of n, all on this thread.
void score_and_choose(Exec& ex, const Gate& gate, const Activations& n, Routing to);
std::size_t choice_scratch_bytes(int experts);

// Bytes of ids and weights.
std::size_t routing_bytes(std::int64_t rows, int chosen);
Routing routing_at(std::byte* memory, std::int64_t rows, int chosen);

// (row, slot) pairs ordered by expert, then by row: what grouped products read.
struct ExpertGroups {
  std::int32_t* first = nullptr;     // (E + 1): where an expert's pairs begin
  std::int32_t* rows = nullptr;      // (T * chosen): row of each pair
  std::int32_t* position = nullptr;  // (T, chosen): where a pair is
};
// From ids (T, chosen); takes the lists from this thread's scratch.
ExpertGroups group_by_expert(Exec& ex, const Gate& gate, const std::int32_t* ids, std::int64_t rows);
std::size_t group_scratch_bytes(std::int64_t rows, int experts, int chosen);

}  // namespace limpid
