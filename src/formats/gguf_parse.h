// The parser of one GGUF file's header; gguf.cpp joins parts. Nothing here allocates more than a small multiple of the
// bytes that it has seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"

namespace limpid {

struct GgufHeader {
  std::uint32_t version = 0;
  std::uint32_t alignment = 0;
  std::vector<GgufValue> values;
  std::vector<GgufTensor> tensors;  // part is left 0
};

// Bytes of one value of a fixed size; 0 for strings and arrays.
std::size_t gguf_type_bytes(GgufType type);

// Throws Error(input | unsupported) that names `path` and the field. Checks everything inside one file, the places of
// its tensors included.
GgufHeader parse_gguf(std::span<const std::byte> bytes, const std::string& path);

}  // namespace limpid
