// ParameterVisitor: a model lists each of its parameters once, by name and shape; loading, counting and training use that list.
// A parameter has two names, because safetensors and GGUF spell them differently.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/linear.h"

namespace limpid {

struct ParameterName {
  std::string safetensors, gguf;  // "" where a format does not have it
};

class ParameterVisitor {
 public:
  virtual ~ParameterVisitor() = default;
  // W (rows, columns).
  virtual void matrix(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) = 0;
  // A matrix that is kept in f32 whatever the file has: a router's.
  virtual void matrix_f32(const ParameterName& name, std::int64_t rows, std::int64_t columns, PackedWeight& weight) = 0;
  // A bias or a norm's gain: n floats, kept by whoever loads.
  virtual void vector(const ParameterName& name, std::int64_t n, const float*& values) = 0;
  // weights.size() matrices (rows, columns): in GGUF one tensor of (count, rows, columns), in safetensors one tensor each, whose name has "{}" where
  // the number of the expert stands.
  virtual void experts(const ParameterName& name, std::int64_t rows, std::int64_t columns,
                       std::span<PackedWeight* const> weights) = 0;
  // Latent attention's key and value maps of every head: k (latent, nope) and v (value, latent). safetensors (and older GGUF) keep both in one
  // matrix (heads * (nope + value), latent), the key part transposed against k; GGUF splits it: attn_k_b, attn_v_b.
  virtual void key_value_maps(const ParameterName& joint, const std::string& gguf_k, const std::string& gguf_v,
                              std::int64_t nope, std::int64_t value, std::int64_t latent, std::span<PackedWeight> k,
                              std::span<PackedWeight> v) = 0;
};

}  // namespace limpid
