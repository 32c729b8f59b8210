// Scorer: log-probabilities of given tokens by a decoder, without gradients: what a reference policy says of answers that
// another one wrote, and what recomputing a rollout gives. The same bits as the sampler's and the training loss's.
//
// One thread calls it; its team computes.
#pragma once

#include <span>
#include <vector>

#include "base/memory.h"
#include "base/thread_team.h"
#include "models/decoder.h"
#include "train/packer.h"

namespace limpid {

class Scorer {
 public:
  // Batches have at most `tokens` rows. The decoder must outlive it; its weights may change between calls.
  Scorer(const Decoder& decoder, std::int64_t tokens, int threads, const KernelTable& kernels);

  // (T): the log-probability of each row's target at the temperature; 0 where its weight is 0. Throws Error(input) for a
  // larger batch.
  std::vector<float> score(const PackedBatch& batch, float temperature = 1.0F);

 private:
  void reserve_pages(std::int32_t pages);

  const Decoder& decoder_;
  const std::int64_t tokens_;
  const KernelTable& kernels_;
  ThreadTeam team_;
  StepMemory memory_;
  HugeBuffer pool_;
  std::int32_t pages_ = 0;
  std::vector<CacheLayer> cache_;
};

}  // namespace limpid
