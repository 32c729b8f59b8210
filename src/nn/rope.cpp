#include "nn/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace limpid {

namespace {

// YaRN's temperature for a factor; `mscale` weighs it (DeepSeek's yarn_get_mscale).
double temperature(double factor, double mscale) { return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

// The dimension whose wave makes `turns` full turns over the original context.
double correction_dim(const RopeConfig& c, double turns) {
  return c.dim * std::log(c.original_context / (turns * 2.0 * std::numbers::pi)) / (2.0 * std::log(c.base));
}

void scale_llama3(const RopeConfig& c, std::vector<float>& inverse) {
  const double low_wave = c.original_context / c.low_frequency, high_wave = c.original_context / c.high_frequency;
  for (float& f : inverse) {
    const double wave = 2.0 * std::numbers::pi / f;
    if (wave > low_wave) {
      f = static_cast<float>(f / c.factor);
    } else if (wave >= high_wave) {
      const double smooth = (c.original_context / wave - c.low_frequency) / (c.high_frequency - c.low_frequency);
      f = static_cast<float>((1.0 - smooth) * f / c.factor + smooth * f);
    }
  }
}

void scale_yarn(const RopeConfig& c, std::vector<float>& inverse) {
  const double low = std::max(std::floor(correction_dim(c, c.beta_fast)), 0.0);
  double high = std::min(std::ceil(correction_dim(c, c.beta_slow)), c.dim - 1.0);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < inverse.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    inverse[i] = static_cast<float>(inverse[i] / c.factor * ramp + inverse[i] * (1.0 - ramp));
  }
}

}  // namespace

RopeFrequencies::RopeFrequencies(const RopeConfig& c) : interleaved_(c.interleaved) {
  const int pairs = c.dim / 2;
  for (int i = 0; i < pairs; ++i) inverse_.push_back(static_cast<float>(1.0 / std::pow(c.base, 2.0 * i / c.dim)));
  if (!c.frequency_divisors.empty()) {
    if (c.frequency_divisors.size() != inverse_.size())
      fail(ErrorKind::input, "RoPE: {} frequency divisors for {} pairs", c.frequency_divisors.size(), inverse_.size());
    for (std::size_t i = 0; i < inverse_.size(); ++i) inverse_[i] /= c.frequency_divisors[i];
  }
  if (c.scaling == "linear") {
    for (float& f : inverse_) f = static_cast<float>(f / c.factor);
  } else if (c.scaling == "llama3") {
    scale_llama3(c, inverse_);
  } else if (c.scaling == "yarn") {
    scale_yarn(c, inverse_);
    if (c.attention_factor > 0)
      magnitude_ = static_cast<float>(c.attention_factor);
    else if (c.mscale > 0 && c.mscale_all_dim > 0)
      magnitude_ = static_cast<float>(temperature(c.factor, c.mscale) / temperature(c.factor, c.mscale_all_dim));
    else
      magnitude_ = static_cast<float>(temperature(c.factor, 1.0));
    const double m = c.mscale_all_dim > 0 ? temperature(c.factor, c.mscale_all_dim) : 1.0;
    latent_scale_ = static_cast<float>(m * m);
  } else if (!c.scaling.empty()) {
    fail(ErrorKind::unsupported, "RoPE scaling '{}': expected none, linear, llama3 or yarn", c.scaling);
  }
}

}  // namespace limpid
