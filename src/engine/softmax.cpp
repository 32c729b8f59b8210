#include "engine/softmax.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace limpid {

namespace {

constexpr int kLanes = 16;

// exp(x) for x <= 0: 2^n * exp(r), |r| <= ln(2) / 2, exp(r) by its Taylor polynomial of degree 7 (next term < 6e-9). No
// libm, no branch, so that compilers can vectorise it without changing a bit.
inline float exp_nonpositive(float x) {
  constexpr float kLowest = -69.0F;  // 2^-99.5
  const float bounded = x > kLowest ? x : kLowest;
  const float shifted = bounded * 1.44269504F + 12582912.0F;  // 1.5 * 2^23: rounds to the nearest integer
  const float n = shifted - 12582912.0F;
  const float r = (bounded - n * 0.693359375F) - n * -2.12194440e-4F;  // ln 2 in two parts (Cephes)
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const auto exponent = (std::bit_cast<std::int32_t>(shifted) - 0x4B400000 + 127) << 23;
  const float value = p * std::bit_cast<float>(exponent);
  return x > kLowest ? value : 0.0F;
}

double tree_sum(const std::array<double, kLanes>& lanes) {
  std::array<double, kLanes> sums = lanes;
  for (std::size_t width = kLanes / 2; width > 0; width /= 2)
    for (std::size_t i = 0; i < width; ++i) sums[i] += sums[i + width];
  return sums[0];
}

}  // namespace

float max_logit(std::span<const float> logits) {
  constexpr float kNegative = -std::numeric_limits<float>::infinity();
  std::array<float, kLanes> best,
      sum{};  // sum stays 0 unless there is a NaN or +inf (inf - inf is NaN), which is no usable logit either
  best.fill(kNegative);
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float x = logits[i + lane];
      best[lane] = x > best[lane] ? x : best[lane];
      sum[lane] += x > kNegative ? x - x : (x == kNegative ? 0.0F : x);
    }
  for (; i < logits.size(); ++i) {
    const float x = logits[i];
    best[0] = x > best[0] ? x : best[0];
    sum[0] += x > kNegative ? x - x : (x == kNegative ? 0.0F : x);
  }
  float total = 0;
  for (float value : sum) total += value;
  if (!(total == 0.0F)) return std::numeric_limits<float>::quiet_NaN();
  return *std::max_element(best.begin(), best.end());
}

std::int32_t argmax(std::span<const float> logits) {
  const float best = max_logit(logits);
  const auto found = std::find(logits.begin(), logits.end(), best);
  return static_cast<std::int32_t>(found - logits.begin());
}

double softmax_weights(std::span<const float> logits, float max, float inverse_temperature, std::span<float> weights) {
  std::array<double, kLanes> sums{};
  std::array<float, kLanes> block;
  const auto lane_weight = [&](float logit) {
    return exp_nonpositive((logit - max) * inverse_temperature);  // -inf gives 0
  };
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) block[lane] = lane_weight(logits[i + lane]);
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += static_cast<double>(block[lane]);
    if (!weights.empty()) std::copy(block.begin(), block.end(), weights.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (std::size_t lane = 0; i < logits.size(); ++i, ++lane) {
    const float weight = lane_weight(logits[i]);
    sums[lane] += static_cast<double>(weight);
    if (!weights.empty()) weights[i] = weight;
  }
  return tree_sum(sums);
}

// Bands of weight, each gathered by one pass over the vocabulary and handed out from a heap: [2^-6, 1], [2^-12, 2^-6),
// [2^-20, 2^-12), the rest.
void CandidateOrder::start(std::span<const float> weights) {
  weights_ = weights;
  heap_.clear();
  above_ = std::numeric_limits<float>::infinity();
  band_ = 0;
}

bool CandidateOrder::fill() {
  constexpr std::array<float, 4> kFloors{0x1p-6F, 0x1p-12F, 0x1p-20F, 0x1p-149F};
  while (heap_.empty() && band_ < static_cast<int>(kFloors.size())) {
    const float floor = kFloors[static_cast<std::size_t>(band_++)];
    std::size_t i = 0;
    for (; i + kLanes <= weights_.size(); i += kLanes) {
      int any = 0;  // most blocks hold none: one vectorised test for 16
      for (std::size_t lane = 0; lane < kLanes; ++lane)
        any |= (weights_[i + lane] >= floor) & (weights_[i + lane] < above_);
      if (!any) continue;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float weight = weights_[i + lane];
        if (weight >= floor && weight < above_) heap_.push_back({weight, static_cast<std::int32_t>(i + lane)});
      }
    }
    for (; i < weights_.size(); ++i)
      if (weights_[i] >= floor && weights_[i] < above_) heap_.push_back({weights_[i], static_cast<std::int32_t>(i)});
    above_ = floor;
    std::make_heap(heap_.begin(), heap_.end(), after);
  }
  return !heap_.empty();
}

std::int32_t CandidateOrder::next() {
  if (heap_.empty() && !fill()) return -1;
  std::pop_heap(heap_.begin(), heap_.end(), after);
  const std::int32_t id = heap_.back().id;
  heap_.pop_back();
  return id;
}

}  // namespace limpid
