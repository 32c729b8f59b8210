// Balancing experts in training (DeepSeek-V3, section 2.1.2): what a mixture of experts counts and adds while a tape
// records, and the sign rule that moves the biases between steps.
//
// Given to the tape (Tape::moe) by whoever trains, before a step; thread 0 writes to it, to be read after the step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/batch.h"

namespace limpid {

struct MoeTraining {
  // The sequence-wise balance loss, equations 17 to 20, of each of these sequences, times this factor: alpha / number
  // of sequences of the whole optimiser step. 0: none. The chosen of equation 18 are the highest scores without bias.
  float balance = 0;
  std::span<const BatchSequence> sequences;

  // Added to, by layer number (grown as needed): rows that chose each expert, by forward; the loss, by backward.
  struct Layer {
    std::vector<std::int64_t> counts;  // (E); empty: no experts
    double balance_loss = 0;           // with the factor
  };
  std::vector<Layer> layers;
  Layer& layer(int number) {
    if (layers.size() <= static_cast<std::size_t>(number)) layers.resize(static_cast<std::size_t>(number) + 1);
    return layers[static_cast<std::size_t>(number)];
  }
};

// The bias of an expert that got more than the mean goes down by `speed`, of one that got less up by it.
void balance_bias(std::span<const std::int64_t> counts, float speed, float* bias);
// MaxVio of Wang et al., 2024 ("Auxiliary-loss-free load balancing"): (largest load - mean) / mean. 0 without any load.
double max_violation(std::span<const std::int64_t> counts);

}  // namespace limpid
