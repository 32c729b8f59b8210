#include <algorithm>
#include <cstring>
#include <span>

#include "base/error.h"
#include "base/philox.h"
#include "convert/synth.h"
#include "tensor/codec.h"

namespace limpid {

namespace {

// Where a block keeps its f16 scales, and values that give weights of about 0.02 around 0 when every other bit is
// random. Offsets: ggml's blocks.
struct HalfAt {
  int offset;
  float value;
};

std::span<const HalfAt> scales_of(DType type) {
  static constexpr HalfAt q4_0[] = {{0, 0.0043F}}, q4_1[] = {{0, 0.0043F}, {2, -0.032F}}, q5_0[] = {{0, 0.0022F}},
                          q5_1[] = {{0, 0.0022F}, {2, -0.034F}}, q8_0[] = {{0, 0.00027F}},
                          q2_k[] = {{80, 0.002F}, {82, 0.003F}}, q3_k[] = {{108, 0.0005F}},
                          q4_k[] = {{0, 0.00012F}, {2, 0.0009F}}, q5_k[] = {{0, 0.00006F}, {2, 0.0009F}},
                          q6_k[] = {{208, 0.000015F}}, iq1_s[] = {{0, 0.003F}}, iq2[] = {{0, 0.0004F}},
                          iq3[] = {{0, 0.0002F}}, iq4_nl[] = {{0, 0.0003F}}, iq4_xs[] = {{0, 0.000016F}};
  switch (type) {
    case DType::q4_0:
      return q4_0;
    case DType::q4_1:
      return q4_1;
    case DType::q5_0:
      return q5_0;
    case DType::q5_1:
      return q5_1;
    case DType::q8_0:
      return q8_0;
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
    case DType::iq2_xxs:
    case DType::iq2_xs:
    case DType::iq2_s:
      return iq2;
    case DType::iq3_xxs:
    case DType::iq3_s:
      return iq3;
    case DType::iq4_nl:
      return iq4_nl;
    case DType::iq4_xs:
      return iq4_xs;
    default:
      return {};
  }
}

void put_half(std::byte* block, int offset, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  std::memcpy(block + offset, &bits, sizeof bits);
}

// IQ1_M spreads its f16 scale over the top four bits of its four 16-bit scales.
void put_iq1_m_scale(std::byte* block, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  for (int i = 0; i < 4; ++i) {
    std::uint16_t scale = 0;
    std::memcpy(&scale, block + 48 + 2 * i, sizeof scale);
    scale = static_cast<std::uint16_t>((scale & 0x0FFFU) | ((bits >> (4 * i)) & 0xFU) << 12);
    std::memcpy(block + 48 + 2 * i, &scale, sizeof scale);
  }
}

void random_floats(DType type, std::int64_t values, std::uint64_t seed, std::uint64_t stream, std::byte* out) {
  const std::size_t size = static_cast<std::size_t>(info(type).bytes);
  for (std::int64_t i = 0; i < values; ++i) {
    const float value = static_cast<float>(philox_uniform(seed, stream, static_cast<std::uint64_t>(i)) - 0.5) * 0.07F;
    encode_row(type, &value, 1, out + static_cast<std::size_t>(i) * size);
  }
}

}  // namespace

std::vector<std::byte> random_weights(DType type, std::int64_t values, std::uint64_t seed, std::uint64_t stream) {
  std::vector<std::byte> bytes(row_bytes(type, values));
  if (info(type).block == 1) {
    random_floats(type, values, seed, stream, bytes.data());
    return bytes;
  }
  for (std::size_t i = 0; i < bytes.size(); i += 16) {
    const std::uint64_t n = i / 16;
    const PhiloxBlock random =
        philox(seed, {static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32),
                      static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)});
    std::memcpy(bytes.data() + i, random.data(), std::min<std::size_t>(16, bytes.size() - i));
  }
  const auto scales = scales_of(type);
  const auto block = static_cast<std::size_t>(info(type).bytes);
  for (std::size_t at = 0; at < bytes.size(); at += block) {
    for (const HalfAt& half : scales) put_half(bytes.data() + at, half.offset, half.value);
    if (type == DType::iq1_m) put_iq1_m_scale(bytes.data() + at, 0.003F);
  }
  return bytes;
}

}  // namespace limpid
