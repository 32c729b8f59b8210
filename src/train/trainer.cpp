#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "engine/memory_plan.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

constexpr std::size_t kScratch = std::size_t{256} << 20;  // of a thread; only what is touched is taken

std::size_t arena_size(const TrainerOptions& options) {
  return options.arena_bytes > 0 ? options.arena_bytes : available_memory().bytes / 4 * 3;
}

ModelConfig trained_config(ModelConfig config, const TrainerOptions& options) {
  if (options.lora) config.mtp_layers = 0;
  return config;
}

}  // namespace

bool StepResult::finite() const {
  return std::isfinite(loss) && std::isfinite(mtp_loss) && std::isfinite(balance_loss) && std::isfinite(norm);
}

Trainer::Trainer(const ModelConfig& config, const TrainerOptions& options, const OptimiserSettings& settings)
    : config_(trained_config(config, options)),
      options_(options),
      decoder_(config_),
      store_(decoder_, {.packed = options.precision, .mtp = config_.mtp_layers > 0, .gradients = !options.lora}),
      lora_(options.lora ? std::make_unique<LoraAdapter>(store_, *options.lora) : nullptr),
      optimiser_(lora_ ? lora_->parameters() : store_.parameters(), settings, options.threads),
      team_(options.threads),
      memory_(arena_size(options), kScratch, options.threads) {
  if (config.mtp_layers > 1)
    fail(ErrorKind::unsupported, "training: {} layers of multi-token prediction, expected 0 or 1", config.mtp_layers);
  tape_.moe = &moe_;
  store_.register_in(tape_);
  if (lora_) lora_->register_in(tape_);
}

void Trainer::refresh() {
  team_.run([&](int thread) {
    store_.pack(thread, team_.threads());
    if (lora_) lora_->pack(thread, team_.threads());
  });
}

Exec Trainer::exec(int thread) { return memory_.exec(team_, thread, options_.kernels); }

void Trainer::reserve_pages(std::int32_t pages) {
  if (pages <= pages_) return;
  const auto layers = static_cast<std::size_t>(config_.layers + config_.mtp_layers);
  const CacheLayout layout = decoder_.cache_layout(CacheType::f32);
  const std::size_t of_layer = page_bytes(layout) * static_cast<std::size_t>(pages);
  pool_ = HugeBuffer(of_layer * layers);
  pages_ = pages;
  cache_.clear();
  for (std::size_t layer = 0; layer < layers; ++layer) cache_.push_back({layout, pool_.data() + layer * of_layer});
}

Trainer::Prepared Trainer::prepare(const PackedBatch& batch) const {
  Prepared p;
  const auto add = [](Rows& rows, std::int32_t row, std::int32_t target, float weight) {
    if (weight == 0) return;
    rows.outputs.push_back(row);
    rows.targets.push_back(target);
    rows.weights.push_back(weight);
    rows.weight += static_cast<double>(weight);
  };
  p.pages.reserve(static_cast<std::size_t>(batch.pages()));
  for (const PackedBatch::Place& place : batch.places) {
    p.sequences.push_back({place.first_row, place.rows, 0, p.pages.data() + p.pages.size()});
    for (std::int32_t at = 0; at < place.rows; at += kPageTokens)
      p.pages.push_back(static_cast<std::int32_t>(p.pages.size()));
    for (std::int32_t row = place.first_row; row < place.first_row + place.rows; ++row) {
      const auto i = static_cast<std::size_t>(row);
      add(p.main, row, batch.targets[i], batch.weights[i]);
      if (batch.weights[i] != 0) {
        if (!batch.advantages.empty()) p.main.advantages.push_back(batch.advantages[i]);
        if (!batch.old_logprobs.empty()) p.main.old_logprobs.push_back(batch.old_logprobs[i]);
        if (!batch.reference_logprobs.empty()) p.main.reference_logprobs.push_back(batch.reference_logprobs[i]);
      }
      // One depth of prediction: row i sees id i + 1 and predicts id i + 2.
      if (row + 1 < place.first_row + place.rows) add(p.mtp, row, batch.targets[i + 1], batch.weights[i + 1]);
    }
  }
  p.main.logprobs.resize(p.main.outputs.size());
  p.mtp.logprobs.resize(p.mtp.outputs.size());
  return p;
}

