#include "train/grpo_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/seconds.h"
#include "train/verifier.h"

namespace limpid {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kAskedSequence = std::uint64_t{1} << 61;  // beyond those of any step

EngineOptions engine_options(const Trainer& trainer, const GrpoSettings& settings, int threads,
                             const KernelTable& kernels) {
  if (settings.length > trainer.config().context)
    fail(ErrorKind::input, "length: {} tokens; the model has a context of {}", settings.length,
         trainer.config().context);
  const std::int64_t rows = std::min(settings.rows, settings.prompts * settings.group);
  return rollout_engine(static_cast<int>(rows), static_cast<int>(settings.length), CacheType::f32, threads, kernels);
}

Grpo::RewardRule by_rule(const RewardWeights& weights) {
  return [weights](const Sample&, const EvalAnswer& answer) {
    const double language = answer.finished && answer.reasoned ? answer.language_share : 0;
    return weights.accuracy * (answer.correct ? 1 : 0) + weights.format * (answer.well_formed ? 1 : 0) +
           weights.language * language;
  };
}

}  // namespace

nlohmann::ordered_json GrpoMetrics::json() const {
  nlohmann::ordered_json families = nlohmann::ordered_json::object();
  for (std::size_t f = 0; f < kFamilies; ++f)
    if (asked[f] > 0) families[std::string(family_name(static_cast<Family>(f)))] = right[f] / asked[f];
  return {{"step", step},
          {"reward", reward},
          {"accuracy", accuracy},
          {"tokens", tokens},
          {"reasoned", reasoned},
          {"well_formed", well_formed},
          {"thoughts", thoughts},
          {"language", thoughts > 0 ? nlohmann::ordered_json(language) : nlohmann::ordered_json()},
          {"finished", finished},
          {"entropy", entropy},
          {"equal_groups", equal_groups},
          {"kl", kl},
          {"clipped", clipped},
          {"loss", loss},
          {"norm", norm},
          {"rate", rate},
          {"mismatch", mismatch},
          {"families", families}};
}

// The policy as it was, frozen.
struct Grpo::Reference {
  Reference(Trainer& trainer, const GrpoSettings& settings, int threads, const KernelTable& kernels)
      : decoder(trainer.config()),
        store(decoder, {.packed = settings.precision, .gradients = false}),
        scorer(decoder, settings.forward_tokens, threads, kernels) {}
  void take(const ParameterStore& from) {
    for (const Parameter& parameter : store.parameters()) {
      const Parameter& source = from.at(parameter.name);
      std::copy_n(source.values, source.size(), parameter.values);
    }
    store.pack(0, 1);
  }
  Decoder decoder;
  ParameterStore store;
  Scorer scorer;
};

Grpo::Grpo(Trainer& trainer, const Tokenizer& tokenizer, const Mix& mix, const GrpoSettings& settings, int threads,
           const KernelTable& kernels, RewardRule rule)
    : trainer_(trainer),
      tokenizer_(tokenizer),
      mix_(mix),
      settings_(settings),
      rule_(rule ? std::move(rule) : by_rule(settings.reward)),
      threads_(threads),
      kernels_(kernels),
      prompt_(training_prompts(tokenizer, Reasoning::free)),
      engine_(trainer.decoder(), engine_options(trainer, settings, threads, kernels)) {
  if (!tokenizer.eos()) fail(ErrorKind::input, "the tokenizer has no end of text: answers could not end");
  if (settings_.kl > 0) take_reference();
}

Grpo::~Grpo() = default;

void Grpo::take_reference() {
  if (!reference_) reference_ = std::make_unique<Reference>(trainer_, settings_, threads_, kernels_);
  reference_->take(trainer_.store());
}

ParameterStore* Grpo::reference() { return reference_ ? &reference_->store : nullptr; }

void Grpo::restore(std::int64_t steps) {
  steps_ = steps;
  if (reference_) reference_->store.pack(0, 1);
}

std::int64_t Grpo::reference_step(std::int64_t steps) const {
  return settings_.reference_steps > 0 ? steps / settings_.reference_steps * settings_.reference_steps : 0;
}

RolloutOptions Grpo::rollout_options() const {
  RolloutOptions options;
  options.samples = static_cast<int>(settings_.group);
  options.max_tokens = static_cast<int>(settings_.max_tokens);
  options.sampling.temperature = static_cast<float>(settings_.temperature);
  options.sampling.seed = settings_.seed;
  options.stop_ids = {*tokenizer_.eos()};
  return options;
}

EvalReport Grpo::ask(const std::vector<EvalProblem>& problems, int samples, Reasoning reasoning, double temperature) {
  EvalOptions options;
  options.reasoning = reasoning;
  options.rollout = rollout_options();
  options.rollout.samples = samples;
  options.rollout.sampling.temperature = static_cast<float>(temperature);
  options.rollout.first_sequence = kAskedSequence;
  engine_.forget_prefixes();
  return evaluate(engine_, tokenizer_, problems, training_prompts(tokenizer_, reasoning), options);
}

