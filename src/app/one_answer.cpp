#include "app/one_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/philox.h"
#include "engine/siphash.h"

namespace limpid {

namespace {

using Hashes = std::vector<Hash128>;  // of the logits of each position
constexpr int kMates = 3;

Hash128 hash(std::span<const float> logits) { return siphash128({}, std::as_bytes(logits)); }

Hashes alone(const Model& model, RunnerOptions options, std::span<const std::int32_t> ids, int chunk) {
  Runner runner(model, options);
  Hashes out(ids.size());
  runner.read(
      0, ids, 0, [&](std::size_t i, std::span<const float> logits) { out[i] = hash(logits); }, chunk);
  return out;
}

// Other sequences' tokens in the same steps, of other lengths and chunks, before and behind ours.
Hashes among_mates(const Model& model, RunnerOptions options, std::span<const std::int32_t> ids) {
  options.sequences = kMates;
  options.step_outputs = options.step_rows = 64;
  Runner runner(model, options);
  const auto v = static_cast<std::size_t>(runner.vocabulary());
  const auto room = static_cast<int>(ids.size());
  std::vector<std::int32_t> others(ids.rbegin(), ids.rend());
  Hashes out(ids.size());
  std::uint32_t step = 0;
  for (std::size_t at = 0; at < ids.size(); ++step) {
    const auto draw = [&](std::uint32_t what, std::uint32_t most) { return philox(77, {step, what, 0, 0})[0] % most; };
    const std::size_t rows = std::min<std::size_t>(1 + draw(0, 20), ids.size() - at);
    std::vector<Runner::Part> parts;
    const auto mate = [&](int sequence) {
      const int left = room - runner.length(sequence);
      const int n = std::min(static_cast<int>(draw(static_cast<std::uint32_t>(sequence), 21)), left);
      if (n > 0)
        parts.push_back(
            {sequence,
             std::span(others).subspan(static_cast<std::size_t>(runner.length(sequence)), static_cast<std::size_t>(n)),
             0});
    };
    mate(1);
    parts.push_back({0, ids.subspan(at, rows), static_cast<int>(rows)});
    mate(2);
    const std::span<const float> logits = runner.step(parts);
    for (std::size_t i = 0; i < rows; ++i) out[at + i] = hash(logits.subspan(i * v, v));
    at += rows;
  }
  return out;
}

}  // namespace

std::vector<OneAnswerResult> check_one_answer(const Model& model, CacheType cache_type,
                                              std::span<const std::int32_t> ids, int threads,
                                              std::span<const KernelTable* const> tables,
                                              const std::function<void(const OneAnswerResult&)>& report) {
  RunnerOptions options;
  options.threads = threads;
  options.cache_type = cache_type;
  options.positions = static_cast<int>(ids.size());
  options.kernels = tables.front();
  const Hashes wanted = alone(model, options, ids, 0);
  std::vector<OneAnswerResult> results;
  const auto compare = [&](std::string way, const Hashes& found) {
    const auto different = std::mismatch(wanted.begin(), wanted.end(), found.begin()).first;
    results.push_back(
        {std::move(way), different == wanted.end(), static_cast<std::size_t>(different - wanted.begin())});
    report(results.back());
  };
  for (int n = 1; n <= std::max(threads, 3); ++n) {
    RunnerOptions other = options;
    other.threads = n;
    compare(fmt::format("{} thread{}", n, n == 1 ? "" : "s"), alone(model, other, ids, 0));
  }
  for (const int chunk : {1, 2, 7, 33, 64, 65})
    compare(chunk == 1 ? "token by token" : fmt::format("chunks of {}", chunk), alone(model, options, ids, chunk));
  compare(fmt::format("{} other sequences in the same steps", kMates - 1), among_mates(model, options, ids));
  for (const KernelTable* table : tables.subspan(1)) {
    RunnerOptions other = options;
    other.kernels = table;
    compare(fmt::format("{} instead of {}", table->isa, tables.front()->isa), alone(model, other, ids, 0));
  }
  return results;
}

}  // namespace limpid
