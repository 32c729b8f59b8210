#include "ops/embed.h"

#include <cassert>

#include "ops/activations.h"
#include "ops/gradient.h"

namespace limpid {

namespace {

// Rows of the table's gradient in the order of the batch, whichever thread has the columns.
void record_embed(Exec& ex, const Tensor& x, const PackedWeight& table, const Batch& batch) {
  const Trainable parameter = ex.tape->at(table.data);
  if (parameter.gradient == nullptr) return;
  ex.tape->record(ex, [=, ids = batch.ids](Exec& back) {
    const std::int64_t d = x.columns();
    const auto [begin, end] = back.share(d, 16);
    for (std::int64_t t = 0; t < x.rows() && begin < end; ++t) {
      float* row = parameter.gradient + ids[static_cast<std::size_t>(t)] * d + begin;
      back.kernels->add(row, x.gradient + t * d + begin, end - begin, row);
    }
  });
}

void record_head(Exec& ex, const Tensor& x, const float* gain, float eps, const PackedWeight& vocabulary,
                 const Batch& batch, const Tensor& logits) {
  const TrainableWeight parameters = trainable(ex, vocabulary);
  const Trainable norm = ex.tape->at(gain);
  ex.tape->record(ex, [=, outputs = batch.outputs](Exec& back) {
    const std::int64_t d = x.columns(), rows = logits.rows();
    const std::size_t mark = back.arena.mark();
    const Tensor n = back.alloc(DType::f32, {rows, d}), dn = back.alloc(DType::f32, {rows, d});
    auto* inverse = reinterpret_cast<float*>(back.alloc_bytes(static_cast<std::size_t>(rows) * sizeof(float)));
    const auto [begin, end] = back.share(rows);
    for (std::int64_t i = begin; i < end; ++i)
      back.kernels->rms_norm(x.row(outputs[static_cast<std::size_t>(i)]), gain, eps, d, n.row(i));
    input_backward(back, parameters.weight, rows, rows_of_gradient(logits), rows_of_values(dn), false);
    back.sync();
    weight_backward(back, parameters, rows, rows_of_gradient(logits), rows_of_values(n));
    norm_backward(back, {x.f32(), d, outputs.data()}, norm, eps, rows, rows_of_values(dn),
                  {x.gradient, d, outputs.data()}, inverse);
    back.arena.rewind(mark);
  });
}

}  // namespace

Tensor embed(Exec& ex, const PackedWeight& table, const Batch& batch) {
  Tensor x = ex.alloc_tracked({batch.tokens(), table.columns});
  const auto [begin, end] = ex.share(batch.tokens());
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int32_t id = batch.ids[static_cast<std::size_t>(t)];
    assert(id >= 0 && id < table.rows);
    decode_packed_row(table.type, table.data, table.rows, table.columns, id, x.row(t));
  }
  ex.sync();
  if (ex.tape != nullptr) record_embed(ex, x, table, batch);
  return x;
}

Tensor head(Exec& ex, const Tensor& x, const float* gain, float eps, const PackedWeight& vocabulary,
            const Batch& batch) {
  assert(x.columns() == vocabulary.columns);
  const auto outputs = static_cast<std::int64_t>(batch.outputs.size());
  Tensor logits = ex.alloc_tracked({outputs, vocabulary.rows});
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
  if (ex.tape != nullptr) record_head(ex, x, gain, eps, vocabulary, batch, logits);
  return logits;
}

std::size_t head_arena_bytes(std::int64_t outputs, std::int64_t d, std::int64_t vocabulary) {
  const auto logits = static_cast<std::size_t>(outputs * vocabulary) * sizeof(float);
  return scratch_size(logits) + activation_bytes(outputs, d);
}

std::size_t head_scratch_bytes(std::int64_t d) { return activation_scratch_bytes(d); }

}  // namespace limpid