GrpoMetrics Grpo::step() {
  GrpoMetrics metrics;
  metrics.step = steps_ + 1;
  metrics.rate = settings_.rate_at(steps_);
  const Clock::time_point begin = Clock::now();
  std::vector<EvalProblem> problems;
  std::vector<EvalPrompt> prompts;
  std::vector<std::vector<std::int32_t>> ids;
  for (std::int64_t p = 0; p < settings_.prompts; ++p) {
    EvalProblem problem;
    problem.sample =
        mixed_sample(mix_, Split::train, settings_.seed, static_cast<std::uint64_t>(steps_ * settings_.prompts + p))
            .sample;
    prompts.push_back(prompt_(problem.sample));
    ids.push_back(prompts.back().ids);
    metrics.prompt_tokens += static_cast<std::int64_t>(ids.back().size());
    problems.push_back(std::move(problem));
  }
  engine_.forget_prefixes();  // of the weights before the last update
  RolloutOptions options = rollout_options();
  options.first_sequence = static_cast<std::uint64_t>(steps_ * settings_.prompts * settings_.group);
  const std::vector<Rollout> rollouts = roll_out(engine_, ids, options);
  metrics.rollout_seconds = seconds_since(begin);

  const Clock::time_point training = Clock::now();
  std::vector<double> rewards = judge(problems, prompts, rollouts, metrics);
  if (settings_.shuffle_rewards) shuffle_rewards(rewards, settings_.seed, static_cast<std::uint64_t>(steps_));
  const std::vector<Answer> answers = choose(rewards, metrics);
  // Answers that are left out (groups of equal rewards) leave smaller updates, not fewer.
  for (std::size_t from = 0, to = 0; from < answers.size(); from = to) {
    while (to < answers.size() && answers[to].update == answers[from].update) ++to;
    update(std::span(answers).subspan(from, to - from), prompts, rollouts, from == 0, metrics);
  }
  if (record_) tell(answers, rewards, prompts, rollouts);
  ++steps_;
  if (reference_ && settings_.reference_steps > 0 && steps_ % settings_.reference_steps == 0) take_reference();
  metrics.train_seconds = seconds_since(training);
  const auto forward_only =
      static_cast<double>(metrics.prompt_tokens + metrics.rollout_tokens + (reference_ ? metrics.trained_rows : 0));
  metrics.flops = trainer_.flops_per_token() *
                  (static_cast<double>(metrics.trained_rows) + forward_only / 3);  // a backward is twice a forward
  return metrics;
}

std::vector<double> Grpo::judge(const std::vector<EvalProblem>& problems, const std::vector<EvalPrompt>& prompts,
                                const std::vector<Rollout>& rollouts, GrpoMetrics& m) const {
  const std::vector<EvalAnswer> answers = judge_rollouts(tokenizer_, problems, prompts, rollouts, rollout_options());
  std::vector<double> rewards;
  double surprise = 0;
  const auto n = static_cast<double>(answers.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const EvalAnswer& answer = answers[i];
    const Sample& sample = problems[answer.problem].sample;
    rewards.push_back(rule_(sample, answer));
    m.reward += rewards.back() / n;
    m.accuracy += (answer.correct ? 1 : 0) / n;
    m.well_formed += (answer.well_formed ? 1 : 0) / n;
    m.thoughts += answer.reasoned ? 1 : 0;
    m.language += answer.reasoned ? answer.language_share : 0;
    m.finished += (answer.finished ? 1 : 0) / n;
    m.tokens += answer.tokens / n;
    m.rollout_tokens += answer.tokens;
    for (float logprob : rollouts[i].logprobs) surprise -= static_cast<double>(logprob);
    m.asked[static_cast<std::size_t>(sample.family)] += 1;
    m.right[static_cast<std::size_t>(sample.family)] += answer.correct ? 1 : 0;
  }
  m.reasoned = static_cast<double>(m.thoughts) / n;
  m.language /= static_cast<double>(m.thoughts);
  m.entropy = surprise / static_cast<double>(std::max<std::int64_t>(m.rollout_tokens, 1));
  return rewards;
}

