// Packed weights: the layout of tensor/layout.h, made from file rows and back without loss. Scalar; the kernels' layouts are tested against it.
// Thread safety: pure functions; different strips may be packed by different threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/layout.h"

namespace limpid {

inline constexpr int kPackVersion = 2;  // changes when any packed layout does

ActType activation_of(DType weight);  // what the product with this weight takes; asserts on integer types
bool can_pack(DType weight);          // true for every float and block type

// Bytes of one strip of 16 rows of `columns` values. For f8_e4m3 the scales of the 128 x 128 blocks are inside the strip.
std::size_t packed_strip_bytes(DType type, std::int64_t columns);
std::size_t packed_bytes(DType type, std::int64_t rows, std::int64_t columns);

// Packs rows [16 s, 16 s + 16) of a matrix (rows, columns) stored row-major in `source` as its file stores it into `strip`. Rows past the end
// become zeros. columns need be a multiple of the type's block only. scales: for f8_e4m3 the (ceil(rows/128), ceil(columns/128)) scale_inv
// matrix, row-major; else empty.
void pack_strip(DType type, std::span<const std::byte> source, std::span<const float> scales, std::int64_t rows,
                std::int64_t columns, std::int64_t s, std::byte* strip);
// The inverse: the file's bytes of the strip's (at most 16) valid rows.
void unpack_strip(DType type, const std::byte* strip, std::int64_t rows, std::int64_t columns, std::int64_t s,
                  std::byte* file_rows, std::span<float> scales);
// One row decoded to f32, as the codec would decode the file's row (embedding look-up).
void decode_packed_row(DType type, const std::byte* packed, std::int64_t rows, std::int64_t columns, std::int64_t row,
                       float* out);

}  // namespace limpid
