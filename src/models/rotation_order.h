// The order of a head's rows in queries and keys of Llama's kind: Hugging Face rotates halves (row i with i + d/2), GGUF
// files of the architecture "llama" pairs (row 2i with 2i + 1), so that their rows stand in another order.
#pragma once

#include <cstdint>
#include <string_view>

#include "models/config.h"

namespace limpid {

// Whether the order of this parameter's rows (Hugging Face's name) differs between the two.
bool rotates(const ModelConfig& config, std::string_view name);
// Of (rows, columns), rows a multiple of head_dim, in place: row p d/2 + i of each head becomes 2 i + p, and back.
void to_pairs(float* values, std::int64_t rows, std::int64_t columns, std::int64_t head_dim);
void to_halves(float* values, std::int64_t rows, std::int64_t columns, std::int64_t head_dim);

}  // namespace limpid
