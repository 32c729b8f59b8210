// The KV cache as ops see it: pool[layer][page], a page = 64 tokens, one block table for all layers (ops/batch.h).
// CacheLayout says what a token stores in a layer; ops/attention.cpp and kernels/ own the bytes inside a page; engine/
// owns the pool.
#pragma once

#include <cstddef>
#include <cstdint>

namespace limpid {

enum class CacheType : std::uint8_t {
  f32,
  f16,
  bf16,
  q8
};  // q8: int8 with an f32 scale per head (per 32 values of a latent)

inline constexpr int kCacheLayoutVersion = 1;  // in the header of what is written to disk

struct CacheLayout {
  CacheType type = CacheType::f16;
  // Grouped-query attention: keys [kv_heads][key_dim], values [kv_heads][value_dim]. Latent attention (latent > 0):
  // `latent` + `rope` values, stored once and used both as key (all) and value (the latent part); kv_heads = 1.
  int kv_heads = 0, key_dim = 0, value_dim = 0;
  int latent = 0, rope = 0;
  bool operator==(const CacheLayout&) const = default;
};

std::size_t page_bytes(const CacheLayout& layout);  // of one layer, a multiple of 64
double bytes_per_token(const CacheLayout& layout);  // page_bytes / 64, to report

// One layer of the pool.
struct CacheLayer {
  CacheLayout layout;
  std::byte* pages = nullptr;  // page p at pages + p * page_bytes(layout)
};

}  // namespace limpid
