// The feed-forward layers: parameters and forward of a residual MLP, x + f(norm(x)), plain or a mixture of experts.
#pragma once

#include <span>

#include "nn/expert_source.h"
#include "nn/parameters.h"
#include "ops/gated_mlp.h"

namespace limpid {

class GatedMlpLayer {
 public:
  struct Shape {
    int width = 0, hidden = 0;  // D, F
    float norm_eps = 1e-6F;
    bool bias = false;
  };
  explicit GatedMlpLayer(const Shape& shape) : shape_(shape) {}
  void visit(ParameterVisitor& visitor, int layer);
  void forward(Exec& ex, Tensor& x) const { gated_mlp(ex, x, gain_, shape_.norm_eps, weights_); }  // x (T, D), in place

 private:
  Shape shape_;
  const float* gain_ = nullptr;
  GatedMlpWeights weights_;
};

class MoeLayer {
 public:
  struct Shape {
    int width = 0, hidden = 0;  // of an expert
    int shared_hidden = 0;      // of all shared experts together; 0: none
    float norm_eps = 1e-6F;
    bool gate_bias = false;
    Gate gate;  // without its weights
  };
  explicit MoeLayer(const Shape& shape) : shape_(shape), gate_(shape.gate) {}
  // All parameters but the routed experts.
  void visit(ParameterVisitor& visitor, int layer);
  // The routed experts of a layer, into the memory of whoever keeps them; experts.size() is the gate's.
  static void visit_experts(ParameterVisitor& visitor, int layer, std::int64_t width, std::int64_t hidden,
                            std::span<ExpertWeights> experts);

  // x (T, D), in place. Experts come from the source, by the layer's number; where one cannot come the step's status is set and x is nothing.
  void forward(Exec& ex, Tensor& x, ExpertSource& experts, int layer) const;
  static std::size_t arena_bytes(const Shape& shape, int tokens, bool immediate);
  static std::size_t scratch_bytes(const Shape& shape, int tokens);

 private:
  Shape shape_;
  const float* gain_ = nullptr;
  Gate gate_;
  GatedMlpWeights shared_;
};

}  // namespace limpid