void Trainer::forward_backward(const PackedBatch& packed, Prepared& p, const StepPlan& plan, double weight,
                               double mtp_weight, StepResult& result) {
  const bool with_mtp = config_.mtp_layers > 0 && plan.mtp_weight > 0 && !p.mtp.outputs.empty();
  const auto scale = [](Rows& rows, double by) {
    for (float& w : rows.weights) w = static_cast<float>(static_cast<double>(w) * by);
  };
  scale(p.main, 1 / weight);
  scale(p.mtp, plan.mtp_weight / mtp_weight);
  reserve_pages(packed.pages());
  const Batch batch{packed.ids, packed.positions, p.sequences, p.main.outputs};
  const Batch next{packed.targets, packed.positions, p.sequences, p.mtp.outputs};
  moe_.sequences = p.sequences;
  const std::span<const CacheLayer> cache(cache_);
  LossSums main, mtp;
  team_.run([&](int thread) {
    Exec ex = exec(thread);
    ex.tape = &tape_;
    const auto lost = [&](const Tensor& logits, Rows& rows, double temperature) {
      return token_loss(ex, logits,
                        {.targets = rows.targets,
                         .weights = rows.weights,
                         .advantages = rows.advantages,
                         .old_logprobs = rows.old_logprobs,
                         .clip_low = static_cast<float>(plan.clip_low),
                         .clip_high = static_cast<float>(plan.clip_high),
                         .reference_logprobs = rows.reference_logprobs,
                         .kl = static_cast<float>(plan.kl),
                         .temperature = static_cast<float>(temperature)},
                        rows.logprobs);
    };
    const Tensor hidden = decoder_.hidden(ex, batch, cache.first(static_cast<std::size_t>(config_.layers)));
    LossSums sums, mtp_sums;
    if (!p.main.outputs.empty()) sums = lost(decoder_.logits(ex, hidden, batch), p.main, plan.temperature);
    if (with_mtp)
      mtp_sums = lost(decoder_.mtp_forward(ex, 0, hidden, MtpInput::normed, next, cache.back()).logits, p.mtp, 1);
    tape_.backward(ex);
    if (thread != 0) return;
    main = sums;
    mtp = mtp_sums;
    peak_ = std::max(peak_, ex.arena.peak());
  });
  tape_.clear();
  result.loss += main.loss;
  result.kl += main.kl;
  result.clipped += main.clipped;
  if (plan.keep_logprobs) result.logprobs.insert(result.logprobs.end(), p.main.logprobs.begin(), p.main.logprobs.end());
  if (with_mtp) result.mtp_loss += mtp.loss / plan.mtp_weight;
  result.tokens += packed.tokens();
  result.predicted += static_cast<std::int64_t>(p.main.outputs.size());
}

StepResult Trainer::step(std::span<const PackedBatch> batches, const StepPlan& plan) {
  StepResult result;
  std::vector<Prepared> prepared;
  double weight = 0, mtp_weight = 0;
  std::size_t sequences = 0;
  for (const PackedBatch& batch : batches) {
    prepared.push_back(prepare(batch));
    weight += prepared.back().main.weight;
    mtp_weight += prepared.back().mtp.weight;
    sequences += prepared.back().sequences.size();
  }
  if (plan.total_weight > 0) weight = plan.total_weight;
  for (MoeTraining::Layer& layer : moe_.layers) {
    std::ranges::fill(layer.counts, 0);
    layer.balance_loss = 0;
  }
  moe_.balance = static_cast<float>(sequences > 0 ? plan.balance_loss / static_cast<double>(sequences) : 0.0);
  team_.run([&](int thread) {
    store_.zero_gradients(thread, team_.threads());
    if (lora_) lora_->zero_gradients(thread, team_.threads());
  });
  tape_.clear();  // of a step that failed
  for (std::size_t i = 0; i < batches.size(); ++i)
    forward_backward(batches[i], prepared[i], plan, weight > 0 ? weight : 1, mtp_weight > 0 ? mtp_weight : 1, result);
  for (const MoeTraining::Layer& layer : moe_.layers) result.balance_loss += layer.balance_loss;
  finish_step(plan, result);
  return result;
}

void Trainer::finish_step(const StepPlan& plan, StepResult& result) {
  team_.run([&](int thread) {
    Exec ex = exec(thread);
    const double norm = optimiser_.norm(ex);
    if (thread == 0) result.norm = norm;
  });
  if (!result.finite()) return;
  balance(plan, result);
  team_.run([&](int thread) {
    Exec ex = exec(thread);
    optimiser_.step(ex, plan.rate, optimiser_.clip_scale(result.norm));
    if (lora_)
      lora_->pack(thread, team_.threads());
    else
      store_.pack(thread, team_.threads());
  });
}

// The sign rule (DeepSeek-V3, section 2.1.2) by the loads of the whole step.
void Trainer::balance(const StepPlan& plan, StepResult& result) {
  int layers = 0;
  for (std::size_t number = 0; number < moe_.layers.size(); ++number) {
    const std::vector<std::int64_t>& counts = moe_.layers[number].counts;
    if (counts.empty()) continue;
    result.violation += max_violation(counts);
    ++layers;
    if (plan.balance_speed == 0 || !config_.gate_bias || lora_) continue;
    const Parameter& bias = store_.at("model.layers." + std::to_string(number) + ".mlp.gate.e_score_correction_bias");
    balance_bias(counts, static_cast<float>(plan.balance_speed), bias.values);
  }
  if (layers > 0) result.violation /= layers;
}

double Trainer::flops_per_token() const {
  double weights = 0, head = 0;
  for (const Parameter& p : store_.parameters()) {
    const auto size = static_cast<double>(p.size());
    if (p.kind == ParameterKind::head || (config_.tied_embeddings && p.kind == ParameterKind::embedding)) head = size;
    if (p.is_vector() || p.kind == ParameterKind::embedding || p.kind == ParameterKind::head) continue;
    weights += p.kind == ParameterKind::expert ? size * config_.experts_chosen / config_.experts : size;
  }
  weights += head * (1 + config_.mtp_layers);
  if (lora_) return 4 * weights + 6 * static_cast<double>(lora_->size());  // frozen weights have no gradient
  return 6 * weights;                                                      // two forward, twice that backward
}

}  // namespace limpid
