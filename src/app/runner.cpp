#include "app/runner.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

constexpr std::int64_t kOutputBytes = std::int64_t{64} << 20;

int pages_of(const RunnerOptions& options) { return (std::max(options.positions, 1) + kPageTokens - 1) / kPageTokens; }

RunnerOptions completed(const Model& model, RunnerOptions options) {
  const std::int64_t fit = kOutputBytes / (std::int64_t{model.info().vocabulary} * 4);
  if (options.step_outputs == 0)
    options.step_outputs = static_cast<int>(std::clamp<std::int64_t>(fit, 1, options.step_rows));
  options.step_outputs = std::min(options.step_outputs, options.step_rows);
  return options;
}

std::size_t pool_bytes(const Model& model, const RunnerOptions& options) {
  return static_cast<std::size_t>(model.info().layers) * static_cast<std::size_t>(options.sequences) *
         static_cast<std::size_t>(pages_of(options)) * page_bytes(model.cache_layout(options.cache_type));
}

}  // namespace

std::uint64_t Runner::bytes(const Model& model, const RunnerOptions& asked) {
  const RunnerOptions options = completed(model, asked);
  return pool_bytes(model, options) + StepMemory::bytes(model.arena_bytes(options.step_rows, options.step_outputs),
                                                        model.scratch_bytes(options.step_rows), options.threads);
}

Runner::Runner(const Model& model, const RunnerOptions& options)
    : model_(model),
      options_(completed(model, options)),
      pages_(pages_of(options)),
      pool_(pool_bytes(model, options)),
      memory_(model.arena_bytes(options_.step_rows, options_.step_outputs), model.scratch_bytes(options_.step_rows),
              options_.threads),
      lengths_(static_cast<std::size_t>(options.sequences)),
      team_(options.threads) {
  const CacheLayout layout = model.cache_layout(options_.cache_type);
  const std::size_t of_layer = pool_.size() / static_cast<std::size_t>(model.info().layers);
  for (int layer = 0; layer < model.info().layers; ++layer)
    layers_.push_back({layout, pool_.data() + static_cast<std::size_t>(layer) * of_layer});
  tables_.resize(lengths_.size() * static_cast<std::size_t>(pages_));
  std::iota(tables_.begin(), tables_.end(), 0);
}

std::span<const float> Runner::step(std::span<const Part> parts) {
  ids_.clear(), positions_.clear(), outputs_.clear(), batch_.clear();
  for (const Part& part : parts) {
    const auto sequence = static_cast<std::size_t>(part.sequence);
    const int first = lengths_[sequence], rows = static_cast<int>(part.ids.size());
    if (first + rows > pages_ * kPageTokens)
      fail(ErrorKind::input, "sequence of {} tokens: there is room for {}", first + rows, pages_ * kPageTokens);
    const auto first_row = static_cast<std::int32_t>(ids_.size());
    batch_.push_back({first_row, rows, first, tables_.data() + sequence * static_cast<std::size_t>(pages_)});
    for (int i = 0; i < rows; ++i) {
      const std::int32_t id = part.ids[static_cast<std::size_t>(i)];
      if (id < 0 || id >= vocabulary())
        fail(ErrorKind::input, "token id {}: the model has 0 to {}", id, vocabulary() - 1);
      ids_.push_back(id);
      positions_.push_back(first + i);
      if (i >= rows - part.outputs) outputs_.push_back(first_row + i);
    }
  }
  if (ids_.size() > static_cast<std::size_t>(options_.step_rows) ||
      outputs_.size() > static_cast<std::size_t>(options_.step_outputs))
    fail(ErrorKind::input, "step of {} rows and {} outputs: it takes {} and {}", ids_.size(), outputs_.size(),
         options_.step_rows, options_.step_outputs);
  const Batch batch{ids_, positions_, batch_, outputs_};
  Tensor logits;
  StepStatus status;
  team_.run([&](int thread) {
    Exec exec = memory_.exec(team_, thread, options_.kernels);
    exec.status = &status;
    const Tensor out = model_.forward(exec, batch, layers_);
    if (thread == 0) logits = out;
  });
  if (status.failed) fail(ErrorKind::system, "{}", status.what);
  for (const Part& part : parts) lengths_[static_cast<std::size_t>(part.sequence)] += static_cast<int>(part.ids.size());
  if (outputs_.empty()) return {};
  return {logits.f32(), outputs_.size() * static_cast<std::size_t>(vocabulary())};
}

void Runner::read(int sequence, std::span<const std::int32_t> ids, std::size_t from, const Take& take, int chunk) {
  const auto most = static_cast<std::size_t>(chunk > 0 ? std::min(chunk, options_.step_rows) : options_.step_rows);
  const auto v = static_cast<std::size_t>(vocabulary());
  for (std::size_t at = 0; at < ids.size();) {
    std::size_t rows = std::min(most, ids.size() - at);
    if (at + rows > from)  // as many rows as their logits have room
      rows = std::min(rows, (at < from ? from - at : 0) + static_cast<std::size_t>(options_.step_outputs));
    const std::size_t outputs = at + rows > from ? at + rows - std::max(at, from) : 0;
    const Part part{sequence, ids.subspan(at, rows), static_cast<int>(outputs)};
    const std::span<const float> logits = step({&part, 1});
    at += rows;
    for (std::size_t o = 0; o < outputs; ++o) take(at - outputs + o, logits.subspan(o * v, v));
  }
}

}  // namespace limpid
