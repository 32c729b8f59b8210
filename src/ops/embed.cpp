#include "ops/embed.h"

#include <cassert>

#include "ops/activations.h"

namespace limpid {

Tensor embed(Exec& ex, const PackedWeight& table, const Batch& batch) {
  Tensor x = ex.alloc(DType::f32, {batch.tokens(), table.columns});
  const auto [begin, end] = ex.share(batch.tokens());
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int32_t id = batch.ids[static_cast<std::size_t>(t)];
    assert(id >= 0 && id < table.rows);
    decode_packed_row(table.type, table.data, table.rows, table.columns, id, x.row(t));
  }
  ex.sync();
  return x;
}

Tensor head(Exec& ex, const Tensor& x, const float* gain, float eps, const PackedWeight& vocabulary,
            const Batch& batch) {
  assert(x.columns() == vocabulary.columns);
  const auto outputs = static_cast<std::int64_t>(batch.outputs.size());
  Tensor logits = ex.alloc(DType::f32, {outputs, vocabulary.rows});
  const std::size_t arena = ex.arena.mark(), scratch = ex.scratch.mark();
  RowSource source = rows_of(x);
  source.rows = outputs;
  source.index = batch.outputs.data();
  ActTypes types;
  types.add(vocabulary);
  const ActivationSet rows = make_activations(ex, source, gain, eps, types);
  const auto [begin, end] = ex.share(vocabulary.rows, kStripRows);
  multiply(ex, vocabulary, rows.of(vocabulary), begin, end, {logits.f32() + begin, vocabulary.rows, false});
  ex.sync();
  ex.scratch.rewind(scratch);
  ex.arena.rewind(arena);
  return logits;
}

std::size_t head_arena_bytes(std::int64_t outputs, std::int64_t d, std::int64_t vocabulary) {
  const auto logits = static_cast<std::size_t>(outputs * vocabulary) * sizeof(float);
  return scratch_size(logits) + activation_bytes(outputs, d);
}

std::size_t head_scratch_bytes(std::int64_t d) { return activation_scratch_bytes(d); }

}  // namespace limpid
