// A model for tests: its logits are a pure function of ids[0..p], computed only through the cache pages, so that a
// wrong page, position, order of rows or stale value changes every later token.
//
// Position p of layer l stores h_l(p) = mix(h_l(p - 1), h_l(q), below, p) where q = a pseudo-random earlier position
// read from the cache and below = h_(l-1)(p), or the id at the bottom. The logits are hashes of h_top(p), spread over
// [-5, 5].
#pragma once

#include <atomic>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "models/model.h"
#include "tensor/layout.h"

namespace limpid {

class FakeModel : public Model {
 public:
  explicit FakeModel(int vocabulary = 101, int layers = 3, int context = 4096, std::uint64_t fingerprint = 0x11) {
    info_.architecture = "fake";
    info_.vocabulary = vocabulary;
    info_.layers = layers;
    info_.context_length = context;
    info_.fingerprint = fingerprint;
  }

  std::int32_t broken_id = -1;    // this id makes the logits NaN
  std::int32_t throwing_id = -1;  // this id makes forward() throw on every thread
  int spread = 5;
  mutable std::atomic<std::int64_t> rows{0};  // really computed

  const ModelInfo& info() const override { return info_; }
  CacheLayout cache_layout(CacheType type) const override {
    CacheLayout layout;
    layout.type = type;
    layout.kv_heads = 1;
    layout.key_dim = layout.value_dim = 16;
    return layout;
  }
  std::size_t arena_bytes(int tokens, int outputs) const override {
    return aligned(static_cast<std::size_t>(tokens) * 8) +
           aligned(static_cast<std::size_t>(outputs) * static_cast<std::size_t>(info_.vocabulary) * 4);
  }
  std::size_t scratch_bytes(int) const override { return 64; }

  Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const override {
    if (ex.thread == 0) rows += batch.tokens();
    for (std::int32_t id : batch.ids)
      if (id == throwing_id) throw std::runtime_error("the fake model was asked to fail");
    auto* state = reinterpret_cast<std::uint64_t*>(ex.alloc_bytes(static_cast<std::size_t>(batch.tokens()) * 8));
    Tensor logits = ex.alloc(DType::f32, {static_cast<std::int64_t>(batch.outputs.size()), info_.vocabulary});
    const auto [first, last] = ex.share(static_cast<std::int64_t>(batch.sequences.size()));
    for (std::int64_t s = first; s < last; ++s) run(batch, batch.sequences[static_cast<std::size_t>(s)], cache, state);
    ex.sync();
    const auto [begin, end] = ex.share(static_cast<std::int64_t>(batch.outputs.size()));
    for (std::int64_t o = begin; o < end; ++o)
      fill(logits.row(o), state[batch.outputs[static_cast<std::size_t>(o)]], batch, o);
    ex.sync();
    return logits;
  }

  // The same function without cache and batch: what every test compares with.
  std::vector<float> reference(std::span<const std::int32_t> ids) const {
    std::vector<std::vector<std::uint64_t>> h(static_cast<std::size_t>(info_.layers));
    std::uint64_t top = 0;
    for (std::size_t p = 0; p < ids.size(); ++p) {
      std::uint64_t below = static_cast<std::uint64_t>(ids[p]);
      for (auto& layer : h) {
        const std::uint64_t previous = p ? layer[p - 1] : 0;
        const std::uint64_t earlier = p ? layer[mix(previous ^ below) % p] : 0;
        layer.push_back(step(previous, earlier, below, p));
        below = layer.back();
      }
      top = below;
    }
    std::vector<float> logits(static_cast<std::size_t>(info_.vocabulary));
    for (std::size_t v = 0; v < logits.size(); ++v) logits[v] = logit(top, v);
    return logits;
  }

 private:
  static std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
  static std::uint64_t mix(std::uint64_t x) {  // splitmix64
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  }
  static std::uint64_t step(std::uint64_t previous, std::uint64_t earlier, std::uint64_t below, std::size_t p) {
    return mix(mix(mix(previous + 1) ^ earlier) ^ mix(below + 3) ^ p);
  }
  float logit(std::uint64_t top, std::size_t v) const {
    return static_cast<float>(mix(top ^ mix(v)) >> 40) * 0x1p-24F * static_cast<float>(2 * spread) -
           static_cast<float>(spread);
  }

  static std::uint64_t* slot(const CacheLayer& layer, const std::int32_t* pages, std::size_t position) {
    const std::size_t page = static_cast<std::size_t>(pages[position / kPageTokens]);
    return reinterpret_cast<std::uint64_t*>(layer.pages + page * page_bytes(layer.layout) +
                                            position % kPageTokens * 16);
  }
  void run(const Batch& batch, const BatchSequence& sequence, std::span<const CacheLayer> cache,
           std::uint64_t* state) const {
    for (int row = 0; row < sequence.rows; ++row) {
      const std::size_t p = static_cast<std::size_t>(sequence.first_position + row);
      const auto position =
          static_cast<std::size_t>(batch.positions[static_cast<std::size_t>(sequence.first_row + row)]);
      std::uint64_t below = static_cast<std::uint64_t>(batch.ids[static_cast<std::size_t>(sequence.first_row + row)]);
      for (const CacheLayer& layer : cache) {
        const std::uint64_t previous = p ? *slot(layer, sequence.pages, p - 1) : 0;
        const std::uint64_t earlier = p ? *slot(layer, sequence.pages, mix(previous ^ below) % p) : 0;
        below = *slot(layer, sequence.pages, p) = step(previous, earlier, below, position);
      }
      state[sequence.first_row + row] = below;
    }
  }
  void fill(float* logits, std::uint64_t top, const Batch& batch, std::int64_t output) const {
    const bool broken =
        batch.ids[static_cast<std::size_t>(batch.outputs[static_cast<std::size_t>(output)])] == broken_id;
    for (int v = 0; v < info_.vocabulary; ++v)
      logits[v] = broken && v == 7 ? std::numeric_limits<float>::quiet_NaN() : logit(top, static_cast<std::size_t>(v));
  }

  ModelInfo info_;
};

}  // namespace limpid
