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

template <Shape S>
void read_quants(const std::byte* block, std::uint8_t (&q)[32]) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(block) + S.head();
  if (S.bits == 8) {
    std::memcpy(q, bytes, 32);
    return;
  }
  const std::uint8_t* nibbles = bytes + (S.bits == 5 ? 4 : 0);
  for (int k = 0; k < 16; ++k) {
    q[k] = nibbles[k] & 15;
    q[k + 16] = nibbles[k] >> 4;
  }
  if (S.bits == 5)
    for (int k = 0; k < 32; ++k) q[k] = static_cast<std::uint8_t>(q[k] | (bytes[k / 8] >> k % 8 & 1) << 4);
}

template <Shape S>
void write_quants(const std::uint8_t (&q)[32], std::byte* block) {
  auto* bytes = reinterpret_cast<std::uint8_t*>(block) + S.head();
  if (S.bits == 8) {
    std::memcpy(bytes, q, 32);
    return;
  }
  std::uint8_t* nibbles = bytes + (S.bits == 5 ? 4 : 0);
  for (int k = 0; k < 16; ++k) nibbles[k] = static_cast<std::uint8_t>((q[k] & 15) | q[k + 16] << 4);
  if (S.bits == 5) {
    std::memset(bytes, 0, 4);
    for (int k = 0; k < 32; ++k) bytes[k / 8] = static_cast<std::uint8_t>(bytes[k / 8] | (q[k] >> 4 & 1) << k % 8);
  }
}

template <Shape S>
void pack_blocks(const std::byte* rows, int valid_rows, std::int64_t columns, const float*, std::byte* strip) {
  const std::int64_t blocks = columns / 32;
  for (int r = 0; r < valid_rows; ++r)
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::byte* from = rows + (r * blocks + b) * S.file_bytes();
      std::byte* to = strip + b * S.strip_bytes();
      std::memcpy(to + 2 * r, from, 2);
      if (S.minimum) std::memcpy(to + 32 + 2 * r, from + 2, 2);
      std::uint8_t q[32];
      read_quants<S>(from, q);
      auto* quants = reinterpret_cast<std::uint8_t*>(to) + S.quants();
      for (int k = 0; k < 32; ++k) {
        const int g = k / 4, lane = 4 * r + k % 4;
        if (S.bits == 8) {
          quants[64 * g + lane] = q[k];
          continue;
        }
        std::uint8_t& nibbles = quants[g / 2 * 64 + lane];
        nibbles = static_cast<std::uint8_t>(nibbles | (q[k] & 15) << g % 2 * 4);
        if (S.bits == 5) quants[256 + lane] = static_cast<std::uint8_t>(quants[256 + lane] | q[k] >> 4 << g);
      }
    }
}

template <Shape S>
void unpack_blocks(const std::byte* strip, int first, int count, std::int64_t columns, std::byte* rows, float*) {
  const std::int64_t blocks = columns / 32;
  for (int i = 0; i < count; ++i)
    for (std::int64_t b = 0; b < blocks; ++b) {
      const int r = first + i;
      const std::byte* from = strip + b * S.strip_bytes();
      std::byte* to = rows + (i * blocks + b) * S.file_bytes();
      std::memcpy(to, from + 2 * r, 2);
      if (S.minimum) std::memcpy(to + 2, from + 32 + 2 * r, 2);
      const auto* quants = reinterpret_cast<const std::uint8_t*>(from) + S.quants();
      std::uint8_t q[32];
      for (int k = 0; k < 32; ++k) {
        const int g = k / 4, lane = 4 * r + k % 4;
        q[k] = S.bits == 8 ? quants[64 * g + lane]
                           : static_cast<std::uint8_t>(quants[g / 2 * 64 + lane] >> g % 2 * 4 & 15);
        if (S.bits == 5) q[k] = static_cast<std::uint8_t>(q[k] | (quants[256 + lane] >> g & 1) << 4);
      }
      write_quants<S>(q, to);
    }
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
