// Encoding Q2_K..Q6_K: a least-squares fit per sub-block over a few trial scales, then the sub-blocks' scales rounded
// to what the block can hold, then every value rounded again with the scales as stored. Good enough for synthetic
// files; not ggml's search, not its bytes.
#include <algorithm>
#include <cmath>

#include "tensor/codec.h"
#include "tensor/codec_blocks.h"
#include "tensor/k_fields.h"

namespace limpid {
namespace {

int rounded(float value, int lowest, int highest) {
  if (!std::isfinite(value)) return 0;
  return static_cast<int>(std::lround(std::clamp(value, static_cast<float>(lowest), static_cast<float>(highest))));
}

float inverse(float value) { return value != 0.0f && std::isfinite(1.0f / value) ? 1.0f / value : 0.0f; }

// The largest finite half at most: an infinite scale would decode to NaN.
std::uint16_t finite_f16(float value) { return f32_to_f16(std::clamp(value, -65504.0f, 65504.0f)); }

struct Affine {
  float step = 0.0f, minimum = 0.0f;  // value ~ step q - minimum, both >= 0
};

double squared_error(const float* in, int count, int top, Affine fit) {
  const float inv = inverse(fit.step);
  double sum = 0.0;
  for (int i = 0; i < count; ++i) {
    const auto q = static_cast<float>(rounded((in[i] + fit.minimum) * inv, 0, top));
    const double error = static_cast<double>(fit.step * q - fit.minimum) - static_cast<double>(in[i]);
    sum += error * error;
  }
  return sum;
}

// The step and minimum that the least squares give for the quants that `fit` rounds to.
Affine refined(const float* in, int count, int top, Affine fit) {
  const float inv = inverse(fit.step);
  double n = count, sq = 0, sqq = 0, sx = 0, sxq = 0;
  for (int i = 0; i < count; ++i) {
    const double q = rounded((in[i] + fit.minimum) * inv, 0, top), x = in[i];
    sq += q, sqq += q * q, sx += x, sxq += x * q;
  }
  const double determinant = n * sqq - sq * sq;
  if (!(determinant > 0.0)) return fit;
  Affine better{static_cast<float>((n * sxq - sx * sq) / determinant), 0.0f};
  better.minimum = static_cast<float>((static_cast<double>(better.step) * sq - sx) / n);
  if (better.minimum < 0.0f) better = {static_cast<float>(sqq > 0 ? sxq / sqq : 0.0), 0.0f};
  return better.step > 0.0f ? better : fit;
}

Affine fit_affine(const float* in, int count, int top) {
  const auto [smallest, largest] = std::minmax_element(in, in + count);
  const float minimum = std::max(0.0f, -*smallest);
  const float range = *largest + minimum;
  if (!(range > 0.0f) || !std::isfinite(range)) return {0.0f, std::isfinite(minimum) ? minimum : 0.0f};
  Affine best;
  double best_error = -1.0;
  for (int trial = -4; trial <= 4; ++trial) {  // from a little wider than the range to a little narrower
    const Affine first{range / (static_cast<float>(top) + 0.15f * static_cast<float>(trial)), minimum};
    for (const Affine& fit : {first, refined(in, count, top, first)}) {
      const double error = squared_error(in, count, top, fit);
      if (best_error < 0.0 || error < best_error) best = fit, best_error = error;
    }
  }
  return best;
}

// value ~ step q, q in [-half, half - 1]; the step may be negative, so that the larger side of the range can take
// -half.
float fit_symmetric(const float* in, int count, int half) {
  float extreme = 0.0f;
  for (int i = 0; i < count; ++i) {
    if (std::fabs(in[i]) > std::fabs(extreme)) extreme = in[i];
  }
  if (extreme == 0.0f || !std::isfinite(extreme)) return 0.0f;
  float best = 0.0f;
  double best_score = -1.0;
  for (int trial = -6; trial <= 6; ++trial) {
    const float inv = -(static_cast<float>(half) + 0.1f * static_cast<float>(trial)) / extreme;
    if (!std::isfinite(inv)) return 0.0f;
    double sxq = 0.0, sqq = 0.0;
    for (int i = 0; i < count; ++i) {
      const double q = rounded(in[i] * inv, -half, half - 1);
      sxq += static_cast<double>(in[i]) * q;
      sqq += q * q;
    }
    if (sqq > 0.0 && sxq * sxq / sqq > best_score) {  // what the fit takes off the sum of squares
      best_score = sxq * sxq / sqq;
      best = static_cast<float>(sxq / sqq);
    }
  }
  return best;
}

// Steps and minima of a block's sub-blocks as unsigned numbers of `bits` bits times d and dmin, which are rounded to
// f16 and returned as such.
template <int kSubBlocks>
struct AffineScales {
  std::uint16_t d, dmin;
  int step[kSubBlocks], minimum[kSubBlocks];
};

template <int kSubBlocks>
AffineScales<kSubBlocks> affine_scales(const float* in, int top, int bits) {
  constexpr int kCount = kSuperBlock / kSubBlocks;
  Affine fits[kSubBlocks];
  Affine largest;
  for (int s = 0; s < kSubBlocks; ++s) {
    fits[s] = fit_affine(in + s * kCount, kCount, top);
    largest = {std::max(largest.step, fits[s].step), std::max(largest.minimum, fits[s].minimum)};
  }
  const int limit = (1 << bits) - 1;
  AffineScales<kSubBlocks> scales;
  scales.d = finite_f16(largest.step / static_cast<float>(limit));
  scales.dmin = finite_f16(largest.minimum / static_cast<float>(limit));
  const float inv = inverse(f16_to_f32(scales.d)), inv_min = inverse(f16_to_f32(scales.dmin));
  for (int s = 0; s < kSubBlocks; ++s) {
    scales.step[s] = rounded(fits[s].step * inv, 0, limit);
    scales.minimum[s] = rounded(fits[s].minimum * inv_min, 0, limit);
  }
  return scales;
}

template <int kSubBlocks, typename Block>
void put_affine_quants(const float* in, const AffineScales<kSubBlocks>& scales, int top, Block& block) {
  for (int i = 0; i < kSuperBlock; ++i) {
    const int s = i / (kSuperBlock / kSubBlocks);
    const float step = f16_to_f32(scales.d) * static_cast<float>(scales.step[s]);
    const float minimum = f16_to_f32(scales.dmin) * static_cast<float>(scales.minimum[s]);
    put_quant(block, i, rounded((in[i] + minimum) * inverse(step), 0, top));
  }
}

template <typename Block>
void encode_k4(const float* in, int top, Block& block) {
  block = {};
  const auto scales = affine_scales<8>(in, top, 6);
  block.d = scales.d;
  block.dmin = scales.dmin;
  for (int s = 0; s < 8; ++s) {
    put_k4_scale(block.scales, 0, s, scales.step[s]);
    put_k4_scale(block.scales, 1, s, scales.minimum[s]);
  }
  put_affine_quants(in, scales, top, block);
}

// Q3_K and Q6_K: 16 signed scales in [-limit, limit - 1]. Returns the block's d and writes the scales; put(s, scale)
// stores one.
template <typename Block, typename PutScale>
void encode_symmetric(const float* in, int half, int limit, Block& block, PutScale put) {
  block = {};
  float steps[16], extreme = 0.0f;
  for (int s = 0; s < 16; ++s) {
    steps[s] = fit_symmetric(in + 16 * s, 16, half);
    if (std::fabs(steps[s]) > std::fabs(extreme)) extreme = steps[s];
  }
  block.d = finite_f16(extreme / static_cast<float>(-limit));
  const float d = f16_to_f32(block.d);
  for (int s = 0; s < 16; ++s) {
    const int scale = rounded(steps[s] * inverse(d), -limit, limit - 1);
    put(s, scale);
    const float inv = inverse(d * static_cast<float>(scale));
    for (int i = 16 * s; i < 16 * s + 16; ++i) put_quant(block, i, rounded(in[i] * inv, -half, half - 1));
  }
}

}  // namespace

void encode(const float* in, BlockQ2_K& block) {
  block = {};
  const auto scales = affine_scales<16>(in, 3, 4);
  block.d = scales.d;
  block.dmin = scales.dmin;
  for (int s = 0; s < 16; ++s) block.scales[s] = static_cast<std::uint8_t>(scales.step[s] | scales.minimum[s] << 4);
  put_affine_quants(in, scales, 3, block);
}

void encode(const float* in, BlockQ3_K& block) {
  encode_symmetric(in, 4, 32, block, [&](int s, int scale) { put_scale(block, s, scale); });
}

void encode(const float* in, BlockQ4_K& block) { encode_k4(in, 15, block); }

void encode(const float* in, BlockQ5_K& block) { encode_k4(in, 31, block); }

void encode(const float* in, BlockQ6_K& block) {
  encode_symmetric(in, 32, 128, block, [&](int s, int scale) { block.scales[s] = static_cast<std::int8_t>(scale); });
}

}  // namespace limpid
