// Optimiser: AdamW (Loshchilov and Hutter, 2019) for all parameters, or Muon (Jordan, 2024; scaled as Liu et al., "Muon
// is scalable", 2025, which DeepSeek-V4 does too) for the matrices inside the blocks and AdamW for embedding, head,
// router, norms and biases. Gradients are clipped by their global norm on the way in.
//
// Weights decay in matrices only. Muon orthogonalises each parameter of the store by itself: one expert, and in latent
// attention one head's part of kv_b_proj.
//
// Threads: every thread of a team calls norm() and step() alike. They share values or whole matrices, never a sum, so
// that no bit depends on how many they are.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "models/parameter_store.h"
#include "ops/exec.h"

namespace limpid {

struct OptimiserSettings {
  enum class Kind : std::uint8_t { adamw, muon };
  Kind kind = Kind::adamw;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;  // AdamW: DeepSeek-V3, section 4.2
  double decay = 0.1;
  double momentum = 0.95;   // Muon, Nesterov's
  double update_rms = 0.2;  // of Muon's update of a matrix, in units of the learning rate: AdamW's usual
  double clip = 1.0;        // most norm of all gradients; 0: not clipped

  // Fields as named above; "kind" is "adamw" or "muon". Throws Error(input) naming the field.
  static OptimiserSettings parse(const nlohmann::json& json, const std::string& name);
};

class Optimiser {
 public:
  // For those of the parameters that have a gradient now. Their owner must outlive it and stay where it is.
  Optimiser(std::span<const Parameter> parameters, const OptimiserSettings& settings, int threads);
  Optimiser(const ParameterStore& store, const OptimiserSettings& settings, int threads)
      : Optimiser(store.parameters(), settings, threads) {}

  // The norm of all gradients, summed in double in a fixed order; the same on all threads. Starts with a barrier and
  // ends with one. Not finite: so is some gradient.
  double norm(Exec& ex);
  // One step with gradients times `scale`. Starts after a barrier; ends with one.
  void step(Exec& ex, double rate, double scale);
  // What `norm` asks for: 1, or less to bring it to the settings' clip.
  double clip_scale(double norm) const;

  // To save and load: moments in the order of the parameters, and how many steps were made.
  std::span<float> state() { return {state_, state_size_}; }
  std::span<const float> state() const { return {state_, state_size_}; }
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }
  const OptimiserSettings& settings() const { return settings_; }

 private:
  struct Part {  // of a parameter's gradient: what one sum is over
    const float* gradient;
    std::int64_t values;
  };
  struct Adam {
    float *values, *gradient, *mean, *square;
    std::int64_t size;  // padded to 16
    bool decays;
  };
  struct Matrix {
    float *values, *gradient, *momentum;
    std::int64_t rows, columns;
    int thread;  // that does it
  };
  void place(const std::vector<std::size_t>& chosen, std::span<const Parameter> parameters);
  void share_matrices(int threads);
  void adamw(Exec& ex, double rate, float scale) const;
  void muon(Exec& ex, const Matrix& matrix, double rate, float scale, float* work) const;

  const OptimiserSettings settings_;
  std::vector<Part> parts_;
  std::vector<double> sums_;
  std::vector<Adam> adam_;
  std::vector<Matrix> matrices_;
  HugeBuffer memory_;  // state, then Muon's working memory of each thread
  float *state_ = nullptr, *work_ = nullptr;
  std::size_t state_size_ = 0, work_size_ = 0;  // of one thread
  std::int64_t steps_ = 0;
};

}  // namespace limpid
