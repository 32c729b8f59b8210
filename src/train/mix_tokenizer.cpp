#include "train/mix_tokenizer.h"

namespace limpid {

TrainedTokenizer learn_tokenizer(const Mix& mix, std::uint64_t seed, std::uint64_t samples, const TokenizerPlan& plan) {
  TokenizerTrainer trainer;
  for (std::uint64_t i = 0; i < samples; ++i) {
    const Sample sample = mixed_sample(mix, Split::train, seed, i).sample;
    trainer.add(sample.prompt);
    trainer.add(reply(sample, true));
  }
  return trainer.train(plan);
}

}  // namespace limpid
