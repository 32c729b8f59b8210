#include "models/training_memory.h"

#include <algorithm>

#include "ops/loss.h"
#include "ops/moe_step.h"

namespace limpid {

std::size_t training_scratch_bytes(const Decoder& decoder, const ModelConfig& c, int tokens) {
  const std::size_t attention = is_latent(c)
                                    ? attention_backward_scratch_bytes(c.heads, 1, c.kv_rank + c.rope_dim, c.kv_rank)
                                    : attention_backward_scratch_bytes(c.heads, c.kv_heads, c.head_dim, c.head_dim);
  const std::size_t experts =
      c.experts > 0 ? moe_backward_scratch_bytes(tokens, c.width, c.experts, c.experts_chosen) : 0;
  return std::max({decoder.mtp_scratch_bytes(tokens), attention, experts, loss_scratch_bytes(c.vocabulary)});
}

}  // namespace limpid
