#include "ops/loss.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/activations.h"
#include "ops/softmax.h"

namespace limpid {

namespace {

struct RowLoss {
  double loss, kl;
  double slope;  // of the loss with regard to the log-probability
  bool clipped;
};

void check_rows(const Tensor& logits, const LossRows& rows, std::span<float> logprobs) {
  const auto wanted = static_cast<std::size_t>(logits.rows());
  const auto check = [&](const char* name, std::size_t found, bool optional) {
    if (found == wanted || (optional && found == 0)) return;
    fail(ErrorKind::input, "loss: {} {} for {} rows of logits", found, name, wanted);
  };
  check("targets", rows.targets.size(), false);
  check("weights", rows.weights.size(), true);
  check("advantages", rows.advantages.size(), true);
  check("old log-probabilities", rows.old_logprobs.size(), true);
  check("reference log-probabilities", rows.reference_logprobs.size(), true);
  if (!(rows.temperature > 0)) fail(ErrorKind::input, "loss: a temperature of {}", rows.temperature);
  check("places for log-probabilities", logprobs.size(), false);
  for (std::size_t i = 0; i < wanted; ++i)
    if ((rows.weights.empty() || rows.weights[i] != 0) && (rows.targets[i] < 0 || rows.targets[i] >= logits.columns()))
      fail(ErrorKind::input, "loss: target {} of row {} is not in a vocabulary of {}", rows.targets[i], i,
           logits.columns());
}

RowLoss row_loss(const LossRows& rows, std::size_t i, double logprob) {
  const double weight = rows.weights.empty() ? 1.0 : static_cast<double>(rows.weights[i]);
  const double advantage = rows.advantages.empty() ? 1.0 : static_cast<double>(rows.advantages[i]);
  RowLoss result{-weight * advantage * logprob, 0, -weight * advantage, false};
  if (!rows.old_logprobs.empty()) {
    const double ratio = std::exp(logprob - static_cast<double>(rows.old_logprobs[i]));
    const double kept =
        std::clamp(ratio, 1.0 - static_cast<double>(rows.clip_low), 1.0 + static_cast<double>(rows.clip_high));
    result.clipped = kept * advantage < ratio * advantage;
    result.loss = -weight * std::min(ratio * advantage, kept * advantage);
    result.slope = result.clipped ? 0.0 : -weight * advantage * ratio;
  }
  if (!rows.reference_logprobs.empty()) {
    const double behind = static_cast<double>(rows.reference_logprobs[i]) - logprob, ratio = std::exp(behind);
    result.kl = weight * (ratio - behind - 1.0);
    result.loss += static_cast<double>(rows.kl) * result.kl;
    result.slope += static_cast<double>(rows.kl) * weight * (1.0 - ratio);
  }
  return result;
}

}  // namespace

LossSums token_loss(Exec& ex, const Tensor& logits, const LossRows& rows, std::span<float> logprobs) {
  check_rows(logits, rows, logprobs);
  const std::int64_t vocabulary = logits.columns();
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  auto* each = reinterpret_cast<RowLoss*>(ex.alloc_bytes(static_cast<std::size_t>(logits.rows()) * sizeof(RowLoss)));
  float* weights = take_floats(ex, vocabulary);
  const float inverse = 1.0F / rows.temperature;  // as the sampler has it
  const auto [begin, end] = ex.share(logits.rows());
  for (std::int64_t t = begin; t < end; ++t) {
    const auto i = static_cast<std::size_t>(t);
    each[t] = {0, 0, 0, false};
    logprobs[i] = 0;
    if (!rows.weights.empty() && rows.weights[i] == 0) continue;
    const std::span<const float> row(logits.row(t), static_cast<std::size_t>(vocabulary));
    const std::int64_t target = rows.targets[i];
    const float max = max_logit(row);
    const double total = softmax_weights(row, max, inverse, {weights, row.size()});
    logprobs[i] = static_cast<float>(log_probability(row[static_cast<std::size_t>(target)], max, total, inverse));
    each[t] = row_loss(rows, i, static_cast<double>(logprobs[i]));
    if (logits.gradient == nullptr) continue;
    float* gradient = logits.gradient + t * vocabulary;
    const double slope =
        each[t].slope * static_cast<double>(inverse);  // with regard to the target's logit, but for its probability
    ex.kernels->scale_add(weights, static_cast<float>(-slope / total), vocabulary, gradient);
    gradient[target] += static_cast<float>(slope);
  }
  ex.sync();
  LossSums sums;
  for (std::int64_t t = 0; t < logits.rows(); ++t) {
    sums.loss += each[t].loss;
    sums.kl += each[t].kl;
    sums.clipped += each[t].clipped ? 1 : 0;
    sums.rows += rows.weights.empty() || rows.weights[static_cast<std::size_t>(t)] != 0 ? 1 : 0;
  }
  ex.sync();  // before the memory is somebody else's
  ex.scratch.rewind(scratch);
  ex.arena.rewind(arena);
  return sums;
}

std::size_t loss_arena_bytes(std::int64_t rows) {
  return scratch_size(static_cast<std::size_t>(rows) * sizeof(RowLoss));
}

std::size_t loss_scratch_bytes(std::int64_t vocabulary) {
  return scratch_size(static_cast<std::size_t>(vocabulary) * sizeof(float));
}

}  // namespace limpid
