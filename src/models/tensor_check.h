// The sizes that a configuration claims, held against the tensors of its files.
#pragma once

#include "formats/weight_source.h"
#include "models/config.h"

namespace limpid {

// Throws Error(input) naming the tensor unless it is (rows, columns).
void check_shape(const WeightSource& source, const Weight& weight, std::int64_t rows, std::int64_t columns);

// The sizes that a Decoder allocates by, before any weight is asked for: layers, heads, experts, vocabulary and width must be those of tensors in the
// files (an embedding; each layer's queries and router). What is allocated is then bounded by a small multiple of the files' size. The other shapes are
// checked as the parameters are visited. Throws Error(input) naming the tensor.
void check_tensors(const ModelConfig& config, const WeightSource& source);

}  // namespace limpid
