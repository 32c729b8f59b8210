// The backward of rope_store_attend. Internal to ops/.
//
// With s = scale * rotate(q) . k, p = softmax(s), out = p v (k rotated; k and v as the cache rounds them), for every
// query and the keys that it sees (Dao et al., "FlashAttention", 2022, appendix B.4):
//   dv = p^T dout;  ds = p (dout v^T - dout . out);  dq = scale * unrotate(ds k);  dk = unrotate(ds^T (scale rotate(q)))
// Rounding passes gradients through unchanged. Of a latent dk and dv are sums over all heads, and the latent's gradient
// is its part of dk plus dv.
#pragma once

#include <span>

#include "ops/attention_block.h"

namespace limpid {

struct SavedAttention {
  AttentionShape shape;
  const float* table;  // (T, 2 * pairs)
  Tensor q, k, v;      // before rotation, as they still are; v is empty for a latent
  Tensor out;
  AttentionSums sums;
  std::span<const BatchSequence> sequences;
};

// Throws Error(unsupported) unless every sequence begins at position 0: what an earlier step stored has no gradient.
void check_trainable(const Batch& batch);
void record_attention(Exec& ex, const SavedAttention& saved);

}  // namespace limpid
