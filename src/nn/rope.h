// Rotary positions (Su et al., "RoFormer", 2021) with the scalings that the models use: none, linear, llama3 (Llama 3.1's), yarn (Peng et al., 2023,
// in DeepSeek's and Hugging Face's form).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ops/attention.h"

namespace limpid {

struct RopeConfig {
  double base = 10000.0;
  int dim = 0;               // values of a head that rotate
  bool interleaved = false;  // pairs (2i, 2i + 1), else halves (i, i + dim / 2)
  std::string scaling;       // "", "linear", "llama3", "yarn"
  double factor = 1.0;
  double low_frequency = 1.0, high_frequency = 4.0;  // llama3
  int original_context = 0;                          // llama3, yarn
  double beta_fast = 32.0, beta_slow = 1.0;          // yarn
  double mscale = 0.0, mscale_all_dim = 0.0;         // yarn, DeepSeek's form; 0: not given
  double attention_factor = 0.0;                     // yarn: given by the file, else 0
  std::vector<float> frequency_divisors;             // GGUF's rope_freqs.weight: (dim / 2), or empty
};

// The inverse frequencies of a model, and the two factors that a scaling brings. Immutable.
class RopeFrequencies {
 public:
  RopeFrequencies() = default;
  explicit RopeFrequencies(const RopeConfig& config);
  Rope rope() const { return {inverse_.data(), static_cast<int>(inverse_.size()), interleaved_, magnitude_}; }
  // What latent attention multiplies its scale by: m^2 with m = 0.1 mscale_all_dim ln(factor) + 1; 1 without YaRN.
  float latent_scale() const { return latent_scale_; }

 private:
  std::vector<float> inverse_;
  bool interleaved_ = false;
  float magnitude_ = 1.0F, latent_scale_ = 1.0F;
};

}  // namespace limpid
