// Where the K types keep the quant, scale and minimum of each value (i in [0, 256)): the one place that knows, for reading and for writing.
// Formulas: docs/formats.md, "Tensor types". Pure functions on blocks that are zero where they are yet to be written.
#pragma once

#include <cstdint>

#include "tensor/blocks.h"

namespace limpid {

// Bits [shift, shift + width) of a byte.
inline int bits_at(std::uint8_t byte, int shift, int width) { return byte >> shift & ((1 << width) - 1); }
inline void put_bits(std::uint8_t& byte, int shift, int value) {
  byte = static_cast<std::uint8_t>(byte | value << shift);
}

// Q2_K and Q3_K: each half of 128 values has 32 bytes; byte l holds values l, 32 + l, 64 + l, 96 + l, two bits each.
inline int quarter_byte(int i) { return i / 128 * 32 + i % 32; }
inline int quarter_shift(int i) { return i % 128 / 32 * 2; }

inline int quant(const BlockQ2_K& b, int i) { return bits_at(b.qs[quarter_byte(i)], quarter_shift(i), 2); }
inline void put_quant(BlockQ2_K& b, int i, int q) { put_bits(b.qs[quarter_byte(i)], quarter_shift(i), q); }

// In [-4, 3]. The third bit of value i is bit i / 32 of byte i % 32 of hmask.
inline int quant(const BlockQ3_K& b, int i) {
  return (bits_at(b.qs[quarter_byte(i)], quarter_shift(i), 2) | bits_at(b.hmask[i % 32], i / 32, 1) << 2) - 4;
}
inline void put_quant(BlockQ3_K& b, int i, int q) {
  put_bits(b.qs[quarter_byte(i)], quarter_shift(i), (q + 4) & 3);
  put_bits(b.hmask[i % 32], i / 32, (q + 4) >> 2);
}

// In [-32, 31]. The low four bits of scale s are a nibble of byte s % 8, the high two a pair of byte 8 + s % 4.
inline int scale(const BlockQ3_K& b, int s) {
  return (bits_at(b.scales[s % 8], s / 8 * 4, 4) | bits_at(b.scales[8 + s % 4], s / 4 * 2, 2) << 4) - 32;
}
inline void put_scale(BlockQ3_K& b, int s, int value) {
  put_bits(b.scales[s % 8], s / 8 * 4, (value + 32) & 15);
  put_bits(b.scales[8 + s % 4], s / 4 * 2, (value + 32) >> 4);
}

// Q4_K and Q5_K: 32 bytes for each 64 values; byte l holds value l in its low nibble and value 32 + l in its high one.
inline int pair_byte(int i) { return i / 64 * 32 + i % 32; }
inline int pair_shift(int i) { return i % 64 / 32 * 4; }

inline int quant(const BlockQ4_K& b, int i) { return bits_at(b.qs[pair_byte(i)], pair_shift(i), 4); }
inline void put_quant(BlockQ4_K& b, int i, int q) { put_bits(b.qs[pair_byte(i)], pair_shift(i), q); }

inline int quant(const BlockQ5_K& b, int i) {
  return bits_at(b.qs[pair_byte(i)], pair_shift(i), 4) | bits_at(b.qh[i % 32], i / 32, 1) << 4;
}
inline void put_quant(BlockQ5_K& b, int i, int q) {
  put_bits(b.qs[pair_byte(i)], pair_shift(i), q & 15);
  put_bits(b.qh[i % 32], i / 32, q >> 4);
}

// The 12 bytes of scales of Q4_K and Q5_K: 6 bits each of 8 scales (field 0) and 8 minima (field 1). Of the first four sub-blocks they are the
// low bits of byte 4 field + s; of the last four, the low four bits are a nibble of byte 4 + s and the high two on top of byte 4 field + s - 4.
inline int k4_scale(const std::uint8_t* scales, int field, int s) {
  if (s < 4) return bits_at(scales[4 * field + s], 0, 6);
  return bits_at(scales[4 + s], 4 * field, 4) | bits_at(scales[4 * field + s - 4], 6, 2) << 4;
}
inline void put_k4_scale(std::uint8_t* scales, int field, int s, int value) {
  if (s < 4) return put_bits(scales[4 * field + s], 0, value);
  put_bits(scales[4 + s], 4 * field, value & 15);
  put_bits(scales[4 * field + s - 4], 6, value >> 4);
}

// In [-32, 31]. Low bits: 64 bytes for each 128 values, byte l of the first 32 with values l and 64 + l, of the second with 32 + l and 96 + l.
inline int quant(const BlockQ6_K& b, int i) {
  const int low = bits_at(b.ql[i / 128 * 64 + i % 64], i % 128 / 64 * 4, 4);
  return (low | bits_at(b.qh[quarter_byte(i)], quarter_shift(i), 2) << 4) - 32;
}
inline void put_quant(BlockQ6_K& b, int i, int q) {
  put_bits(b.ql[i / 128 * 64 + i % 64], i % 128 / 64 * 4, (q + 32) & 15);
  put_bits(b.qh[quarter_byte(i)], quarter_shift(i), (q + 32) >> 4);
}

}  // namespace limpid
