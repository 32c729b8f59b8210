#include "train/optimiser.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "train/fields.h"
#include "train/optimiser_rows.h"

namespace limpid {

namespace {

constexpr std::int64_t kPart = 4096;                        // values of one sum of the norm
constexpr int kIterations = 5;                              // of Newton and Schulz
constexpr float kA = 3.4445F, kB = -4.7750F, kC = 2.0315F;  // Jordan's quintic: all singular values to about 1

std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }
bool by_muon(const Parameter& p) { return p.kind == ParameterKind::matrix || p.kind == ParameterKind::expert; }

}  // namespace

OptimiserSettings OptimiserSettings::parse(const nlohmann::json& json, const std::string& name) {
  Fields fields(json, name);
  OptimiserSettings s;
  s.kind = static_cast<Kind>(fields.choice("kind", {"adamw", "muon"}, 0));
  s.beta1 = fields.number("beta1", s.beta1, 0, 0.999999);
  s.beta2 = fields.number("beta2", s.beta2, 0, 0.999999);
  s.epsilon = fields.number("epsilon", s.epsilon, 0, 1);
  s.decay = fields.number("decay", s.decay, 0, 10);
  s.momentum = fields.number("momentum", s.momentum, 0, 0.999999);
  s.update_rms = fields.number("update_rms", s.update_rms, 0, 10);
  s.clip = fields.number("clip", s.clip, 0, 1e9);
  fields.done();
  return s;
}

Optimiser::Optimiser(std::span<const Parameter> parameters, const OptimiserSettings& settings, int threads)
    : settings_(settings) {
  std::vector<std::size_t> chosen;
  std::size_t largest = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    if (p.gradient == nullptr) continue;
    chosen.push_back(i);
    const bool muon = settings.kind == OptimiserSettings::Kind::muon && by_muon(p);
    state_size_ += static_cast<std::size_t>(padded(p.size())) * (muon ? 1 : 2);
    if (!muon) continue;
    const auto wide = static_cast<std::size_t>(std::min(p.rows, p.columns));
    largest = std::max(largest, 2 * static_cast<std::size_t>(padded(p.size())) + 2 * wide * wide);
  }
  work_size_ = (largest + 15) / 16 * 16;
  memory_ = HugeBuffer((state_size_ + work_size_ * static_cast<std::size_t>(threads)) * sizeof(float));
  state_ = reinterpret_cast<float*>(memory_.data());
  work_ = state_ + state_size_;
  place(chosen, parameters);
  share_matrices(threads);
  sums_.resize(parts_.size());
}

void Optimiser::place(const std::vector<std::size_t>& chosen, std::span<const Parameter> parameters) {
  float* at = state_;
  for (const std::size_t i : chosen) {
    const Parameter& p = parameters[i];
    const std::int64_t size = padded(p.size());
    for (std::int64_t first = 0; first < size; first += kPart)
      parts_.push_back({p.gradient + first, std::min(kPart, size - first)});
    if (settings_.kind == OptimiserSettings::Kind::muon && by_muon(p)) {
      matrices_.push_back({p.values, p.gradient, at, p.rows, p.columns, 0});
      at += size;
    } else {
      adam_.push_back({p.values, p.gradient, at, at + size, size, !p.is_vector()});
      at += 2 * size;
    }
  }
}

// The costliest first, each to the thread with the least to do.
void Optimiser::share_matrices(int threads) {
  std::vector<std::size_t> order(matrices_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto cost = [&](std::size_t i) {
    return matrices_[i].rows * matrices_[i].columns * std::min(matrices_[i].rows, matrices_[i].columns);
  };
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return cost(a) > cost(b); });
  std::vector<std::int64_t> load(static_cast<std::size_t>(threads));
  for (const std::size_t i : order) {
    const auto least = std::ranges::min_element(load);
    matrices_[i].thread = static_cast<int>(least - load.begin());
    *least += cost(i);
  }
}

double Optimiser::norm(Exec& ex) {
  ex.sync();
  const auto [begin, end] = ex.share(static_cast<std::int64_t>(parts_.size()));
  for (std::int64_t i = begin; i < end; ++i) {
    const Part& part = parts_[static_cast<std::size_t>(i)];
    sums_[static_cast<std::size_t>(i)] = sum_squares(part.gradient, part.values);
  }
  ex.sync();
  const double sum = std::accumulate(sums_.begin(), sums_.end(), 0.0);
  ex.sync();  // before the sums are written again
  return std::sqrt(sum);
}

