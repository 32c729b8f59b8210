// Memory that a training step needs beside what serving plans.
#pragma once

#include "models/decoder.h"

namespace limpid {

// Bytes of each thread's scratch for forward, losses and backward of a step of at most `tokens` rows, with or without
// multi-token prediction. The arena keeps all activations and their gradients until the step ends: give it a generous
// HugeBuffer (untouched pages cost nothing) and read Arena::peak(); a step that does not fit throws Error(resources).
std::size_t training_scratch_bytes(const Decoder& decoder, const ModelConfig& config, int tokens);

}  // namespace limpid
