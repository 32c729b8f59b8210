// A model for tests of evaluation and rollouts: the logits of a row are a table's row for its id, so that a test knows
// the chance of every answer. Nothing in the cache.
#pragma once

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "models/model.h"

namespace limpid {

class TableModel : public Model {
 public:
  explicit TableModel(int vocabulary, int context = 512) {
    info_.architecture = "table";
    info_.vocabulary = vocabulary;
    info_.layers = 1;
    info_.context_length = context;
    info_.fingerprint = 0x22;
  }
  // After `id` the next ids have these logits; all others a far lower one.
  std::map<std::int32_t, std::vector<std::pair<std::int32_t, float>>> next;

  const ModelInfo& info() const override { return info_; }
  CacheLayout cache_layout(CacheType type) const override {
    CacheLayout layout;
    layout.type = type;
    layout.kv_heads = 1;
    layout.key_dim = layout.value_dim = 16;
    return layout;
  }
  std::size_t arena_bytes(int, int outputs) const override {
    return (static_cast<std::size_t>(outputs) * static_cast<std::size_t>(info_.vocabulary) * 4 + 127) / 64 * 64;
  }
  std::size_t scratch_bytes(int) const override { return 64; }
  Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer>) const override {
    Tensor logits = ex.alloc(DType::f32, {static_cast<std::int64_t>(batch.outputs.size()), info_.vocabulary});
    const auto [begin, end] = ex.share(static_cast<std::int64_t>(batch.outputs.size()));
    for (std::int64_t o = begin; o < end; ++o) {
      float* row = logits.row(o);
      std::fill_n(row, info_.vocabulary, -60.0F);
      const auto found = next.find(batch.ids[static_cast<std::size_t>(batch.outputs[static_cast<std::size_t>(o)])]);
      if (found == next.end()) continue;
      for (const auto& [id, logit] : found->second) row[id] = logit;
    }
    ex.sync();
    return logits;
  }

 private:
  ModelInfo info_;
};

}  // namespace limpid
