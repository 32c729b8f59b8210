#include "tensor/dtype.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace limpid {

namespace {

constexpr std::array<DTypeInfo, kDTypes> kInfo = {{
    {"F32", 1, 4},       {"F16", 1, 2},        {"BF16", 1, 2},       {"F8_E4M3", 1, 1},  {"Q4_0", 32, 18},
    {"Q4_1", 32, 20},    {"Q5_0", 32, 22},     {"Q5_1", 32, 24},     {"Q8_0", 32, 34},   {"Q2_K", 256, 84},
    {"Q3_K", 256, 110},  {"Q4_K", 256, 144},   {"Q5_K", 256, 176},   {"Q6_K", 256, 210}, {"IQ1_S", 256, 50},
    {"IQ1_M", 256, 56},  {"IQ2_XXS", 256, 66}, {"IQ2_XS", 256, 74},  {"IQ2_S", 256, 82}, {"IQ3_XXS", 256, 98},
    {"IQ3_S", 256, 110}, {"IQ4_NL", 32, 18},   {"IQ4_XS", 256, 136}, {"I8", 1, 1},       {"I16", 1, 2},
    {"I32", 1, 4},       {"I64", 1, 8},        {"F64", 1, 8},
}};

}  // namespace

const DTypeInfo& info(DType type) { return kInfo[static_cast<std::size_t>(type)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  for (int i = 0; i < kDTypes; ++i)
    if (std::ranges::equal(kInfo[static_cast<std::size_t>(i)].name, name, same)) return static_cast<DType>(i);
  return std::nullopt;
}

std::size_t row_bytes(DType type, std::int64_t columns) {
  const DTypeInfo& t = info(type);
  return static_cast<std::size_t>(columns / t.block) * static_cast<std::size_t>(t.bytes);
}

}  // namespace limpid
