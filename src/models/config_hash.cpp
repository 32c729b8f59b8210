// hash_of(ModelConfig): every field by its text. The bindings below name each field of the two structures in order, so that one that is added does not
// compile until it is hashed too.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/content_hash.h"
#include "models/config.h"

namespace limpid {

namespace {

std::string text_of(const RopeConfig& config) {
  const auto& [base, dim, interleaved, scaling, factor, low, high, original, fast, slow, mscale, mscale_all, attention,
               divisors] = config;
  return fmt::format("{} {} {} '{}' {} {} {} {} {} {} {} {} {} {}", base, dim, interleaved, scaling, factor, low, high,
                     original, fast, slow, mscale, mscale_all, attention, fmt::join(divisors, ","));
}

}  // namespace

std::uint64_t hash_of(const ModelConfig& config) {
  const auto& [architecture, name, vocabulary, width, layers, context, heads, kv_heads, head_dim, feed_forward, eps,
               tied, qkv_bias, output_bias, mlp_bias, rope, q_rank, kv_rank, nope, rope_dim, value_dim, dense, experts,
               chosen, expert_width, shared, groups, groups_kept, score, gate_bias, top2, normalise, scale, mtp_layers,
               mtp_embedding, mtp_head] = config;
  static_cast<void>(name);  // what a file calls itself changes no answer
  const std::string text = fmt::format(
      "{} {} {} {} {} {} {} {} {} {} {} {} {} {} [{}] {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
      architecture, vocabulary, width, layers, context, heads, kv_heads, head_dim, feed_forward, eps, tied, qkv_bias,
      output_bias, mlp_bias, text_of(rope), q_rank, kv_rank, nope, rope_dim, value_dim, dense, experts, chosen,
      expert_width, shared, groups, groups_kept, static_cast<int>(score), gate_bias, top2, normalise, scale, mtp_layers,
      mtp_embedding, mtp_head);
  return content_hash(std::as_bytes(std::span(text)));
}

}  // namespace limpid
