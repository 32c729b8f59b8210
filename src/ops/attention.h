// rope_store_attend: rotate queries and keys, store keys and values in the cache, attend over everything stored up to
// each row's position.
//
// One answer: rows of one step see each other's keys and values only as the cache stores them (rounded). The sum over
// positions is cut into fixed spans of 256 positions from 0; each span gives a partial (maximum, sum of exponentials,
// weighted values), merged in ascending order. Spans and heads may run on any thread.
#pragma once

#include "ops/batch.h"
#include "ops/cache.h"
#include "ops/exec.h"
#include "tensor/tensor.h"

namespace limpid {

struct Rope {
  const float* inv_frequency = nullptr;  // (pairs)
  int pairs = 0;             // rotated pairs; 2 * pairs <= key_dim: the first 2 * pairs values of a head rotate
  bool interleaved = false;  // (x[2i], x[2i+1]) or (x[i], x[i + pairs])
  float magnitude = 1.0F;    // YaRN's factor on cos and sin
};

// cos and sin of every row of the step, shared by all layers: (T, 2 * pairs), cos then sin. Ends with a barrier.
Tensor rope_table(Exec& ex, const Rope& rope, const Batch& batch);

struct GroupedAttention {
  int heads = 0, kv_heads = 0;
  int key_dim = 0, value_dim = 0;
  float scale = 1.0F;
  Rope rope;
};
// q (T, heads, key_dim), k (T, kv_heads, key_dim), v (T, kv_heads, value_dim), all before rotation, read
// only. Returns (T, heads * value_dim). Starts after a barrier (its inputs are complete) and ends with one. While a tape
// records, every sequence begins at position 0; else throws Error(unsupported).
Tensor rope_store_attend(Exec& ex, const GroupedAttention& shape, const Tensor& table, Tensor q, Tensor k, Tensor v,
                         const Batch& batch, const CacheLayer& cache);

// Latent attention in its absorbed form (DeepSeek-V2, section 2.1; V3 likewise): one key of latent + rope values serves
// all heads.
struct LatentAttention {
  int heads = 0;
  int latent = 0, rope_dim = 0;
  float scale = 1.0F;
  Rope rope;
};
// q (T, heads, latent + rope_dim): the query in latent space, its rope part last and before rotation. kv (T, latent +
// rope_dim): the normalised latent, then the rope key before rotation. Returns (T, heads, latent): the weighted
// latents, to be brought back by W_UV. Barriers as above.
Tensor rope_store_attend(Exec& ex, const LatentAttention& shape, const Tensor& table, Tensor q, Tensor kv,
                         const Batch& batch, const CacheLayer& cache);

// Bytes of ex.scratch that a thread needs for a batch of at most `tokens` rows. For a latent: key_dim = latent +
// rope_dim, value_dim = latent.
std::size_t attention_scratch_bytes(int tokens, int heads, int key_dim, int value_dim);
// Bytes of ex.arena that one call takes: what it returns (which stays) and its partial results (given back when it
// returns).
std::size_t attention_arena_bytes(int threads, int tokens, int heads, int value_dim);
// Bytes of ex.scratch that the backward needs, whatever the batch.
std::size_t attention_backward_scratch_bytes(int heads, int kv_heads, int key_dim, int value_dim);

}  // namespace limpid
