// Strips of the types with blocks of 32 values. A block of k of a strip: 16 scales (f16, 32 bytes), 16 minima (f16; the
// _1 types), then the quants. Value k = 4g + i of row r is in byte 4r + i of:
//   four bits   vector g / 2 of 64 bytes, the low nibble for even g, the high one for odd g (256 bytes);
//   five bits   the same, and its fifth bit is bit g of that byte of one more vector (320 bytes);
//   eight bits  vector g (512 bytes).
// The file's block (ggml): scale, minimum, fifth bits (32-bit word, bit k), then values k and k + 16 in the nibbles of
// byte k; Q8_0 has its 32 bytes in order.
#include <cstring>

#include "tensor/pack_type.h"

namespace limpid {

namespace {

struct Shape {
  int bits;
  bool minimum;
  constexpr int head() const { return minimum ? 4 : 2; }  // of a file's block
  constexpr int file_bytes() const { return head() + bits * 4; }
  constexpr int quants() const { return minimum ? 64 : 32; }  // where they begin in a strip's block
  constexpr int strip_bytes() const { return quants() + bits * 64; }
};

// Eight bytes of a file's nibbles in their low halves, k 8j..8j+7: four bytes of a strip's vector j and back.
constexpr std::uint64_t kLow = 0x0F0F0F0F0F0F0F0F;
std::uint32_t to_strip(std::uint64_t eight) { return static_cast<std::uint32_t>(eight | eight >> 28); }
std::uint64_t from_strip(std::uint32_t four) { return (four | std::uint64_t{four} << 28) & kLow; }

template <typename T>
T load_bytes(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Bits i, i + 4, .. i + 28 of a word side by side. The product moves four bits, four apart, to four neighbours.
std::uint32_t every_fourth(std::uint32_t word, int i) {
  const std::uint32_t bits = word >> i & 0x11111111;
  return ((bits & 0x1111) * 0x249 >> 9 & 15) | ((bits >> 16) * 0x249 >> 9 & 15) << 4;
}

template <Shape S>
void pack_row(const std::byte* from, int r, std::byte* to) {
  std::memcpy(to + 2 * r, from, 2);
  if (S.minimum) std::memcpy(to + 32 + 2 * r, from + 2, 2);
  const std::byte* quants = from + S.head();
  to += S.quants() + 4 * r;
  if (S.bits == 8) {
    for (int g = 0; g < 8; ++g) std::memcpy(to + 64 * g, quants + 4 * g, 4);
    return;
  }
  const std::byte* nibbles = quants + (S.bits == 5 ? 4 : 0);
  for (int j = 0; j < 4; ++j) {
    const std::uint32_t four = to_strip(load_bytes<std::uint64_t>(nibbles + j % 2 * 8) >> j / 2 * 4 & kLow);
    std::memcpy(to + 64 * j, &four, 4);
  }
  if (S.bits == 5)
    for (int i = 0; i < 4; ++i)
      to[256 + i] = static_cast<std::byte>(every_fourth(load_bytes<std::uint32_t>(quants), i));
}

template <Shape S>
void unpack_row(const std::byte* from, int r, std::byte* to) {
  std::memcpy(to, from + 2 * r, 2);
  if (S.minimum) std::memcpy(to + 2, from + 32 + 2 * r, 2);
  std::byte* quants = to + S.head();
  from += S.quants() + 4 * r;
  if (S.bits == 8) {
    for (int g = 0; g < 8; ++g) std::memcpy(quants + 4 * g, from + 64 * g, 4);
    return;
  }
  std::byte* nibbles = quants + (S.bits == 5 ? 4 : 0);
  for (int j = 0; j < 2; ++j) {
    const std::uint64_t eight = from_strip(load_bytes<std::uint32_t>(from + 64 * j)) |
                                from_strip(load_bytes<std::uint32_t>(from + 64 * (j + 2))) << 4;
    std::memcpy(nibbles + 8 * j, &eight, 8);
  }
  if (S.bits == 5) {
    std::uint32_t word = 0;
    for (int k = 0; k < 32; ++k) word |= (std::to_integer<std::uint32_t>(from[256 + k % 4]) >> k / 4 & 1) << k;
    std::memcpy(quants, &word, 4);
  }
}

template <Shape S>
void pack_blocks(const std::byte* rows, int valid_rows, std::int64_t columns, const float*, std::byte* strip) {
  const std::int64_t blocks = columns / 32;
  for (int r = 0; r < valid_rows; ++r)
    for (std::int64_t b = 0; b < blocks; ++b)
      pack_row<S>(rows + (r * blocks + b) * S.file_bytes(), r, strip + b * S.strip_bytes());
}

template <Shape S>
void unpack_blocks(const std::byte* strip, int first, int count, std::int64_t columns, std::byte* rows, float*) {
  const std::int64_t blocks = columns / 32;
  for (int i = 0; i < count; ++i)
    for (std::int64_t b = 0; b < blocks; ++b)
      unpack_row<S>(strip + b * S.strip_bytes(), first + i, rows + (i * blocks + b) * S.file_bytes());
}

template <Shape S>
std::size_t blocks_bytes(std::int64_t columns) {
  return static_cast<std::size_t>(columns / 32 * S.strip_bytes());
}

template <Shape S>
constexpr PackType kBlocks = {ActType::q8_32, blocks_bytes<S>, pack_blocks<S>, unpack_blocks<S>};

}  // namespace

const PackType* block_pack_type(DType type) {
  switch (type) {
    case DType::q4_0:
    case DType::iq4_nl:
      return &kBlocks<Shape{4, false}>;
    case DType::q4_1:
      return &kBlocks<Shape{4, true}>;
    case DType::q5_0:
      return &kBlocks<Shape{5, false}>;
    case DType::q5_1:
      return &kBlocks<Shape{5, true}>;
    case DType::q8_0:
      return &kBlocks<Shape{8, false}>;
    default:
      return nullptr;
  }
}

}  // namespace limpid
