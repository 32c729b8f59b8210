// WithMtp: multi-token prediction driven as a model, for tests.
#pragma once

#include <gtest/gtest.h>

#include "models/decoder.h"
#include "tests/models/run_forward.h"

namespace limpid::model_test {

// A decoder with its first depth of multi-token prediction behind it as one model of one more cached layer, so that Forward can drive it: the logits of
// position i are the prediction of the id at i + 2, with text[i + 1] as the id that follows.
class WithMtp final : public Model {
 public:
  WithMtp(const Decoder& decoder, MtpInput input, const Ids& text)
      : decoder_(decoder), input_(input), text_(text), info_(decoder.info()) {
    ++info_.layers;
  }
  const ModelInfo& info() const override { return info_; }
  CacheLayout cache_layout(CacheType type) const override { return decoder_.cache_layout(type); }
  std::size_t arena_bytes(int tokens, int outputs) const override {
    return decoder_.arena_bytes(tokens, outputs) + decoder_.mtp_arena_bytes(tokens, outputs);
  }
  std::size_t scratch_bytes(int tokens) const override { return decoder_.mtp_scratch_bytes(tokens); }
  Tensor forward(Exec& ex, const Batch& batch, std::span<const CacheLayer> cache) const override {
    const Tensor hidden = decoder_.hidden(ex, batch, cache.first(cache.size() - 1));
    Ids following;
    for (const std::int32_t position : batch.positions)
      following.push_back(text_[static_cast<std::size_t>(position) + 1]);
    Batch next = batch;
    next.ids = following;
    const MtpOutput out = decoder_.mtp_forward(ex, 0, hidden, input_, next, cache.back());
    EXPECT_EQ(out.hidden.rows(), batch.tokens());
    return out.logits;
  }

 private:
  const Decoder& decoder_;
  const MtpInput input_;
  const Ids& text_;
  ModelInfo info_;
};

}  // namespace limpid::model_test
