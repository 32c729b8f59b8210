// The feed-forward layers: parameters and forward of a residual MLP, x + f(norm(x)), plain or a mixture of experts.
#pragma once

#include <vector>

#include "nn/parameters.h"
#include "ops/moe.h"

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
    int width = 0, hidden = 0;   // of an expert
    int shared_hidden = 0;       // of all shared experts together; 0: none
    float norm_eps = 1e-6F;
    bool gate_bias = false;
    Gate gate;                   // without its weights
  };
  explicit MoeLayer(const Shape& shape) : shape_(shape), gate_(shape.gate), experts_(static_cast<std::size_t>(shape.gate.experts)) {}
  void visit(ParameterVisitor& visitor, int layer);
  void forward(Exec& ex, Tensor& x) const { moe(ex, x, gain_, shape_.norm_eps, gate_, experts_, shape_.shared_hidden > 0 ? &shared_ : nullptr); }

 private:
  Shape shape_;
  const float* gain_ = nullptr;
  Gate gate_;
  std::vector<ExpertWeights> experts_;
  GatedMlpWeights shared_;
};

}  // namespace limpid
