// Strips of floats. F32, F16: for each k the values of 16 rows. BF16: for each pair of k, per row the even and the odd
// one (64 bytes), padded to a multiple of 32 k. F8_E4M3: for each 128 k the f32 scale of the block in a header of 64 bytes, then for each 4 k, per
// row four bytes. A last group of k that is not full is padded with zeros.
#include <cstring>

#include "tensor/pack_type.h"

namespace limpid {

namespace {

// GROUP consecutive k of BYTES bytes each lie together in a row's lane.
template <int BYTES, int GROUP>
void pack_groups(const std::byte* rows, int valid_rows, std::int64_t columns, const float*, std::byte* strip) {
  constexpr int kGroup = BYTES * GROUP;
  for (int r = 0; r < valid_rows; ++r) {
    const std::byte* from = rows + r * columns * BYTES;
    std::byte* to = strip + r * kGroup;
    for (std::int64_t k = 0; k + GROUP <= columns; k += GROUP, from += kGroup, to += kStripRows * kGroup)
      std::memcpy(to, from, kGroup);
    if (columns % GROUP != 0) std::memcpy(to, from, static_cast<std::size_t>(columns % GROUP) * BYTES);
  }
}

template <int BYTES, int GROUP>
void unpack_groups(const std::byte* strip, int first, int count, std::int64_t columns, std::byte* rows, float*) {
  constexpr int kGroup = BYTES * GROUP;
  for (int r = 0; r < count; ++r) {
    std::byte* to = rows + r * columns * BYTES;
    const std::byte* from = strip + (first + r) * kGroup;
    for (std::int64_t k = 0; k + GROUP <= columns; k += GROUP, to += kGroup, from += kStripRows * kGroup)
      std::memcpy(to, from, kGroup);
    if (columns % GROUP != 0) std::memcpy(to, from, static_cast<std::size_t>(columns % GROUP) * BYTES);
  }
}

template <int BYTES, int GROUP>
std::size_t group_bytes(std::int64_t columns) {
  return static_cast<std::size_t>((columns + GROUP - 1) / GROUP) * kStripRows * GROUP * BYTES;
}

constexpr std::int64_t kScaleColumns = 128, kHeader = 64, kF8Block = kHeader + kScaleColumns * kStripRows;

std::int64_t f8_offset(int row, std::int64_t k) {
  const std::int64_t in_block = k % kScaleColumns;
  return k / kScaleColumns * kF8Block + kHeader + (in_block / 4 * kStripRows + row) * 4 + in_block % 4;
}

std::size_t f8_bytes(std::int64_t columns) {
  return static_cast<std::size_t>((columns + kScaleColumns - 1) / kScaleColumns * kF8Block);
}

void pack_f8(const std::byte* rows, int valid_rows, std::int64_t columns, const float* scales, std::byte* strip) {
  for (std::int64_t b = 0; b * kScaleColumns < columns; ++b) std::memcpy(strip + b * kF8Block, scales + b, 4);
  for (int r = 0; r < valid_rows; ++r)
    for (std::int64_t k = 0; k < columns; ++k) strip[f8_offset(r, k)] = rows[r * columns + k];
}

void unpack_f8(const std::byte* strip, int first, int count, std::int64_t columns, std::byte* rows, float* scales) {
  for (std::int64_t b = 0; scales && b * kScaleColumns < columns; ++b) std::memcpy(scales + b, strip + b * kF8Block, 4);
  for (int r = 0; r < count; ++r)
    for (std::int64_t k = 0; k < columns; ++k) rows[r * columns + k] = strip[f8_offset(first + r, k)];
}

constexpr PackType kF32 = {ActType::f32, group_bytes<4, 1>, pack_groups<4, 1>, unpack_groups<4, 1>};
constexpr PackType kF16 = {ActType::f32, group_bytes<2, 1>, pack_groups<2, 1>, unpack_groups<2, 1>};
// Up to whole groups of 32, which the products sum together.
std::size_t bf16_bytes(std::int64_t columns) {
  return static_cast<std::size_t>((columns + 31) / 32) * 32 * kStripRows * 2;
}

constexpr PackType kBf16 = {ActType::bf16, bf16_bytes, pack_groups<2, 2>, unpack_groups<2, 2>};
constexpr PackType kF8 = {ActType::bf16, f8_bytes, pack_f8, unpack_f8};

}  // namespace

const PackType* float_pack_type(DType type) {
  switch (type) {
    case DType::f32:
      return &kF32;
    case DType::f16:
      return &kF16;
    case DType::bf16:
      return &kBf16;
    case DType::f8_e4m3:
      return &kF8;
    default:
      return nullptr;
  }
}

}  // namespace limpid
