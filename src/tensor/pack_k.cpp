// Packed weights of the block types of 256 values (K and IQ). A block of the file consists of fields; in a packed block
// of 16 rows each field is cut into units of 1, 2 or 4 bytes and unit u of the 16 rows lies together: scales become
// vectors of 16 values, quants 64-byte vectors whose 32-bit lane r is the dword that row r's block has there. Nothing
// is decoded, so it is lossless by construction; kernels/linear_k.h and linear_iq.h read the result.
#include <cstring>
#include <span>

#include "tensor/pack_type.h"

namespace limpid {
namespace {

struct Field {
  int offset;  // in the file's block
  int unit;    // bytes
  int count;   // units
};

// The fields in packed order: floats, scales, then quants (facts of the file format: docs/formats.md).
std::span<const Field> fields_of(DType type) {
  static constexpr Field q2_k[] = {{80, 2, 1}, {82, 2, 1}, {0, 1, 16}, {16, 4, 16}};            // d dmin scales qs
  static constexpr Field q3_k[] = {{108, 2, 1}, {96, 1, 12}, {0, 4, 8}, {32, 4, 16}};           // d scales hmask qs
  static constexpr Field q4_k[] = {{0, 2, 1}, {2, 2, 1}, {4, 1, 12}, {16, 4, 32}};              // d dmin scales qs
  static constexpr Field q5_k[] = {{0, 2, 1}, {2, 2, 1}, {4, 1, 12}, {16, 4, 8}, {48, 4, 32}};  // d dmin scales qh qs
  static constexpr Field q6_k[] = {{208, 2, 1}, {192, 1, 16}, {128, 4, 16}, {0, 4, 32}};        // d scales qh ql
  static constexpr Field iq1_s[] = {{0, 2, 1}, {34, 2, 8}, {2, 4, 8}};                          // d qh qs
  static constexpr Field iq1_m[] = {{48, 2, 4}, {32, 1, 16}, {0, 4, 8}};                        // scales qh qs
  static constexpr Field iq2_xxs[] = {{0, 2, 1}, {2, 4, 16}};             // d (indices, signs and scale) x 8
  static constexpr Field iq2_xs[] = {{0, 2, 1}, {66, 1, 8}, {2, 2, 32}};  // d scales qs
  static constexpr Field iq2_s[] = {{0, 2, 1}, {74, 1, 8}, {66, 1, 8}, {34, 4, 8}, {2, 4, 8}};  // d scales qh signs qs
  static constexpr Field iq3_xxs[] = {{0, 2, 1}, {66, 4, 8}, {2, 4, 16}};  // d (signs and scale) qs
  static constexpr Field iq3_s[] = {
      {0, 2, 1}, {106, 1, 4}, {66, 1, 8}, {74, 4, 8}, {2, 4, 16}};                  // d scales qh signs qs
  static constexpr Field iq4_xs[] = {{0, 2, 1}, {2, 2, 1}, {4, 1, 4}, {8, 4, 32}};  // d scales_h scales_l qs
  switch (type) {
    case DType::q2_k:
      return q2_k;
    case DType::q3_k:
      return q3_k;
    case DType::q4_k:
      return q4_k;
    case DType::q5_k:
      return q5_k;
    case DType::q6_k:
      return q6_k;
    case DType::iq1_s:
      return iq1_s;
    case DType::iq1_m:
      return iq1_m;
    case DType::iq2_xxs:
      return iq2_xxs;
    case DType::iq2_xs:
      return iq2_xs;
    case DType::iq2_s:
      return iq2_s;
    case DType::iq3_xxs:
      return iq3_xxs;
    case DType::iq3_s:
      return iq3_s;
    case DType::iq4_xs:
      return iq4_xs;
    default:
      return {};
  }
}

template <bool kPack, std::size_t kUnit, typename File, typename Packed>
inline void copy_field(File* file, Packed* packed, int count) {
  for (int u = 0; u < count; ++u, file += kUnit, packed += kUnit * kStripRows) {
    if constexpr (kPack) {
      std::memcpy(packed, file, kUnit);
    } else {
      std::memcpy(file, packed, kUnit);
    }
  }
}

// Copies unit by unit between a file block and row `row` of a packed block.
template <bool kPack, typename File, typename Packed>
void copy_block(std::span<const Field> fields, File* file, Packed* packed, int row) {
  for (const Field& field : fields) {
    auto* in_file = file + field.offset;
    auto* in_pack = packed + row * field.unit;
    switch (field.unit) {
      case 1:
        copy_field<kPack, 1>(in_file, in_pack, field.count);
        break;
      case 2:
        copy_field<kPack, 2>(in_file, in_pack, field.count);
        break;
      default:
        copy_field<kPack, 4>(in_file, in_pack, field.count);
        break;
    }
    packed += field.count * kStripRows * field.unit;
  }
}

template <DType kType>
std::size_t strip_bytes(std::int64_t columns) {
  return row_bytes(kType, columns) * kStripRows;
}

template <DType kType>
void pack(const std::byte* rows, int valid_rows, std::int64_t columns, const float*, std::byte* strip) {
  const std::span<const Field> fields = fields_of(kType);
  const int bytes = info(kType).bytes;
  const std::int64_t blocks = columns / info(kType).block;
  for (std::int64_t b = 0; b < blocks; ++b)  // a packed block stays in the first-level cache while its rows arrive
    for (int r = 0; r < valid_rows; ++r)
      copy_block<true>(fields, rows + (r * blocks + b) * bytes, strip + b * bytes * kStripRows, r);
}

template <DType kType>
void unpack(const std::byte* strip, int first, int count, std::int64_t columns, std::byte* rows, float*) {
  const std::span<const Field> fields = fields_of(kType);
  const int bytes = info(kType).bytes;
  const std::int64_t blocks = columns / info(kType).block;
  for (int r = first; r < first + count; ++r)
    for (std::int64_t b = 0; b < blocks; ++b, rows += bytes)
      copy_block<false>(fields, rows, strip + b * bytes * kStripRows, r);
}

template <DType kType>
const PackType* entry() {
  static constexpr PackType kEntry = {ActType::q8_256, strip_bytes<kType>, pack<kType>, unpack<kType>};
  return &kEntry;
}

}  // namespace

const PackType* superblock_pack_type(DType type) {
  switch (type) {
    case DType::q2_k:
      return entry<DType::q2_k>();
    case DType::q3_k:
      return entry<DType::q3_k>();
    case DType::q4_k:
      return entry<DType::q4_k>();
    case DType::q5_k:
      return entry<DType::q5_k>();
    case DType::q6_k:
      return entry<DType::q6_k>();
    case DType::iq1_s:
      return entry<DType::iq1_s>();
    case DType::iq1_m:
      return entry<DType::iq1_m>();
    case DType::iq2_xxs:
      return entry<DType::iq2_xxs>();
    case DType::iq2_xs:
      return entry<DType::iq2_xs>();
    case DType::iq2_s:
      return entry<DType::iq2_s>();
    case DType::iq3_xxs:
      return entry<DType::iq3_xxs>();
    case DType::iq3_s:
      return entry<DType::iq3_s>();
    case DType::iq4_xs:
      return entry<DType::iq4_xs>();
    default:
      return nullptr;
  }
}

}  // namespace limpid
