// Drives Model::forward as an engine does, with pages, arena and scratch of its own: what the tests of models share.
// Memory is exactly as large as the model asks for and full of NaN wherever nothing was written, pages are handed out
// in no order, and other sequences may run in the same steps. None of that may move a bit of the logits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/memory.h"
#include "base/thread_team.h"
#include "kernels/kernels.h"
#include "models/model.h"

namespace limpid::model_test {

using Ids = std::vector<std::int32_t>;

struct HowToRun {
  CacheType cache = CacheType::f32;
  int threads = 1;
  int chunk = 0;                         // tokens of a step; 0: all at once
  std::vector<Ids> mates = {};           // run beside the first sequence, in chunks of 1, 2, 3, ...
  const KernelTable* kernels = nullptr;  // null: the best
};

class Forward {
 public:
  Forward(const Model& model, const HowToRun& how, std::size_t tokens)
      : model_(model), how_(how), team_(how.threads), layout_(model.cache_layout(how.cache)) {
    std::size_t pages = blocks(tokens);
    for (const Ids& mate : how.mates) pages += blocks(mate.size());
    for (std::size_t i = 0; i < pages; ++i) free_.push_back(static_cast<std::int32_t>(i));
    std::shuffle(free_.begin(), free_.end(), std::mt19937(7));
    const std::size_t bytes = page_bytes(layout_) * pages;
    pool_ = poisoned(bytes * static_cast<std::size_t>(model.info().layers));
    for (int l = 0; l < model.info().layers; ++l)
      cache_.push_back({layout_, pool_.data() + bytes * static_cast<std::size_t>(l)});
  }

  // Logits of every position of ids, (tokens, V).
  std::vector<float> logits(const Ids& ids) {
    std::vector<const Ids*> texts{&ids};
    for (const Ids& mate : how_.mates) texts.push_back(&mate);
    std::vector<std::size_t> done(texts.size());
    tables_.assign(texts.size(), {});
    std::vector<float> result;
    for (int step = 1; done[0] < ids.size(); ++step) {
      std::vector<std::size_t> rows;
      for (std::size_t s = 0; s < texts.size(); ++s) {
        const std::size_t left = texts[s]->size() - done[s];
        const std::size_t chunk = s == 0 ? static_cast<std::size_t>(how_.chunk) : static_cast<std::size_t>(step);
        rows.push_back(chunk == 0 ? left : std::min(left, chunk));
      }
      const std::vector<float> part = run(texts, done, rows);
      result.insert(result.end(), part.begin(), part.end());
      for (std::size_t s = 0; s < texts.size(); ++s) done[s] += rows[s];
    }
    return result;
  }

 private:
  static std::size_t blocks(std::size_t tokens) { return (tokens + 63) / 64; }
  static HugeBuffer poisoned(std::size_t size) {
    HugeBuffer buffer(std::max<std::size_t>(size, 64));
    std::memset(buffer.data(), 0xFF, buffer.size());
    return buffer;
  }

  // One step; the logits of the first sequence's rows. Mates come first in the batch, so that rows are not positions.
  std::vector<float> run(const std::vector<const Ids*>& texts, const std::vector<std::size_t>& done,
                         const std::vector<std::size_t>& rows) {
    Ids ids, positions, outputs;
    std::vector<BatchSequence> sequences;
    for (std::size_t k = texts.size(); k-- > 0;) {
      if (rows[k] == 0) continue;
      while (tables_[k].size() < blocks(done[k] + rows[k])) {
        tables_[k].push_back(free_.back());
        free_.pop_back();
      }
      sequences.push_back({static_cast<std::int32_t>(ids.size()), static_cast<std::int32_t>(rows[k]),
                           static_cast<std::int32_t>(done[k]), tables_[k].data()});
      for (std::size_t i = done[k]; i < done[k] + rows[k]; ++i) {
        if (k == 0) outputs.push_back(static_cast<std::int32_t>(ids.size()));
        ids.push_back((*texts[k])[i]);
        positions.push_back(static_cast<std::int32_t>(i));
      }
    }
    return forward({ids, positions, sequences, outputs});
  }

  std::vector<float> forward(const Batch& batch) {
    const int tokens = batch.tokens();
    const HugeBuffer arena = poisoned(model_.arena_bytes(tokens, static_cast<int>(batch.outputs.size())));
    const std::size_t scratch_bytes = model_.scratch_bytes(tokens);
    std::vector<HugeBuffer> scratch;
    for (int i = 0; i < how_.threads; ++i) scratch.push_back(poisoned(scratch_bytes));
    std::vector<float> result(batch.outputs.size() * static_cast<std::size_t>(model_.info().vocabulary));
    StepStatus status;
    team_.run([&](int thread) {
      Exec ex;
      ex.thread = thread;
      ex.threads = how_.threads;
      ex.barrier = &team_.barrier();
      ex.kernels = how_.kernels ? how_.kernels : &best_kernels();
      ex.arena = Arena({arena.data(), model_.arena_bytes(tokens, static_cast<int>(batch.outputs.size()))});
      ex.scratch = Arena({scratch[static_cast<std::size_t>(thread)].data(), scratch_bytes});
      ex.poison = true;
      ex.status = &status;
      const Tensor logits = model_.forward(ex, batch, cache_);
      if (ex.failed()) return;
      if (thread == 0) std::memcpy(result.data(), logits.data, result.size() * sizeof(float));
      ex.sync();
    });
    if (status.failed) fail(ErrorKind::system, "{}", status.what);
    return result;
  }

  const Model& model_;
  HowToRun how_;
  ThreadTeam team_;
  CacheLayout layout_;
  HugeBuffer pool_;
  std::vector<CacheLayer> cache_;
  std::vector<std::int32_t> free_;
  std::vector<std::vector<std::int32_t>> tables_;
};

inline std::vector<float> run(const Model& model, const Ids& ids, const HowToRun& how) {
  return Forward(model, how, ids.size()).logits(ids);
}

}  // namespace limpid::model_test