double Optimiser::clip_scale(double norm) const {
  return settings_.clip > 0 && norm > settings_.clip ? settings_.clip / norm : 1.0;
}

void Optimiser::step(Exec& ex, double rate, double scale) {
  adamw(ex, rate, static_cast<float>(scale));
  float* work = work_ + static_cast<std::size_t>(ex.thread) * work_size_;
  for (const Matrix& matrix : matrices_)
    if (matrix.thread == ex.thread) muon(ex, matrix, rate, static_cast<float>(scale), work);
  ex.sync();  // values are complete, and all have read steps_
  if (ex.thread == 0) ++steps_;
}

void Optimiser::adamw(Exec& ex, double rate, float scale) const {
  const auto t = static_cast<double>(steps_ + 1);
  const OptimiserSettings& s = settings_;
  AdamNumbers numbers{};
  numbers.scale = scale;
  numbers.mean_part = static_cast<float>(1 - s.beta1);
  numbers.square_keep = static_cast<float>(s.beta2);
  numbers.square_part = static_cast<float>(1 - s.beta2);
  numbers.root = static_cast<float>(std::sqrt(1 - std::pow(s.beta2, t)));
  numbers.epsilon = static_cast<float>(s.epsilon);
  numbers.step = static_cast<float>(rate / (1 - std::pow(s.beta1, t)));
  for (const Adam& a : adam_) {
    numbers.keep = a.decays ? static_cast<float>(1 - rate * s.decay) : 1.0F;
    const auto [begin, end] = ex.share(a.size, 16);
    if (begin < end)
      adamw_row(a.values + begin, a.gradient + begin, a.mean + begin, a.square + begin, end - begin, numbers);
  }
}

// The update's matrix is kept tall, X (n, m) with n >= m: X^T X and X B read rows then. One iteration of Newton and
// Schulz: A = X^T X, B = b A + c A A, X = a X + X B. A and B are symmetric to the bit, so that B = B^T.
void Optimiser::muon(Exec& ex, const Matrix& p, double rate, float scale, float* work) const {
  const bool wide = p.columns > p.rows;
  const std::int64_t n = std::max(p.rows, p.columns), m = std::min(p.rows, p.columns), size = padded(n * m);
  float *x = work, *y = work + size, *a = y + size, *b = a + m * m;
  nesterov_row(p.gradient, scale, static_cast<float>(settings_.momentum), p.momentum, y, n * m);
  std::fill(y + n * m, y + size, 0.0F);
  const auto inverse = static_cast<float>(1.0 / (std::sqrt(sum_squares(y, size)) + 1e-7));
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < m; ++j) x[i * m + j] = inverse * (wide ? y[j * n + i] : y[i * m + j]);
  GemmArgs squares, powers, product;
  squares.a = squares.b = x, squares.a_row = 1, squares.a_reduction = squares.b_stride = m, squares.out = a,
  squares.out_stride = m;
  squares.rows = squares.columns = m, squares.reduction = n;
  powers.a = powers.b = a, powers.a_row = m, powers.a_reduction = 1, powers.b_stride = m, powers.out = b,
  powers.out_stride = m;
  powers.rows = powers.columns = powers.reduction = m;
  product.a = x, product.a_row = m, product.a_reduction = 1, product.b = b, product.b_stride = m, product.out = y,
  product.out_stride = m;
  product.rows = n, product.columns = product.reduction = m;
  for (int i = 0; i < kIterations; ++i) {
    ex.kernels->gradient->gemm(squares);
    ex.kernels->gradient->gemm(powers);
    mix_row(kB, a, kC, b, m * m);
    ex.kernels->gradient->gemm(product);
    mix_row(1, y, kA, x, n * m);
  }
  const auto keep = static_cast<float>(1 - rate * settings_.decay);
  const auto step = static_cast<float>(rate * settings_.update_rms * std::sqrt(static_cast<double>(n)));
  for (std::int64_t r = 0; r < p.rows; ++r)
    for (std::int64_t c = 0; c < p.columns; ++c) {
      float& value = p.values[r * p.columns + c];
      value = value * keep - step * (wide ? x[c * m + r] : x[r * m + c]);
    }
}

}  // namespace limpid
