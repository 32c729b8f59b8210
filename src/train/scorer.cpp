#include "train/scorer.h"

#include "base/error.h"
#include "ops/loss.h"
#include "tensor/layout.h"

namespace limpid {

Scorer::Scorer(const Decoder& decoder, std::int64_t tokens, int threads, const KernelTable& kernels)
    : decoder_(decoder),
      tokens_(tokens),
      kernels_(kernels),
      team_(threads),
      memory_(decoder.arena_bytes(static_cast<int>(tokens), static_cast<int>(tokens)) + loss_arena_bytes(tokens),
              decoder.scratch_bytes(static_cast<int>(tokens)) + loss_scratch_bytes(decoder.info().vocabulary),
              threads) {}

void Scorer::reserve_pages(std::int32_t pages) {
  if (pages <= pages_) return;
  const CacheLayout layout = decoder_.cache_layout(CacheType::f32);
  const std::size_t of_layer = page_bytes(layout) * static_cast<std::size_t>(pages);
  const auto layers = static_cast<std::size_t>(decoder_.info().layers);
  pool_ = HugeBuffer(of_layer * layers);
  pages_ = pages;
  cache_.clear();
  for (std::size_t layer = 0; layer < layers; ++layer) cache_.push_back({layout, pool_.data() + layer * of_layer});
}

std::vector<float> Scorer::score(const PackedBatch& packed, float temperature) {
  if (packed.tokens() > tokens_)
    fail(ErrorKind::input, "scorer: a batch of {} rows; at most {} are expected", packed.tokens(), tokens_);
  reserve_pages(packed.pages());
  std::vector<std::int32_t> pages(static_cast<std::size_t>(packed.pages())), outputs(packed.ids.size());
  for (std::size_t i = 0; i < pages.size(); ++i) pages[i] = static_cast<std::int32_t>(i);
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i] = static_cast<std::int32_t>(i);
  std::vector<BatchSequence> sequences;
  std::size_t page = 0;
  for (const PackedBatch::Place& place : packed.places) {
    sequences.push_back({place.first_row, place.rows, 0, pages.data() + page});
    page += static_cast<std::size_t>((place.rows + kPageTokens - 1) / kPageTokens);
  }
  const Batch batch{packed.ids, packed.positions, sequences, outputs};
  std::vector<float> logprobs(packed.ids.size());
  team_.run([&](int thread) {
    Exec ex = memory_.exec(team_, thread, &kernels_);
    const Tensor logits = decoder_.forward(ex, batch, cache_);
    token_loss(ex, logits, {.targets = packed.targets, .weights = packed.weights, .temperature = temperature},
               logprobs);
  });
  return logprobs;
}

}  // namespace limpid
