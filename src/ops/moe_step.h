// MoeStep: the mixture of experts of one layer and step, computed as its experts come.
//
//   MoeStep step(ex, x, ...);         normalises and routes; one barrier
//   step.experts(), step.counts()     which experts have rows
//   step.add(views)                   computes some of them, in any order; one barrier
//   step.finish()                     x += the sum; one barrier
//
// x (T, D) += sum over the slots of weight * expert(n) in slot order, then the shared expert (unweighted), n = rms_norm(x, gain). Every (row, slot)
// writes a buffer of its own, so that the order in which experts come cannot matter. Rows of one expert are one product (grouped).
#pragma once

#include <span>

#include "ops/moe.h"
#include "ops/moe_backward.h"
#include "ops/moe_choice.h"

namespace limpid {

// together: all experts come in one add(), so that the buffers need to hold some columns at a time only (in scratch). Otherwise (apart) they hold
// rows * (chosen + 1) * D floats in the arena.
enum class Arrival { together, apart };

class MoeStep {
 public:
  // like: types and shapes of the layer's experts. shared: null where the model has none; it is computed with the first add().
  // Starts after a barrier; every thread makes its own and calls alike. `layer` numbers the counts of Tape::moe and what
  // Exec::experts writes down.
  MoeStep(Exec& ex, Tensor& x, const float* gain, float eps, const Gate& gate, const ExpertWeights& like,
          const GatedMlpWeights* shared, Arrival arrival, int layer = 0);
  MoeStep(const MoeStep&) = delete;
  MoeStep& operator=(const MoeStep&) = delete;

  // The experts that have rows, ascending, and how many rows each has.
  std::span<const std::int32_t> experts() const { return {experts_, static_cast<std::size_t>(chosen_experts_)}; }
  std::span<const std::int32_t> counts() const { return {counts_, static_cast<std::size_t>(chosen_experts_)}; }

  // Their weights are not read after the next barrier that follows an add() (apart), or after finish() (together).
  void add(std::span<const ExpertView> views);
  // Adds to x when every expert was added; gives memory back; ends with a barrier.
  void finish();
  // Instead of finish(), on every thread: gives memory back, x stays.
  void abandon();

  static std::size_t part_bytes(int experts);  // of scratch

 private:
  struct Part;
  void route_rows(const ActTypes& types, float eps, const float* gain);
  void list_experts();
  void take_hidden(const ExpertWeights& like);
  void list_parts(std::span<const ExpertView> views);
  void fill_hidden_share();
  void add_columns(std::int64_t begin, std::int64_t end);
  void multiply_parts(std::int64_t begin, std::int64_t end, float* outputs, std::int64_t stride);
  void sum_rows(std::int64_t begin, std::int64_t end, const float* outputs, std::int64_t stride, float* sum);

  Exec& ex_;
  Tensor& x_;
  const Gate& gate_;
  const GatedMlpWeights* const shared_;
  const bool apart_;
  SavedMoe saved_;  // while a tape records; taken before what the step gives back
  const std::size_t arena_, scratch_;
  ActivationSet n_;  // in the types that gate and experts want
  Routing routing_;
  ExpertGroups groups_;
  std::int32_t *experts_ = nullptr, *counts_ = nullptr;
  int chosen_experts_ = 0;
  Activations hidden_, shared_hidden_;  // (pairs, F) in the order of groups_, (T, shared F)
  float* outputs_ = nullptr;            // apart: (pairs + T, D)
  Part* parts_ = nullptr;
  int part_count_ = 0;
  bool shared_added_ = false;
};

std::size_t moe_arena_bytes(std::int64_t rows, std::int64_t d, std::int64_t f, std::int64_t shared_f, int experts,
                            int chosen, Arrival arrival);
// Of each thread's scratch, for a step of at most `rows` rows.
std::size_t moe_scratch_bytes(std::int64_t rows, std::int64_t d, int experts, int chosen);
// The same for the backward.
std::size_t moe_backward_scratch_bytes(std::int64_t rows, std::int64_t d, int experts, int chosen);

}  // namespace limpid
