#include "ops/gated_hidden.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace limpid {

namespace {

constexpr std::int64_t kPiece = 256;  // columns at a time: the largest block of an activation row

// Columns [0, n) of `piece`, an activation row of at most 256 columns, to columns [c, c + n) of a row of `columns`.
void place(ActType type, const std::byte* piece, std::int64_t c, std::int64_t n, std::int64_t columns, std::byte* row) {
  struct Section {  // n values take n / per * bytes
    std::int64_t per, bytes;
  };
  constexpr Section kNone{256, 0};
  constexpr Section kSections[kActTypes][3] = {
      {{1, 4}, kNone, kNone},       // f32
      {{1, 2}, kNone, kNone},       // bf16
      {{1, 1}, {32, 4}, {32, 4}},   // q8_32: values, scales, sums
      {{1, 1}, {256, 4}, {16, 2}},  // q8_256: values, scales, sums
  };
  const std::int64_t padded = act_padded(type, columns);
  for (const auto& [per, bytes] : kSections[static_cast<std::size_t>(type)]) {
    std::memcpy(row + c / per * bytes, piece, static_cast<std::size_t>(n / per * bytes));
    piece += kPiece / per * bytes;
    row += padded / per * bytes;
  }
}

}  // namespace

std::int64_t hidden_unit(ActType type) { return type == ActType::q8_256 ? 256 : 64; }

void fill_hidden(Exec& ex, const GatedHidden& part, std::int64_t begin, std::int64_t end) {
  const Activations& hidden = part.hidden;
  const auto type = static_cast<std::size_t>(hidden.type);
  assert(begin % hidden_unit(hidden.type) == 0);
  const std::size_t scratch = ex.scratch.mark();
  float* gate = take_floats(ex, kTokenChunk * kPiece);
  float* up = take_floats(ex, kTokenChunk * kPiece);
  float* product = take_floats(ex, kPiece);
  std::byte* piece = take_scratch(ex, act_row_bytes(ActType::f32, kPiece));
  const std::int64_t chunk = std::min(token_chunk(part.gate_rows.stride), token_chunk(part.up_rows.stride));
  // Pieces end at multiples of 256, so that the last one reaches over all of the padding.
  for (std::int64_t c = begin; c < end;) {
    const std::int64_t stop = std::min(end, (c / kPiece + 1) * kPiece), n = stop - c;
    const std::int64_t written = stop == hidden.columns ? act_padded(hidden.type, hidden.columns) - c : n;
    for (std::int64_t t = 0; t < hidden.rows; t += chunk) {
      const std::int64_t count = std::min(chunk, hidden.rows - t);
      auto strips = [&](const PackedWeight& weight, const Activations& rows, float* out) {
        if (part.gather != nullptr)
          multiply(ex, weight, rows, c, stop, {out, kPiece, false}, part.gather + t, count);
        else
          multiply(ex, weight, slice(rows, t, t + count), c, stop, {out, kPiece, false});
      };
      strips(*part.gate, part.gate_rows, gate);
      strips(*part.up, part.up_rows, up);
      for (std::int64_t i = 0; i < count; ++i) {
        if (part.keep_gate != nullptr) {
          std::copy_n(gate + i * kPiece, n, part.keep_gate + (t + i) * hidden.columns + c);
          std::copy_n(up + i * kPiece, n, part.keep_up + (t + i) * hidden.columns + c);
        }
        ex.kernels->silu_mul(gate + i * kPiece, up + i * kPiece, n, product);
        ex.kernels->quantise[type](product, n, piece);
        // A piece that begins in the middle of bf16's padding is padded to less than the row.
        if (hidden.type == ActType::bf16 && written > act_padded(hidden.type, n))
          std::memset(piece + 2 * act_padded(hidden.type, n), 0,
                      static_cast<std::size_t>(2 * (written - act_padded(hidden.type, n))));
        place(hidden.type, piece, c, written, hidden.columns,
              hidden.data + static_cast<std::size_t>(t + i) * hidden.stride);
      }
    }
    c = stop;
  }
  ex.scratch.rewind(scratch);
}

std::size_t hidden_scratch_bytes() {
  return static_cast<std::size_t>(2 * kTokenChunk * kPiece + kPiece) * sizeof(float) +
         act_row_bytes(ActType::f32, kPiece);
}

}  // namespace limpid
