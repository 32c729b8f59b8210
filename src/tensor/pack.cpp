#include "tensor/pack.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/error.h"
#include "tensor/codec.h"
#include "tensor/pack_type.h"

namespace limpid {

namespace {

const PackType* find(DType type) {
  for (const auto family : {float_pack_type, block_pack_type, superblock_pack_type})
    if (const PackType* found = family(type)) return found;
  return nullptr;
}

const PackType& require(DType type, std::int64_t columns) {
  const PackType* found = find(type);
  if (found == nullptr)
    fail(ErrorKind::unsupported, "pack: {} is no type of weights that can be packed", info(type).name);
  if (columns < 0 || columns % info(type).block != 0)
    fail(ErrorKind::input, "pack: a row of {} has {} columns, expected a multiple of {}", info(type).name, columns,
         info(type).block);
  return *found;
}

constexpr std::int64_t kScaleBlock = 128;  // f8_e4m3: rows and columns that share a scale

std::int64_t scale_columns(std::int64_t columns) { return (columns + kScaleBlock - 1) / kScaleBlock; }

// Where the scales of a strip's row of blocks begin; checks that they are all there.
std::size_t scale_offset(DType type, std::size_t found, std::int64_t rows, std::int64_t columns, std::int64_t s) {
  const auto wanted = static_cast<std::size_t>((rows + kScaleBlock - 1) / kScaleBlock * scale_columns(columns));
  if (found != wanted)
    fail(ErrorKind::input, "pack: {} weight of {} x {} has {} block scales, expected {}", info(type).name, rows,
         columns, found, wanted);
  return static_cast<std::size_t>(s * kStripRows / kScaleBlock * scale_columns(columns));
}

int valid_rows(std::int64_t rows, std::int64_t s) {
  return static_cast<int>(std::clamp<std::int64_t>(rows - s * kStripRows, 0, kStripRows));
}

}  // namespace

ActType activation_of(DType weight) {
  const PackType* found = find(weight);
  assert(found != nullptr);
  return found->activation;
}

bool can_pack(DType weight) { return find(weight) != nullptr; }

std::size_t packed_strip_bytes(DType type, std::int64_t columns) {
  return (require(type, columns).strip_bytes(columns) + 63) / 64 * 64;
}

std::size_t packed_bytes(DType type, std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>((rows + kStripRows - 1) / kStripRows) * packed_strip_bytes(type, columns);
}

void pack_strip(DType type, std::span<const std::byte> source, std::span<const float> scales, std::int64_t rows,
                std::int64_t columns, std::int64_t s, std::byte* strip) {
  const PackType& packer = require(type, columns);
  const std::size_t bytes = row_bytes(type, columns), wanted = static_cast<std::size_t>(rows) * bytes;
  if (source.size() != wanted)
    fail(ErrorKind::input, "pack: {} weight of {} x {} has {} bytes, expected {}", info(type).name, rows, columns,
         source.size(), wanted);
  const float* block_scales =
      type == DType::f8_e4m3 ? scales.data() + scale_offset(type, scales.size(), rows, columns, s) : nullptr;
  std::memset(strip, 0, packed_strip_bytes(type, columns));
  if (const int valid = valid_rows(rows, s))
    packer.pack(source.data() + static_cast<std::size_t>(s * kStripRows) * bytes, valid, columns, block_scales, strip);
}

void unpack_strip(DType type, const std::byte* strip, std::int64_t rows, std::int64_t columns, std::int64_t s,
                  std::byte* file_rows, std::span<float> scales) {
  const PackType& packer = require(type, columns);
  float* block_scales =
      type == DType::f8_e4m3 ? scales.data() + scale_offset(type, scales.size(), rows, columns, s) : nullptr;
  packer.unpack(strip, 0, valid_rows(rows, s), columns, file_rows, block_scales);
}

void decode_packed_row(DType type, const std::byte* packed, std::int64_t rows, std::int64_t columns, std::int64_t row,
                       float* out) {
  const PackType& packer = require(type, columns);
  assert(row >= 0 && row < rows);
  static_cast<void>(rows);
  const std::byte* strip = packed + static_cast<std::size_t>(row / kStripRows) * packed_strip_bytes(type, columns);
  std::vector<std::byte> file_row(row_bytes(type, columns));
  std::vector<float> scales(type == DType::f8_e4m3 ? static_cast<std::size_t>(scale_columns(columns)) : 0);
  packer.unpack(strip, static_cast<int>(row % kStripRows), 1, columns, file_row.data(),
                scales.empty() ? nullptr : scales.data());
  decode_row(type, file_row.data(), columns, out);
  if (type == DType::f8_e4m3)
    for (std::int64_t k = 0; k < columns; ++k) out[k] *= scales[static_cast<std::size_t>(k / kScaleBlock)];
}

}  // namespace limpid