std::vector<Grpo::Answer> Grpo::choose(std::span<const double> rewards, GrpoMetrics& metrics) const {
  std::vector<Answer> answers;
  const auto group = static_cast<std::size_t>(settings_.group);
  for (std::size_t p = 0; p * group < rewards.size(); ++p) {
    const std::span<const double> of_group = rewards.subspan(p * group, group);
    const bool equal = all_equal(of_group);
    metrics.equal_groups += equal ? 1 : 0;
    if (equal && settings_.skip_equal) continue;
    const std::vector<double> advantages = group_advantages(of_group, settings_.normalise);
    for (std::size_t i = 0; i < group; ++i) answers.push_back({p * group + i, p, advantages[i], 0});
  }
  const auto updates = static_cast<std::size_t>(settings_.updates);
  if (updates == 1) return answers;
  const std::vector<std::size_t> order =
      minibatch_order(answers.size(), settings_.seed, static_cast<std::uint64_t>(steps_));
  std::vector<Answer> shared;
  for (std::size_t u = 0; u < updates; ++u)
    for (std::size_t i = answers.size() * u / updates; i < answers.size() * (u + 1) / updates; ++i) {
      shared.push_back(answers[order[i]]);
      shared.back().update = static_cast<std::int64_t>(u);
    }
  return shared;
}

void Grpo::tell(std::span<const Answer> answers, std::span<const double> rewards,
                const std::vector<EvalPrompt>& prompts, const std::vector<Rollout>& rollouts) const {
  const auto group = static_cast<std::size_t>(settings_.group);
  std::vector<const Answer*> of(rollouts.size());
  for (const Answer& answer : answers) of[answer.rollout] = &answer;
  for (std::size_t i = 0; i < rollouts.size(); ++i)
    record_({steps_ + 1, prompts[i / group].ids, rollouts[i], rewards[i], of[i] != nullptr ? of[i]->advantage : 0,
             of[i] != nullptr ? of[i]->update : -1});
}

std::vector<PackedBatch> Grpo::pack(std::span<const Answer> answers, const std::vector<EvalPrompt>& prompts,
                                    const std::vector<Rollout>& rollouts) const {
  std::vector<PackedBatch> batches(1);
  for (const Answer& answer : answers) {
    const std::vector<std::int32_t>& prompt = prompts[answer.prompt].ids;
    const Rollout& rollout = rollouts[answer.rollout];
    std::vector<std::int32_t> ids(prompt);
    ids.insert(ids.end(), rollout.ids.begin(), rollout.ids.end());
    std::vector<float> weights(ids.size(), 0.0F);
    std::fill(weights.begin() + static_cast<std::ptrdiff_t>(prompt.size()), weights.end(),
              static_cast<float>(token_weight(settings_, rollout.ids.size())));
    const auto rows = static_cast<std::int32_t>(ids.size()) - 1;
    if (batches.back().tokens() > 0 && batches.back().tokens() + rows > settings_.forward_tokens)
      batches.emplace_back();
    PackedBatch& batch = batches.back();
    batch.add(ids.data(), weights.data(), rows);
    batch.advantages.resize(batch.ids.size(), static_cast<float>(answer.advantage));
    batch.old_logprobs.resize(batch.ids.size() - rollout.logprobs.size(), 0.0F);  // the prompt's have no weight
    batch.old_logprobs.insert(batch.old_logprobs.end(), rollout.logprobs.begin(), rollout.logprobs.end());
  }
  return batches;
}

void Grpo::update(std::span<const Answer> answers, const std::vector<EvalPrompt>& prompts,
                  const std::vector<Rollout>& rollouts, bool first, GrpoMetrics& metrics) {
  std::vector<PackedBatch> batches = pack(answers, prompts, rollouts);
  StepPlan plan;
  plan.rate = metrics.rate;
  plan.clip_low = settings_.clip_low;
  plan.clip_high = settings_.clip_high;
  plan.kl = settings_.kl;
  plan.temperature = settings_.temperature;
  plan.keep_logprobs = first;
  double tokens = 0;
  for (const Answer& answer : answers) tokens += static_cast<double>(rollouts[answer.rollout].ids.size());
  plan.total_weight = settings_.answer_level ? static_cast<double>(answers.size()) : tokens;
  if (reference_)
    for (PackedBatch& batch : batches)
      batch.reference_logprobs = reference_->scorer.score(batch, static_cast<float>(settings_.temperature));
  for (const PackedBatch& batch : batches) metrics.trained_rows += batch.tokens();
  const StepResult result = trainer_.step(batches, plan);
  if (!result.finite()) fail(ErrorKind::input, "the loss is {} and the gradient's norm {}", result.loss, result.norm);
  const auto updates = static_cast<double>(settings_.updates);
  metrics.loss += result.loss / updates;
  metrics.norm += result.norm / updates;
  metrics.kl += result.kl / updates;
  metrics.clipped += static_cast<double>(result.clipped) / tokens / updates;
  if (!first) return;
  std::size_t at = 0;
  for (const Answer& answer : answers)
    for (float logprob : rollouts[answer.rollout].logprobs)
      metrics.mismatch = std::max(metrics.mismatch,
                                  std::abs(static_cast<double>(logprob) - static_cast<double>(result.logprobs[at++])));
}

}  // namespace limpid
