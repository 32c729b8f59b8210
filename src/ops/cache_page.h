// Where the bytes of a page of the KV cache are (docs/formats.md, cache layout 1). Shared by the operations that store
// and read; engine/ needs only page_bytes().
//
// Grouped-query attention, for each kv head: keys, transposed, (key_dim, 64); q8: (64) f32 scales of the keys; values
// (64, value_dim), rows padded with zeros to 64 bytes; q8: (64) f32 scales of the values.
//
// Latent attention: (64) rows of latent + rope values, padded with zeros to 16 values; q8: then f32 scales, one per 32
// values; rows padded to 64 bytes.
#pragma once

#include "ops/cache.h"

namespace limpid {

struct PageShape {
  CacheType type = CacheType::f16;
  std::size_t value_bytes = 0;  // of one value
  std::size_t head_bytes = 0;   // from a kv head to the next
  std::size_t key_scales = 0;   // offsets inside a head
  std::size_t values = 0;
  std::size_t value_scales = 0;
  std::size_t value_stride = 0;  // from a token's values to the next token's; for a latent, from row to row
  std::size_t row_scales = 0;    // latent q8: offset of the scales inside a row
  std::size_t bytes = 0;         // of the page
};

// Throws Error(input) when a dimension is missing or absurd.
PageShape page_shape(const CacheLayout& layout);

}  // namespace limpid
