// The blocks of GGUF's quantised types, byte for byte as a file holds them (little-endian). What the fields mean: docs/formats.md, "Tensor types".
// Rows in memory need not be aligned: copy a block out with memcpy before reading its 16-bit fields.
#pragma once

#include <cstdint>

namespace limpid {

inline constexpr int kSuperBlock = 256;  // values in a block of the K and IQ types (IQ4_NL has 32)

struct BlockQ4_0 {
  static constexpr int kValues = 32;
  std::uint16_t d;      // f16 scale
  std::uint8_t qs[16];  // value i in the low nibble of byte i, value 16 + i in its high one
};
struct BlockQ4_1 {
  static constexpr int kValues = 32;
  std::uint16_t d, m;  // f16 scale and minimum
  std::uint8_t qs[16];
};
struct BlockQ5_0 {
  static constexpr int kValues = 32;
  std::uint16_t d;
  std::uint8_t qh[4];  // bit i: the fifth bit of value i
  std::uint8_t qs[16];
};
struct BlockQ5_1 {
  static constexpr int kValues = 32;
  std::uint16_t d, m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
struct BlockQ8_0 {
  static constexpr int kValues = 32;
  std::uint16_t d;
  std::int8_t qs[32];
};

struct BlockQ2_K {
  static constexpr int kValues = kSuperBlock;
  std::uint8_t scales[16];  // of 16 values each: low nibble scale, high nibble minimum
  std::uint8_t qs[64];
  std::uint16_t d, dmin;
};
struct BlockQ3_K {
  static constexpr int kValues = kSuperBlock;
  std::uint8_t hmask[32];   // third bits
  std::uint8_t qs[64];      // low two bits
  std::uint8_t scales[12];  // 16 scales of 6 bits, plus 32
  std::uint16_t d;
};
struct BlockQ4_K {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d, dmin;
  std::uint8_t scales[12];  // 8 scales and 8 minima of 6 bits
  std::uint8_t qs[128];
};
struct BlockQ5_K {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d, dmin;
  std::uint8_t scales[12];  // as in Q4_K
  std::uint8_t qh[32];      // fifth bits
  std::uint8_t qs[128];
};
struct BlockQ6_K {
  static constexpr int kValues = kSuperBlock;
  std::uint8_t ql[128];    // low four bits
  std::uint8_t qh[64];     // high two bits
  std::int8_t scales[16];  // of 16 values each
  std::uint16_t d;
};

struct BlockIQ2_XXS {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d;
  std::uint16_t qs[32];  // per 32 values: 4 grid indices of 8 bits, then 4 x 7 bits of signs and 4 bits of scale
};
struct BlockIQ2_XS {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d;
  std::uint16_t qs[32];    // per 8 values: 9 bits of grid index, 7 bits of signs
  std::uint8_t scales[8];  // per 16 values: 4 bits
};
struct BlockIQ2_S {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d;
  std::uint8_t qs[32];     // per 8 values: low 8 bits of the grid index
  std::uint8_t signs[32];  // per 8 values
  std::uint8_t qh[8];      // per 8 values: high 2 bits of the grid index
  std::uint8_t scales[8];  // per 16 values: 4 bits
};
struct BlockIQ3_XXS {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d;
  std::uint8_t qs[64];            // per 4 values: grid index
  std::uint8_t signs_scales[32];  // per 32 values: 4 x 7 bits of signs, 4 bits of scale
};
struct BlockIQ3_S {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d;
  std::uint8_t qs[64];     // per 4 values: low 8 bits of the grid index
  std::uint8_t qh[8];      // per 4 values: its ninth bit
  std::uint8_t signs[32];  // per 8 values
  std::uint8_t scales[4];  // per 32 values: 4 bits
};
struct BlockIQ1_S {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d;
  std::uint8_t qs[32];  // per 8 values: low 8 bits of the grid index
  std::uint16_t qh[8];  // per 32 values: 4 x 3 high bits of the index, 3 bits of scale, the sign of the shift
};
struct BlockIQ1_M {
  static constexpr int kValues = kSuperBlock;
  std::uint8_t qs[32];     // per 8 values: low 8 bits of the grid index
  std::uint8_t qh[16];     // per 8 values: 3 high bits of the index and the sign of the shift
  std::uint8_t scales[8];  // four 16-bit words: per 16 values 3 bits of scale; in the top nibbles the block's f16 scale
};
struct BlockIQ4_NL {
  static constexpr int kValues = 32;
  std::uint16_t d;
  std::uint8_t qs[16];  // nibbles as in Q4_0, indices into 16 fixed values
};
struct BlockIQ4_XS {
  static constexpr int kValues = kSuperBlock;
  std::uint16_t d;
  std::uint16_t scales_h;    // per 32 values: high 2 bits of the scale
  std::uint8_t scales_l[4];  // per 32 values: its low 4 bits; plus 32
  std::uint8_t qs[128];
};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110 &&
              sizeof(BlockQ4_K) == 144);
static_assert(sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210 && sizeof(BlockIQ2_XXS) == 66 &&
              sizeof(BlockIQ2_XS) == 74);
static_assert(sizeof(BlockIQ2_S) == 82 && sizeof(BlockIQ3_XXS) == 98 && sizeof(BlockIQ3_S) == 110 &&
              sizeof(BlockIQ1_S) == 50);
static_assert(sizeof(BlockIQ1_M) == 56 && sizeof(BlockIQ4_NL) == 18 && sizeof(BlockIQ4_XS) == 136);

}  // namespace limpid
