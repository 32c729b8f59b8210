#include "ops/cache.h"

#include "base/error.h"
#include "base/round_up.h"
#include "kernels/attention.h"
#include "ops/cache_page.h"
#include "tensor/layout.h"

namespace limpid {

namespace {

constexpr int kLargestDimension = 1 << 16;

std::size_t check(const char* name, int value, int least) {
  if (value < least || value > kLargestDimension)
    fail(ErrorKind::input, "cache layout: {} is {}, not from {} to {}", name, value, least, kLargestDimension);
  return static_cast<std::size_t>(value);
}

std::size_t value_bytes(CacheType type) {
  switch (type) {
    case CacheType::f32:
      return 4;
    case CacheType::f16:
    case CacheType::bf16:
      return 2;
    case CacheType::q8:
      return 1;
  }
  fail(ErrorKind::input, "cache layout: unknown type {}", static_cast<int>(type));
}

}  // namespace

PageShape page_shape(const CacheLayout& layout) {
  PageShape page;
  page.type = layout.type;
  page.value_bytes = value_bytes(layout.type);
  const bool scaled = layout.type == CacheType::q8;
  const std::size_t tokens = kPageTokens;
  if (layout.latent > 0) {
    const std::size_t dims = check("latent", layout.latent, 1) + check("rope", layout.rope, 0);
    // Vectors of 16 are read whole: the scales begin after the padding of the values.
    const std::size_t row = round_up<std::size_t>(dims, 16) * page.value_bytes;
    page.row_scales = row;
    page.value_stride = round_up<std::size_t>(
        row + (scaled ? round_up<std::size_t>(dims, kLatentBlock) / kLatentBlock * sizeof(float) : 0), 64);
    page.head_bytes = page.bytes = tokens * page.value_stride;
    return page;
  }
  const std::size_t heads = check("kv_heads", layout.kv_heads, 1);
  const std::size_t scales = scaled ? tokens * sizeof(float) : 0;
  page.key_scales = check("key_dim", layout.key_dim, 1) * tokens * page.value_bytes;
  page.values = page.key_scales + scales;
  page.value_stride = round_up<std::size_t>(check("value_dim", layout.value_dim, 1) * page.value_bytes, 64);
  page.value_scales = page.values + tokens * page.value_stride;
  page.head_bytes = page.value_scales + scales;
  page.bytes = heads * page.head_bytes;
  return page;
}

std::size_t page_bytes(const CacheLayout& layout) { return page_shape(layout).bytes; }

double bytes_per_token(const CacheLayout& layout) { return static_cast<double>(page_bytes(layout)) / kPageTokens; }

}  // namespace limpid
