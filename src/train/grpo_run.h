// GRPO's steps: rollouts of the policy by the engine, rewards by rule, advantages in each group, and one or several
// updates by the trainer. The engine reads the very weights that the trainer changes, so that the first update of a step
// is on policy to the bit: the log-probabilities of rollout and training are compared in every step.
//
// Step s draws the samples s * prompts ... of the mix's training side and answers numbered from s * prompts * group: all is
// a function of (first weights, settings, mix), for any number of threads. One thread calls it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "train/data_mix.h"
#include "train/evaluate.h"
#include "train/grpo.h"
#include "train/rollout.h"
#include "train/scorer.h"
#include "train/trainer.h"

namespace limpid {

// Of the answers of a step, before its updates.
struct GrpoMetrics {
  std::int64_t step = 0;                                                         // from 1
  double reward = 0, accuracy = 0, well_formed = 0, reasoned = 0, finished = 0;  // means over answers
  std::int64_t thoughts = 0;                                                     // answers that think
  double language = 0;            // mean over these of the share of the prompt's language; NaN where there are none
  double tokens = 0;              // mean length
  double entropy = 0;             // mean of -log p of the tokens drawn, at the temperature: the entropy's estimate
  std::int64_t equal_groups = 0;  // whose rewards are all the same
  double loss = 0, norm = 0, kl = 0, rate = 0;  // means over updates
  double clipped = 0;                           // share of tokens
  double mismatch = 0;  // largest difference of log-probabilities, rollout to training, in the first update: 0
  std::array<double, kFamilies> right{}, asked{};  // answers by family
  std::int64_t rollout_tokens = 0;
  std::int64_t prompt_tokens = 0, trained_rows = 0;  // read for the rollouts; through forward and backward
  double rollout_seconds = 0, train_seconds = 0;
  double flops = 0;  // multiplications and additions of the step's products
  // Without the seconds: equal runs give equal lines.
  nlohmann::ordered_json json() const;
};

// An answer of a step, after its updates.
struct GrpoRecord {
  std::int64_t step;  // from 1
  std::span<const std::int32_t> prompt;
  const Rollout& rollout;
  double reward, advantage;
  std::int64_t update;  // that it took part in, from 0; -1: none, its group was left out
};

class Grpo {
 public:
  // The reward of one answer; the settings' rule unless a test brings another.
  using RewardRule = std::function<double(const Sample&, const EvalAnswer&)>;

  // The trainer has the policy's weights; its precision is the settings'. All must outlive it. Throws Error(input) where
  // the model's context is shorter than the settings' length.
  Grpo(Trainer& trainer, const Tokenizer& tokenizer, const Mix& mix, const GrpoSettings& settings, int threads,
       const KernelTable& kernels, RewardRule rule = {});
  ~Grpo();

  // Throws Error(input) for a loss or norm that is no number (the weights are those before that update) and what the engine throws.
  GrpoMetrics step();

  // Told of every answer of each step from now on, in the order of prompts.
  void log(std::function<void(const GrpoRecord&)> record) { record_ = std::move(record); }

  std::int64_t steps() const { return steps_; }
  // The frozen policy that the divergence is measured from; null where there is none.
  ParameterStore* reference();
  // As after `steps` steps: the caller has restored the trainer's weights and optimiser, and the reference's values.
  void restore(std::int64_t steps);
  // After which step the reference was taken that step `steps` + 1 uses.
  std::int64_t reference_step(std::int64_t steps) const;

  // Answers to these problems as rollouts are drawn, by the weights as they are; always with the same random numbers.
  EvalReport ask(const std::vector<EvalProblem>& problems, int samples, Reasoning reasoning, double temperature);

 private:
  struct Answer {  // that takes part in an update
    std::size_t rollout, prompt;
    double advantage;
    std::int64_t update;
  };
  struct Reference;
  std::vector<double> judge(const std::vector<EvalProblem>& problems, const std::vector<EvalPrompt>& prompts,
                            const std::vector<Rollout>& rollouts, GrpoMetrics& metrics) const;
  std::vector<Answer> choose(std::span<const double> rewards, GrpoMetrics& metrics) const;  // in the order of updates
  void tell(std::span<const Answer> answers, std::span<const double> rewards, const std::vector<EvalPrompt>& prompts,
            const std::vector<Rollout>& rollouts) const;
  void update(std::span<const Answer> answers, const std::vector<EvalPrompt>& prompts,
              const std::vector<Rollout>& rollouts, bool first, GrpoMetrics& metrics);
  std::vector<PackedBatch> pack(std::span<const Answer> answers, const std::vector<EvalPrompt>& prompts,
                                const std::vector<Rollout>& rollouts) const;
  void take_reference();
  RolloutOptions rollout_options() const;

  Trainer& trainer_;
  const Tokenizer& tokenizer_;
  const Mix mix_;
  const GrpoSettings settings_;
  const RewardRule rule_;
  const int threads_;
  const KernelTable& kernels_;
  const PromptMaker prompt_;
  Engine engine_;
  std::unique_ptr<Reference> reference_;
  std::function<void(const GrpoRecord&)> record_;
  std::int64_t steps_ = 0;
};

}  // namespace limpid
