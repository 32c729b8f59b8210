// How often the layer of multi-token prediction proposes the token that the model itself would choose there: what
// speculative decoding with it would accept of one proposal a step (DeepSeek-V3's report, section 5.4.3).
//
// The main model has read the tokens up to i and the token i + 1 is chosen; the layer proposes token i + 2 from the
// hidden state of i and the id of i + 1 (models/mtp_layer.h). It is accepted where it is the most probable one of the
// main model, which has read up to i + 1.
//
// One thread calls it; its team computes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/thread_team.h"
#include "models/decoder.h"

namespace limpid {

class MtpAcceptance {
 public:
  // Texts have at most `positions` tokens. The decoder, loaded with its first layer of multi-token prediction
  // (LoadOptions::mtp), must outlive it. Throws Error(unsupported) for a model that has none.
  MtpAcceptance(const Decoder& decoder, int positions, CacheType cache, int threads, const KernelTable& kernels);

  // accepted[i]: whether the proposal for ids[i] is the model's own choice there. The first two are never proposed: 0.
  // Throws Error(input) for a longer text.
  std::vector<std::uint8_t> accepted(std::span<const std::int32_t> ids);

 private:
  const Decoder& decoder_;
  const int positions_;
  const KernelTable& kernels_;
  ThreadTeam team_;
  StepMemory memory_;
  HugeBuffer pool_;
  std::vector<CacheLayer> cache_;
  std::vector<std::int32_t> pages_;
};

}  // namespace limpid
