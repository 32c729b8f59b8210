#include "train/mtp_acceptance.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

std::int32_t most_probable(const Tensor& logits, std::int64_t row, int vocabulary) {
  const float* first = logits.f32() + row * vocabulary;
  return static_cast<std::int32_t>(std::max_element(first, first + vocabulary) - first);
}

}  // namespace

MtpAcceptance::MtpAcceptance(const Decoder& decoder, int positions, CacheType cache, int threads,
                             const KernelTable& kernels)
    : decoder_(decoder),
      positions_(positions),
      kernels_(kernels),
      team_(threads),
      memory_(decoder.arena_bytes(positions, positions) + decoder.mtp_arena_bytes(positions, positions),
              decoder.mtp_scratch_bytes(positions), threads) {
  if (decoder.mtp_layers() < 1) fail(ErrorKind::unsupported, "the model has no layer of multi-token prediction");
  const CacheLayout layout = decoder.cache_layout(cache);
  pages_.resize(static_cast<std::size_t>((positions + kPageTokens - 1) / kPageTokens));
  std::iota(pages_.begin(), pages_.end(), 0);
  const std::size_t of_layer = page_bytes(layout) * pages_.size();
  const auto layers = static_cast<std::size_t>(decoder.info().layers + 1);
  pool_ = HugeBuffer(of_layer * layers);
  for (std::size_t layer = 0; layer < layers; ++layer) cache_.push_back({layout, pool_.data() + layer * of_layer});
}

std::vector<std::uint8_t> MtpAcceptance::accepted(std::span<const std::int32_t> ids) {
  const auto tokens = static_cast<std::int32_t>(ids.size());
  if (tokens > positions_)
    fail(ErrorKind::input, "multi-token prediction: a text of {} tokens; at most {} are expected", tokens, positions_);
  std::vector<std::uint8_t> accepted(ids.size());
  if (tokens < 3) return accepted;
  std::vector<std::int32_t> rows(ids.size()), following(ids.begin() + 1, ids.end());
  std::iota(rows.begin(), rows.end(), 0);
  following.push_back(ids.back());  // of the last row, whose proposal nobody asks for
  const BatchSequence sequence{0, tokens, 0, pages_.data()};
  const std::span<const BatchSequence> sequences(&sequence, 1);
  const Batch batch{ids, rows, sequences, rows}, next{following, rows, sequences, rows};
  const std::span<const CacheLayer> cache(cache_);
  std::vector<std::int32_t> choices(ids.size());
  team_.run([&](int thread) {
    Exec ex = memory_.exec(team_, thread, &kernels_);
    const int vocabulary = decoder_.info().vocabulary;
    const Tensor hidden = decoder_.hidden(ex, batch, cache.first(cache.size() - 1));
    const Tensor main = decoder_.logits(ex, hidden, batch);
    if (thread == 0)
      for (std::int32_t row = 0; row < tokens; ++row)
        choices[static_cast<std::size_t>(row)] = most_probable(main, row, vocabulary);
    const Tensor ahead = decoder_.mtp_forward(ex, 0, hidden, MtpInput::normed, next, cache.back()).logits;
    if (thread != 0) return;
    for (std::size_t i = 2; i < ids.size(); ++i)
      accepted[i] = most_probable(ahead, static_cast<std::int64_t>(i) - 2, vocabulary) == choices[i - 1] ? 1 : 0;
  });
  return accepted;
}

}  // namespace limpid
