// A tokenizer learned from a mix of the problem generators.
#pragma once

#include <cstdint>

#include "train/data_mix.h"
#include "train/tokenizer_trainer.h"

namespace limpid {

// From the prompts and the replies with their thinking of the samples 0 to `samples` - 1 of the training split. Throws as
// TokenizerTrainer::train does.
TrainedTokenizer learn_tokenizer(const Mix& mix, std::uint64_t seed, std::uint64_t samples, const TokenizerPlan& plan);

}  // namespace limpid
